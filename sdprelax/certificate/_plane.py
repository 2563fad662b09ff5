"""Proves in the plane that products of two forms vanish, from rows and forms alone.

A form aᵀβ + bᵀw with β_i = (−x̂_iᵀw)₊ is linear wherever every row keeps its sign: ℓᵀw with ℓ = b − Σ a_ix̂_i over the
rows on whose negative side w is. In rank 2 the rows' perpendiculars cut the plane into arcs, two for each line, so that
|g_pᵀz·g_qᵀz| ≤ max over the arcs of a cone of ‖ℓ_p‖‖ℓ_q‖ · ‖w‖². Which arcs there are, and on which side of every row
they lie, is a matter of the order of the rows' lines alone, which :func:`sdprelax.cells.lines_by_angle` knows exactly.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sdprelax.base import Ball, Deadline, Floats
from sdprelax.cells import lines_by_angle
from sdprelax.certificate._checks import require_time

__all__ = ["vanishing_bounds"]

# Above what rounding and underflow can change in a product of two norms.
ROUNDING, LEAST = 1.0 + 1e-14, 1e-300


def vanishing_bounds(
    free: Floats,
    normals: Floats,
    S: sp.sparray | Floats,
    X: Floats,
    pairs: NDArray[np.int64],
    deadline: Deadline | None = None,
) -> Floats:
    """Return ζ ≥ 0, shape (m,), with |g_pᵀz·g_qᵀz| ≤ ζ‖w‖² for every neuron in a cone and each pair (p, q) of forms.

    Where a product vanishes ζ is of the size of rounding. Beyond rank 2 nothing is proved, and ζ is infinite.

    Parameters
    ----------
    free: the rows x̂_i of β, shape (k, r).
    normals: of the cone {w : n_lᵀw ≥ 0}, shape (p, r).
    S, X: forms S_pβ + X_pw, shape (f, k) and (f, r).
    pairs: of forms, shape (m, 2).

    Raises
    ------
    CertificateError: the time is up.
    """
    if X.shape[1] != 2:
        return np.full(len(pairs), np.inf)
    involved, place = np.unique(pairs, return_inverse=True)
    first, second = place.reshape(-1, 2).T
    S, constant = sp.csr_array(S)[involved], Ball.exact(X[involved])
    sides, rays = _arcs(np.vstack([free, normals]))
    # A cone is the closure of the arcs inside, or has none: what holds on all of the plane holds on it.
    inside = np.all(sides[len(free) :] >= 0, axis=0)
    largest = np.zeros(len(pairs))
    for arc in np.flatnonzero(inside if np.any(inside) else ~inside):
        require_time(deadline)
        behind = np.where(sides[: len(free), arc][:, None] < 0, free, 0.0)
        size = _largest(constant - Ball.exact(behind).combined(S), rays[arc])
        live = (size[first] != 0.0) & (size[second] != 0.0)
        np.maximum(largest, np.where(live, size[first] * size[second] + LEAST, 0.0), out=largest)
    return largest * ROUNDING


def _largest(pieces: Ball, rays: Floats) -> Floats:
    """Return upper bounds of |ℓᵀw|/‖w‖ on the arc between two rays, the rows, for each ℓ, shape (f,).

    With w = ar + bs and rᵀs ≥ 0 for unit r and s, ‖w‖² ≥ a² + b², so that (ℓᵀw)² ≤ ((ℓᵀr)² + (ℓᵀs)²)‖w‖².
    """
    size = pieces.row_norms()
    lengths = np.linalg.norm(rays, axis=1)
    ordinary = np.all((np.abs(rays) < 1e100) & (lengths[:, None] > 1e-100))
    if ordinary and rays[0] @ rays[1] > 1e-14 * lengths[0] * lengths[1]:
        ends = (pieces @ Ball.exact(rays).T).magnitude() / lengths
        size = np.minimum(size, np.hypot(ends[:, 0], ends[:, 1]) * ROUNDING)
    return size


def _arcs(rows: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return the arcs between neighbouring perpendiculars.

    Returns
    -------
    The sign that each row has on each arc, shape (k, arcs), and the rays at the ends of each, shape (arcs, 2, 2); of
    one line these are opposite, and where there is none the only arcs are twice all of the plane, with rays of zeros.
    """
    line, sign = lines_by_angle(rows)
    count = int(np.max(line, initial=-1)) + 1
    # Just after the perpendicular of line m, a quarter turn on, w is behind the ends of lines 0 to m alone.
    half = np.where(line[:, None] > np.arange(max(count, 1)), sign[:, None], -sign[:, None])
    first = [int(np.flatnonzero(line == number)[0]) for number in range(count)]
    ends = rows[first] * sign[first, None] if count else np.zeros((1, 2))
    quarter = np.stack([-ends[:, 1], ends[:, 0]], axis=1)
    rays = np.concatenate([quarter, -quarter])
    return np.hstack([half, -half]), np.stack([rays, np.roll(rays, -1, axis=0)], axis=1)
