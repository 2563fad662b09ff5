"""Losses of two slopes, max(u·r, −d·r) of the residual r = y − p: what ``absolute`` and ``quantile`` share."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from sdprelax.base import Ball, Floats, optional
from sdprelax.problem.losses._entrywise import Entrywise, product_below

__all__ = ["TwoSlopes"]


class TwoSlopes(Entrywise):
    """Σ max(u·r, −d·r) with r = y − p and slopes u, d > 0; D(A) = ⟨A, Y⟩ where −d ≤ a ≤ u."""

    targets: ClassVar[Literal["numbers", "simplex", "signs", "counts"]] = "numbers"
    degree: ClassVar[int | None] = 1
    smooth: ClassVar[bool] = False

    @property
    def slopes(self) -> tuple[float, float]:
        """(d, u): the cost of a unit by which a prediction is too high, and too low."""
        raise NotImplementedError

    def costs(self, P: Floats, Y: Floats) -> Floats:
        """Return max(u·r, −d·r)."""
        down, up = self.slopes
        return np.maximum(up * (Y - P), down * (P - Y))

    def costs_above(self, P: Floats, Y: Ball) -> Floats:
        """Return proved upper bounds of max(u·r, −d·r)."""
        down, up = self.slopes
        least, most = (Y - Ball.exact(P)).ends()
        costs = np.maximum(up * most, -down * least)
        return np.where((least == 0.0) & (most == 0.0), 0.0, np.nextafter(costs, np.inf))

    def residual(self, P: Floats, Y: Floats) -> Floats:
        """Return u where a prediction is too low, −d where it is too high, and 0 where it is right."""
        down, up = self.slopes
        return np.where(P < Y, up, np.where(P > Y, -down, 0.0))

    def duals(self, A: Floats, Y: Floats) -> Floats:
        """Return a·y."""
        return A * Y

    def duals_below(self, A: Floats, Y: Ball) -> Floats:
        """Return proved lower bounds of a·y."""
        return product_below(A, Y)

    def dual_range(self, Y: Floats) -> tuple[Floats, Floats]:
        """Return −d and u for every entry."""
        down, up = self.slopes
        return np.full(Y.shape, -down), np.full(Y.shape, up)

    def dual_gradient(self, A: Floats, Y: Floats) -> Floats:
        """Return y."""
        return np.asarray(Y + 0.0 * A)

    def proximal(self, P: Floats, Y: Floats, step: float | Floats) -> Floats:
        """Return P moved towards Y by at most d·step or u·step."""
        down, up = self.slopes
        return np.asarray(P + np.clip(Y - P, -down * step, up * step))

    def expressions(self, P: Any, Y: Floats) -> Any:
        """Return Σ_k max(u·r, −d·r) of a CVXPY expression."""
        cp = optional("cvxpy")

        down, up = self.slopes
        return cp.sum(cp.maximum(up * (Y - P), down * (P - Y)), axis=1)

    def tensors(self, P: Any, Y: Any) -> Any:
        """Return Σ_k max(u·r, −d·r) of PyTorch tensors."""
        down, up = self.slopes
        return (up * (Y - P)).maximum(down * (P - Y)).sum(dim=-1)
