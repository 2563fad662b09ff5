"""Method ``mkl``: from the NTK to the optimal kernel of the same gates, certified."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.networks import GatedNetwork
from tests.conftest import degenerate_problem


def toy(seed: int = 0, n: int = 12, d: int = 2, c: int = 1, gamma: float = 0.1) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma)


def value(problem: Problem, predictor: object) -> float:
    assert isinstance(predictor, GatedNetwork)
    sizes = np.sqrt(np.sum(predictor.weights**2, axis=(1, 2)))
    return 0.5 * float(np.sum((predictor.predict(problem.X) - problem.Y) ** 2)) + problem.gamma * float(np.sum(sizes))


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_it_starts_from_the_closed_form_of_the_ntk(d: int, scale: float) -> None:
    """All patterns weighted by their solid angles are the kernel ridge regression of infinitely many gates."""
    problem = toy(d=d, n=10, c=2)
    problem = Problem(scale * problem.X, 7.0 * problem.Y, problem.gamma * scale)
    start = sdprelax.solve(problem, "mkl", gates="all", max_iterations=1)
    kernel = sdprelax.solve(problem, "ntk", network="gated").predictors["kernel"]
    # On the training data the gates' kernel is the expectation; elsewhere it has finitely many gates.
    np.testing.assert_allclose(start.predictors["ntk"].predict(problem.X), kernel.predict(problem.X), atol=1e-11)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gates", ["gaussian", "all", "sdp"])
def test_the_learned_kernel_is_certified_and_no_worse_than_the_ntk(seed: int, gates: str) -> None:
    problem = toy(seed, c=1 + seed)
    outcome = sdprelax.solve(problem, "mkl", gates=gates, patterns=15)
    details = outcome.details
    assert outcome.lower is None and outcome.upper is None and outcome.status == "solved"
    assert 0.0 < details["value"] - details["dual_value"] <= 1.1e-6 * details["value"]
    assert value(problem, outcome.predictors["mkl"]) == pytest.approx(details["value"], rel=1e-9)
    assert value(problem, outcome.predictors["ntk"]) == pytest.approx(details["ntk_value"], rel=1e-9)
    assert details["dual_value"] < details["ntk_value"]
    values = [pair[0] for pair in details["trace"]]
    assert np.all(np.diff(values) <= 1e-12 * values[0]) and values[0] == pytest.approx(details["ntk_value"])


def test_no_other_weights_of_the_kernels_do_better() -> None:
    """For one: the NTK's, at any ridge; the learned kernel pays (γ/2)Ση for its size."""
    problem = toy(4)
    found = sdprelax.solve(problem, "mkl", gates="all").details["dual_value"]
    for scale in np.logspace(-2, 2, 21):
        # The kernel times s with ridge γ is the kernel with ridge γ/s, and its price is (γ/2)s.
        ridge = sdprelax.solve(Problem(problem.X, problem.Y, problem.gamma / scale), "ntk", network="gated")
        assert ridge.details["ridge_value"] + 0.5 * problem.gamma * scale >= found


def test_solvers_agree() -> None:
    problem = toy(1, n=20, d=3, c=2)
    outcomes = [
        sdprelax.solve(problem, "mkl", patterns=12, solver=solver, max_iterations=20_000, tolerance=tolerance)
        for solver, tolerance in (("irls", 1e-7), ("fista", 1e-7), ("block_coordinate", 1e-4), ("auto", 1e-7))
    ]
    assert [outcome.status for outcome in outcomes] == ["solved"] * 4
    values = [outcome.details for outcome in outcomes]
    for details in values:
        assert details["value"] == pytest.approx(values[0]["value"], rel=1e-4)
        assert details["dual_value"] <= values[0]["value"]


