"""Partitions of weight space, and the hierarchy of relaxations over them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

import sdprelax
from sdprelax import Certificate, InputError, Problem
from sdprelax.base import Deadline
from sdprelax.cells import Cone, covers_space, whole_space
from sdprelax.certificate import BlockProof, RelaxationProof, relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import Forms
from sdprelax.problem import reduce
from sdprelax.relaxation import relaxation, split_by_coverage, split_by_neurons
from sdprelax.relaxation._splitting import _walked, local_certificate
from sdprelax.solvers import solvers
from tests.certificate.verifiers import proved_by_both, refused_by_both


def gaussian(seed: int, n: int, d: int, c: int, gamma: float) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma)


def random_partition(rows: np.ndarray, count: int, rng: np.random.Generator) -> list[Cone]:
    cones = [whole_space(len(rows))]
    while len(cones) < count:
        index = int(rng.integers(len(cones)))
        if len(cones[index].undetermined):
            cones[index : index + 1] = cones[index].split(rows, int(rng.choice(cones[index].undetermined)))
        elif not any(len(cone.undetermined) for cone in cones):
            break
    return cones


def unit_rows(seed: int, g: int, r: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((g, r))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(6))
def test_random_neurons_split_space_at_rows_with_a_jump(seed: int) -> None:
    rng = np.random.default_rng(seed)
    g, r, linear = int(rng.integers(4, 9)), int(rng.integers(2, 5)), 2
    rows, dual = unit_rows(seed, g, r), rng.standard_normal((2 * g, 3))
    # f has no kink at these.
    dual[g : g + linear] = -dual[:linear]
    cones = split_by_neurons(rows, dual, 200, linear + 1, np.random.default_rng(0))
    assert covers_space(cones)
    # Beyond a row that is left there is too thin a part of the cone to be seen.
    W = rng.standard_normal((r, 2000))
    for cone in cones:
        inside = W[:, np.all(cone.walls(rows) @ W >= 0.0, axis=0)]
        bending = cone.undetermined[cone.undetermined >= linear]
        if len(cone.undetermined) > linear + 1 and inside.shape[1] >= 20:
            positive = np.mean(rows[bending] @ inside > 0.0, axis=1)
            assert np.max(np.minimum(positive, 1.0 - positive)) <= 0.1
    assert all(row >= linear for cone in cones for row, _ in cone.path)
    assert len(split_by_neurons(rows, dual, 5, 0, rng)) <= 5
    again = split_by_neurons(rows, dual, 200, linear + 1, np.random.default_rng(0))
    assert [cone.path for cone in cones] == [cone.path for cone in again]


@pytest.mark.parametrize("seed", range(6))
def test_walks_stay_inside_their_cone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, inside = unit_rows(seed, 5, int(rng.integers(2, 6))), rng.standard_normal(5)
    inside = inside[: rows.shape[1]] / np.linalg.norm(inside[: rows.shape[1]])
    walls = np.sign(rows @ inside)[:, None] * rows
    neurons = _walked(walls, inside[None], rng)
    assert np.min(neurons @ walls.T) >= -1e-12
    assert np.linalg.norm(neurons, axis=1) == pytest.approx(1.0)
    assert np.min(np.linalg.norm(neurons[1:] - neurons[:1], axis=1)) > 0.0


@given(st.integers(0, 300))
def test_every_direction_is_in_a_cone_whose_signs_are_its_own(seed: int) -> None:
    rng = np.random.default_rng(seed)
    g, r = int(rng.integers(2, 9)), int(rng.integers(2, 5))
    rows = unit_rows(seed, g, r)
    cones = random_partition(rows, int(rng.integers(1, 9)), rng)
    assert covers_space(cones)
    W = rng.standard_normal((r, 500))
    inner = rows @ W
    owners = np.zeros(500, dtype=int)
    for cone in cones:
        inside = np.all(cone.walls(rows) @ W >= 0.0, axis=0)
        owners += inside
        said = cone.signs != 0
        assert np.all(inner[said][:, inside] * cone.signs[said][:, None] >= -1e-9)
        # The activations are linear in (β of the undetermined rows, w), and what is said to be nonnegative is.
        z = np.vstack([np.maximum(-inner[~said], 0.0), W])[:, inside]
        expected = np.vstack([np.maximum(inner, 0.0), np.maximum(-inner, 0.0)])[:, inside]
        np.testing.assert_allclose(cone.lift(rows) @ z, np.vstack([expected, W[:, inside]]), atol=1e-9)
        assert np.all(Forms.of(rows, cone).matrix @ z >= -1e-9)
    assert np.all(owners == 1)


@given(st.integers(0, 300))
def test_no_cone_is_empty_and_every_undetermined_row_has_both_signs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = unit_rows(seed, 6, 2 + seed % 2)
    cones = random_partition(rows, 6, rng)
    for cone in cones:
        for row in cone.undetermined:
            for side in (1.0, -1.0):
                # A linear program finds a point of the cone on that side of the row: another proof than Farkas'.
                point = scipy.optimize.linprog(
                    -side * rows[row], A_ub=-cone.walls(rows), b_ub=np.zeros(len(cone.facets)), bounds=(-1.0, 1.0)
                )
                assert -point.fun > 1e-9


def _cones(paths: list[tuple[tuple[int, int], ...]]) -> list[Cone]:
    return [Cone(path, np.zeros(3, dtype=np.int8), ()) for path in paths]


def test_sets_of_cones_that_leave_something_out_are_told_apart() -> None:
    assert covers_space(_cones([()]))
    assert covers_space(_cones([((0, 1),), ((0, -1), (2, 1)), ((0, -1), (2, -1))]))
    for paths in (
        [],
        [((0, 1),)],
        [((0, 1),), ((1, -1),)],
        [((0, 1),), ((0, -1), (2, 1))],
        [((0, 1),), ((0, 1),)],
        [(), ((0, 1),)],
    ):
        assert not covers_space(_cones(paths))


def solved(problem: Problem, cones: list[Cone]) -> tuple[float, Certificate]:
    reduction = reduce(problem)
    program = relaxation(LiftedProgram(problem, reduction), "reduced", cones)
    found = program.solve(solvers.create("clarabel", {}), Deadline())
    assert found.solved.value is not None
    return found.solved.value, relaxation_certificate(problem, reduction, found.multiplier, found.multipliers, cones)


@pytest.mark.parametrize("seed", range(6))
def test_refining_never_loosens_and_the_bound_stays_below_the_optimum(seed: int) -> None:
    """The certified bound may fall by its own repair, the distance to the solver's value, and by nothing else."""
    problem = gaussian(seed, 9, 2 + seed % 2, 2, 0.1)
    rng = np.random.default_rng(seed)
    reduction = reduce(problem)
    optimum = sdprelax.solve(problem, "exact").upper
    assert optimum is not None
    cones = [whole_space(reduction.generators)]
    before, repair = 0.0, 0.0
    for _ in range(5):
        value, certificate = solved(problem, cones)
        assert certificate.lower <= sdprelax.verify(problem, certificate) <= optimum
        repair = max(repair, value - certificate.lower)
        assert certificate.lower >= before - repair - 1e-6 * value
        assert repair <= 1e-2 * value
        before = max(before, certificate.lower)
        split = [index for index, cone in enumerate(cones) if len(cone.undetermined)]
        index = int(rng.choice(split))
        cones[index : index + 1] = cones[index].split(reduction.rows, int(rng.choice(cones[index].undetermined)))


