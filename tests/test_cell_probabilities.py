"""Cells' probabilities are solid angles: of all cells they add up, and they make the gated NTK of its closed form."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from sdprelax.cells import cell_probabilities
from sdprelax.exact import activation_patterns
from sdprelax.problem._kernels import gated_ntk_kernel


def unit_rows(g: int, r: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((g, r))
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(("g", "r"), [(1, 1), (2, 2), (9, 2), (3, 3), (25, 3)])
def test_all_cells_make_a_sphere_and_the_gated_ntk(g: int, r: int) -> None:
    rows = unit_rows(g, r)
    signs, _ = activation_patterns(rows)
    found = cell_probabilities(rows, signs, rng=generator())
    assert np.all(found > 0.0)
    assert np.sum(found) == pytest.approx(1.0, abs=1e-13)
    lengths = np.random.default_rng(1).uniform(0.5, 2.0, (g, 1))
    X, masks = lengths * rows, (signs.T > 0).astype(float)
    kernel = sum(p * np.outer(mask, mask) * (X @ X.T) for p, mask in zip(found, masks.T, strict=True))
    np.testing.assert_allclose(kernel, gated_ntk_kernel(X, X), atol=1e-13)
    # A gate and its negative are as likely.
    opposite = cell_probabilities(rows, -signs, rng=generator())
    np.testing.assert_allclose(found, opposite, rtol=1e-9)


@pytest.mark.parametrize(("g", "r"), [(7, 3), (6, 4)])
def test_frequencies_of_gaussian_gates_agree(g: int, r: int) -> None:
    rows = unit_rows(g, r, 3)
    signs, _ = activation_patterns(rows)
    found = cell_probabilities(rows, signs, rng=generator())
    drawn = np.where(np.random.default_rng(11).standard_normal((200_000, r)) @ rows.T > 0.0, 1, -1)
    share = np.array([np.mean(np.all(drawn == pattern, axis=1)) for pattern in signs])
    error = np.sqrt(np.maximum(share, 1e-5) / 200_000)
    assert np.all(np.abs(found - share) <= 7.5 * error)
    assert np.sum(found) == pytest.approx(1.0, abs=1e-9)


def test_orthants_have_their_known_probabilities() -> None:
    np.testing.assert_allclose(cell_probabilities(np.eye(3), activation_patterns(np.eye(3))[0], rng=generator()), 0.125)
    rows = unit_rows(3, 3, 5)
    correlated = np.arcsin([rows[0] @ rows[1], rows[0] @ rows[2], rows[1] @ rows[2]])
    expected = 0.125 + np.sum(correlated) / (4.0 * np.pi)
    found = cell_probabilities(rows, np.ones((1, 3), dtype=np.int8), rng=generator())
    np.testing.assert_allclose(found, [expected], rtol=1e-12)


@pytest.mark.parametrize("angle", [1e-3, 1e-6, 1e-8, 1e-11, 1e-12])
@pytest.mark.parametrize("turn", range(3))
def test_thin_cells_keep_their_digits(angle: float, turn: int) -> None:
    """Between two nearly parallel planes: of the plane's angle ε a share of ε/2π, cut in half by a third row."""
    rows = np.array([[1.0, 0.0, 0.0], [np.cos(angle), np.sin(angle), 0.0], [0.0, 0.0, 1.0]])
    turned = rows @ scipy.stats.special_ortho_group.rvs(3, random_state=turn).T
    patterns = np.array(list(product([1, -1], repeat=3)), dtype=np.int8)
    halves = np.where(patterns[:, 0] == patterns[:, 1], np.pi - angle, angle) / (4.0 * np.pi)
    # The rows' own rounding turns the planes by about 1e-16.
    np.testing.assert_allclose(cell_probabilities(turned, patterns, rng=generator()), halves, rtol=1e-13, atol=3e-16)
    flat = cell_probabilities(rows[:2, :2], patterns[::2, :2], rng=generator())
    np.testing.assert_allclose(flat, 2.0 * halves[::2], rtol=1e-13, atol=3e-16)


