"""Floating-point arithmetic whose error is bounded: the ground under every published bound.

A :class:`Ball` is an array of intervals [mid − rad, mid + rad] that is guaranteed to contain
the exact real result. Radii follow the standard model of IEEE binary64 arithmetic with round
to nearest: an inner product of length k, summed in any order, with or without fused
multiply-add, errs by at most γ_k·|a|·|b| with γ_k = k·u/(1 − k·u), u = 2⁻⁵³ (Higham, *Accuracy
and Stability of Numerical Algorithms*, 2nd ed., section 3.1; Rump, *Acta Numerica* 19, 2010).
The model needs a BLAS that does not use Strassen-like products or reduced precision, which
holds for OpenBLAS, MKL and Accelerate in their default modes.

Positive semidefiniteness is proved by a floating-point Cholesky factorisation that runs to
its end (Rump, *Verification of positive definiteness*, BIT 46, 2006).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

__all__ = [
    "Ball",
    "Floats",
    "bound_above",
    "bound_below",
    "dual_value_below",
    "feasible_multiple",
    "gamma",
    "proves_psd",
    "quadratic_below",
]

Floats = NDArray[np.float64]

UNIT = 2.0**-53
# Far above everything that gradual underflow can lose in one inner product of any length used here.
UNDERFLOW = 1e-290


def gamma(k: int) -> float:
    """Return an upper bound of γ_k = k·u/(1 − k·u), the relative error of k rounded operations."""
    return k * UNIT / (1.0 - k * UNIT) * (1.0 + 8 * UNIT)


def bound_above(value: float, operations: int) -> float:
    """Return a float above every real whose rounded nonnegative evaluation in so many steps is ``value``."""
    if math.isnan(value):
        return math.inf
    return math.nextafter(value * (1.0 + 2.0 * gamma(operations + 4)) + UNDERFLOW, math.inf)


def bound_below(value: float, operations: int) -> float:
    """Return a float below every real whose rounded nonnegative evaluation in so many steps is ``value``."""
    if math.isnan(value):
        return 0.0
    return max(0.0, math.nextafter(value * (1.0 - 2.0 * gamma(operations + 4)) - UNDERFLOW, -math.inf))


@dataclass(frozen=True)
class Ball:
    """An array of real intervals, held as midpoints and radii of one shape.

    ``Ball(array)`` is exact (radius zero). Supported: ``+``, ``-``, ``@``, ``*`` by an exact
    array or float, ``.T``, indexing, :meth:`relu`, and the reductions below.
    """

    mid: Floats
    rad: Floats

    @staticmethod
    def exact(array: Floats) -> Ball:
        """Return the ball of an array whose entries are taken as exact real numbers."""
        mid = np.asarray(array, dtype=np.float64)
        return Ball(mid, np.zeros_like(mid))

    @property
    def T(self) -> Ball:
        """The transpose."""
        return Ball(self.mid.T, self.rad.T)

    def __getitem__(self, index: Any) -> Ball:
        return Ball(self.mid[index], self.rad[index])

    def __neg__(self) -> Ball:
        return Ball(-self.mid, self.rad)

    def __add__(self, other: Ball) -> Ball:
        mid = self.mid + other.mid
        return Ball(mid, _inflate(self.rad + other.rad + UNIT * np.abs(mid), 3, products=False))

    def __sub__(self, other: Ball) -> Ball:
        return self + (-other)

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
        rad = gamma(length + 1) * (left @ right)
        if np.any(other.rad):
            rad = rad + left @ other.rad
        if np.any(self.rad):
            rad = rad + self.rad @ (right + other.rad)
        return Ball(mid, _inflate(rad, 2 * length + 8))

    def relu(self) -> Ball:
        """Return max(·, 0) entrywise; it is 1-Lipschitz, so radii stay as they are."""
        return Ball(np.maximum(self.mid, 0.0), self.rad)

    def magnitude(self) -> Floats:
        """Return entrywise upper bounds of the absolute value."""
        return _inflate(np.abs(self.mid) + self.rad, 2, products=False)

    @np.errstate(over="ignore")
    def row_norms(self) -> Floats:
        """Return upper bounds of the Euclidean norm of each row."""
        size = self.magnitude()
        squares = np.einsum("ij,ij->i", size, size)
        return _inflate(np.sqrt(squares * (1.0 + 2 * gamma(size.shape[1] + 3)) + UNDERFLOW), 4)

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


def dual_value_below(A: Floats, Y: Floats, gamma: float, steepest: float) -> float:
    """Return a proved lower bound of ⟨sA, Y⟩ − ½‖sA‖² for a multiple s ≤ 1 of A that is feasible; 0 where nothing is.

    Parameters
    ----------
    A, Y: dual point and targets, shape (n, c).
    gamma: what the dual norm of a feasible point is at most.
    steepest: a proved upper bound of A's dual norm.
    """
    # sA is feasible for any s with s·steepest ≤ γ: s need not be the exact quotient.
    scale = min(1.0, gamma / steepest * (1.0 - 1e-15)) if steepest > 0.0 else 1.0
    return quadratic_below(Ball.exact(A).inner(Ball.exact(Y))[0], Ball.exact(A).square_above(), scale)


def feasible_multiple(along: Any, energy: Any, steepest: Any, gamma: float) -> Floats:
    """Return the s ≥ 0 with s·steepest ≤ γ that is best for s⟨A, Y⟩ − ½s²‖A‖², in floating point.

    Parameters
    ----------
    along, energy, steepest: ⟨A, Y⟩, ‖A‖² and the dual norm of A, numbers or arrays of one shape.
    gamma: what the dual norm of a feasible point is at most.
    """
    along, energy, steepest = (np.asarray(value, dtype=np.float64) for value in (along, energy, steepest))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        free = np.where(energy > 0.0, along / energy, 0.0)
        feasible = np.where(steepest > 0.0, gamma / steepest, np.inf)
    return np.asarray(np.maximum(0.0, np.minimum(free, feasible)))


def quadratic_below(along: float, energy: float, scale: float) -> float:
    """Return a proved lower bound of s·a − ½s²e from bounds below of a and above of e, s ≥ 0; 0 where nothing is."""
    if not (along > 0.0 and math.isfinite(along) and math.isfinite(energy) and math.isfinite(scale)):
        return 0.0
    gained, paid = bound_below(scale * along, 1), bound_above(0.5 * scale * scale * energy, 3)
    return max(0.0, math.nextafter(gained - paid, -math.inf))


def _inflate(radius: Floats, operations: int, *, products: bool = True) -> Floats:
    """Return radii that stay valid though they were themselves computed with rounding errors.

    Sums of floats cannot underflow; ``products=False`` then lets an exact result keep radius zero. What is not a
    number (∞ − ∞, or 0·∞ after an overflow) could be any number: its radius is infinite.
    """
    grown: Floats = radius * (1.0 + 2.0 * gamma(operations + 2))
    inflated = grown + UNDERFLOW if products else np.where(grown > 0.0, grown + UNDERFLOW, 0.0)
    return np.where(np.isnan(grown), np.inf, inflated)


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
    if not np.all(np.isfinite(matrix.mid)) or not np.all(np.isfinite(matrix.rad)):
        return False
    symmetric = np.tril(matrix.mid) + np.tril(matrix.mid, -1).T
    asymmetry = float(np.max(np.abs(symmetric - matrix.mid), initial=0.0))
    spread = Ball(np.zeros_like(matrix.rad), matrix.rad + asymmetry).operator_norm_above()
    diagonal = np.diag(symmetric)
    if np.any(diagonal < 0.0):
        return False
    trace = bound_above(float(diagonal.sum()), order)
    growth = gamma(order + 2)
    rump = growth / (1.0 - growth) * trace
    shift = bound_above(rump + spread + margin, order + 8)
    shift = bound_above(shift + 2 * UNIT * (float(np.max(diagonal)) + shift), 8)
    shifted = symmetric.copy()
    shifted[np.diag_indices(order)] = diagonal - shift
    _, info = scipy.linalg.lapack.dpotrf(shifted, lower=1, clean=0, overwrite_a=1)
    return bool(info == 0)
