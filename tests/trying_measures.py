"""What the tests of the benchmarks' harness let it measure."""

from __future__ import annotations

import time
from typing import Any


def busy(seconds: float) -> dict[str, Any]:
    """Spend processor seconds, and some memory."""
    held, started = bytearray(50 << 20), time.process_time()
    while time.process_time() - started < seconds:
        held[0] ^= 1
    return {"what": "busy"}


def asleep() -> dict[str, Any]:
    time.sleep(3600)
    return {}


def hungry() -> dict[str, Any]:
    return {"held": len(bytearray(1 << 34))}


def broken() -> dict[str, Any]:
    raise ValueError("this cannot be measured")


def near(tolerance: float) -> dict[str, Any]:
    """Find a value above 1 by so much."""
    return {**busy(0.01), "value": 1.0 + tolerance}
