"""Output weights along fixed directions have a gap that says how good they are, whatever the size."""

from __future__ import annotations

import numpy as np
import pytest

from sdprelax import Problem, solve
from sdprelax.lasso import Directions, Program, Stop, interior_point, network_on_directions
from sdprelax.lasso._on_directions import reweighted
from sdprelax.problem import reduce


@pytest.mark.parametrize(("n", "atoms"), [(15, 40), (40, 15), (20, 20)])
@pytest.mark.parametrize("gamma", [3.0, 0.3, 1e-4])
def test_reweighting_reaches_the_value_of_the_interior_point(n: int, atoms: int, gamma: float) -> None:
    rng = np.random.default_rng(n)
    features, Y = np.maximum(rng.standard_normal((n, atoms)), 0.0), rng.standard_normal((n, 3))
    program = Program(gamma, "frobenius", Directions(features), Y)
    exact, fit = interior_point(program, None, Stop(1e-10)), reweighted(program)
    weights = fit.weights[:, 0]
    value = 0.5 * np.sum((features @ weights - Y) ** 2) + gamma * np.sum(np.linalg.norm(weights, axis=1))
    assert (
        fit.gap <= 1e-6
        and fit.value == pytest.approx(value)
        and exact.dual_value * (1.0 - 1e-9) <= value <= exact.value * (1.0 + 2e-6)
    )


def test_beyond_thousands_of_targets_the_gap_is_as_small_as_below() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((420, 6))
    problem = Problem(X, np.maximum(X @ rng.standard_normal((6, 10)), 0.0), 0.1)
    found = network_on_directions(problem, reduce(problem), rng.standard_normal((6, 60)))
    assert problem.Y.size >= 4_000 and found.gap <= 1e-6 and 0 < found.network.width <= 60


def test_a_record_has_the_gap_of_every_program_that_chose_output_weights() -> None:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((6, 2)), rng.standard_normal((6, 2)), 0.1)
    roundings = solve(problem, "sdp", more_roundings=["eigen"]).details["roundings"]
    assert all(roundings[name]["rounding_gap"] <= 1e-6 for name in ("gaussian", "eigen"))
    for method, options in (("copositive", {"patterns": 4}), ("convex_relu", {"solver": "augmented_lagrangian"})):
        assert solve(problem, method, **options).details["rounding_gap"] <= 1e-6
