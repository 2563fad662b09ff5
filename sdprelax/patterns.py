"""Sampled activation patterns: where convex programs over patterns go when all of them are too many.

The sign pattern of Gaussian hidden weights is a cell of the arrangement {w : x̂_jᵀw = 0} with probability its solid
angle, so few draws see the wide cells and miss the narrow ones (docs/mathematics.md section 7.3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdprelax.verified import Floats

__all__ = ["sampled_patterns"]

# Draws per pattern wanted, at most: data whose cells are mostly narrow run out of new ones long before.
DRAWS = 50


def sampled_patterns(rows: Floats, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int8], Floats]:
    """Return distinct sign patterns of Gaussian directions, and a direction inside each.

    Parameters
    ----------
    rows: generator rows, shape (g, r).
    count: most patterns wanted; fewer where no more turn up in fifty times as many draws.

    Returns
    -------
    signs, shape (m, g), of ±1; directions, shape (r, m), of unit length with signs·rows·direction > 0.
    """
    found: dict[bytes, Floats] = {}
    for _ in range(DRAWS):
        gates = rng.standard_normal((rows.shape[1], count))
        gates /= np.linalg.norm(gates, axis=0)
        inner = rows @ gates
        signs = np.where(inner > 0.0, 1, -1).astype(np.int8).T
        for k in np.flatnonzero(np.all(inner != 0.0, axis=0)):
            found.setdefault(signs[k].tobytes(), gates[:, k])
            if len(found) == count:
                break
        if len(found) == count:
            break
    directions = np.array(list(found.values())).reshape(-1, rows.shape[1]).T
    return np.where(rows @ directions > 0.0, 1, -1).astype(np.int8).T, directions
