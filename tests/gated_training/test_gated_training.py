"""Gated programs are solved to a proved gap by every solver, whatever the penalty, and screening is safe."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cvxpy as cp
import numpy as np
import pytest

from sdprelax import InputError, SolverFailed
from sdprelax.base import Deadline
from sdprelax.lasso import (
    Directions,
    Fit,
    GateSolver,
    Masked,
    Program,
    Reweighting,
    Stop,
    interior_point,
    solve_program,
)
from sdprelax.problem import losses
from sdprelax.problem._problem import ridge_value
from sdprelax.problem.norms import Penalty
from tests.group_programs import gated, proved_gated

PENALTIES: tuple[Penalty, ...] = ("columns", "frobenius", "nuclear")
SOLVERS: tuple[GateSolver, ...] = ("fista", "block_coordinate", "irls")
TRIED = [(s, p) for s in SOLVERS for p in PENALTIES if (s, p) != ("irls", "nuclear")]


def program(
    seed: int, n: int = 15, r: int = 3, m: int = 25, c: int = 3, gamma: float = 1.0, penalty: Penalty = "frobenius"
) -> Program:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, r))
    masks = np.asarray(X @ rng.standard_normal((r, m)) >= 0.0, dtype=np.float64)
    return gated(X, masks, rng.standard_normal((n, c)), gamma, penalty)


def by_clarabel(given: Program) -> float:
    weights = [cp.Variable((given.design.inputs.shape[1], given.targets.shape[1])) for _ in given.design.masks.T]
    fit = sum(np.diag(mask) @ given.design.inputs @ W for mask, W in zip(given.design.masks.T, weights, strict=True))
    norm = {"columns": lambda W: cp.sum(cp.norm(W, axis=0)), "frobenius": lambda W: cp.norm(W, "fro"),
            "nuclear": lambda W: cp.normNuc(W)}[given.penalty]  # fmt: skip
    cost = 0.5 * cp.sum_squares(fit - given.targets) + given.gamma * sum(norm(W) for W in weights)
    # Clarabel wants a bit more than its default for seven digits.
    return float(cp.Problem(cp.Minimize(cost)).solve(solver="CLARABEL", tol_gap_rel=1e-9, tol_gap_abs=1e-9))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_every_solver_finds_the_value_of_a_conic_solver(penalty: Penalty) -> None:
    given = program(0, m=12, penalty=penalty)
    expected = by_clarabel(given)
    for solver in (s for s, p in TRIED if p == penalty):
        fit = solve_program(given, solver, Stop(1e-8, steps=50_000))
        lower, upper = proved_gated(given, fit)
        assert lower <= expected * (1.0 + 1e-7) and upper >= expected * (1.0 - 1e-7)
        assert upper - lower <= 1.1e-8 * upper, solver


@pytest.mark.parametrize(("solver", "penalty"), TRIED)
@pytest.mark.parametrize("seed", range(3))
def test_the_gap_is_that_of_all_gates(solver: GateSolver, penalty: Penalty, seed: int) -> None:
    """The dual point is feasible for the gates that were screened too, and they carry no weight."""
    given = program(seed, n=30, m=80, gamma=2.0, penalty=penalty)
    fit = solve_program(given, solver, Stop(1e-6))
    used = np.any(fit.weights != 0.0, axis=(1, 2))
    assert 0 < np.sum(used) < 80
    assert np.max(given.steepness(given.correlate(fit.multiplier))) <= given.gamma * (1.0 + 1e-12)
    dual = float(np.sum(fit.multiplier * given.targets) - 0.5 * np.sum(fit.multiplier**2))
    assert fit.dual_value == pytest.approx(dual, rel=1e-12)
    assert given.value(fit.weights, given.predict(fit.weights)) == pytest.approx(fit.value, rel=1e-12)
    assert fit.value - dual <= 1e-6 * fit.value


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("seed", range(3))
def test_proved_bounds_hold_in_exact_arithmetic(penalty: Penalty, seed: int) -> None:
    """Of programs that one weight solves: n = r = m = 1, whose optimum is rational."""
    rng = np.random.default_rng(seed)
    x, gamma = rng.uniform(0.5, 2.0), rng.uniform(0.1, 0.5)
    y = np.array([[3.0, 0.0]]) * rng.uniform(1.0, 1e8)
    given = gated(np.array([[x]]), np.ones((1, 1)), y, gamma, penalty)
    lower, upper = proved_gated(given, solve_program(given, "fista", Stop(1e-14)))
    # min ½(xw − y)² + γ|w|: w = (xy − γ)/x², at γy/x − γ²/2x².
    X, Y, G = Fraction(x), Fraction(float(y[0, 0])), Fraction(gamma)
    optimum = G * Y / X - G * G / (2 * X * X)
    assert Fraction(lower) <= optimum <= Fraction(upper)
    assert upper - lower <= 1e-12 * upper


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_pair_that_is_not_feasible_proves_less_and_never_too_much(penalty: Penalty) -> None:
    given = program(3, penalty=penalty)
    fit = solve_program(given, "fista", Stop(1e-9))
    lower, upper = proved_gated(given, fit)
    rng = np.random.default_rng(0)
    for scale in (0.0, 1e-6, 1e-2, 1.0, 100.0):
        A = fit.multiplier * (1.0 + scale) + scale * rng.standard_normal(fit.multiplier.shape)
        W = fit.weights + scale * rng.standard_normal(fit.weights.shape)
        below, above = proved_gated(given, Fit(W, A, 0.0, 0.0))
        assert 0.0 <= below <= upper and above >= lower


@pytest.mark.parametrize("newton", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_irls_decreases_the_objective_from_the_first_to_the_last_step(newton: bool, seed: int) -> None:
    given = program(seed, n=20, r=3, m=60, c=1 + seed % 2, gamma=0.5)
    fit = solve_program(given, "irls", Stop(1e-6), irls=Reweighting(newton=newton))
    values, duals = np.array(fit.trace).T
    assert len(values) > 5 and np.all(np.diff(values) <= 1e-12 * values[0]) and np.all(np.diff(duals) >= 0.0)
    assert np.all(duals <= values) and fit.gap <= 1e-6
    assert values[-1] == pytest.approx(solve_program(given, "fista", Stop(1e-9)).value, rel=1e-6)


def test_newton_steps_take_few_regressions() -> None:
    given = program(1, n=40, r=5, m=100, c=2, gamma=0.5)
    fast, plain = (
        solve_program(given, "irls", Stop(1e-6), irls=Reweighting(newton=newton)) for newton in (True, False)
    )
    assert fast.iterations <= 40 < plain.iterations
    assert fast.value == pytest.approx(plain.value, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_multiple_kernel_learning_in_both_of_its_forms(seed: int) -> None:
    """The group lasso's weights give the optimal kernels, of the penalised and of the simplex form."""
    given = program(seed, n=12, m=15, c=2, gamma=0.7)
    fit = solve_program(given, "irls", Stop(1e-12))
    eta, gamma, Y = given.sizes(fit.weights), given.gamma, given.targets
    kernels = [np.outer(mask, mask) * (given.design.inputs @ given.design.inputs.T) for mask in given.design.masks.T]

    def kernel(weights: np.ndarray) -> np.ndarray:
        return sum(w * K for w, K in zip(weights, kernels, strict=True))

    # min over W of the lasso is min over η ≥ 0 of ridge_value + (γ/2)Ση, attained at η = ‖W‖.
    assert ridge_value(kernel(eta), Y, gamma) + 0.5 * gamma * np.sum(eta) == pytest.approx(fit.value, rel=1e-9)
    # W_i = η_iXᵀD_iα.
    alpha = np.linalg.solve(kernel(eta) + gamma * np.eye(len(Y)), Y)
    np.testing.assert_allclose(fit.weights, given.correlate(alpha) * eta[:, None, None], atol=1e-6)
    # On the simplex: η̂ = η/Ση and L + λ̂Σ‖W‖²/η̂ with 2λ̂Σ‖W‖ = γ; then λ̂(Σ‖W‖)² is γΣ‖W‖/2.
    total = float(np.sum(eta))
    hat = gamma / (2.0 * total)

    def simplex(weights: np.ndarray) -> float:
        # min over W of ½‖·‖² + λ̂Σ‖W_i‖²/η_i is the ridge problem of ridge 2λ̂.
        return ridge_value(kernel(weights), Y, 2.0 * hat)

    loss = fit.value - gamma * total
    assert simplex(eta / total) == pytest.approx(loss + hat * total**2, rel=1e-9)
    rng = np.random.default_rng(seed)
    for other in rng.dirichlet(np.ones(len(eta)), 200):
        assert simplex(other) >= simplex(eta / total) * (1.0 - 1e-9)
        assert ridge_value(kernel(other), Y, gamma) + 0.5 * gamma >= fit.value * (1.0 - 1e-9)


