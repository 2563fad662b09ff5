"""Block coordinate descent for gated programs: one gate's weights after the other take a proximal gradient step.

The step is as long as the gate's own curvature ‖D_iX‖₂² allows, and the next gate already sees it: the method of celer
(Massias, Gramfort and Salmon 2018) and skglm, without their matrix of all D_iX.
"""

from __future__ import annotations

import numpy as np

from sdprelax.base import Deadline, Floats
from sdprelax.lasso._gated_program import GatedFit, GatedProgram

__all__ = ["block_coordinate"]

# Sweeps over the gates between two evaluations of the gap.
SWEEPS = 10


def block_coordinate(
    program: GatedProgram, start: Floats, *, target: float, max_iterations: int, deadline: Deadline
) -> GatedFit:
    """Return a pair whose gap is at most ``target``, or the last one when sweeps or time have run out.

    Parameters
    ----------
    start: weights to start from, shape (c, r, m).
    target: absolute duality gap at which to stop.
    """
    X, masks, gamma = program.inputs, program.masks, program.gamma
    weights = start.copy()
    residual = program.targets - program.predict(weights)
    curvatures = np.array([np.linalg.eigvalsh((X.T * mask) @ X)[-1] for mask in masks.T])
    multiplier, dual, sweeps = np.zeros_like(residual), 0.0, 0
    while True:
        scale, reached = program.feasible(
            residual, float(np.max(program.steepness(program.correlate(residual)), initial=0.0))
        )
        if reached > dual:
            dual, multiplier = reached, scale * residual
        value = program.value(weights, program.targets - residual)
        if value - dual <= target or sweeps >= max_iterations or deadline.expired:
            break
        for _ in range(SWEEPS):
            sweeps += 1
            for i in np.flatnonzero(curvatures > 0.0):
                mask, old = masks[:, [i]], weights[:, :, i]
                slope = X.T @ (mask * residual)
                new = program.shrunk((old + slope.T / curvatures[i])[:, :, None], gamma / curvatures[i])[:, :, 0]
                if np.any(new != old):
                    residual -= mask * (X @ (new - old).T)
                    weights[:, :, i] = new
            if sweeps >= max_iterations or deadline.expired:
                break
        # Rounding errors of thousands of updates do not add up.
        residual = program.targets - program.predict(weights)
    return GatedFit(weights, multiplier, value, min(dual, value), sweeps)
