"""Our first-order solver: its face, its steps, its certificates, on every library of arrays."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import array_api_compat.numpy
import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem, SolverUnavailable
from sdprelax.base import Deadline, Floats
from sdprelax.certificate import relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.problem import reduce
from sdprelax.solvers.native import Native
from sdprelax.solvers.native.alternating import AlternatingDirections
from sdprelax.solvers.native.arrays import Arrays, arrays_of
from sdprelax.solvers.native.face import Blocks, Face

NUMPY = Arrays(array_api_compat.numpy)
ORDER = [field.name for field in dataclasses.fields(Blocks)]


def gaussian(seed: int, n: int, d: int, c: int, gamma: float = 0.1) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma)


def lifted(problem: Problem) -> LiftedProgram:
    return LiftedProgram(problem, reduce(problem))


def prover(lifting: LiftedProgram, seen: list[float] | None = None) -> Any:
    def prove(A: Floats, N: Sequence[Floats]) -> float:
        lower = relaxation_certificate(lifting.problem, lifting.reduction, A, N).lower
        if seen is not None:
            seen.append(lower)
        return lower

    return prove


def places(face: Face) -> dict[str, slice]:
    g, r = face.generators, face.rank
    return {"a": slice(0, g), "b": slice(g, 2 * g), "w": slice(2 * g, 2 * g + r), "v": slice(2 * g + r, None)}


def compressed(face: Face, matrix: Floats) -> Floats:
    place = places(face)
    found: Floats = face.compress(lambda name: matrix[place[name[0]], place[name[1]]].copy())
    return found


def expanded(face: Face, R: Floats) -> Floats:
    order, place = 2 * face.generators + face.rank + face.outputs, places(face)
    matrix = np.zeros((order, order))
    for name, block in {**face.others(R), **dict(face.activations(R))}.items():
        matrix[place[name[0]], place[name[1]]] = block
        matrix[place[name[1]], place[name[0]]] = block.T
    return matrix


def libraries() -> list[Any]:
    import array_api_strict

    found = [pytest.param(NUMPY, id="numpy"), pytest.param(Arrays(array_api_strict), id="strict")]
    try:
        import array_api_compat.torch
    except ImportError:
        return [*found, pytest.param(None, id="torch", marks=pytest.mark.skip(reason="PyTorch is not installed"))]
    return [*found, pytest.param(Arrays(array_api_compat.torch), id="torch")]


@pytest.mark.parametrize(("g", "r", "c"), [(1, 1, 1), (5, 3, 2), (8, 2, 4)])
def test_the_face_has_orthonormal_coordinates(g: int, r: int, c: int) -> None:
    rng = np.random.default_rng(g)
    lifting = lifted(Problem(rng.standard_normal((g, r)), rng.standard_normal((g, c)), 1.0))
    face = Face(lifting.reduction.rows, c, NUMPY)
    # The basis as a matrix: what expand makes of e_ie_iᵀ and of e_ie_jᵀ + e_je_iᵀ.
    k = face.order
    identity = np.eye(k)
    images = [expanded(face, np.outer(e, f) + np.outer(f, e)) for e in identity for f in identity]
    T, M = lifting.face, lifting.linear_map
    for image in images:
        assert np.max(np.abs(M @ image)) < 1e-12, "it lies in the face"
    gram = np.array([[np.sum(a * b) for b in images] for a in images])
    inner = np.array([np.sum((np.outer(e, f) + np.outer(f, e)) * (np.outer(p, q) + np.outer(q, p)))
                      for e in identity for f in identity for p in identity for q in identity])  # fmt: skip
    assert np.allclose(gram.ravel(), inner, atol=1e-12), "expand is an isometry"
    S = rng.standard_normal((T.shape[1], T.shape[1]))
    matrix = T @ (S + S.T) @ T.T
    there = expanded(face, compressed(face, matrix))
    assert np.allclose(there, matrix, atol=1e-12 * np.max(np.abs(matrix))), "and every matrix of the face comes back"
    other = rng.standard_normal(matrix.shape)
    other += other.T
    projected = expanded(face, compressed(face, other))
    assert abs(np.sum((other - projected) * matrix)) < 1e-10 * np.linalg.norm(matrix) * np.linalg.norm(other)


def several_kinds() -> list[Problem]:
    """Problems whose steps differ: plain; losses, slopes, weights and an offset by copies; rows that several share."""
    plain = gaussian(0, 12, 3, 2)
    labels = np.eye(2)[np.arange(12) % 2]
    shared = np.vstack([plain.X[:9], -2.0 * plain.X[:3]])
    return [
        plain, Problem(shared, plain.Y, 0.1),
        Problem(plain.X, labels, 0.1, loss="cross_entropy", offset=True, activation={"leaky": {"slope": 0.1}}),
        Problem(shared, labels[:, :1] * 2.0 - 1.0, 0.1, loss="hinge", sample_weight=np.linspace(1.0, 2.0, 12)),
    ]  # fmt: skip


@pytest.mark.parametrize("problem", several_kinds(), ids=["plain", "parallel", "leaky", "hinge"])
@pytest.mark.parametrize("arrays", libraries())
def test_every_library_takes_the_same_steps(arrays: Arrays, problem: Problem) -> None:
    lifting = lifted(problem)
    runs = [AlternatingDirections(lifting, which) for which in (NUMPY, arrays)]
    for _ in range(60):
        for run in runs:
            run.step()
    (A, (N,)), (B, (M,)) = (run.certified_point() for run in runs)
    assert np.allclose(A, B, rtol=1e-9, atol=1e-9 * np.max(np.abs(A)))
    assert np.allclose(N, M, rtol=1e-9, atol=1e-9 * np.max(np.abs(N)))
    first, second = (prover(lifting)(*point) for point in ((A, [N]), (B, [M])))
    assert first == pytest.approx(second, rel=1e-6) and first > 0.0


@pytest.mark.parametrize("arrays", libraries())
def test_the_positive_part_is_the_nearest_semidefinite_matrix(arrays: Arrays) -> None:
    rng = np.random.default_rng(1)
    for shift in (-3.0, 0.0, 3.0):
        matrix = rng.standard_normal((9, 9))
        matrix = matrix + matrix.T + shift * np.eye(9)
        found, kept, _ = arrays.positive_pairs(arrays.of(matrix))
        rank = kept.shape[0]
        part = arrays.back(found)
        values = np.linalg.eigvalsh(matrix)
        assert rank == np.sum(values > 0.0)
        assert np.linalg.eigvalsh(part)[0] > -1e-12 and np.linalg.eigvalsh(part - matrix)[0] > -1e-12
        assert abs(np.sum(part * (part - matrix))) < 1e-12 * np.sum(matrix**2)


@pytest.mark.parametrize("seed", range(4))
def test_steps_alone_reach_the_value_that_clarabel_finds(seed: int) -> None:
    problem = gaussian(seed, 8 + 2 * seed, 3 + seed % 2, 1 + seed % 3, 10.0 ** -(seed % 2))
    theirs = sdprelax.solve(problem, "sdp", solver="clarabel", rounding=None)
    options = {"phases": "alternating", "tolerance": 2e-3, "max_iterations": 30_000}
    ours = sdprelax.solve(problem, "sdp", solver="native", solver_options=options, rounding=None)
    assert ours.lower is not None and theirs.lower is not None and ours.certificate is not None
    assert theirs.lower * (1.0 - 4e-3) <= ours.lower <= theirs.solver_value * (1.0 + 1e-4)  # type: ignore[operator]
    assert sdprelax.verify(problem, ours.certificate) >= ours.lower
    assert "native: optimal" in ours.log


def test_multipliers_and_residual_are_a_subgradient_at_x() -> None:
    lifting = lifted(gaussian(2, 10, 3, 2))
    run = AlternatingDirections(lifting, NUMPY)
    for _ in range(37):
        run.step()
    A, (N,) = run.certified_point()
    g, gamma = lifting.generators, lifting.problem.gamma
    twins = (np.arange(g), np.arange(g) + g)
    free = N.copy()
    free[twins] = free[twins[::-1]] = 0.0
    assert np.allclose(N, N.T, atol=1e-12 * np.max(np.abs(N))) and np.min(free) >= 0.0
    # Complementary with x's entries, and the loss's gradient at x is what ρ(z − x) is on Λ_αv.
    x = {name: run._entry(name) for name in ORDER}
    assert float(np.sum(free[:g, :g] * x["aa"])) == float(np.sum(free[g:, g:] * x["bb"])) == 0.0
    pull = lifting.reduction.pull_back(A)
    for name, rows in (("av", slice(0, g)), ("bv", slice(g, None))):
        assert np.allclose(2.0 * run.penalty * (getattr(run.z, name) - x[name]), -pull[rows], atol=1e-9), gamma


def test_where_steps_crawl_an_interior_point_takes_over() -> None:
    rng = np.random.default_rng(3)
    X = np.ones(4) + 0.02 * rng.standard_normal((40, 4))
    problem = Problem(X, rng.standard_normal((40, 2)), 0.1)
    outcome = sdprelax.solve(problem, "sdp", solver="native", rounding=None)
    assert "native: crawls" in outcome.log and "interior_point: " in outcome.log
    alone = {"phases": "alternating", "max_iterations": 2000}
    steps = sdprelax.solve(problem, "sdp", solver="native", solver_options=alone, rounding=None)
    assert outcome.lower is not None and steps.lower is not None
    assert "interior_point" not in steps.log and steps.lower < 0.9 * outcome.lower
    best = sdprelax.solve(problem, "sdp", solver="interior_point", rounding=None)
    assert best.lower is not None and outcome.lower >= (1.0 - 2e-3) * best.lower


def test_a_time_limit_leaves_the_best_certificate_so_far() -> None:
    problem = gaussian(4, 120, 10, 2, 1.0)
    outcome = sdprelax.solve(
        problem, "sdp", solver="native", solver_options={"tolerance": 1e-12, "phases": "alternating"}, rounding=None,
        time_limit=3.0,
    )  # fmt: skip
    assert outcome.lower is not None and outcome.lower > 0.0 and outcome.certificate is not None
    assert "time limit" in outcome.log and outcome.status == "time limit"
    lowers = [point.lower for point in outcome.trace if point.lower is not None]
    assert len(lowers) > 3 and lowers == sorted(lowers)
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


def test_the_same_run_twice_is_the_same_to_the_last_bit() -> None:
    lifting = lifted(gaussian(5, 30, 4, 2))
    solver = Native(phases="alternating", max_iterations=300)
    first, second = (solver.solve_blocks(lifting, lifting.over(), Deadline(), prover(lifting)) for _ in range(2))
    assert np.array_equal(first.multiplier, second.multiplier)
    assert np.array_equal(first.multipliers, second.multipliers) and np.array_equal(first.matrices, second.matrices)


def test_a_start_from_a_neighbouring_problem_saves_steps() -> None:
    problem = gaussian(6, 40, 8, 2, 2.0)
    solver = Native(phases="alternating", tolerance=1e-2)
    before = lifted(problem)
    state = solver.solve_blocks(before, before.over(), Deadline(), prover(before)).state
    lifting = lifted(dataclasses.replace(problem, gamma=1.6))
    runs = []
    for start in (None, state):
        seen: list[float] = []
        found = solver.solve_blocks(lifting, lifting.over(), Deadline(), prover(lifting, seen), start)
        runs.append((int(found.solved.log.split(", ")[1].split()[0]), max(seen)))
    (cold, lower), (warm, other) = runs
    assert warm < cold
    assert other == pytest.approx(lower, rel=3e-2)


def test_memory_is_a_few_matrices_of_the_order_of_the_rows() -> None:
    lifting = lifted(gaussian(7, 300, 4, 1))
    run = AlternatingDirections(lifting, NUMPY)
    for _ in range(10):
        run.step()
    tracemalloc.start()
    for _ in range(10):
        run.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    held = sum(getattr(run.z, name).nbytes for name in ORDER) + run.nearest.nbytes
    assert peak + held < 12 * 8 * 300**2


def test_memory_of_a_certificate_is_a_few_matrices_more() -> None:
    lifting = lifted(gaussian(7, 500, 4, 1))
    run = AlternatingDirections(lifting, NUMPY)
    for _ in range(10):
        run.step()
    A, N = run.certified_point()
    tracemalloc.start()
    found = relaxation_certificate(lifting.problem, lifting.reduction, A, N)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.lower > 0.0 and peak < 20 * 8 * 500**2


@pytest.mark.parametrize(("options", "message"), [
    ({"arrays": "jax"}, "option 'arrays' is 'jax'"),
    ({"phases": "both"}, "option 'phases' is 'both'"),
    ({"tolerance": 0.0}, "option 'tolerance' is 0.0"),
])  # fmt: skip
def test_wrong_options_are_refused_before_any_work(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sdprelax.solve(gaussian(0, 5, 2, 1), "sdp", solver="native", solver_options=options)


def test_a_library_or_device_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SolverUnavailable, match="cannot compute with arrays: numpy on device 'cuda' here"):
        arrays_of("numpy", "cuda")
    monkeypatch.setitem(__import__("sys").modules, "array_api_compat.cupy", None)
    with pytest.raises(SolverUnavailable, match="needs cupy"):
        arrays_of("cupy", None)


def test_torch_gives_the_bound_of_numpy_from_the_method() -> None:
    pytest.importorskip("torch")
    problem = gaussian(8, 25, 6, 2, 1.0)
    bounds = []
    for library in ("numpy", "torch"):
        options = {"arrays": library, "phases": "alternating", "tolerance": 1e-2}
        outcome = sdprelax.solve(problem, "sdp", solver="native", solver_options=options, rounding=None)
        assert outcome.lower is not None and outcome.certificate is not None
        assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
        bounds.append(outcome.lower)
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-6)


def test_beyond_150_rows_native_is_the_default() -> None:
    few, many = gaussian(9, 20, 5, 1, 5.0), gaussian(9, 160, 5, 1, 60.0)
    assert sdprelax.solve(few, "sdp", rounding=None).log.startswith("interior_point")
    outcome = sdprelax.solve(many, "sdp", rounding=None, time_limit=60.0)
    assert outcome.log.startswith("native") and outcome.certificate is not None
    assert sdprelax.verify(many, outcome.certificate) >= outcome.lower
    # Options without a name are the interior point's, as before.
    assert sdprelax.solve(few, "sdp", solver_options={"neighbours": 2}, rounding=None).log.startswith("interior_point")


def test_ionosphere_of_p25_is_certified_within_two_per_cent(p25: Path) -> None:
    """The reference is the objective of a feasible point that an interior point leaves at a relative gap of 1e-6."""
    data = np.load(p25 / "ionosphere.npz")
    problem = Problem(data["X_train"].astype(float), data["Y_train"].astype(float), 0.1)
    options = {"phases": "alternating", "tolerance": 2e-2}
    outcome = sdprelax.solve(problem, "sdp", solver="native", solver_options=options, rounding=None)
    assert outcome.lower is not None and outcome.certificate is not None
    assert 0.98 * 0.8028 <= outcome.lower <= 0.8029
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


@pytest.mark.parametrize("seed", range(6))
def test_a_handful_of_rows_with_many_outputs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = Problem(rng.standard_normal((1 + seed, 3)), rng.standard_normal((1 + seed, 3 * seed + 1)), 1e-3)
    outcome = sdprelax.solve(problem, "sdp", solver="native", rounding=None)
    best = sdprelax.solve(problem, "sdp", solver="interior_point", rounding=None)
    assert outcome.lower is not None and best.lower is not None and outcome.certificate is not None
    assert outcome.lower >= 0.99 * best.lower
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


@pytest.mark.parametrize("solver", ["native", "interior_point", "clarabel"])
def test_duplicates_with_contradicting_targets_have_a_certificate(solver: str) -> None:
    """LᵀA cancels to zero, and what is left of the slack is rounding."""
    for X, Y in (([[1.0], [1.0]], [-1.0, 1.0]), ([[1.0, 2.0], [1.0, 2.0], [3.0, 1.0]], [-1.0, 1.0, 0.0])):
        problem = Problem(np.array(X), np.array(Y)[:, None], 0.1)
        outcome = sdprelax.solve(problem, "sdp", solver=solver, rounding=None)
        assert outcome.lower == pytest.approx(1.0, rel=1e-6) and outcome.certificate is not None
        assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


def test_rows_too_nearly_parallel_for_the_second_phase_keep_what_the_first_one_proved() -> None:
    rng = np.random.default_rng(2)
    X = np.vstack([np.ones((12, 2)) + 1e-8 * rng.standard_normal((12, 2)), rng.standard_normal((6, 2))])
    problem = Problem(X, rng.standard_normal((18, 2)), 0.1)
    seen: list[float] = []
    outcome = sdprelax.solve(
        problem, "sdp", solver="native", rounding=None, report=lambda outcome: seen.append(outcome.lower or 0.0)
    )
    assert outcome.lower is not None and outcome.certificate is not None
    assert seen == sorted(seen) and outcome.lower == seen[-1]
    assert outcome.certificate.reduction.generators == 7, "they are one generator"
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
    # A path has no other presolve to turn to.
    path = sdprelax.regularisation_path(problem, [0.1], solver_options={"phases": "auto"})
    assert path[0].lower is not None and 0.0 < path[0].lower <= outcome.upper  # type: ignore[operator]
