"""Method ``exact``: the global optimum, where it is within reach."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from pydantic import PositiveFloat

from sdprelax.base import LATER, Deadline, Floats, ProblemTooLarge, SolverFailed, Use
from sdprelax.cells import whole_space
from sdprelax.certificate import cone_certificate, relaxation_certificate
from sdprelax.exact import (
    EXACT_KERNELS,
    Arrangement,
    ColumnGeneration,
    Selection,
    count_patterns,
    generate_columns,
    relu_optima,
    solve_cell_program,
    solve_convex_relu,
    sparsified,
)
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import inequalities
from sdprelax.methods import methods
from sdprelax.methods._partitions import FEW_ROWS, trained_on
from sdprelax.networks import Network
from sdprelax.problem import Presolved, Problem, Reduction, Squared, reduce, untaken
from sdprelax.relaxation import MOST_PARTS, CertifiedRelaxation, Growth, LocalGrowth
from sdprelax.solvers import by_default, solvers
from sdprelax.training import Incumbent, Outcome, Report, locally_trained, unreported

__all__ = ["Exact"]

# Patterns up to which the convex program of one output takes less time than column generation, by measurement
# (docs/performance/relaxation.md), and cells up to which the cell program is tried where column generation left the
# gap open.
LARGEST_PROGRAM = 500
# Beyond the plane column generation may need as many atoms as n·c, and factors a dense matrix of that order; the
# enumerating oracle lists all rays.
LARGEST_MASTER = 12_000
LARGEST_RAYS = 1_000_000
# In higher rank nobody knows whether a cover ends within the hour: without a time limit none is begun.
LARGEST_RANK = 5
# Share of the time that programs and their covers get, up to that rank and beyond it.
SHARE, COVERING = 0.9, 0.5
# Share of the tolerance that column generation aims at, as sparsifying and rounding want some, and in the plane, where
# its oracle is exact and further digits are cheap.
AIM, IN_THE_PLANE = 0.9, 0.01
# The same where the rest of the tolerance is for choosing among optimal networks.
SELECTING = 0.1
# Cones by themselves are refined where the first of them leaves at most this many times what the relaxation does.
HOPEFUL = 1.6
# Generator rows up to which the relaxation's certificate is tried without a time limit, and the solver that it is of.
RELAXED, RELAXED_BY = 60, "interior_point"
# Distances of unit rows below which they are made one where a cover over all of them loses too much to rounding:
# what is neglected then may cost less.
NEARLY_PARALLEL = (1e-12, 1e-10)
# Share of the gap that a network of fewer neurons may give back.
SPARSE = 0.05
# Share of the loss at 0 that is what rounding leaves of an objective 0.
ROUNDING = 1e-18

CELLS, PATTERNS, COLUMNS = "cell program", "convex program over all patterns", "column generation"


@methods.register("exact")
@dataclass(frozen=True)
class Exact:
    """The global optimum with a rigorous bound on either side; as close as time allows beyond small rank.

    Column generation, whose bound is proved by branch and bound over cones of weight space and whose oracle is exact in
    rank ≤ 2; for one output, the squared loss and few patterns the convex program over all of them comes first.
    ``solved`` means that the tolerance is proved. Where a program leaves the gap open the next one goes on from its
    network, then other certificates are tried; what is still open is ``not converged``, or ``time limit``, and the best
    pair so far is returned, beyond rank 5 with the bound of the relaxation if that is better.
    docs/mathematics/exact.md.

    Parameters
    ----------
    tolerance: relative duality gap to be proved.
    oracle: what proposes neurons: "branch_and_bound" (in rank ≤ 2 all arcs), or "enumeration" of all rays of the
        arrangement (rank ≤ 4).
    selection: which of the networks that are proved optimal to within the tolerance, where one is: "as_found",
        "least_norm", or "sparsest", one of few neurons none of which can be left out; ``sdprelax.optimal_set`` chooses
        by validation data too.
    """

    version: ClassVar[int] = 4
    closes: ClassVar[str] = "gap"
    kernels: ClassVar[tuple[str, ...]] = EXACT_KERNELS
    losses: ClassVar[tuple[str, ...] | None] = None
    activations: ClassVar[tuple[str, ...] | None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True
    dispensable: ClassVar[tuple[str, ...]] = (RELAXED_BY,)

    tolerance: PositiveFloat = 1e-6
    oracle: Literal["branch_and_bound", "enumeration"] = "branch_and_bound"
    selection: Selection = field(default="as_found", metadata=LATER)

    def uses(self) -> Iterable[Use]:
        """Return the solvers of the relaxation, whose bound may be the better one, of few rows and of many."""
        return ((solvers, RELAXED_BY, {}), (solvers, "native", {}))

    def size(self, problem: Problem) -> str:
        """Return the program that comes first and the number of activation patterns."""
        reduction = reduce(problem)
        patterns = count_patterns(reduction.generators, reduction.rank)
        return f"{self._programs(problem, reduction)[0]}, {_readable(patterns)} patterns"

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the best network and the certificate that it is optimal, or how far from optimal it may be."""
        best = Incumbent(Presolved.of(problem), deadline, report)
        late = self.close(best, rng, deadline)
        best.details["width"] = best.width
        # An offset that fits all targets leaves an objective of roundings, of which no share is proved.
        nothing = best.width == 0 and best.upper <= ROUNDING * problem.loss.value(0.0 * problem.Y, problem.Y)
        solved = best.certificate is not None and (best.gap <= self.tolerance or nothing)
        if solved and best.width and self.selection != "as_found":
            self._select(best, rng, deadline)
        return best.outcome(solved, late)

    def _select(self, best: Incumbent, rng: np.random.Generator, deadline: Deadline) -> None:
        """Take another network that is proved optimal to within the tolerance."""
        assert best.certificate is not None
        A = None if best.presolved.problem.loss.smooth else best.certificate.multiplier
        optima = relu_optima(best.presolved, best.scaled, best.lower, A, self.tolerance, rng)
        chosen = optima.select(self.selection, deadline)
        assert isinstance(chosen.network, Network)
        best.details |= {"width": chosen.network.width, "directions": len(optima.masses), "dimension": optima.dimension}
        best.replace(best.presolved.units.scaled_network(chosen.network))

    def close(
        self, best: Incumbent, rng: np.random.Generator, deadline: Deadline, covering: float = COVERING
    ) -> bool:  # fmt: skip
        """Close the gap of the best pair so far, starting from its network, and say whether time ended it.

        Parameters
        ----------
        covering: share of the time that exact programs and their covers get beyond rank 5; the rest is the
            relaxation's.

        Raises
        ------
        ProblemTooLarge: no exact program fits into memory, or none may ever finish without a time limit.
        """
        reduction = best.presolved.reduction
        # In high rank the rest of the time is the relaxation's, whose bound is the better one there.
        share = covering if reduction.rank > LARGEST_RANK else SHARE
        programs_time = deadline.fraction(share) if deadline.seconds < math.inf else deadline
        best.details |= {"rank": reduction.rank, "generators": reduction.generators}
        if best.empty_is_optimal():
            return deadline.expired
        # Where all inputs are 0 there is nothing but the offset.
        if reduction.generators:
            self._solve_programs(best, rng, programs_time)
        if best.gap > self.tolerance:
            _certify_otherwise(best, deadline, self.tolerance, rng)
        if not deadline.expired:
            # Fewer neurons may cost a small part of the gap that is left anyway, but not the tolerance.
            spare = self.tolerance - best.gap if best.gap <= self.tolerance else math.inf
            spent = min(max(1e-9, SPARSE * best.gap), spare)
            best.replace(sparsified(best.presolved.problem, reduction, best.scaled, spent))
        return deadline.expired or programs_time.expired

    def _solve_programs(self, best: Incumbent, rng: np.random.Generator, deadline: Deadline) -> None:
        """Solve one exact program after another, until the tolerance is proved or the time is up."""
        programs = self._programs(best.presolved.problem, best.presolved.reduction)
        for program in programs:
            if best.gap <= self.tolerance or (deadline.expired and program != programs[0]):
                break
            best.details["program"] = program
            if program == COLUMNS:
                self._columns(best, rng, deadline)
            else:
                _conic(best, solve_cell_program if program == CELLS else solve_convex_relu, deadline)

    def _columns(self, best: Incumbent, rng: np.random.Generator, deadline: Deadline) -> None:
        """Generate columns from the best network so far, or from local trainings."""
        presolved = best.presolved
        problem, reduction = presolved.problem, presolved.reduction
        if deadline.seconds == math.inf and reduction.rank > LARGEST_RANK:
            patterns = count_patterns(reduction.generators, reduction.rank)
            raise ProblemTooLarge(
                f"exact may never finish on this problem: {reduction.generators} distinct rows of rank "
                f"{reduction.rank} make up to {_readable(patterns)} activation patterns; give it a time limit "
                "(limits: {time: 10min}, or time_limit=600) and it returns the best pair of bounds by then."
            )

        def reached(found: ColumnGeneration, lower: float, upper: float) -> None:
            proved = found.cover is not None and presolved.units.value(lower) > best.lower
            certificate = cone_certificate(problem, reduction, found.multiplier, cover=found.cover) if proved else None
            best.offer(presolved.reduced_network(found.hidden, found.output), certificate)

        if best.width == 0 and reduction.rank > 2:
            best.offer(locally_trained(problem, rng, deadline))
        found = generate_columns(
            problem, reduction, start=best.scaled, deadline=deadline, rng=rng, report=reached,
            tolerance=self._share(reduction) * self.tolerance,
            oracle=Arrangement(reduction.rows) if self.oracle == "enumeration" else None,
        )  # fmt: skip
        if found.cover is None:
            best.prove(cone_certificate(problem, reduction, found.multiplier, deadline=deadline))
        best.details |= {
            "iterations": found.iterations, "atoms": found.atoms, "cones": found.cones, "converged": found.converged,
        }  # fmt: skip

    def _share(self, reduction: Reduction) -> float:
        """Return the share of the tolerance that column generation aims at."""
        if reduction.rank <= 2:
            return IN_THE_PLANE
        return AIM if self.selection == "as_found" else SELECTING

    def _programs(self, problem: Problem, reduction: Reduction) -> list[str]:
        """Return the names of the exact programs for a problem and its reduction, the one that takes least time first.

        Raises
        ------
        ProblemTooLarge: none fits into memory; the message gives the count.
        """
        g, r, (n, _, outputs) = reduction.generators, reduction.rank, problem.shape
        # Those over cells and patterns are of the squared loss alone.
        plain = isinstance(problem.loss, Squared) and not problem.offset
        few = plain and count_patterns(g, r) <= LARGEST_PROGRAM
        rays = 2 * math.comb(g, max(r - 1, 0))
        if outputs == 1 and few and r > 2:
            return [PATTERNS, COLUMNS]
        if n * outputs > LARGEST_MASTER and r > 2:
            raise ProblemTooLarge(
                f"exact cannot hold this problem: {n} samples of {outputs} outputs make {n * outputs:,} dual "
                f"variables; column generation takes at most {LARGEST_MASTER:,}."
            )
        if self.oracle == "enumeration" and rays > LARGEST_RAYS:
            raise ProblemTooLarge(
                f"the enumerating oracle cannot finish on this problem: {g} distinct rows of rank {r} have "
                f"{rays:,} rays and it takes at most {LARGEST_RAYS:,}; oracle: branch_and_bound has no such limit."
            )
        return [COLUMNS, CELLS] if few and r <= 2 else [COLUMNS]


