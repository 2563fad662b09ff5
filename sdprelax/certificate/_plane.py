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
    sides = _sides(np.vstack([free, normals]))
    # A cone is the closure of the arcs inside, or has none: what holds on all of the plane holds on it.
    inside = np.all(sides[len(free) :] >= 0, axis=0)
    largest = np.zeros(len(pairs))
    for side in sides[: len(free), inside if np.any(inside) else slice(None)].T:
        require_time(deadline)
        behind = np.where(side[:, None] < 0, free, 0.0)
        size = (constant - Ball.exact(behind).combined(S)).row_norms()
        np.maximum(
            largest,
            np.where((size > 0.0)[first] & (size > 0.0)[second], size[first] * size[second] + LEAST, 0.0),
            out=largest,
        )
    return largest * ROUNDING


def _sides(rows: Floats) -> NDArray[np.int8]:
    """Return the sign that each row has on each arc between neighbouring perpendiculars, shape (k, arcs)."""
    line, sign = lines_by_angle(rows)
    # Just after the perpendicular of line m, a quarter turn on, w is behind the ends of lines 0 to m alone.
    half = np.where(line[:, None] > np.arange(max(int(np.max(line, initial=-1)) + 1, 1)), sign[:, None], -sign[:, None])
    return np.hstack([half, -half])
