from __future__ import annotations

import numpy as np
import pytest

from sdprelax.base import Ball
from sdprelax.problem import norms

PENALTIES: tuple[norms.Penalty, ...] = ("columns", "frobenius", "nuclear")


@pytest.mark.parametrize("shape", [(4, 8, 3), (4, 3, 8), (2, 5, 1)])
@pytest.mark.parametrize("threshold", [1e-9, 0.1, 1.0, 100.0])
def test_singular_values_are_shrunk_as_the_decomposition_says(shape: tuple[int, int, int], threshold: float) -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal(shape) * np.logspace(0, -4, shape[2])
    found = norms.shrunk(weights, threshold, "nuclear")
    for i in range(shape[0]):
        left, singular, right = np.linalg.svd(weights[i], full_matrices=False)
        np.testing.assert_allclose(found[i], (left * np.maximum(singular - threshold, 0.0)) @ right, atol=1e-12)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_proximal_map_splits_a_point_into_a_norm_and_a_dual_ball(penalty: norms.Penalty) -> None:
    """Moreau: x = prox(x) + (x − prox(x)), the rest in the dual ball, and the two aligned."""
    weights = np.random.default_rng(1).standard_normal((6, 5, 3))
    shrunk = norms.shrunk(weights, 1.2, penalty)
    rest = weights - shrunk
    assert np.all(norms.steepness(rest, penalty) <= 1.2 * (1 + 1e-12))
    aligned = np.sum(rest * shrunk, axis=(1, 2))
    np.testing.assert_allclose(aligned, 1.2 * norms.sizes(shrunk, penalty), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_proved_bounds_are_above_and_close(penalty: norms.Penalty) -> None:
    weights = np.random.default_rng(2).standard_normal((6, 5, 3))
    size, steepest = np.sum(norms.sizes(weights, penalty)), np.max(norms.steepness(weights, penalty))
    assert size <= norms.sizes_above(weights, penalty) <= size * (1 + 1e-10)
    slopes = Ball.exact(weights.reshape(-1, 3))
    assert steepest * (1 - 1e-15) <= norms.steepest_above(slopes, 5, penalty) <= steepest * (1 + 1e-10)
