"""The positive part of a large symmetric matrix that moves slowly: its few positive eigenpairs, followed step by step.

All eigenpairs of order N cost some N³ operations, the most of a step. The solution is of low rank, so that few are
positive, and their space is near that of the step before: a Chebyshev polynomial that is small on the negative
eigenvalues turns it to where it has to be (subspace iteration, Saad 2011, "Numerical Methods for Large Eigenvalue
Problems", section 7.4), by products with the matrix alone, in single precision as long as that is enough. What comes of
it is positive semidefinite whatever its error, and no certificate depends on it (docs/solver.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdprelax.solvers.native.arrays import Arrays

__all__ = ["PositivePart"]

# Order from which on the space is followed, and the largest share of it that the space may be.
FEWEST, SHARE = 1000, 0.25
# Degree of the polynomial, and how often at most it is applied in a step.
DEGREE, PASSES = 4, 3
# Directions beside those of positive eigenvalues, by number and by share: they show whether some were missed.
SPARE, SPARE_SHARE = 8, 0.125
# Steps after which all eigenpairs are computed again.
RENEWED = 100
# A space that could not be followed n times is tried again after 2ⁿ steps, n at most so large.
LONGEST_REST = 5
# Products that the least eigenvalue is estimated by.
LANCZOS = 8
# Relative residuals of eigenpairs: the largest that is good enough, and the least for which single precision is.
COARSE, SINGLE = 3e-3, 1e-4


class PositivePart:
    """Nearest positive semidefinite matrices to symmetric ones that come one after another.

    Parameters
    ----------
    arrays: what the matrices are.
    follows: whether the space of large matrices is followed; otherwise all eigenpairs are computed every time.

    Attributes
    ----------
    whole: how often all eigenpairs were computed.
    """

    def __init__(self, arrays: Arrays, follows: bool = True) -> None:
        self.arrays, self.follows, self.whole = arrays, follows, 0
        self._space: Any = None
        self._extreme: Any = None
        self._since = self._failed = self._rest = 0

    def __call__(self, matrix: Any, accuracy: float = 0.0) -> tuple[Any, int]:
        """Return the nearest positive semidefinite matrix, and its rank.

        Parameters
        ----------
        matrix: symmetric, shape (N, N).
        accuracy: ‖MV − VΘ‖/‖Θ‖ of the positive eigenpairs (Θ, V) that is good enough, at most 3e-3.
        """
        if self.follows and self._space is not None and self._since < RENEWED and self._rest == 0:
            found = self._followed(matrix, min(accuracy, COARSE))
            if found is not None:
                self._since, self._failed = self._since + 1, 0
                return found
            # A space that moves too fast is left alone for a while, twice as long every time.
            self._failed = min(self._failed + 1, LONGEST_REST)
            self._rest = 2**self._failed - 1
        self._rest = max(0, self._rest - 1)
        nearest, values, vectors = self.arrays.positive_pairs(matrix)
        self.whole, self._since, self._space = self.whole + 1, 0, None
        order, rank = matrix.shape[0], values.shape[0]
        spare = self._spare(rank)
        if self.follows and order >= FEWEST and rank + spare <= SHARE * order:
            drawn = np.random.default_rng(0).standard_normal((order, spare))
            self._space = self.arrays.xp.concat([vectors, self.arrays.of(drawn)], axis=1)
        return nearest, rank

    @staticmethod
    def _spare(rank: int) -> int:
        return max(SPARE, int(SPARE_SHARE * rank))

    def _followed(self, matrix: Any, accuracy: float) -> tuple[Any, int] | None:
        """Return the part by the space of the step before, or None where it is not accurate, or not large, enough."""
        xp = self.arrays.xp
        kind = xp.float32 if accuracy >= SINGLE else xp.float64
        M, space = xp.astype(matrix, kind), xp.astype(self._space, kind)
        least = self._least(M)
        if not least < 0.0:
            return None
        for _ in range(PASSES):
            basis, _ = xp.linalg.qr(_chebyshev(M, space, least))
            image = M @ basis
            small = xp.matrix_transpose(basis) @ image
            values, turn = xp.linalg.eigh(0.5 * (small + xp.matrix_transpose(small)))
            space = basis @ turn
            positive = int(xp.sum(xp.astype(values > 0.0, xp.int64)))
            if positive > values.shape[0] - SPARE // 2:
                return None
            first = values.shape[0] - positive
            vectors, sizes = space[:, first:], values[first:]
            missing = image @ turn[:, first:] - vectors * sizes
            if float(xp.linalg.vector_norm(missing)) <= accuracy * float(xp.linalg.vector_norm(sizes)):
                kept = max(0, first - self._spare(positive))
                self._space = xp.astype(space[:, kept:], xp.float64)
                roots = vectors * xp.sqrt(sizes)
                return xp.astype(roots @ xp.matrix_transpose(roots), xp.float64), positive
        return None

    def _least(self, matrix: Any) -> float:
        """Return an estimate of the least eigenvalue, from below as far as a few steps of Lanczos's method know."""
        xp, order = self.arrays.xp, matrix.shape[0]
        if self._extreme is None:
            self._extreme = self.arrays.of(np.random.default_rng(1).standard_normal(order))
        vector = xp.astype(self._extreme, matrix.dtype)
        columns = [vector / xp.linalg.vector_norm(vector)]
        diagonal: list[float] = []
        beside: list[float] = []
        for k in range(LANCZOS):
            image = matrix @ columns[k]
            if k:
                image = image - beside[k - 1] * columns[k - 1]
            diagonal.append(float(xp.sum(image * columns[k])))
            image = image - diagonal[k] * columns[k]
            beside.append(float(xp.linalg.vector_norm(image)))
            if beside[k] <= 1e-6 * abs(diagonal[k]) or k == LANCZOS - 1:
                break
            columns.append(image / beside[k])
        off = beside[: len(diagonal) - 1]
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
        turned = sum(float(share) * column for share, column in zip(vectors[:, 0], columns, strict=True))
        self._extreme = xp.astype(turned, xp.float64)
        return float(values[0] - beside[-1] * abs(vectors[-1, 0]))


def _chebyshev(matrix: Any, space: Any, least: float) -> Any:
    """Return p(M)V of the Chebyshev polynomial that is at most 1 on [least, 0] and grows fast above."""
    half = -0.5 * least
    before, now = space, (matrix @ space + half * space) / half
    for _ in range(DEGREE - 1):
        before, now = now, (2.0 / half) * (matrix @ now + half * now) - before
    return now
