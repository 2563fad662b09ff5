"""What the conic solvers say of themselves, and how they fail."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem, SolverFailed
from sdprelax.datasets import datasets
from sdprelax.solvers import available, by_default, solvers


def gaussian(seed: int, gamma: float = 0.1) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((7, 2)), rng.standard_normal((7, 2)), gamma)


def test_every_solver_says_whether_it_runs_and_why_not() -> None:
    states = {state.name: state for state in available()}
    assert set(states) >= {"clarabel", "mosek", "scs", "sdpa"}
    assert states["clarabel"].runs and states["scs"].runs
    for state in states.values():
        assert state.runs == (state.reason == "")
        assert not state.runs or state.version


def test_the_default_is_the_solver_of_least_reach_that_suffices_and_a_conic_one_behind_it() -> None:
    assert by_default(True, 150) == ["interior_point", "clarabel"]
    assert by_default(True, 151) == ["native", "clarabel"]
    assert by_default(False, 10) == by_default(False) == ["clarabel"]
    assert set(by_default(True)) == {"interior_point", "native", "clarabel"}


@pytest.mark.parametrize("solver", ["clarabel", "scs"])
def test_each_solver_certifies_what_it_claims_to_a_thousandth(solver: str) -> None:
    for seed in range(4):
        options = {"tolerance": 1e-7} if solver == "scs" else {}
        outcome = sdprelax.solve(gaussian(seed), "sdp", solver=solver, solver_options=options, rounding=None)
        assert outcome.lower == pytest.approx(outcome.solver_value, rel=1e-3)


@pytest.mark.parametrize("form", ["reduced", "lifted"])
@pytest.mark.parametrize("solver", list(solvers))
def test_no_solver_claims_more_than_the_optimum_and_each_certifies_what_it_claims(solver: str, form: str) -> None:
    """On random data of five samples: steps of 0.9 of the way to the boundary end SDPA far above the optimum."""
    state = next(state for state in available() if state.name == solver)
    if not state.runs:
        pytest.skip(state.reason)
    data = datasets.create("random", {"n": 5}).load()
    problem = Problem(data.X, data.Y, 0.1)
    options = {"tolerance": 1e-6} if solver == "scs" else {}
    how = {"solver": solver, "form": form, "solver_options": options, "rounding": None}
    if form == "lifted" and solver in ("interior_point", "native", "sdpa"):
        with pytest.raises(InputError, match=r"take form: reduced|such as clarabel"):
            sdprelax.solve(problem, "sdp", **how)
        return
    optimum, value = sdprelax.solve(problem, "exact").upper, sdprelax.solve(problem, "sdp", rounding=None).lower
    outcome = sdprelax.solve(problem, "sdp", **how)
    assert outcome.solver_value is not None and outcome.lower is not None and optimum is not None
    # "lifted" has no interior: first-order and interior-point solvers alike end a few thousandths below its value.
    close = 5e-3 if form == "lifted" else 1e-3
    assert outcome.solver_value <= optimum * (1.0 + 1e-6)
    assert outcome.lower == pytest.approx(outcome.solver_value, rel=close)
    assert outcome.lower == pytest.approx(value, rel=close)


@pytest.mark.parametrize("solver", ["clarabel", "scs"])
def test_a_solver_stopped_early_still_gives_a_sound_bound(solver: str) -> None:
    problem = gaussian(0)
    optimum = sdprelax.solve(problem, "exact").upper
    outcome = sdprelax.solve(problem, "sdp", solver=solver, solver_options={"max_iterations": 5})
    assert outcome.lower is not None and optimum is not None and outcome.certificate is not None
    assert outcome.lower <= optimum
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


def test_a_solver_without_its_package_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scs", None)
    with pytest.raises(
        sdprelax.SolverUnavailable, match=r"scs cannot run here: scs is not installed: pip install .sdprelax\[cvxpy\]"
    ):
        sdprelax.solve(gaussian(0), "sdp", solver="scs")


def test_unknown_solvers_and_options_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"unknown solver 'clarable': did you mean 'clarabel'\?"):
        sdprelax.solve(gaussian(0), "sdp", solver="clarable")
    with pytest.raises(InputError, match=r"solver 'scs' has no option 'tol': did you mean 'tolerance'"):
        sdprelax.solve(gaussian(0), "sdp", solver="scs", solver_options={"tol": 1e-3})


def test_clarabel_refuses_what_would_not_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1e4))
    with pytest.raises(SolverFailed, match=r"clarabel needs 0 GB for a semidefinite matrix of order \d+, and 0 GB are"):
        sdprelax.solve(gaussian(0), "sdp", solver="clarabel")
