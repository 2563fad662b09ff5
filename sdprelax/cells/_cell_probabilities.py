"""How much of weight space each activation pattern takes: the weights that the NTK gives the gates' kernels.

A Gaussian gate g ~ N(0, I_r) falls in the cell {u : s_jx̂_jᵀu > 0 for every j} of pattern s with the probability of the
cell's solid angle over that of the sphere. Then Σ_iP(cell i)·D_iXXᵀD_i = (XXᵀ) ∘ (π − θ)/2π is the NTK of a gated ReLU
network on the training data (docs/mathematics/lasso.md, "The NTK and its repair").
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from sdprelax.base import Floats, Integers, positive_part

__all__ = ["cell_probabilities"]

# A row vanishes at a ray when their product is below this, several times the rounding of it.
VANISHES = 2e-15
# A spherical polygon that reaches so far from one of its vertices is measured by its angles.
LONG = 0.5
# Gaussian gates drawn where there is no closed form, and in one go.
DRAWS, BLOCK = 200_000, 20_000


def cell_probabilities(
    rows: Floats, signs: NDArray[np.int8], *, rng: np.random.Generator, draws: int = DRAWS
) -> Floats:
    """Return the probability of each pattern under Gaussian directions, shape (m,).

    Exact up to rounding in rank 1, 2 (arcs) and 3 (areas of spherical polygons): what is neglected is as if the rows
    had been moved by about 1e-15. Beyond, the frequency among ``draws`` Gaussian directions, with standard error
    √(p(1 − p)/draws).

    Parameters
    ----------
    rows: generator rows, shape (g, r), unit, no two parallel, of rank r.
    signs: patterns of ±1, shape (m, g). One whose cell is empty, or narrower than about 1e-15, has probability 0.
    rng: for the draws; untouched up to rank 3.
    """
    rank = rows.shape[1]
    if rank > 3:
        return _frequencies(rows, signs, rng, draws)
    if rank == 3:
        return _areas(rows, np.asarray(signs, dtype=np.int64)) / (4.0 * np.pi)
    if rank == 2:
        return _arcs(rows, signs) / (2.0 * np.pi)
    return np.where(np.all(signs * rows.T > 0.0, axis=1) | np.all(signs * rows.T < 0.0, axis=1), 0.5, 0.0)


def _arcs(rows: Floats, signs: NDArray[np.int8]) -> Floats:
    """Return the angles of the cells of rank 2, shape (m,)."""
    rays = np.hstack([np.stack([-rows[:, 1], rows[:, 0]]), np.stack([rows[:, 1], -rows[:, 0]])])
    at = rows @ rays
    at[np.abs(at) < VANISHES] = 0.0
    # A ray is an end of the cells with which it disagrees nowhere.
    ends = signs.astype(np.float64) @ np.sign(at) == np.sum(at != 0.0, axis=0)
    crossed, inner = rays[0] * rays[1][:, None] - rays[1] * rays[0][:, None], rays.T @ rays
    between = np.arctan2(np.abs(crossed), inner)
    return np.array([np.max(between[np.ix_(mine, mine)], initial=0.0) for mine in ends])


def _cross(a: Floats, b: Floats) -> Floats:
    """Return the unit vectors along a × b, shape (..., 3), to full precision for nearly parallel unit vectors too."""
    side = np.where(np.sum(a * b, axis=-1, keepdims=True) > 0.0, 1.0, -1.0)
    crossed = np.cross(a, b - side * a)
    return np.asarray(crossed / np.linalg.norm(crossed, axis=-1, keepdims=True))


def _areas(rows: Floats, signs: Integers) -> Floats:
    """Return the areas on the unit sphere of the cells of rank 3, shape (m,).

    Each cell is a triangle of three rows, clipped by all others (Sutherland and Hodgman 1974). A polygon's sides run
    counterclockwise and are known by their rows, so that a corner is the cross product of two rows, exact up to
    rounding; points would drift along rows that are nearly parallel.
    """
    first = scipy.linalg.qr(rows.T, mode="r", pivoting=True)[1][:3]
    m = len(signs)
    sides = np.tile(first, (m, 1))
    a, b, c = (signs[:, j, None] * rows[j] for j in first)
    clockwise = np.sum(a * _cross(b, c), axis=1) < 0.0
    sides[clockwise] = sides[clockwise][:, [0, 2, 1]]
    normals = np.take_along_axis(signs, sides, axis=1)[:, :, None] * rows[sides]
    corners, counts = _cross(np.roll(normals, 1, axis=1), normals), np.full(m, 3)
    for j in range(len(rows)):
        if j in first:
            continue
        heights = signs[:, j, None] * (corners @ rows[j])
        real = np.arange(sides.shape[1]) < counts[:, None]
        below = np.any(real & (heights < -VANISHES), axis=1)
        counts[~np.any(real & (heights > VANISHES), axis=1)] = 0
        cut = np.flatnonzero(below & (counts > 0))
        if len(cut):
            left = _clip(rows, signs[cut], j, corners[cut], sides[cut], counts[cut], heights[cut])
            width = left[1].shape[1]
            room = max(0, width - sides.shape[1])
            corners, sides = np.pad(corners, ((0, 0), (0, room), (0, 0))), np.pad(sides, ((0, 0), (0, room)))
            corners[cut, :width], sides[cut, :width], counts[cut] = left
    areas, alive = np.zeros(m), np.flatnonzero(counts)
    areas[alive] = _polygon_areas(rows, signs[alive], corners[alive], sides[alive], counts[alive])
    return areas


def _clip(
    rows: Floats, signs: Integers, j: int, corners: Floats, sides: Integers, counts: Integers, heights: Floats
) -> tuple[Floats, Integers, Integers]:
    """Return corners, sides and counts of what is left of polygons that row j cuts.

    Parameters
    ----------
    corners: shape (m, k, 3), of which the first ``counts`` of each polygon count.
    sides: row of the side that leaves each corner, shape (m, k).
    heights: of the corners over row j, some below 0 in each polygon and some above, shape (m, k).
    """
    m, k = sides.shape
    # From the highest corner on: kept corners, dropped ones, kept ones.
    real = np.arange(k) < counts[:, None]
    highest = np.argmax(np.where(real, heights, -np.inf), axis=1)
    turned = np.where(real, (highest[:, None] + np.arange(k)) % counts[:, None], np.arange(k))
    corners, sides = np.take_along_axis(corners, turned[:, :, None], axis=1), np.take_along_axis(sides, turned, axis=1)
    heights = np.take_along_axis(heights, turned, axis=1)
    kept = heights >= -VANISHES
    start = np.sum(np.logical_and.accumulate(kept & real, axis=1), axis=1)
    end = k - np.sum(np.logical_and.accumulate((kept | ~real)[:, ::-1], axis=1), axis=1)
    every = np.arange(m)
    normal = signs[:, j, None] * rows[j]
    down, up = sides[every, start - 1], sides[every, end - 1]
    leaving = _cross(signs[every, down, None] * rows[down], normal)
    entering = _cross(normal, signs[every, up, None] * rows[up])
    # A corner on row j is where the polygon meets it: no other is made there.
    leaves_on = heights[every, start - 1] <= VANISHES
    enters_on = heights[every, end % counts] <= VANISHES
    slot = np.arange(k)
    before = np.where(slot == start[:, None] - 1, np.where(leaves_on[:, None], j, sides), sides)
    new_corners = np.concatenate([corners, leaving[:, None], entering[:, None], corners], axis=1)
    new_sides = np.concatenate([before, np.full((m, 1), j), up[:, None], sides], axis=1)
    used = np.concatenate(
        [slot < start[:, None], ~leaves_on[:, None], ~enters_on[:, None], (slot >= end[:, None]) & real], axis=1
    )
    left = np.sum(used, axis=1)
    order = np.argsort(~used, axis=1, kind="stable")[:, : int(np.max(left))]
    return (
        np.take_along_axis(new_corners, order[:, :, None], axis=1),
        np.take_along_axis(new_sides, order, axis=1),
        left,
    )


def _polygon_areas(rows: Floats, signs: Integers, corners: Floats, sides: Integers, counts: Integers) -> Floats:
    """Return the areas of spherical polygons, shape (m,); arguments as in :func:`_clip`.

    A long polygon's is 2π less its exterior angles (Girard), those between the rows of its sides. That has an error of
    1e-16, and a polygon whose sides move by so much changes by as much. A small one changes by less, so it is a fan of
    triangles by the formula of Van Oosterom and Strackee (1983), which keeps the digits of small ones.
    """
    slot = np.arange(sides.shape[1])
    real = slot < counts[:, None]
    # What does not count repeats the last corner: triangles of no area.
    corners = np.take_along_axis(corners, np.minimum(slot, counts[:, None] - 1)[:, :, None], axis=1)
    a, b, c = corners[:, :1], corners[:, 1:-1], corners[:, 2:]
    # The triple product of differences keeps the digits of thin triangles.
    volume = np.sum(np.cross(b - a, c - b) * a, axis=2)
    below = 1.0 + np.sum(a * b + b * c + c * a, axis=2)
    fans = np.sum(2.0 * np.arctan2(volume, below), axis=1)
    normals = np.take_along_axis(signs, sides, axis=1)[:, :, None] * rows[sides]
    following = np.where(slot + 1 < counts[:, None], slot + 1, 0)
    nexts = np.take_along_axis(normals, following[:, :, None], axis=1)
    turns = 2.0 * np.arctan2(np.linalg.norm(normals - nexts, axis=2), np.linalg.norm(normals + nexts, axis=2))
    angles = 2.0 * np.pi - np.sum(turns, axis=1, where=real)
    long = np.max(np.linalg.norm(corners - a, axis=2), axis=1) > LONG
    return np.asarray(positive_part(np.where(long, angles, fans)))


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
