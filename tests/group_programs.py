"""Proved bounds of programs whose design is at hand, for tests of their solvers."""

from __future__ import annotations

import numpy as np

from sdprelax.base import Ball, Floats
from sdprelax.certificate import GroupRows, Neurons, Ramps, group_bounds
from sdprelax.certificate._group import balanced
from sdprelax.lasso import GatedFit, GatedProgram, LassoFit, LassoProgram


def proved_gated(program: GatedProgram, fit: GatedFit) -> tuple[float, float]:
    """Return bounds of the optimum over the program's own masks."""
    features = (program.masks[:, :, None] * program.inputs[:, None, :]).reshape(len(program.inputs), -1)
    rows = GroupRows(Ball.exact(features), program.targets, fit.multiplier)
    bounds = group_bounds([rows], fit.weights, program.gamma, program.penalty)
    return bounds.lower, bounds.upper


def proved_lasso(inputs: Floats, design: Neurons | Ramps, program: LassoProgram, fit: LassoFit) -> tuple[float, float]:
    """Return bounds of the optimum over the exact features."""
    A = balanced(fit.multiplier) if program.intercept else fit.multiplier
    rows = GroupRows(design.enclosed(inputs), program.targets, np.asarray(A))
    weights, offset = fit.weights.T[:, None, :], fit.offset if program.intercept else None
    bounds = group_bounds([rows], weights, program.gamma, "frobenius", offset)
    return bounds.lower, bounds.upper
