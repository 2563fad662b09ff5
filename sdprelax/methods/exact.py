"""Method ``exact``: the global optimum, where it is within reach."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import PositiveFloat

from sdprelax.certificate import (
    Certificate,
    cone_certificate,
    empty_network_certificate,
    relaxation_certificate,
    users_certificate,
)
from sdprelax.deadline import Deadline
from sdprelax.errors import ProblemTooLarge, SolverFailed
from sdprelax.exact.arrangement import Arrangement, count_patterns
from sdprelax.exact.cell_program import solve_cell_program
from sdprelax.exact.column_generation import KERNELS, ColumnGeneration, generate_columns
from sdprelax.exact.convex_relu import solve_convex_relu
from sdprelax.exact.sparsify import sparsified
from sdprelax.lifting import LiftedProgram
from sdprelax.local_training import polish, random_network
from sdprelax.methods import register
from sdprelax.network import Network
from sdprelax.outcome import Bound, Outcome, Report, relative_gap, unreported
from sdprelax.problem import Problem
from sdprelax.reduction import Reduction, reduce
from sdprelax.registry import Use
from sdprelax.solvers import solvers
from sdprelax.solvers.interior_point import InteriorPoint
from sdprelax.units import Units

__all__ = ["Exact"]

# Beyond this count one conic program over patterns (or cells) takes hours on two cores.
LARGEST_PROGRAM = 2_000
# Column generation factors a dense matrix of order n·c; the enumerating oracle lists all rays.
LARGEST_MASTER = 12_000
LARGEST_RAYS = 1_000_000
# In higher rank nobody knows whether a cover ends within the hour: without a time limit none is begun.
LARGEST_RANK = 5
# Share of the time that column generation and its covers get beyond that rank.
COVERING = 0.5
# A relative gap above which other certificates than a cover's are tried.
CRUDE = 0.01
# Share of the gap that a network of fewer neurons may give back.
SPARSE = 0.05
# Local trainings before the first master problem, their width and steps, and the share of the time they may take.
TRAININGS, WIDTH, STEPS, TRAINING = 3, 60, 500, 0.1


@register("exact")
@dataclass(frozen=True)
class Exact:
    """The global optimum with a rigorous bound on either side; as close as time allows beyond small rank.

    One output and few patterns: the convex program over all of them. Rank ≤ 2: the cell program. Anything else:
    column generation, whose bound is proved by branch and bound over cones of weight space; at a time
    limit the best pair so far is returned, beyond rank 5 with the bound of the relaxation if that is
    better. docs/mathematics.md section 4.

    Parameters
    ----------
    tolerance: relative duality gap at which column generation stops.
    oracle: what proposes neurons: "branch_and_bound", or "enumeration" of all rays of the arrangement (rank ≤ 4).
    """

    closes: ClassVar[str] = "gap"
    kernels: ClassVar[tuple[str, ...]] = KERNELS

    tolerance: PositiveFloat = 1e-6
    oracle: Literal["branch_and_bound", "enumeration"] = "branch_and_bound"

    def uses(self) -> Iterable[Use]:
        """Return the solver of the relaxation, whose bound may be the better one."""
        return ((solvers, "interior_point", {}),)

    def size(self, problem: Problem) -> str:
        """Return the program that would be solved and the number of its activation patterns."""
        reduction = reduce(problem)
        patterns = count_patterns(reduction.generators, reduction.rank)
        return f"{self._program(problem, reduction)}, {_readable(patterns)} patterns"

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the optimal network and the certificate that it is optimal."""
        units = Units.of(problem)
        scaled = units.problem
        reduction = reduce(scaled)
        trace: list[Bound] = []
        best = Outcome()

        def reached(found: ColumnGeneration, lower: float, upper: float) -> None:
            nonlocal best
            trace.append(Bound(deadline.elapsed, units.value(lower) if lower > 0.0 else None, units.value(upper)))
            pair = _improved(best, units, reduction, found)
            if pair is not best:
                best = dataclasses.replace(pair, trace=tuple(trace))
                report(best)

        details: dict[str, object] = {"rank": reduction.rank, "generators": reduction.generators}
        network = Network.empty(scaled.X.shape[1], scaled.Y.shape[1])
        certificate = empty_network_certificate(scaled, reduction)
        # In high rank the rest of the time is the relaxation's, whose bound is the better one there.
        share = COVERING if reduction.rank > LARGEST_RANK else 0.9
        reserved = deadline.fraction(share) if deadline.seconds < math.inf else deadline
        if certificate is not None:
            details["program"] = "empty network"
        else:
            details["program"] = program = self._program(scaled, reduction)
            if program == "column generation" and reduction.rank > LARGEST_RANK and deadline.seconds == math.inf:
                patterns = count_patterns(reduction.generators, reduction.rank)
                raise ProblemTooLarge(
                    f"exact may never finish on this problem: {reduction.generators} distinct rows of rank "
                    f"{reduction.rank} make up to {_readable(patterns)} activation patterns; give it a time limit "
                    "(limits: {time: 10min}, or time_limit=600) and it returns the best pair of bounds by then."
                )
            if program == "column generation":
                start = _locally_trained(scaled, rng, reserved)
                best = Outcome(upper=problem.upper_bound(units.network(start)), network=units.network(start))
                trace.append(Bound(deadline.elapsed, None, best.upper))
                report(dataclasses.replace(best, trace=tuple(trace)))
                found = generate_columns(
                    scaled, reduction, start=start, tolerance=self.tolerance, deadline=reserved, rng=rng,
                    report=reached, oracle=Arrangement(reduction.rows) if self.oracle == "enumeration" else None,
                )  # fmt: skip
                network = min(network, start, key=scaled.upper_bound)
                hidden, output, A, cover = found.hidden, found.output, found.multiplier, found.cover
                details |= {"iterations": found.iterations, "atoms": found.atoms, "cones": found.cones}
                details["converged"] = found.converged
            else:
                solve = solve_cell_program if program == "cell program" else solve_convex_relu
                hidden, output = solve(scaled, reduction, reserved)
                A, cover = None, None
            trained = reduction.network(hidden, output, scaled)
            if A is None:
                A = scaled.Y - trained.predict(scaled.X)
            certificate = cone_certificate(scaled, reduction, A, cover=cover, deadline=deadline)
            if certificate.lower < (1.0 - CRUDE) * scaled.objective(trained):
                # In high rank a cover proves little in time; the repair of no multipliers at all may prove more.
                g = reduction.generators
                proofs = [certificate, relaxation_certificate(scaled, reduction, A, [np.zeros((2 * g, 2 * g))])]
                if reduction.rank > LARGEST_RANK and not deadline.expired:
                    proofs += _relaxed(scaled, reduction, deadline.fraction(0.9))
                certificate = max(proofs, key=lambda proof: proof.lower)
            if not deadline.expired:
                # Fewer neurons may cost a small part of the gap that is left anyway.
                gap = relative_gap(certificate.lower, scaled.objective(trained)) or 0.0
                trained = sparsified(scaled, reduction, trained, tolerance=max(1e-9, SPARSE * gap))
            network = min(network, trained, key=scaled.upper_bound)
        network, certificate = units.network(network), users_certificate(units, certificate)
        upper = problem.upper_bound(network)
        trace.append(Bound(deadline.elapsed, certificate.lower, upper))
        details["width"] = network.width
        return Outcome(
            lower=certificate.lower, upper=upper, network=network, certificate=certificate,
            status="time limit" if deadline.expired or reserved.expired else "solved",
            seconds=deadline.elapsed, trace=tuple(trace), details=details,
        )  # fmt: skip

    def _program(self, problem: Problem, reduction: Reduction) -> str:
        """Return the name of the exact program for a problem and its reduction.

        Raises
        ------
        ProblemTooLarge: it does not fit into memory; the message gives the count.
        """
        g, r, (n, _, outputs) = reduction.generators, reduction.rank, problem.shape
        patterns = count_patterns(g, r)
        if outputs == 1 and patterns <= LARGEST_PROGRAM:
            return "convex program over all patterns"
        if r <= 2 and patterns <= LARGEST_PROGRAM:
            return "cell program"
        if n * outputs > LARGEST_MASTER:
            raise ProblemTooLarge(
                f"exact cannot hold this problem: {n} samples of {outputs} outputs make {n * outputs:,} dual "
                f"variables; column generation takes at most {LARGEST_MASTER:,}."
            )
        rays = 2 * math.comb(g, r - 1)
        if self.oracle == "enumeration" and rays > LARGEST_RAYS:
            raise ProblemTooLarge(
                f"the enumerating oracle cannot finish on this problem: {g} distinct rows of rank {r} have "
                f"{rays:,} rays and it takes at most {LARGEST_RAYS:,}; oracle: branch_and_bound has no such limit."
            )
        return "column generation"


