"""Loss ``quantile``: the pinball loss, whose best constant is a quantile of the targets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from sdprelax.problem.losses import losses
from sdprelax.problem.losses._two_slopes import TwoSlopes

__all__ = ["Quantile"]


@losses.register("quantile")
@dataclass(frozen=True)
class Quantile(TwoSlopes):
    """The pinball loss Σ max(τ(y − p), (1 − τ)(p − y)); D(A) = ⟨A, Y⟩ where τ − 1 ≤ a ≤ τ (Koenker and Bassett 1978).

    Parameters
    ----------
    level: τ, strictly between 0 and 1; 0.9 asks for a value that nine of ten targets are below.
    """

    level: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5

    @property
    def slopes(self) -> tuple[float, float]:
        """(1 − τ, τ); the first is the float next to it from below, which is the loss's own where 1 − τ is no float."""
        down = 1.0 - self.level
        return (down if Fraction(down) + Fraction(self.level) <= 1 else math.nextafter(down, 0.0)), self.level
