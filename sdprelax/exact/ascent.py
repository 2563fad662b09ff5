"""Local maxima of the oracle's function ‖f(w)‖, f(w) = L₀w + Σ_j c_j(x̂_jᵀw)₊, on the unit sphere.

Two steps. Gradient ascent along great circles leads into the right region but crawls where the maximum lies on a
hyperplane. From there the maximum is sought in closed form: within a face of the arrangement the function is the
length of a linear map, whose maximiser is its top singular vector; the faces tried are those spanned by
the nearest hyperplanes, from none of them to all.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from sdprelax.exact.oracle import Candidates, value
from sdprelax.verified import Floats

__all__ = ["climb"]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

STEPS = 60
# Great-circle steps below this angle are not tried, nor ascents continued that gain less than this share.
SHORTEST, LEAST_GAIN = 1e-7, 1e-9
# Hyperplanes through a direction that are tried to be faces; in high rank more of them cost more than they find.
FACES, ROUNDS = 8, 3


@_compiled
def _height(rows: Floats, jump: Floats, base: Floats, w: Floats, outputs: Floats) -> float:
    """Fill f(w) and return its length."""
    for o in range(len(outputs)):
        outputs[o] = 0.0
        for i in range(len(w)):
            outputs[o] += base[o, i] * w[i]
    for j in range(len(rows)):
        y = 0.0
        for i in range(len(w)):
            y += rows[j, i] * w[i]
        if y > 0.0:
            for o in range(len(outputs)):
                outputs[o] += jump[j, o] * y
    square = 0.0
    for o in range(len(outputs)):
        square += outputs[o] * outputs[o]
    return math.sqrt(square)


@_compiled
def _tangent(rows: Floats, jump: Floats, base: Floats, w: Floats, outputs: Floats, gradient: Floats) -> float:
    """Fill the gradient of ½‖f‖² within the sphere and return its length."""
    for i in range(len(w)):
        gradient[i] = 0.0
        for o in range(len(outputs)):
            gradient[i] += base[o, i] * outputs[o]
    for j in range(len(rows)):
        y = 0.0
        for i in range(len(w)):
            y += rows[j, i] * w[i]
        if y > 0.0:
            weight = 0.0
            for o in range(len(outputs)):
                weight += jump[j, o] * outputs[o]
            for i in range(len(w)):
                gradient[i] += weight * rows[j, i]
    along = square = 0.0
    for i in range(len(w)):
        along += gradient[i] * w[i]
    for i in range(len(w)):
        gradient[i] -= along * w[i]
        square += gradient[i] * gradient[i]
    return math.sqrt(square)


@_compiled
def _ascend(rows: Floats, jump: Floats, base: Floats, starts: Floats, steps: int) -> None:
    """Replace every unit row of ``starts`` (k, r) by the end of its ascent."""
    count, r = starts.shape
    outputs, tried, gradient = np.empty(jump.shape[1]), np.empty(jump.shape[1]), np.empty(r)
    w, x = np.empty(r), np.empty(r)
    for k in range(count):
        w[:] = starts[k]
        reached = _height(rows, jump, base, w, outputs)
        angle = 0.5
        for _ in range(steps):
            length = _tangent(rows, jump, base, w, outputs, gradient)
            if not length > 1e-12 * reached * reached:
                break
            first, ahead = True, reached
            while angle > SHORTEST:
                for i in range(r):
                    x[i] = math.cos(angle) * w[i] + math.sin(angle) / length * gradient[i]
                ahead = _height(rows, jump, base, x, tried)
                if ahead > reached:
                    break
                angle *= 0.4
                first = False
            if not ahead > reached:
                break
            gain = (ahead - reached) / ahead
            w[:] = x
            outputs[:] = tried
            reached = ahead
            if first:
                angle = min(1.8 * angle, 1.0)
            if gain < LEAST_GAIN:
                break
        starts[k] = w / np.sqrt(np.sum(w * w))


def climb(rows: Floats, dual: Floats, starts: Floats, *, above: float, count: int, separation: float) -> Candidates:
    """Return local maxima with value > ``above`` that ascents from unit columns ``starts`` (r, k) lead to.

    At most ``count`` are followed into the faces, no two of them within the distance ``separation``.
    """
    g = len(rows)
    rows = np.ascontiguousarray(rows)
    jump = np.ascontiguousarray(dual[:g] + dual[g:])
    base = np.ascontiguousarray(-(dual[g:].T @ rows))
    ends = np.array(starts.T, order="C")
    _ascend(rows, jump, base, ends, STEPS)
    hills = Candidates.ranked(ends.T, value(rows, dual, ends.T)).distinct(count, separation)
    peaks = _into_faces(rows, dual, jump, base, hills)
    return Candidates.ranked(peaks.directions, peaks.values, above)


def _into_faces(rows: Floats, dual: Floats, jump: Floats, base: Floats, hills: Candidates) -> Candidates:
    """Return each direction, or a better one that is a top singular vector on a face next to it."""
    w, best = hills.directions.T.copy(), hills.values.copy()
    nearest = min(rows.shape[1] - 1, FACES)
    for _ in range(ROUNDS):
        inner = w @ rows.T
        order = np.argsort(np.abs(inner), axis=1)[:, :nearest]
        improved = False
        for zeros in range(nearest + 1):
            face = order[:, :zeros]
            active = (inner > 0.0).astype(np.float64)
            np.put_along_axis(active, face, 0.0, axis=1)
            maps = base + np.einsum("kg,gc,gi->kci", active, jump, rows, optimize=True)
            if zeros:
                basis = np.linalg.svd(rows[face], full_matrices=True)[2][:, zeros:, :]
                maps = maps @ np.swapaxes(basis, 1, 2)
            top = np.linalg.eigh(np.swapaxes(maps, 1, 2) @ maps)[1][:, :, -1]
            found = np.einsum("kz,kzi->ki", top, basis) if zeros else top
            found *= np.where(np.einsum("ki,ki->k", found, w) < 0.0, -1.0, 1.0)[:, None]
            heights = value(rows, dual, found.T)
            better = heights > best * (1.0 + 1e-14)
            improved |= bool(np.any(better))
            w[better], best[better] = found[better], heights[better]
        if not improved:
            break
    return Candidates(w.T, best)
