"""Method ``exact``: the global optimum, where it is within reach."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sdprelax.certificate import cone_certificate
from sdprelax.deadline import Deadline
from sdprelax.errors import ProblemTooLarge
from sdprelax.exact.arrangement import count_patterns
from sdprelax.exact.cell_program import solve_cell_program
from sdprelax.exact.column_generation import generate_columns
from sdprelax.exact.convex_relu import solve_convex_relu
from sdprelax.methods import register
from sdprelax.network import Network
from sdprelax.outcome import Bound, Outcome
from sdprelax.problem import Problem
from sdprelax.reduction import Reduction, reduce
from sdprelax.verified import Floats

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

    tolerance: float = 1e-6

    def run(self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline) -> Outcome:
        """Return the optimal network and the certificate that it is optimal."""
        reduction = reduce(problem)
        program = choose_program(problem, reduction)
        details: dict[str, object] = {
            "program": program,
            "rank": reduction.rank,
            "generators": reduction.generators,
        }
        trace: list[Bound] = []

        def report(lower: float, upper: float) -> None:
            trace.append(Bound(deadline.elapsed, lower, upper))

        reserved = deadline.fraction(0.6) if deadline.seconds < math.inf else deadline
        if program == "empty network":
            network = Network.empty(problem.X.shape[1], problem.Y.shape[1], problem.bias)
            certificate = cone_certificate(problem, reduction, problem.Y)
        elif program == "column generation":
            found = generate_columns(
                problem, reduction, tolerance=self.tolerance, deadline=reserved, rng=rng, report=report
            )
            network = reduction.network(found.hidden, found.output, problem)
            details |= {"iterations": found.iterations, "atoms": found.atoms, "converged": found.converged}
            certificate = cone_certificate(problem, reduction, found.multiplier, cover=found.cover, deadline=deadline)
        else:
            solve = solve_cell_program if program == "cell program" else solve_convex_relu
            hidden, output = solve(problem, reduction, reserved)
            network = reduction.network(hidden, output, problem)
            certificate = cone_certificate(problem, reduction, _residual(problem, network), deadline=deadline)
        network = network.pruned(1e-9).merged()
        upper = problem.upper_bound(network)
        report(certificate.lower, upper)
        details["width"] = network.width
        return Outcome(
            lower=certificate.lower, upper=upper, network=network, certificate=certificate,
            status="time limit" if deadline.expired or reserved.expired else "solved",
            seconds=deadline.elapsed, trace=tuple(trace), details=details,
        )  # fmt: skip


def _residual(problem: Problem, network: Network) -> Floats:
    return problem.Y - network.predict(problem.X)


def choose_program(problem: Problem, reduction: Reduction) -> str:
    """Return the name of the exact program for a problem and its reduction.

    Raises
    ------
    ProblemTooLarge: none of them can finish; the message gives the count.
    """
    g, r, outputs = reduction.generators, reduction.rank, problem.shape[2]
    if g == 0 or not np.any(problem.Y):
        return "empty network"
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
