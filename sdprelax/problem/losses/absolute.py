"""Loss ``absolute``: the sum of absolute differences."""

from __future__ import annotations

from dataclasses import dataclass

from sdprelax.problem.losses import losses
from sdprelax.problem.losses._two_slopes import TwoSlopes

__all__ = ["Absolute"]


@losses.register("absolute")
@dataclass(frozen=True)
class Absolute(TwoSlopes):
    """The absolute loss Σ|p − y|, whose best constant is the median; D(A) = ⟨A, Y⟩ where every |a| ≤ 1."""

    @property
    def slopes(self) -> tuple[float, float]:
        """(1, 1)."""
        return 1.0, 1.0
