"""Losses that are sums over entries, ℓ(P; Y) = Σ_ik ℓ(p_ik; y_ik): formulas of one entry, and all else from them.

ℓ is convex in p and its dual value D concave in a, so over an interval ℓ is largest and D least at an end of it:
proved values are those of the ends, which are exact numbers.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sdprelax.base import UNIT, Ball, Floats, InputError, Integers
from sdprelax.problem.losses import Loss, losses, sums_above

__all__ = ["Entrywise", "parabola_below", "product_below"]

UNDERFLOW = 1e-290
# Share of itself by which an end of the domain is missed that was multiplied and divided by a weight.
ROUNDING = 2.0**-50


class Entrywise(Loss):
    """A loss that is a sum over entries; a subclass says the formulas of entries, its proximal map and its forms."""

    separable: ClassVar[bool] = True

    def check(self, Y: Floats) -> None:
        """Refuse what is no sign ±1, or no count ≥ 0, where the loss is of these.

        Raises
        ------
        InputError: the first entry that is wrong.
        """
        wrong, said = np.zeros(Y.shape, dtype=bool), ""
        if self.targets == "signs":
            wrong, said = np.abs(Y) != 1.0, "labels −1 and +1; for labels 0 and 1 write 2·Y − 1"
        if self.targets == "counts":
            wrong, said = Y < 0.0, "counts, which are 0 or more"
        if np.any(wrong):
            raise InputError(f"Y holds {Y[wrong][0]!s}, and loss '{losses.called(self)}' takes {said}.")

    # Of every entry: what a member says. Arrays are of shape (n, c).

    def costs(self, P: Floats, Y: Floats) -> Floats:
        """Return ℓ(p; y) in floating point."""
        raise NotImplementedError

    def costs_above(self, P: Floats, Y: Ball) -> Floats:
        """Return proved upper bounds of ℓ(p; y) at exact predictions; signs and counts in the balls are exact too."""
        raise NotImplementedError

    def duals(self, A: Floats, Y: Floats) -> Floats:
        """Return D(a; y) in floating point, wherever a is in the range of ``dual_range``."""
        raise NotImplementedError

    def duals_below(self, A: Floats, Y: Ball) -> Floats:
        """Return proved lower bounds of D(a; y) at an exact A in this range; signs and counts are exact too."""
        raise NotImplementedError

    def bends(self, P: Floats, Y: Floats) -> Floats:
        """Return ∂²ℓ/∂p²; at a jump of ∂ℓ/∂p one of its one-sided values."""
        return np.zeros_like(P)

    def dual_bends(self, A: Floats, Y: Floats) -> Floats:
        """Return −∂²D/∂a² inside of the range."""
        return np.zeros_like(A)

    # What follows.

    def values(self, P: Floats, Y: Floats) -> Floats:
        """Return ℓ_i(P_i; Y_i) in floating point, shape (n,)."""
        return np.asarray(np.sum(self.costs(P, Y), axis=1))

    @np.errstate(over="ignore", invalid="ignore")
    def values_above(self, P: Ball, Y: Ball) -> Floats:
        """Return proved upper bounds of ℓ_i(P_i; Y_i), shape (n,)."""
        below, above = P.ends()
        costs = self.costs_above(above, Y)
        if np.any(P.rad != 0.0):
            costs = np.maximum(costs, self.costs_above(below, Y))
        return sums_above(np.where(self._known(Y) & ~np.isnan(costs), costs, np.inf))

    def dual_values(self, A: Floats, Y: Floats) -> Floats:
        """Return D_i(A_i) in floating point, shape (n,); −∞ outside of its domain."""
        low, high = self.dual_range(Y)
        inside = (low - ROUNDING * np.abs(low) <= A) & (high + ROUNDING * np.abs(high) >= A)
        duals = self.duals(np.clip(np.where(inside, A, 0.0), low, high), Y)
        return np.asarray(np.sum(np.where(inside, duals, -np.inf), axis=1))

    @np.errstate(over="ignore", invalid="ignore")
    def dual_values_below(self, A: Ball, Y: Ball) -> Floats:
        """Return proved lower bounds of D_i(A_i), shape (n,); −∞ where an interval is not inside of the range."""
        low, high = self.dual_range(Y.mid)
        below, above = A.ends()
        inside = (low <= below) & (above <= high) & np.isfinite(below) & np.isfinite(above) & self._known(Y)
        duals = self.duals_below(np.where(inside, above, 0.0), Y)
        if np.any(A.rad != 0.0):
            duals = np.minimum(duals, self.duals_below(np.where(inside, below, 0.0), Y))
        return 0.0 - sums_above(-np.where(inside & ~np.isnan(duals), duals, -np.inf))

    def _known(self, Y: Ball) -> Any:
        """Say which targets are of the loss's kind: any numbers, or exact signs and counts."""
        return True if self.targets == "numbers" else Y.rad == 0.0

    def hessian(self, P: Floats, Y: Floats) -> Floats:
        """Return the diagonal matrices ∇²ℓ_i(P_i), shape (n, c, c)."""
        return _diagonals(self.bends(P, Y))

    def dual_hessian(self, A: Floats, Y: Floats) -> Floats:
        """Return the diagonal matrices −∇²D_i(A_i), shape (n, c, c)."""
        return _diagonals(self.dual_bends(A, Y))


def product_below(A: Floats, Y: Ball) -> Floats:
    """Return proved lower bounds of a·y at an exact A for every y of the balls; 0 where a or y is."""
    low, high = Y.ends()
    least = np.minimum(A * low, A * high)
    # Rounding to nearest errs by less than one step, and a product with ±1 by nothing.
    exact = (A == 0.0) | ((Y.rad == 0.0) & ((Y.mid == 0.0) | (np.abs(Y.mid) == 1.0)))
    return np.where(exact, least, np.nextafter(least, -np.inf))


def parabola_below(A: Floats, Y: Ball) -> Floats:
    """Return proved lower bounds of a·y − a²/2 at an exact A for every y of the balls; 0 where a is."""
    taken = 0.5 * A * A * (1.0 + 4 * UNIT) + UNDERFLOW
    return np.where(A == 0.0, 0.0, np.nextafter(product_below(A, Y) - taken, -np.inf))


def _diagonals(entries: Floats) -> Floats:
    n, c = entries.shape
    matrices = np.zeros((n, c, c))
    places: Integers = np.arange(c)
    matrices[:, places, places] = entries
    return matrices