@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-5])
def test_small_triangles_are_flat(size: float) -> None:
    """Three planes at a small distance from one direction cut a triangle around it of its area in the plane."""
    around = 2.0 * np.pi * np.arange(3) / 3.0 + 0.3
    rows = np.stack([np.cos(around), np.sin(around), np.full(3, size)], axis=1)
    rows = rows / np.linalg.norm(rows, axis=1)[:, None] @ scipy.stats.special_ortho_group.rvs(3, random_state=1).T
    # Equilateral, with an inscribed circle of radius s: 3√3s².
    found = cell_probabilities(rows, np.ones((1, 3), dtype=np.int8), rng=generator())
    expected = 3.0 * np.sqrt(3.0) * size**2 / (4.0 * np.pi)
    np.testing.assert_allclose(found, [expected], rtol=3.0 * size**2 + 1e-15 / size)


@given(
    seed=st.integers(0, 10**6),
    exponent=st.integers(-12, 0),
    kind=st.sampled_from(["pairs", "three through a ray", "around one direction", "around a plane", "grid"]),
)
def test_the_gated_ntk_comes_out_of_any_arrangement(seed: int, exponent: int, kind: str) -> None:
    """Cells that are thin or tiny, and corners where many planes meet or nearly do."""
    rng, small = np.random.default_rng(seed), 10.0**exponent
    rows = rng.standard_normal((4, 3))
    if kind == "pairs":
        rows = np.vstack([rows, rng.choice([-1.0, 1.0], (4, 1)) * rows + small * rng.standard_normal((4, 3))])
    elif kind == "three through a ray":
        rows = np.vstack([rows, rows[0] + rows[1] + small * rows[2], rows[0] - 2.0 * rows[1]])
    elif kind == "around one direction":
        rows = rows[0] + small * rng.standard_normal((6, 3))
    elif kind == "around a plane":
        rows = rng.standard_normal((6, 2)) @ rows[:2] + small * rng.standard_normal((6, 3))
    else:
        rows = np.array([[x, y, 1.0] for x, y in product([-1.0, 0.0, 1.0, 2.0], [0.0, 1.0])])
        rows = rows @ scipy.stats.special_ortho_group.rvs(3, random_state=seed).T
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    patterns = np.array(list(product([1, -1], repeat=len(rows))), dtype=np.int8)
    found = cell_probabilities(rows, patterns, rng=generator())
    assert np.sum(found) == pytest.approx(1.0, abs=2e-13)
    masks = (patterns > 0).astype(float)
    both = np.einsum("p,pi,pj->ij", found, masks, masks)
    np.testing.assert_allclose(both * (rows @ rows.T), gated_ntk_kernel(rows, rows), atol=1e-13)


@pytest.mark.parametrize("r", [2, 3])
def test_a_pattern_has_a_probability_where_it_has_a_cell(r: int) -> None:
    rows = unit_rows(8, r, 4)
    cells = {tuple(signs) for signs in activation_patterns(rows)[0].tolist()}
    patterns = np.array(list(product([1, -1], repeat=8)), dtype=np.int8)
    found = cell_probabilities(rows, patterns, rng=generator())
    assert {tuple(signs) for signs in patterns[found > 0.0].tolist()} == cells


def test_a_pattern_of_no_cell_has_no_probability() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [np.sqrt(0.5), np.sqrt(0.5)]])
    assert cell_probabilities(rows, np.array([[1, 1, -1]], dtype=np.int8), rng=generator())[0] == 0.0
    in_space = np.hstack([rows, np.zeros((3, 1))])
    in_space = np.vstack([in_space, [[0.0, 0.0, 1.0]]])
    assert cell_probabilities(in_space, np.array([[1, 1, -1, 1]], dtype=np.int8), rng=generator())[0] == 0.0
    assert cell_probabilities(np.array([[1.0]]), np.array([[1], [-1]], dtype=np.int8), rng=generator()).tolist() == [
        0.5,
        0.5,
    ]
