"""Method ``mkl``: from the NTK to the optimal kernel of the same gates, certified."""

from __future__ import annotations

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.gated import GatedNetwork
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
    problem = toy(1, n=30, d=4, c=2)
    values = [
        sdprelax.solve(problem, "mkl", patterns=40, solver=solver, max_iterations=20_000, tolerance=tolerance).details
        for solver, tolerance in (("irls", 1e-7), ("fista", 1e-7), ("block_coordinate", 1e-4), ("auto", 1e-7))
    ]
    for details in values:
        assert details["value"] == pytest.approx(values[0]["value"], rel=1e-4)
        assert details["dual_value"] <= values[0]["value"]


@pytest.mark.parametrize("seed", range(0, 27, 2))
def test_degenerate_data(seed: int) -> None:
    problem = degenerate_problem(seed)
    outcome = sdprelax.solve(problem, "mkl", gates="all")
    details = outcome.details
    assert details["dual_value"] <= details["value"]
    assert details["gated_gap"] <= 1e-5 or details["value"] < 1e-12
    assert value(problem, outcome.predictors["mkl"]) == pytest.approx(details["value"], rel=1e-6, abs=1e-12)


def test_wrong_input_gets_one_sentence() -> None:
    with pytest.raises(InputError, match="option 'solver' is 'newton', but"):
        sdprelax.solve(toy(), "mkl", solver="newton")
    with pytest.raises(InputError, match="option 'gates' is 'some', but"):
        sdprelax.solve(toy(), "mkl", gates="some")
    with pytest.raises(sdprelax.ProblemTooLarge, match="take gates: gaussian"):
        sdprelax.solve(toy(n=100, d=6), "mkl", gates="all")
    with pytest.raises(InputError, match="a nuclear one takes fista"):
        sdprelax.solve(toy(), "gated_relu", solver="irls", penalty="nuclear")
