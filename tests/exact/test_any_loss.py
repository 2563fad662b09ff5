"""Exact optima of every loss, activation and offset, of weighted samples, against programs by CVXPY and grids."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from problems import by_cvxpy, over_all_patterns

import sdprelax
from sdprelax import Problem
from sdprelax.base import Deadline
from sdprelax.certificate import pulled_back
from sdprelax.exact import Arrangement
from sdprelax.exact._arcs import Arcs
from sdprelax.exact._branch_and_bound import maximise
from sdprelax.lasso import Directions, Program, Stop, interior_point
from sdprelax.problem import losses, reduce
from tests.conftest import LOSSES as BUILT_IN

LOSSES: dict[str, Any] = {name: name for name in BUILT_IN} | {"quantile": {"quantile": {"level": 0.3}}}
OFFSETS = (False, True, "penalised")
ACTIVATIONS: dict[str, Any] = {"relu": "relu", "leaky": {"leaky": {"slope": 0.2}}, "absolute": "absolute"}


def targets(rng: np.random.Generator, name: str, n: int) -> np.ndarray:
    kinds = {
        "numbers": lambda: rng.standard_normal((n, 2)),
        "signs": lambda: rng.choice([-1.0, 1.0], (n, 1)),
        "simplex": lambda: np.eye(3)[rng.integers(0, 3, n)],
        "counts": lambda: rng.poisson(3.0, (n, 1)).astype(float),
    }
    return kinds[losses[name].targets]()


def drawn(name: str, seed: int, n: int, d: int, **parts: Any) -> Problem:
    rng = np.random.default_rng(seed)
    X, Y, weights = rng.standard_normal((n, d)), targets(rng, name, n), rng.uniform(0.5, 2.0, n)
    weighted = {"sample_weight": weights} if parts.pop("weighted", False) else {}
    return Problem(X, Y, parts.pop("gamma", 0.1), loss=LOSSES[name], **weighted, **parts)


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("name", LOSSES)
def test_the_master_problem_is_solved_as_the_conic_program_is(name: str, offset: Any) -> None:
    for gamma, weighted in ((1.0, False), (0.03, True)):
        problem = drawn(name, 3, 12, 3, offset=offset, weighted=weighted, gamma=gamma)
        features = np.maximum(problem.X @ np.random.default_rng(0).standard_normal((3, 30)), 0.0)
        fit = interior_point(Program.of(problem, Directions(features)), None, Stop(1e-8))
        assert fit.dual_value <= fit.value + 1e-12 * abs(fit.value)
        assert fit.gap <= 1e-8
        W = cp.Variable((30, problem.Y.shape[1]))
        value = by_cvxpy(problem, features @ W, cp.sum(cp.norm(W, 2, axis=1)))
        assert fit.value == pytest.approx(value, rel=1e-6, abs=1e-6)
        again = interior_point(Program.of(problem, Directions(features)), fit, Stop(1e-8))
        assert again.value == pytest.approx(fit.value, rel=2e-8)


def test_probabilities_that_vanish_leave_no_digits_to_chance() -> None:
    """Separable classes and a small γ: the optimum has probabilities of 1e-90, which no step may lose."""
    rng = np.random.default_rng(1)
    features = np.maximum(rng.standard_normal((25, 3)) @ rng.standard_normal((3, 80)), 0.0)
    Y = np.eye(3)[rng.integers(0, 3, 25)]
    program = Program(0.01, "frobenius", Directions(features), Y, True, losses.create("cross_entropy"))
    fit = interior_point(program, None, Stop(1e-9))
    assert fit.gap <= 1e-9
    assert np.min((Y - fit.multiplier)[Y == 0.0]) < 1e-80


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("name", LOSSES)
def test_the_optimum_is_certified(name: str, offset: Any) -> None:
    """With either kind of weights an activation, so that each meets each; benchmarks/exact.py has all combinations."""
    turn = list(LOSSES).index(name) + OFFSETS.index(offset)
    for weighted in (False, True):
        activation = list(ACTIVATIONS.values())[(turn + weighted) % 3]
        problem = drawn(name, 5, 5, 2, offset=offset, weighted=weighted, activation=activation)
        outcome = sdprelax.solve(problem, "exact")
        assert outcome.status == "solved"
        assert outcome.gap is not None
        assert outcome.gap <= 1e-6
        assert outcome.lower <= outcome.upper == problem.upper_bound(outcome.network)
        assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


@pytest.mark.parametrize("name", ["cross_entropy", "poisson"])
def test_the_optimum_in_rank_three_is_certified(name: str) -> None:
    problem = drawn(name, 6, 7, 3, offset=True, activation=ACTIVATIONS["leaky"], weighted=True)
    outcome = sdprelax.solve(problem, "exact")
    assert outcome.status == "solved"
    assert outcome.lower <= outcome.upper
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


@pytest.mark.parametrize(("seed", "activation"), [(0, "relu"), (1, "leaky"), (2, "absolute")])
def test_binary_logistic_training_is_the_convex_program_over_all_patterns(seed: int, activation: str) -> None:
    problem = drawn("logistic", seed, 6, 2, activation=ACTIVATIONS[activation], offset=seed == 1)
    outcome = sdprelax.solve(problem, "exact", tolerance=1e-8)
    assert outcome.status == "solved"
    assert outcome.upper == pytest.approx(over_all_patterns(problem), rel=1e-7)


def steepest_on_a_grid(problem: Problem, A: np.ndarray) -> float:
    """Return the largest ‖Aᵀφ(Xu)‖ over many directions of the plane or of space."""
    d = problem.X.shape[1]
    if d == 2:
        angles = np.linspace(0.0, 2.0 * np.pi, 100_000)
        u = np.stack([np.cos(angles), np.sin(angles)])
    else:
        u = np.random.default_rng(0).standard_normal((d, 400_000))
        u /= np.linalg.norm(u, axis=0)
    return float(np.max(np.linalg.norm(A.T @ problem.activation.apply(problem.X @ u), axis=0)))


@pytest.mark.parametrize("activation", ["leaky", "absolute"])
def test_the_oracles_find_what_is_largest_over_a_grid_whatever_the_slopes(activation: str) -> None:
    for d in (2, 3):
        problem = drawn("squared", d, 8, d, activation=ACTIVATIONS[activation])
        reduction, A = reduce(problem), problem.Y
        on_grid, dual = steepest_on_a_grid(problem, A), reduction.pull_back(A)
        rng = np.random.default_rng(0)
        searched, cover = maximise(
            reduction.rows, pulled_back(reduction, A), accuracy=1e-7, rng=rng, deadline=Deadline()
        )
        found = [searched.best, Arrangement(reduction.rows).local_maxima(dual).best]
        if d == 2:
            found.append(Arcs(reduction.rows).candidates(dual, above=0.0, near=np.zeros((2, 0))).best)
        for largest in found:
            assert on_grid * (1.0 - 1e-12) <= largest <= on_grid * (1.0 + (1e-4 if d == 2 else 1e-2))
            assert largest == pytest.approx(found[0], rel=1e-9)
        assert cover.bound >= found[0] >= cover.bound * (1.0 - 1e-6)
