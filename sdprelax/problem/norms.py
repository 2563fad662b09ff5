"""Norms of one group's weights and their duals: values, the proximal map, and proved bounds.

    columns      Σ_k‖w_ik‖, dual max_k ‖·‖      the weight decay of gated neurons that feed one output each
    frobenius    ‖W_i‖_F, its own dual          that of one matrix and one scale per gate; multiple kernel learning
    nuclear      Σσ(W_i), dual max σ            that of gated neurons that feed all outputs, the least of ReLU networks'

Weights of all groups have shape (m, r, c): m groups, r inputs, c outputs. Those of one group after the other, shape
(m·r, c), are the same numbers in memory (docs/mathematics/lasso.md, "Gated networks").
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from sdprelax.base import Ball, Floats, bound_above, positive_part, proves_psd

__all__ = ["Penalty", "shrunk", "sizes", "sizes_above", "steepest_above", "steepness"]

Penalty = Literal["columns", "frobenius", "nuclear"]

# What a computed spectral norm is raised by until it is proved, relatively.
SLACKS = (1e-13, 1e-11, 1e-8, 1e-4)
# A threshold below this share of the largest singular value is no protection against squaring.
SQUARED = 1e-5


def sizes(weights: Floats, norm: Penalty) -> Floats:
    """Return every group's norm ‖W_i‖, shape (m,)."""
    if norm == "nuclear":
        return np.asarray(np.sum(np.linalg.svd(weights, compute_uv=False), axis=1))
    if norm == "columns":
        return np.asarray(np.sum(np.sqrt(np.einsum("ijk,ijk->ik", weights, weights)), axis=1))
    return np.asarray(np.sqrt(np.einsum("ijk,ijk->i", weights, weights)))


def steepness(slopes: Floats, norm: Penalty) -> Floats:
    """Return every group's dual norm ‖S_i‖°, shape (m,)."""
    if norm == "nuclear":
        return np.asarray(np.max(np.linalg.svd(slopes, compute_uv=False), axis=1, initial=0.0))
    if norm == "columns":
        return np.asarray(np.max(np.sqrt(np.einsum("ijk,ijk->ik", slopes, slopes)), axis=1))
    return np.asarray(np.sqrt(np.einsum("ijk,ijk->i", slopes, slopes)))


def shrunk(weights: Floats, threshold: float, norm: Penalty) -> Floats:
    """Return the proximal map of threshold·Σ‖W_i‖."""
    if norm == "nuclear":
        return _singular_values_shrunk(weights, threshold)
    if norm == "columns":
        lengths = np.sqrt(np.einsum("ijk,ijk->ik", weights, weights))[:, None]
    else:
        lengths = np.sqrt(np.einsum("ijk,ijk->i", weights, weights))[:, None, None]
    return np.asarray(weights * (1.0 - threshold / np.maximum(lengths, max(threshold, np.finfo(float).tiny))))


def sizes_above(weights: Floats, norm: Penalty) -> float:
    """Return a proved upper bound of Σ‖W_i‖."""
    if norm == "nuclear":
        bounds = [_nuclear_above(part) for part in weights]
    else:
        # One row per norm: of every group and output, or of every group.
        groups, width, outputs = weights.shape
        rows = weights.mT.reshape(-1, width) if norm == "columns" else weights.reshape(groups, width * outputs)
        bounds = list(Ball.exact(rows[np.any(rows != 0.0, axis=1)]).row_norms())
    return bound_above(float(np.sum(bounds)), len(bounds) + 1) if bounds else 0.0


def steepest_above(slopes: Ball, width: int, norm: Penalty) -> float:
    """Return a proved upper bound of the largest dual norm max_i ‖S_i‖°.

    Parameters
    ----------
    slopes: S_i one after the other, shape (m·r, c).
    width: r.
    """
    if norm == "nuclear":
        return _spectral_above(slopes, width)
    outputs = slopes.mid.shape[1]
    balls = [Ball(*(part[:, k].reshape(-1, width) for part in (slopes.mid, slopes.rad))) for k in range(outputs)]
    lengths = np.stack([ball.row_norms() for ball in balls])
    if norm == "columns":
        return float(np.max(lengths, initial=0.0))
    squares = bound_above(float(np.max(np.sum(lengths * lengths, axis=0), initial=0.0)), 2 * outputs)
    return bound_above(math.sqrt(squares), 2)


def _singular_values_shrunk(weights: Floats, threshold: float) -> Floats:
    """Return weights with singular values less a threshold, by eigenvectors of the smaller of W_iᵀW_i and W_iW_iᵀ.

    Squaring loses a singular value σ to a relative error of about u·(σ_max/σ)², which the threshold makes harmless
    where it is not tiny beside σ_max; elsewhere it is the singular value decomposition.
    """
    tall = weights.shape[1] > weights.shape[2]
    squares, vectors = np.linalg.eigh(weights.mT @ weights if tall else weights @ weights.mT)
    singular = np.sqrt(positive_part(squares))
    if threshold < SQUARED * float(np.max(singular, initial=0.0)):
        left, singular, right = np.linalg.svd(weights, full_matrices=False)
        return np.asarray((left * positive_part(singular - threshold)[:, None, :]) @ right)
    kept = positive_part(1.0 - threshold / np.maximum(singular, max(threshold, np.finfo(float).tiny)))
    filtering = (vectors * kept[:, None, :]) @ vectors.mT
    return np.asarray(weights @ filtering if tall else filtering @ weights)


def _nuclear_above(weights: Floats) -> float:
    """Return a proved bound of a matrix's nuclear norm: ½(‖P‖² + ‖Q‖²) + √r·‖W − PQᵀ‖ for W ≈ PQᵀ."""
    if not np.any(weights):
        return 0.0
    left, singular, right = np.linalg.svd(weights, full_matrices=False)
    P, Q = left * np.sqrt(singular), (right * np.sqrt(singular)[:, None]).T
    missing = Ball.exact(weights) - Ball.exact(P) @ Ball.exact(Q).T
    sizes_of = Ball.exact(P).square_above() + Ball.exact(Q).square_above()
    return bound_above(0.5 * sizes_of + math.sqrt(min(weights.shape)) * missing.norm_above(), 8)


def _spectral_above(slopes: Ball, width: int) -> float:
    """Return a proved bound of the largest spectral norm of matrices one after the other, shape (m·r, c)."""
    outputs = slopes.mid.shape[1]
    mid, rad = (part.reshape(-1, width, outputs) for part in (slopes.mid, slopes.rad))
    frobenius = np.array([Ball(a, b).norm_above() for a, b in zip(mid, rad, strict=True)])
    largest = float(np.max(np.linalg.svd(mid, compute_uv=False), initial=0.0))
    for slack in SLACKS:
        bound = largest * (1.0 + slack)
        square = Ball.exact(bound * bound * (1.0 - 1e-15) * np.eye(outputs))
        doubtful = [Ball(mid[i], rad[i]) for i in np.flatnonzero(frobenius > bound)]
        if all(proves_psd(square - matrix.T @ matrix) for matrix in doubtful):
            return bound
    return float(np.max(frobenius))
