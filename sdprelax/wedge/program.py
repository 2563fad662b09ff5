"""The Lasso over closed-form neurons: a convex program, its dual, and intervals that hold its optimum.

    min over z (K×c), t (c)  ½‖Φz + 1tᵀ − Y‖² + γΣ_k‖z_k‖,      dual: max ⟨A, Y⟩ − ½‖A‖²  s.t. ‖Aᵀφ_k‖ ≤ γ, 1ᵀA = 0

(t and 1ᵀA = 0 with a free output bias only; of one output this is the Lasso, of several the group Lasso).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.verified import Ball, Floats, bound_above, dual_value_below

__all__ = ["LassoFit", "LassoProgram", "proved", "proved_features"]

# Entries of features that are enclosed at a time.
BLOCK = 4_000_000


@dataclass(frozen=True, eq=False)
class LassoProgram:
    """Data of the program.

    Parameters
    ----------
    features: Φ, shape (n, K).
    targets: Y, shape (n, c).
    gamma: weight of the norms.
    intercept: whether there is a free output bias t.
    """

    features: Floats
    targets: Floats
    gamma: float
    intercept: bool = False

    def centred(self) -> LassoProgram:
        """Return the same program without t, which is eliminated: columns and targets minus their means."""
        if not self.intercept:
            return self
        return LassoProgram(
            self.features - np.mean(self.features, axis=0), self.targets - np.mean(self.targets, axis=0), self.gamma
        )

    def offset(self, weights: Floats) -> Floats:
        """Return the best t, shape (c,), for weights z; zeros without one."""
        if not self.intercept:
            return np.zeros(self.targets.shape[1])
        return np.asarray(np.mean(self.targets - self.features @ weights, axis=0))


@dataclass(frozen=True, eq=False)
class LassoFit:
    """A primal-dual pair.

    Attributes
    ----------
    weights: z, shape (K, c).
    offset: t, shape (c,).
    multiplier: A, shape (n, c), feasible up to rounding.
    value, dual_value: of the two, in floating point; :func:`proved` bounds them.
    expired: whether the deadline ended the solver.
    """

    weights: Floats
    offset: Floats
    multiplier: Floats
    value: float
    dual_value: float
    expired: bool = False

    @property
    def gap(self) -> float:
        """Duality gap relative to the value."""
        return (self.value - self.dual_value) / self.value if self.value > 0.0 else 0.0

    @property
    def used(self) -> Any:
        """Whether each atom carries weight, shape (K,)."""
        return np.any(self.weights != 0.0, axis=1)


def proved(inputs: Floats, directions: Floats, program: LassoProgram, fit: LassoFit) -> tuple[float, float]:
    """Return proved (lower, upper) bounds of the optimum of the Lasso over given neurons, rounding included.

    The features are the exact (Xw_k)₊ of these floats, not the rounded Φ of the program.

    Parameters
    ----------
    inputs: X, shape (n, D), with its column of ones if there is a free bias.
    directions: w_k as columns, shape (D, K).
    """
    return proved_features(lambda chosen: (Ball.exact(inputs) @ Ball.exact(directions[:, chosen])).relu(), program, fit)


def proved_features(
    features: Callable[[slice | NDArray[np.bool_]], Ball], program: LassoProgram, fit: LassoFit
) -> tuple[float, float]:
    """Return proved (lower, upper) bounds, from a function that encloses chosen columns of the exact features."""
    Y, gamma, used = program.targets, program.gamma, fit.used
    ones = Ball.exact(np.ones((len(Y), 1)))
    prediction = features(used) @ Ball.exact(fit.weights[used]) + ones @ Ball.exact(fit.offset[None, :])
    loss = (prediction - Ball.exact(Y)).square_above()
    sizes = Ball.exact(fit.weights[used]).row_norms()
    total = bound_above(gamma * float(np.sum(sizes)), len(sizes) + 2) if len(sizes) else 0.0
    upper = bound_above(0.5 * loss + total, 4) if loss or total else 0.0
    A = _balanced(fit.multiplier) if program.intercept else fit.multiplier
    exact, atoms = Ball.exact(A), len(used)
    step = max(1, BLOCK // max(len(Y), 1))
    steepest = 0.0
    for first in range(0, atoms, step):
        norms = (features(slice(first, first + step)).T @ exact).row_norms()
        steepest = max(steepest, float(np.max(norms, initial=0.0)))
    return dual_value_below(A, Y, gamma, steepest), upper


def _balanced(A: Floats) -> Floats:
    """Return a dual point near A, shape (n, c), whose columns sum to zero exactly.

    Multiples of one power of two, few enough of it that no partial sum is rounded.
    """
    largest = float(np.max(np.abs(A), initial=0.0))
    if largest == 0.0:
        return A
    unit = 2.0 ** (math.frexp(largest)[1] - 52 + math.ceil(math.log2(len(A))) + 1)
    whole: Floats = np.round(A / unit)
    excess = np.sum(whole, axis=0)
    # An excess of at most n/2 is taken from the largest entries, one unit each.
    for k, amount in enumerate(excess.astype(int)):
        order = np.argsort(-np.abs(whole[:, k]), kind="stable")
        share, rest = divmod(abs(int(amount)), len(A))
        whole[:, k] -= np.sign(amount) * share
        whole[order[:rest], k] -= np.sign(amount)
    return whole * unit
