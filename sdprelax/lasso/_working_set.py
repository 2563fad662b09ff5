"""Groups that can matter: working sets, and gap-safe screening of those that provably carry no weight.

An inner solver sees some of the groups only, and the gap is always that of all of them, whose slopes are looked at
anew after every inner solve. Of two kinds of solvers:

*Renewed* sets hold the groups that carry weight and those nearest to the constraint, relative to ‖Φ_i‖₂ (Massias,
Gramfort and Salmon 2018), and the inner solver stops at a share of the gap. A group is left out for good as soon as
‖Φ_iᵀA‖° + ‖Φ_i‖₂√(2L·gap) < γ at a feasible dual point A: ∇ℓ has the Lipschitz constant L (1 for the squared loss), so
the dual is strongly concave with 1/L, its optimum lies within √(2L·gap) of A, and W_i = 0 there (Ndiaye et al. 2017). A
loss with kinks, or of no Lipschitz gradient, leaves no group out.

*Growing* sets keep what they hold, and the groups that violate the constraint most enter: for a solver that is exact,
and that no start makes faster, whose pairs are polished over all groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats
from sdprelax.lasso._program import Fit, InnerSolver, Program, Stop

__all__ = ["Polish", "by_working_sets"]

Polish = Callable[[Program, Fit, Stop], Fit]

# Least size of a renewed set, and groups in one per group that carries weight; share of the gap that is left in it.
SMALLEST, GROWTH, SHARE = 30, 2, 0.3
# Groups that enter a growing set at once, per dual variable n·c, and at least; share of the tolerance left in it.
ENTERING, LEAST, EXACT = 2, 200, 0.2


@dataclass(eq=False)
class _Sets:
    """The groups that are left, shape (k,), and the program over them; which of them the last working set held."""

    program: Program
    kept: NDArray[np.intp]
    chosen: NDArray[np.bool_]

    def screen(self, possible: NDArray[np.bool_]) -> None:
        """Leave groups out for good."""
        self.program, self.kept, self.chosen = self.program.over(possible), self.kept[possible], self.chosen[possible]

    def renew(self, steepness: Floats, scale: float, carrying: NDArray[np.bool_]) -> None:
        """Choose those that carry weight and those nearest to the constraint."""
        distance = (self.program.gamma - scale * steepness) / np.maximum(self.program.lengths, np.finfo(float).tiny)
        distance[carrying] = -np.inf
        size = min(len(self.kept), max(SMALLEST, GROWTH * int(np.sum(carrying))))
        self.chosen = np.zeros(len(self.kept), dtype=bool)
        self.chosen[np.argsort(distance, kind="stable")[:size]] = True

    def grow(self, steepness: Floats, least: float) -> bool:
        """Let the steepest enter of those that are steeper than ``least``; say whether any did."""
        room = max(LEAST, ENTERING * self.program.targets.size)
        outside = np.where(self.chosen, -np.inf, steepness)
        entering = np.argsort(-outside, kind="stable")[:room]
        entering = entering[outside[entering] > least]
        self.chosen[entering] = True
        return bool(len(entering))


def by_working_sets(program: Program, solver: InnerSolver, start: Fit, stop: Stop, polish: Polish | None = None) -> Fit:
    """Solve a program over a growing part of its groups.

    Parameters
    ----------
    start: a pair; zero weights and Y where nothing better is known.
    stop: where to stop over all groups; its steps are the inner solver's, in all.
    polish: of an exact solver, what makes a better pair over all groups of its pairs; sets are growing then.
    """
    sets = _Sets(program, np.arange(program.groups), start.used & (polish is not None))
    weights, point = start.weights, start.multiplier
    best, best_kept, best_value, dual, share = weights, sets.kept, start.value, program.nothing, SHARE
    curvature, tiny = program.loss.curvature, np.finfo(float).tiny
    multiplier, steps, first = np.zeros_like(point), 0, True
    while True:
        rest = sets.program
        steepness = rest.steepness(rest.correlate(point))
        scale, reached = rest.feasible(point, float(np.max(steepness, initial=0.0)))
        if reached > dual:
            dual, multiplier = reached, scale * point
        gap = best_value - dual
        if stop.reached(best_value, dual, steps) or share < 1e-6 or not len(sets.kept):
            break
        if polish is not None:
            if not sets.grow(steepness, -np.inf if first else rest.gamma * (1.0 - stop.tolerance)):
                break
            inner = replace(stop, tolerance=EXACT * stop.tolerance)
        else:
            apart = max(best_value - reached, 0.0)
            radius = math.sqrt(2.0 * curvature * apart) if math.isfinite(curvature) else math.inf
            possible = scale * steepness + np.maximum(rest.lengths, tiny) * radius >= rest.gamma
            if not np.all(possible):
                sets.screen(possible)
                rest, weights, steepness = sets.program, weights[possible], steepness[possible]
            sets.renew(steepness, scale, np.any(weights != 0.0, axis=(1, 2)))
            target = share * max(gap, stop.tolerance * abs(best_value))
            inner = Stop(gap=target, steps=stop.steps - steps, deadline=stop.deadline)
        part = rest if np.all(sets.chosen) else rest.over(sets.chosen)
        fit = solver(part, Fit(weights[sets.chosen], point, best_value, dual), inner)
        # A gap of the working set that is already that small says nothing new: ask for more.
        share = share * SHARE if fit.iterations == 0 else SHARE
        weights = np.zeros_like(weights)
        weights[sets.chosen] = fit.weights
        steps, point, first = steps + fit.iterations, fit.multiplier, False
        if polish is not None:
            fit = polish(program, replace(fit, weights=weights), inner)
            weights = fit.weights
            if fit.dual_value > dual:
                dual, multiplier = fit.dual_value, fit.multiplier
        if fit.value < best_value:
            best_value, best, best_kept = fit.value, weights, sets.kept
    found = program.zero()
    found[best_kept] = best
    expired = not stop.within(best_value, dual) and stop.deadline.expired
    return Fit(found, multiplier, best_value, min(dual, best_value), steps, expired=expired)
