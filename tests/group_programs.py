"""Proved bounds of programs whose design is at hand, for tests of their solvers."""

from __future__ import annotations

import numpy as np

from sdprelax.base import Ball, Floats
from sdprelax.certificate import GroupRows, Neurons, Ramps, group_bounds
from sdprelax.certificate._group import balanced
from sdprelax.lasso import Fit, Masked, Program
from sdprelax.problem.norms import Penalty


def gated(inputs: Floats, masks: Floats, targets: Floats, gamma: float, penalty: Penalty = "frobenius") -> Program:
    return Program(gamma, penalty, Masked(inputs, masks), targets)


def proved_gated(program: Program, fit: Fit) -> tuple[float, float]:
    """Return bounds of the optimum over the program's own masks."""
    inputs, masks = program.design.inputs, program.design.masks
    features = (masks[:, :, None] * inputs[:, None, :]).reshape(len(inputs), -1)
    free, loss = program.intercept and not program.decay, program.loss
    A = loss.admissible(fit.multiplier, program.targets, free)
    point = loss.exact_point(A, program.targets, free)
    offset = fit.offset if program.intercept else None
    rows = GroupRows(Ball.exact(features), program.targets, point)
    bounds = group_bounds([rows], fit.weights, program.gamma, program.penalty, offset, loss, program.decay)
    return bounds.lower, bounds.upper


def proved_lasso(inputs: Floats, design: Neurons | Ramps, program: Program, fit: Fit) -> tuple[float, float]:
    """Return bounds of the optimum over the exact features."""
    A = balanced(fit.multiplier) if program.intercept else fit.multiplier
    rows = GroupRows(design.enclosed(inputs), program.targets, np.asarray(A))
    offset = fit.offset if program.intercept else None
    bounds = group_bounds([rows], fit.weights, program.gamma, "frobenius", offset)
    return bounds.lower, bounds.upper
