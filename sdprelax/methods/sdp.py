"""Method ``sdp``: P25's relaxation, solved, certified and rounded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sdprelax.certificate import empty_network_certificate, relaxation_certificate, users_certificate
from sdprelax.deadline import Deadline
from sdprelax.lifting import LiftedProgram
from sdprelax.local_training import polish
from sdprelax.methods import register
from sdprelax.network import Network
from sdprelax.outcome import Bound, Outcome, Report, unreported
from sdprelax.problem import Problem
from sdprelax.reduction import Reduction, reduce
from sdprelax.registry import Registry
from sdprelax.relaxation import Form, relaxation
from sdprelax.rounding import roundings
from sdprelax.rounding.extract import tightness
from sdprelax.solvers import solvers
from sdprelax.units import Units

__all__ = ["SDP"]


@register("sdp")
@dataclass(frozen=True)
class SDP:
    """P25's SDP relaxation: solved, certified by its multipliers, and rounded to a network.

    Parameters
    ----------
    form: "reduced" (facially reduced, the default) or "lifted" (as published).
    solver: conic solver; ``sdprelax solvers`` says which run here.
    solver_options: options of that solver.
    presolve: merge parallel rows, drop zero rows and scale (docs/mathematics.md 3.3); off repeats P25.
    rounding: how to turn the solution into a network; None for the bound alone.
    rounding_options: options of that rounding.
    polish: improve the rounded network by local training (L-BFGS).
    """

    form: Form = "reduced"
    solver: str = "clarabel"
    solver_options: dict[str, Any] = field(default_factory=dict)
    presolve: bool = True
    rounding: str | None = "gaussian"
    rounding_options: dict[str, Any] = field(default_factory=dict)
    polish: bool = True

    def __post_init__(self) -> None:
        # Wrong names and options are refused here, before any work starts.
        object.__setattr__(self, "solver", solvers.canonical(self.solver))
        object.__setattr__(self, "solver_options", _validated(solvers, self.solver, self.solver_options))
        if self.rounding is not None:
            object.__setattr__(self, "rounding", roundings.canonical(self.rounding))
            object.__setattr__(self, "rounding_options", _validated(roundings, self.rounding, self.rounding_options))

    def size(self, problem: Problem) -> str:
        """Return the order of the matrix variable and the number of entrywise constraints on it."""
        lifting = LiftedProgram(problem, reduce(problem) if self.presolve else Reduction.identity(problem))
        order = lifting.face.shape[1] if self.form == "reduced" else lifting.order
        return f"matrix of order {order}"

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the certified bound of the relaxation and the rounded network."""
        units = Units.of(problem)
        scaled = units.problem
        reduction = reduce(scaled) if self.presolve else Reduction.identity(scaled)
        network = Network.empty(problem.X.shape[1], problem.Y.shape[1], problem.bias)
        upper = problem.upper_bound(network)
        empty = empty_network_certificate(scaled, reduce(scaled))
        if empty is not None:
            empty = users_certificate(units, empty)
            return Outcome(
                lower=empty.lower, upper=upper, network=network, certificate=empty, seconds=deadline.elapsed,
                details={"program": "empty network"},
            )  # fmt: skip
        report(Outcome(upper=upper, network=network, trace=(Bound(deadline.elapsed, None, upper),)))
        lifting = LiftedProgram(scaled, reduction)
        solver = solvers.create(self.solver, self.solver_options)
        solution = relaxation(lifting, self.form).solve(solver, deadline)
        found = relaxation_certificate(scaled, reduction, solution.multiplier, solution.multipliers)
        certificate = users_certificate(units, found)
        trace = [Bound(deadline.elapsed, certificate.lower, upper)]
        report(Outcome(certificate.lower, upper, network, certificate, trace=tuple(trace)))
        details: dict[str, Any] = {"order": int(lifting.face.shape[1] if self.form == "reduced" else lifting.order)}
        if self.rounding is not None:
            rounded = roundings.create(self.rounding, self.rounding_options).round(lifting, solution.lifted, rng=rng)
            details["tightness"] = dataclasses.asdict(tightness(lifting, solution.lifted, rounded))
            candidates = {"rounded": rounded}
            if self.polish and not deadline.expired:
                candidates["polished"] = polish(scaled, rounded, deadline=deadline)
            for name, candidate in candidates.items():
                users = units.network(candidate)
                details[name] = problem.upper_bound(users)
                if details[name] < upper:
                    network, upper = users, details[name]
            trace.append(Bound(deadline.elapsed, certificate.lower, upper))
        claimed = solution.solved.value
        return Outcome(
            lower=certificate.lower, upper=upper, network=network, certificate=certificate,
            solver_value=None if claimed is None else units.value(claimed), solver_status=solution.solved.status,
            status="time limit" if deadline.expired else "solved",
            seconds=deadline.elapsed, trace=tuple(trace), details=details, log=solution.solved.log,
        )  # fmt: skip


def _validated(registry: Registry[Any], name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the given options as their entry holds them: of its types, whichever way they were written."""
    entry = registry.create(name, options)
    return {option: getattr(entry, option) for option in options}
