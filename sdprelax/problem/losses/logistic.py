"""Loss ``logistic``: cross-entropy of two classes, from one score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import entr, expit

from sdprelax.base import Ball, Floats, enclosed, entropy, optional, softplus
from sdprelax.problem.losses import losses
from sdprelax.problem.losses._entrywise import Entrywise

__all__ = ["Logistic"]

# Newton steps of the proximal map; in the tail of the exponential each gains 1.
STEPS = 100


@losses.register("logistic")
@dataclass(frozen=True)
class Logistic(Entrywise):
    """The logistic loss Σ log(1 + exp(−yp)) of labels y = ±1, entry by entry.

    Its dual value is Σ(−s·log s − (1 − s)·log(1 − s)) where 0 ≤ s ≤ 1, s = ya.
    """

    targets: ClassVar[Literal["numbers", "simplex", "signs", "counts"]] = "signs"
    curvature: ClassVar[float] = 0.25

    def costs(self, P: Floats, Y: Floats) -> Floats:
        """Return log(1 + exp(−yp))."""
        return np.logaddexp(0.0, -Y * P)

    def costs_above(self, P: Floats, Y: Ball) -> Floats:
        """Return proved upper bounds of log(1 + exp(−yp))."""
        return enclosed(softplus, -Y.mid * P)[1]

    def residual(self, P: Floats, Y: Floats) -> Floats:
        """Return y/(1 + exp(yp))."""
        return np.asarray(Y * expit(-Y * P))

    def probabilities(self, P: Floats) -> Floats | None:
        """Return (σ(−p), σ(p)) of a single output; several, one against the rest each, mean no distribution."""
        return np.hstack([expit(-P), expit(P)]) if P.shape[1] == 1 else None

    def duals(self, A: Floats, Y: Floats) -> Floats:
        """Return the entropy of (s, 1 − s), s = ya."""
        s = A * Y
        return np.asarray(entr(s) + entr(1.0 - s))

    def duals_below(self, A: Floats, Y: Ball) -> Floats:
        """Return proved lower bounds of the entropy of (s, 1 − s)."""
        return enclosed(lambda s: entropy(s) + entropy(1 - s), A * Y.mid)[0]

    def dual_range(self, Y: Floats) -> tuple[Floats, Floats]:
        """Return 0 and y, in their order."""
        return np.minimum(Y, 0.0), np.maximum(Y, 0.0)

    def bends(self, P: Floats, Y: Floats) -> Floats:
        """Return σ(p)σ(−p)."""
        return np.asarray(expit(P) * expit(-P))

    def dual_bends(self, A: Floats, Y: Floats) -> Floats:
        """Return 1/(s(1 − s))."""
        s = A * Y
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / (s * (1.0 - s)))

    def dual_gradient(self, A: Floats, Y: Floats) -> Floats:
        """Return the p with y·σ(−yp) = a: y·log((1 − s)/s)."""
        s = A * Y
        with np.errstate(divide="ignore"):
            return np.asarray(Y * (np.log1p(-s) - np.log(s)))

    def proximal(self, P: Floats, Y: Floats, step: float | Floats) -> Floats:
        """Return y·r with r = yp + step/(1 + exp(r)), by Newton's method from 0, the inflection of the equation.

        On the side of its root it is convex or concave so that no step goes beyond the root.
        """
        margins = Y * P
        r = np.zeros_like(margins)
        for _ in range(STEPS):
            moved = r - (r - margins - step * expit(-r)) / (1.0 + step * self.bends(r, Y))
            settled = np.all(np.abs(moved - r) <= 2.0**-51 * np.abs(moved))
            r = moved
            if settled:
                break
        return np.asarray(Y * r)

    def expressions(self, P: Any, Y: Floats) -> Any:
        """Return Σ_k log(1 + exp(−yp)) of a CVXPY expression."""
        cp = optional("cvxpy")

        return cp.sum(cp.logistic(cp.multiply(-Y, P)), axis=1)

    def tensors(self, P: Any, Y: Any) -> Any:
        """Return Σ_k log(1 + exp(−yp)) of PyTorch tensors."""
        return P.new_zeros(()).logaddexp(-Y * P).sum(dim=-1)
