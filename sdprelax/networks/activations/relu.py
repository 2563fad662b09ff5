"""Activation ``relu``: the positive part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sdprelax.base import Ball, Floats, positive_part
from sdprelax.networks.activations import Activation, activations

__all__ = ["ReLU"]


@activations.register("relu")
@dataclass(frozen=True)
class ReLU(Activation):
    """The positive part, φ(z) = z₊."""

    slopes: ClassVar[tuple[float, float]] = (1.0, 0.0)

    def apply(self, z: Floats, out: Floats | None = None) -> Floats:
        """Return z₊, entry by entry; in ``out`` where that is given."""
        return positive_part(z, out)

    def gradient(self, z: Any) -> Any:
        """Return 1 (true) where z > 0, else 0, of an array or a tensor."""
        return z > 0.0

    def enclosed(self, z: Ball) -> Ball:
        """Return intervals that hold z₊; it is 1-Lipschitz, so radii stay as they are."""
        return Ball(positive_part(z.mid), z.rad)

    def tensor(self, z: Any) -> Any:
        """Return z₊ of a PyTorch tensor."""
        return z.relu()
