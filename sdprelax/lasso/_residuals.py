"""Rows less what fixed weights predict of their targets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sdprelax.base import Floats
from sdprelax.certificate import Gates
from sdprelax.lasso._rows import Block, Rows
from sdprelax.problem.norms import flattened

__all__ = ["Residuals"]


class Residuals:
    """The rows (z, f − Σ_i 1{z·g_i ≥ 0}W_iᵀz).

    Parameters
    ----------
    rows: (z, f).
    gates: g, of which there are m.
    weights: W, shape (c, d, m).
    """

    def __init__(self, rows: Rows, gates: Gates, weights: Floats) -> None:
        used = np.flatnonzero(np.any(weights != 0.0, axis=(0, 1)))
        self._rows, self._gates, self._flat = rows, gates.over(used), flattened(weights[:, :, used])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, d, c): samples, inputs, outputs."""
        return self._rows.shape

    @property
    def block_count(self) -> int:
        """How many blocks there are."""
        return self._rows.block_count

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """Return the blocks from number ``first`` on."""
        for block in self._rows.blocks(first):
            if len(self._flat):
                block = block._replace(targets=block.targets - self._gates.features(block.inputs) @ self._flat)
            yield block
