"""Sublinear forms beyond the plane: separated from solutions, valid for every neuron, proved by both verifiers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sdprelax
from sdprelax import Problem
from sdprelax.base import Floats
from sdprelax.cells import Cone, whole_space
from sdprelax.lifting.inequalities import Forms, SeparatedForms, WithFound, inequalities
from tests.certificate.verifiers import proved_by_both

FAMILIES = ["nonnegative", "complementary", "walls"]


def neurons(rows: Floats, cone: Cone, count: int, rng: np.random.Generator) -> Floats:
    """Return z of random neurons in a cone, shape (count, len(z)); near hyperplanes as well."""
    w = rng.standard_normal((200 * count, rows.shape[1]))
    walls = cone.walls(rows)
    w = w[np.all(w @ walls.T >= 0.0, axis=1)][:count]
    return np.hstack([np.maximum(-w @ rows[cone.undetermined].T, 0.0), w])


def unit_rows(rng: np.random.Generator, count: int, rank: int) -> Floats:
    rows = rng.standard_normal((count, rank))
    return np.asarray(rows / np.linalg.norm(rows, axis=1)[:, None])


@pytest.mark.parametrize(("rank", "depth"), [(3, 0), (3, 2), (4, 0), (4, 1), (5, 1)])
def test_separated_forms_hold_for_every_neuron_and_are_violated(rank: int, depth: int) -> None:
    rng = np.random.default_rng(rank + depth)
    rows = unit_rows(rng, 14, rank)
    cone = whole_space(14)
    for _ in range(depth):
        cone = cone.split(rows, int(cone.undetermined[0]))[0]
    forms = Forms.of(rows, cone)
    # Nonnegative products alone do not make a matrix one of neurons: what is in the middle of few of them and noise.
    z = neurons(rows, cone, 40, rng)
    noise = rng.standard_normal((z.shape[1], z.shape[1]))
    S = z.T @ z / len(z) + 0.3 * noise @ noise.T / len(noise)
    found = inequalities.create("sublinear", {"most": 12}).separated(rows, forms, S)
    assert 0 < len(found) <= 12
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-12)
    products = found @ S @ forms.matrix.toarray().T
    assert np.all(np.min(products, axis=1) < 0.0)
    assert np.min(neurons(rows, cone, 2000, rng) @ found.T) >= -1e-12
    # What neurons make violates none.
    true = neurons(rows, cone, 3000, rng)
    assert len(inequalities.create("sublinear").separated(rows, forms, true.T @ true)) == 0


def test_a_form_of_linear_activations_is_sharper_in_a_cone() -> None:
    rng = np.random.default_rng(2)
    rows = unit_rows(rng, 10, 3)
    cone = whole_space(10).split(rows, 0)[0]
    forms = Forms.of(rows, cone)
    found = inequalities.create("sublinear").separated(rows, forms, np.eye(forms.matrix.shape[1]))
    assert np.min(neurons(rows, cone, 2000, rng) @ found.T) >= -1e-12
    outside = rng.standard_normal((500, 3))
    z = np.hstack([np.maximum(-outside @ rows[cone.undetermined].T, 0.0), outside])
    assert np.min(z @ found.T) < -1e-3, "some hold on the cone alone"


def test_in_the_plane_and_without_undetermined_rows_there_is_nothing() -> None:
    family = inequalities.create("sublinear")
    rows = unit_rows(np.random.default_rng(0), 6, 2)
    assert len(family.separated(rows, Forms.of(rows, whole_space(6)), np.eye(8))) == 0
    one = np.eye(3)[:1]
    cone = whole_space(1).split(one, 0)[0]
    assert len(family.separated(one, Forms.of(one, cone), np.eye(3))) == 0


def test_parts_of_a_cone_have_what_the_cone_has() -> None:
    rng = np.random.default_rng(5)
    rows = unit_rows(rng, 12, 3)
    whole = whole_space(12)
    family = inequalities.create("sublinear")
    S = np.eye(15)
    stated = family.separated(rows, Forms.of(rows, whole), S)
    place = Forms.of(rows, whole, {"sublinear": stated})
    asked = np.ones((len(stated), place.count), dtype=bool)
    asked[0] = asked[:, 24] = False
    kept = WithFound(
        "sublinear", family, {(whole.path, None): SeparatedForms(place.over[place.places["sublinear"]], asked)}
    )
    there = Forms.of(rows, whole, {"sublinear": kept})
    missing = {tuple(pair) for pair in place.pairs} - {tuple(pair) for pair in there.pairs}
    assert missing == {(p, q) for p, q in place.pairs.tolist() if 24 in (p, q)}, "in the cone those that are asked for"
    for part in whole.split(rows, 3):
        forms = Forms.of(rows, part, {"sublinear": kept})
        there = forms.matrix[forms.places["sublinear"]].toarray()
        assert len(there) == len(stated)
        assert np.min(neurons(rows, part, 1000, rng) @ there.T) >= -1e-12


@pytest.mark.parametrize(("rank", "cones"), [(3, 1), (4, 1), (3, 4)])
def test_rounds_raise_a_bound_that_both_verifiers_prove(rank: int, cones: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(rank)
    problem = Problem(rng.standard_normal((11, rank)), rng.standard_normal((11, 2)), gamma=0.1)
    optimum = sdprelax.solve(problem, "exact").upper
    lower = []
    for rounds in (0, 2):
        families = [*FAMILIES, {"sublinear": {"rounds": rounds, "most": 15}}]
        found = sdprelax.solve(
            problem, "sdp", inequalities=families, cones=cones, splitting="coverage", solver="clarabel", rounding=None
        )
        assert found.lower is not None and found.lower <= optimum
        lower.append(found.lower)
    assert optimum - lower[1] < 0.6 * (optimum - lower[0]), "most of the gap is closed"
    reached = [each["lower"] for each in found.details["separation"]]
    assert reached == sorted(reached), "the best bound never falls"
    assert proved_by_both(problem, found.certificate, tmp_path / "certificate.npz") >= found.lower
    assert any(np.any(N > 0.0) for N in found.certificate.multipliers("sublinear"))


def test_directions_of_balanced_neurons_enter_round_after_round(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    problem = Problem(rng.standard_normal((8, 4)), rng.standard_normal((8, 2)), gamma=0.3)
    families = [*FAMILIES, "sectors"]
    plain, more = (
        sdprelax.solve(problem, "sdp", inequalities=each, sectors=4, solver="clarabel", rounding=None)
        for each in (families, [*families, {"norm": {"rounds": 1}}])
    )
    assert plain.lower is not None and more.lower is not None
    assert plain.lower * (1.0 + 1e-5) < more.lower <= sdprelax.solve(problem, "exact").upper
    assert proved_by_both(problem, more.certificate, tmp_path / "certificate.npz") >= more.lower
