"""Nonnegative PCA per activation pattern: the oracle of Frank–Wolfe over sampled patterns."""

from __future__ import annotations

import math

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from sdprelax.base import Deadline, Floats

__all__ = ["PatternOracle"]

# A direction that leaves its closed cone by less than this is in it.
INSIDE = 1e-12
# Steps of a projected power iteration, and the relative gain below which it has ended: while patterns are compared, and
# on the best of them.
POWER_STEPS, COARSE_GAIN, LEAST_GAIN = 100, 1e-3, 1e-10
# A pattern is searched again once it could beat the best of the others by this share.
WORTH = 1e-9


class PatternOracle:
    """The best neuron on each of some activation patterns: nonnegative PCA on their cones.

    On the closed cone K of a pattern the outputs Bᵀa(w) are linear, Lw; ‖Lw‖ is maximised over the unit vectors of K.

    - *Rank ≤ 2*: exactly, over the cone's rays and L's top singular vector, where it lies in K.
    - *Higher rank*: projected power iteration w ← Π_K(LᵀLw)/‖·‖, each step of which maximises the linearisation over
      the cone's part of the ball and so never descends; Π_K(z) = z + Fᵀλ by nonnegative least squares over the walls
      Fw ≥ 0 (Moreau). It starts at the best of the projections of L's top singular vector and of its negative and the
      pattern's last maximiser, at first its gate. For one output that is the maximum already.

    A pattern whose maximum was h when its map was L' has at most h + ‖L − L'‖ now, and at most ‖L‖; only those that
    could beat the best are searched, until a step gains less than a thousandth, and the best of all is followed to the
    end.

    Parameters
    ----------
    rows: generator rows, shape (g, r).
    signs: ±1, shape (m, g); gates: a direction inside each pattern's cone, shape (r, m).
    """

    def __init__(self, rows: Floats, signs: NDArray[np.int8], gates: Floats) -> None:
        self.rows, self.signs = rows, signs
        self._active = (signs > 0).astype(np.float64)
        self._points = gates.T.copy()
        self._rays = _rays(rows, signs) if rows.shape[1] <= 2 else None
        self._searched: Floats | None = None
        self._heights = np.full(len(signs), np.inf)

    def exact(self, outputs: int) -> bool:
        """Say whether maxima over a pattern are global."""
        return self._rays is not None or outputs == 1

    def maps(self, dual: Floats) -> Floats:
        """Return L of every pattern, shape (m, c, r), for B of shape (2g, c)."""
        g, r = self.rows.shape
        c = dual.shape[1]
        jumps = ((dual[:g] + dual[g:])[:, :, None] * self.rows[:, None, :]).reshape(g, c * r)
        maps: Floats = (self._active @ jumps).reshape(-1, c, r) - dual[g:].T @ self.rows
        return maps

    def best(self, dual: Floats, deadline: Deadline | None = None) -> tuple[Floats, float]:
        """Return the unit direction of largest ‖Bᵀa(w)‖ over all patterns, shape (r,), and that value.

        Parameters
        ----------
        dual: B, shape (2g, c).
        deadline: ends the search early with what there is.
        """
        maps = self.maps(dual)
        top = np.linalg.svd(maps, full_matrices=False)
        if self._rays is not None:
            return self._best_of_rays(maps, top.Vh[:, 0])
        heights = np.linalg.norm(np.einsum("mcr,mr->mc", maps, self._points), axis=1)
        if self._searched is None:
            self._searched = maps.copy()
        drift = np.linalg.norm(maps - self._searched, axis=(1, 2))
        bounds = np.minimum(top.S[:, 0], self._heights + drift)
        best = int(np.argmax(heights))
        for i in np.argsort(-bounds):
            if bounds[i] <= heights[best] * (1.0 + WORTH) or (deadline is not None and deadline.expired):
                break
            self._points[i], heights[i] = self.search(int(i), maps[i], top.Vh[i, 0])
            self._searched[i], self._heights[i] = maps[i], heights[i]
            if heights[i] > heights[best]:
                best = int(i)
        w = _power_iteration(self._walls(best), maps[best], self._points[best], LEAST_GAIN)
        self._points[best] = w
        return w.copy(), float(np.linalg.norm(maps[best] @ w))

    def _walls(self, pattern: int) -> Floats:
        walls: Floats = self.signs[pattern][:, None] * self.rows
        return walls

    def _best_of_rays(self, maps: Floats, top: Floats) -> tuple[Floats, float]:
        assert self._rays is not None
        tried = np.concatenate([self._rays, top[:, None], -top[:, None]], axis=1)
        inside = np.einsum("mg,gr,mkr->mkg", self.signs, self.rows, tried, optimize=True).min(axis=2) >= -INSIDE
        heights = np.where(inside, np.linalg.norm(np.einsum("mcr,mkr->mkc", maps, tried), axis=2), -1.0)
        i, k = np.unravel_index(int(np.argmax(heights)), heights.shape)
        return tried[i, k].copy(), float(heights[i, k])

    def search(self, pattern: int, L: Floats, top: Floats) -> tuple[Floats, float]:
        """Return where the power iteration from a pattern's best start leads, shape (r,), and its value ‖Lw‖.

        Parameters
        ----------
        L: the pattern's map, shape (c, r); top: its top singular vector, shape (r,).
        """
        walls = self._walls(pattern)
        starts = [self._points[pattern]]
        starts += [w for w in (_projected(walls, top), _projected(walls, -top)) if w is not None]
        start = max(starts, key=lambda w: float(np.linalg.norm(L @ w)))
        w = _power_iteration(walls, L, start, COARSE_GAIN)
        return w, float(np.linalg.norm(L @ w))


def _rays(rows: Floats, signs: NDArray[np.int8]) -> Floats:
    """Return unit vectors that hold the rays of each pattern's cone, shape (m, k, r), for rank 1 or 2."""
    if rows.shape[1] == 1:
        only: Floats = (signs[:, :1] * np.sign(rows[0, 0]))[:, :, None]
        return only
    # Of the unit vectors along the walls, two are in the closed cone: its rays.
    normal = np.stack([-rows[:, 1], rows[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    both = np.vstack([normal, -normal])
    worst = np.einsum("mg,gr,kr->mkg", signs, rows, both, optimize=True).min(axis=2)
    chosen = np.argsort(-worst, axis=1)[:, :2]
    rays: Floats = both[chosen]
    return rays


def _projected(walls: Floats, z: Floats) -> Floats | None:
    """Return the unit vector along the projection of z onto {w : walls·w ≥ 0}; None where that is 0."""
    try:
        multipliers, _ = scipy.optimize.nnls(walls.T, -z)
    except RuntimeError:  # out of iterations
        return None
    w: Floats = z + walls.T @ multipliers
    length = float(np.linalg.norm(w))
    return w / length if length > 1e-8 * float(np.linalg.norm(z)) else None


def _power_iteration(walls: Floats, L: Floats, w: Floats, least_gain: float) -> Floats:
    """Return where w ← Π_K(LᵀLw)/‖·‖ leads to from a unit vector of K; ‖Lw‖ never falls."""
    height = float(np.linalg.norm(L @ w))
    for _ in range(POWER_STEPS):
        ahead = L.T @ (L @ w)
        length = float(np.linalg.norm(ahead))
        found = _projected(walls, ahead / length) if length > 0.0 else None
        if found is None:
            break
        reached = float(np.linalg.norm(L @ found))
        if reached <= height:
            break
        w, gain, height = found, reached / height - 1.0 if height > 0.0 else math.inf, reached
        if gain <= least_gain:
            break
    return w