@pytest.mark.parametrize("seed", range(0, 27, 2))
def test_degenerate_data(seed: int) -> None:
    problem = degenerate_problem(seed)
    outcome = sdprelax.solve(problem, "mkl", gates="all")
    details = outcome.details
    assert details["dual_value"] <= details["value"]
    assert details["program_gap"] <= 1e-5 or details["value"] < 1e-12
    assert value(problem, outcome.predictors["mkl"]) == pytest.approx(details["value"], rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("newton", [True, False])
def test_cells_that_no_draw_has_found_can_still_carry_weight(newton: bool) -> None:
    """Beyond rank 3 the NTK's weights are frequencies, many of them zero, and a product starts from more than that."""
    problem = toy(1, n=14, d=5, c=2, gamma=0.3)
    found = sdprelax.solve(problem, "mkl", gates="all", newton=newton, tolerance=1e-6 if newton else 1e-3)
    assert found.status == "solved" and found.details["iterations"] <= (60 if newton else 5_000)


def test_what_ended_short_of_its_tolerance_is_not_called_solved() -> None:
    problem = toy(2, n=20, d=3, c=3, gamma=0.01)
    for method, options in (("mkl", {"max_iterations": 1}), ("gated_relu", {"max_iterations": 5, "solver": "fista"})):
        outcome = sdprelax.solve(problem, method, **options)
        assert outcome.status == "not converged" and outcome.details["program_gap"] > 1e-6
    late = sdprelax.solve(problem, "gated_relu", penalty="nuclear", solver="block_coordinate", time_limit=0.5)
    assert late.status == "time limit" or late.details["program_gap"] <= 1e-6


@pytest.mark.parametrize("gamma", [1e-13, 1e-10, 1e-8])
def test_a_kernel_of_many_scales_ends_no_iteration_early(gamma: float) -> None:
    """Duplicates and a tiny γ: the regression's residual is inexact, so the objective is that of the weights."""
    rng = np.random.default_rng(0)
    X = np.vstack([rng.standard_normal((30, 2))[:10]] * 3)
    outcome = sdprelax.solve(Problem(X, rng.standard_normal((30, 1)), gamma), "mkl")
    values, duals = np.array(outcome.details["trace"]).T
    assert np.all(duals <= values * (1.0 + 1e-9)) and outcome.details["value"] <= values[-1] * (1.0 + 1e-6)
    # The proof's own rounding errors count where weights are huge against their sum.
    gap = outcome.details["program_gap"]
    assert gap <= 1e-5 if outcome.status == "solved" else gap > 1e-6


@pytest.mark.parametrize("solver", ["irls", "fista", "auto"])
@pytest.mark.parametrize(("x", "y", "gamma"), [(1.0, 1e-161, 1.0), (1.0, 1e-165, 1.0), (1.0, 1e150, 1e160),
                                               (1.0, 1.0, 1e200), (1e120, 1.0, 1e-3)])  # fmt: skip
def test_extreme_scales_are_bracketed_or_refused(solver: str, x: float, y: float, gamma: float) -> None:
    try:
        details = sdprelax.solve(Problem([[x]], [[y]], gamma), "mkl", solver=solver).details
    except sdprelax.SolverFailed:
        assert solver == "irls"
        return
    X, Y, G = Fraction(x), Fraction(y), Fraction(gamma)
    optimum = G * Y / X - G * G / (2 * X * X) if X * Y > G else Y * Y / 2
    assert Fraction(details["dual_value"]) <= optimum
    assert details["value"] == np.inf or Fraction(details["value"]) >= optimum


def test_wrong_input_gets_one_sentence() -> None:
    with pytest.raises(InputError, match="option 'solver' is 'newton', but"):
        sdprelax.solve(toy(), "mkl", solver="newton")
    with pytest.raises(InputError, match="option 'gates' is 'some', but"):
        sdprelax.solve(toy(), "mkl", gates="some")
    with pytest.raises(sdprelax.ProblemTooLarge, match="take gates: gaussian"):
        sdprelax.solve(toy(n=100, d=6), "mkl", gates="all")
    with pytest.raises(InputError, match="a nuclear one takes fista"):
        sdprelax.solve(toy(), "gated_relu", solver="irls", penalty="nuclear")
