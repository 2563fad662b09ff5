"""Activation ``absolute``: the absolute value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sdprelax.base import Ball, Floats
from sdprelax.networks.activations import Activation, activations

__all__ = ["AbsoluteValue"]


@activations.register("absolute")
@dataclass(frozen=True)
class AbsoluteValue(Activation):
    """The absolute value, φ(z) = |z|."""

    slopes: ClassVar[tuple[float, float]] = (1.0, 1.0)

    def apply(self, z: Floats, out: Floats | None = None) -> Floats:
        """Return |z|, entry by entry; in ``out`` where that is given."""
        return np.asarray(np.abs(z, out=out))

    def enclosed(self, z: Ball) -> Ball:
        """Return intervals that hold |z|; it is 1-Lipschitz, so radii stay as they are."""
        return Ball(np.abs(z.mid), z.rad)

    def tensor(self, z: Any) -> Any:
        """Return |z| of a PyTorch tensor."""
        return z.abs()
