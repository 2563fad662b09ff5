"""Coordinates of a block in which products that vanish are entries of its matrix that are left out.

Some families name forms that are coordinates of z (:meth:`sdprelax.lifting.inequalities.Inequality.coordinates`). With
x = By, y = (these forms, what remains of x), products of two of them are entries of the semidefinite Y, S = BYBᵀ; those
that vanish are no unknowns, and no equations either. Their multipliers are read off the solver's slack, for which any
number there is as good. What is left of the equations is thinned out to independent ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

from sdprelax.base import Floats
from sdprelax.lifting import Block
from sdprelax.lifting.inequalities import Pairs

__all__ = ["Coordinates"]

# Relative sizes below which an entry is rounding, and an equation a combination of others.
NEGLIGIBLE, DEPENDENT = 1e-14, 1e-9


@dataclass(frozen=True, eq=False)
class Coordinates:
    """What x = By makes of a block.

    Attributes
    ----------
    block: over x.
    basis: B, shape (len(x), len(x)).
    matrix: the forms' rows GB over y.
    spread: K with vec(Y) = Kf for the entries f of Y that may be other than zero, on and above the diagonal.
    left_out: products that vanish as entries of Y, shape (p, 2).
    entries: where they are in Y, shape (p, 2).
    zeros: products that vanish by independent equations of f, shape (q, 2).
    """

    block: Block
    basis: Floats
    matrix: sp.csr_array
    spread: sp.csr_array
    left_out: Pairs
    entries: Pairs
    zeros: Pairs

    @staticmethod
    def of(block: Block) -> Coordinates | None:
        """Return the coordinates of the block that its forms name; None where they name none."""
        chosen, order = block.forms.coordinates, block.order
        if not len(chosen):
            return None
        rest = sp.csr_array(sp.eye_array(order))[len(chosen) - order :] if len(chosen) < order else None
        named = block.matrix[chosen]
        basis = np.linalg.inv((named if rest is None else sp.vstack([named, rest])).toarray())
        basis /= np.max(np.abs(basis), axis=0)
        matrix = np.asarray(block.matrix @ basis)
        matrix[np.abs(matrix) < NEGLIGIBLE * np.max(np.abs(matrix), axis=1, keepdims=True)] = 0.0
        # Which entry of Y a product is that vanishes, if any.
        place = np.full(block.forms.count, -1)
        place[chosen] = np.arange(len(chosen))
        entry = np.sort(place[block.zeros], axis=1)
        alone = entry[:, 0] >= 0
        entries, first = np.unique(entry[alone], axis=0, return_index=True)
        kept = np.triu(np.ones((order, order), dtype=bool))
        kept[tuple(entries.T)] = False
        i, j = np.nonzero(kept)
        column, off = np.arange(len(i)), i != j
        spread = sp.csr_array(
            (
                np.ones(len(i) + int(np.sum(off))),
                (np.concatenate([i + order * j, (j + order * i)[off]]), np.concatenate([column, column[off]])),
            ),
            shape=(order * order, len(i)),
        )
        rows, others = sp.csr_array(matrix), block.zeros[~alone]
        length = np.linalg.norm(matrix, axis=1)
        equations = (entries_of(rows, others) @ spread).toarray() / (length[others[:, :1]] * length[others[:, 1:]])
        zeros = others[_independent(equations)]
        return Coordinates(block, basis, rows, spread, block.zeros[alone][first], entries, zeros)

    def unknowns(self, S: Floats) -> Floats:
        """Return the entries f of a matrix S = BYBᵀ, shape (f,)."""
        inverse = np.linalg.inv(self.basis)
        Y = inverse @ S @ inverse.T
        return np.asarray((self.spread.T @ Y.ravel(order="F")) / self.spread.sum(axis=0), dtype=np.float64)

    def multipliers(self, slack: Floats, given: Floats) -> Floats:
        """Return the multipliers of the products that are left out, shape (p,).

        Parameters
        ----------
        slack: Z of the dual point without them, over x.
        given: the same over y, as the solver left it, positive semidefinite.
        """
        (p, q), (i, j) = self.left_out.T, self.entries.T
        apart = (self.basis.T @ slack @ self.basis - given)[i, j]
        # The p-th form is a multiple of a coordinate, perhaps the j-th.
        size = abs(self.matrix).max(axis=1).toarray().ravel()
        return np.asarray(apart / (size[p] * size[q]))


def _independent(equations: Floats) -> NDArray[np.int64]:
    """Return the rows, of entries of about 1, that are a basis of all."""
    live = np.flatnonzero(np.linalg.norm(equations, axis=1) > DEPENDENT)
    if not len(live):
        return live
    _, triangle, order = scipy.linalg.qr(equations[live].T, mode="economic", pivoting=True)
    rank = int(np.sum(np.abs(np.diag(triangle)) > DEPENDENT))
    return np.sort(live[order[:rank]])


def entries_of(left: sp.csr_array, pairs: Pairs) -> sp.csr_array:
    """Return the operator that maps vec(S) to the entries (a, b) in ``pairs`` of left·S·leftᵀ."""
    order = left.shape[1]
    a, b = left[pairs[:, 0]].tocsr(), left[pairs[:, 1]].tocsr()
    count_a, count_b = np.diff(a.indptr), np.diff(b.indptr)
    # Row k holds a_k ⊗ b_k: every nonzero of a_k meets every nonzero of b_k.
    repeats = np.repeat(count_b, count_a)
    from_a = np.repeat(np.arange(a.nnz), repeats)
    row_of_a = np.repeat(np.arange(len(pairs)), count_a)
    starts = np.repeat(b.indptr[:-1][row_of_a], repeats)
    within = np.arange(len(from_a)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    from_b = starts + within
    rows = row_of_a[from_a]
    columns = a.indices[from_a].astype(np.int64) + order * b.indices[from_b].astype(np.int64)
    return sp.csr_array((a.data[from_a] * b.data[from_b], (rows, columns)), shape=(len(pairs), order * order))
