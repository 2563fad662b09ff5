"""Activation ``leaky``: the leaky ReLU."""

from __future__ import annotations

from dataclasses import dataclass

from sdprelax.base import InputError, finite_array
from sdprelax.networks.activations import Activation, activations

__all__ = ["LeakyReLU"]


@activations.register("leaky")
@dataclass(frozen=True)
class LeakyReLU(Activation):
    """The leaky ReLU: φ(z) = z where z > 0, and slope·z elsewhere.

    Parameters
    ----------
    slope: slope of the negative half; any finite number. 0 is ReLU by another name, 1 gives linear networks, −1 |z|.

    Raises
    ------
    InputError: a slope that is not a finite number.
    """

    slope: float = 0.01

    def __post_init__(self) -> None:
        slope = finite_array("the slope of the leaky ReLU", self.slope)
        if slope.shape != () or isinstance(self.slope, bool):
            raise InputError(f"the slope of the leaky ReLU is {self.slope!r}; it must be a finite number.")
        object.__setattr__(self, "slope", float(slope))

    @property
    def slopes(self) -> tuple[float, float]:
        """(1, −slope)."""
        return 1.0, -self.slope
