"""Proves that the forms of a block are nonnegative for every neuron of its cone, and which of their products vanish.

Why a family of inequalities (:mod:`sdprelax.lifting.inequalities`) is valid nobody is asked. A form is aᵀβ + bᵀw, with
β_i = (−x̂_iᵀw)₊, on the cone {w : n_lᵀw ≥ 0} of the normals n_l of a path. Since (t)₊ ≥ θt for every θ in [0, 1], with
equality for θ = 0 or θ = 1, it is nonnegative on the cone exactly if for each choice of θ_i in {0, 1} where a_i < 0

    b = Σ_i a_iθ_ix̂_i + Σ_l μ_ln_l,      θ_i in [0, 1] where a_i > 0,  μ ≥ 0.

Any θ and μ that fall short of b by ρ prove that the form is at least −‖ρ‖‖w‖. They are found by nonnegative least
squares, which need not be believed: ρ is computed with its rounding errors.

With a sector a form also has pᵀv + τt, of a balanced neuron with t = ‖w‖ = ‖v‖. On the cone of the sector's rays r_k,
where v = Σλ_kr_k/‖r_k‖ with λ ≥ 0, pᵀv is Σλ_kq_k, q_k = pᵀr_k/‖r_k‖. Since Σλ_k ≥ ‖v‖, and Σλ_k ≤ ‖v‖‖m‖/s for any m
with mᵀr_k ≥ s‖r_k‖ > 0, that is at least min q_k·‖v‖ if all q_k ≥ 0, and else min q_k·‖v‖‖m‖/s; and at least −‖p‖‖v‖.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sdprelax.base import UNIT, Ball, Deadline, Floats, bound_above, gamma, positive_part
from sdprelax.cells import Cone, Sector, combination
from sdprelax.certificate._checks import require, require_time
from sdprelax.certificate._plane import vanishing_bounds
from sdprelax.lifting.inequalities import Forms, Pairs

__all__ = ["MOST_CONCAVE", "ProvedForms", "path_normals", "proved_forms", "shortfalls"]

# Negative entries of a in one form: their choices of θ double with each.
MOST_CONCAVE = 4
# Far above all that can underflow in the size of a form.
LEAST_SIZE = 1e-130
# A form that may be below minus this share of its largest magnitude is not proved.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True, eq=False)
class ProvedForms:
    """Forms of a block that are proved nonnegative but for rounding.

    Attributes
    ----------
    forms: the forms g_pᵀz.
    zero: where products of two forms are proved to vanish, shape (m, m).
    shortfall: ρ_p ≥ 0 with g_pᵀz ≥ −ρ_p‖w‖ for every (balanced) neuron in the cone, shape (m,).
    size: s_p with |g_pᵀz| ≤ s_p‖w‖, shape (m,).
    rows: the generator rows, shape (g, r).
    """

    forms: Forms
    zero: NDArray[np.bool_]
    shortfall: Floats
    size: Floats
    rows: Floats

    def excess(self, N: Floats, deadline: Deadline | None = None) -> float:
        """Return e with zᵀGᵀNGz ≥ −e‖w‖² for every neuron in the cone.

        A product of two forms is at least −max(ρ_ps_q, ρ_qs_p)‖w‖². In the plane products are also at most ζ_pq‖w‖² in
        absolute value, some of the size of rounding.

        Raises
        ------
        CertificateError: N is negative where a product is not proved to vanish, or the time is up.
        """
        found = self._almost_zero(N, deadline)
        if np.any(self.shortfall):
            found += bound_above(2.0 * float(self.shortfall @ (positive_part(N) @ self.size)), 2 * len(N) + 4)
        return bound_above(found, 1) if found else 0.0

    def bounds(self, pairs: Pairs, deadline: Deadline | None = None) -> Floats:
        """Return ζ with |g_pᵀz·g_qᵀz| ≤ ζ‖w‖² for each pair (p, q), shape (m,): ∞ where v or t enter, or beyond rank 2.

        Raises
        ------
        CertificateError: the time is up.
        """
        cone, r, G = self.forms.cone, self.rows.shape[1], self.forms.matrix
        k, normals = len(cone.undetermined), path_normals(self.rows, cone)
        found = vanishing_bounds(
            self.rows[cone.undetermined], normals, G[:, :k], G[:, k : k + r].toarray(), pairs, deadline
        )
        of_outputs = np.diff(sp.csr_array(G[:, k + r :]).indptr) > 0
        return np.where(np.any(of_outputs[pairs], axis=1), np.inf, found)

    def _almost_zero(self, N: Floats, deadline: Deadline | None) -> float:
        """Return what negative multipliers cost: of products that vanish but for rounding, and of squares."""
        pairs = np.argwhere(np.triu((N < 0.0) & ~self.zero))
        if not len(pairs):
            return 0.0
        bounds, (first, second) = self.bounds(pairs, deadline), pairs.T
        square = (first == second) & np.isfinite(bounds)
        vanish = bounds <= NEGLIGIBLE * self.size[first] * self.size[second]
        require(bool(np.all(vanish | square)), "its N has a negative entry where it must be nonnegative")
        times = np.where(square, 1.0, 2.0)
        return bound_above(float((times * np.abs(N[first, second])) @ bounds), len(pairs) + 4)


def proved_forms(rows: Floats, forms: Forms, deadline: Deadline | None = None) -> ProvedForms:
    """Return the forms of a block with what is proved of them, from the generator rows and the cone's path alone.

    Raises
    ------
    CertificateError: a form is not nonnegative for every neuron in the cone, or the time is up.
    """
    free, normals = rows[forms.cone.undetermined], path_normals(rows, forms.cone)
    k, r, cone = len(free), rows.shape[1], forms.cone
    S, X, outputs = (forms.matrix[:, places] for places in (slice(k), slice(k, k + r), slice(k + r, None)))
    X, outputs = X.toarray(), outputs.toarray()
    # β_i is its own form, α_i = β_i + x̂_iᵀw: 1 + i says of which row a form is β, −1 − i of which it is α.
    inner = ~np.any(outputs != 0.0, axis=1)
    alone = np.flatnonzero((np.diff(S.indptr) == 1) & (S.sum(axis=1) == 1.0) & inner)
    row, name = S.indices[S.indptr[alone]], np.zeros(len(X), dtype=np.int64)
    name[alone] = np.select(
        [np.all(X[alone] == 0.0, axis=1), np.all(X[alone] == free[row], axis=1)], [1 + row, -1 - row]
    )
    bare = np.flatnonzero((np.diff(S.indptr) == 0) & inner)
    wall = bare[np.any(np.all(X[bare][:, None] == normals, axis=2), axis=1)]
    others = np.setdiff1d(np.flatnonzero(name == 0), wall)
    magnitude = abs(S) @ Ball.exact(free).row_norms() + Ball.exact(X).row_norms()
    if cone.sector is not None:
        magnitude = magnitude + np.sum(np.abs(outputs), axis=1)
    # Products may underflow, and N may be large; more than the size of a form only charges more.
    shortfall, size = np.zeros(len(X)), magnitude * (1.0 + 4.0 * gamma(len(free) + 4)) + LEAST_SIZE
    if len(others):
        shortfall[others] = shortfalls(free, normals, S[others].toarray(), X[others], deadline)
        if cone.sector is not None:
            shortfall[others] = _less(shortfall[others], outputs[others], cone.sector)
    for p in np.flatnonzero(shortfall > NEGLIGIBLE * size):
        family = next(name for name, place in forms.places.items() if place.start <= p < place.stop)
        lowest = f"one of its forms may be as low as {-shortfall[p]:.1e} times ‖w‖"
        require(False, f"its inequality '{family}' is not proved to hold for every neuron: {lowest}")
    # The α and β of a row of zeros vanish by themselves.
    nothing = np.zeros(len(X), dtype=bool)
    nothing[alone] = (name[alone] > 0) & np.all(free[row] == 0.0, axis=1)
    zero = (name[:, None] == -name) & (name != 0) | nothing[:, None] | nothing
    return ProvedForms(forms, zero, shortfall, size, rows)


def _less(shortfall: Floats, outputs: Floats, sector: Sector) -> Floats:
    """Return ρ ≥ 0 with form ≥ −ρt for forms that are at least −shortfall·‖w‖ + pᵀv + τt of a balanced neuron.

    Parameters
    ----------
    shortfall: shape (m,).
    outputs: (p, τ), shape (m, c + 1); of one output, where v = ±t, τ alone, shape (m, 1).
    """
    p, tau = outputs[:, :-1], outputs[:, -1]
    least = np.zeros(len(p))
    if p.shape[1]:
        rays = Ball.exact(sector.rays.T.astype(np.float64))
        squares = [float(sum(int(entry) ** 2 for entry in ray)) for ray in sector.rays.T]
        # A correctly rounded root of a rounded square is within 3 units in the last place.
        length = np.sqrt(np.array(squares))
        above, below = length * (1.0 + 8.0 * UNIT), length * (1.0 - 8.0 * UNIT)
        middle = (Ball.exact(sector.middle[None]) @ rays.T).ends()[0][0] / above
        spread = Ball.exact(sector.middle[None]).row_norms()[0] / max(
            float(np.min(middle)) * (1.0 - 8.0 * UNIT), 1e-300
        )
        low = (Ball.exact(p) @ rays.T).ends()[0]
        q = np.min(np.where(low >= 0.0, low / above, low / below), axis=1)
        q = np.where(q >= 0.0, q * (1.0 - 8.0 * UNIT), q * (spread * (1.0 + 16.0 * UNIT)))
        least = np.maximum(q, -Ball.exact(p).row_norms())
    missing = Ball.exact(shortfall) - Ball.exact(least) - Ball.exact(tau)
    return positive_part(missing.ends()[1])


def path_normals(rows: Floats, cone: Cone) -> Floats:
    """Return the inward normals of the hyperplanes on a cone's path, shape (p, r)."""
    path = cone.path
    return np.array([side * rows[row] for row, side in path]).reshape(len(path), rows.shape[1])


