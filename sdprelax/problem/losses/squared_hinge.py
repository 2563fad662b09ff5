"""Loss ``squared_hinge``: half the squares of what margins fall short of 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from sdprelax.base import UNIT, Ball, Floats, optional
from sdprelax.problem.losses import losses
from sdprelax.problem.losses._entrywise import UNDERFLOW, Entrywise, parabola_below

__all__ = ["SquaredHinge"]


@losses.register("squared_hinge")
@dataclass(frozen=True)
class SquaredHinge(Entrywise):
    """The squared hinge loss ½Σ(1 − yp)₊² of labels y = ±1, entry by entry; D(A) = Σ(s − s²/2) where s = ya ≥ 0."""

    targets: ClassVar[Literal["numbers", "simplex", "signs", "counts"]] = "signs"
    curvature: ClassVar[float] = 1.0

    def costs(self, P: Floats, Y: Floats) -> Floats:
        """Return ½(1 − yp)₊²."""
        return 0.5 * np.maximum(1.0 - Y * P, 0.0) ** 2

    def costs_above(self, P: Floats, Y: Ball) -> Floats:
        """Return proved upper bounds of ½(1 − yp)₊²."""
        margins = Y.mid * P
        short = np.nextafter(1.0 - margins, np.inf)
        return np.where(margins >= 1.0, 0.0, 0.5 * short * short * (1.0 + 4 * UNIT) + UNDERFLOW)

    def residual(self, P: Floats, Y: Floats) -> Floats:
        """Return y(1 − yp)₊."""
        return Y * np.maximum(1.0 - Y * P, 0.0)

    def duals(self, A: Floats, Y: Floats) -> Floats:
        """Return s − s²/2 with s = ya."""
        return A * Y - 0.5 * A * A

    def duals_below(self, A: Floats, Y: Ball) -> Floats:
        """Return proved lower bounds of s − s²/2."""
        return parabola_below(A, Y)

    def dual_range(self, Y: Floats) -> tuple[Floats, Floats]:
        """Return 0 and y·∞, in their order."""
        return np.where(Y > 0.0, 0.0, -np.inf), np.where(Y > 0.0, np.inf, 0.0)

    def bends(self, P: Floats, Y: Floats) -> Floats:
        """Return 1 where yp < 1, and 0 elsewhere."""
        return np.where(Y * P < 1.0, 1.0, 0.0)

    def dual_bends(self, A: Floats, Y: Floats) -> Floats:
        """Return 1."""
        return np.ones_like(A)

    def dual_gradient(self, A: Floats, Y: Floats) -> Floats:
        """Return y − a."""
        return Y - A

    def proximal(self, P: Floats, Y: Floats, step: float | Floats) -> Floats:
        """Return P with what margins fall short of 1 divided by 1 + ``step``."""
        return np.asarray(P + Y * (step / (1.0 + step) * np.maximum(1.0 - Y * P, 0.0)))

    def expressions(self, P: Any, Y: Floats) -> Any:
        """Return ½Σ_k(1 − yp)₊² of a CVXPY expression."""
        cp = optional("cvxpy")

        return 0.5 * cp.sum(cp.square(cp.pos(1.0 - cp.multiply(Y, P))), axis=1)

    def tensors(self, P: Any, Y: Any) -> Any:
        """Return ½Σ_k(1 − yp)₊² of PyTorch tensors."""
        return 0.5 * ((1.0 - Y * P).clamp(min=0.0) ** 2).sum(dim=-1)
