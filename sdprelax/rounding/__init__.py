"""From a relaxation's Λ to a real network: one file each, registered by name.

A rounding is a frozen dataclass with one call ``round(lifting, lifted, rng=...) -> Network``, or ``OnDirections``, with
the gap of the program that chose its output weights beside it. Its network's objective is an upper bound like any
other's; whether Λ itself was tight is what ``extract`` measures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from sdprelax.base import Floats, Registry
from sdprelax.lasso import OnDirections
from sdprelax.lifting import LiftedProgram
from sdprelax.networks import Network

__all__ = ["Rounding", "Walk", "roundings"]


class Rounding(Protocol):
    """Turns an approximate solution of the relaxation into a network."""

    def round(self, lifting: LiftedProgram, lifted: Floats, *, rng: np.random.Generator) -> Network | OnDirections:
        """Return a network for the problem of ``lifting`` from its lifted variable, shape (order, order)."""
        ...


@runtime_checkable
class Walk(Protocol):
    """A rounding that goes through many networks; it returns the one of least objective."""

    def walk(self, lifting: LiftedProgram, lifted: Floats) -> Iterator[Network]:
        """Yield the networks, at least one."""
        ...


roundings: Registry[Rounding] = Registry("rounding", __name__)