@pytest.mark.parametrize("seed", range(4))
def test_with_all_signs_fixed_the_relaxation_is_exact_in_rank_two(seed: int) -> None:
    problem = gaussian(seed, 6, 2, 2, 0.1)
    reduction = reduce(problem)
    cones = split_by_coverage(reduction.rows, [whole_space(reduction.generators)], 100)
    assert len(cones) == 2 * reduction.generators
    _, certificate = solved(problem, cones)
    assert certificate.lower == pytest.approx(sdprelax.solve(problem, "exact").upper, rel=1e-5)


@pytest.mark.parametrize("splitting", ["coverage", "violation", "strong"])
def test_the_dial_closes_the_gap(splitting: str) -> None:
    problem = gaussian(3, 14, 2, 3, 0.05)
    optimum = sdprelax.solve(problem, "exact").upper
    assert optimum is not None
    gaps = []
    for cones in (1, 12):
        outcome = sdprelax.solve(problem, "sdp", cones=cones, splitting=splitting, rounding=None)
        assert outcome.lower is not None and outcome.certificate is not None
        assert outcome.lower <= sdprelax.verify(problem, outcome.certificate) <= optimum
        gaps.append(1.0 - outcome.lower / optimum)
    assert gaps[1] <= 0.1 * gaps[0]
    assert gaps[1] <= 5e-3


