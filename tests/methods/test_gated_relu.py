"""The gated program is solved; its cone decomposition is a network of the same predictions, whose price is honest."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.base import Deadline
from sdprelax.cells import sampled_patterns
from sdprelax.exact import activation_patterns
from sdprelax.networks import GatedNetwork
from sdprelax.problem import reduce
from sdprelax.relaxation import Decomposition, decompose
from sdprelax.training import Outcome
from tests.conftest import degenerate_problem


def gaussian(seed: int, n: int = 12, d: int = 3, c: int = 2, gamma: float = 0.1, bias: bool = False) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma, bias)


def gated_value(problem: Problem, outcome: Outcome) -> float:
    """Return the objective of the gated predictor: ½‖residual‖² + γΣ‖w_ik‖."""
    gated = outcome.predictors["gated"]
    assert isinstance(gated, GatedNetwork)
    residual = gated.predict(problem.X) - problem.Y
    return 0.5 * float(np.sum(residual**2)) + problem.gamma * float(np.sum(np.linalg.norm(gated.weights, axis=1)))


@pytest.mark.parametrize("bias", [False, True])
def test_the_gated_value_is_that_of_a_conic_solver(bias: bool) -> None:
    rng = np.random.default_rng(5)
    X = rng.standard_normal((14, 3))
    X[4], X[5], X[6] = -2.0 * X[3], 0.5 * X[3], 0.0
    problem = Problem(1e3 * X, 1e-2 * rng.standard_normal((14, 2)), 0.05, bias)
    outcome = sdprelax.solve(problem, "gated_relu", seed=1, patterns=8, tolerance=1e-9)
    gated = outcome.predictors["gated"]
    assert isinstance(gated, GatedNetwork)
    rows = reduce(problem)
    signs, directions, _ = sampled_patterns(rows.rows, 8, np.random.default_rng(1))
    masks = problem.inputs @ rows.basis @ directions >= 0.0
    W = [cp.Variable((problem.shape[1], 2)) for _ in range(len(signs))]
    fit = sum(cp.multiply(masks[:, [i]].astype(float), problem.inputs @ W[i]) for i in range(len(W)))
    penalty = sum(cp.sum(cp.norm(w, axis=0)) for w in W)
    claimed = cp.Problem(cp.Minimize(0.5e4 * cp.sum_squares(fit - problem.Y) + 1e4 * problem.gamma * penalty))
    claimed.solve(solver="CLARABEL")
    assert outcome.details["value"] == pytest.approx(claimed.value / 1e4, rel=1e-6)
    assert outcome.details["dual_value"] <= outcome.details["value"]
    assert gated_value(problem, outcome) == pytest.approx(outcome.details["value"], rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_with_all_patterns_the_gated_optimum_is_below_the_exact_one(seed: int) -> None:
    problem = gaussian(seed, n=8, d=2, c=1)
    patterns = len(activation_patterns(reduce(problem).rows)[0])
    exact = sdprelax.solve(problem, "exact")
    convex = sdprelax.solve(problem, "convex_relu", patterns=patterns)
    assert exact.upper is not None and convex.upper is not None
    assert convex.details["patterns"] == patterns
    assert convex.upper == pytest.approx(exact.upper, rel=1e-6)
    for decomposition in ("exact", "least_squares"):
        gated = sdprelax.solve(problem, "gated_relu", patterns=patterns, decomposition=decomposition)
        assert gated.details["gates"] == patterns and gated.upper is not None and exact.lower is not None
        assert gated.details["dual_value"] <= exact.upper
        assert gated.upper >= exact.lower


@pytest.mark.parametrize("seed", range(6))
def test_over_all_patterns_the_program_is_a_relaxation_of_training_whose_bound_is_proved(seed: int) -> None:
    problem = gaussian(seed, n=9, d=2 + seed % 2, c=3, bias=seed == 5)
    exact = sdprelax.solve(problem, "exact")
    assert exact.upper is not None
    reached = []
    for penalty in ("frobenius", "nuclear"):
        outcome = sdprelax.solve(problem, "gated_relu", gates="all", penalty=penalty, tolerance=1e-8)
        assert outcome.certificate is not None and outcome.lower is not None and outcome.upper is not None
        assert outcome.lower <= sdprelax.verify(problem, outcome.certificate) <= exact.upper <= outcome.upper
        # The certificate's cones leave out nothing of the gated program's dual.
        assert outcome.lower >= outcome.details["dual_value"] * (1.0 - 1e-6)
        reached.append(outcome.details["value"])
        # Neurons that feed all outputs: never more of them than singular vectors.
        assert outcome.details["width"] <= 2 * 3 * outcome.details["gates_used"]
        assert outcome.network is not None
        predictions = outcome.network.predict(problem.X)
        np.testing.assert_allclose(predictions, outcome.predictors["gated"].predict(problem.X), atol=1e-6)
    assert reached[0] <= reached[1] * (1.0 + 1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_cones_cost_and_a_decomposition_costs_more(seed: int) -> None:
    problem = gaussian(seed)
    gated = sdprelax.solve(problem, "gated_relu", seed=seed, patterns=12, decomposition="exact")
    rough = sdprelax.solve(problem, "gated_relu", seed=seed, patterns=12, decomposition="least_squares")
    convex = sdprelax.solve(problem, "convex_relu", seed=seed, patterns=12)
    assert gated.upper is not None and convex.upper is not None and rough.upper is not None
    assert gated.details["dual_value"] <= convex.upper * (1.0 + 1e-7)
    assert convex.upper <= gated.upper * (1.0 + 1e-7) and gated.upper <= rough.upper * (1.0 + 1e-7)
    # The network costs what the gated one costs, and the price of its cones.
    for outcome in (gated, rough):
        assert outcome.network is not None
        extra = problem.gamma * outcome.details["weights"] * (outcome.details["price"] - 1.0)
        assert outcome.upper == pytest.approx(outcome.details["value"] + extra, rel=1e-6)
        predictions = outcome.network.predict(problem.X)
        np.testing.assert_allclose(predictions, outcome.predictors["gated"].predict(problem.X), atol=1e-6)


@pytest.mark.parametrize("method", ["exact", "least_squares"])
@pytest.mark.parametrize("seed", range(5))
def test_both_parts_are_in_the_cone(method: Decomposition, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((20, 4))
    inside = rng.standard_normal(4)
    walls, w = np.sign(rows @ inside)[:, None] * rows, rng.standard_normal(4)
    v, z = decompose(walls, inside, w, method)
    size = float(np.linalg.norm(v) + np.linalg.norm(z))
    np.testing.assert_allclose(v - z, w, atol=1e-12 * size)
    assert min(np.min(walls @ v), np.min(walls @ z)) >= -1e-8 * size
    late = decompose(walls, inside, w, method, Deadline(0.0))
    assert size <= np.linalg.norm(late[0]) + np.linalg.norm(late[1]) + 1e-9
    # By CVXPY: the least norm, or the least sum of norms, over the same inequalities.
    free = cp.Variable(4)
    cost = cp.norm(free) + (cp.norm(w + free) if method == "exact" else 0.0)
    best = cp.Problem(cp.Minimize(cost), [walls @ free >= np.maximum(-walls @ w, 0.0)])
    best.solve(solver="CLARABEL")
    assert (size if method == "exact" else np.linalg.norm(z)) == pytest.approx(best.value, rel=1e-6)


@pytest.mark.parametrize("method", ["exact", "least_squares"])
@pytest.mark.parametrize("size", [1e-300, 1e-165, 1e160])
def test_lengths_whose_squares_are_no_numbers_are_decomposed_along_the_direction_inside(
    method: Decomposition, size: float
) -> None:
    v, z = decompose(np.eye(2), np.array([0.7, 0.7]), np.array([-size, 0.0]), method)
    assert np.all(np.isfinite(v)) and np.min(z) >= 0.0 and np.min(v) >= -1e-12 * size
    np.testing.assert_allclose(v - z, [-size, 0.0], atol=1e-12 * size)


def test_weights_in_the_cone_stay_whole() -> None:
    walls = np.eye(2)
    v, z = decompose(walls, np.ones(2), np.array([1.0, 2.0]), "exact")
    np.testing.assert_array_equal(v, [1.0, 2.0])
    np.testing.assert_array_equal(z, [0.0, 0.0])


@pytest.mark.parametrize("seed", range(18))
def test_no_upper_bound_is_below_the_exact_lower_bound(seed: int) -> None:
    problem = degenerate_problem(seed)
    lower = sdprelax.solve(problem, "exact", tolerance=1e-4, time_limit=5.0).lower
    assert lower is not None
    for method in ("gated_relu", "convex_relu"):
        outcome = sdprelax.solve(problem, method, patterns=10)
        assert outcome.upper is not None and outcome.network is not None and outcome.upper >= lower
    gated = sdprelax.solve(problem, "gated_relu", patterns=10, decomposition="none")
    assert gated.upper is None and gated.network is None
    assert gated_value(problem, gated) == pytest.approx(gated.details["value"], rel=1e-6, abs=1e-12)


def test_nothing_to_learn_from() -> None:
    problem = Problem(np.zeros((3, 2)), np.ones((3, 1)), 0.1)
    for method in ("gated_relu", "convex_relu"):
        outcome = sdprelax.solve(problem, method)
        assert outcome.upper == pytest.approx(1.5)
    assert sdprelax.solve(problem, "gated_relu").predictors["gated"].predict(np.ones((2, 2))).shape == (2, 1)


def test_a_deadline_leaves_a_network() -> None:
    problem = gaussian(0, n=40, d=5, c=3, gamma=1e-3)
    outcome = sdprelax.solve(problem, "gated_relu", time_limit=0.0)
    assert outcome.status == "time limit" and outcome.upper is not None and "gated" in outcome.predictors


def test_wrong_options_get_one_sentence() -> None:
    for option, value in (
        ("patterns", 0),
        ("tolerance", -1.0),
        ("decomposition", "cheap"),
        ("penalty", "none"),
        ("gates", 3),
    ):
        with pytest.raises(InputError, match=f"option '{option}' is {value!r}, but"):
            sdprelax.solve(gaussian(0), "gated_relu", **{option: value})
