"""The convex program over sampled patterns: more of them cost nothing, and its networks are what they cost."""

from __future__ import annotations

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem, ProblemTooLarge
from sdprelax.base import Deadline
from sdprelax.exact import activation_patterns, solve_convex_relu
from sdprelax.problem import reduce
from sdprelax.training import Outcome


def gaussian(seed: int, n: int = 10, d: int = 2, c: int = 2, gamma: float = 0.1, bias: bool = False) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma, bias)


def test_given_patterns_cost_at_least_what_all_of_them_do() -> None:
    problem = gaussian(0, c=1)
    reduction = reduce(problem)
    signs, _ = activation_patterns(reduction.rows)
    values = [
        problem.objective(reduction.network(*solve_convex_relu(problem, reduction, Deadline(), chosen), problem))
        for chosen in (None, signs, signs[::2], signs[:3])
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-9)
    assert values[1] <= values[2] + 1e-7 and values[1] <= values[3] + 1e-7


@pytest.mark.parametrize("bias", [False, True])
def test_every_output_is_trained_on_its_own(bias: bool) -> None:
    """With all patterns the upper bound is the sum of the outputs' optima, which is at least p*."""
    problem = gaussian(1, n=7, bias=bias)
    outcome = sdprelax.solve(problem, "convex_relu", patterns=400)
    apart = [sdprelax.solve(Problem(problem.X, y, problem.gamma, bias), "exact").upper for y in problem.Y.T]
    joint = sdprelax.solve(problem, "exact", tolerance=1e-5).lower
    assert outcome.upper == pytest.approx(sum(value or 0.0 for value in apart), rel=1e-6)
    assert joint is not None and outcome.upper is not None and outcome.upper >= joint
    assert outcome.network is not None and problem.upper_bound(outcome.network) == outcome.upper
    assert np.all(np.sum(outcome.network.output != 0.0, axis=1) == 1)


def test_every_output_is_reported_and_improves() -> None:
    problem, reports = gaussian(2, c=3), list[Outcome]()
    sdprelax.solve(problem, "convex_relu", report=reports.append)
    uppers = [outcome.upper for outcome in reports if outcome.upper is not None]
    assert len(uppers) == 3 and uppers == sorted(uppers, reverse=True)


def test_outputs_without_time_predict_zero() -> None:
    problem = gaussian(3)
    outcome = sdprelax.solve(problem, "convex_relu", time_limit=0.0)
    assert outcome.status == "time limit"
    assert outcome.upper == pytest.approx(0.5 * np.sum(problem.Y**2))


def test_what_cannot_end_is_refused() -> None:
    with pytest.raises(ProblemTooLarge, match=r"constraint entries per output.*solver: augmented_lagrangian"):
        sdprelax.solve(gaussian(0, n=400, d=40), "convex_relu", patterns=2000, solver="clarabel")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gates", ["gaussian", "all", "sdp"])
def test_the_augmented_lagrangian_comes_near_the_conic_optimum_and_is_a_networks(seed: int, gates: str) -> None:
    problem = gaussian(seed, n=15, bias=seed == 2)
    conic, first = (
        sdprelax.solve(problem, "convex_relu", gates=gates, solver=solver, seed=seed)
        for solver in ("clarabel", "augmented_lagrangian")
    )
    assert first.network is not None and problem.upper_bound(first.network) == first.upper
    assert conic.upper is not None and first.upper is not None and first.upper <= conic.upper * 1.01
    if gates == "all":
        assert first.upper >= conic.upper * (1.0 - 1e-6)


def test_what_no_conic_solver_holds_is_trained_all_the_same() -> None:
    problem = gaussian(0, n=300, d=40, c=1, gamma=5.0)
    outcome = sdprelax.solve(problem, "convex_relu", patterns=800, max_iterations=100)
    assert not outcome.details["conic"] and outcome.upper is not None
    assert outcome.upper < 0.5 * np.sum(problem.Y**2)


def test_wrong_options_get_one_sentence() -> None:
    with pytest.raises(InputError, match="option 'patterns' is -1, but"):
        sdprelax.solve(gaussian(0), "convex_relu", patterns=-1)
