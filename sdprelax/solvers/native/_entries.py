"""Compiled loops over what the splitting does entry by entry between activations, tile by tile, each entry read once.

With z over (α, β) in its blocks Z_αα, Z_αβ, Z_ββ and the face's coordinates (s, t), t = Ey (docs/solver.md,
"Alternating directions"), 2x − z is |z|, but −z where products vanish, at α_iβ_i.
"""

from __future__ import annotations

import numpy as np

from sdprelax.base import Floats, compiled

__all__ = ["fold", "move"]

# Rows and columns of a tile: what a tile needs of all arrays stays in the cache.
TILE = 96


@compiled("void(f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1], f8[:,:], f8[:,::1], f8[:,::1])", nogil=True)
def fold(aa: Floats, ab: Floats, bb: Floats, E: Floats, ss: Floats, st: Floats, tt: Floats) -> None:
    """Fold the mirrored blocks M = 2x − z into coordinates.

    Parameters
    ----------
    aa, ab, bb: z, shape (g, g); aa and bb are symmetric.
    E: shape (g, r).
    ss: is set to ½(M_αα + M_ββ + M_αβ + M_αβᵀ), shape (g, g).
    st, tt: are set to (M_αα − M_ββ − M_αβ + M_αβᵀ)E and (M_αα + M_ββ − M_αβ − M_αβᵀ)E, shape (g, r).
    """
    g = len(aa)
    st[:], tt[:] = 0.0, 0.0
    skew, turned, sums = np.empty((TILE, TILE)), np.empty((TILE, TILE)), np.empty((TILE, TILE))
    for i0 in range(0, g, TILE):
        i1 = min(i0 + TILE, g)
        for j0 in range(i0, g, TILE):
            j1 = min(j0 + TILE, g)
            for i in range(i0, i1):
                for j in range(j0, j1):
                    across = -ab[i, i] if i == j else abs(ab[i, j])
                    back = -ab[i, i] if i == j else abs(ab[j, i])
                    first, second = abs(aa[i, j]), abs(bb[i, j])
                    both, even = first + second, across + back
                    ss[i, j] = ss[j, i] = 0.5 * (both + even)
                    sums[i - i0, j - j0] = both - even
                    skew[i - i0, j - j0] = first - second - across + back
                    turned[i - i0, j - j0] = first - second - back + across
            rows, columns = i1 - i0, j1 - j0
            if rows < TILE or columns < TILE:
                # What BLAS multiplies is contiguous.
                some_skew, some_sums = skew[:rows, :columns].copy(), sums[:rows, :columns].copy()
                some_turned = turned[:rows, :columns].copy()
            else:
                some_skew, some_sums, some_turned = skew, sums, turned
            st[i0:i1] += np.dot(some_skew, E[j0:j1])
            tt[i0:i1] += np.dot(some_sums, E[j0:j1])
            if i0 < j0:
                st[j0:j1] += np.dot(some_turned.T, E[i0:i1])
                tt[j0:j1] += np.dot(some_sums.T, E[i0:i1])


@compiled(inline="always")
def _moved(z: float, y: float, relaxation: float, weight: float, sums: Floats) -> float:
    """Return a number of z after the step, where x = max(z, 0); its squares are added to the sums."""
    x = max(z, 0.0)
    new = z + relaxation * (y - x)
    sums[0] += weight * (y - x) ** 2
    sums[1] += weight * y**2
    sums[2] += weight * (max(new, 0.0) - x) ** 2
    sums[3] += weight * min(new, 0.0) ** 2
    return new


@compiled(
    "UniTuple(f8, 4)(f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1], f8[:,:], f8[:,::1], f8[:,::1], f8)", nogil=True
)  # fmt: skip
def move(
    aa: Floats, ab: Floats, bb: Floats, E: Floats, ss: Floats, st: Floats, tt: Floats, relaxation: float
) -> tuple[float, float, float, float]:
    """Set z ← z + θ(y − x), for y of a matrix R over coordinates; return ‖y − x‖², ‖y‖², ‖x − x before‖², ‖z − x‖².

    Parameters
    ----------
    aa, ab, bb: z, shape (g, g); it is changed.
    E: shape (g, r).
    ss: R_ss, shape (g, g).
    st, tt: R_sy and ER_yy, shape (g, r).
    relaxation: θ.
    """
    g, sums = len(aa), np.zeros(4)
    for i0 in range(0, g, TILE):
        i1 = min(i0 + TILE, g)
        for j0 in range(i0, g, TILE):
            j1 = min(j0 + TILE, g)
            here, there = np.dot(st[i0:i1], E[j0:j1].T), np.dot(st[j0:j1], E[i0:i1].T)
            square = np.dot(tt[i0:i1], E[j0:j1].T)
            for i in range(i0, i1):
                for j in range(max(j0, i), j1):
                    twice = 1.0 if i == j else 2.0
                    right, left, s = here[i - i0, j - j0], there[j - j0, i - i0], ss[i, j]
                    even, odd = 0.5 * (square[i - i0, j - j0] + s), 0.5 * (right + left)
                    aa[i, j] = aa[j, i] = _moved(aa[i, j], even + odd, relaxation, twice, sums)
                    bb[i, j] = bb[j, i] = _moved(bb[i, j], even - odd, relaxation, twice, sums)
                    y = odd - right - even + s
                    if i == j:
                        # x is 0 where the product vanishes.
                        new = ab[i, i] + relaxation * y
                        ab[i, i] = new
                        sums[0] += 2.0 * y**2
                        sums[1] += 2.0 * y**2
                        sums[3] += 2.0 * new**2
                    else:
                        ab[i, j] = _moved(ab[i, j], y, relaxation, 2.0, sums)
                        ab[j, i] = _moved(ab[j, i], odd - left - even + s, relaxation, 2.0, sums)
    return sums[0], sums[1], sums[2], sums[3]
