"""Generalised cross products: the neuron that a wedge of samples determines.

The wedge x ∧ a_1 ∧ ... ∧ a_{D−1} of D vectors in R^D is the signed volume det[x; a_1; ...; a_{D−1}] of the
parallelotope they span. As a function of x it is xᵀ×(a_1, ..., a_{D−1}), where × is the generalised cross product:
orthogonal to every a_j, as long as the (D−1)-dimensional volume of the a_j, oriented. So the distance of x from the
span of the a_j, with its side, is x's product with a unit vector: a ReLU neuron in closed form (Pilanci 2023, arXiv
2309.16512).
"""

from __future__ import annotations

import numpy as np

from sdprelax.base import Floats

__all__ = ["cross_products"]

# Unit rows of which one is nearer than this to the span of those before it span no hyperplane in floating point.
DEGENERATE = 1e-9
# Entries of the matrices factored in one call.
BLOCK = 4_000_000


def cross_products(rows: Floats) -> tuple[Floats, Floats]:
    """Return unit vectors along the generalised cross products of many sets of rows, and the logarithms of the volumes.

    Volumes are products of D − 1 lengths, which overflow and underflow in high dimension; their logarithms do not.
    Beyond the plane both come from a QR factorisation, not from cofactors, and w is orthogonal to the rows however
    nearly dependent they are.

    Parameters
    ----------
    rows: shape (K, D − 1, D).

    Returns
    -------
    normals w, shape (K, D), and log-volumes ℓ, shape (K,), with det[x; rows] = exp(ℓ)·xᵀw for every x. Rows that are
    linearly dependent in floating point have w = 0 and ℓ = −∞.
    """
    count, less, dimension = rows.shape
    if less != dimension - 1:
        raise ValueError(f"{less} rows of {dimension} entries; a cross product takes {dimension - 1}.")
    lengths = np.linalg.norm(rows, axis=2)
    present = np.all(lengths > 0.0, axis=1)
    unit = rows / np.where(lengths > 0.0, lengths, 1.0)[:, :, None]
    with np.errstate(divide="ignore"):
        logs = np.sum(np.log(lengths), axis=1)
    if dimension == 1:
        return np.ones((count, 1)), np.zeros(count)
    normals, heights = np.empty((count, dimension)), np.empty((count, less))
    step = max(1, BLOCK // (dimension * dimension))
    for first in range(0, count, step):
        part = slice(first, first + step)
        normals[part], heights[part] = _unit_normals(unit[part])
    independent = present & (np.min(heights, axis=1) > DEGENERATE)
    with np.errstate(divide="ignore"):
        logs = logs + np.sum(np.log(heights), axis=1)
    return normals * independent[:, None], np.where(independent, logs, -np.inf)


def _unit_normals(unit: Floats) -> tuple[Floats, Floats]:
    """Return oriented unit normals (K, D), and each row's distance from the span of those before it, (K, D − 1)."""
    count, less, dimension = unit.shape
    if dimension == 2:
        return np.stack([unit[:, 0, 1], -unit[:, 0, 0]], axis=1), np.ones((count, 1))
    # aᵀ = QR: the last column q of Q is orthogonal to all, and det[x; a] = (−1)^{D−1}·det Q·ΠR_jj·xᵀq.
    orthogonal, triangular = np.linalg.qr(np.swapaxes(unit, 1, 2), mode="complete")
    diagonal = np.einsum("kii->ki", triangular[:, :less])
    sign = (-1.0) ** less * np.linalg.slogdet(orthogonal)[0] * np.prod(np.sign(diagonal), axis=1)
    return orthogonal[:, :, -1] * sign[:, None], np.abs(diagonal)
