"""The pass for statistics, in pieces that other processes and machines compute: maps over row blocks, and adds up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from typing import Any

from sdprelax.certificate import Gates
from sdprelax.lasso._rows import RowBlock, Rows
from sdprelax.lasso._statistics import Statistics, statistics_of, total

__all__ = ["Spread", "spread_statistics"]

# First block and number of blocks of a piece.
Piece = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Spread:
    """Where the pieces of a pass are computed.

    Parameters
    ----------
    map: ``map(function, pieces)`` yields the function's results in the order of the pieces. The function is pickled
        with the rows, whose files, where they have some, must lie under the same path wherever it is called.
    pieces: how many there are; each holds statistics of its own while it is computed.
    """

    map: Callable[[Callable[[Piece], Any], Sequence[Piece]], Iterable[Any]]
    pieces: int

    @staticmethod
    def over_dask(client: Any, pieces: int | None = None) -> Spread:
        """Return the workers of a ``dask.distributed.Client``: by default two pieces for each of them."""

        def over(function: Callable[[Piece], Any], pieces: Sequence[Piece]) -> Iterator[Any]:
            futures = client.map(function, pieces, pure=False)
            while futures:
                yield futures.pop(0).result()

        return Spread(over, pieces or 2 * max(1, len(client.nthreads())))


class _Piece:
    """Some blocks of rows; ``shape`` is that of all rows."""

    def __init__(self, rows: Rows, piece: Piece) -> None:
        self._rows, self._piece = rows, piece
        self.shape, self.block_count = rows.shape, piece[1]

    def blocks(self, first: int = 0) -> Iterator[RowBlock]:
        start, count = self._piece
        return islice(self._rows.blocks(start + first), count - first)


def _collected(rows: Rows, gates: Gates, folds: int, piece: Piece) -> list[Statistics]:
    return statistics_of(_Piece(rows, piece), gates, folds=folds)


def spread_statistics(
    rows: Rows, gates: Gates, spread: Spread, *, folds: int = 1, advance: Callable[[int], None] = lambda _: None
) -> list[Statistics]:
    """Return the statistics of every fold, as :func:`statistics_of` does but for rounding; pieces add up in order.

    Parameters
    ----------
    folds, advance: as for :func:`statistics_of`; ``advance`` is called after every piece.
    """
    count = min(spread.pieces, rows.block_count)
    starts = [k * rows.block_count // count for k in range(count + 1)]
    pieces = [(start, stop - start) for start, stop in pairwise(starts)]
    found: list[Statistics] = []
    for parts in spread.map(partial(_collected, rows, gates, folds), pieces):
        found = [total([sum_, part]) for sum_, part in zip(found, parts, strict=True)] if found else parts
        advance(sum(part.count for part in parts))
    return found
