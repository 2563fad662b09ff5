"""Samples that need not fit in memory: blocks of inputs and targets, read as often as a program needs them.

One pass proves bounds of a program's optimum, rounding errors included, and its certificate is the weights themselves.
Whatever W, γ and multiples s ≥ 0 are given, the residual R = F − ΦW bounds the optimum from both sides,

    s⟨R, F⟩ − ½s²‖R‖²  ≤  p*  ≤  ½‖R‖² + γΣ‖W_i‖      if s‖ZᵀD_iR‖° ≤ γ for every gate,

and every term is a sum over samples. So neither R nor anything else of their number is kept, and whoever has the
activations can prove the bounds again. They hold for these activations, as stored.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdprelax.base import Floats
from sdprelax.certificate import Gates, GroupBounds, group_bounds, group_rows
from sdprelax.networks import require_rows
from sdprelax.problem.norms import Penalty

__all__ = ["GROUP_PROOF_VERSION", "ArrayRows", "MappedRows", "ResidualRows", "RowBlock", "Rows", "prove"]

# Raised when the same weights prove other bounds: runs of studies that prove some are run once more.
GROUP_PROOF_VERSION = 2


class RowBlock(NamedTuple):
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

    def blocks(self, first: int = 0) -> Iterator[RowBlock]:
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

    def blocks(self, first: int = 0) -> Iterator[RowBlock]:
        """Return the blocks from number ``first`` on."""
        for start in range(first * self._size, len(self._inputs), self._size):
            part = slice(start, start + self._size)
            inputs, targets = self._inputs[part], self._targets[part]
            keys = [zlib.crc32(z.tobytes() + f.tobytes()) for z, f in zip(inputs, targets, strict=True)]
            yield RowBlock(inputs.astype(np.float64), targets.astype(np.float64), np.array(keys, dtype=np.uint32))


class ResidualRows:
    """The rows (z, f − Σ_i 1{z·g_i ≥ 0}W_iᵀz).

    Parameters
    ----------
    rows: (z, f).
    gates: g, of which there are m.
    weights: W, shape (m, d, c).
    """

    def __init__(self, rows: Rows, gates: Gates, weights: Floats) -> None:
        used = np.flatnonzero(np.any(weights != 0.0, axis=(1, 2)))
        self._rows, self._gates, self._flat = rows, gates.over(used), weights[used].reshape(-1, weights.shape[2])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, d, c): samples, inputs, outputs."""
        return self._rows.shape

    @property
    def block_count(self) -> int:
        """How many blocks there are."""
        return self._rows.block_count

    def blocks(self, first: int = 0) -> Iterator[RowBlock]:
        """Return the blocks from number ``first`` on."""
        for block in self._rows.blocks(first):
            if len(self._flat):
                block = block._replace(targets=block.targets - self._gates.features(block.inputs) @ self._flat)
            yield block


class MappedRows:
    """The rows (z, Rᵀf).

    Parameters
    ----------
    rows: (z, f).
    matrix: R, shape (c, r).
    """

    def __init__(self, rows: Rows, matrix: Floats) -> None:
        self._rows, self._matrix = rows, matrix

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, d, r): samples, inputs, outputs."""
        n, width, _ = self._rows.shape
        return n, width, self._matrix.shape[1]

    @property
    def block_count(self) -> int:
        """How many blocks there are."""
        return self._rows.block_count

    def blocks(self, first: int = 0) -> Iterator[RowBlock]:
        """Return the blocks from number ``first`` on."""
        for block in self._rows.blocks(first):
            yield block._replace(targets=block.targets @ self._matrix)


def prove(
    rows: Rows,
    gates: Gates,
    weights: Floats,
    gamma: float,
    penalty: Penalty,
    advance: Callable[[int], None] = lambda _: None,
) -> GroupBounds:
    """Return proved bounds of the optimum over all of ``gates``.

    Parameters
    ----------
    weights: W, shape (m, d, c).
    gamma: γ.
    penalty: the gates' norm.
    advance: called with the number of rows read after every block.
    """

    def blocks() -> Iterator[tuple[Floats, Floats]]:
        for block in rows.blocks():
            yield block.inputs, block.targets
            advance(len(block.inputs))

    return group_bounds(group_rows(gates, blocks()), weights, gamma, penalty)
