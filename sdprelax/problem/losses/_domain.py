"""The ends of a dual's domain, as interior points keep off them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats
from sdprelax.problem.losses import Loss

__all__ = ["DualDomain"]

# Share of the domain's width that a start is moved inside of walls.
INWARD = 0.05


@dataclass(frozen=True, eq=False)
class DualDomain:
    """Between which ends the entries of dual points lie.

    Attributes
    ----------
    ends: lower and upper ones, shape (2, n, c).
    finite: which of them there are.
    walls: those at which ∇D is finite, as of the hinge loss, where a barrier has to keep A off; of the other finite
        ones, as of entropies, D itself does.
    """

    ends: Floats
    finite: NDArray[np.bool_]
    walls: NDArray[np.bool_]

    @staticmethod
    def of(loss: Loss, Y: Floats) -> DualDomain:
        """Return the domain of a loss at targets, shape (n, c)."""
        ends = np.array(loss.dual_range(Y))
        finite = np.isfinite(ends)
        if loss.shift_invariant:
            # Rows add up to 0, so that no entry is at its lower end unless others are at their upper ones.
            finite[0] = False
        walls = np.zeros_like(finite)
        for end, known, wall in zip(ends, finite, walls, strict=True):
            wall[:] = known & np.isfinite(loss.dual_gradient(np.where(known, end, 0.0), Y))
        return DualDomain(ends, finite, walls)

    def room(self, A: Floats) -> Floats:
        """Return the distances of A from the ends, shape (2, n, c)."""
        return np.stack([A - self.ends[0], self.ends[1] - A])

    def inward(self, A: Floats) -> Floats:
        """Return A moved inside of the walls; as it is where there are none."""
        if not np.any(self.walls):
            return A
        low, high = self.ends
        width = np.where(np.isfinite(high - low), high - low, 1.0)
        return np.asarray(np.clip(A, low + INWARD * width, high - INWARD * width))
