"""Inequality ``sublinear``: a neuron's activation is a convex, positively homogeneous function of the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from sdprelax.base import Floats
from sdprelax.cells import Cone, determinant, lines_by_angle
from sdprelax.lifting.inequalities import Forms, Inequality, Pairs, inequalities
from sdprelax.lifting.inequalities._separation import violated_forms

__all__ = ["Sublinear"]

_NAME = "sublinear"


@inequalities.register(_NAME)
@dataclass(frozen=True)
class Sublinear(Inequality):
    """Σ_iλ_i(v_iᵀw)₊ − (v_jᵀw)₊ ≥ 0 for v_j = Σ_iλ_iv_i, λ ≥ 0, where every v is a row ±x̂.

    In the plane v_j lies between its two neighbours by angle, of the rows that the cone leaves undetermined and those
    of its facets; these forms imply all others. The kink of a neuron lies between two neighbouring lines, so that no
    forms but those of two neighbouring rows are other than zero: products of others vanish
    (docs/mathematics/relaxation.md, "In the plane"). Beyond rank 2 there are too many of them: the relaxation is
    solved, the worst that the solution violates enter, and it is solved again.

    Parameters
    ----------
    rounds: how often forms are added, at most; 0 for none beyond the plane.
    most: forms that are added to a cone in one round, at most.
    """

    kernels: ClassVar[tuple[str, ...]] = ("sdprelax.lifting.inequalities._envelopes",)

    rounds: NonNegativeInt = 6
    most: PositiveInt = 50

    def forms(self, rows: Floats, cone: Cone) -> sp.csr_array:
        """Return the form of every undetermined row, scaled to a largest entry of 1, by angle, shape (m, len(λ))."""
        found, lines = super().forms(rows, cone), _lines(rows, cone)
        if len(lines) < 3:
            return found
        # Around the circle of ±x̂_i: the line after the last is the other end of the first.
        ends = [(lines[-1][0], -lines[-1][1]), *lines, (lines[0][0], -lines[0][1])]
        entries, columns = list[list[float]](), list[list[int]]()
        for triple in zip(ends, ends[1:], ends[2:], strict=False):
            if cone.signs[triple[1][0]] == 0:
                before, here, after = (side * rows[i] for i, side in triple)
                exact = [determinant(here, after), -determinant(before, after), determinant(before, here)]
                entries.append([float(entry / max(map(abs, exact))) for entry in exact])
                columns.append([i if side > 0 else len(rows) + i for i, side in triple])
        place = np.repeat(np.arange(len(entries)), 3)
        return sp.csr_array((np.ravel(entries), (place, np.ravel(columns))), shape=(len(entries), found.shape[1]))

    def vanishing(self, forms: Forms) -> Pairs:
        """Return the products of rows that are no neighbours, what is zero but next to a cone's facet included."""
        chain = _Chain.of(forms)
        count = len(chain.near)
        apart = [np.stack(np.nonzero(np.triu(~chain.near)), axis=1) + chain.start]
        for row, end in chain.ends:
            others = np.delete(np.arange(count), row) + chain.start
            apart.append(np.stack([np.full(count - 1, end), others], axis=1))
        if len({row for row, _ in chain.ends}) == 2:
            apart.append(np.array([[end for _, end in chain.ends]]))
        return np.concatenate(apart)

    def implied(self, forms: Forms) -> Pairs:
        """Return the products that are nonnegative combinations of those of neighbours."""
        chain, places = _Chain.of(forms), forms.places
        count, follows = len(chain.near), np.zeros((forms.count, forms.count), dtype=bool)
        if count == 0 or count < len(forms.cone.undetermined):
            return super().implied(forms)
        if chain.ends:
            # Of all forms over (β, w) those of the rows and the two ends are the extreme ones.
            extreme = [end for _, end in chain.ends]
            combined = np.setdiff1d(np.r_[places["nonnegative"], places["walls"]], extreme)
            follows[combined] = follows[:, combined] = True
        else:
            everything = np.r_[places["nonnegative"], places[_NAME]]
            follows[np.ix_(everything, everything)] = True
            row, other = np.nonzero(chain.near)
            # The row itself, and next to it the activations of neighbours, which are linear where its form is not zero.
            kept = np.concatenate(
                [
                    np.stack([row, other], axis=1)[row == other] + chain.start,
                    np.stack([row + chain.start, chain.sides[other, 0]], axis=1)[row != other],
                    np.stack([row + chain.start, chain.sides[other, 1]], axis=1)[row != other],
                    # What is positive together between two neighbouring lines only; the last meets the first turned.
                    np.stack([chain.sides[:, 0], np.append(chain.sides[1:, 1], chain.sides[0, 0])], axis=1),
                    np.stack([chain.sides[:, 1], np.append(chain.sides[1:, 0], chain.sides[0, 1])], axis=1),
                ]
            )
            follows[kept[:, 0], kept[:, 1]] = follows[kept[:, 1], kept[:, 0]] = False
        return np.argwhere(np.triu(follows))

    def coordinates(self, forms: Forms) -> NDArray[np.int64]:
        """Return the forms of all rows, which are coordinates of (β, w) with w or, in a cone, with the two ends."""
        chain = _Chain.of(forms)
        if len(chain.near) < len(forms.cone.undetermined) or forms.cone.balanced:
            return super().coordinates(forms)
        own, ends = np.arange(len(chain.near)) + chain.start, [end for _, end in chain.ends]
        return np.array([*ends[:1], *own, *ends[1:]], dtype=np.int64)

    def separated(self, rows: Floats, forms: Forms, S: Floats) -> Floats:
        """Return what a solution violates most, of unit length, at most ``most``; nothing in the plane."""
        return violated_forms(rows, forms, S, self.most) if rows.shape[1] > 2 else super().separated(rows, forms, S)


