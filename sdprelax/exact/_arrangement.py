"""The arrangement of hyperplanes {w : x̂_jᵀw = 0} that separates the activation patterns.

Its cells are the sets of hidden weights with one activation pattern; its rays (vertices) are the
directions in which rank − 1 independent hyperplanes meet. Everything works on generator rows:
unit, no two parallel, spanning (see ``sdprelax.problem._reduction``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats
from sdprelax.cells import cross_products
from sdprelax.exact._oracle import Candidates, value

__all__ = ["Arrangement", "activation_patterns", "count_patterns"]

# A row this near to a multiple of another one cuts nothing of its restriction to it.
INDEPENDENT = 1e-9
# Rays looked around in one call of the oracle.
RAYS = 3000
# A row vanishes at a ray when their product is below this.
VANISHES = 1e-10


def count_patterns(generators: int, rank: int) -> int:
    """Return the largest possible number of activation patterns: 2·Σ_{k<r} C(g − 1, k) (Cover 1965)."""
    return 2 * sum(math.comb(max(generators - 1, 0), k) for k in range(rank))


class Arrangement:
    """Rays and faces of the arrangement, and the oracle that they give.

    The maximum of ‖Bᵀa(w)‖ over the unit sphere lies in the relative interior of some face; there it
    is a top eigenvector of the quadratic form of that face's pattern restricted to the face's
    span (docs/mathematics/exact.md). Every face is adjacent to a ray, so for rows in general position
    the 3^{r−1} faces around all rays give the maximum, in floating point. It proposes; bounds are proved by
    ``sdprelax.certificate._cone_cover``, which shares nothing with it.

    Parameters
    ----------
    rows: generator rows, shape (g, r), of rank r.
    """

    def __init__(self, rows: Floats) -> None:
        self.rows = rows
        self.generators, self.rank = rows.shape
        self.subsets, self.rays = self._enumerate_rays()
        inner = rows @ self.rays
        inner[np.abs(inner) < VANISHES] = 0.0
        self._signs: NDArray[np.int8] = np.sign(inner).astype(np.int8).T

    def _enumerate_rays(self) -> tuple[NDArray[np.int64], Floats]:
        """Return the row subsets (m, r−1) and their rays (r, m); both signs of each ray are listed."""
        r = self.rank
        if r == 1:
            return np.zeros((2, 0), dtype=np.int64), np.array([[1.0, -1.0]])
        subsets = np.array(list(combinations(range(self.generators), r - 1)), dtype=np.int64)
        kept, rays = [], []
        for block in np.array_split(subsets, max(1, len(subsets) // 20_000)):
            normals, volumes = cross_products(self.rows[block])
            independent = np.isfinite(volumes)
            kept.append(block[independent])
            rays.append(normals[independent])
        normal = np.vstack(rays).T
        both = np.vstack(kept)
        return np.vstack([both, both]), np.hstack([normal, -normal])

    def ray_values(self, dual: Floats) -> Floats:
        """Return ‖Bᵀa(w)‖ at every ray, shape (rays,), for B of shape (2g, c)."""
        return value(self.rows, dual, self.rays)

    def _linear_parts(self, dual: Floats, chosen: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Return the linear maps (m, c, r) of rows that do not vanish, and the two maps of each row."""
        g = self.generators
        up = dual[:g, :, None] * self.rows[:, None, :]
        down = -dual[g:, :, None] * self.rows[:, None, :]
        signs = self._signs[chosen]
        flat = (signs > 0).astype(np.float64) @ up.reshape(g, -1)
        flat += (signs < 0).astype(np.float64) @ down.reshape(g, -1)
        return flat.reshape(len(chosen), dual.shape[1], self.rank), up, down

    def _around(self, dual: Floats, chosen: NDArray[np.int64], above: float) -> Iterator[Floats]:
        """Yield top eigenvectors, shape (r, k), of the faces around the chosen rays."""
        base, up, down = self._linear_parts(dual, chosen)
        subsets = self.subsets[chosen]
        for pattern in product((0, 1, -1), repeat=self.rank - 1):
            if not any(pattern):
                continue
            zero = [position for position, sign in enumerate(pattern) if sign == 0]
            linear = base.copy()
            for position, sign in enumerate(pattern):
                if sign:
                    linear += (up if sign > 0 else down)[subsets[:, position]]
            keep = np.einsum("mcr,mcr->m", linear, linear) > above**2
            if not np.any(keep):
                continue
            linear, normals = linear[keep], subsets[keep][:, zero]
            if zero:
                # Orthonormal basis of the face's span: the null space of the rows that stay zero.
                flats, member = np.unique(normals, axis=0, return_inverse=True)
                basis = np.linalg.svd(self.rows[flats], full_matrices=True)[2][:, len(zero) :, :]
                basis = basis[member.ravel()]
                linear = linear @ np.swapaxes(basis, 1, 2)
            _, vectors = np.linalg.eigh(np.swapaxes(linear, 1, 2) @ linear)
            top = vectors[:, :, -1]
            yield (np.einsum("mk,mkr->mr", top, basis) if zero else top).T

    def local_maxima(self, dual: Floats, *, above: float = 0.0, rays: int | None = None) -> Candidates:
        """Return local maxima of ‖Bᵀa(w)‖ with value > ``above``, best first.

        Parameters
        ----------
        dual: B, shape (2g, c).
        above: what a candidate's value must exceed to be returned.
        rays: look around so many rays of largest value only; ``None`` looks around all of them,
            which makes the best candidate the exact maximum (up to rounding).
        """
        at_rays = self.ray_values(dual)
        order = np.argsort(-at_rays)
        if rays is not None:
            order = order[:rays]
        best = at_rays[order]
        found = [self.rays[:, order[best > above]]]
        values = [best[best > above]]
        for chosen in np.array_split(order, max(1, len(order) // 20_000)):
            for directions in self._around(dual, chosen, above):
                for signed in (directions, -directions):
                    reached = value(self.rows, dual, signed)
                    keep = reached > above
                    found.append(signed[:, keep])
                    values.append(reached[keep])
        return Candidates.ranked(np.hstack(found), np.concatenate(values))

    def candidates(self, dual: Floats, *, above: float, near: Floats) -> Candidates:
        """Return local maxima around the rays of largest value; see :class:`sdprelax.exact._oracle.Oracle`."""
        return self.local_maxima(dual, above=above, rays=RAYS)


def activation_patterns(rows: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return the sign vectors of all cells, shape (cells, g), and a direction inside each, shape (cells, r).

    Deletion and restriction: a hyperplane cuts exactly the cells of the earlier ones whose sign
    vectors are cells of the arrangement that they leave on it; all others it misses.

    Parameters
    ----------
    rows: generator rows, shape (g, r), unit and no two parallel, r ≥ 1.
    """
    g, r = rows.shape
    if r == 1:
        inside = np.array([[1.0], [-1.0]])
        return np.sign(inside @ rows.T).astype(np.int8), inside
    signs, inside = np.zeros((1, 0), dtype=np.int8), np.zeros((1, r))
    for j in range(g):
        row, earlier = rows[j], rows[:j]
        basis = np.linalg.svd(row[None, :], full_matrices=True)[2][1:]
        left = earlier @ basis.T
        lengths = np.linalg.norm(left, axis=1)
        # A row parallel to an earlier one (possible on a restriction) cuts nothing.
        cut: dict[bytes, Floats] = {}
        if j == 0:
            cut[b""] = np.zeros(r)
        elif np.min(lengths) > INDEPENDENT:
            patterns, points = activation_patterns(left / lengths[:, None])
            cut = {p.tobytes(): w @ basis for p, w in zip(patterns, points, strict=True)}
        new_signs, new_inside = [], []
        for pattern, point in zip(signs, inside, strict=True):
            on = cut.get(pattern.tobytes())
            if on is None:
                side = 1 if float(row @ point) > 0.0 else -1
                new_signs.append(np.append(pattern, np.int8(side)))
                new_inside.append(point)
                continue
            # Half the way from the hyperplane to the nearest wall of the cell, on either side.
            room = np.min(np.abs(earlier @ on) / np.maximum(np.abs(earlier @ row), 1e-300), initial=2.0)
            for side in (1, -1):
                new_signs.append(np.append(pattern, np.int8(side)))
                moved = on + side * 0.5 * room * row
                new_inside.append(moved / np.linalg.norm(moved))
        signs, inside = np.array(new_signs), np.array(new_inside)
    return signs, inside
