"""Loss ``squared``: half the sum of squares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sdprelax.base import UNIT, Ball, Floats, InputError, bound_above, optional
from sdprelax.problem.losses import Loss, losses

__all__ = ["ProvedQuadraticRay", "QuadraticRay", "Squared", "quadratic_below"]

# Numbers and products above this are so far from underflow that each rounding of theirs is relative.
TINY = 1e-280
# Far above what gradual underflow can lose in one square.
UNDERFLOW = 1e-290


@losses.register("squared")
@dataclass(frozen=True)
class Squared(Loss):
    """The squared loss ½‖P − Y‖²; its dual value is D(A) = ⟨A, Y⟩ − ½‖A‖², for every A."""

    degree: ClassVar[int | None] = 2
    curvature: ClassVar[float] = 1.0
    separable: ClassVar[bool] = True

    @staticmethod
    def of_sums(squares: Any, curved: float = 0.0) -> float:
        """Return the loss from sums over samples, as statistics of data that are not at hand have them.

        ½‖Y − ΦW‖² is ½(‖Y‖² + ⟨W, ΦᵀΦW − 2ΦᵀY⟩).

        Parameters
        ----------
        squares: ‖Y‖², of every output or of all; or ‖Y − ΦW‖² itself.
        curved: ⟨W, ΦᵀΦW − 2ΦᵀY⟩.
        """
        return 0.5 * curved + 0.5 * float(np.sum(squares))

    def check(self, Y: Floats) -> None:
        """Refuse targets whose squares overflow.

        Raises
        ------
        InputError: ‖Y‖² is beyond the largest double.
        """
        with np.errstate(over="ignore"):
            energy = float(np.sum(Y * Y))
        if not np.isfinite(energy):
            raise InputError(
                "Y is so large that ‖Y‖² is beyond the largest double; divide Y and gamma by the same power of two."
            )

    def values(self, P: Floats, Y: Floats) -> Floats:
        """Return ½‖P_i − Y_i‖²."""
        return np.asarray(0.5 * np.sum((P - Y) ** 2, axis=1))

    def values_above(self, P: Ball, Y: Ball) -> Floats:
        """Return proved upper bounds of ½‖P_i − Y_i‖²."""
        norms = (P - Y).row_norms()
        return np.asarray(np.where(norms > 0.0, 0.5 * norms * norms * (1.0 + 8 * UNIT) + UNDERFLOW, 0.0))

    def value(self, P: Floats, Y: Floats) -> float:
        """Return ½‖P − Y‖² in floating point."""
        return 0.5 * float(np.sum((P - Y) ** 2))

    def value_above(self, P: Ball, Y: Ball) -> float:
        """Return a proved upper bound of ½‖P − Y‖²; the half of what is far from underflow is exact."""
        return 0.5 * (P - Y).square_above()

    def residual(self, P: Any, Y: Any) -> Any:
        """Return Y − P, of arrays or tensors."""
        return Y - P

    def dual_values(self, A: Floats, Y: Floats) -> Floats:
        """Return ⟨A_i, Y_i⟩ − ½‖A_i‖²."""
        return np.asarray(np.sum(A * Y, axis=1) - 0.5 * np.sum(A * A, axis=1))

    def dual_values_below(self, A: Ball, Y: Ball) -> Floats:
        """Return proved lower bounds of ⟨A_i, Y_i⟩ − ½‖A_i‖²; 0 at a row of zeros."""
        found = np.full(len(A.mid), -math.inf)
        for i in range(len(A.mid)):
            along, square = A[i].inner(Y[i])[0], A[i].square_above()
            below = math.nextafter(along - 0.5 * square, -math.inf)
            zero = not np.any(A.mid[i]) and not np.any(A.rad[i])
            found[i] = 0.0 if zero else below if math.isfinite(below) else -math.inf
        return found

    def dual_value(self, A: Floats, Y: Floats) -> float:
        """Return ⟨A, Y⟩ − ½‖A‖² in floating point."""
        return float(np.sum(A * Y) - 0.5 * np.sum(A * A))

    def dual_value_below(self, A: Ball, Y: Ball) -> float:
        """Return a proved lower bound of ⟨A, Y⟩ − ½‖A‖²."""
        ray = self.proved_ray(A, Y)
        below = math.nextafter(ray.along - 0.5 * ray.energy, -math.inf)
        return -math.inf if math.isnan(below) else below

    def proximal(self, P: Floats, Y: Floats, step: float | Floats) -> Floats:
        """Return (P + step·Y)/(1 + step)."""
        return np.asarray((P + step * Y) / (1.0 + step))

    def constant(self, Y: Floats, P: Floats | None = None, decay: float = 0.0) -> Floats:
        """Return Σ_i(Y_i − P_i)/(n + decay)."""
        return np.asarray(np.sum(Y if P is None else Y - P, axis=0) / (len(Y) + decay))

    def hessian(self, P: Floats, Y: Floats) -> Floats:
        """Return the identity for every sample."""
        return np.broadcast_to(np.eye(Y.shape[1]), (len(Y), Y.shape[1], Y.shape[1]))

    def dual_gradient(self, A: Floats, Y: Floats) -> Floats:
        """Return Y − A."""
        return Y - A

    def dual_hessian(self, A: Floats, Y: Floats) -> Floats:
        """Return the identity for every sample."""
        return self.hessian(A, Y)

    def expressions(self, P: Any, Y: Floats) -> Any:
        """Return ½‖P_i − Y_i‖² of a CVXPY expression P."""
        cp = optional("cvxpy")

        return 0.5 * cp.sum(cp.square(P - Y), axis=1)

    def expression(self, P: Any, Y: Floats) -> Any:
        """Return ½‖P − Y‖² of a CVXPY expression P."""
        cp = optional("cvxpy")  # half a second, which commands that solve nothing need not wait for

        return 0.5 * cp.sum_squares(P - Y)

    def tensors(self, P: Any, Y: Any) -> Any:
        """Return ½‖P_i − Y_i‖² of PyTorch tensors."""
        return 0.5 * ((P - Y) ** 2).sum(dim=-1)

    def ray(self, A: Floats, Y: Floats, tilt: float = 0.0) -> QuadraticRay:
        """Return s ↦ s⟨A, Y⟩ − ½s²(‖A‖² + tilt) in floating point."""
        return QuadraticRay(float(np.sum(A * Y)), float(np.sum(A * A)) + tilt)

    def proved_ray(self, A: Ball, Y: Ball, tilt: float = 0.0) -> ProvedQuadraticRay:
        """Return s ↦ s⟨A, Y⟩ − ½s²(‖A‖² + tilt) with all rounding errors bounded."""
        energy = A.square_above()
        return ProvedQuadraticRay(A.inner(Y)[0], bound_above(energy + tilt, 1) if tilt else energy)


@dataclass(frozen=True, eq=False)
class QuadraticRay:
    """s ↦ s⟨A, Y⟩ − ½s²‖A‖², in floating point.

    Parameters
    ----------
    along, energy: ⟨A, Y⟩ and ‖A‖²; numbers, or arrays of one shape for several rays at once.
    """

    along: Any
    energy: Any

    def best(self, limit: Any) -> Floats:
        """Return the s between 0 and ``limit`` at which the value is largest; 0 where ``limit`` is no number."""
        along, energy, most = (np.asarray(value, dtype=np.float64) for value in (self.along, self.energy, limit))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            best = np.minimum(np.where(energy > 0.0, along / energy, 0.0), most)
        # What is not a number is no multiple.
        return np.asarray(np.where(best > 0.0, best, 0.0))

    def value(self, scale: Any) -> Any:
        """Return s⟨A, Y⟩ − ½s²‖A‖²."""
        return scale * self.along - 0.5 * scale * scale * self.energy


@dataclass(frozen=True, eq=False)
class ProvedQuadraticRay:
    """s ↦ s⟨A, Y⟩ − ½s²‖A‖² from below.

    Parameters
    ----------
    along: a proved lower bound of ⟨A, Y⟩.
    energy: a proved upper bound of ‖A‖².
    """

    along: float
    energy: float

    def best(self, limit: float) -> float:
        """Return the s between 0 and ``limit`` at which the value is largest, in floating point."""
        return float(QuadraticRay(self.along, self.energy).best(limit))

    def below(self, scale: float) -> float:
        """Return a proved lower bound of the value at s ≥ 0; 0, the value at 0, where that is more."""
        return quadratic_below(self.along, self.energy, scale)

    def __add__(self, other: ProvedQuadraticRay) -> ProvedQuadraticRay:
        """Return the ray of both blocks of samples: sums rounded down and up; zeros add nothing."""
        along = math.nextafter(self.along + other.along, -math.inf) if other.along else self.along
        energy = math.nextafter(self.energy + other.energy, math.inf) if other.energy else self.energy
        return ProvedQuadraticRay(along, energy)


def quadratic_below(along: float, energy: float, scale: float) -> float:
    """Return a proved lower bound of s·a − ½s²e from bounds below of a and above of e, s ≥ 0; 0 where nothing is."""
    gained = scale * along
    # Beyond these a rounding is not small relative to what is rounded, and e may be lost in an underflow.
    if not all(TINY < value < math.inf for value in (scale, along, gained)) or not 0.0 <= energy < math.inf:
        return 0.0
    # Four roundings, each within u of terms that are no larger than s·a wherever the result is positive.
    value = scale * (along - 0.5 * scale * energy) - 2.0**-49 * gained
    return max(0.0, math.nextafter(value, -math.inf)) if math.isfinite(value) else 0.0
