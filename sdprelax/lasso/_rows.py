"""Samples that need not fit in memory: blocks of inputs and targets, read as often as a program needs them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdprelax.base import Floats
from sdprelax.networks import require_rows

__all__ = ["ArrayRows", "Block", "Rows"]


class Block(NamedTuple):
    """Some samples.

    Parameters
    ----------
    inputs: shape (b, d).
    targets: shape (b, c).
    keys: shape (b,), a checksum of the sample that each row comes from: the same wherever the sample stands.
    """

    inputs: Floats
    targets: Floats
    keys: NDArray[np.uint32]


class Rows(Protocol):
    """Samples in an order that never changes, block by block."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, d, c): samples, inputs, outputs."""
        ...

    @property
    def block_count(self) -> int:
        """How many blocks there are."""
        ...

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """Return the blocks from number ``first`` on."""
        ...


class ArrayRows:
    """Rows of two arrays.

    Parameters
    ----------
    inputs: shape (n, d).
    targets: shape (n, c).
    block_rows: most rows in a block.

    Raises
    ------
    InputError: no matrices of finite numbers with one row each per sample.
    """

    def __init__(self, inputs: ArrayLike, targets: ArrayLike, block_rows: int = 4096) -> None:
        self._inputs, self._targets = np.asarray(inputs), np.asarray(targets)
        require_rows("inputs", self._inputs, "targets", self._targets)
        self._size = block_rows

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, d, c): samples, inputs, outputs."""
        return len(self._inputs), self._inputs.shape[1], self._targets.shape[1]

    @property
    def block_count(self) -> int:
        """How many blocks there are."""
        return -(-len(self._inputs) // self._size)

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """Return the blocks from number ``first`` on."""
        for start in range(first * self._size, len(self._inputs), self._size):
            part = slice(start, start + self._size)
            inputs, targets = self._inputs[part], self._targets[part]
            keys = [zlib.crc32(z.tobytes() + f.tobytes()) for z, f in zip(inputs, targets, strict=True)]
            yield Block(inputs.astype(np.float64), targets.astype(np.float64), np.array(keys, dtype=np.uint32))
