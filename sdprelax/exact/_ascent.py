"""Local maxima of the oracle's function ‖f(w)‖, f(w) = L₀w + Σ_j c_j(x̂_jᵀw)₊, on the unit sphere.

Two steps. Gradient ascent along great circles leads into the right region but crawls where the maximum lies on a
hyperplane. From there the maximum is sought in closed form: within a face of the arrangement the function is the
length of a linear map, whose maximiser is its top singular vector; the faces tried are those spanned by
the nearest hyperplanes, from none of them to all.
"""

from __future__ import annotations

import numpy as np

from sdprelax.base import Floats
from sdprelax.exact._oracle import Candidates, value

__all__ = ["climb"]

STEPS = 60
# Hyperplanes through a direction that are tried to be faces; in high rank more of them cost more than they find.
FACES, ROUNDS = 8, 3


def climb(rows: Floats, dual: Floats, starts: Floats, *, above: float, count: int, separation: float) -> Candidates:
    """Return local maxima with value > ``above`` that ascents from unit columns ``starts`` (r, k) lead to.

    At most ``count`` are followed into the faces, no two of them within the distance ``separation``.
    """
    # Kernels are loaded where they are called for.
    from sdprelax.exact._great_circles import ascend

    g = len(rows)
    rows = np.ascontiguousarray(rows)
    jump = np.ascontiguousarray(dual[:g] + dual[g:])
    base = np.ascontiguousarray(-(dual[g:].T @ rows))
    ends = np.array(starts.T, order="C")
    ascend(rows, jump, base, ends, STEPS)
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
