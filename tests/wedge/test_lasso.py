"""The Lasso: three solvers, one optimum, and bounds that hold in exact arithmetic."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from sdprelax.base import Deadline, Floats
from sdprelax.certificate import Neurons
from sdprelax.lasso import Directions, DirectionSolver, Fit, Program, Stop, solve_program
from sdprelax.wedge import WedgeProblem
from tests.group_programs import proved_lasso


def program_of(n: int, d: int, outputs: int, gamma: float, *, free: bool = False, seed: int = 0) -> Program:
    rng = np.random.default_rng(seed)
    geometry = WedgeProblem(rng.standard_normal((n, d)), 2, free)
    return lasso_of(geometry.features(geometry.all_wedges().directions), rng.standard_normal((n, outputs)), gamma, free)


def lasso_of(features: Floats, targets: Floats, gamma: float, intercept: bool = False) -> Program:
    return Program(gamma, "frobenius", Directions(features), targets, intercept)


def lasso(
    program: Program, solver: DirectionSolver = "auto", *, tolerance: float = 1e-9, start: Fit | None = None,
    deadline: Deadline | None = None,
) -> Fit:  # fmt: skip
    return solve_program(program, solver, Stop(tolerance, deadline=deadline or Deadline()), start=start)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize(("solver", "gap"), [("skglm", 1e-3), ("sklearn", 1e-2)])
def test_solvers_agree(solver: DirectionSolver, gap: float, outputs: int, free: bool) -> None:
    program = program_of(15, 2, outputs, 0.5, free=free)
    ours, theirs = lasso(program, "interior_point", tolerance=1e-10), lasso(program, solver, tolerance=1e-8)
    assert ours.gap <= 1e-10
    assert theirs.gap <= gap
    assert ours.dual_value <= theirs.value * (1.0 + 1e-9)
    assert theirs.dual_value <= ours.value * (1.0 + 1e-9)


def test_the_dual_point_is_feasible_and_the_weights_are_stationary() -> None:
    program = program_of(20, 3, 2, 0.3)
    fit = lasso(program, tolerance=1e-11)
    steepness = np.linalg.norm(program.design.features.T @ fit.multiplier, axis=1)
    assert np.max(steepness) <= 0.3 * (1.0 + 1e-9)
    assert np.allclose(steepness[np.linalg.norm(fit.weights[:, 0], axis=1) > 1e-4], 0.3, rtol=1e-4)
    assert np.allclose(fit.multiplier, program.targets - program.design.features @ fit.weights[:, 0], atol=1e-4)


def test_a_path_equals_separate_solves_and_its_values_rise_with_gamma() -> None:
    program = program_of(12, 2, 1, 1.0, free=True)
    gammas = [1.0, 0.3, 0.1, 0.03]
    path: list[Fit] = []
    for gamma in gammas:
        path.append(lasso(replace(program, gamma=gamma), start=path[-1] if path else None))
    for gamma, fit in zip(gammas, path, strict=True):
        alone = lasso(lasso_of(program.design.features, program.targets, gamma, True))
        assert fit.value == pytest.approx(alone.value, rel=1e-8)
    assert all(a.value > b.value for a, b in itertools.pairwise(path))


@pytest.mark.parametrize("intercept", [False, True])
def test_proved_bounds_hold_in_rational_arithmetic(intercept: bool) -> None:
    rng = np.random.default_rng(5)
    X, W, Y = rng.standard_normal((6, 2)), rng.standard_normal((2, 5)), rng.standard_normal((6, 1))
    program = lasso_of(np.maximum(X @ W, 0.0), Y, 0.25, intercept)
    for kind in ("solved", "rough"):
        fit = lasso(program, tolerance=1e-12)
        if kind == "rough":
            offset = rng.standard_normal(1) * intercept
            fit = Fit(rng.standard_normal((5, 1, 1)), rng.standard_normal((6, 1)), 0.0, 0.0, offset=offset)
        lower, upper = proved_lasso(X, Neurons(W), program, fit)
        exact = [[sum(Fraction(a) * Fraction(b) for a, b in zip(x, w, strict=True)) for w in W.T] for x in X]
        features = [[max(value, Fraction(0)) for value in row] for row in exact]
        z, t = [Fraction(float(v)) for v in fit.weights[:, 0, 0]], Fraction(float(fit.offset[0]))
        residual = [
            sum(f * a for f, a in zip(row, z, strict=True)) + t - Fraction(float(y))
            for row, y in zip(features, Y[:, 0], strict=True)
        ]
        value = sum(r * r for r in residual) / 2 + Fraction(0.25) * sum(abs(a) for a in z)
        assert value <= Fraction(upper)
        if kind == "solved":
            assert float(value) == pytest.approx(upper, rel=1e-12)
            assert upper - lower < 1e-9 * upper
        # Any primal point bounds the dual: the lower bound must not exceed the best value known.
        assert lower <= lasso(program, tolerance=1e-12).value * (1.0 + 1e-10)


def test_a_free_offset_needs_a_balanced_dual_point() -> None:
    # Residuals whose sum is lost in rounding: without balancing, the offset would make the bound unsound.
    Y = np.array([[1e8], [1.0], [-1e8 + 3.0], [2.0]])
    X = np.array([[0.0], [1.0], [2.0], [3.0]])
    geometry = WedgeProblem(X, free=True)
    dictionary = geometry.all_wedges()
    program = lasso_of(geometry.features(dictionary.directions), Y, 1e9, True)
    fit = lasso(program)
    lower, upper = proved_lasso(X, Neurons(dictionary.directions, free=True), program, fit)
    mean = sum(Fraction(float(y)) for y in Y[:, 0]) / 4
    best = sum((Fraction(float(y)) - mean) ** 2 for y in Y[:, 0]) / 2
    assert not np.any(fit.weights)
    assert Fraction(lower) <= best <= Fraction(upper)
    assert lower > 0.999999 * upper


def test_targets_of_zero_and_no_atoms() -> None:
    program = program_of(6, 2, 1, 0.1)
    nothing = lasso(lasso_of(program.design.features, np.zeros((6, 1)), 0.1))
    assert nothing.value == 0.0 and nothing.gap == 0.0
    empty = lasso(lasso_of(np.zeros((6, 0)), program.targets, 0.1))
    assert empty.value == empty.dual_value == pytest.approx(0.5 * np.sum(program.targets**2))


@pytest.mark.parametrize("solver", ["interior_point", "sklearn"])
def test_a_start_is_not_lost_at_the_deadline(solver: DirectionSolver) -> None:
    program = program_of(20, 2, 1, 0.1)
    fit = lasso(program)
    assert lasso(program, solver, start=fit, deadline=Deadline(0.0)).value <= fit.value * (1.0 + 1e-12)


def test_atoms_of_very_different_lengths() -> None:
    rng = np.random.default_rng(1)
    x, y = np.append(rng.standard_normal(7), 1e6)[:, None], np.append(rng.standard_normal(7), 0.0)[:, None]
    geometry = WedgeProblem(x, free=True)
    program = lasso_of(geometry.features(geometry.all_wedges().directions), y, 0.1, True)
    ours, theirs = lasso(program), lasso(program, "sklearn")
    assert ours.value <= theirs.value * (1.0 + 1e-6)


@pytest.mark.parametrize("solver", ["interior_point", "sklearn"])
def test_a_deadline_leaves_a_valid_pair(solver: DirectionSolver) -> None:
    fit = lasso(program_of(30, 2, 1, 0.01), solver, deadline=Deadline(0.0))
    assert fit.expired
    assert 0.0 <= fit.dual_value <= fit.value
