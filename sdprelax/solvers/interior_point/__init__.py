"""Our interior point for the reduced relaxation, with constraints as they bind (docs/mathematics/solvers.md).

Over x = (β, w, v), or (β, w, v, t) with a sector, the dual point (A, M_b, ν_b) has a slack in every block b, twice that
of :class:`sdprelax.lifting.Block`,

    Z = γ·diag(cost + νᵀnorms) − (LᵀAV + VᵀAᵀL) − GᵀMG = C − Σ_p y_pF_p,     F_p = g_ag_bᵀ + g_bg_aᵀ,  or g_ag_aᵀ.

Every unknown y_p, an entry of A or of M, belongs to a pair (a, b) of the rows of one matrix: the forms, then the
samples' activations, then v. So the matrix of a primal-dual step consists of products of entries of two matrices, and
its order is the number of unknowns that are held, not that of the entries of Z. Blocks have nothing but A in common
(:mod:`sdprelax.solvers.interior_point.newton`). The loss adds −∇²D(A), the identity for the squared loss
(:mod:`sdprelax.solvers._data_term`).

An entry of M that is not held is zero, which is feasible: Z ⪰ 0 at every step, so each one is a certificate. A product
P_ab = (GXGᵀ)_ab that is not held and would end a step, or is negative from the start, is held from then on.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from sdprelax.base import Deadline, Floats, InputError, SolverFailed, pooled
from sdprelax.lifting import Block, LiftedProgram
from sdprelax.solvers import Availability, PointReport, Solved, Sparing, StructuredSolution, built_in, solvers
from sdprelax.solvers.interior_point.iterate import Iterate
from sdprelax.solvers.interior_point.newton import Arm, Newton

__all__ = ["InteriorPoint"]

# Share of the way to the boundary that a step takes.
TO_BOUNDARY = 0.95
# A product that is not held is, once a step takes this share of it away; at most so many per two forms at a time.
TAKEN, PER_ROW = 0.5, 3
# Relative size below which a product that is not held counts as none.
NEGLIGIBLE = 1e-12
# A run ends when neither its relative gap nor its infeasibility has fallen by this factor, nor its dual value risen by
# this share, within so many steps.
PROGRESS, RISING, PATIENCE = 0.95, 1e-3, 6
# Relative infeasibility from which on the objective of a stalled run is no claim.
INFEASIBLE = 3e-4


@solvers.register("interior_point")
@dataclass(frozen=True)
class InteriorPoint:
    """Our own primal-dual interior point: the presolved reduced relaxation, constraints held as they bind, no licence.

    Parameters
    ----------
    tolerance: relative distance of primal and dual value at which it stops.
    max_iterations: interior-point steps.
    neighbours: nearest rows whose constraints every row starts with; None: 12 for up to 100 rows without cones, else 3.
    max_constraints: most entrywise constraints that are held, m; memory is 8m² bytes, time m³ a step, m of every block
        for itself. Beyond them the bound is that of a looser relaxation.
    """

    kernels: ClassVar[tuple[str, ...]] = ("sdprelax.solvers._schur",)
    # Those that have ∇D and ∇²D.
    losses: ClassVar[tuple[str, ...]] = (
        "squared", "cross_entropy", "logistic", "hinge", "squared_hinge", "huber", "absolute", "quantile", "poisson",
    )  # fmt: skip
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True
    # The multipliers of both are the strictly feasible dual start.
    needs: ClassVar[frozenset[str]] = frozenset({"nonnegative", "complementary"})
    starts: ClassVar[bool] = False
    # Beyond, a step takes so long that a first-order solver is done before.
    default_up_to: ClassVar[float] = 150

    tolerance: PositiveFloat = 1e-6
    max_iterations: PositiveInt = 300
    neighbours: NonNegativeInt | None = None
    max_constraints: PositiveInt = 20_000

    def availability(self) -> Availability:
        """Say that it runs wherever this package does."""
        return built_in("interior_point")

    def solve_blocks(
        self, lifting: LiftedProgram, blocks: Sequence[Block], deadline: Deadline, report: PointReport
    ) -> StructuredSolution:
        """Solve the reduced relaxation of a presolved program over blocks with a common A.

        Parameters
        ----------
        report: called now and then with A, shape (n, c), and N of every block, a strictly feasible dual point.

        Raises
        ------
        InputError: a block leaves out a family that it needs.
        SolverFailed: no strictly feasible start, as without presolve, where rows may be parallel.
        """
        if any(self.needs & block.forms.left_out for block in blocks):
            raise InputError(
                f"interior_point needs the inequalities {', '.join(sorted(self.needs))}: without their multipliers no "
                "dual point is strictly feasible; take clarabel."
            )
        with _threads(len(blocks)) as pool:
            return self._solved(lifting, blocks, deadline, report, pool)

    def _solved(
        self, lifting: LiftedProgram, blocks: Sequence[Block], deadline: Deadline, report: PointReport,
        pool: Executor | None,
    ) -> StructuredSolution:  # fmt: skip
        try:
            with np.errstate(all="ignore"):
                run = Iterate(lifting, blocks, self.neighbours, pool)
        except np.linalg.LinAlgError:
            raise SolverFailed(
                "interior_point found no strictly feasible start: rows of X are too nearly parallel; clarabel may do."
            ) from None
        status, steps, tell = "iteration limit", 0, Sparing(report)
        best, value, since = run.point(), run.dual, 0
        least, farthest, lowest = math.inf, math.inf, math.inf
        took, began = 0.0, deadline.elapsed
        while steps < self.max_iterations:
            # Nothing interrupts a step: one that would end too late is not begun.
            took, began = deadline.elapsed - began, deadline.elapsed
            if deadline.remaining <= (took if steps else 0.0):
                status = "time limit"
                break
            try:
                # Overflow ends in an infinite direction, which is refused.
                with np.errstate(all="ignore"):
                    self._step(run)
            except np.linalg.LinAlgError:
                status = "stalled"
                break
            steps += 1
            now = run.point()
            tell(*now)
            rising = run.dual > value + RISING * abs(value)
            if run.dual >= value:
                best, value = now, run.dual
            gap, missing = run.gap, run.infeasibility / max(abs(run.dual), 1e-300)
            # Where A is at ends of its domain the last steps lose digits of the primal point.
            lowest = min(lowest, run.primal) if missing <= self.tolerance else lowest
            if max(gap, missing) <= self.tolerance and run.violation <= self.tolerance:
                status = "optimal"
                break
            # The objective of a point that is not feasible says little.
            rising |= self.tolerance < missing < PROGRESS * farthest
            farthest = min(farthest, missing)
            since = 0 if gap < PROGRESS * least or rising else since + 1
            least = min(least, gap)
            if since == PATIENCE:
                status = "stalled"
                break
        primal = lowest if lowest < math.inf else run.primal
        gap, missing = (abs(x) / max(abs(value), 1e-300) for x in (primal - value, run.infeasibility))
        log = (
            f"interior_point: {status}, {steps} steps, {run.held} of {sum(block.entries for block in run.blocks)} "
            f"entrywise constraints held, relative gap {gap:.1e}\n"
        )
        return StructuredSolution(
            tuple(2.0 * block.X for block in run.blocks), *best,
            # What a point is worth that stays far from feasible nobody knows.
            Solved(status, None if status == "stalled" and not missing <= INFEASIBLE else primal, log),
        )  # fmt: skip

    def _step(self, run: Iterate) -> None:
        """Take one predictor-corrector step (HKM direction).

        Raises
        ------
        LinAlgError: rounding leaves no direction.
        """
        newton = Newton(run)
        affine = newton.direction(0.0, None)
        primal, dual = newton.longest(affine)
        along = newton.mu_after(affine, min(1.0, primal), min(1.0, dual))
        centring = min(1.0, max(along / newton.mu, 1e-3))
        found = newton.direction(centring * newton.mu, affine)
        primal, dual = newton.longest(found)
        primal, dual = min(1.0, TO_BOUNDARY * primal), min(1.0, TO_BOUNDARY * dual)
        room = self.max_constraints - run.held
        if room <= 0:
            run.move(found, primal, dual)
            return
        # What is not held limits the step as well, once it is positive.
        shares = [_taken(arm, X, primal) for arm, X in zip(newton.arms, found.X, strict=True)]
        largest = max(float(np.max(share[np.isfinite(share)], initial=0.0)) for share in shares)
        primal = min(primal, TO_BOUNDARY * primal / max(largest, TO_BOUNDARY))
        run.move(found, primal, dual)
        mu = run.mu
        for block, share in zip(run.blocks, shares, strict=True):
            wanted = np.flatnonzero(share.ravel() > TAKEN)
            wanted = wanted[np.argsort(-share.ravel()[wanted])[: min(room, PER_ROW * ((block.forms + 1) // 2))]]
            if len(wanted):
                room -= len(wanted)
                block.hold(np.stack(np.unravel_index(wanted, share.shape), axis=1), mu)


def _taken(arm: Arm, X: Floats, primal: float) -> Floats:
    """Return what share of every product that is not held a step takes away, shape (m, m); ∞ of negative ones."""
    block = arm.block
    share = np.zeros((block.forms, block.forms))
    change, before = block.images(X)[: block.forms, : block.forms][block.open], arm.products[block.open]
    lengths = np.sqrt(np.diag(arm.products))
    low = before <= NEGLIGIBLE * np.outer(lengths, lengths)[block.open]
    negative = np.where(before + primal * change < 0.0, math.inf, 0.0)
    share[block.open] = np.where(low, negative, -primal * change / before)
    return share


def _threads(blocks: int) -> contextlib.AbstractContextManager[Executor | None]:
    """Give what works on blocks at a time; None for one block, which has all threads of BLAS."""
    return pooled(blocks) if blocks > 1 else contextlib.nullcontext()
