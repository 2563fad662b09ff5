"""Method ``exact``: the global optimum, where it is within reach."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from pydantic import PositiveFloat

from sdprelax.certificate import cone_certificate, empty_network_certificate, users_certificate
from sdprelax.deadline import Deadline
from sdprelax.errors import ProblemTooLarge
from sdprelax.exact.arrangement import count_patterns
from sdprelax.exact.cell_program import solve_cell_program
from sdprelax.exact.column_generation import ColumnGeneration, generate_columns
from sdprelax.exact.convex_relu import solve_convex_relu
from sdprelax.exact.sparsify import sparsified
from sdprelax.methods import register
from sdprelax.network import Network
from sdprelax.outcome import Bound, Outcome, Report, unreported
from sdprelax.problem import Problem
from sdprelax.reduction import Reduction, reduce
from sdprelax.units import Units

__all__ = ["Exact"]

# Beyond these counts a run takes hours on two cores: patterns (or cells) in one conic program, rays to enumerate.
LARGEST_PROGRAM = 2_000
LARGEST_RAYS = 1_000_000


@register("exact")
@dataclass(frozen=True)
class Exact:
    """The global optimum with a rigorous bound on either side, in small rank or for one output.

    One output: the convex program over all activation patterns. Rank ≤ 2: the cell program. Rank 3 and 4:
    column generation. Larger problems are refused before anything starts, with the count that makes
    them so. docs/mathematics.md section 4.

    Parameters
    ----------
    tolerance: relative duality gap at which column generation stops.
    """

    tolerance: PositiveFloat = 1e-6

    def size(self, problem: Problem) -> str:
        """Return the program that would be solved and the number of its activation patterns."""
        reduction = reduce(problem)
        patterns = count_patterns(reduction.generators, reduction.rank)
        return f"{choose_program(problem, reduction)}, {patterns:,} patterns"

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
            trace.append(Bound(deadline.elapsed, units.value(lower), units.value(upper)))
            pair = _improved(best, units, reduction, found)
            if pair is not best:
                best = dataclasses.replace(pair, trace=tuple(trace))
                report(best)

        details: dict[str, object] = {"rank": reduction.rank, "generators": reduction.generators}
        network = Network.empty(scaled.X.shape[1], scaled.Y.shape[1])
        certificate = empty_network_certificate(scaled, reduction)
        reserved = deadline.fraction(0.6) if deadline.seconds < math.inf else deadline
        if certificate is not None:
            details["program"] = "empty network"
        else:
            details["program"] = program = choose_program(scaled, reduction)
            if program == "column generation":
                found = generate_columns(
                    scaled, reduction, tolerance=self.tolerance, deadline=reserved, rng=rng, report=reached
                )
                hidden, output, A, cover = found.hidden, found.output, found.multiplier, found.cover
                details |= {"iterations": found.iterations, "atoms": found.atoms, "converged": found.converged}
            else:
                solve = solve_cell_program if program == "cell program" else solve_convex_relu
                hidden, output = solve(scaled, reduction, reserved)
                A, cover = None, None
            trained = reduction.network(hidden, output, scaled)
            if A is None:
                A = scaled.Y - trained.predict(scaled.X)
            certificate = cone_certificate(scaled, reduction, A, cover=cover, deadline=deadline)
            trained = sparsified(scaled, reduction, trained, tolerance=min(1e-9, 0.01 * self.tolerance))
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


def choose_program(problem: Problem, reduction: Reduction) -> str:
    """Return the name of the exact program for a problem and its reduction.

    Raises
    ------
    ProblemTooLarge: none of them can finish; the message gives the count.
    """
    g, r, outputs = reduction.generators, reduction.rank, problem.shape[2]
    patterns = count_patterns(g, r)
    if outputs == 1 and patterns <= LARGEST_PROGRAM:
        return "convex program over all patterns"
    if r <= 2 and patterns <= LARGEST_PROGRAM:
        return "cell program"
    rays = 2 * math.comb(g, r - 1)
    if 2 < r <= 4 and rays <= LARGEST_RAYS:
        return "column generation"
    size = f"{g} distinct rows of rank {r} make up to {patterns:,} activation patterns"
    if r > 4:
        most = f"with {outputs} output(s) in rank > 4 it takes at most {LARGEST_PROGRAM:,}, and only for one output"
    elif r <= 2:
        most = f"in rank ≤ 2 it takes at most {LARGEST_PROGRAM:,}"
    else:
        size += f" and {rays:,} rays"
        most = f"in rank 3 and 4 it takes at most {LARGEST_RAYS:,} rays"
    raise ProblemTooLarge(f"exact cannot finish on this problem: {size}; {most}.")
