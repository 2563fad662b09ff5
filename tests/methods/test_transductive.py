"""The relaxation's own predictions: the test inputs are lifted without a loss."""

from __future__ import annotations

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.base import Deadline
from sdprelax.lifting import LiftedProgram
from sdprelax.networks import load_predictor, save_predictor
from sdprelax.problem import Units, reduce_inputs
from sdprelax.solvers.interior_point import InteriorPoint


def problem(seed: int, n: int = 10, t: int = 4, d: int = 2, gamma: float = 0.1, bias: bool = False) -> Problem:
    rng = np.random.default_rng(seed)
    X, W, v = rng.standard_normal((n + t, d)), rng.standard_normal((d, 5)), rng.standard_normal((5, 2))
    return Problem(X[:n], (np.maximum(X @ W, 0.0) @ v)[:n], gamma, bias, queries=X[n:])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("solver", ["interior_point", "clarabel"])
def test_the_bound_stays_a_bound_and_is_at_least_as_tight(seed: int, solver: str) -> None:
    asked = problem(seed, bias=seed == 3)
    plain = sdprelax.solve(asked, "sdp", rounding=None, solver=solver)
    lifted = sdprelax.solve(asked, "sdp", rounding=None, solver=solver, transductive=True)
    optimum = sdprelax.solve(asked, "exact").upper
    assert plain.lower is not None and lifted.lower is not None and optimum is not None
    assert plain.lower * (1 - 1e-4) <= lifted.lower <= optimum
    assert sdprelax.verify(asked, lifted.certificate) >= lifted.lower
    without = Problem(asked.X, asked.Y, asked.gamma, asked.bias)
    assert sdprelax.verify(without, lifted.certificate) >= lifted.lower, "p* does not depend on the queries"


def test_kernel_form_is_the_lifted_prediction_at_the_optimum(tmp_path_factory: pytest.TempPathFactory) -> None:
    asked = problem(0)
    scaled = Units.of(asked).problem
    n = len(scaled.Y)
    whole = reduce_inputs(np.vstack([scaled.inputs, scaled.query_inputs]))
    lifting = LiftedProgram(scaled, whole.of_samples(slice(n)))
    found = InteriorPoint().solve_blocks(lifting, lifting.over(), Deadline(), lambda A, N: 0.0)
    lifted = lifting.face @ found.matrices[0] @ lifting.face.T
    rows, v = whole.selection(), lifting.blocks["v"]
    direct = rows @ lifted[: 2 * lifting.generators, v] * Units.of(asked).targets
    predictor = sdprelax.solve(asked, "sdp", transductive=True).predictors["relaxation"]
    assert asked.queries is not None
    predicted = np.vstack([predictor.predict(asked.X), predictor.predict(asked.queries)])
    np.testing.assert_allclose(predicted, direct, atol=2e-2 * np.abs(direct).max())
    path = tmp_path_factory.mktemp("p") / "p.npz"
    save_predictor(path, predictor)
    np.testing.assert_array_equal(load_predictor(path).predict(asked.queries), predictor.predict(asked.queries))
    with pytest.raises(InputError, match="one of these is not among them"):
        predictor.predict(asked.queries + 1e-9)


def test_a_query_that_is_a_training_input_is_predicted_as_that() -> None:
    base = problem(1)
    asked = Problem(base.X, base.Y, base.gamma, queries=np.vstack([base.X[3], 2.0 * base.X[4], 0.0 * base.X[0]]))
    predictor = sdprelax.solve(asked, "sdp", rounding=None, transductive=True).predictors["relaxation"]
    assert asked.queries is not None
    fitted, queried = predictor.predict(base.X), predictor.predict(asked.queries)
    np.testing.assert_allclose(queried[0], fitted[3], atol=1e-12)
    np.testing.assert_allclose(queried[1], 2.0 * fitted[4], rtol=1e-10)
    np.testing.assert_allclose(queried[2], 0.0, atol=1e-12)


def test_queries_that_do_not_fit_and_none_at_all_are_one_sentence() -> None:
    with pytest.raises(InputError, match="queries have 3 columns and X has 2"):
        Problem(np.ones((4, 2)), np.ones(4), 0.1, queries=np.ones((2, 3)))
    with pytest.raises(InputError, match="there are none: give the data set a test part"):
        sdprelax.solve(Problem(np.ones((4, 2)), np.ones(4), 0.1), "sdp", transductive=True)