def shortfalls(free: Floats, normals: Floats, S: Floats, X: Floats, deadline: Deadline | None = None) -> Floats:
    """Return ρ ≥ 0, shape (m,), such that S_pβ + X_pw ≥ −ρ_p‖w‖ for every neuron in a cone.

    Parameters
    ----------
    free: the rows x̂_i of β, shape (k, r).
    normals: n_l, shape (p, r).
    S, X: forms, shape (m, k) and (m, r).

    Raises
    ------
    CertificateError: a form has more negative entries in S than are tried, or the time is up.
    """
    found = np.zeros(len(X))
    cases = [(p, *case) for p in range(len(X)) for case in _cases(free, normals, S[p], X[p], deadline)]
    if cases:
        owner, convex, conic = (np.array(part) for part in zip(*cases, strict=True))
        rest = Ball.exact(X[owner]) - Ball.exact(conic) @ Ball.exact(normals)
        if np.any(convex):
            rest = rest - Ball.exact(convex) @ Ball.exact(free)
        np.maximum.at(found, owner, rest.row_norms())
    return found


def _cases(
    free: Floats, normals: Floats, a: Floats, b: Floats, deadline: Deadline | None
) -> Iterator[tuple[Floats, Floats]]:
    """Yield, for each choice of θ where a form's a is negative, the aθ, shape (k,), and μ that leave little of b."""
    rising, falling = np.flatnonzero(a > 0.0), np.flatnonzero(a < 0.0)
    require(len(falling) <= MOST_CONCAVE, f"a form of it subtracts {len(falling)} activations, beyond {MOST_CONCAVE}")
    caps, count = a[rising], len(rising)
    # What b is combined of, with aθ ≤ a by slack variables: rows, normals, slacks.
    parts = np.zeros((2 * count + len(normals), len(b) + count))
    parts[:, : len(b)] = np.vstack([free[rising], normals, np.zeros((count, len(b)))])
    parts[:count, len(b) :] = parts[count + len(normals) :, len(b) :] = np.eye(count)
    for chosen in itertools.product((0.0, 1.0), repeat=len(falling)):
        require_time(deadline)
        share = np.zeros(len(a))
        share[falling] = a[falling] * chosen
        weights, _ = combination(np.concatenate([b - share @ free, caps]), parts)
        require(bool(np.all(weights >= 0.0)), "a row of a cone has no side")
        share[rising] = np.minimum(weights[:count], caps)
        yield share, weights[count : count + len(normals)]
