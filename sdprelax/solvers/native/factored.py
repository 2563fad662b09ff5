"""Matrices KSKᵀ, S ⪰ 0, over the rows of K that something is asked of: projections on them, and what is asked.

Both kinds of alternating directions over parts of weight space are made of these two: of all blocks at once
(:mod:`sdprelax.solvers.native.several`), and of one cone for a fixed dual point (:mod:`sdprelax.solvers.native.local`).
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from sdprelax.base import Floats, positive_part
from sdprelax.lifting.inequalities import Pairs

__all__ = ["AskedProducts", "Factored"]


class Factored:
    """The cone {KSKᵀ : S ⪰ 0}.

    Parameters
    ----------
    K: shape (m, N), of full column rank; sparse over its first columns, β, and thin beyond.
    k: how many of β there are.
    """

    def __init__(self, K: Floats, k: int) -> None:
        self.sparse, self.thin = sp.csr_array(K[:, :k]), np.ascontiguousarray(K[:, k:])
        self.across = sp.csr_array(self.sparse.T)
        self.root = scipy.linalg.cholesky(K.T @ K, lower=True)

    def nearest(self, matrix: Floats, pull: Floats | None = None) -> Floats:
        """Return F, shape (N, rank), for which K(FFᵀ)Kᵀ minimises ½‖· − matrix‖² less ⟨pull, FFᵀ⟩.

        Parameters
        ----------
        matrix: symmetric, shape (m, m).
        pull: as :meth:`whitened` returns it; None for 0.
        """
        folded = self._folded(self._folded(matrix).T)
        whitened = self.whitened(folded)
        if pull is not None:
            whitened += pull
        values, vectors = scipy.linalg.eigh(whitened, subset_by_value=(0.0, np.inf), driver="evr", check_finite=False)
        vectors *= np.sqrt(values)
        return np.asarray(scipy.linalg.solve_triangular(self.root, vectors, lower=True, trans="T", check_finite=False))

    def whitened(self, matrix: Floats) -> Floats:
        """Return R⁻¹MR⁻ᵀ of a symmetric matrix over S, where KᵀK = RRᵀ."""
        for _ in range(2):
            matrix = scipy.linalg.solve_triangular(self.root, matrix, lower=True, check_finite=False).T
        return matrix

    def image(self, factors: Floats) -> Floats:
        """Return KF."""
        k = self.sparse.shape[1]
        return np.asarray(self.sparse @ factors[:k] + self.thin @ factors[k:])

    def _folded(self, matrix: Floats) -> Floats:
        return np.vstack([self.across @ matrix, self.thin.T @ matrix])


class AskedProducts:
    """What is asked of the products of m forms: which are nonnegative, which vanish, and of which nothing is asked.

    Parameters
    ----------
    pairs, zeros: of forms, shape (p, 2).
    """

    def __init__(self, pairs: Pairs, zeros: Pairs, m: int) -> None:
        self.vanishing = tuple(np.concatenate([zeros, zeros[:, ::-1]]).T)
        asked = np.zeros((m, m), dtype=bool)
        for some in (pairs, zeros):
            asked[some[:, 0], some[:, 1]] = asked[some[:, 1], some[:, 0]] = True
        self.unasked = np.nonzero(~asked)

    def nearest(self, products: Floats) -> Floats:
        """Return the nearest products that are as asked, shape (m, m)."""
        found = positive_part(products)
        found[self.vanishing] = 0.0
        found[self.unasked] = products[self.unasked]
        return found
