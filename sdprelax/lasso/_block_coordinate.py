"""RowBlock coordinate descent behind gates: one gate's weights after the other take a proximal gradient step.

The step is as long as the gate's own curvature ‖D_iX‖₂² allows, and the next gate already sees it: the method of celer
(Massias, Gramfort and Salmon 2018) and skglm, without their matrix of all D_iX.
"""

from __future__ import annotations

import numpy as np

from sdprelax.lasso._designs import Masked
from sdprelax.lasso._program import Fit, Program, Stop

__all__ = ["block_coordinate"]

# Sweeps over the gates between two evaluations of the gap.
SWEEPS = 10


def block_coordinate(program: Program, start: Fit, stop: Stop) -> Fit:
    """Return the pair that sweeps over the gates, from the start's weights, end at."""
    design, gamma = program.design, program.gamma
    assert isinstance(design, Masked)
    X, masks = design.inputs, design.masks
    weights = start.weights.copy()
    residual = program.residual(weights)
    curvatures = np.array([np.linalg.eigvalsh((X.T * mask) @ X)[-1] for mask in masks.T])
    multiplier, dual, sweeps = np.zeros_like(residual), 0.0, 0
    while True:
        scale, reached = program.feasible(residual, program.steepest(residual))
        if reached > dual:
            dual, multiplier = reached, scale * residual
        value = program.value(weights, program.targets - residual)
        if stop.reached(value, dual, sweeps):
            break
        for _ in range(SWEEPS):
            sweeps += 1
            for i in np.flatnonzero(curvatures > 0.0):
                mask, old = masks[:, [i]], weights[i]
                slope = X.T @ (mask * residual)
                new = program.shrunk((old + slope / curvatures[i])[None], gamma / curvatures[i])[0]
                if np.any(new != old):
                    residual -= mask * (X @ (new - old))
                    weights[i] = new
            if sweeps >= stop.steps or stop.deadline.expired:
                break
        # Rounding errors of thousands of updates do not add up.
        residual = program.residual(weights)
    return Fit(weights, multiplier, value, min(dual, value), sweeps)
