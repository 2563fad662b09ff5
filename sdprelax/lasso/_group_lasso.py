"""Output weights for fixed hidden directions: the group lasso, to high accuracy.

With unit hidden weights w_k and activations φ_k = (Xw_k)₊, training over the network's output
layer and neuron lengths is

    min over W (K×c)  ½‖ΦW − Y‖²_F + γΣ_k‖W_k‖           (the penalty of balanced neurons),

whose dual is max ⟨A, Y⟩ − ½‖A‖² subject to ‖Aᵀφ_k‖ ≤ γ. The atoms are many, nearly parallel
and few are used, which stalls coordinate descent; the dual has only n·c variables, so a
primal-dual interior-point method on it takes some twenty factorisations of order n·c
whatever K is, and its multipliers are the output weights. Where n·c is in the thousands,
:mod:`sdprelax.lasso._on_directions` reweights the atoms' kernels instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg

from sdprelax.base import Deadline, Floats

__all__ = ["GroupLasso", "group_lasso", "in_span"]

# Weight that the interior point starts an atom with at most, in units of what fits Y with it alone.
PLAUSIBLE = 10.0
# Powers of two by which features may exceed 1 where γ is about 1.
FURTHEST = 400
# Atoms per sample up to which an orthonormal basis of the atoms takes the place of the samples.
FEW = 0.8


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


@dataclass(frozen=True, eq=False)
class _Iterate:
    """A point of the interior-point method: A and λ, with g = ΦᵀA and s = γ² − ‖g_k‖² > 0 at it."""

    A: Floats
    multipliers: Floats
    slopes: Floats
    slack: Floats

    @property
    def barrier(self) -> float:
        """Mean complementarity λ_ks_k."""
        return float(np.mean(self.multipliers * self.slack))

    def moved(self, features: Floats, gamma: float, length: float, step: _Step) -> _Iterate:
        """Return the iterate a step away."""
        A = self.A + length * step.A
        slopes = features.T @ A
        slack = gamma * gamma - np.sum(slopes**2, axis=1)
        return _Iterate(A, self.multipliers + length * step.multipliers, slopes, slack)

    def room(self, step: _Step) -> float:
        """Return the largest length ≤ 1 that keeps λ and s nonnegative."""
        return min(1.0, _largest_step(self.slack, self.slopes, step.slopes), _room(self.multipliers, step.multipliers))


@dataclass(frozen=True, eq=False)
class _Step:
    A: Floats
    slopes: Floats
    multipliers: Floats


def _newton(at: _Iterate, factor: Any, features: Floats, Y: Floats, complementarity: Floats) -> _Step:
    """Return the Newton step towards stationarity and λ_ks_k = s_k·complementarity_k."""
    n, c = Y.shape
    gradient = at.A - Y + 2.0 * features @ (complementarity[:, None] * at.slopes)
    change = -scipy.linalg.cho_solve(factor, gradient.T.ravel(), check_finite=False).reshape(c, n).T
    along = features.T @ change
    ratio = 2.0 * at.multipliers / at.slack
    return _Step(change, along, complementarity - at.multipliers + ratio * np.sum(at.slopes * along, axis=1))


def _predict_and_correct(at: _Iterate, features: Floats, Y: Floats, gamma: float) -> _Step:
    """Return Mehrotra's step: the affine one sets the centring and the second-order term."""
    hessian = _hessian(features, at.multipliers, at.slopes, at.multipliers / at.slack)
    factor = scipy.linalg.cho_factor(hessian, lower=True, overwrite_a=True, check_finite=False)
    affine = _newton(at, factor, features, Y, np.zeros_like(at.slack))
    reached = at.moved(features, gamma, at.room(affine), affine).barrier
    centring = min(1.0, max(reached / at.barrier, 0.0)) ** 3
    slack_change = -2.0 * np.sum(at.slopes * affine.slopes, axis=1)
    curvature = at.multipliers * np.sum(affine.slopes**2, axis=1)
    correction = (centring * at.barrier - affine.multipliers * slack_change + curvature) / at.slack
    return _newton(at, factor, features, Y, correction)


