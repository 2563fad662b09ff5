"""What a gated program needs to know of its samples, in one pass: H = ΦᵀΦ, B = ΦᵀF and ‖F‖², Φ = [D_1Z, ..., D_mZ].

    ½‖ΦW − F‖² + γΣ‖W_i‖ = ½⟨W, HW⟩ − ⟨W, B⟩ + ½‖F‖² + γΣ‖W_i‖

so that every γ, penalty and step afterwards costs nothing in n. Statistics of disjoint samples add up, which gives
cross-validation for the price of one pass.
"""

from __future__ import annotations

import functools
import itertools
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import blas

from sdprelax.base import Checkpoint, Floats, ProblemTooLarge, positive_part
from sdprelax.certificate import Gates
from sdprelax.lasso._rows import Rows
from sdprelax.problem import Squared

__all__ = ["Statistics", "fits", "statistics_of", "total"]

# Doubles of Φ formed at once.
FORMED = 8_000_000


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sufficient statistics of a gated program.

    Parameters
    ----------
    width: d, inputs of a gate.
    gram: H, shape (m·d, m·d): gate after gate; symmetric.
    moment: B, shape (m·d, c).
    squares: ‖f_k‖² of every output, shape (c,).
    count: samples.
    """

    width: int
    gram: Floats
    moment: Floats
    squares: Floats
    count: int

    @property
    def gates(self) -> int:
        """m."""
        return len(self.gram) // self.width

    @cached_property
    def spectrum(self) -> tuple[Floats, Floats]:
        """The eigenvalues of H that samples can make positive, at most as many as samples, and their eigenvectors."""
        values, vectors = np.linalg.eigh(self.gram)
        return positive_part(values[-self.count :]), np.ascontiguousarray(vectors[:, -self.count :])

    def by_gate(self, flat: Floats) -> Floats:
        """Return weights or slopes of shape (m·d, c) in the shape (m, d, c): the same numbers."""
        return flat.reshape(self.gates, self.width, flat.shape[1])

    def loss(self, weights: Floats) -> float:
        """Return ½‖ΦW − F‖² at weights of shape (m, d, c)."""
        flat = weights.reshape(self.moment.shape)
        curved = float(np.sum(flat * (self.gram @ flat - 2.0 * self.moment)))
        return max(0.0, Squared.of_sums(self.squares, curved))

    def without(self, part: Statistics) -> Statistics:
        """Return the statistics of the samples that are not in a part of these."""
        return Statistics(
            self.width, self.gram - part.gram, self.moment - part.moment,
            positive_part(self.squares - part.squares), self.count - part.count,
        )  # fmt: skip


def total(parts: list[Statistics]) -> Statistics:
    """Return the statistics of all samples of some parts."""
    if len(parts) == 1:
        return parts[0]
    gram, moment = parts[0].gram.copy(order="F"), parts[0].moment.copy()
    for part in parts[1:]:
        gram += part.gram
        moment += part.moment
    squares = np.sum([part.squares for part in parts], axis=0)
    return Statistics(parts[0].width, gram, moment, squares, sum(part.count for part in parts))


def fits(width: int, gates: int, outputs: int, folds: int, memory: float) -> bool:
    """Say whether statistics and their solver need at most so many bytes.

    The matrices are H of every fold, of all and of all but one, and a factor.
    """
    order = width * gates
    matrices = 2.0 if folds == 1 else folds + 3.0
    return 8.0 * (matrices * order * order + (folds + 10.0) * order * outputs + 4.0 * FORMED) <= memory


def statistics_of(
    rows: Rows,
    gates: Gates,
    *,
    folds: int = 1,
    checkpoint: Path | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Statistics]:
    """Return the statistics of every fold, in one pass.

    Parameters
    ----------
    folds: how many parts; a sample's key says which it belongs to, so that its place among the others does not matter.
    checkpoint: a file written once a minute, from which an interrupted pass of the same rows and gates goes on. It is
        removed at the end.
    advance: called with the number of rows read after every block.

    Raises
    ------
    ProblemTooLarge: the matrices cannot be allocated.
    """
    n, width, outputs = rows.shape
    order = width * gates.count
    try:
        grams = [np.zeros((order, order), order="F") for _ in range(folds)]
    except MemoryError:
        raise ProblemTooLarge(
            f"{gates.count} gates of {width} inputs need {folds} matrices of order {order:,}, more than memory holds."
        ) from None
    moments = np.zeros((folds, order, outputs))
    squares, counts, first = np.zeros((folds, outputs)), np.zeros(folds, dtype=np.int64), 0
    identity = [n, width, outputs, folds, gates.skip, zlib.crc32(gates.directions.tobytes())]
    if checkpoint is not None:
        # Rows of other targets may be behind the same gates, as in another metric of the outputs.
        for head in itertools.islice(rows.blocks(), 1):
            identity += [zlib.crc32(np.ascontiguousarray(part).tobytes()) for part in (head.inputs, head.targets)]
    kept_at = Checkpoint(checkpoint, json.dumps(identity))
    if (kept := kept_at.arrays()) is not None:
        first, squares, counts = int(kept["first"]), kept["squares"], kept["counts"]
        grams = [np.asfortranarray(kept[f"gram_{k}"]) for k in range(folds)]
        moments = kept["moments"]
    advance(int(np.sum(counts)))
    step = max(1, FORMED // max(order, 1))

    def state(following: int) -> dict[str, Any]:
        by_fold = {f"gram_{k}": gram for k, gram in enumerate(grams)}
        return {"first": following, "moments": moments, "squares": squares, "counts": counts, **by_fold}

    for number, block in enumerate(rows.blocks(first), start=first):
        belongs = block.keys % folds
        for fold in range(folds):
            inside = slice(None) if folds == 1 else np.flatnonzero(belongs == fold)
            inputs, targets = block.inputs[inside], block.targets[inside]
            for start in range(0, len(inputs), step):
                features = gates.features(inputs[start : start + step])
                blas.dsyrk(1.0, features.T, beta=1.0, c=grams[fold], lower=1, overwrite_c=1)
                moments[fold] += features.T @ targets[start : start + step]
            squares[fold] += np.sum(targets * targets, axis=0)
            counts[fold] += len(inputs)
        advance(len(block.inputs))
        kept_at.save(functools.partial(state, number + 1))
    for gram in grams:
        _mirror(gram)
    kept_at.remove()
    return [Statistics(width, gram, moments[k], squares[k], int(counts[k])) for k, gram in enumerate(grams)]


def _mirror(gram: Floats) -> None:
    """Fill the upper triangle from the lower one, in place."""
    order, size = len(gram), 1024
    for start in range(0, order, size):
        stop = min(start + size, order)
        square = gram[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
        gram[start:stop, stop:] = gram[stop:, start:stop].T
