"""Accelerated proximal gradient, of any design and norm, and any loss that is differentiable.

Beck and Teboulle (2009) with a step found by backtracking and momentum that restarts as soon as it points uphill
(O'Donoghue and Candès 2015): the R-FISTA of Mishkin, Sahiner and Pilanci (ICML 2022). A step needs the gradient at the
extrapolated point, so the multiple of the residual there that is feasible in the dual costs nothing, and neither does
the gap, of the squared loss; of others the best multiple is a search, and is asked for at every tenth step.
"""

from __future__ import annotations

import math

import numpy as np

from sdprelax.base import Floats
from sdprelax.lasso._program import Fit, Program, Stop

__all__ = ["extrapolation", "fista"]

# A curvature too small for a step grows by the first; one looser than the second shrinks by the third.
BACKTRACK, LOOSE, RELAX = 1.25, 5.0, 0.8
# Steps from one look at the gap to the next, of losses but the squared one.
LOOK = 10


def extrapolation(momentum: float, moved: Floats, step: Floats) -> tuple[float, float]:
    """Return how far to go on along the last step, as a share of it, and the next momentum.

    Parameters
    ----------
    moved: from the extrapolated point to the new one; step: from the previous point to the new one.
    """
    longer = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * momentum * momentum))
    # The direction just moved in was wrong as seen from where the last step led: start anew.
    share = 0.0 if float(np.sum(moved * step)) < 0.0 else (momentum - 1.0) / longer
    return share, longer if share or momentum == 1.0 else 1.0


# What overflows on the way, as exponentials may, is a step that was too long.
@np.errstate(over="ignore", invalid="ignore")
def fista(program: Program, start: Fit, stop: Stop) -> Fit:
    """Return the best pair of proximal steps from the start's weights."""
    Y, tiny, plain = program.targets, np.finfo(float).tiny, program.plain
    weights = ahead = best = start.weights
    prediction = ahead_prediction = program.predict(weights)
    best_value, momentum = program.value(weights, prediction), 1.0
    multiplier, dual, steps, curvature = np.zeros_like(Y), program.nothing, 0, 0.0
    steepest = min(program.loss.curvature, np.finfo(float).max)
    largest = min(steepest * float(program.lengths @ program.lengths), np.finfo(float).max)
    while True:
        residual = program.loss.residual(ahead_prediction, Y)
        slopes = program.correlate(residual)
        if plain or steps % LOOK == 0 or steps >= stop.steps or stop.deadline.expired:
            scale, reached = program.feasible(residual, float(np.max(program.steepness(slopes), initial=0.0)))
            if reached > dual:
                dual, multiplier = reached, scale * residual
            if stop.reached(best_value, dual, steps):
                break
        if curvature == 0.0:
            length = float(np.sum(slopes * slopes))
            curvature = float(np.sum(program.predict(slopes) ** 2)) / length if length > 0.0 else 1.0
        curvature = min(max(curvature, tiny), max(largest, tiny))
        while True:
            trial = program.shrunk(ahead + slopes / curvature, program.gamma / curvature)
            trial_prediction = program.predict(trial)
            moved, bent = trial - ahead, trial_prediction - ahead_prediction
            # How much the gradient changes along the step: of the squared loss the step itself.
            change = bent if plain else residual - program.loss.residual(trial_prediction, Y)
            length, bend = float(np.sum(moved * moved)), float(np.sum(bent * change))
            if bend <= curvature * length or curvature >= largest:
                break
            curvature = min(BACKTRACK * curvature, largest)
        steps += 1
        value = program.value(trial, trial_prediction)
        if value < best_value:
            best_value, best = value, trial
        step, step_prediction = trial - weights, trial_prediction - prediction
        share, momentum = extrapolation(momentum, moved, step)
        weights, prediction = trial, trial_prediction
        ahead, ahead_prediction = trial + share * step, trial_prediction + share * step_prediction
        if curvature * length > LOOSE * bend:
            curvature *= RELAX
    return Fit(best, multiplier, best_value, min(dual, best_value), steps)
