"""Method ``sdp``: P25's relaxation, solved, certified and rounded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import PositiveInt

from sdprelax.certificate import Certificate, empty_network_certificate, relaxation_certificate, users_certificate
from sdprelax.deadline import Deadline
from sdprelax.errors import InputError
from sdprelax.exact.column_generation import generate_columns
from sdprelax.lifting import LiftedProgram
from sdprelax.local_training import polish, random_network
from sdprelax.methods import register
from sdprelax.network import Network
from sdprelax.outcome import Bound, Outcome, Report, unreported
from sdprelax.partition import Cone, whole_space
from sdprelax.problem import Problem
from sdprelax.reduction import Reduction, reduce
from sdprelax.registry import Registry
from sdprelax.relaxation import Form, RelaxationSolution, relaxation, solve_lazily
from sdprelax.rounding import roundings
from sdprelax.rounding.extract import tightness
from sdprelax.solvers import solvers
from sdprelax.splitting import (
    Splitting,
    idle_cones,
    local_certificate,
    split_by_coverage,
    split_by_strong_branching,
    split_by_violation,
)
from sdprelax.units import Units
from sdprelax.verified import Floats

__all__ = ["SDP"]

# Share of the cones that the relaxation is first solved over, to see where the rest of the splits should go.
COARSE = 2 / 3
# What guides strong branching: a network trained by column generation to this gap, in at most so many seconds.
GUIDE_GAP, GUIDE_WIDTH, GUIDE_SECONDS = 1e-7, 60, 30.0
# A pruned cone whose own certificate exceeds γ by this factor gets its block back.
BACK = 1.0 + 1e-6


@register("sdp")
@dataclass(frozen=True)
class SDP:
    """P25's SDP relaxation: solved, certified by its multipliers, and rounded to a network.

    Parameters ---------- form: "reduced" (facially reduced, the default) or "lifted" (as published). solver: conic
    solver; ``sdprelax solvers`` says which run here. solver_options: options of that solver. presolve: merge parallel
    rows, drop zero rows and scale (docs/mathematics.md 3.3); off repeats P25. cones: most cones that weight space is
    split into, one block each; more of them close the gap (section 5). splitting: which rows to split at: "violation"
    (where a coarser solution mixes both signs of a row), "coverage" (where
        the parts have the fewest undetermined rows) or "strong" (where the certificate of a good network's residual
        improves most; small problems).
    lazy: add the entrywise constraints in rounds, as they are violated; for solvers that cannot hold all of them.
    rounding: how to turn the solution into a network; None for the bound alone.
    rounding_options: options of that rounding.
    polish: improve the rounded network by local training (L-BFGS).
    """

    form: Form = "reduced"
    solver: str = "clarabel"
    solver_options: dict[str, Any] = field(default_factory=dict)
    presolve: bool = True
    cones: PositiveInt = 1
    splitting: Splitting = "violation"
    lazy: bool = False
    rounding: str | None = "gaussian"
    rounding_options: dict[str, Any] = field(default_factory=dict)
    polish: bool = True

    def __post_init__(self) -> None:
        # Wrong names and options are refused here, before any work starts.
        if self.form == "lifted" and (self.cones > 1 or self.lazy):
            raise InputError("form: lifted is P25's single block as published; cones and lazy need form: reduced.")
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
        trace: list[Bound] = []
        certificate: Certificate | None = None

        def certified(cones: Sequence[Cone], multipliers: Sequence[Floats], found: RelaxationSolution) -> None:
            nonlocal certificate
            proposed = relaxation_certificate(scaled, reduction, found.multiplier, multipliers, cones)
            proposed = users_certificate(units, proposed)
            if certificate is None or proposed.lower > certificate.lower:
                certificate = proposed
            trace.append(Bound(deadline.elapsed, certificate.lower, upper))
            report(Outcome(certificate.lower, upper, network, certificate, trace=tuple(trace)))

        def solved(cones: Sequence[Cone], idle: Sequence[Cone] = ()) -> RelaxationSolution:
            """Solve over the cones that are not idle; an idle one is proved by its own multipliers, or comes back."""
            if self.lazy:
                # Every round is certified, which takes a block for every cone.
                return solve_lazily(
                    lifting, cones, solver, deadline, lambda part: certified(cones, part.multipliers, part)
                )
            while True:
                active = [cone for cone in cones if cone not in idle]
                found = relaxation(lifting, self.form, active).solve(solver, deadline)
                dual = reduction.pull_back(found.multiplier)
                proofs = [local_certificate(reduction.rows, dual, cone, deadline) for cone in idle]
                loose = [cone for cone, (omega, _) in zip(idle, proofs, strict=True) if omega > scaled.gamma * BACK]
                if not loose or deadline.expired:
                    certified([*active, *idle], [*found.multipliers, *(N for _, N in proofs)], found)
                    details["pruned"] = len(idle)
                    return found
                idle = [cone for cone in idle if cone not in loose]

        details: dict[str, Any] = {}
        cones, idle = [whole_space(reduction.generators)], list[Cone]()
        if self.cones > 1:
            cones, idle = self._partition(scaled, reduction, rng, deadline, solved)
        solution = solved(cones, idle)
        assert certificate is not None
        details["order"] = int(lifting.face.shape[1] if self.form == "reduced" else lifting.order)
        if self.cones > 1:
            details["cones"] = len(cones)
            details["undetermined"] = sorted((len(cone.undetermined) for cone in cones), reverse=True)
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

    def _partition(
        self, problem: Problem, reduction: Reduction, rng: np.random.Generator, deadline: Deadline,
        solved: Callable[[Sequence[Cone]], RelaxationSolution],
    ) -> tuple[list[Cone], list[Cone]]:  # fmt: skip
        """Return the cones, and those that seem idle; ``solved`` solves a coarser relaxation where asked for."""
        rows, space = reduction.rows, [whole_space(reduction.generators)]
        if self.splitting == "coverage":
            return split_by_coverage(rows, space, self.cones), []
        if self.splitting == "violation":
            coarse = split_by_coverage(rows, space, max(1, math.ceil(COARSE * self.cones)))
            solution = solved(coarse)
            dual = reduction.pull_back(solution.multiplier)
            cones = split_by_violation(rows, dual, coarse, solution, self.cones)
        else:
            found = generate_columns(
                problem, reduction, start=random_network(problem, GUIDE_WIDTH, rng), tolerance=GUIDE_GAP,
                deadline=Deadline(min(GUIDE_SECONDS, 0.25 * deadline.remaining)), rng=rng,
                report=lambda best, lower, upper: None,
            )  # fmt: skip
            network = reduction.network(found.hidden, found.output, problem)
            dual = reduction.pull_back(problem.Y - network.predict(problem.X))
            coarse = split_by_coverage(rows, space, min(4, self.cones))
            target = problem.gamma * (1.0 + GUIDE_GAP)
            cones = split_by_strong_branching(rows, dual, coarse, self.cones, target, deadline.fraction(0.5))
        return cones, idle_cones(rows, dual, cones, problem.gamma, deadline)


def _validated(registry: Registry[Any], name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the given options as their entry holds them: of its types, whichever way they were written."""
    entry = registry.create(name, options)
    return {option: getattr(entry, option) for option in options}
