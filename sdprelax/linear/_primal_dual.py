"""The relaxation of two layers by a first-order method: two singular value decompositions of the size of W a step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sdprelax.base import Floats, positive_part
from sdprelax.linear._spectrum import Spectrum

__all__ = ["largest_squares_shrunk", "primal_dual"]

# Share of the largest steps that are taken.
STEP = 0.99
# Halvings of the interval in which a threshold lies.
HALVINGS = 100


def largest_squares_shrunk(values: Floats, count: int, weight: float) -> Floats:
    """Return the s ≥ 0 of least ½‖s − x‖² + ½w·(sum of the k largest squares of s).

    The largest x are divided by 1 + w, the smallest stay, and those between are one threshold θ, the number at which
    the weights (x − θ)/(wθ) of those between and the number of the largest add up to k.

    Parameters
    ----------
    values: x ≥ 0, descending.
    count: k ≥ 1.
    weight: w > 0.
    """
    if count >= len(values) or not values[0] > 0.0:
        return values / (1.0 + weight)
    low, high = 0.0, float(values[0])
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if middle <= 0.0 or np.sum(np.minimum(positive_part(values - middle) / (weight * middle), 1.0)) > count:
            low = middle
        else:
            high = middle
    return np.where(values > high * (1.0 + weight), values / (1.0 + weight), np.minimum(values, high))


def primal_dual(spectrum: Spectrum, width: int, gamma: float, start: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield, step after step, the product Z and the dual point F of the relaxation of two layers, shape (r, c) each.

    With M = ΣZ the relaxation is the saddle point min_Z max_A ⟨A, M⟩ − ½Σ_{i≤k}σ_i(A)² − ⟨T, M⟩ + γ‖Z‖_* for A = ΣF
    (docs/mathematics/deep_linear.md, "Two layers with weight decay"), which the primal-dual method of Chambolle and
    Pock 2011 finds.

    Parameters
    ----------
    spectrum: of the data.
    width: k.
    gamma: weight decay γ > 0 of every layer.
    start: Z to start from, shape (r, c).
    """
    values = spectrum.values[:, None]
    step = STEP / float(values[0, 0]) ** 2
    Z, ahead, A = start, start, values * start
    while True:
        left, singular, right = np.linalg.svd(A + values * ahead, full_matrices=False)
        A = (left * largest_squares_shrunk(singular, width, 1.0)) @ right
        left, singular, right = np.linalg.svd(Z - step * values * (A - spectrum.targets), full_matrices=False)
        new = (left * positive_part(singular - step * gamma)) @ right
        Z, ahead = new, 2.0 * new - Z
        yield Z, A / values