def _readable(count: int) -> str:
    return f"{count:,}" if count < 10**9 else f"1e{len(str(count)) - 1}"


def _conic(
    best: Incumbent, solve: Callable[[Problem, Reduction, Deadline], tuple[Floats, Floats]], deadline: Deadline
) -> None:
    """Solve a conic program and prove what the residual of its network is worth; nothing where the solver fails."""
    problem, reduction = best.presolved.problem, best.presolved.reduction
    try:
        network = best.presolved.reduced_network(*solve(problem, reduction, deadline))
    except SolverFailed:
        return
    best.offer(network)
    residual = problem.residual(network.predict(problem.X))
    best.prove(cone_certificate(problem, reduction, residual, deadline=deadline))


def _cones_by_themselves(
    relaxed: CertifiedRelaxation, tolerance: float, rng: np.random.Generator
) -> LocalGrowth | None:
    """Return the growth for a fixed dual point, if over all of weight space it leaves little more than the common one.

    Raises
    ------
    SolverFailed: the relaxation has no point.
    """
    best, lifting = relaxed.best, relaxed.lifting
    problem, space = lifting.problem, [whole_space(lifting.generators)]
    network = trained_on(problem, best.scaled, rng, relaxed.deadline)
    best.offer(network)
    Growth(relaxed, list(space), 1, tolerance).run()
    local = LocalGrowth(
        relaxed, network, problem.residual(network.predict(problem.X)), list(space), MOST_PARTS, tolerance
    )
    return local if local.first_gap() <= HOPEFUL * best.gap else None


