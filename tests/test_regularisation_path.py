"""The relaxation along a path of weight decays: sound at every point, and a start saves steps."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Outcome, Problem

rng = np.random.default_rng(0)
PROBLEM = Problem(rng.standard_normal((30, 6)), rng.standard_normal((30, 2)), 1.0)
OPTIONS = {"tolerance": 1e-2}


def steps(path: Sequence[Outcome]) -> int:
    return sum(int(outcome.log.split(", ")[1].split()[0]) for outcome in path if outcome.log)


def test_every_point_is_certified_and_a_start_saves_steps() -> None:
    gammas = np.geomspace(4.0, 0.5, 6)
    warm, cold = (
        sdprelax.regularisation_path(PROBLEM, list(gammas), warm_start=start, solver_options=OPTIONS)
        for start in (True, False)
    )
    for gamma, one, other in zip(gammas, warm, cold, strict=True):
        problem = dataclasses.replace(PROBLEM, gamma=float(gamma))
        network = sdprelax.solve(problem, "lbfgs", width=10, restarts=1)
        assert one.certificate is not None and one.lower is not None and network.upper is not None
        assert sdprelax.verify(problem, one.certificate) >= one.lower
        assert one.lower <= network.upper
        assert one.lower == pytest.approx(other.lower, rel=2e-2)
        assert one.details == {"gamma": gamma}
        assert one.status == "solved"
    assert steps(warm) < 0.7 * steps(cold)


def test_where_no_neuron_pays_the_path_says_so_and_goes_on() -> None:
    path = sdprelax.regularisation_path(PROBLEM, [1e4, 2.0], solver_options=OPTIONS)
    assert path[0].lower == pytest.approx(0.5 * np.sum(PROBLEM.Y**2), rel=1e-9)
    assert [outcome.details["gamma"] for outcome in path] == [1e4, 2.0]
    assert path[1].lower is not None and path[0].lower is not None and path[1].lower < path[0].lower


def test_a_time_limit_is_for_the_whole_path() -> None:
    path = sdprelax.regularisation_path(PROBLEM, [2.0, 1.0], time_limit=0.0)
    assert [outcome.status for outcome in path] == ["time limit", "time limit"]
    assert all(outcome.lower is not None and outcome.lower >= 0.0 for outcome in path)


def test_a_point_without_time_has_what_the_certificate_before_proves_there() -> None:
    whole = sdprelax.regularisation_path(PROBLEM, [2.0], solver_options=OPTIONS)[0]
    seen: list[Outcome] = []

    class Interrupted(Exception):
        pass

    def look(outcome: Outcome) -> None:
        seen.append(outcome)
        if outcome.details["gamma"] == 1.9:
            raise Interrupted

    with pytest.raises(Interrupted):
        sdprelax.regularisation_path(PROBLEM, [2.0, 1.9], report=look, solver_options=OPTIONS)
    first, last = seen[-2], seen[-1]
    assert first.lower == whole.lower
    assert last.lower is not None and last.certificate is not None and whole.lower is not None
    # A scaled by 1.9/2 is feasible: t⟨A, Y⟩ − ½t²‖A‖² is at least t times what t = 1 gives.
    assert last.lower >= 0.95 * whole.lower * (1.0 - 1e-9)
    assert sdprelax.verify(dataclasses.replace(PROBLEM, gamma=1.9), last.certificate) >= last.lower


@pytest.mark.parametrize(("arguments", "message"), [
    ({"gammas": 0.1}, "at least one gamma, in a list"),
    ({"gammas": "0.1"}, "at least one gamma, in a list"),
    ({"gammas": [True]}, "gammas has True"),
    ({"gammas": [None]}, "gammas has None"),
    ({"gammas": [[0.1]]}, "every gamma must be a positive number"),
    ({"gammas": [1.0], "time_limit": -1.0}, "time_limit is -1.0"),
    ({"gammas": [1.0], "time_limit": "a"}, "time_limit is 'a'"),
    ({"gammas": [1.0], "warm_start": "no"}, "warm_start is 'no'"),
    ({"gammas": [1.0], "solver_options": 5}, "solver_options is 5"),
])  # fmt: skip
def test_wrong_arguments_are_one_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        sdprelax.regularisation_path(PROBLEM, **arguments)


def test_wrong_input_is_one_sentence() -> None:
    with pytest.raises(InputError, match="at least one gamma"):
        sdprelax.regularisation_path(PROBLEM, [])
    with pytest.raises(InputError, match="gamma"):
        sdprelax.regularisation_path(PROBLEM, [1.0, -1.0])
    with pytest.raises(InputError, match="no option 'tol'"):
        sdprelax.regularisation_path(PROBLEM, [1.0], solver_options={"tol": 1.0})
