"""Norms of one group's weights and their duals: values, the proximal map, and proved bounds.

    columns      Σ_k‖w_ik‖, dual max_k ‖·‖      the weight decay of gated neurons that feed one output each
    frobenius    ‖W_i‖_F, its own dual          that of one matrix and one scale per gate; multiple kernel learning
    nuclear      Σσ(W_i), dual max σ            that of gated neurons that feed all outputs, the least of ReLU networks'

Weights of all gates have shape (c, r, m): row k of the first axis serves output k (docs/mathematics/lasso.md, "Gated
networks").
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from sdprelax.base import Ball, Floats, bound_above, positive_part, proves_psd

__all__ = ["Penalty", "flattened", "shrunk", "sizes", "sizes_above", "stacked", "steepest_above", "steepness"]

Penalty = Literal["columns", "frobenius", "nuclear"]

# What a computed spectral norm is raised by until it is proved, relatively.
SLACKS = (1e-13, 1e-11, 1e-8, 1e-4)
# A threshold below this share of the largest singular value is no protection against squaring.
SQUARED = 1e-5


def flattened(weights: Floats) -> Floats:
    """Return weights of shape (c, d, m) group after group, shape (m·d, c)."""
    return np.ascontiguousarray(weights.transpose(2, 1, 0).reshape(-1, len(weights)))


def stacked(flat: Floats, width: int) -> Floats:
    """Return weights of shape (m·d, c) in the shape (c, d, m)."""
    return flat.reshape(-1, width, flat.shape[1]).transpose(2, 1, 0)


def sizes(weights: Floats, norm: Penalty) -> Floats:
    """Return every gate's norm ‖W_i‖, shape (m,)."""
    if norm == "nuclear":
        return np.asarray(np.sum(_singular_values(weights), axis=1))
    if norm == "columns":
        return np.asarray(np.sum(np.sqrt(np.sum(weights * weights, axis=1)), axis=0))
    return np.asarray(np.sqrt(np.sum(weights * weights, axis=(0, 1))))


def steepness(slopes: Floats, norm: Penalty) -> Floats:
    """Return every gate's dual norm ‖S_i‖°, shape (m,)."""
    if norm == "nuclear":
        return np.asarray(np.max(_singular_values(slopes), axis=1, initial=0.0))
    if norm == "columns":
        return np.asarray(np.max(np.sqrt(np.sum(slopes * slopes, axis=1)), axis=0))
    return np.asarray(np.sqrt(np.sum(slopes * slopes, axis=(0, 1))))


def shrunk(weights: Floats, threshold: float, norm: Penalty) -> Floats:
    """Return the proximal map of threshold·Σ‖W_i‖."""
    if norm == "nuclear":
        return np.asarray(np.moveaxis(_singular_values_shrunk(np.moveaxis(weights, 2, 0), threshold), 0, 2))
    axes = 1 if norm == "columns" else (0, 1)
    lengths = np.sqrt(np.sum(weights * weights, axis=axes, keepdims=True))
    return np.asarray(weights * (1.0 - threshold / np.maximum(lengths, max(threshold, np.finfo(float).tiny))))


def sizes_above(weights: Floats, norm: Penalty) -> float:
    """Return a proved upper bound of Σ‖W_i‖."""
    outputs, rank, gates = weights.shape
    if norm == "nuclear":
        bounds = [_nuclear_above(weights[:, :, i]) for i in range(gates)]
    else:
        rows = (
            weights.transpose(0, 2, 1).reshape(outputs * gates, rank)
            if norm == "columns"
            else weights.transpose(2, 0, 1).reshape(gates, outputs * rank)
        )
        bounds = list(Ball.exact(rows[np.any(rows != 0.0, axis=1)]).row_norms())
    return bound_above(float(np.sum(bounds)), len(bounds) + 1) if bounds else 0.0


def steepest_above(parts: list[Ball], norm: Penalty) -> float:
    """Return a proved upper bound of the largest dual norm max_i ‖S_i‖°.

    Parameters
    ----------
    parts: row k of every S_i, shape (m, r), one per output k.
    """
    if norm == "nuclear":
        return _spectral_above(parts)
    lengths = np.stack([part.row_norms() for part in parts])
    if norm == "columns":
        return float(np.max(lengths, initial=0.0))
    squares = bound_above(float(np.max(np.sum(lengths * lengths, axis=0), initial=0.0)), 2 * len(parts))
    return bound_above(math.sqrt(squares), 2)


def _singular_values(weights: Floats) -> Floats:
    """Return the singular values of every W_i, shape (m, min(r, c))."""
    return np.asarray(np.linalg.svd(np.moveaxis(weights, 2, 0), compute_uv=False))


def _singular_values_shrunk(matrices: Floats, threshold: float) -> Floats:
    """Return matrices, shape (m, c, r), with singular values less a threshold, by eigenvectors of the smaller square.

    Squaring loses a singular value σ to a relative error of about u·(σ_max/σ)², which the threshold makes harmless
    where it is not tiny beside σ_max; elsewhere it is the singular value decomposition.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return np.asarray(_singular_values_shrunk(matrices.transpose(0, 2, 1), threshold).transpose(0, 2, 1))
    squares, vectors = np.linalg.eigh(matrices @ matrices.transpose(0, 2, 1))
    singular = np.sqrt(positive_part(squares))
    if threshold < SQUARED * float(np.max(singular, initial=0.0)):
        left, singular, right = np.linalg.svd(matrices, full_matrices=False)
        return np.asarray((left * positive_part(singular - threshold)[:, None, :]) @ right)
    kept = positive_part(1.0 - threshold / np.maximum(singular, max(threshold, np.finfo(float).tiny)))
    return np.asarray((vectors * kept[:, None, :]) @ (vectors.transpose(0, 2, 1) @ matrices))


def _nuclear_above(weights: Floats) -> float:
    """Return a proved bound of a matrix's nuclear norm: ½(‖P‖² + ‖Q‖²) + √r·‖W − PQᵀ‖ for W ≈ PQᵀ."""
    if not np.any(weights):
        return 0.0
    left, singular, right = np.linalg.svd(weights, full_matrices=False)
    P, Q = left * np.sqrt(singular), (right * np.sqrt(singular)[:, None]).T
    missing = Ball.exact(weights) - Ball.exact(P) @ Ball.exact(Q).T
    sizes_of = Ball.exact(P).square_above() + Ball.exact(Q).square_above()
    return bound_above(0.5 * sizes_of + math.sqrt(min(weights.shape)) * missing.norm_above(), 8)


def _spectral_above(parts: list[Ball]) -> float:
    """Return a proved bound of the largest spectral norm of m matrices; part k holds their columns k, shape (m, r)."""
    mid, rad = (np.stack(arrays, axis=2) for arrays in ([p.mid for p in parts], [p.rad for p in parts]))
    frobenius = np.array([Ball(a, b).norm_above() for a, b in zip(mid, rad, strict=True)])
    largest = float(np.max(np.linalg.svd(mid, compute_uv=False), initial=0.0))
    for slack in SLACKS:
        bound = largest * (1.0 + slack)
        square = Ball.exact(bound * bound * (1.0 - 1e-15) * np.eye(len(parts)))
        doubtful = [Ball(mid[i], rad[i]) for i in np.flatnonzero(frobenius > bound)]
        if all(proves_psd(square - matrix.T @ matrix) for matrix in doubtful):
            return bound
    return float(np.max(frobenius))