def _certify_otherwise(best: Incumbent, deadline: Deadline, tolerance: float, rng: np.random.Generator) -> None:
    """Try other certificates where a cover proves too little: in high rank, and on nearly parallel rows.

    The repair of no multipliers at all may prove more than a cover that time cut short; the relaxation, over a
    partition that grows until the deadline, may prove more than either.
    """
    problem, reduction = best.presolved.problem, best.presolved.reduction
    g = reduction.generators
    duals = [problem.residual(best.scaled.predict(problem.X))]
    if best.certificate is not None:
        duals.append(best.certificate.multiplier)
    lifting = LiftedProgram(problem, reduction, {"sectors": inequalities.create("sectors")})
    partition, multipliers = [whole_space(g)], (np.zeros((2 * g, 2 * g)),)
    for A in duals:
        best.prove(relaxation_certificate(problem, reduction, A, multipliers))
    relaxable = untaken(problem, solvers, RELAXED_BY, solvers[RELAXED_BY]) is None
    if relaxable and g and not deadline.expired and (deadline.seconds < math.inf or g <= RELAXED):
        names = by_default(True, g, problem)[:1]
        relaxed = CertifiedRelaxation(lifting, "reduced", names, {}, best, deadline.fraction(SHARE))
        growth: Growth | LocalGrowth
        growth = Growth(relaxed, partition, MOST_PARTS if deadline.seconds < math.inf else 1, tolerance)
        with contextlib.suppress(SolverFailed):
            if g > FEW_ROWS and deadline.seconds < math.inf:
                growth = _cones_by_themselves(relaxed, tolerance, rng) or growth
            found = growth.run()
            best.details["growth"] = growth.rounds
            # Its multipliers may prove more of another dual point.
            for A in duals:
                best.prove(
                    relaxation_certificate(
                        problem, reduction, A, found.multipliers, growth.cones, lifting.more
                    )
                )  # fmt: skip
            duals.append(found.multiplier)
    coarser = [best.presolved.merged(parallel).reduction for parallel in NEARLY_PARALLEL]
    for reduced in (reduced for reduced in coarser if reduced.generators < g and not deadline.expired):
        best.prove(cone_certificate(problem, reduced, duals[-1], deadline=deadline))