@dataclass(frozen=True, eq=False)
class _Chain:
    """How the forms of a block are next to each other.

    Attributes
    ----------
    start: where the forms begin.
    near: which of them belong to the same row or to neighbours, shape (m, m).
    sides: the forms of ``nonnegative`` that are the activation of each row's end in its form, and of its other end,
        shape (m, 2).
    ends: with facets, (row, form): which activation of a facet's neighbour is zero but between the two.
    """

    start: int
    near: NDArray[np.bool_]
    sides: Pairs
    ends: list[tuple[int, int]]

    @staticmethod
    def of(forms: Forms) -> _Chain:
        """Read it off the forms' entries, each of two neighbours' ends and, negative, of the row's own."""
        g, free, place = len(forms.cone.signs), forms.cone.undetermined, forms.places.get(_NAME, slice(0, 0))
        over = forms.over[place] if forms.over.shape[1] - 2 * g - forms.cone.balanced == 2 else forms.over[:0]
        columns, values = over.indices.reshape(-1, 3), over.data.reshape(-1, 3)
        own = np.argmin(values, axis=1)
        here = columns[np.arange(len(own)), own]
        near = np.any(here % g == (columns % g)[:, :, None], axis=1)
        rank = np.searchsorted(free, here % g)
        start = forms.places["nonnegative"].start
        sides = start + np.stack([rank + len(free) * (here >= g), rank + len(free) * (here < g)], axis=1)
        ends = []
        for row, column in zip(*np.nonzero(forms.cone.signs[columns % g]), strict=True):
            # Where the facet's end is active in the cone the kink has yet to come, and the row's is active before it.
            ahead = (columns[row, column] < g) == (forms.cone.signs[columns[row, column] % g] > 0)
            ends.append((int(row), int(sides[row, int(ahead)])))
        return _Chain(place.start, near, sides, ends)


def _lines(rows: Floats, cone: Cone) -> list[tuple[int, int]]:
    """Return by angle one row of each line among undetermined rows and facets, with the sign of its upper end."""
    if rows.shape[1] != 2:
        return []
    involved = np.concatenate([np.array([row for row, _ in cone.facets], dtype=np.int64), cone.undetermined])
    number, sign = lines_by_angle(rows[involved])
    first = [int(np.flatnonzero(number == line)[0]) for line in range(int(np.max(number, initial=-1)) + 1)]
    return [(int(involved[i]), int(sign[i])) for i in first]
