"""Arguments that nobody should pass get one sentence; none ends in an exception of NumPy, SciPy or Python's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.methods import methods

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 2)), RNG.standard_normal((6, 2))
# What makes every method quick.
SMALL: dict[str, dict[str, Any]] = {
    "cross_validated": {"of": "ntk", "gammas": [1.0], "folds": 2}, "sgd": {"epochs": 20, "restarts": 1, "width": 3},
    "adam": {"epochs": 20, "restarts": 1, "width": 3}, "lbfgs": {"restarts": 1, "width": 3, "max_iterations": 50},
    "frank_wolfe": {"iterations": 5, "certify": False}, "copositive": {"patterns": 3, "certify": False},
}  # fmt: skip
UGLY = {
    "gamma tiny": Problem(X, Y, 5e-324), "gamma huge": Problem(X, Y, 1e300), "X tiny": Problem(X * 1e-300, Y, 0.1),
    "X huge": Problem(X * 1e300, Y, 0.1), "Y tiny": Problem(X, Y * 1e-300, 0.1), "X zero": Problem(X * 0.0, Y, 0.1),
    "columns": Problem(X * [1.0, 1e200], Y, 0.1), "outputs": Problem(X, Y * [1e-150, 1e150], 0.1),
}  # fmt: skip


@pytest.mark.parametrize("time_limit", ["a", math.nan, -1, True, [1]])
def test_time_limits_are_numbers_of_seconds_or_none(time_limit: Any) -> None:
    problem = Problem(X, Y, 0.1)
    for call in (
        lambda: sdprelax.solve(problem, "ntk", time_limit=time_limit),
        lambda: sdprelax.regularisation_path(problem, [1.0], time_limit=time_limit),
    ):
        with pytest.raises(InputError, match=r"time_limit is .*; it must be a number of seconds, 0 or more, or None"):
            call()
    assert sdprelax.solve(problem, "ntk", time_limit=None).status == "solved"


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None, True])
def test_seeds_are_nonnegative_integers(seed: Any) -> None:
    with pytest.raises(InputError, match=r"seed is .*; it must be a nonnegative integer"):
        sdprelax.solve(Problem(X, Y, 0.1), "ntk", seed=seed)


def test_reports_are_functions_and_options_are_finite() -> None:
    problem, nothing = Problem(X, Y, 0.1), None
    with pytest.raises(InputError, match="report is None; it must be a function that takes an Outcome"):
        sdprelax.solve(problem, "ntk", report=nothing)  # type: ignore[arg-type]
    for value in (math.inf, math.nan):
        for method, option in (("exact", "tolerance"), ("mkl", "tolerance"), ("lbfgs", "init_scale")):
            with pytest.raises(InputError, match=rf"option '{option}' is {value}, but should be a finite number"):
                sdprelax.solve(problem, method, **{option: value})


def test_targets_whose_square_overflows_are_refused() -> None:
    with pytest.raises(InputError, match=r"Y is so large that .* divide Y and gamma by the same power of two"):
        Problem(X, Y * 1e200, 0.1)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("method", list(methods))
@pytest.mark.parametrize("ugly", list(UGLY))
def test_at_any_scale_a_method_ends_with_sound_bounds_or_one_sentence(method: str, ugly: str) -> None:
    problem = UGLY[ugly]
    try:
        outcome = sdprelax.solve(problem, method, time_limit=1.0, **SMALL.get(method, {}))
    except sdprelax.SdprelaxError as error:
        assert str(error) and "\n" not in str(error)
        return
    if outcome.lower is not None and outcome.upper is not None:
        assert outcome.lower <= outcome.upper
    if outcome.network is not None:
        assert outcome.upper == problem.upper_bound(outcome.network) and math.isfinite(outcome.upper)
