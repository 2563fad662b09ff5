"""Floating-point arithmetic whose error is bounded: the ground under every published bound.

A :class:`Ball` is an array of intervals [mid − rad, mid + rad] that is guaranteed to contain
the exact real result. Radii follow the standard model of IEEE binary64 arithmetic with round
to nearest: an inner product of length k, summed in any order, with or without fused
multiply-add, errs by at most γ_k·|a|·|b| with γ_k = k·u/(1 − k·u), u = 2⁻⁵³ (Higham, *Accuracy
and Stability of Numerical Algorithms*, 2nd ed., section 3.1; Rump, *Acta Numerica* 19, 2010).
The model needs a BLAS that does not use Strassen-like products or reduced precision, which
holds for OpenBLAS, MKL and Accelerate in their default modes.

Positive semidefiniteness is proved by a floating-point Cholesky factorisation that runs to
its end (Rump, *Verification of positive definiteness*, BIT 46, 2006), with a factor that is looked at: LAPACK's word
that it ran to its end is not enough, since OpenBLAS does not notice what is not a number.

Round to nearest and gradual underflow are modes of the processor that any library may change
(``torch.set_flush_denormal``, ``fesetround``); :func:`require_ieee_arithmetic` looks at both, and every
:meth:`Ball.exact`, with which every proof begins, asks it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

from sdprelax.base._errors import UntrustedArithmetic

__all__ = [
    "Ball",
    "Floats",
    "Integers",
    "bound_above",
    "gamma",
    "positive_part",
    "provable_from",
    "proves_psd",
    "require_ieee_arithmetic",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

UNIT = 2.0**-53
# Columns that a product with a sparse matrix takes at a time.
COLUMNS = 256
# Far above everything that gradual underflow can lose in one inner product of any length used here.
UNDERFLOW = 1e-290
# Entries of a matrix that a Cholesky factorisation is to prove anything of: no product inside it overflows.
LARGEST_ENTRY = 1e150
# Numbers whose sums and halves tell how the processor rounds. As arguments, since constants are folded beforehand.
_MODES = (1.0, UNIT, 1.5 * UNIT, 2.0**-1022, 2.0**-1074)


def require_ieee_arithmetic() -> None:
    """Refuse to prove anything where this thread does not round to nearest or loses subnormal numbers.

    Raises
    ------
    UntrustedArithmetic: which of the two, and what to do.
    """
    one, half_ulp, more, smallest_normal, smallest = _MODES
    # Up: 1 + u exceeds 1. Down: −1 − u is below −1. Towards zero: 1 + 1.5u is 1.
    if not (one + half_ulp == one and -one - half_ulp == -one and one + more > one):
        raise UntrustedArithmetic(
            "this process does not round floating-point numbers to nearest, so no bound can be proved in it; restore "
            "the rounding mode (fesetround(FE_TONEAREST))."
        )
    if not (smallest_normal * 0.5 > 0.0 and smallest + smallest_normal > smallest_normal):
        raise UntrustedArithmetic(
            "this process flushes subnormal numbers to zero, so no bound can be proved in it; switch that off "
            "(torch.set_flush_denormal(False))."
        )


def gamma(k: int) -> float:
    """Return an upper bound of γ_k = k·u/(1 − k·u), the relative error of k rounded operations."""
    return k * UNIT / (1.0 - k * UNIT) * (1.0 + 8 * UNIT)


def bound_above(value: float, operations: int) -> float:
    """Return a float above every real whose rounded nonnegative evaluation in so many steps is ``value``."""
    if math.isnan(value):
        return math.inf
    return math.nextafter(value * (1.0 + 2.0 * gamma(operations + 4)) + UNDERFLOW, math.inf)


@dataclass(frozen=True)
class Ball:
    """An array of real intervals, held as midpoints and radii of one shape.

    ``Ball(array)`` is exact (radius zero). Supported: ``+``, ``-``, ``@``, ``*`` by an exact
    array or float, ``.T``, indexing, and the reductions below.
    """

    mid: Floats
    rad: Floats

    @staticmethod
    def exact(array: Floats) -> Ball:
        """Return the ball of an array whose entries are taken as exact real numbers.

        Raises
        ------
        UntrustedArithmetic: this process does not compute as IEEE 754 says by default.
        """
        require_ieee_arithmetic()
        mid = np.asarray(array, dtype=np.float64)
        # One zero for all entries: no memory.
        return Ball(mid, np.broadcast_to(np.zeros(()), mid.shape))

    @property
    def T(self) -> Ball:
        """The transpose."""
        return Ball(self.mid.T, self.rad.T)

    def __getitem__(self, index: Any) -> Ball:
        return Ball(self.mid[index], self.rad[index])

    def __neg__(self) -> Ball:
        return Ball(-self.mid, self.rad)

    def __add__(self, other: Ball) -> Ball:
        mid = np.asarray(self.mid + other.mid)
        rad = np.asarray(np.abs(mid))
        rad *= UNIT
        rad += self.rad
        rad += other.rad
        return Ball(mid, _inflate(rad, 3, products=False))

    def __sub__(self, other: Ball) -> Ball:
        return self + (-other)

    def plus_diagonal(self, values: Floats) -> Ball:
        """Return self + diag(values) for exact values, shape (k,): other entries stay as they are."""
        place = np.diag_indices(len(values))
        added = self[place] + Ball.exact(values)
        mid, rad = self.mid.copy(), self.rad.copy()
        mid[place], rad[place] = added.mid, added.rad
        return Ball(mid, rad)

    def __mul__(self, factor: Floats | float) -> Ball:
        mid = self.mid * factor
        return Ball(mid, _inflate(self.rad * np.abs(factor) + UNIT * np.abs(mid), 3))

    @np.errstate(over="ignore", invalid="ignore")
    def __matmul__(self, other: Ball) -> Ball:
        length = self.mid.shape[-1]
        mid = self.mid @ other.mid
        if length == 0:
            return Ball.exact(mid)
        left, right = np.abs(self.mid), np.abs(other.mid)
        rad = np.asarray(left @ right)
        rad *= gamma(length + 1)
        if np.any(other.rad):
            rad += left @ other.rad
        if np.any(self.rad):
            rad += self.rad @ (right + other.rad)
        return Ball(mid, _inflate(rad, 2 * length + 8))

    @np.errstate(over="ignore", under="ignore", invalid="ignore")
    def combined(self, weights: sp.sparray) -> Ball:
        """Return weights @ self for an exact sparse matrix: rounding grows with its nonzeros in a row alone."""
        weights = sp.csr_array(weights)
        signs = bool(np.all(np.abs(weights.data) == 1.0))
        longest = int(np.max(np.diff(weights.indptr), initial=0))
        size, columns = abs(weights), self.mid.shape[1]
        mid, rad = np.empty((2, weights.shape[0], columns))
        # Some columns at a time: what is made on the way is small.
        for first in range(0, columns, COLUMNS):
            some = slice(first, first + COLUMNS)
            here = np.abs(self.mid[:, some])
            mid[:, some] = weights @ self.mid[:, some]
            # Products with ±1 are exact, and sums do not underflow.
            radius = gamma(max(longest - signs, 0)) * np.asarray(size @ here) + np.asarray(size @ self.rad[:, some])
            if not signs:
                radius += UNDERFLOW * np.asarray(size.sign() @ np.sign(here + self.rad[:, some]) > 0.0)
            rad[:, some] = _inflate(radius, 2 * longest + 8, products=False)
        return Ball(mid, rad)

    @np.errstate(over="ignore", under="ignore", invalid="ignore")
    def over(self, unit: float) -> Ball:
        """Return the ball over a power of two: exact, but for digits lost to underflow, which the radius covers."""
        mid, rad = self.mid / unit, self.rad / unit
        rad = np.where(rad * unit == self.rad, rad, np.nextafter(rad, np.inf))
        lost = np.where(np.isfinite(mid), np.where(mid * unit == self.mid, 0.0, 2.0**-1074), np.inf)
        return Ball(mid, np.where(lost > 0.0, np.nextafter(rad + lost, np.inf), rad))

    def magnitude(self) -> Floats:
        """Return entrywise upper bounds of the absolute value."""
        return _inflate(np.abs(self.mid) + self.rad, 2, products=False)

    def ends(self) -> tuple[Floats, Floats]:
        """Return (below, above) of every interval; of a single number that number, twice."""
        low, high = self.mid - self.rad, self.mid + self.rad
        wide = self.rad != 0.0
        below, above = np.nextafter(low, -np.inf, where=wide, out=low), np.nextafter(high, np.inf, where=wide, out=high)
        return np.where(np.isnan(below), -np.inf, below), np.where(np.isnan(above), np.inf, above)

    @np.errstate(over="ignore")
    def row_norms(self) -> Floats:
        """Return upper bounds of the Euclidean norm of each row."""
        size = self.magnitude()
        squares = np.einsum("ij,ij->i", size, size)
        norms = _inflate(np.sqrt(squares * (1.0 + 2 * gamma(size.shape[1] + 3)) + UNDERFLOW), 4)
        # A row of zeros has no square that could have been lost.
        return np.where(np.any(size != 0.0, axis=1), norms, 0.0)

    def norm_above(self) -> float:
        """Return an upper bound of the Frobenius norm."""
        return math.sqrt(self.square_above()) * (1.0 + 8 * UNIT)

    @np.errstate(over="ignore")
    def square_above(self) -> float:
        """Return an upper bound of the sum of squares."""
        size = self.magnitude().ravel()
        if not np.any(size):
            return 0.0
        return bound_above(float(size @ size), size.size)

    def operator_norm_above(self) -> float:
        """Return an upper bound of the spectral norm of a symmetric matrix (its largest row sum)."""
        return bound_above(float(np.max(self.magnitude().sum(axis=1), initial=0.0)), self.mid.shape[-1])

    def inner(self, other: Ball) -> tuple[float, float]:
        """Return (lower, upper) bounds of the sum of entrywise products."""
        a, b = self.mid.ravel(), other.mid.ravel()
        value = float(a @ b)
        size = float(np.abs(a) @ np.abs(b))
        spread = float(np.abs(a) @ other.rad.ravel() + self.rad.ravel() @ (np.abs(b) + other.rad.ravel()))
        radius = bound_above(gamma(a.size + 1) * size + spread, 2 * a.size + 8)
        if not (math.isfinite(value) and math.isfinite(radius)):
            return -math.inf, math.inf
        return math.nextafter(value - radius, -math.inf), math.nextafter(value + radius, math.inf)


def positive_part(values: Floats, out: Floats | None = None) -> Floats:
    """Return max(·, 0) entrywise, the projection on the nonnegative orthant; in ``out`` where that is given."""
    return np.asarray(np.maximum(values, 0.0, out=out))


def _inflate(radius: Floats, operations: int, *, products: bool = True) -> Floats:
    """Return radii that stay valid though they were themselves computed with rounding errors, in the same array.

    Sums of floats cannot underflow; ``products=False`` then lets an exact result keep radius zero. What is not a
    number (∞ − ∞, or 0·∞ after an overflow) could be any number: its radius is infinite.
    """
    grown = np.asarray(radius)
    grown *= 1.0 + 2.0 * gamma(operations + 2)
    if products:
        grown += UNDERFLOW
    else:
        np.add(grown, UNDERFLOW, out=grown, where=grown > 0.0)
    # The least of them is not a number if one of them is not.
    if np.isnan(np.min(grown, initial=0.0)):
        grown[np.isnan(grown)] = np.inf
    return grown


def proves_psd(matrix: Ball, margin: float = 0.0) -> bool:
    """Say whether every symmetric matrix inside the ball is proved to have λ_min ≥ ``margin`` ≥ 0.

    Parameters
    ----------
    matrix: symmetric (k, k) ball; only the lower triangle of the midpoint is factored.
    margin: what the smallest eigenvalue must exceed, in the units of ``matrix``.

    Notes
    -----
    Rump (2006): if floating-point Cholesky of H runs to completion, λ_min(H) ≥ −c with
    c = γ_{k+1}/(1 − γ_{k+1})·tr H. So H − (c + ‖rad‖₂ + margin)·I is factored, with the rounding of
    that subtraction added to the shift. ``False`` means "not proved", never "not semidefinite".
    """
    order = matrix.mid.shape[0]
    if order == 0:
        return True
    # Larger entries could overflow within the factorisation, and so could what is not a number pass it.
    if not (np.all(np.abs(matrix.mid) <= LARGEST_ENTRY) and np.all(matrix.rad <= LARGEST_ENTRY)):
        return False
    diagonal = np.diag(matrix.mid)
    if np.any(diagonal < 0.0):
        return False
    shift = bound_above(provable_from(matrix) + margin, order + 8)
    shift = bound_above(shift + 2 * UNIT * (float(np.max(diagonal)) + shift), 8)
    shifted = np.array(matrix.mid, order="F")
    shifted[np.diag_indices(order)] = diagonal - shift
    factor, info = scipy.linalg.lapack.dpotrf(shifted, lower=1, clean=1, overwrite_a=1)
    # That it ran to its end is LAPACK's word; OpenBLAS takes a pivot that is not a number for a positive one.
    return bool(info == 0 and np.all(np.isfinite(factor)) and np.all(np.diag(factor) > 0.0))


def provable_from(matrix: Ball) -> float:
    """Return what the least eigenvalue of a symmetric (k, k) ball's midpoint is to exceed for :func:`proves_psd`.

    It is c + ‖rad‖₂ of its notes, k ≥ 1.
    """
    order = len(matrix.mid)
    # LAPACK reads one triangle, as if the other were the same.
    apart = np.subtract(matrix.mid, matrix.mid.T)
    asymmetry = bound_above(float(np.max(np.abs(apart, out=apart))), 1)
    del apart
    # The largest row sum is above the norm.
    sums = bound_above(float(np.max(np.sum(matrix.rad, axis=1))), order)
    spread = bound_above(sums + order * asymmetry, 4)
    trace = bound_above(float(np.trace(matrix.mid)), order)
    growth = gamma(order + 2)
    return bound_above(growth / (1.0 - growth) * trace + spread, 8)
