"""What a network's predictions cost on the data: convex losses, one file each.

A loss ℓ(P; Y) = Σ_i ℓ_i(P_i; Y_i) of predictions P and targets Y, both of shape (n, c), enters training in two places
(docs/mathematics/problem.md, "Losses"): ℓ itself in the objective, and its conjugate in the dual,

    D(A) = −ℓ*(−A) = inf over P of  ℓ(P; Y) + ⟨A, P⟩,         p* ≥ D(A) wherever ‖Aᵀφ(Xu)‖ ≤ γ‖u‖ for every u.

A = −∇ℓ(P), the *residual*, attains the infimum at P (Fenchel and Young). D is concave and D(0) = inf ℓ is finite, so
for any A the best feasible multiple sA is found on the *ray* s ↦ D(sA).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import scipy.optimize

from sdprelax.base import UNIT, Ball, Floats, Registry

__all__ = ["Loss", "ProvedRay", "Ray", "largest_multiple", "losses"]

# Halvings after which the end of the dual's domain along a ray is known to rounding.
HALVINGS = 60
# Shares of a multiple that are tried in its place: at the very end of the dual's domain nothing is proved.
SHARES = (1.0, 1.0 - 2.0**-48, 1.0 - 2.0**-40, 1.0 - 2.0**-30, 0.0)


class Ray(Protocol):
    """The dual value along a ray, s ↦ D(sA), in floating point."""

    def best(self, limit: Any) -> Any:
        """Return an s between 0 and ``limit`` at which D(sA) is largest; 0 where ``limit`` is no number."""
        ...

    def value(self, scale: Any) -> Any:
        """Return D(sA)."""
        ...


class ProvedRay(Protocol):
    """The dual value along a ray with its rounding errors; rays of blocks of samples add up to that of all of them."""

    def best(self, limit: float) -> float:
        """Return an s between 0 and ``limit`` at which D(sA) is large; floating point's word, no bound relies on it."""
        ...

    def below(self, scale: float) -> float:
        """Return a proved lower bound of the largest D(tA) with 0 ≤ t ≤ s; −∞ where nothing is proved."""
        ...

    def __add__(self, other: Any) -> ProvedRay:
        """Return the ray of both blocks of samples."""
        ...


class Loss(Protocol):
    """A convex loss; a subclass says what has no body here and inherits the rest.

    Attributes
    ----------
    degree: the k with ℓ(tP; tY) = t^k·ℓ(P; Y) for all t > 0; None where there is none, and targets keep their unit.
    curvature: the Lipschitz constant of ∇ℓ, so that D is strongly concave with its inverse; ∞ where ∇ℓ has none.
    """

    degree: ClassVar[int | None] = None
    curvature: ClassVar[float] = math.inf

    def check(self, Y: Floats) -> None:
        """Refuse targets that the loss is not defined for.

        Raises
        ------
        InputError: what is wrong with them, and what would be right.
        """

    def value(self, P: Floats, Y: Floats) -> float:
        """Return ℓ(P; Y) in floating point."""
        ...

    def value_above(self, P: Ball, Y: Ball) -> float:
        """Return a proved upper bound of ℓ(P; Y)."""
        ...

    def residual(self, P: Floats, Y: Floats) -> Floats:
        """Return A = −∇ℓ(P; Y), shape (n, c); of a loss with kinks the negative of some subgradient."""
        ...

    def dual_value(self, A: Floats, Y: Floats) -> float:
        """Return D(A) in floating point; −∞ outside of its domain."""
        ...

    def dual_value_below(self, A: Ball, Y: Ball) -> float:
        """Return a proved lower bound of D(A); −∞ where nothing is proved."""
        ...

    def proximal(self, P: Floats, Y: Floats, step: float) -> Floats:
        """Return the Q of least ℓ(Q; Y) + ‖Q − P‖²/(2·step), shape (n, c)."""
        ...

    def expression(self, P: Any, Y: Floats) -> Any:
        """Return ℓ(P; Y) of a CVXPY expression P."""
        ...

    def tensor(self, P: Any, Y: Any) -> Any:
        """Return ℓ(P; Y) of PyTorch tensors, summed over the last two axes, for methods that train with PyTorch."""
        raise NotImplementedError(f"{type(self).__name__} has no form for PyTorch.")

    def ray(self, A: Floats, Y: Floats) -> Ray:
        """Return s ↦ D(sA) in floating point."""
        return SampledRay(self, A, Y)

    def proved_ray(self, A: Ball, Y: Ball) -> ProvedRay:
        """Return s ↦ D(sA) with all rounding errors bounded."""
        return EnclosedRay(self, A, Y)

    def dual_bound(self, A: Ball, Y: Ball, gamma: float, steepest: float) -> float:
        """Return a proved lower bound of D(sA) for the best feasible multiple s of A.

        Parameters
        ----------
        A, Y: dual point and targets, shape (n, c).
        gamma: what the dual norm of a feasible point is at most.
        steepest: a proved upper bound of A's dual norm.
        """
        ray = self.proved_ray(A, Y)
        return ray.below(float(ray.best(float(largest_multiple(steepest, gamma)))))


