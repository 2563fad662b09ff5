"""The relaxation of one data set along decreasing weight decay, each solve started from the one before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from sdprelax.certificate import Certificate, relaxation_certificate, users_certificate
from sdprelax.deadline import Deadline
from sdprelax.errors import InputError
from sdprelax.lifting import LiftedProgram
from sdprelax.network import Network
from sdprelax.outcome import Outcome, empty_network_outcome
from sdprelax.problem import Problem
from sdprelax.reduction import reduce
from sdprelax.solvers import solvers
from sdprelax.solvers.native import Native
from sdprelax.units import Units
from sdprelax.verified import Floats

__all__ = ["regularisation_path"]


def regularisation_path(
    problem: Problem,
    gammas: Sequence[float],
    *,
    warm_start: bool = True,
    time_limit: float = float("inf"),
    solver_options: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Return certified lower bounds of the training problem at every γ of a path, by the solver ``native``.

    Neighbouring γ have neighbouring solutions: a run starts at the iterate where the one before ended, which its log's
    number of steps shows (docs/solver.md section 5). The upper bounds are those of the empty network: rounding is
    method ``sdp``'s.

    Parameters
    ----------
    problem: data, targets and bias; its own γ plays no part.
    gammas: weight decays, > 0, in the order in which they are solved; decreasing order is fastest.
    warm_start: start from the solution before; False solves each on its own.
    time_limit: seconds for the whole path; what is left undone then has a bound all the same, if a weak one.
    solver_options: of the solver ``native``; its ``phases`` are "alternating" unless said otherwise, since an interior
        point has no use for a start.

    Raises
    ------
    InputError: no γ, one that is not positive, or a wrong option.
    """
    if len(gammas) == 0:
        raise InputError("a regularisation path needs at least one gamma.")
    solver = solvers.create("native", {"phases": "alternating", **(solver_options or {})})
    assert isinstance(solver, Native)
    problems = [dataclasses.replace(problem, gamma=float(gamma)) for gamma in gammas]
    deadline = Deadline(time_limit)
    path: list[Outcome] = []
    before: tuple[Units, Any] | None = None
    for point in problems:
        clock, units = Deadline(), Units.of(point)
        empty = empty_network_outcome(point, units, deadline)
        if empty is not None:
            path.append(dataclasses.replace(empty, seconds=clock.elapsed))
            continue
        lifting = LiftedProgram(units.problem, reduce(units.problem))
        found: list[Certificate] = []

        def prove(A: Floats, N: Floats, lifting: LiftedProgram = lifting, found: list[Certificate] = found) -> float:
            found.append(relaxation_certificate(lifting.problem, lifting.reduction, A, [N]))
            return found[-1].lower

        same = before is not None and (before[0].inputs, before[0].targets) == (units.inputs, units.targets)
        start = before[1] if warm_start and same and before is not None else None
        solution = solver.solve_reduced(lifting, deadline, prove, start)
        before = units, solution.state
        certificate = users_certificate(units, max(found, key=lambda one: one.lower))
        network = Network.empty(point.X.shape[1], point.Y.shape[1], point.bias)
        claimed = solution.solved.value
        outcome = Outcome(
            lower=certificate.lower, upper=point.upper_bound(network), network=network, certificate=certificate,
            solver_value=None if claimed is None else units.value(claimed), solver_status=solution.solved.status,
            status="time limit" if deadline.expired else "solved", seconds=clock.elapsed,
            details={"gamma": point.gamma}, log=solution.solved.log,
        )  # fmt: skip
        path.append(outcome)
    return path
