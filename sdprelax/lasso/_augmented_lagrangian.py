"""Convex training of one output over patterns with their cones, where it is too large for a conic solver.

The program is that of ``sdprelax.exact._convex_relu``: neurons u_j, of output weight σ_j = ±1 and pattern s_j, must lie
in the cones C_j(u_j) = diag(s_j)X̂u_j ≥ 0. With multipliers Λ ≥ 0 and penalty δ every round of an augmented Lagrangian
minimises

    ℓ(Σ_jσ_jD_jXu_j; y) + γΣ_j‖u_j‖ + (δ/2)Σ_j‖(Λ_j/δ − C_j(u_j))₊‖²

by accelerated proximal gradient, and then takes Λ_j ← δ(Λ_j/δ − C_j(u_j))₊ (Mishkin, Sahiner and Pilanci, ICML 2022,
section 3.2). The cones hold in the limit: what is returned are directions, for a network whose objective is its own.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Deadline, Floats, positive_part
from sdprelax.lasso._designs import Masked
from sdprelax.lasso._elimination import eliminated
from sdprelax.lasso._fista import extrapolation
from sdprelax.lasso._program import Program

__all__ = ["directions_in_cones"]

# A step's curvature grows by the first until it is enough, and shrinks by the second after every step.
BACKTRACK, RELAX = 1.5, 0.9
# Steps between two looks at the length of the proximal gradient; most steps in a round.
LOOK, LONGEST = 10, 500
# Violation of the cones, relative to the largest inner product, that ends the rounds; how much of it a round may leave
# before the penalty grows, and by how much it does.
INSIDE, LEFT, GROW = 1e-4, 0.5, 3.0


def directions_in_cones(
    program: Program, rows: Floats, signs: NDArray[np.int8], *, tolerance: float, max_iterations: int,
    deadline: Deadline,
) -> tuple[Floats, bool]:  # fmt: skip
    """Return hidden weights u_j, shape (r, 2m), first those of positive output weight, and whether they have converged.

    Parameters
    ----------
    program: of one output, over masks of the patterns, and of a loss that is differentiable.
    rows: generator rows X̂ whose signs make the cones, shape (g, r).
    signs: patterns, shape (m, g), of ±1.
    tolerance: length of the proximal gradient, relative to γ√(2m), at which a round ends.
    max_iterations: most proximal steps in all.
    """
    design = program.design
    assert isinstance(design, Masked)
    both = replace(program, design=Masked(design.inputs, np.hstack([design.masks, -design.masks])))
    both = eliminated(both).program
    assert isinstance(both.design, Masked)
    patterns = np.hstack([signs.T, signs.T]).astype(np.float64)
    y, gamma = both.targets, program.gamma
    weights: Floats = both.zero()
    # What the loss and the cones are curved by, along a typical direction.
    slopes = both.correlate(both.residual(weights))
    length = max(float(np.sum(slopes * slopes)), np.finfo(float).tiny)
    curvature = max(float(np.sum(both.predict(slopes) ** 2)) / length, np.finfo(float).tiny)
    penalty = curvature / max(float(np.sum((rows @ slopes[:, :, 0].T) ** 2)) / length, np.finfo(float).tiny)
    multipliers, steps, worst, converged = np.zeros_like(patterns), 0, math.inf, False

    def smooth(at: Floats) -> tuple[float, Floats, Floats]:
        """Return loss and penalty, residual, and (Λ/δ − C)₊."""
        prediction = both.predict(at)
        outside = positive_part(multipliers / penalty - patterns * (rows @ at[:, :, 0].T))
        value = both.loss.value(prediction, y) + 0.5 * penalty * float(np.sum(outside**2))
        return value, both.loss.residual(prediction, y), outside

    while steps < max_iterations and not deadline.expired:
        ahead, momentum, within = weights, 1.0, 0
        while within < LONGEST and steps < max_iterations and not deadline.expired:
            value, residual, outside = smooth(ahead)
            down = both.correlate(residual) + penalty * ((patterns * outside).T @ rows)[:, :, None]
            while True:
                trial = both.shrunk(ahead + down / curvature, gamma / curvature)
                moved = trial - ahead
                length = float(np.sum(moved * moved))
                bound = value - float(np.sum(down * moved)) + 0.5 * curvature * length
                if smooth(trial)[0] <= bound + 1e-12 * abs(value) or not math.isfinite(curvature):
                    break
                curvature *= BACKTRACK
            steps, within = steps + 1, within + 1
            step = trial - weights
            share, momentum = extrapolation(momentum, moved, step)
            weights, ahead = trial, trial + share * step
            if within % LOOK == 0 and curvature * math.sqrt(length) <= tolerance * gamma * math.sqrt(patterns.shape[1]):
                break
            curvature *= RELAX
        inner = patterns * (rows @ weights[:, :, 0].T)
        multipliers = penalty * positive_part(multipliers / penalty - inner)
        violation = max(0.0, -float(np.min(inner, initial=0.0)))
        ended = within < LONGEST and steps < max_iterations and not deadline.expired
        if violation <= INSIDE * float(np.max(np.abs(inner), initial=0.0)) and ended:
            converged = True
            break
        if violation > LEFT * worst:
            penalty *= GROW
        worst = min(worst, violation)
    return np.asarray(weights[:, :, 0].T), converged
