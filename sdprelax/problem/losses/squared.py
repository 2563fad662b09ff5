"""Loss ``squared``: half the sum of squares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sdprelax.base import Ball, Floats, InputError
from sdprelax.problem.losses import Loss, losses

__all__ = ["ProvedQuadraticRay", "QuadraticRay", "Squared", "quadratic_below"]

# Numbers and products above this are so far from underflow that each rounding of theirs is relative.
TINY = 1e-280


@losses.register("squared")
@dataclass(frozen=True)
class Squared(Loss):
    """The squared loss ½‖P − Y‖²; its dual value is D(A) = ⟨A, Y⟩ − ½‖A‖², for every A."""

    degree: ClassVar[int | None] = 2
    curvature: ClassVar[float] = 1.0

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

    def value(self, P: Floats, Y: Floats) -> float:
        """Return ½‖P − Y‖² in floating point."""
        return 0.5 * float(np.sum((P - Y) ** 2))

    def value_above(self, P: Ball, Y: Ball) -> float:
        """Return a proved upper bound of ½‖P − Y‖²; the half of what is far from underflow is exact."""
        return 0.5 * (P - Y).square_above()

    def residual(self, P: Any, Y: Any) -> Any:
        """Return Y − P, of arrays or tensors."""
        return Y - P

    def dual_value(self, A: Floats, Y: Floats) -> float:
        """Return ⟨A, Y⟩ − ½‖A‖² in floating point."""
        return float(np.sum(A * Y) - 0.5 * np.sum(A * A))

    def dual_value_below(self, A: Ball, Y: Ball) -> float:
        """Return a proved lower bound of ⟨A, Y⟩ − ½‖A‖²."""
        ray = self.proved_ray(A, Y)
        below = math.nextafter(ray.along - 0.5 * ray.energy, -math.inf)
        return -math.inf if math.isnan(below) else below

    def proximal(self, P: Floats, Y: Floats, step: float) -> Floats:
        """Return (P + step·Y)/(1 + step)."""
        return np.asarray((P + step * Y) / (1.0 + step))

    def expression(self, P: Any, Y: Floats) -> Any:
        """Return ½‖P − Y‖² of a CVXPY expression P."""
        import cvxpy as cp  # half a second, which commands that solve nothing need not wait for

        return 0.5 * cp.sum_squares(P - Y)

    def tensor(self, P: Any, Y: Any) -> Any:
        """Return ½‖P − Y‖² of PyTorch tensors, over the last two axes."""
        return 0.5 * ((P - Y) ** 2).sum(dim=(-2, -1))

    def ray(self, A: Floats, Y: Floats) -> QuadraticRay:
        """Return s ↦ s⟨A, Y⟩ − ½s²‖A‖² in floating point."""
        return QuadraticRay(float(np.sum(A * Y)), float(np.sum(A * A)))

    def proved_ray(self, A: Ball, Y: Ball) -> ProvedQuadraticRay:
        """Return s ↦ s⟨A, Y⟩ − ½s²‖A‖² with all rounding errors bounded."""
        return ProvedQuadraticRay(A.inner(Y)[0], A.square_above())


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
