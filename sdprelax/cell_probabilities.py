"""How much of weight space each activation pattern takes: the weights that the NTK gives the gates' kernels.

A Gaussian gate g ~ N(0, I_r) falls in the cell {u : s_jx̂_jᵀu > 0 for every j} of pattern s with the probability of the
cell's solid angle over that of the sphere. Then Σ_iP(cell i)·D_iXXᵀD_i = (XXᵀ) ∘ (π − θ)/2π is the NTK of a gated ReLU
network on the training data (docs/mathematics.md section 7.5).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sdprelax.verified import Floats

__all__ = ["cell_probabilities"]

# A row vanishes at a ray when their product is below this.
VANISHES = 1e-12
# Two rows whose rays' cross product is shorter than this meet in no ray that can be told.
DEPENDENT = 1e-13
# Gaussian gates drawn where there is no closed form, and in one go.
DRAWS, BLOCK = 200_000, 20_000


def cell_probabilities(
    rows: Floats, signs: NDArray[np.int8], *, rng: np.random.Generator, draws: int = DRAWS
) -> Floats:
    """Return the probability of each pattern under Gaussian directions, shape (m,).

    Exact up to rounding in rank 1, 2 (arcs) and 3 (solid angles of spherical polygons, as fans of triangles by the
    formula of Van Oosterom and Strackee 1983). Beyond, the frequency among ``draws`` Gaussian directions, with standard
    error √(p(1 − p)/draws).

    Parameters
    ----------
    rows: generator rows, shape (g, r), unit, no two parallel, of rank r.
    signs: patterns of ±1, shape (m, g). One whose cell is empty has probability 0.
    rng: for the draws; untouched up to rank 3.
    """
    rank = rows.shape[1]
    if rank > 3:
        return _frequencies(rows, signs, rng, draws)
    if rank == 1:
        return np.where(np.all(signs * rows.T > 0.0, axis=1) | np.all(signs * rows.T < 0.0, axis=1), 0.5, 0.0)
    rays = _rays(rows)
    at = rows @ rays
    at = np.where(np.abs(at) < VANISHES, 0.0, np.sign(at))
    # A ray is a vertex of the cells with which it disagrees nowhere: where every row that does not vanish agrees.
    vertex = signs.astype(np.float64) @ at == np.sum(np.abs(at), axis=0)
    return np.array([_share(rays[:, mine].T) for mine in vertex])


def _rays(rows: Floats) -> Floats:
    """Return the directions in which r − 1 rows vanish, both signs of each, shape (r, k), in rank 2 or 3."""
    if rows.shape[1] == 2:
        normal = np.stack([-rows[:, 1], rows[:, 0]])
    else:
        first, second = np.array(list(combinations(range(len(rows)), 2))).T
        crossed = np.cross(rows[first], rows[second])
        lengths = np.linalg.norm(crossed, axis=1)
        told = lengths > DEPENDENT
        normal = (crossed[told] / lengths[told, None]).T
    return np.hstack([normal, -normal])


def _share(vertices: Floats) -> float:
    """Return the share of the circle or sphere that the cone of some rays takes, shape (k, r)."""
    if len(vertices) < vertices.shape[1]:
        return 0.0
    if vertices.shape[1] == 2:
        # The two ends of an arc, which may be found more than once.
        crossed = np.outer(vertices[:, 0], vertices[:, 1])
        angles = np.arctan2(np.abs(crossed - crossed.T), vertices @ vertices.T)
        return float(np.max(angles) / (2.0 * np.pi))
    middle = vertices.sum(axis=0)
    middle /= np.linalg.norm(middle)
    _, _, frame = np.linalg.svd(middle[None, :])
    around = vertices @ frame[1:].T
    ordered = vertices[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]
    # The fan of triangles (v_0, v_i, v_{i+1}).
    a, b, c = ordered[0], ordered[1:-1], ordered[2:]
    # The triple product from differences of neighbours keeps the digits of thin triangles.
    volume = np.abs(np.einsum("ij,ij->i", np.cross(b - a, c - b), np.broadcast_to(a, b.shape)))
    below = 1.0 + b @ a + np.einsum("ij,ij->i", b, c) + c @ a
    return float(np.sum(2.0 * np.arctan2(volume, below)) / (4.0 * np.pi))


def _frequencies(rows: Floats, signs: NDArray[np.int8], rng: np.random.Generator, draws: int) -> Floats:
    known = {pattern.tobytes(): k for k, pattern in enumerate(np.asarray(signs, dtype=np.int8))}
    count, left = np.zeros(len(signs)), draws
    while left > 0:
        size = min(BLOCK, left)
        drawn = np.where(rng.standard_normal((size, rows.shape[1])) @ rows.T > 0.0, 1, -1).astype(np.int8)
        distinct, times = np.unique(drawn, axis=0, return_counts=True)
        for pattern, number in zip(distinct, times, strict=True):
            k = known.get(pattern.tobytes())
            if k is not None:
                count[k] += number
        left -= size
    return count / draws
