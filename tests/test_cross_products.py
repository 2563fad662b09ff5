"""Generalised cross products against an independent geometric algebra."""

from __future__ import annotations

import clifford
import numpy as np
import pytest

from sdprelax.cells import cross_products


@pytest.mark.parametrize("dimension", [2, 3, 4, 5])
def test_wedge_products_are_those_of_the_geometric_algebra(dimension: int) -> None:
    layout, _ = clifford.Cl(dimension)
    basis = layout.basis_vectors_lst
    rng = np.random.default_rng(dimension)
    for _ in range(20):
        x, rows = rng.standard_normal(dimension), rng.standard_normal((1, dimension - 1, dimension))
        vectors = [sum(a * e for a, e in zip(row, basis, strict=True)) for row in (x, *rows[0])]
        blade = vectors[0]
        for vector in vectors[1:]:
            blade = blade ^ vector
        signed_volume = float(blade.value[-1])
        of_rows = vectors[1]
        for vector in vectors[2:]:
            of_rows = of_rows ^ vector
        normals, logs = cross_products(rows)
        assert np.exp(logs[0]) * (x @ normals[0]) == pytest.approx(signed_volume, rel=1e-11, abs=1e-12)
        assert np.exp(logs[0]) == pytest.approx(abs(of_rows), rel=1e-11)


@pytest.mark.parametrize("dimension", [6, 9, 40])
def test_cross_products_are_oriented_unit_normals(dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    rows, x = rng.standard_normal((7, dimension - 1, dimension)), rng.standard_normal(dimension)
    normals, logs = cross_products(rows)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1.0, rtol=1e-13)
    assert np.max(np.abs(np.einsum("kjd,kd->kj", rows, normals))) < 1e-11
    for k in range(7):
        sign, log = np.linalg.slogdet(np.vstack([x, rows[k]]))
        assert np.sign(x @ normals[k]) == sign
        assert logs[k] + np.log(abs(x @ normals[k])) == pytest.approx(log, rel=1e-10)


def test_one_dimension_has_one_normal() -> None:
    normals, logs = cross_products(np.zeros((3, 0, 1)))
    assert np.array_equal(normals, np.ones((3, 1)))
    assert np.array_equal(logs, np.zeros(3))


def test_volumes_beyond_the_range_of_floats_keep_their_logarithms() -> None:
    rows = np.random.default_rng(0).standard_normal((1, 39, 40)) * np.logspace(-40, 20, 39)[:, None]
    normals, logs = cross_products(rows)
    plain, of_plain = cross_products(rows / np.logspace(-40, 20, 39)[:, None])
    assert logs[0] < np.log(np.finfo(float).tiny)
    assert logs[0] == pytest.approx(of_plain[0] + np.sum(np.log(np.logspace(-40, 20, 39))), rel=1e-12)
    assert np.allclose(normals, plain, atol=1e-12)


@pytest.mark.parametrize("dimension", [2, 3, 5])
def test_dependent_rows_have_no_normal(dimension: int) -> None:
    rows = np.random.default_rng(1).standard_normal((3, dimension - 1, dimension))
    if dimension > 2:
        rows[0, -1] = rows[0, 0] * -2.0
    else:
        rows[0] = 0.0
    rows[1, 0] = 0.0
    normals, logs = cross_products(rows)
    assert not np.any(normals[:2])
    assert np.all(np.isneginf(logs[:2]))
    assert np.linalg.norm(normals[2]) == pytest.approx(1.0)
    assert np.isfinite(logs[2])


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="takes 2"):
        cross_products(np.zeros((1, 3, 3)))
