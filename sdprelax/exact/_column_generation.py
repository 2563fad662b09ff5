"""Exact training for vector outputs: column generation with an oracle.

The dual max D(A) subject to ‖Aᵀφ(Xu)‖ ≤ γ‖u‖ has one constraint per direction. The master
problem keeps some directions, the atoms (a group lasso, solved to the accuracy that the gap deserves); an oracle adds
those that A violates most, moved to the top of their face of the arrangement; atoms that carry nothing leave. A
cover of weight space by cones proves how far A is from feasible, which gives a rigorous bound at every step, and it
finds what the oracle missed (docs/mathematics/exact.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Deadline, Floats
from sdprelax.certificate import COVER_KERNELS, Cover, pulled_back
from sdprelax.exact._arcs import Arcs
from sdprelax.exact._ascent import climb
from sdprelax.exact._branch_and_bound import FOLLOWED, SEPARATION, BranchAndBound
from sdprelax.exact._oracle import Candidates, Oracle, value
from sdprelax.lasso import Directions, Fit, Program, Stop, interior_point
from sdprelax.networks import Network
from sdprelax.problem import Problem, Reduction
from sdprelax.training import relative_gap

__all__ = ["EXACT_KERNELS", "ColumnGeneration", "generate_columns"]

# Modules of compiled functions that columns are generated with.
EXACT_KERNELS = (*COVER_KERNELS, "sdprelax.exact._great_circles")

# Directions added in one iteration, and their least distance, also as a multiple of the root of the gap: near a maximum
# values differ by the square of the distance, and many that say the same cost time in every master problem.
ADDED, APART, SPACING = 200, 1e-4, 0.25
# As long as the gap is wider than this the oracle is asked at a point this share of the way to the stability centre.
WIDE, OUT = 0.1, 0.5
# Random directions among the first atoms; in the plane so many rays instead.
RANDOM, RAYS = 20, 400
# Atoms near which the oracle looks again: those of largest weight.
HEAVIEST = 300
# Directions of largest value that a proof met from which the oracle starts again.
PEAKS = 500
# Atoms that together carry less than this share of the penalty, per accuracy of the master, leave, and with them
# what the network can do without for this share of its value.
IDLE = 0.1
# Share of the time that proofs may take while the gap is still wide, and seconds granted to the first of them.
PROVING, FIRST_PROOF = 0.3, 5.0
# A direction violates the constraint when it does by this share of the tolerance.
VIOLATED = 0.1
# Iterations in which the gap must close by this share, or rounding is all that is left in it.
PATIENCE, PROGRESS = 20, 0.01


@dataclass(frozen=True, eq=False)
class ColumnGeneration:
    """The best pair found.

    Attributes
    ----------
    hidden: reduced hidden weights, unit columns (r, m); output: output weights (m, c).
    multiplier: the dual point A of the best lower bound, shape (n, c).
    cover: the cover of ``multiplier``, or None when the time was up before one was made.
    iterations: master problems solved; atoms: directions in the last of them; cones: examined in all covers.
    converged: whether the tolerance was reached.
    """

    hidden: Floats
    output: Floats
    multiplier: Floats
    cover: Cover | None
    iterations: int
    atoms: int
    cones: int
    converged: bool


# Called after every iteration with the best pair so far and its bounds (lower, upper), in floating point.
Progress = Callable[[ColumnGeneration, float, float], None]


def generate_columns(
    problem: Problem,
    reduction: Reduction,
    *,
    start: Network,
    oracle: Oracle | None = None,
    tolerance: float,
    deadline: Deadline,
    rng: np.random.Generator,
    report: Progress,
) -> ColumnGeneration:
    """Train to a relative duality gap of ``tolerance``, or until the deadline.

    Parameters
    ----------
    start: a network whose neurons are among the first atoms.
    oracle: what proposes directions; if None, in rank ≤ 2 the exact maxima over all arcs, else branch and bound's local
        search.
    report: called after every iteration.
    """
    return _Generation(problem, reduction, start, oracle, tolerance, deadline, rng).run(report)


class _Generation:
    """The state of a column generation."""

    def __init__(
        self, problem: Problem, reduction: Reduction, start: Network, oracle: Oracle | None, tolerance: float,
        deadline: Deadline, rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.problem, self.reduction = problem, reduction
        self.tolerance, self.deadline = tolerance, deadline
        self.search = BranchAndBound(reduction.rows, rng)
        arcs = Arcs(reduction.rows) if reduction.rank <= 2 else None
        self.oracle: Oracle = oracle or arcs or self.search
        if arcs is None:
            first = rng.standard_normal((reduction.rank, RANDOM))
        else:
            first = arcs.rays[:, :: math.ceil(arcs.rays.shape[1] / RAYS)]
        directions = np.hstack([reduction.basis.T @ start.hidden, first])
        lengths = np.linalg.norm(directions, axis=0)
        self.atoms = directions[:, lengths > 0.0] / lengths[lengths > 0.0]
        nothing = problem.dual_value(np.zeros_like(problem.Y))
        self.upper, self.lower, self.estimate = math.inf, nothing, nothing
        self.hidden, self.output = self.atoms[:, :0], np.zeros((0, problem.shape[2]))
        self.multiplier = np.zeros_like(problem.Y)
        self.centre: Floats | None = None
        self.cover: Cover | None = None
        self.iterations = self.cones = 0
        self.proving = 0.0
        self.gap = 1.0

    def run(self, report: Progress) -> ColumnGeneration:
        """Iterate until the tolerance or the deadline is reached, or nothing is left to improve."""
        near = self.atoms[:, :0]
        master: Fit | None = None
        finest = 0.02 * self.tolerance
        narrowest, idle = [math.inf, math.inf], 0
        while True:
            self.iterations += 1
            # Once the atoms stop improving the bound, the master's own accuracy must not be what is left; nor may atoms
            # leave that a coarse master takes for idle and the oracle brings back.
            accuracy = max(min(1e-4, self.gap / 20.0) * 0.1**idle, finest)
            program = Program.of(self.problem, Directions(self.reduction.features(self.atoms)))
            master = interior_point(program, master, Stop(accuracy, deadline=self.deadline))
            A = self.problem.admissible(master.multiplier)
            heaviest = self._keep(program, master, IDLE * accuracy)
            found = self._violated(A, np.hstack([near, heaviest]))
            converged = self.cover is not None and self.gap <= self.tolerance
            report(self._best(converged), self.lower, self.upper)
            # As the search has it, which may be wrong, and as proved.
            gaps = [self.upper - max(self.lower, self.estimate), self.upper - self.lower]
            closing = any(gap < least * (1.0 - PROGRESS) for gap, least in zip(gaps, narrowest, strict=True))
            idle, narrowest = 0 if closing else idle + 1, list(map(min, gaps, narrowest))
            stalled = (len(found.values) == 0 and accuracy <= finest) or idle == PATIENCE
            if converged or self.deadline.expired or stalled:
                return self._best(converged)
            if len(found.values) == 0:
                # Nothing is violated as far as this accuracy can tell.
                self.gap = min(self.gap, accuracy)
            near = found.directions
            self.atoms = np.hstack([self.atoms, near])

    def _keep(self, program: Program, master: Fit, share: float) -> Floats:
        """Keep the master's network if it is the best, let idle atoms leave, and return the heaviest.

        Parameters
        ----------
        share: of the penalty that idle atoms carry together, and of the value that the network may lose with them.
        """
        weights = np.linalg.norm(master.weights[:, 0], axis=1)
        order = np.argsort(weights)
        idle = int(np.count_nonzero(np.cumsum(weights[order]) < share * np.sum(weights)))
        left_out, reached = _dispensable(program, master, order[:idle], share)
        if reached < self.upper:
            self.upper, kept = reached, np.sort(order[left_out:])
            self.hidden, self.output = self.atoms[:, kept], master.weights[kept, 0]
        heaviest: Floats = self.atoms[:, order[::-1][:HEAVIEST]]
        self.atoms = self.atoms[:, np.sort(order[idle:])]
        return heaviest

    def _violated(self, A: Floats, near: Floats) -> Candidates:
        """Return directions that A violates, and improve the lower bound if a proof pays now."""
        rows, dual = self.reduction.rows, self.reduction.pull_back(A)
        above = self.problem.gamma * (1.0 + VIOLATED * self.tolerance)
        inner = [A + OUT * (self.centre - A)] if self.centre is not None and self.gap > WIDE else []
        for point in (*inner, A):
            directions = self._tops(point, near)
            found = Candidates.ranked(directions, value(rows, dual, directions), above)
            # What the point further in violates, A does too; where it violates nothing, A may all the same.
            if len(found.values):
                break
        self.gap = min(1.0, max(self._gap(self.estimate), 1e-2)) if self.cover is None else self._gap(self.lower)
        return found.distinct(ADDED, max(APART, SPACING * math.sqrt(min(self.gap, 1.0))))

    def _tops(self, point: Floats, near: Floats) -> Floats:
        """Return where a dual point violates most, shape (r, k), and improve the bound by it if a proof pays now."""
        rows, gamma = self.reduction.rows, self.problem.gamma
        dual, above = self.reduction.pull_back(point), gamma * (1.0 + VIOLATED * self.tolerance)
        found = self.oracle.candidates(dual, above=0.0, near=near)
        reached = max(gamma, found.best)
        # Of a master problem's optimum no smaller multiple is worth more: D is concave along the ray, and best at A.
        estimate = self.problem.dual_value(point * (gamma / reached))
        if estimate > self.estimate:
            self.estimate, self.centre = estimate, point * (gamma / reached)
            if self.cover is None:
                self.multiplier = point
        expected = self._gap(estimate)
        if estimate > self.lower and self._proof_pays(expected, int(np.sum(found.values > above))):
            cover = self._prove(point, reached, max(0.2 * self.tolerance, 0.1 * min(expected, self.gap)))
            peaks = Candidates.ranked(cover.peaks, value(rows, dual, cover.peaks)).directions[:, :PEAKS]
            found = found.joined(climb(rows, dual, peaks, above=above, count=FOLLOWED, separation=SEPARATION))
        return found.directions

    def _gap(self, lower: float) -> float:
        gap = relative_gap(lower, self.upper)
        # Rounding may put the proved bound above the value.
        return math.inf if gap is None else max(gap, 0.0)

    def _proof_pays(self, expected: float, violated: int) -> bool:
        """Say whether a cover is worth its time: cheap so far, or about to end the run or halve the gap."""
        about_to_end = expected <= 2.0 * self.tolerance or violated == 0
        cheap = self.proving <= PROVING * self.deadline.elapsed
        return about_to_end or cheap

    def _prove(self, A: Floats, reached: float, accuracy: float) -> Cover:
        granted = min(0.5 * self.deadline.remaining, max(FIRST_PROOF, self.deadline.elapsed))
        timer = Deadline(granted)
        dual = pulled_back(self.reduction, A)
        cover = self.search.bound(dual, reached, accuracy, timer, above=self.problem.gamma)
        self.proving += timer.elapsed
        self.cones += cover.cones
        lower = self.problem.dual_value(A * min(1.0, self.problem.gamma / cover.bound))
        if cover.complete and lower > self.lower:
            self.lower, self.multiplier, self.cover = lower, A, cover
            # What the search alone made of other points may be too much.
            self.estimate, self.centre = lower, A * min(1.0, self.problem.gamma / cover.bound)
        return cover

    def _best(self, converged: bool) -> ColumnGeneration:
        return ColumnGeneration(
            self.hidden, self.output, self.multiplier, self.cover, self.iterations, self.atoms.shape[1], self.cones,
            converged,
        )  # fmt: skip


def _dispensable(program: Program, master: Fit, idle: NDArray[np.intp], share: float) -> tuple[int, float]:
    """Return how many idle atoms, the lightest first, a network can do without for a share of its value, and the value.

    The penalty does not tell: at a kink of the loss, and on a column of large entries, little weight moves much.
    """

    def lost(count: int) -> float:
        weights = master.weights.copy()
        weights[idle[:count]] = 0.0
        return program.value(weights, program.predict(weights) + master.offset) - whole

    whole = program.value(master.weights, program.predict(master.weights) + master.offset)
    count = len(idle)
    while count and lost(count) > share * abs(whole):
        count //= 2
    return count, master.value + lost(count)