def test_strong_branching_certifies_p25_s_random_data_to_a_thousandth(p25: Path) -> None:
    data = np.load(p25 / "random.npz")
    for row in range(3):
        problem = Problem(data["X"][row], data["Y"][row], 0.1)
        optimum = sdprelax.solve(problem, "exact").upper
        outcome = sdprelax.solve(problem, "sdp", cones=12, splitting="strong", rounding=None)
        assert outcome.lower is not None and optimum is not None
        assert outcome.details["cones"] <= 12
        assert 1.0 - outcome.lower / optimum <= 1e-3


@given(st.integers(0, 60))
def test_a_local_certificate_bounds_its_cone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = unit_rows(seed, 6, 2 + seed % 2)
    dual = rng.standard_normal((12, 2))
    for cone in random_partition(rows, 3, rng):
        omega, N = local_certificate(rows, dual, cone, Deadline())
        W = rng.standard_normal((rows.shape[1], 5000))
        W = W[:, np.all(cone.walls(rows) @ W >= 0.0, axis=0)]
        inner = rows @ W
        outputs = dual[:6].T @ np.maximum(inner, 0.0) + dual[6:].T @ np.maximum(-inner, 0.0)
        reached = np.linalg.norm(outputs, axis=0) / np.linalg.norm(W, axis=0)
        assert np.max(reached, initial=0.0) <= omega * (1.0 + 1e-6)
        assert np.array_equal(N, N.T)


@pytest.mark.parametrize("splitting", ["coverage", "violation", "strong"])
def test_where_no_neuron_pays_all_cones_are_idle_and_the_bound_is_that_of_the_empty_network(splitting: str) -> None:
    free = gaussian(3, 8, 2, 2, 1.0)
    # The largest ‖Yᵀ(Xu)₊‖ over directions, and a γ above it that the product of norms does not settle.
    angles = np.linspace(0.0, 2.0 * np.pi, 20_001)
    reached = np.linalg.norm(free.Y.T @ np.maximum(free.X @ np.stack([np.cos(angles), np.sin(angles)]), 0.0), axis=0)
    gamma = 1.1 * float(np.max(reached))
    assert gamma < np.linalg.norm(free.X, 2) * np.linalg.norm(free.Y, 2)
    problem = Problem(free.X, free.Y, gamma)
    outcome = sdprelax.solve(problem, "sdp", cones=6, splitting=splitting, rounding=None)
    assert outcome.lower == pytest.approx(0.5 * float(np.sum(free.Y**2)), rel=1e-4)


def test_the_published_form_takes_no_cones() -> None:
    with pytest.raises(InputError, match="cones and sectors need form: reduced"):
        sdprelax.solve(gaussian(0, 5, 2, 1, 0.1), "sdp", form="lifted", cones=4)


def test_a_certificate_over_cones_is_saved_and_tampering_is_seen(tmp_path: Path) -> None:
    problem = gaussian(5, 9, 2, 2, 0.1)
    certificate = sdprelax.solve(problem, "sdp", cones=5, rounding=None).certificate
    assert certificate is not None and isinstance(certificate.proof, RelaxationProof)
    certificate.save(tmp_path / "cones.npz")
    loaded = Certificate.load(tmp_path / "cones.npz")
    assert proved_by_both(problem, loaded, tmp_path / "cones.npz") == sdprelax.verify(problem, certificate)
    blocks = certificate.proof.blocks
    loosest = max(blocks, key=lambda block: len(block.cone.undetermined))
    flipped = loosest.cone.signs.copy()
    flipped[np.flatnonzero(flipped)[0]] *= -1
    forged = {
        "a cone left out": blocks[1:],
        "a cone twice": (*blocks, blocks[0]),
        "a sign turned round": tuple(
            block if block is not loosest else BlockProof(
                Cone(block.cone.path, flipped, block.cone.facets), block.multipliers, block.kappa, block.delta
            )
            for block in blocks
        ),
        "walls from elsewhere": tuple(
            BlockProof(
                Cone(block.cone.path, block.cone.signs, tuple((row, -side) for row, side in block.cone.facets)),
                block.multipliers, block.kappa, block.delta,
            )
            for block in blocks
        ),
    }  # fmt: skip
    for changed in forged.values():
        tampered = dataclasses.replace(certificate, proof=RelaxationProof(changed))
        refused_by_both(problem, tampered, tmp_path / "cones.npz")
