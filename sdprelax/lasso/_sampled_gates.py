"""Gates for many samples: what one pass says of the inputs, and directions drawn from it.

Activations of a trained network are anything but centred: behind a ReLU all entries are ≥ 0, and a Gaussian direction
through the origin is open or closed for nearly all of them. So gates are hyperplanes through the *bulk* of the inputs:
g·(z − μ) ≥ t‖Σ^½g‖ for their mean μ and covariance Σ and a Gaussian t. That needs the constant 1 among the inputs;
without one they pass through the origin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sdprelax.base import Floats, InputError, positive_part
from sdprelax.lasso._rows import Rows

__all__ = ["Moments", "Shape", "moments_of", "sampled_gates"]

Shape = Literal["isotropic", "covariance", "whitened"]

# Eigenvalues of the covariance below this share of the largest are rounding errors of activations in single precision.
RANK = 1e-6


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of inputs and targets.

    Parameters
    ----------
    count: n.
    mean: of the inputs, shape (d,).
    covariance: of the inputs, shape (d, d).
    target_mean: shape (c,).
    spread: Σ‖f − mean‖² over all targets.
    """

    count: int
    mean: Floats
    covariance: Floats
    target_mean: Floats
    spread: float


def moments_of(rows: Rows, advance: Callable[[int], None] = lambda _: None) -> Moments:
    """Return the moments of all rows in one pass.

    Sums are taken about the first block's mean, so that they lose no digits where the mean is large.

    Parameters
    ----------
    advance: called with the number of rows read after every block.

    Raises
    ------
    InputError: no rows.
    """
    n, d, c = rows.shape
    if not n:
        raise InputError("there are no samples to learn from: at least one is needed.")
    inputs_at, targets_at = np.zeros(d), np.zeros(c)
    inputs_sum, targets_sum, products, squares = np.zeros(d), np.zeros(c), np.zeros((d, d)), 0.0
    for number, block in enumerate(rows.blocks()):
        if number == 0:
            inputs_at, targets_at = block.inputs.mean(axis=0), block.targets.mean(axis=0)
        inputs, targets = block.inputs - inputs_at, block.targets - targets_at
        inputs_sum += inputs.sum(axis=0)
        targets_sum += targets.sum(axis=0)
        products += inputs.T @ inputs
        squares += float(np.sum(targets * targets))
        advance(len(inputs))
    moved, shifted = inputs_sum / n, targets_sum / n
    covariance = products / n - np.outer(moved, moved)
    spread = max(0.0, squares - n * float(shifted @ shifted))
    return Moments(n, inputs_at + moved, 0.5 * (covariance + covariance.T), targets_at + shifted, spread)


def sampled_gates(
    moments: Moments, count: int, rng: np.random.Generator, *, bias: bool, shape: Shape = "covariance"
) -> Floats:
    """Return gate directions, shape (d, count).

    Parameters
    ----------
    count: gates wanted.
    bias: whether the last input is the constant 1; else all gates pass through the origin.
    shape: directions are N(0, I) ("isotropic"), N(0, Σ) ("covariance": along what varies) or N(0, Σ⁺) ("whitened":
        every direction of the inputs splits them alike).
    """
    d = len(moments.mean)
    inner = d - 1 if bias else d
    values, vectors = np.linalg.eigh(moments.covariance[:inner, :inner])
    kept = values > RANK * max(float(values[-1]) if inner else 0.0, 0.0)
    powers = {"isotropic": 0.0, "covariance": 0.5, "whitened": -0.5}
    # Drawn in the inputs' coordinates, which do not turn with the order of equal eigenvalues or their signs.
    noise = rng.standard_normal((inner, count))
    scales = np.where(kept, np.maximum(values, np.finfo(float).tiny) ** powers[shape], 0.0)
    directions = vectors @ (scales[:, None] * (vectors.T @ noise))
    offsets = rng.standard_normal(count)
    if not bias:
        return np.asarray(directions)
    variances = np.einsum("ij,ij->j", directions, moments.covariance[:inner, :inner] @ directions)
    spread = np.sqrt(positive_part(variances))
    last = -moments.mean[:inner] @ directions - offsets * spread
    return np.vstack([directions, last])
