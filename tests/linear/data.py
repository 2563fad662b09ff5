"""Data and objectives that tests of linear networks share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdprelax.base import Floats


def sample(seed: int, n: int = 20, d: int = 4, c: int = 3, white: float = 0.0) -> tuple[Floats, Floats]:
    """Return inputs, if white of orthogonal columns of one length, and targets that they explain in part."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) @ np.diag(np.linspace(2.0, 0.5, d))
    if white:
        X = white * np.linalg.qr(X)[0]
    return X, X @ rng.standard_normal((d, c)) + 0.5 * rng.standard_normal((n, c))


def objective(X: Floats, Y: Floats, gamma: float, layers: Sequence[Floats]) -> float:
    """Return ½‖XW_1⋯W_L − Y‖² + (γ/2)Σ‖W_l‖²."""
    predicted = X
    for layer in layers:
        predicted = predicted @ layer
    return 0.5 * float(np.sum((predicted - Y) ** 2)) + 0.5 * gamma * sum(float(np.sum(layer**2)) for layer in layers)
