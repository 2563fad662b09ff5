"""What a method is, and all that are registered."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sdprelax.base import Deadline, Registry
from sdprelax.problem import Problem
from sdprelax.training import Outcome, Report, unreported

__all__ = ["Method", "methods"]


class Method(Protocol):
    """Trains on a problem; reports bounds that are rigorous and the network it found."""

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the bounds found by the deadline."""
        ...


methods: Registry[Method] = Registry("method", __package__)