# With γ tiny against the data the last steps overflow; what is not finite ends the iteration and is never returned.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
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
    """Solve the group lasso over given atoms by a primal-dual interior-point method on its dual.

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
    atoms, c = features.shape[1], Y.shape[1]
    energy = 0.5 * float(np.sum(Y**2))
    if atoms == 0 or energy == 0.0:
        return GroupLasso(np.zeros((atoms, c)), Y.copy(), energy, energy, 0)
    # With γ about 1 its square is a number; a power of two changes no digit.
    unit = max(math.frexp(gamma)[1], math.frexp(float(np.max(np.abs(features))))[1] - FURTHEST)
    features, gamma = np.ldexp(features, -unit), math.ldexp(gamma, -unit)
    if float(np.max(np.linalg.norm(features.T @ Y, axis=1))) <= gamma:
        # Y itself is feasible, so no atom pays.
        return GroupLasso(np.zeros((atoms, c)), Y.copy(), energy, energy, 0)
    if atoms > FEW * len(Y):
        found = _interior_point(features, Y, gamma, 0.0, tolerance, start, max_iterations, deadline)
        return replace(found, weights=np.ldexp(found.weights, -unit))
    Q, R, inside, rest = in_span(features, Y)
    within = None if start is None else Q.T @ start
    beyond = 0.5 * float(np.sum(rest**2))
    found = _interior_point(R, inside, gamma, beyond, tolerance, within, max_iterations, deadline)
    return replace(found, weights=np.ldexp(found.weights, -unit), multiplier=Q @ found.multiplier + rest)


def in_span(features: Floats, Y: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return (Q, R, QᵀY, Y − QQᵀY) for fewer atoms than samples, Φ = QR.

    What is orthogonal to the atoms is a part of the loss and of A, and of nothing else: the program over R and QᵀY has
    the same weights, and ½‖Y − QQᵀY‖² is what its value lacks.
    """
    Q, R = np.linalg.qr(features)
    rest = Y - Q @ (Q.T @ Y)
    rest -= Q @ (Q.T @ rest)
    return Q, R, Q.T @ Y, rest


def _interior_point(
    features: Floats, Y: Floats, gamma: float, beyond: float, tolerance: float, start: Floats | None,
    max_iterations: int, deadline: Deadline | None,
) -> GroupLasso:  # fmt: skip
    """Return the pair, to whose values a loss of ``beyond`` is added."""
    atoms, c = features.shape[1], Y.shape[1]
    A = Y if start is None else start
    largest = float(np.max(np.linalg.norm(features.T @ A, axis=1)))
    A = A * (0.95 * gamma / largest) if largest >= 0.95 * gamma else A
    weights, value = np.zeros((atoms, c)), beyond + 0.5 * float(np.sum(Y**2))
    best, dual = A, beyond + float(np.sum(A * Y) - 0.5 * np.sum(A * A))
    slopes = features.T @ A
    slack = gamma * gamma - np.sum(slopes**2, axis=1)
    # The weight 2λ_kγ of an atom is some multiple of what fits Y; where γ is tiny, centring would ask for far more.
    plausible = PLAUSIBLE * np.linalg.norm(Y) / (2.0 * gamma * np.linalg.norm(features, axis=0))
    at = _Iterate(A, np.minimum(max(value - dual, 1e-12 * value) / atoms / slack, plausible), slopes, slack)
    steps = 0
    while steps < max_iterations and value - dual > tolerance * value and not (deadline and deadline.expired):
        if not at.barrier > 0.0:
            break
        steps += 1
        try:
            step = _predict_and_correct(at, features, Y, gamma)
        except np.linalg.LinAlgError:
            break
        at = at.moved(features, gamma, min(1.0, 0.99 * at.room(step)), step)
        if not (np.all(at.slack > 0.0) and np.all(np.isfinite(at.multipliers))):
            break
        found = 2.0 * at.multipliers[:, None] * at.slopes
        reached = beyond + _evaluate(features, Y, gamma, found)
        if reached < value:
            weights, value = found, reached
        bound = beyond + float(np.sum(at.A * Y) - 0.5 * np.sum(at.A * at.A))
        if bound > dual:
            best, dual = at.A, bound
    return GroupLasso(weights, best, value, dual, steps)