def test_norms_are_ordered_as_their_definitions_are() -> None:
    values = [solve_program(program(5, penalty=penalty), "fista", Stop(1e-9)).value
              for penalty in ("frobenius", "nuclear", "columns")]  # fmt: skip
    assert values[0] < values[1] < values[2]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_large_gamma_leaves_no_weights_and_no_gates_no_program(solver: GateSolver) -> None:
    given = program(0, gamma=1e4)
    fit = solve_program(given, solver, Stop(1e-9))
    assert fit.value == pytest.approx(0.5 * np.sum(given.targets**2), rel=1e-9) and fit.gap <= 1e-9
    nothing = gated(given.design.inputs, np.zeros((15, 0)), given.targets, 1.0)
    fit = solve_program(nothing, solver)
    assert fit.weights.shape == (0, 3, 3) and fit.value == pytest.approx(0.5 * np.sum(given.targets**2))
    blank = gated(given.design.inputs, given.design.masks, 0.0 * given.targets, 1.0)
    assert solve_program(blank, solver).value == 0.0 and proved_gated(blank, solve_program(blank, solver)) == (0.0, 0.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_deadline_leaves_a_pair(solver: GateSolver) -> None:
    given = program(0, gamma=1e-3)
    fit = solve_program(given, solver, Stop(1e-12, deadline=Deadline(0.0)))
    lower, upper = proved_gated(given, fit)
    assert 0.0 <= lower <= upper <= 1e4 and fit.iterations <= 3


def test_irls_refuses_what_it_cannot_do() -> None:
    with pytest.raises(InputError, match="takes the penalty frobenius or columns"):
        solve_program(program(0, penalty="nuclear"), "irls")
    twice = program(0, n=40)
    tiny = gated(np.repeat(twice.design.inputs, 2, axis=0), np.repeat(twice.design.masks, 2, axis=0),
                        np.repeat(twice.targets, 2, axis=0), 1e-30)  # fmt: skip
    with pytest.raises(SolverFailed, match=r"take a larger gamma, or solver: fista"):
        solve_program(tiny, "irls")
    assert solve_program(tiny, "auto", Stop(steps=20)).value > 0.0


def test_a_program_is_refused_by_solvers_of_other_designs_before_any_work() -> None:
    given = program(0)
    with pytest.raises(InputError, match="solver: sklearn takes programs over directions, and this one is over masked"):
        solve_program(given, "sklearn")
    along = replace(given, design=Directions(given.design.inputs))
    with pytest.raises(InputError, match="solver: block_coordinate takes programs over masked, and this one is over"):
        solve_program(along, "block_coordinate")
    with pytest.raises(
        InputError,
        match=r"behind gates without an offset, .* 'squared' with an offset; take fista or splitting,",
    ):
        solve_program(replace(given, intercept=True), "irls")
    with pytest.raises(InputError, match=r"fista takes losses that are differentiable, .*; take splitting, or auto"):
        solve_program(replace(given, loss=losses.create("absolute")), "fista")


@pytest.mark.parametrize("solver", ["interior_point", "fista", "irls", "sklearn"])
def test_along_directions_every_solver_comes_to_one_value(solver: str) -> None:
    """The same program, whatever solves it; a design of masks over inputs of ones is the same as well."""
    rng = np.random.default_rng(0)
    features, Y = np.maximum(rng.standard_normal((20, 30)), 0.0), rng.standard_normal((20, 2))
    along = Program(0.5, "frobenius", Directions(features), Y)
    fit, exact = solve_program(along, solver, Stop(1e-7)), interior_point(along, None, Stop(1e-10))
    assert fit.gap <= 1e-7 and exact.dual_value * (1.0 - 1e-9) <= fit.value <= exact.value * (1.0 + 2e-7)
    ones = replace(along, design=Masked(np.ones((20, 1)), features))
    np.testing.assert_allclose(ones.predict(fit.weights), along.predict(fit.weights), atol=1e-12)
    np.testing.assert_allclose(ones.correlate(Y), along.correlate(Y), atol=1e-12)
    np.testing.assert_allclose(ones.design.kernel(features[0]), along.design.kernel(features[0]), atol=1e-12)


def test_masks_are_zeros_and_ones_or_truth_values() -> None:
    given = program(0)
    with pytest.raises(InputError, match=r"masks hold 2.0; they must hold 0 \(closed\) and 1 \(open\) alone"):
        solve_program(replace(given, design=Masked(given.design.inputs, 2.0 * given.design.masks)))
    same = solve_program(replace(given, design=Masked(given.design.inputs, given.design.masks == 1.0)))
    np.testing.assert_array_equal(same.weights, solve_program(given).weights)
