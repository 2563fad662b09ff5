"""Our solver for the reduced relaxation at any size: alternating directions, and an interior point where they crawl.

docs/solver.md has the derivation, what was tried and lost, and figures.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import psutil
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Deadline, SolverFailed, Use, single_threaded, threads_allowed
from sdprelax.lifting import Block, LiftedProgram
from sdprelax.problem import untaken
from sdprelax.solvers import (
    NO_START,
    Availability,
    Coarser,
    PointReport,
    Solved,
    StructuredSolution,
    built_in,
    solvers,
)
from sdprelax.solvers.interior_point import InteriorPoint
from sdprelax.solvers.native.alternating import AlternatingDirections, Estimates, Start
from sdprelax.solvers.native.arrays import Library, arrays_of
from sdprelax.solvers.native.local import LocalState, LocalSteps
from sdprelax.solvers.native.several import SeveralBlocks

__all__ = ["LocalState", "LocalSteps", "Native"]

# Steps before the first certificate, of several blocks, whose certificate takes as long as thirty steps, and the factor
# from one to the next.
FIRST_CHECK, FIRST_OF_SEVERAL, CHECKS = 40, 100, 1.3
# What the interior point takes, by experience: steps, and held constraints per generator, or more if the rank is.
NEWTON_STEPS, HELD_PER_ROW = 55, 16
# Share of that cost that the steps may take before the interior point is thought of.
INSURANCE = 0.1
# Share of the free memory that its matrix may take.
MEMORY = 0.5


def _plain(blocks: Sequence[Block]) -> bool:
    """Say whether the blocks are all of weight space with no other inequalities than the standard ones."""
    forms, cone = blocks[0].forms, blocks[0].cone
    whole = len(blocks) == 1 and not cone.path and cone.sector is None
    return whole and not forms.left_out and forms.families == {"nonnegative", "complementary"}


@solvers.register("native")
@dataclass(frozen=True)
class Native:
    """Our own first-order solver: the reduced relaxation only, to thousands of rows, on CPU or GPU, no licence.

    Parameters
    ----------
    tolerance: relative spread of the certified bound and three estimates of the relaxation's value, over two checks, at
        which it stops.
    max_iterations: steps of the first phase.
    phases: "alternating" directions alone, or "auto": where those would take longer than an interior point is expected
        to, as for rows that lie in a narrow bundle, that takes over (on the CPU).
    arrays: library that the first phase computes with; "torch" and "cupy" know devices.
    device: such as "cuda"; None for the library's default.
    """

    version: ClassVar[int] = 3
    kernels: ClassVar[tuple[str, ...]] = ("sdprelax.solvers.native._entries",)
    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True
    # The interior point takes over for problems that it takes.
    dispensable: ClassVar[tuple[str, ...]] = ("interior_point",)
    needs: ClassVar[frozenset[str]] = frozenset()
    starts: ClassVar[bool] = True
    default_up_to: ClassVar[float] = math.inf

    tolerance: PositiveFloat = 1e-3
    max_iterations: PositiveInt = 100_000
    phases: Literal["auto", "alternating"] = "auto"
    arrays: Library = "numpy"
    device: str | None = None

    @property
    def libraries(self) -> Iterable[str]:
        """The optional package that its arrays are of, if any."""
        return () if self.arrays == "numpy" else (self.arrays,)

    def uses(self) -> Iterable[Use]:
        """Return what may take over."""
        return ((solvers, "interior_point", {}),) if self.phases == "auto" else ()

    def availability(self) -> Availability:
        """Say that it runs wherever this package does."""
        return built_in("native")

    def solve_blocks(
        self, lifting: LiftedProgram, blocks: Sequence[Block], deadline: Deadline, report: PointReport,
        start: Start | Coarser | None = None,
    ) -> StructuredSolution:  # fmt: skip
        """Solve the reduced relaxation of a presolved program over blocks with a common A.

        The block of all of weight space with the standard inequalities has steps of its own, on any library's arrays,
        and a second phase; other blocks are NumPy's, one thread each.

        Parameters
        ----------
        report: called at every check with A, shape (n, c), and N of every block, shape (m, m) for its m forms; returns
            the bound that they prove.
        start: ``state`` of a solution over all of weight space and the same generator rows, of another γ or other
            targets; or, for blocks of parts, any solution over a coarser partition.

        Raises
        ------
        SolverUnavailable: the arrays' library or device is not there.
        """
        coarser = start if isinstance(start, Coarser) else None
        if _plain(blocks):
            run = AlternatingDirections(
                lifting, arrays_of(self.arrays, self.device), start if isinstance(start, Start) else None
            )
            return self._solved(run, lifting, blocks, deadline, report)
        threads = threads_allowed()
        # BLAS on one thread has the same bits however many blocks are worked on.
        with single_threaded(), contextlib.closing(SeveralBlocks(lifting, blocks, threads, coarser)) as several:
            return self._solved(several, lifting, blocks, deadline, report)

    def _solved(
        self, run: AlternatingDirections | SeveralBlocks, lifting: LiftedProgram, blocks: Sequence[Block],
        deadline: Deadline, report: PointReport,
    ) -> StructuredSolution:  # fmt: skip
        single = isinstance(run, AlternatingDirections)
        status, check = "iteration limit", FIRST_CHECK if single else FIRST_OF_SEVERAL
        best, spreads, spread = -math.inf, {}, math.inf
        before: Estimates | None = None
        while True:
            run.step()
            last = run.steps >= self.max_iterations or deadline.expired
            if run.steps < check and not last:
                continue
            check = math.ceil(CHECKS * check)
            best = max(best, report(*run.certified_point()))
            now = run.estimates()
            if before is not None:
                spreads[run.steps] = spread = now.spread(before, best)
            before = now
            if spread <= self.tolerance:
                status = "optimal"
            elif deadline.expired:
                status = "time limit"
            elif single and not last and spreads and self._crawls(lifting, spreads, run.rank):
                status = "crawls"
            if last or status != "iteration limit":
                break
        value = run.estimates().semidefinite
        log = f"native: {status}, {run.steps} steps, rank {run.rank}, spread {spread:.1e}\n"
        A, N = run.certified_point()
        found = StructuredSolution(run.matrices(), A, tuple(N), Solved(status, value, log), run.state)
        return found if status != "crawls" else self._second_phase(lifting, blocks, deadline, report, best, found)

    def _crawls(self, lifting: LiftedProgram, spreads: dict[int, float], rank: int) -> bool:
        """Say whether an interior point is expected to be done before these steps are, at their present rate.

        The spread falls as a power of the number of steps; a solution of some rank has at least that many binding
        constraints per row; costs are counted in multiplications, not measured, so that the decision is the same on
        every machine that has the memory.
        """
        steps, spread = list(spreads.items())[-1]
        n, _, c = lifting.problem.shape
        g, order = lifting.generators, lifting.face.shape[1]
        unknowns = n * c + (1 + max(HELD_PER_ROW, rank)) * g
        newton = NEWTON_STEPS * (unknowns**3 / 4.0 + 10.0 * unknowns**2)
        each = 10.0 * order**3 + 60.0 * g**2
        earlier = max((k for k in spreads if 2 * k <= steps), default=min(spreads))
        known = earlier < steps and 0.0 < spread < math.inf and 0.0 < spreads[earlier] < math.inf
        if self.phases != "auto" or not known or steps * each < INSURANCE * newton:
            return False
        if untaken(lifting.problem, solvers, "interior_point", InteriorPoint) is not None:
            return False
        rate = math.log(spreads[earlier] / spread) / math.log(steps / earlier)
        missing = math.log(spread / self.tolerance)
        more = steps * math.expm1(missing / rate) if rate > 0.0 and missing < 50.0 * rate else math.inf
        fits = bool(8.0 * unknowns**2 <= MEMORY * psutil.virtual_memory().available)
        return fits and newton < more * each

    def _second_phase(
        self, lifting: LiftedProgram, blocks: Sequence[Block], deadline: Deadline, report: PointReport, best: float,
        first: StructuredSolution,
    ) -> StructuredSolution:  # fmt: skip
        """Return the interior point's solution, or the first phase's if that proves more or there is no other."""
        try:
            found = InteriorPoint(tolerance=self.tolerance).solve_blocks(lifting, blocks, deadline, report)
        except SolverFailed as error:
            solved = Solved(NO_START, first.solved.value, f"{first.solved.log}{error}\n")
            return StructuredSolution(first.matrices, first.multiplier, first.multipliers, solved, first.state)
        better = found if lifting.problem.dual_value(found.multiplier) >= best else first
        solved = Solved(found.solved.status, better.solved.value, first.solved.log + found.solved.log)
        return StructuredSolution(better.matrices, better.multiplier, better.multipliers, solved, first.state)
