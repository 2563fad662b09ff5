"""Partitions of weight space into cones, one block of the relaxation each (docs/mathematics/relaxation.md).

A partition is a binary tree: a node splits its cone at the hyperplane of one generator row. A leaf is the cone

    C = {w : σ_i·x̂_iᵀw ≥ 0 for the rows i on its path},

and the leaves together are all of weight space, whatever the rows. On C some rows have one sign throughout, those for
which ±x̂_j = Σ_i λ_iσ_ix̂_i with λ ≥ 0 (Farkas): their activations are linear there. Only the others, the
*undetermined* rows, keep variables of their own. A node is only ever split at an undetermined row, so no cone is
empty. A part may also be of neurons whose output weights lie in one sector of the outputs' space
(:mod:`sdprelax.cells._sectors`), whose splits are nodes of the same tree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from numpy.typing import NDArray

from sdprelax.base import Floats, InputError
from sdprelax.cells._sectors import Sector

__all__ = ["Cone", "checked_cone", "combination", "covers_space", "pattern_cone", "whole_space"]

# A row whose distance from the cone of the path's rows is below this has one sign; the distance goes into the
# certificate.
DETERMINED = 1e-11
# And below this where somebody else says so, as with other forms that are proved.
PROVED = 1e-9

Path = tuple[tuple[int, int], ...]
Steps = Sequence[tuple[int, ...]]


def combination(target: Floats, rows: Floats) -> tuple[Floats, float]:
    """Return λ ≥ 0, shape (k,), with target (r,) ≈ Σ λ_i rows_i for rows (k, r), and the distance left, in floats."""
    if len(rows) == 0:
        return np.zeros(0), float(np.linalg.norm(target))
    weights, distance = scipy.optimize.nnls(np.ascontiguousarray(rows.T), target)
    return weights, float(distance)


@dataclass(frozen=True, eq=False)
class Cone:
    """A cone of weight space and the rows that it leaves undetermined, for all output weights or those of a sector.

    Parameters
    ----------
    path: pairs (generator row, side +1 or −1) of the splits that lead to the cone.
    signs: +1, −1 where a row has one sign on the cone, 0 where it has both; shape (g,).
    facets: the pairs of the path that are not implied by the others.
    sector: where the output weights v are, of neurons balanced to ‖w‖ = ‖v‖ = t; None for anywhere.

    What the relaxation has of a neuron is λ = (α, β, w), and z = (β of the undetermined rows, w); with a sector
    λ = (α, β, w, v, t) and z = (β, w, v, t), or (β, w, t) for one output, whose sector says v = ±t.
    """

    path: Path
    signs: NDArray[np.int8]
    facets: Path
    sector: Sector | None = None

    @cached_property
    def undetermined(self) -> NDArray[np.int64]:
        """Indices of the rows that have both signs on the cone."""
        return np.flatnonzero(self.signs == 0)

    def walls(self, rows: Floats) -> Floats:
        """Return the inward normals σ_ix̂_i of the facets, shape (f, r)."""
        return np.array([side * rows[row] for row, side in self.facets]).reshape(len(self.facets), rows.shape[1])

    @property
    def balanced(self) -> int:
        """Number of entries (v, t) that λ has with a sector, and 0 without one."""
        return 0 if self.sector is None else self.sector.outputs + 1

    def order(self, rank: int) -> int:
        """Return len(z) for generator rows of a rank."""
        return len(self.undetermined) + rank + (self.balanced if self.balanced > 2 else min(self.balanced, 1))

    def lift(self, rows: Floats) -> sp.csr_array:
        """Return T, shape (len(λ), len(z)), with λ = Tz for a neuron in the cone."""
        (g, r), free, k = rows.shape, self.undetermined, len(self.undetermined)
        # α_i is x̂_iᵀw plus β_i, if that is a variable; of a row with negative sign β_i is −x̂_iᵀw.
        side = np.where(self.signs >= 0, 1.0, -1.0)
        linear = np.arange(g) + np.where(self.signs >= 0, 0, g)
        row, column = np.nonzero(rows)
        own, weights = np.arange(k), np.arange(r)
        values = np.concatenate([np.ones(2 * k), rows[row, column] * side[row], np.ones(r)])
        i = np.concatenate([free, g + free, linear[row], 2 * g + weights])
        j = np.concatenate([own, own, k + column, k + weights])
        activations = sp.csr_array((values, (i, j)), shape=(2 * g + r, k + r))
        if self.sector is None:
            return activations
        return sp.csr_array(sp.block_diag([activations, self._outputs(self.sector)]))

    @staticmethod
    def _outputs(sector: Sector) -> sp.csr_array:
        """Return what maps the last entries of z to (v, t)."""
        if sector.outputs > 1:
            return sp.csr_array(sp.eye_array(sector.outputs + 1))
        return sp.csr_array(np.array([[float(sector.rays[0, 0])], [1.0]]))

    def within(self, sector: Sector) -> Cone:
        """Return the cone for output weights in a sector."""
        return dataclasses.replace(self, sector=sector)

    def split(self, rows: Floats, row: int) -> tuple[Cone, Cone]:
        """Return the two parts of the cone on either side of an undetermined row."""
        return self._part(rows, row, 1), self._part(rows, row, -1)

    def _part(self, rows: Floats, row: int, side: int) -> Cone:
        path = (*self.path, (row, side))
        facets = _irredundant(rows, (*self.facets, (row, side)))
        normals = np.array([s * rows[i] for i, s in facets])
        signs = self.signs.copy()
        signs[row] = side
        for j in np.flatnonzero(signs == 0):
            for sign in (1, -1):
                if combination(sign * rows[j], normals)[1] <= DETERMINED:
                    signs[j] = sign
        return Cone(path, signs, facets, self.sector)


def whole_space(generators: int) -> Cone:
    """Return the cone that is all of weight space, the partition of the relaxation as published."""
    return Cone((), np.zeros(generators, dtype=np.int8), ())


def checked_cone(cone: Cone, rows: Floats, outputs: int) -> Cone:
    """Return a cone from anywhere, with its numbers as they should be, after proving its signs by its path.

    Raises
    ------
    InputError: it is no cone of these generator rows, shape (g, r), and number of outputs, or the rows of its path do
        not prove a sign.
    """
    try:
        signs, sector = np.asarray(cone.signs), cone.sector
        path, facets = (tuple((index(row), index(side)) for row, side in to) for to in (cone.path, cone.facets))
        if sector is not None:
            steps = tuple((index(a), index(b), index(side)) for a, b, side in sector.path)
            sector = Sector(steps, index(sector.outputs))
            _ = sector.rays
    except (AttributeError, TypeError, ValueError):
        raise InputError(
            "a cone has no path of pairs (row, ±1), or a sector no path of its own: use whole_space and Cone.split, "
            "sectors_of and Sector.split."
        ) from None
    if sector is not None and sector.outputs != outputs:
        raise InputError(f"a cone has a sector of another number of outputs than {outputs}.")
    g = len(rows)
    if signs.shape != (g,) or signs.dtype.kind not in "iuf" or not np.all(np.isin(signs, (-1, 0, 1))):
        raise InputError(
            f"a cone's signs are {cone.signs!r}; they must be −1, 0 or 1 for each of the problem's {g} generator rows."
        )
    if not all(0 <= row < g and side in (1, -1) for row, side in path) or not set(facets) <= set(path):
        raise InputError(f"a cone's path {path} names other rows than 0 to {g - 1}, or facets that are not on it.")
    normals = np.array([side * rows[row] for row, side in path]).reshape(len(path), rows.shape[1])
    for row in np.flatnonzero(signs):
        if combination(signs[row] * rows[row], normals)[1] > PROVED:
            raise InputError(f"row {row} is not of the sign {signs[row]:+g} throughout the cone of the path {path}.")
    return Cone(path, signs.astype(np.int8), facets, sector)


def covers_space(cones: Sequence[Cone]) -> bool:
    """Say whether cones are the leaves of one binary tree, so that together they cover all neurons.

    A node of the tree splits at a row, or sectors. Where all leaves below a node have the same row next, the tree may
    be told with that split first: what lies on one side of it is a tree again, without the nodes of that row.
    """
    # Leaves below a node, and how many steps of either kind they have in common.
    waiting: list[tuple[list[tuple[Steps, Steps]], int, int]] = [
        ([(cone.path, () if cone.sector is None else cone.sector.path) for cone in cones], 0, 0)
    ]
    while waiting:
        group, rows, sectors = waiting.pop()
        if len(group) == 1 and len(group[0][0]) == rows and len(group[0][1]) == sectors:
            continue
        for kind, depth in ((0, rows), (1, sectors)):
            steps = {leaf[kind][depth][:-1] if len(leaf[kind]) > depth else None for leaf in group}
            if len(steps) == 1 and None not in steps:
                waiting += [
                    (
                        [leaf for leaf in group if leaf[kind][depth][-1] == side],
                        rows + (kind == 0),
                        sectors + (kind == 1),
                    )
                    for side in (1, -1)
                ]
                break
        else:
            return False
    return True


def _irredundant(rows: Floats, facets: Path) -> Path:
    """Return the facets without those that the others imply."""
    kept = list(facets)
    for facet in facets:
        others = [other for other in kept if other != facet]
        normals = np.array([side * rows[row] for row, side in others]).reshape(len(others), rows.shape[1])
        if combination(facet[1] * rows[facet[0]], normals)[1] <= DETERMINED:
            kept = others
    return tuple(kept)


def pattern_cone(rows: Floats, signs: NDArray[np.int8], inside: Floats) -> Cone:
    """Return the cone of an activation pattern with its facets alone.

    A wall that the facets known so far do not imply shows a direction u that is on their side and beyond it: their
    nonnegative least-squares residual. The first wall met on the way to u from inside is a facet (Clarkson 1994), so no
    more least squares are solved than there are walls and facets, each over the facets alone.

    Parameters
    ----------
    rows: generator rows, shape (g, r).
    signs: the pattern, ±1, shape (g,).
    inside: a direction with signs·rows·inside > 0, shape (r,).
    """
    walls = signs[:, None] * rows
    depth = walls @ inside
    facets: list[int] = []
    # Near walls are likely to be facets.
    for j in np.argsort(depth):
        while j not in facets:
            weights, distance = combination(walls[j], walls[facets])
            if distance <= DETERMINED:
                break
            along = walls @ (weights @ walls[facets] - walls[j])
            crossed = np.flatnonzero(along < 0.0)
            if crossed.size == 0:
                # Rows so nearly parallel that rounding hides the way out: one facet too many does no harm.
                facets.append(int(j))
                break
            first = int(crossed[np.argmin(depth[crossed] / (depth[crossed] - along[crossed]))])
            facets.append(int(j) if first in facets else first)
    path = tuple((row, int(signs[row])) for row in sorted(facets))
    return Cone(path, signs, path)
