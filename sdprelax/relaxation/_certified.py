"""The relaxation over cones, solved by one solver after another until it is settled, and certified on the way."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sdprelax.base import Deadline, Floats, SolverFailed
from sdprelax.cells import Cone
from sdprelax.certificate import relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.relaxation._program import Form, RelaxationSolution, solve_relaxation
from sdprelax.relaxation._separation_rounds import with_separated
from sdprelax.relaxation._splitting import local_certificate
from sdprelax.solvers import NO_START, Coarser, Solved, solvers
from sdprelax.solvers.interior_point import InteriorPoint
from sdprelax.solvers.native import Native
from sdprelax.training import Incumbent, status_of

__all__ = ["CertifiedRelaxation", "settled"]

# A pruned cone whose own certificate exceeds γ by this factor gets its block back.
BACK = 1.0 + 1e-6
# Relative distance of claim and dual value from which on a stalled run counts as settled, and most rows for another.
SETTLED, SECOND_OPINION = 1e-3, 100
# Tolerance of the solutions that only say what is violated.
BETWEEN = 1e-3
# Relative rise of the bound below which no more forms are separated.
RISING = 1e-5
# What a certificate may leave of a solver's claim where that counts as solved, relatively.
NEARLY_PROVED = 1e-2


class CertifiedRelaxation:
    """A relaxation whose every dual point is proved and offered to the best of a run.

    Parameters
    ----------
    lifting: the lifted program of the problem that ``best`` is about, perhaps over other generator rows.
    form: "reduced", or "lifted" for a single block.
    names: the solvers to try, in order.
    options: of the first of them.
    best: what certificates are offered to.
    deadline: when solvers return what they have.
    strict: whether the first solver's failure is final.

    Attributes
    ----------
    rounds: of every round of separation its number of forms and the bound.
    loosened: whether the last solve ended at a tolerance above the solver's own.
    improve: called with the solution of every round of separation but the last, to offer a network of it that is kept
        whatever becomes of the next round.
    """

    def __init__(
        self, lifting: LiftedProgram, form: Form, names: Sequence[str], options: Mapping[str, Any], best: Incumbent,
        deadline: Deadline, *, strict: bool = False,
    ) -> None:  # fmt: skip
        self.lifting, self.form, self.names, self.options = lifting, form, names, options
        self.best, self.deadline, self.strict = best, deadline, strict
        self.rounds, self.loosened = list[dict[str, float]](), False
        self.improve: Callable[[RelaxationSolution], None] = lambda solution: None
        # Seconds that the last proof took.
        self._proving = 0.0

    def solve(
        self, cones: Sequence[Cone], idle: Sequence[Cone] = (), start: Coarser | None = None, enough: float = 0.0
    ) -> tuple[RelaxationSolution, int]:
        """Solve over the cones that are not idle; an idle one is proved by its own multipliers, or comes back.

        Families that separate add what the solution violates, and what has no multiplier leaves, round after round
        until none is violated or the bound does not rise. The best bound of all rounds is kept.

        Parameters
        ----------
        start: what solvers that take one start from.
        enough: relative tolerance that suffices for them.

        Returns
        -------
        The solution of the last round, and how many cones stayed idle.

        Raises
        ------
        SolverUnavailable, SolverFailed: the last solver cannot run here, or has no point.
        """
        most = max((family.rounds for family in self.lifting.more.values()), default=0)
        # In the plane hardly anything is separated.
        between = max(enough, BETWEEN) if most and self.lifting.reduction.rank > 2 else enough
        found, active = self._over(cones, idle, start, between)
        for _ in range(most):
            reached, before = self.best.lower, self.lifting
            refined = with_separated(before, active, found, self.deadline)
            if refined is None or self.late:
                break
            self.improve(found)
            self.lifting = refined
            try:
                found, active = self._over(cones, [cone for cone in cones if cone not in active], enough=between)
            except SolverFailed:
                self.lifting = before
                break
            stated = sum(block.forms.count for block in self.lifting.over(active))
            self.rounds.append({"forms": stated, "lower": self.best.lower})
            if self.best.lower - reached <= RISING * abs(self.best.lower):
                break
        if self.loosened and between > enough and not self.late:
            with contextlib.suppress(SolverFailed):
                found, active = self._over(cones, [cone for cone in cones if cone not in active], enough=enough)
        return found, len(cones) - len(active)

    def _over(
        self, cones: Sequence[Cone], idle: Sequence[Cone], start: Coarser | None = None, enough: float = 0.0
    ) -> tuple[RelaxationSolution, list[Cone]]:
        """Return the solution with the families as they are, and the cones that it has blocks for."""
        reduction, gamma = self.lifting.reduction, self.lifting.problem.gamma
        # Where no neuron pays all cones are idle, and the relaxation still wants a block.
        idle = [cone for cone in idle if len(idle) < len(cones) or cone is not cones[0]]
        while True:
            active = [cone for cone in cones if cone not in idle]
            found = self._solved(active, start, enough)
            dual = reduction.pull_back(found.multiplier)
            proofs = [local_certificate(reduction.rows, dual, cone, self.deadline, self.lifting.more) for cone in idle]
            loose = [cone for cone, (omega, _) in zip(idle, proofs, strict=True) if omega > gamma * BACK]
            if not loose or self.late:
                self.prove(found.multiplier, [*found.multipliers, *(N for _, N in proofs)], [*active, *idle])
                return found, active
            idle = [cone for cone in idle if cone not in loose]

    @property
    def late(self) -> bool:
        """Whether another solution could not be proved in time, if that takes as long as the last proof."""
        return self.deadline.remaining <= self._proving

    def attained(self, solved: Solved) -> bool:
        """Say whether the solver's claim is nearly proved: more nearly where our own interior point stalled."""
        claimed = self.best.presolved.claimed(solved.value)
        short = 0.0 if claimed is None else (claimed - self.best.lower) / max(abs(claimed), np.finfo(float).tiny)
        if solved.status == "stalled":
            return claimed is not None and abs(short) <= SETTLED
        return status_of(solved.status) == "solved" and short <= NEARLY_PROVED

    def _solved(self, cones: Sequence[Cone], start: Coarser | None, enough: float) -> RelaxationSolution:
        found: RelaxationSolution | None = None
        for name in self.names:
            solver = solvers.create(name, self.options if name == self.names[0] else {})
            if isinstance(solver, Native | InteriorPoint):
                self.loosened = enough > solver.tolerance
                solver = dataclasses.replace(solver, tolerance=max(solver.tolerance, enough))
            last = name == self.names[-1]
            # What comes out is proved once more.
            until = Deadline(max(0.0, self.deadline.remaining - self._proving))
            try:
                found = solve_relaxation(
                    self.lifting, self.form, cones, solver, until, lambda A, N: self.prove(A, N, cones), start
                )
            except SolverFailed:
                if found is None and (self.strict or last):
                    raise
                continue
            if self.strict and found.solved.status == NO_START:
                self.prove(found.multiplier, found.multipliers, cones)
                raise SolverFailed(found.solved.log)
            # A run that stalls far from its own claim, as for tiny γ, goes to the next solver too.
            if last or settled(self.lifting, found.multiplier, found.solved):
                break
            self.prove(found.multiplier, found.multipliers, cones)
        assert found is not None
        return found

    def prove(self, A: Floats, multipliers: Sequence[Floats], cones: Sequence[Cone]) -> float:
        """Offer the certificate of approximate multipliers; return its bound in the units of the problem."""
        lifting, started = self.lifting, self.deadline.elapsed
        found = relaxation_certificate(lifting.problem, lifting.reduction, A, multipliers, cones, lifting.more)
        self.best.prove(found)
        self._proving = self.deadline.elapsed - started
        return found.lower


def settled(lifting: LiftedProgram, A: Floats, solved: Solved) -> bool:
    """Say whether a solution asks for no second solver: its claim and its dual value agree, or there are many rows."""
    if solved.status != "stalled" or lifting.generators > SECOND_OPINION:
        return True
    return solved.value is not None and abs(solved.value - lifting.problem.dual_value(A)) <= SETTLED * abs(solved.value)
