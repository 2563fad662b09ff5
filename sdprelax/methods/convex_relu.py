"""Method ``convex_relu``: the convex program of ReLU networks over sampled patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import PositiveInt

from sdprelax.deadline import Deadline
from sdprelax.errors import ProblemTooLarge, SolverFailed
from sdprelax.exact.convex_relu import solve_convex_relu
from sdprelax.methods import register
from sdprelax.network import Network
from sdprelax.outcome import Bound, Outcome, Report, unreported
from sdprelax.patterns import sampled_patterns
from sdprelax.problem import Problem
from sdprelax.reduction import reduce
from sdprelax.units import Units

__all__ = ["ConvexReLU"]

# Nonzeros of one output's constraints beyond which Clarabel's factorisation ends in neither memory nor time.
LARGEST = 30_000_000
# Neurons shorter than this share of the longest are the solver's zeros.
NEGLIGIBLE = 1e-9


@register("convex_relu")
@dataclass(frozen=True)
class ConvexReLU:
    """The convex program over sampled patterns and their cones, one per output (Pilanci and Ergen 2020).

    Every output has its own neurons, which makes the outputs' programs independent. One output, all patterns: exact.

    Parameters
    ----------
    patterns: distinct activation patterns, of Gaussian directions.
    """

    patterns: PositiveInt = 50

    def size(self, problem: Problem) -> str:
        """Return the number of variables and constraints of one output's program."""
        reduction = reduce(problem)
        variables = 2 * self.patterns * reduction.rank
        return f"{variables:,} weights in cones of {2 * self.patterns * reduction.generators:,} walls per output"

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the network of all outputs' neurons; an output that the deadline cut off predicts 0.

        Raises
        ------
        ProblemTooLarge: more constraint entries than Clarabel can factor; the message gives the count.
        """
        units = Units.of(problem)
        scaled = units.problem
        reduction = reduce(scaled)
        n, _, outputs = scaled.shape
        nonzeros = 2 * self.patterns * (n + reduction.generators) * reduction.rank
        if nonzeros > LARGEST:
            raise ProblemTooLarge(
                f"convex_relu cannot hold this problem: 2 × {self.patterns} cones of {reduction.generators} walls in "
                f"rank {reduction.rank} and {n} samples make {nonzeros:,} constraint entries per output, and it takes "
                f"at most {LARGEST:,}; use fewer patterns, or gated_relu."
            )
        network = Network.empty(scaled.X.shape[1], outputs)
        trace: list[Bound] = []
        signs = np.zeros((0, 0), dtype=np.int8)
        if reduction.rank:
            signs, _, _ = sampled_patterns(reduction.rows, self.patterns, rng)
        solved = 0
        for k in range(outputs):
            if deadline.expired or not reduction.rank:
                break
            single = Problem(scaled.X, scaled.Y[:, k], scaled.gamma)
            until = deadline.fraction(1.0 / (outputs - k))
            try:
                hidden, weights = solve_convex_relu(single, reduction, until, signs)
            except SolverFailed:
                if not until.expired:
                    raise
                continue
            part = reduction.network(hidden, weights, single).pruned(NEGLIGIBLE)
            # What a solver has when its time is up may be worse than no neurons.
            if single.objective(part) >= single.objective(Network.empty(scaled.X.shape[1], 1)):
                part = Network.empty(scaled.X.shape[1], 1)
            solved += not until.expired
            output = part.output * np.eye(outputs)[k]
            network = Network(np.hstack([network.hidden, part.hidden]), np.vstack([network.output, output]))
            users = units.network(network)
            upper = problem.upper_bound(users)
            trace.append(Bound(deadline.elapsed, None, upper))
            report(Outcome(upper=upper, network=users, trace=tuple(trace)))
        users = units.network(network)
        details: dict[str, Any] = {"patterns": len(signs), "outputs_solved": solved, "width": users.width}
        complete = solved == outputs or not reduction.rank
        return Outcome(
            upper=problem.upper_bound(users), network=users, status="solved" if complete else "time limit",
            seconds=deadline.elapsed, trace=tuple(trace), details=details,
        )  # fmt: skip
