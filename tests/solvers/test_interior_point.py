"""Our interior point: a strictly feasible start, the matrix of the Newton system, the bound of the relaxation."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.sparse as sp

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.base import Deadline, Floats
from sdprelax.cells import Cone, combination, orthants, whole_space
from sdprelax.certificate import relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import Forms, Inequality, inequalities
from sdprelax.problem import Reduction, losses, reduce
from sdprelax.relaxation import split_by_coverage
from sdprelax.relaxation._program import solve_relaxation
from sdprelax.solvers import solvers
from sdprelax.solvers._schur import schur_matrix
from sdprelax.solvers.interior_point import InteriorPoint
from sdprelax.solvers.interior_point.iterate import Iterate
from sdprelax.solvers.interior_point.start import dual_start, independent, primal_start


def unit_rows(seed: int, g: int, r: int, spread: float = 1.0) -> Floats:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal(r) * (spread < 1.0) + spread * rng.standard_normal((g, r))
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def gaussian(seed: int, n: int, d: int, c: int, gamma: float = 0.1) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma)


@pytest.mark.parametrize(("g", "r", "spread"), [(1, 1, 1.0), (2, 2, 1.0), (9, 3, 1.0), (20, 4, 0.1), (12, 2, 1e-3)])
def test_the_start_is_strictly_feasible(g: int, r: int, spread: float) -> None:
    rows, gamma = unit_rows(0, g, r, spread), 0.3
    G = Forms.of(rows, whole_space(g)).matrix
    twins, pairs, values = dual_start(rows, gamma, 4)
    assert np.all(values > 0.0) and len({tuple(pair) for pair in pairs}) == len(pairs)
    M = np.zeros((2 * g, 2 * g))
    M[np.arange(g), np.arange(g) + g] = twins
    M[pairs[:, 0], pairs[:, 1]] = values
    M = M + np.triu(M, 1).T
    slack = np.zeros((g + r, g + r))
    slack[g:, g:] = gamma * np.eye(r)
    slack -= G.T @ M @ G
    scale = 1.0 / np.sqrt(np.diag(slack))
    assert np.linalg.eigvalsh(scale[:, None] * slack * scale)[0] > 0.0
    # Half of γ is left for A: that is what the shares of twins and pairs are for.
    slack[g:, g:] -= 0.499 * gamma * np.eye(r)
    assert np.linalg.eigvalsh(scale[:, None] * slack * scale)[0] > -1e-12

    problem = Problem(rows, np.ones((g, 1)), gamma)
    block = LiftedProgram(problem, Reduction.identity(rows)).over()[0]
    X = primal_start(block, rows)[: g + r, : g + r]
    P = G @ X @ G.T
    crossing = np.arange(g)
    assert np.max(np.abs(P[crossing, crossing + g])) <= 1e-14 * np.max(np.abs(P)), "true neurons have α_iβ_i = 0"
    P[crossing, crossing + g] = P[crossing + g, crossing] = 1.0
    assert np.min(P) > 0.0
    assert np.linalg.eigvalsh(X)[0] > 0.0


def test_the_schur_matrix_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((7, 5))
    X, W = (matrix @ matrix.T for matrix in rng.standard_normal((2, 5, 5)))
    first, second = np.triu_indices(7)
    weight = np.where(first == second, 0.5, 1.0)
    own, found = (first, second, weight), np.zeros((len(first), len(first)))
    P, Q = (rows @ matrix @ rows.T for matrix in (X, W))
    schur_matrix(P, Q, *own, *own, True, found)
    forms = [
        w * (np.outer(rows[a], rows[b]) + np.outer(rows[b], rows[a]))
        for a, b, w in zip(first, second, weight, strict=True)
    ]
    for p, F in enumerate(forms):
        for q in range(p + 1):
            assert found[p, q] == pytest.approx(np.trace(F @ X @ forms[q] @ W), rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_it_certifies_what_clarabel_certifies(seed: int) -> None:
    problem = gaussian(seed, 6 + 2 * seed, 2 + seed % 3, 1 + seed % 3, 10.0 ** -(1 + seed % 2))
    ours = sdprelax.solve(problem, "sdp", solver="interior_point", rounding=None)
    theirs = sdprelax.solve(problem, "sdp", solver="clarabel", rounding=None)
    assert ours.lower is not None and theirs.lower is not None and ours.certificate is not None
    assert theirs.lower * (1.0 - 1e-6) <= ours.lower <= theirs.solver_value * (1.0 + 1e-4)  # type: ignore[operator]
    assert sdprelax.verify(problem, ours.certificate) >= ours.lower


def test_primal_and_dual_point_meet_and_every_step_is_feasible(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every step is looked at, not only those that there is time for.
    monkeypatch.setattr("sdprelax.solvers.interior_point.Sparing", lambda report: report)
    problem = gaussian(3, 20, 3, 2)
    reduction = reduce(problem)
    lifting = LiftedProgram(problem, reduction)
    duals: list[float] = []

    def look(A: Floats, N: Sequence[Floats]) -> float:
        duals.append(float(np.sum(A * problem.Y) - 0.5 * np.sum(A**2)))
        # No repair is needed: the certificate proves the dual value itself.
        lower = relaxation_certificate(problem, reduction, A, N).lower
        assert lower >= duals[-1] * (1.0 - 1e-6)
        return lower

    found = InteriorPoint().solve_blocks(lifting, lifting.over(), Deadline(), look)
    lifted = lifting.face @ found.matrices[0] @ lifting.face.T
    residuals = lifting.residuals(lifted)
    assert max(residuals.values()) < 1e-7 * np.max(lifted)
    primal = lifting.objective(lifted)
    assert found.solved.value == pytest.approx(primal, rel=1e-12)
    assert max(duals) <= primal * (1.0 + 1e-6) and max(duals) == pytest.approx(primal, rel=1e-5)
    assert "optimal" in found.solved.log or "stalled" in found.solved.log


def test_fewer_constraints_are_held_than_there_are_and_a_cap_loosens_the_bound_soundly() -> None:
    problem = gaussian(5, 30, 3, 1)
    whole = sdprelax.solve(problem, "sdp", rounding=None)
    assert "interior_point" in whole.log
    held, entries = (int(word) for word in whole.log.split("steps, ")[1].split(" entrywise")[0].split(" of "))
    assert held < 0.5 * entries == 0.5 * (60 * 61 // 2 - 30)
    options = {"neighbours": 1, "max_constraints": 100}
    capped = sdprelax.solve(problem, "sdp", solver="interior_point", solver_options=options, rounding=None)
    assert whole.lower is not None and capped.lower is not None and capped.certificate is not None
    assert "100 of 1800" in capped.log
    assert capped.lower < 0.99 * whole.lower
    assert sdprelax.verify(problem, capped.certificate) >= capped.lower


def test_a_time_limit_leaves_a_proved_bound_of_a_size_that_no_other_solver_starts_on() -> None:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((150, 6)), rng.standard_normal((150, 2)), 1.0)
    started = time.monotonic()
    outcome = sdprelax.solve(problem, "sdp", rounding=None, time_limit=15.0)
    assert time.monotonic() - started < 60.0
    assert outcome.lower is not None and outcome.lower > 0.0 and outcome.certificate is not None
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
    lowers = [point.lower for point in outcome.trace if point.lower is not None]
    assert len(lowers) > 3 and lowers == sorted(lowers)


@pytest.mark.parametrize("spread", [1e-12, 1e-8, 3e-6])
def test_rows_too_nearly_parallel_for_a_start_are_one_generator_and_the_certificate_pays(spread: float) -> None:
    rng = np.random.default_rng(2)
    X = np.vstack([np.ones((6, 2)) + spread * rng.standard_normal((6, 2)), rng.standard_normal((3, 2))])
    problem = Problem(X, rng.standard_normal((9, 2)), 0.1)
    outcome = sdprelax.solve(problem, "sdp", rounding=None, solver="interior_point")
    assert outcome.log.startswith("interior_point") and outcome.certificate is not None
    if spread < 3e-6:
        assert outcome.certificate.reduction.generators == 4
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
    optimum = sdprelax.solve(problem, "exact")
    other = sdprelax.solve(problem, "sdp", rounding=None, solver="clarabel")
    assert outcome.lower is not None and other.lower is not None and optimum.upper is not None
    assert other.lower * (1.0 - 1e-3) <= outcome.lower <= optimum.upper


def test_a_run_that_stalls_far_from_its_claim_goes_to_clarabel_too_and_the_better_certificate_stays() -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((3, 2)), rng.standard_normal((3, 2))
    problem = Problem(X, Y, 2e-6 * float(np.linalg.norm(X, 2) * np.linalg.norm(Y, 2)))
    both = [sdprelax.solve(problem, "sdp", solver=name, rounding=None) for name in ("interior_point", "clarabel")]
    default = sdprelax.solve(problem, "sdp", rounding=None)
    lowers = [outcome.lower for outcome in both if outcome.lower is not None]
    assert default.lower is not None and default.certificate is not None
    assert default.lower >= (1.0 - 1e-3) * max(lowers)
    assert sdprelax.verify(problem, default.certificate) >= default.lower


@pytest.mark.parametrize("options", [{"form": "lifted"}, {"presolve": False}])
def test_it_is_for_the_presolved_reduced_form(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="solver: interior_point is for the presolved reduced form with the ineq"):
        sdprelax.solve(gaussian(0, 5, 2, 1), "sdp", solver="interior_point", **options)
    assert sdprelax.solve(gaussian(0, 5, 2, 1), "sdp", rounding=None, **options).log.startswith("clarabel")


class Triples(Inequality):
    """Sublinear forms: a row as a nonnegative combination of others, up to their signs."""

    def forms(self, rows: Floats, cone: Cone) -> sp.csr_array:
        """Return at most one form per row, shape (m, len(λ))."""
        g, found = len(rows), []
        for j in range(g):
            places = np.delete(np.arange(2 * g), [j, g + j])
            weights, rest = combination(rows[j], np.vstack([rows, -rows])[places])
            form = np.zeros(2 * g + rows.shape[1] + cone.balanced)
            form[places] = weights
            form[j] = -1.0
            if rest < 1e-12:
                found.append(form)
        return sp.csr_array(np.array(found).reshape(len(found), 2 * g + rows.shape[1] + cone.balanced))


def both_on_blocks(problem: Problem, cones: list[Cone], more: dict[str, Inequality] | None = None) -> list[list[float]]:
    """Return claim, dual value and proved bound of our interior point and of Clarabel."""
    reduction, more = reduce(problem), more or {}
    lifting = LiftedProgram(problem, reduction, more)
    found = []
    for name in ("interior_point", "clarabel"):
        solver = solvers.create(name, {"tolerance": 1e-7})
        got = solve_relaxation(lifting, "reduced", cones, solver, Deadline(), lambda A, N: 0.0)
        assert got.solved.value is not None
        proved = relaxation_certificate(problem, reduction, got.multiplier, got.multipliers, cones, more)
        found.append([got.solved.value, problem.dual_value(got.multiplier), proved.lower])
    return found


@pytest.mark.parametrize(
    ("seed", "count", "forms"), [(0, 2, False), (1, 4, False), (4, 18, False), (2, 1, True), (3, 3, True)]
)
def test_over_cones_and_with_further_forms_it_proves_what_clarabel_claims(seed: int, count: int, forms: bool) -> None:
    problem = gaussian(seed, 9, 2 + seed % 2, 2, 0.1)
    rows = reduce(problem).rows
    cones = split_by_coverage(rows, [whole_space(len(rows))], count)
    ours, theirs = both_on_blocks(problem, cones, {"triples": Triples()} if forms else {})
    assert ours == pytest.approx([theirs[0]] * 3, rel=1e-5)


@pytest.mark.parametrize(("c", "count"), [(1, 1), (2, 2)])
def test_blocks_of_output_sectors_agree_with_clarabel(c: int, count: int) -> None:
    problem = gaussian(4, 5, 2, c, 0.1)
    rows = reduce(problem).rows
    cones = split_by_coverage(rows, [whole_space(len(rows))], count)
    cones = [cone.within(sector) for cone in cones for sector in orthants(c)]
    ours, theirs = both_on_blocks(problem, cones, {"sectors": inequalities.create("sectors")})
    assert ours == pytest.approx([theirs[0]] * 3, rel=1e-5)


def test_other_losses_and_an_offset_over_cones() -> None:
    rng = np.random.default_rng(6)
    X, Y = rng.standard_normal((8, 2)), np.eye(2)[rng.integers(0, 2, 8)]
    problem = Problem(X, Y, 0.05, loss=losses.create("cross_entropy"), offset=True)
    rows = reduce(problem).rows
    ours, theirs = both_on_blocks(problem, split_by_coverage(rows, [whole_space(len(rows))], 2))
    assert ours == pytest.approx([theirs[0]] * 3, rel=1e-5)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = gaussian(7, 9, 3, 2)
    reduction = reduce(problem)
    lifting = LiftedProgram(problem, reduction)
    blocks = lifting.over(split_by_coverage(reduction.rows, [whole_space(9)], 3))
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr("sdprelax.base._threads.threads_allowed", lambda count=threads: count)
        found.append(InteriorPoint().solve_blocks(lifting, blocks, Deadline(), lambda A, N: 0.0))
    for other in found[1:]:
        assert np.array_equal(found[0].multiplier, other.multiplier)
        assert all(map(np.array_equal, found[0].matrices, other.matrices))


def test_without_the_products_that_vanish_there_is_no_interior() -> None:
    problem = gaussian(0, 5, 2, 1)
    lifting = LiftedProgram(problem, reduce(problem), left_out=frozenset({"complementary"}))
    with pytest.raises(InputError, match="interior_point needs the inequalities complementary, nonnegative"):
        InteriorPoint().solve_blocks(lifting, lifting.over(), Deadline(), lambda A, N: 0.0)


def test_products_that_vanish_and_depend_on_others_are_left_out() -> None:
    G = sp.csr_array(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 0.0]]))
    twins, others = np.array([[0, 1]]), np.array([[1, 3], [1, 1], [1, 2], [0, 1], [2, 2]])
    found = independent(G, twins, others)
    assert found[0].tolist() == [0, 1] and len(found) == 3


def test_a_step_that_would_end_after_the_time_limit_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, step = [0.0], InteriorPoint._step

    def slowly(self: InteriorPoint, run: Iterate) -> None:
        clock[0] += 1.0
        step(self, run)

    monkeypatch.setattr("sdprelax.base._deadline._now", lambda: clock[0])
    monkeypatch.setattr(InteriorPoint, "_step", slowly)
    problem = gaussian(0, 6, 2, 1)
    lifting = LiftedProgram(problem, reduce(problem))
    found = InteriorPoint().solve_blocks(lifting, lifting.over(), Deadline(3.5), lambda A, N: 0.0)
    assert found.solved.status == "time limit" and clock[0] == 3.0
