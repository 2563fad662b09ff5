"""Loss ``hinge``: the margin loss of support vector machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from sdprelax.base import Ball, Floats, optional
from sdprelax.problem.losses import losses
from sdprelax.problem.losses._entrywise import Entrywise, product_below

__all__ = ["Hinge"]


@losses.register("hinge")
@dataclass(frozen=True)
class Hinge(Entrywise):
    """The hinge loss Σ(1 − yp)₊ of labels y = ±1, entry by entry; D(A) = Σs where 0 ≤ s ≤ 1, s = ya."""

    targets: ClassVar[Literal["numbers", "simplex", "signs", "counts"]] = "signs"
    smooth: ClassVar[bool] = False

    def costs(self, P: Floats, Y: Floats) -> Floats:
        """Return (1 − yp)₊."""
        return np.maximum(1.0 - Y * P, 0.0)

    def costs_above(self, P: Floats, Y: Ball) -> Floats:
        """Return (1 − yp)₊, rounded up; only the difference is rounded."""
        margins = Y.mid * P
        return np.where(margins >= 1.0, 0.0, np.nextafter(1.0 - margins, np.inf))

    def residual(self, P: Floats, Y: Floats) -> Floats:
        """Return y where yp < 1, and 0 elsewhere."""
        return np.where(Y * P < 1.0, Y, 0.0)

    def duals(self, A: Floats, Y: Floats) -> Floats:
        """Return s = ya."""
        return A * Y

    def duals_below(self, A: Floats, Y: Ball) -> Floats:
        """Return s = ya, which is exact."""
        return product_below(A, Y)

    def dual_range(self, Y: Floats) -> tuple[Floats, Floats]:
        """Return 0 and y, in their order."""
        return np.minimum(Y, 0.0), np.maximum(Y, 0.0)

    def dual_gradient(self, A: Floats, Y: Floats) -> Floats:
        """Return y."""
        return np.asarray(Y + 0.0 * A)

    def proximal(self, P: Floats, Y: Floats, step: float | Floats) -> Floats:
        """Return P with margins yp < 1 raised by ``step``, at most to 1."""
        return np.asarray(P + Y * np.clip(1.0 - Y * P, 0.0, step))

    def expressions(self, P: Any, Y: Floats) -> Any:
        """Return Σ_k(1 − yp)₊ of a CVXPY expression."""
        cp = optional("cvxpy")

        return cp.sum(cp.pos(1.0 - cp.multiply(Y, P)), axis=1)

    def tensors(self, P: Any, Y: Any) -> Any:
        """Return Σ_k(1 − yp)₊ of PyTorch tensors."""
        return (1.0 - Y * P).clamp(min=0.0).sum(dim=-1)
