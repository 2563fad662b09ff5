"""Output weights for fixed hidden directions: the group lasso, to high accuracy.

With unit hidden weights w_k and activations φ_k = (Xw_k)₊, training over the network's output
layer and neuron lengths is

    min over W (K×c)  ½‖ΦW − Y‖²_F + γΣ_k‖W_k‖           (the penalty of balanced neurons),

whose dual is max ⟨A, Y⟩ − ½‖A‖² subject to ‖Aᵀφ_k‖ ≤ γ. The atoms are many, nearly parallel
and few are used, which stalls coordinate descent; the dual has only n·c variables, so a
primal-dual interior-point method on it takes some twenty factorisations of order n·c
whatever K is, and its multipliers are the output weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from sdprelax.deadline import Deadline
from sdprelax.verified import Floats

__all__ = ["GroupLasso", "group_lasso"]


@dataclass(frozen=True, eq=False)
class GroupLasso:
    """A primal-dual pair of the group lasso.

    Attributes
    ----------
    weights: W, shape (K, c).
    multiplier: A, shape (n, c), with ‖Aᵀφ_k‖ ≤ γ for every atom.
    value: ½‖ΦW − Y‖² + γΣ‖W_k‖, in floating point.
    dual_value: ⟨A, Y⟩ − ½‖A‖², in floating point.
    iterations: interior-point steps taken.
    """

    weights: Floats
    multiplier: Floats
    value: float
    dual_value: float
    iterations: int

    @property
    def gap(self) -> float:
        """Duality gap relative to the value."""
        return (self.value - self.dual_value) / max(self.value, np.finfo(float).tiny)


def _evaluate(features: Floats, Y: Floats, gamma: float, weights: Floats) -> float:
    residual = features @ weights - Y
    return float(0.5 * np.sum(residual**2) + gamma * np.sum(np.linalg.norm(weights, axis=1)))


def _hessian(features: Floats, multipliers: Floats, slopes: Floats, curvature: Floats) -> Floats:
    """Return I + Σ 2λ_k φφᵀ⊗I + Σ (4λ_k/s_k) φφᵀ⊗ggᵀ, ordered by (output, sample)."""
    n, c = features.shape[0], slopes.shape[1]
    hessian = np.empty((c, n, c, n))
    common = (features * (2.0 * multipliers)) @ features.T + np.eye(n)
    for i in range(c):
        for j in range(i + 1):
            block = (features * (4.0 * curvature * slopes[:, i] * slopes[:, j])) @ features.T
            if i == j:
                block += common
            hessian[i, :, j, :] = block
            hessian[j, :, i, :] = block.T
    return hessian.reshape(n * c, n * c)


def _largest_step(slack: Floats, slopes: Floats, change: Floats) -> float:
    """Return the largest step that keeps γ² − ‖g_k + t·dg_k‖² ≥ 0 for every atom."""
    quadratic = np.sum(change * change, axis=1)
    linear = np.sum(slopes * change, axis=1)
    root = np.sqrt(np.maximum(linear * linear + quadratic * slack, 0.0))
    denominator = linear + root
    steps = slack[denominator > 0.0] / denominator[denominator > 0.0]
    return float(np.min(steps, initial=np.inf))


def _room(multipliers: Floats, change: Floats) -> float:
    """Return the largest step that keeps every multiplier nonnegative."""
    shrinking = change < 0.0
    return float(np.min(-multipliers[shrinking] / change[shrinking], initial=np.inf))


def group_lasso(
    features: Floats,
    Y: Floats,
    gamma: float,
    *,
    tolerance: float = 1e-10,
    start: Floats | None = None,
    max_iterations: int = 100,
    deadline: Deadline | None = None,
) -> GroupLasso:
    """Solve the group lasso over given atoms.

    Parameters
    ----------
    features: activations Φ, shape (n, K).
    Y: targets, shape (n, c).
    gamma: weight of the group norms.
    tolerance: relative duality gap at which to stop.
    start: a dual point A near the solution; scaled into the interior. Default: scaled Y.
    max_iterations: steps after which the best pair is returned in any case.
    deadline: stops the iteration early with the pair at hand.
    """
    n, c = Y.shape
    if features.shape[1] == 0 or not np.any(Y):
        return GroupLasso(np.zeros((features.shape[1], c)), Y.copy(), 0.5 * float(np.sum(Y**2)),
                          0.5 * float(np.sum(Y**2)), 0)  # fmt: skip
    A = Y.copy() if start is None else start.copy()
    largest = float(np.max(np.linalg.norm(features.T @ A, axis=1)))
    if largest >= 0.95 * gamma:
        A *= 0.95 * gamma / largest
    best = (np.zeros((features.shape[1], c)), 0.5 * float(np.sum(Y**2)))
    best_dual = (A, float(np.sum(A * Y) - 0.5 * np.sum(A * A)))
    slopes = features.T @ A
    slack = gamma**2 - np.sum(slopes**2, axis=1)
    barrier = max(best[1] - best_dual[1], 1e-12 * best[1]) / features.shape[1]
    multipliers = barrier / slack
    step = 1
    for step in range(1, max_iterations + 1):
        hessian = _hessian(features, multipliers, slopes, multipliers / slack)
        try:
            factor = scipy.linalg.cho_factor(hessian, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            break

        def newton(complementarity: Floats, factor: Any = factor) -> tuple[Floats, Floats, Floats]:
            """Return (dA, dg, dλ) towards λ_k s_k = s_k·complementarity_k and stationarity."""
            gradient = A - Y + 2.0 * features @ (complementarity[:, None] * slopes)
            change = -scipy.linalg.cho_solve(factor, gradient.T.ravel(), check_finite=False).reshape(c, n).T
            along = features.T @ change
            grown = complementarity - multipliers + 2.0 * multipliers / slack * np.sum(slopes * along, axis=1)
            return change, along, grown

        # Mehrotra's predictor-corrector: the affine step sets the centring and the second-order term.
        _, affine, grown = newton(np.zeros_like(slack))
        room = min(1.0, _largest_step(slack, slopes, affine), _room(multipliers, grown))
        moved = gamma**2 - np.sum((slopes + room * affine) ** 2, axis=1)
        centring = min(1.0, max(float(np.mean((multipliers + room * grown) * moved)) / barrier, 0.0)) ** 3
        slack_change = -2.0 * np.sum(slopes * affine, axis=1)
        curvature = multipliers * np.sum(affine**2, axis=1)
        correction = (centring * barrier - grown * slack_change + curvature) / slack
        change, along, grown = newton(correction)
        length = min(1.0, 0.99 * min(_largest_step(slack, slopes, along), _room(multipliers, grown)))
        A = A + length * change
        multipliers = multipliers + length * grown
        slopes = features.T @ A
        slack = gamma**2 - np.sum(slopes**2, axis=1)
        if not np.all(slack > 0.0):
            break
        barrier = float(np.mean(multipliers * slack))
        weights = 2.0 * multipliers[:, None] * slopes
        value = _evaluate(features, Y, gamma, weights)
        dual = float(np.sum(A * Y) - 0.5 * np.sum(A * A))
        if value < best[1]:
            best = (weights, value)
        if dual > best_dual[1]:
            best_dual = (A, dual)
        if best[1] - best_dual[1] <= tolerance * best[1] or (deadline is not None and deadline.expired):
            break
    return GroupLasso(best[0], best_dual[0], best[1], best_dual[1], step)
