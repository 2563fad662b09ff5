"""Training behind fixed gates: a group lasso with one group of weights per gate.

With masks D_i = diag(1{Xg_i ≥ 0}) one output is trained by

    min over w_1, ..., w_m  ½‖Σ_i D_iXw_i − y‖² + γΣ_i‖w_i‖,        dual: max ⟨a, y⟩ − ½‖a‖²  s.t. ‖XᵀD_ia‖ ≤ γ.

Accelerated proximal gradient (Beck and Teboulle 2009) with a step found by backtracking and momentum that restarts as
soon as it points uphill (O'Donoghue and Candès 2015), which is the R-FISTA of Mishkin, Sahiner and Pilanci (ICML 2022).
A step needs the gradient at the extrapolated point, so the multiple of the residual there that is feasible in the dual
costs nothing, and neither does the gap. The matrix of all D_iX, of size n×mr, is never formed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sdprelax.deadline import Deadline
from sdprelax.verified import Floats

__all__ = ["GatedLasso", "gated_lasso"]

# A curvature too small for a step grows by the first; one looser than the second shrinks by the third.
BACKTRACK, LOOSE, RELAX = 1.25, 5.0, 0.8
# Steps between two looks for gates that cannot carry weight.
SCREEN = 10


@dataclass(frozen=True, eq=False)
class GatedLasso:
    """A primal-dual pair of one output's program.

    Attributes
    ----------
    weights: w_i as columns, shape (r, m).
    value: ½‖Σ_i D_iXw_i − y‖² + γΣ‖w_i‖, in floating point.
    dual_value: a dual value, below the optimum, in floating point.
    iterations: proximal gradient steps.
    """

    weights: Floats
    value: float
    dual_value: float
    iterations: int


def _shrunk(weights: Floats, threshold: float) -> Floats:
    """Return the proximal map of threshold·Σ‖w_i‖ at the columns w_i."""
    norms = np.linalg.norm(weights, axis=0)
    found: Floats = weights * (1.0 - threshold / np.maximum(norms, threshold))
    return found


class _Gates:
    """The linear map w ↦ Σ_i D_iXw_i over gates, its adjoint, and bounds of its parts' norms."""

    def __init__(self, inputs: Floats, masks: Floats) -> None:
        self.inputs, self.masks = inputs, masks
        self.norms = np.sqrt(np.sum(inputs * inputs, axis=1) @ masks)

    def predict(self, weights: Floats) -> Floats:
        found: Floats = np.einsum("ij,ij->i", self.masks, self.inputs @ weights)
        return found

    def correlate(self, residual: Floats) -> Floats:
        found: Floats = self.inputs.T @ (self.masks * residual[:, None])
        return found


def gated_lasso(
    inputs: Floats,
    masks: Floats,
    y: Floats,
    gamma: float,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 100_000,
    deadline: Deadline | None = None,
) -> GatedLasso:
    """Train one output behind fixed gates.

    A gate i is left out for good as soon as ‖XᵀD_ia‖ + ‖D_iX‖√(2·gap) < γ at a feasible dual point a: the dual is
    strongly concave, so its optimum lies within √(2·gap) of a, and w_i = 0 (gap-safe screening, Ndiaye et al. 2017).

    Parameters
    ----------
    inputs: X, shape (n, r).
    masks: 1{Xg_i ≥ 0} as columns of zeros and ones, shape (n, m).
    y: targets of the output, shape (n,).
    gamma: weight of the group norms.
    tolerance: duality gap relative to the value at which to stop.
    max_iterations: steps after which the best pair is returned in any case.
    deadline: stops early with the pair at hand.
    """
    gates, kept = _Gates(inputs, masks), np.arange(masks.shape[1])
    best_value = 0.5 * float(y @ y)
    best, best_kept = np.zeros((inputs.shape[1], len(kept))), kept
    weights, prediction = best, np.zeros(len(y))
    ahead, ahead_prediction, momentum = weights, prediction, 1.0
    curvature, steps, dual = 0.0, 0, 0.0
    while True:
        residual = y - ahead_prediction
        slope = gates.correlate(residual)
        steepness = np.linalg.norm(slope, axis=0)
        energy, steepest = float(residual @ residual), float(np.max(steepness, initial=0.0))
        # The best multiple of the residual that is feasible.
        scale = float(residual @ y) / energy if energy > 0.0 else 0.0
        scale = max(0.0, min(scale, gamma / steepest if steepest > 0.0 else math.inf))
        reached = scale * float(residual @ y) - 0.5 * scale * scale * energy
        dual = max(dual, reached)
        if (
            best_value - dual <= tolerance * best_value
            or steps >= max_iterations
            or len(kept) == 0
            or (deadline is not None and deadline.expired)
        ):
            break
        if steps % SCREEN == 0:
            possible = scale * steepness + gates.norms * math.sqrt(2.0 * max(best_value - reached, 0.0)) >= gamma
            if not np.all(possible):
                gates, kept = _Gates(inputs, gates.masks[:, possible]), kept[possible]
                weights, ahead = weights[:, possible], ahead[:, possible]
                prediction, ahead_prediction = gates.predict(weights), gates.predict(ahead)
                slope = gates.correlate(y - ahead_prediction)
        if curvature == 0.0:
            length = float(np.sum(slope * slope))
            curvature = float(np.sum(gates.predict(slope) ** 2)) / length if length > 0.0 else 1.0
        largest = float(gates.norms @ gates.norms)
        curvature = min(max(curvature, np.finfo(float).tiny), max(largest, np.finfo(float).tiny))
        while True:
            trial = _shrunk(ahead + slope / curvature, gamma / curvature)
            trial_prediction = gates.predict(trial)
            moved, bent = trial - ahead, trial_prediction - ahead_prediction
            length, bend = float(np.sum(moved * moved)), float(bent @ bent)
            if bend <= curvature * length or curvature >= largest:
                break
            curvature = min(BACKTRACK * curvature, largest)
        steps += 1
        value = 0.5 * float(np.sum((y - trial_prediction) ** 2)) + gamma * float(np.sum(np.linalg.norm(trial, axis=0)))
        if value < best_value:
            best_value, best, best_kept = value, trial, kept
        step, step_prediction = trial - weights, trial_prediction - prediction
        longer = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * momentum * momentum))
        # The direction just moved in was wrong as seen from where the last step led: start anew.
        share = 0.0 if float(np.sum(moved * step)) < 0.0 else (momentum - 1.0) / longer
        momentum = longer if share or momentum == 1.0 else 1.0
        weights, prediction = trial, trial_prediction
        ahead, ahead_prediction = trial + share * step, trial_prediction + share * step_prediction
        if curvature * length > LOOSE * bend:
            curvature *= RELAX
    found = np.zeros((inputs.shape[1], masks.shape[1]))
    found[:, best_kept] = best
    return GatedLasso(found, best_value, min(dual, best_value), steps)
