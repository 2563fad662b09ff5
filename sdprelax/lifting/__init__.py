"""The completely positive program in the lifted space."""

from __future__ import annotations

from sdprelax.lifting._lifting import LiftedProgram

__all__ = [
    "LiftedProgram",
]
