"""Waiting for what other processes do: until it has happened, however busy the machine is."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["LONG", "interruptible", "wait_for"]

T = TypeVar("T")
# Seconds after which something will not happen any more.
LONG = 1200.0


def wait_for(look: Callable[[], T]) -> T:
    """Return what ``look`` returns once that is true, or something."""
    until = time.monotonic() + LONG
    while not (found := look()):
        assert time.monotonic() < until, "what is waited for has not happened"
        time.sleep(0.02)
    return found


def interruptible() -> None:
    """Let an interruption reach this process, also where a shell started it in the background, and deaf to them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
