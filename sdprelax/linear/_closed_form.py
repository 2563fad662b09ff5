"""Optima of linear networks in closed form: without weight decay, and with it where the inputs are white."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import Floats, InputError
from sdprelax.linear._spectrum import Spectrum, checked_width

__all__ = ["WHITE", "LinearOptimum", "decayed_singular_value", "reduced_rank_regression", "white_optimum"]

# Singular values of X that differ by less than this share count as one.
WHITE = 1e-9


@dataclass(frozen=True, eq=False)
class LinearOptimum:
    """The best product W = W_1⋯W_L of the layers of a linear network.

    Attributes
    ----------
    weights: W, shape (d, c), of rank k at most.
    value: the objective, in floating point.
    """

    weights: Floats
    value: float


def reduced_rank_regression(X: ArrayLike, Y: ArrayLike, width: int | None = None) -> LinearOptimum:
    """Return min ½‖XW − Y‖² over matrices W of rank k: linear networks of any depth, without weight decay.

    It is ½‖Y‖² − ½Σ_{i≤k}σ_i², with the singular values σ of the targets' projection on the columns of X (Eckart,
    Young and Mirsky; Izenman 1975; Baldi and Hornik 1989): docs/mathematics/deep_linear.md, "Without weight decay".

    Parameters
    ----------
    X: inputs, shape (n, d).
    Y: targets, shape (n, c).
    width: k, the width of the narrowest layer; None for no bottleneck.

    Raises
    ------
    InputError: data that are no finite numbers or do not fit, or a width that is no positive integer.
    """
    spectrum = Spectrum.of(X, Y)
    left, singular, right = np.linalg.svd(spectrum.targets, full_matrices=False)
    k = checked_width(width, len(singular))
    Z = ((left[:, :k] * singular[:k]) @ right[:k]) / spectrum.values[:, None]
    return LinearOptimum(spectrum.basis @ Z, spectrum.loss(Z))


def decayed_singular_value(target: float, square: float, gamma: float, depth: int) -> float:
    """Return the σ ≥ 0 that minimises ½ρ²σ² − τσ + ½γLσ^{2/L}; 0 where several do.

    Parameters
    ----------
    target: τ.
    square: ρ² > 0.
    gamma: γ > 0.
    depth: L ≥ 2.
    """
    if depth == 2:
        return max(0.0, target - gamma) / square
    # With σ = s^L a stationary point is 0 or solves ρ²s^{2L−2} − τs^{L−2} + γ = 0, in s = (τ/ρ²)^{1/L}·x.
    if target <= 0.0:
        return 0.0
    unit = (target / square) ** (1.0 / depth)
    share = gamma * unit ** (2.0 - depth) / target
    polynomial = np.zeros(2 * depth - 1)
    polynomial[[0, depth, -1]] = 1.0, -1.0, share
    roots = np.roots(polynomial)
    real = roots.real[(np.abs(roots.imag) < 1e-7) & (roots.real > 0.0)]

    def cost(x: float) -> float:
        return float(0.5 * x ** (2 * depth) - x**depth + 0.5 * share * depth * x * x)

    best = min(real, key=cost, default=0.0)
    return float(unit * best) ** depth if cost(best) < 0.0 else 0.0


def white_optimum(X: ArrayLike, Y: ArrayLike, gamma: float, width: int | None = None, depth: int = 2) -> LinearOptimum:
    """Return min ½‖XW − Y‖² + (γ/2)Σ‖W_l‖² over linear networks, where all singular values of X are one ρ.

    The singular vectors are those of XᵀY, and every singular value is the minimum of a function of one variable
    (docs/mathematics/deep_linear.md, "White inputs").

    Parameters
    ----------
    X: inputs with XᵀX = ρ²I on the space of its rows, shape (n, d).
    Y: targets, shape (n, c).
    gamma: weight decay γ > 0 of every layer.
    width: k, the width of the narrowest layer; None for no bottleneck.
    depth: number of layers L.

    Raises
    ------
    InputError: inputs of different singular values, data that do not fit, or options out of range.
    """
    spectrum = Spectrum.of(X, Y)
    if not 0.0 < gamma < np.inf or depth < 2:
        raise InputError(f"gamma is {gamma!r} and depth {depth!r}; gamma must be positive, and depth 2 or more.")
    if spectrum.values[-1] < (1.0 - WHITE) * spectrum.values[0]:
        raise InputError(
            f"the singular values of X are between {spectrum.values[-1]:g} and {spectrum.values[0]:g}; there is a "
            "closed form where they are equal: whiten X first."
        )
    left, singular, right = np.linalg.svd(spectrum.inner, full_matrices=False)
    k, square = checked_width(width, len(singular)), float(spectrum.values[0]) ** 2
    found = np.array([decayed_singular_value(float(tau), square, gamma, depth) for tau in singular[:k]])
    Z = (left[:, :k] * found) @ right[:k]
    value = spectrum.loss(Z) + 0.5 * gamma * depth * float(np.sum(found ** (2.0 / depth)))
    return LinearOptimum(spectrum.basis @ Z, value)