def _readable(count: int) -> str:
    return f"{count:,}" if count < 10**9 else f"1e{len(str(count)) - 1}"


def _locally_trained(problem: Problem, rng: np.random.Generator, deadline: Deadline) -> Network:
    """Return the best of a few local trainings: an upper bound, and atoms, from the first second."""
    allowed = deadline.fraction(TRAINING) if deadline.seconds < math.inf else deadline
    networks: list[Network] = []
    while len(networks) < TRAININGS and (not networks or not allowed.expired):
        networks.append(polish(problem, random_network(problem, WIDTH, rng), max_iterations=STEPS, deadline=allowed))
    return min(networks, key=problem.upper_bound)


def _relaxed(problem: Problem, reduction: Reduction, deadline: Deadline) -> list[Certificate]:
    """Return the certificate of the relaxation, as far as it is solved by the deadline; none without a start."""
    try:
        found = InteriorPoint().solve_reduced(LiftedProgram(problem, reduction), deadline, lambda A, N: 0.0)
    except SolverFailed:
        return []
    return [relaxation_certificate(problem, reduction, found.multiplier, [found.multipliers])]


def _improved(best: Outcome, units: Units, reduction: Reduction, found: ColumnGeneration) -> Outcome:
    """Return the rigorous pair of bounds that a step of column generation gives, or ``best`` if that is as good."""
    scaled = units.problem
    network = units.network(reduction.network(found.hidden, found.output, scaled))
    upper = units.original.upper_bound(network)
    if best.upper is None or upper < best.upper:
        best = dataclasses.replace(best, upper=upper, network=network)
    if found.cover is not None:
        certificate = cone_certificate(scaled, reduction, found.multiplier, cover=found.cover)
        certificate = users_certificate(units, certificate)
        if best.lower is None or certificate.lower > best.lower:
            best = dataclasses.replace(best, lower=certificate.lower, certificate=certificate)
    return best
