"""Gates that can matter: working sets, and gap-safe screening of those that provably carry no weight.

A gate i is left out for good as soon as ‖XᵀD_iA‖° + ‖D_iX‖₂√(2·gap) < γ at a feasible dual point A: the dual is
1-strongly concave, so its optimum lies within √(2·gap) of A, and W_i = 0 there (Ndiaye et al. 2017). Of the rest an
inner solver sees those only that carry weight or are nearest to the constraint, relative to ‖D_iX‖₂ (Massias, Gramfort
and Salmon 2018), and the gap is always that of all gates.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sdprelax.base import Deadline, Floats
from sdprelax.lasso._gated_program import GatedFit, GatedProgram

__all__ = ["InnerSolver", "by_working_sets"]

# Least size of a working set, and gates in one per gate that carries weight.
SMALLEST, GROWTH = 30, 2
# Share of the gap that an inner solve leaves.
SHARE = 0.3


class InnerSolver(Protocol):
    """Solves a program over the gates of a working set."""

    def __call__(
        self, program: GatedProgram, start: Floats, *, target: float, max_iterations: int, deadline: Deadline
    ) -> GatedFit:
        """Return a pair whose gap is at most ``target``, or the best one when steps or time have run out."""
        ...


def by_working_sets(
    program: GatedProgram, solver: InnerSolver, *, tolerance: float, max_iterations: int, deadline: Deadline
) -> GatedFit:
    """Solve a program over a growing part of its gates.

    Parameters
    ----------
    tolerance: duality gap relative to the value at which to stop.
    max_iterations: the inner solver's steps, in all.
    """
    kept, rest = np.arange(program.masks.shape[1]), program
    weights = program.zero()
    best_value = program.value(weights, np.zeros_like(program.targets))
    best, best_kept = weights, kept
    point, multiplier, dual, steps, share = program.targets, np.zeros_like(program.targets), 0.0, 0, SHARE
    while True:
        steepness = rest.steepness(rest.correlate(point))
        scale, reached = rest.feasible(point, float(np.max(steepness, initial=0.0)))
        if reached > dual:
            dual, multiplier = reached, scale * point
        gap = best_value - dual
        if (
            gap <= tolerance * best_value
            or steps >= max_iterations
            or share < 1e-6
            or deadline.expired
            or not len(kept)
        ):
            break
        possible = scale * steepness + rest.lengths * np.sqrt(2.0 * max(best_value - reached, 0.0)) >= rest.gamma
        if not np.all(possible):
            rest, kept, weights = rest.over(possible), kept[possible], weights[:, :, possible]
            steepness = steepness[possible]
        carrying = np.any(weights != 0.0, axis=(0, 1))
        distance = (rest.gamma - scale * steepness) / np.maximum(rest.lengths, np.finfo(float).tiny)
        distance[carrying] = -np.inf
        size = min(len(kept), max(SMALLEST, GROWTH * int(np.sum(carrying))))
        chosen = np.sort(np.argsort(distance, kind="stable")[:size])
        part = rest if size == len(kept) else rest.over(chosen)
        target = share * max(gap, tolerance * best_value)
        fit = solver(
            part, weights[:, :, chosen], target=target, max_iterations=max_iterations - steps, deadline=deadline
        )
        # A gap of the working set that is already that small says nothing new: ask for more.
        share = share * SHARE if fit.iterations == 0 else SHARE
        weights = np.zeros_like(weights)
        weights[:, :, chosen] = fit.weights
        steps, point = steps + fit.iterations, fit.multiplier
        if fit.value < best_value:
            best_value, best, best_kept = fit.value, weights, kept
    found = program.zero()
    found[:, :, best_kept] = best
    expired = best_value - dual > tolerance * best_value and deadline.expired
    return GatedFit(found, multiplier, best_value, min(dual, best_value), steps, expired=expired)