losses: Registry[Loss] = Registry("loss", __name__)


def largest_multiple(steepest: Any, gamma: Any) -> Floats:
    """Return the largest s with s·steepest ≤ γ, rounded down: numbers, or arrays of one shape.

    In exact arithmetic s·steepest ≤ γ holds wherever s is above 1e-280.
    """
    steepest = np.asarray(steepest, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(steepest == 0.0, np.inf, gamma / steepest * (1.0 - 8 * UNIT))


@dataclass(frozen=True, eq=False)
class SampledRay:
    """s ↦ D(sA) of any loss, by its ``dual_value``."""

    loss: Loss
    A: Floats
    Y: Floats

    def value(self, scale: float) -> float:
        """Return D(sA)."""
        return self.loss.dual_value(scale * self.A, self.Y)

    def best(self, limit: float) -> float:
        """Return where D(sA) is largest: by halving into the domain, which is star-shaped, and a bounded search."""
        size = float(np.max(np.abs(self.A), initial=0.0))
        if not (limit > 0.0 and size > 0.0 and math.isfinite(size)):
            return 0.0
        end = min(limit, (1.0 + float(np.max(np.abs(self.Y), initial=0.0))) / size * len(self.Y))
        for _ in range(HALVINGS):
            if math.isfinite(self.value(end)):
                break
            end *= 0.5
        else:
            return 0.0
        if end < limit:
            # Between the last point inside and the first one outside lies the end of the domain.
            outside = min(2.0 * end, limit)
            for _ in range(HALVINGS):
                middle = 0.5 * (end + outside)
                end, outside = (middle, outside) if math.isfinite(self.value(middle)) else (end, middle)
        found = scipy.optimize.minimize_scalar(lambda s: -self.value(s), bounds=(0.0, end), method="bounded",
                                               options={"xatol": 1e-12 * end})  # fmt: skip
        return max((0.0, end, float(found.x)), key=self.value)


@dataclass(frozen=True, eq=False)
class EnclosedRay:
    """s ↦ D(sA) of any loss with its rounding errors, by its ``dual_value_below``."""

    loss: Loss
    A: Ball
    Y: Ball

    def best(self, limit: float) -> float:
        """Return where D(sA) is largest for the midpoints."""
        return SampledRay(self.loss, self.A.mid, self.Y.mid).best(limit)

    def below(self, scale: float) -> float:
        """Return a proved lower bound of the largest D(tA), 0 ≤ t ≤ s: of t near s, and of t = 0."""
        return max(self.loss.dual_value_below(self.A * (share * scale), self.Y) for share in SHARES)

    def __add__(self, other: EnclosedRay) -> EnclosedRay:
        """Return the ray of both blocks of samples."""
        parts = ((self.A, other.A), (self.Y, other.Y))
        A, Y = (Ball(np.concatenate([a.mid, b.mid]), np.concatenate([a.rad, b.rad])) for a, b in parts)
        return EnclosedRay(self.loss, A, Y)
