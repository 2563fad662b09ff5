"""Loss ``huber``: quadratic near the target, linear far from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import PositiveFloat

from sdprelax.base import UNIT, Ball, Floats, optional
from sdprelax.problem.losses import losses
from sdprelax.problem.losses._entrywise import UNDERFLOW, Entrywise, parabola_below

__all__ = ["Huber"]


@losses.register("huber")
@dataclass(frozen=True)
class Huber(Entrywise):
    """Huber's loss, the sum of ½r² where |r| ≤ δ and of δ|r| − ½δ² elsewhere, r = p − y (Huber 1964).

    Its dual value is ⟨A, Y⟩ − ½‖A‖² where every |a| ≤ δ.

    Parameters
    ----------
    delta: δ, in the unit of the targets.
    """

    delta: PositiveFloat = 1.0

    curvature: ClassVar[float] = 1.0

    def _of_sizes(self, sizes: Floats) -> Floats:
        near = np.minimum(sizes, self.delta)
        return near * (sizes - 0.5 * near)

    def costs(self, P: Floats, Y: Floats) -> Floats:
        """Return what |p − y| costs."""
        return self._of_sizes(np.abs(P - Y))

    def costs_above(self, P: Floats, Y: Ball) -> Floats:
        """Return proved upper bounds: the cost grows with |r|, and three roundings are of no more than twice itself."""
        sizes = (Y - Ball.exact(P)).magnitude()
        return np.where(sizes > 0.0, self._of_sizes(sizes) * (1.0 + 16 * UNIT) + UNDERFLOW, 0.0)

    def residual(self, P: Floats, Y: Floats) -> Floats:
        """Return y − p, cut at ±δ."""
        return np.asarray(np.clip(Y - P, -self.delta, self.delta))

    def duals(self, A: Floats, Y: Floats) -> Floats:
        """Return a·y − a²/2."""
        return A * Y - 0.5 * A * A

    def duals_below(self, A: Floats, Y: Ball) -> Floats:
        """Return proved lower bounds of a·y − a²/2."""
        return parabola_below(A, Y)

    def dual_range(self, Y: Floats) -> tuple[Floats, Floats]:
        """Return ∓δ for every entry."""
        return np.full(Y.shape, -self.delta), np.full(Y.shape, self.delta)

    def bends(self, P: Floats, Y: Floats) -> Floats:
        """Return 1 where |p − y| < δ, and 0 elsewhere."""
        return np.where(np.abs(P - Y) < self.delta, 1.0, 0.0)

    def dual_bends(self, A: Floats, Y: Floats) -> Floats:
        """Return 1."""
        return np.ones_like(A)

    def dual_gradient(self, A: Floats, Y: Floats) -> Floats:
        """Return y − a."""
        return Y - A

    def proximal(self, P: Floats, Y: Floats, step: float | Floats) -> Floats:
        """Return P moved towards Y by step/(1 + step) of the distance, by δ·step at most."""
        return np.asarray(P + step * np.clip((Y - P) / (1.0 + step), -self.delta, self.delta))

    def expressions(self, P: Any, Y: Floats) -> Any:
        """Return the loss of every sample of a CVXPY expression."""
        cp = optional("cvxpy")

        return 0.5 * cp.sum(cp.huber(P - Y, self.delta), axis=1)

    def tensors(self, P: Any, Y: Any) -> Any:
        """Return the loss of every sample of PyTorch tensors."""
        sizes = (P - Y).abs()
        near = sizes.clamp(max=self.delta)
        return (near * (sizes - 0.5 * near)).sum(dim=-1)
