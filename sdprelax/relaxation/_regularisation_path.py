"""The relaxation of one data set along decreasing weight decay, each solve started from the one before."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from sdprelax.base import Deadline, Floats, InputError, ready
from sdprelax.certificate import relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.problem import Presolved, Problem, Units
from sdprelax.solvers import solvers
from sdprelax.solvers.native import Native
from sdprelax.training import Incumbent, Outcome, Report, status_of, unreported

__all__ = ["regularisation_path"]


def regularisation_path(
    problem: Problem,
    gammas: Sequence[float],
    *,
    warm_start: bool = True,
    time_limit: float | None = None,
    report: Report = unreported,
    solver_options: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Return certified lower bounds of the training problem at every γ of a path, by the solver ``native``.

    Neighbouring γ have neighbouring solutions: a run starts at the iterate where the one before ended, which its log's
    number of steps shows (docs/solver.md, "Warm starts"), and with the bound that the last certificate proves at the
    new γ. The upper bounds are those of the empty network: rounding is method ``sdp``'s.

    Parameters
    ----------
    problem: data, targets and bias; its own γ plays no part.
    gammas: weight decays, > 0, in the order in which they are solved; decreasing order is fastest.
    warm_start: start from the solution before; False solves each on its own.
    time_limit: seconds for the whole path, None for no limit; what is left undone then has a bound all the same, if a
        weaker one.
    report: called with an Outcome whenever a point has a better bound; ``details["gamma"]`` says which point.
    solver_options: of the solver ``native``; its ``phases`` are "alternating" unless said otherwise, since an interior
        point has no use for a start.

    Raises
    ------
    InputError: no γ, one that is not positive, or a wrong option.
    """
    if not isinstance(problem, Problem):
        raise InputError(f"regularisation_path() takes a Problem first, not {type(problem).__name__}.")
    seconds = Deadline.of(time_limit).seconds
    if not isinstance(warm_start, bool):
        raise InputError(f"warm_start is {warm_start!r}; it must be True or False.")
    if not isinstance(solver_options, Mapping | None):
        raise InputError(f"solver_options is {solver_options!r}; it must be a mapping such as {{'tolerance': 1e-2}}.")
    options = {"phases": "alternating", **(solver_options or {})}
    solver = solvers.create("native", options)
    ready(solvers.kernels("native", solver))
    path = _Path(problem, solver, warm_start, Deadline(seconds), report)
    return [path.solve(gamma) for gamma in _checked(gammas)]


def _checked(gammas: Any) -> list[float]:
    if not isinstance(gammas, Sequence | np.ndarray) or isinstance(gammas, str) or len(gammas) == 0:
        raise InputError(f"gammas is {gammas!r}; a regularisation path needs at least one gamma, in a list.")
    for gamma in gammas:
        if isinstance(gamma, bool) or not isinstance(gamma, Real) or not 0.0 < float(gamma) < math.inf:
            raise InputError(f"gammas has {gamma!r}; every gamma must be a positive number.")
    return [float(gamma) for gamma in gammas]


class _Path:
    """What goes from one point of a path to the next."""

    def __init__(self, problem: Problem, solver: Any, warm_start: bool, deadline: Deadline, report: Report) -> None:
        assert isinstance(solver, Native)
        self.problem, self.solver, self.warm, self.deadline = problem, solver, warm_start, deadline
        self.report = report
        self.units: Units | None = None
        self.state: Any = None
        self.proved: tuple[Floats, Sequence[Floats]] | None = None

    def solve(self, gamma: float) -> Outcome:
        """Return the outcome at one γ."""
        presolved = Presolved.of(dataclasses.replace(self.problem, gamma=gamma))
        best = Incumbent(presolved, Deadline(), self.report)
        best.details["gamma"] = gamma
        if best.empty_is_optimal():
            return best.outcome(True)
        lifting = LiftedProgram(presolved.problem, presolved.reduction)
        pair: tuple[Floats, Sequence[Floats]] | None = None

        def prove(A: Floats, N: Sequence[Floats]) -> float:
            nonlocal pair
            certificate = relaxation_certificate(lifting.problem, lifting.reduction, A, N)
            if best.prove(certificate):
                pair = (A, N)
            return certificate.lower

        # Other units would measure the iterate otherwise.
        last, units = self.units, presolved.units
        warm = self.warm and last is not None and (last.inputs, last.targets) == (units.inputs, units.targets)
        if warm and self.proved is not None:
            prove(*self.proved)
        solution = self.solver.solve_blocks(lifting, lifting.over(), self.deadline, prove, self.state if warm else None)
        self.units, self.state, self.proved = units, solution.state, pair
        solved, status = solution.solved, status_of(solution.solved.status)
        best.solver_said(solved.status, solved.value, solved.log)
        return best.outcome(status == "solved", status == "time limit")
