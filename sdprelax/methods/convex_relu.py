"""Method ``convex_relu``: the convex program of ReLU networks over sampled patterns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import PositiveInt

from sdprelax.base import Deadline, InputError, ProblemTooLarge, SolverFailed, Use
from sdprelax.exact import attained_convex_relu
from sdprelax.lasso import directions_in_cones, network_on_directions
from sdprelax.methods import methods
from sdprelax.methods._gates import GateChoice, Gated, choose_gates, gate_count, proposing
from sdprelax.networks import Network, ReLU
from sdprelax.problem import Presolved, Problem, Reduction, reduce
from sdprelax.training import Incumbent, Outcome, Report, unreported

__all__ = ["ConvexReLU"]

# Nonzeros of one output's constraints beyond which Clarabel's factorisation ends in neither memory nor time.
LARGEST = 30_000_000
# Length of the proximal gradient, relative to γ√(2m), that ends a round of the augmented Lagrangian.
ROUND = 1e-3
# Neurons shorter than this share of the longest are the solver's zeros.
NEGLIGIBLE = 1e-9


@methods.register("convex_relu")
@dataclass(frozen=True)
class ConvexReLU:
    """The convex program over sampled patterns and their cones, one per output (Pilanci and Ergen 2020).

    Every output has its own neurons, which makes the outputs' programs independent unless the loss couples them, as
    cross-entropy does; then they are one. One output, all patterns: exact.

    Parameters
    ----------
    patterns: most distinct activation patterns.
    gates: whose patterns: "gaussian" (random directions'), "all" (every one; small ranks) or "sdp" (those of the
        relaxation's rounding).
    solver: "clarabel" (conic, to many digits), "augmented_lagrangian" (first order, for ReLU and losses that are
        differentiable and sums over outputs; the best network along the directions that it finds), or "auto": the first
        while its factorisation fits.
    max_iterations: most proximal steps of the augmented Lagrangian per output.
    """

    version: ClassVar[int] = 2
    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    patterns: PositiveInt = 50
    gates: GateChoice = "gaussian"
    solver: Literal["auto", "clarabel", "augmented_lagrangian"] = "auto"
    max_iterations: PositiveInt = 20_000

    def check(self, problem: Problem) -> None:
        """Refuse what the augmented Lagrangian does not take, where it is asked for.

        Raises
        ------
        InputError: another activation than ReLU, or a loss with kinks or that couples outputs.
        """
        if self.solver == "augmented_lagrangian" and not _is_for_augmented_lagrangian(problem):
            raise InputError(
                "convex_relu with solver: augmented_lagrangian takes ReLU and losses that are differentiable and sums "
                "over outputs; take solver: clarabel."
            )

    def size(self, problem: Problem) -> str:
        """Return the number of variables and constraints of one output's program."""
        reduction = reduce(problem)
        count = gate_count(self.gates, self.patterns, reduction)
        variables, walls = 2 * count * reduction.rank, 2 * count * reduction.generators
        return f"{variables:,} weights in cones of {walls:,} walls per output"

    def uses(self) -> Iterable[Use]:
        """Return what proposes gates."""
        return proposing(self.gates)

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the network of all outputs' neurons; an output that the deadline cut off predicts 0.

        Raises
        ------
        ProblemTooLarge: more constraint entries than Clarabel can factor, and the other solver is not asked for or does
            not take the loss; or too many gates: all.
        InputError: see :meth:`check`.
        """
        best = Incumbent(Presolved.of(problem), deadline, report)
        scaled, reduction = best.presolved.problem, best.presolved.reduction
        conic = self._is_conic(scaled, reduction)
        gated = Gated(best.presolved, choose_gates(self.gates, self.patterns, best.presolved, rng, deadline), "columns")
        network, outputs = scaled.empty_network(), scaled.shape[2]
        best.details = {"patterns": len(gated.patterns.signs), "conic": conic}
        solved, converged, gaps = 0, True, list[float]()
        for chosen, share in _parts(scaled) if reduction.rank else ():
            if deadline.expired:
                break
            until = deadline.fraction(share)
            try:
                part, ended, gap = self._trained(gated, chosen, until, conic)
            except SolverFailed:
                if not until.expired:
                    raise
                continue
            gaps += [gap] if gap is not None else []
            solved, converged = solved + len(chosen) * (not until.expired), converged and ended
            output = part.output @ np.eye(outputs)[chosen]
            network = scaled.network(np.hstack([network.hidden, part.hidden]), np.vstack([network.output, output]))
            best.replace(network)
        if best.network is None:
            best.replace(network)
        best.details |= {"outputs_solved": solved, "width": best.width} | ({"rounding_gap": max(gaps)} if gaps else {})
        complete = solved == outputs or not reduction.rank
        return best.outcome(complete and converged, not complete)

    def _is_conic(self, problem: Problem, reduction: Reduction) -> bool:
        """Say whether Clarabel solves the program.

        Raises
        ------
        ProblemTooLarge: it is asked to, or has to, and cannot hold it.
        InputError: see :meth:`check`.
        """
        self.check(problem)
        other = _is_for_augmented_lagrangian(problem)
        count, n = gate_count(self.gates, self.patterns, reduction), len(reduction.group)
        nonzeros = 2 * count * (n + reduction.generators) * reduction.rank
        if nonzeros > LARGEST and (self.solver == "clarabel" or not other):
            raise ProblemTooLarge(
                f"convex_relu with solver: clarabel cannot hold this problem: 2 × {count} cones of "
                f"{reduction.generators} walls in rank {reduction.rank} and {n} samples make {nonzeros:,} constraint "
                f"entries per output, and it takes at most {LARGEST:,}; use fewer patterns, or solver: "
                "augmented_lagrangian."
            )
        return self.solver == "clarabel" or (self.solver == "auto" and nonzeros <= LARGEST)

    def _trained(
        self, gated: Gated, chosen: list[int], deadline: Deadline, conic: bool
    ) -> tuple[Network, bool, float | None]:
        """Return the network of some outputs, and whether its solver has converged.

        Beside them, the gap of the program that chose the output weights along the directions that it found, if any.
        """
        reduction, signs, gap = gated.reduction, gated.patterns.signs, None
        single = replace(gated.problem, Y=gated.problem.Y[:, chosen], queries=None)
        if conic:
            hidden, output, solved = attained_convex_relu(single, reduction, deadline, signs)
            network = reduction.network(hidden, output, single).pruned(NEGLIGIBLE)
        else:
            directions, solved = directions_in_cones(
                gated.projected.of_output(chosen[0]), reduction.rows, signs, tolerance=ROUND,
                max_iterations=self.max_iterations, deadline=deadline,
            )  # fmt: skip
            found = network_on_directions(single, reduction, directions)
            network, gap = found.network, found.gap
        # What a solver has when its time is up may be worse than no neurons.
        empty = single.empty_network()
        return (network if single.objective(network) < single.objective(empty) else empty), solved, gap


def _parts(problem: Problem) -> list[tuple[list[int], float]]:
    """Return every program's outputs, all of them where the loss couples them, and its share of what time is left."""
    outputs = list(range(problem.shape[2]))
    parts = [[k] for k in outputs] if problem.loss.separable else [outputs]
    return [(chosen, 1.0 / (len(parts) - k)) for k, chosen in enumerate(parts)]


def _is_for_augmented_lagrangian(problem: Problem) -> bool:
    return problem.activation == ReLU() and problem.loss.smooth and problem.loss.separable
