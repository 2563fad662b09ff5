"""What a sweep can name: one file each, registered by name.

A method is a frozen dataclass whose fields are its options, with one call::

    def run(self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline) -> Outcome
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sdprelax.deadline import Deadline
from sdprelax.outcome import Outcome
from sdprelax.problem import Problem
from sdprelax.registry import Registry

__all__ = ["Method", "methods", "register"]


class Method(Protocol):
    """Trains on a problem; reports bounds that are rigorous and the network it found."""

    def run(self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline) -> Outcome:
        """Return the bounds found by the deadline."""
        ...


methods: Registry[Method] = Registry("method", __name__)
register = methods.register
