"""What a sweep can load: one file each, registered by name.

A data set is a frozen dataclass whose fields are its options, with one call ``load() -> Dataset``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sdprelax.registry import Registry
from sdprelax.verified import Floats

__all__ = ["Dataset", "Source", "datasets", "register"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training data and, where there is a split, test data.

    Parameters
    ----------
    X, Y: training inputs (n, d) and targets (n, c); classes are one-hot.
    X_test, Y_test: the held-out part, or None.
    classes: names of the outputs when this is classification (accuracy then means argmax), else None.
    """

    X: Floats
    Y: Floats
    X_test: Floats | None = None
    Y_test: Floats | None = None
    classes: tuple[str, ...] | None = None


class Source(Protocol):
    """Produces a data set from its options alone: the same options give the same arrays."""

    def load(self) -> Dataset:
        """Return the data."""
        ...


datasets: Registry[Source] = Registry("data set", __name__)
register = datasets.register
