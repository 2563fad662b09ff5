"""Sampled activation patterns, for convex programs over patterns where all of them would be too many.

The sign pattern of Gaussian hidden weights is a cell of the arrangement {w : x̂_jᵀw = 0} with probability its solid
angle, so few draws see the wide cells and miss the narrow ones (docs/mathematics/methods.md, "Sampled patterns").
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats

__all__ = ["Patterns", "sampled_patterns", "signs_of"]

# Draws per pattern wanted, at most: data whose cells are mostly narrow run out of new ones long before.
DRAWS = 50


class Patterns(NamedTuple):
    """Distinct activation patterns.

    Parameters
    ----------
    signs: shape (m, g), of ±1.
    directions: one inside each pattern's cell, shape (r, m): signs·rows·direction > 0.
    frequencies: share of Gaussian directions in each cell, known or estimated, shape (m,).
    """

    signs: NDArray[np.int8]
    directions: Floats
    frequencies: Floats

    @staticmethod
    def none() -> Patterns:
        """Return the empty set of patterns over no rows, for data of which the presolve leaves none."""
        return Patterns(np.zeros((0, 0), dtype=np.int8), np.zeros((0, 0)), np.zeros(0))


def signs_of(rows: Floats, directions: Floats) -> NDArray[np.int8]:
    """Return the sign patterns of directions, shape (r, m), over generator rows: shape (m, g), of ±1."""
    return np.where(rows @ directions > 0.0, 1, -1).astype(np.int8).T


def sampled_patterns(rows: Floats, count: int, rng: np.random.Generator) -> Patterns:
    """Return distinct sign patterns of Gaussian directions, a unit direction inside each, and how often each was drawn.

    Parameters
    ----------
    rows: generator rows, shape (g, r).
    count: most patterns wanted; fewer where no more turn up in fifty times as many draws.
    """
    found: dict[bytes, Floats] = {}
    drawn: dict[bytes, int] = {}
    for _ in range(DRAWS):
        gates = rng.standard_normal((rows.shape[1], count))
        gates /= np.linalg.norm(gates, axis=0)
        inner = rows @ gates
        signs = np.where(inner > 0.0, 1, -1).astype(np.int8).T
        for k in np.flatnonzero(np.all(inner != 0.0, axis=0)):
            pattern = signs[k].tobytes()
            found.setdefault(pattern, gates[:, k])
            drawn[pattern] = drawn.get(pattern, 0) + 1
            if len(found) == count:
                break
        if len(found) == count:
            break
    directions = np.array(list(found.values())).reshape(-1, rows.shape[1]).T
    times = np.array([drawn[pattern] for pattern in found], dtype=np.float64)
    return Patterns(signs_of(rows, directions), directions, times / max(1.0, float(np.sum(times))))
