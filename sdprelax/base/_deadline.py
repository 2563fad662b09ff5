"""A point in time by which a method should return its best pair of bounds."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from numbers import Real

from sdprelax.base._errors import InputError

__all__ = ["Deadline"]


def _now() -> float:
    """Return the clock's seconds, of which only differences mean something."""
    return time.monotonic()


@dataclass(frozen=True)
class Deadline:
    """Seconds of wall time from the moment of construction; ``Deadline()`` never expires."""

    seconds: float = math.inf
    started: float = field(default_factory=lambda: _now())

    def __post_init__(self) -> None:
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, Real) or not float(self.seconds) >= 0.0:
            raise InputError(f"a deadline is {self.seconds!r}; it must be a number of seconds, 0 or more.")

    @staticmethod
    def of(time_limit: object) -> Deadline:
        """Return the deadline of a user's time limit in seconds; None is no limit.

        Raises
        ------
        InputError: not a number, NaN, or less than 0.
        """
        if time_limit is None:
            return Deadline()
        if isinstance(time_limit, bool) or not isinstance(time_limit, Real) or not float(time_limit) >= 0.0:
            raise InputError(
                f"time_limit is {time_limit!r}; it must be a number of seconds, 0 or more, or None for no limit."
            )
        return Deadline(float(time_limit))

    @property
    def elapsed(self) -> float:
        """Seconds since the deadline was set."""
        return _now() - self.started

    @property
    def remaining(self) -> float:
        """Seconds left, never negative; infinite for a deadline that never expires."""
        return max(0.0, self.seconds - self.elapsed)

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return self.remaining <= 0.0

    def fraction(self, share: float) -> Deadline:
        """Return a deadline that starts now and lasts ``share`` of the remaining time."""
        return Deadline(self.remaining * share)
