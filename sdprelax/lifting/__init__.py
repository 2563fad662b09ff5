"""The completely positive program in the lifted space."""

from __future__ import annotations

from sdprelax.lifting._block import Block
from sdprelax.lifting._lifting import LiftedProgram

__all__ = [
    "Block",
    "LiftedProgram",
]
