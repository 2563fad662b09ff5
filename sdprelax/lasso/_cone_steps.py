"""What interior points over constraints ‖Aᵀφ_k‖ ≤ γ have in common: their Hessian, and how far a step may go."""

from __future__ import annotations

import numpy as np

from sdprelax.base import Floats, positive_part

__all__ = ["hessian", "largest_step", "room"]


def hessian(
    features: Floats, multipliers: Floats, slopes: Floats, curvature: Floats, local: Floats | None = None,
    tied: float = 0.0,
) -> Floats:  # fmt: skip
    """Return M + Σ 2λ_k φφᵀ⊗I + Σ (4λ_k/s_k) φφᵀ⊗ggᵀ + τ·11ᵀ⊗I, ordered by (output, sample).

    Parameters
    ----------
    features, multipliers, slopes: Φ, shape (n, K), λ and g, shape (K, c).
    curvature: λ_k/s_k.
    local: the blocks of M, one per sample, shape (n, c, c); the identity by default.
    tied: τ.
    """
    n, c = features.shape[0], slopes.shape[1]
    found = np.empty((c, n, c, n))
    common = (features * (2.0 * multipliers)) @ features.T + (np.eye(n) if local is None else tied)
    for i in range(c):
        for j in range(i + 1):
            block = (features * (4.0 * curvature * slopes[:, i] * slopes[:, j])) @ features.T
            if i == j:
                block += common
            if local is not None:
                block[np.diag_indices(n)] += local[:, i, j]
            found[i, :, j, :] = block
            found[j, :, i, :] = block.T
    return found.reshape(n * c, n * c)


def largest_step(slack: Floats, slopes: Floats, change: Floats) -> float:
    """Return the largest step that keeps γ² − ‖g_k + t·dg_k‖² ≥ 0 for every atom."""
    quadratic = np.sum(change * change, axis=1)
    linear = np.sum(slopes * change, axis=1)
    root = np.sqrt(positive_part(linear * linear + quadratic * slack))
    denominator = linear + root
    steps = slack[denominator > 0.0] / denominator[denominator > 0.0]
    return float(np.min(steps, initial=np.inf))


def room(values: Floats, change: Floats) -> float:
    """Return the largest step that keeps every value nonnegative."""
    shrinking = change < 0.0
    return float(np.min(-values[shrinking] / change[shrinking], initial=np.inf))
