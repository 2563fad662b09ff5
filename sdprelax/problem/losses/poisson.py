"""Loss ``poisson``: the negative log-likelihood of counts whose logarithmic rate is predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import entr, wrightomega

from sdprelax.base import Ball, Floats, enclosed, entropy, optional
from sdprelax.problem.losses import losses
from sdprelax.problem.losses._entrywise import Entrywise

__all__ = ["Poisson"]

# The largest prediction whose exponential is taken as it is, so that weights and sums of it do not overflow.
LARGEST = 500.0


@losses.register("poisson")
@dataclass(frozen=True)
class Poisson(Entrywise):
    """The Poisson loss Σ(exp(p) − yp) of counts y ≥ 0; D(A) = Σ(q − q·log q) where q = y − a ≥ 0.

    It may be negative: its least value of one entry, y − y·log y, is so for y > e.
    """

    targets: ClassVar[Literal["numbers", "simplex", "signs", "counts"]] = "counts"

    def costs(self, P: Floats, Y: Floats) -> Floats:
        """Return exp(p) − yp."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(P) - Y * P)

    def costs_above(self, P: Floats, Y: Ball) -> Floats:
        """Return proved upper bounds of exp(p) − yp."""
        return enclosed(lambda p, y: p.exp() - y * p, P, Y.mid)[1]

    def residual(self, P: Floats, Y: Floats) -> Floats:
        """Return y − exp(p), of p at most 500."""
        return np.asarray(Y - np.exp(np.minimum(P, LARGEST)))

    def duals(self, A: Floats, Y: Floats) -> Floats:
        """Return q − q·log q, q = y − a."""
        return np.asarray(Y - A + entr(Y - A))

    def duals_below(self, A: Floats, Y: Ball) -> Floats:
        """Return proved lower bounds of q − q·log q."""
        return enclosed(lambda a, y: y - a + entropy(y - a), A, Y.mid)[0]

    def dual_range(self, Y: Floats) -> tuple[Floats, Floats]:
        """Return −∞ and y."""
        return np.full(Y.shape, -np.inf), Y

    def bends(self, P: Floats, Y: Floats) -> Floats:
        """Return exp(p), of p at most 500."""
        return np.asarray(np.exp(np.minimum(P, LARGEST)))

    def dual_bends(self, A: Floats, Y: Floats) -> Floats:
        """Return 1/q."""
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / (Y - A))

    def dual_gradient(self, A: Floats, Y: Floats) -> Floats:
        """Return log q."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(Y - A))

    def proximal(self, P: Floats, Y: Floats, step: float | Floats) -> Floats:
        """Return the q with q = p + step·(y − exp(q)): u = step·exp(q) is Wright's ω of p + step·y + log(step)."""
        free = P + step * Y
        u = wrightomega(free + np.log(step))
        # Where u is large, q is the small difference of two large numbers.
        return np.asarray(np.where(u > 1.0, np.log(np.maximum(u, 1.0) / step), free - u))

    def expressions(self, P: Any, Y: Floats) -> Any:
        """Return Σ_k(exp(p) − yp) of a CVXPY expression."""
        cp = optional("cvxpy")

        return cp.sum(cp.exp(P) - cp.multiply(Y, P), axis=1)

    def tensors(self, P: Any, Y: Any) -> Any:
        """Return Σ_k(exp(p) − yp) of PyTorch tensors."""
        return (P.exp() - Y * P).sum(dim=-1)
