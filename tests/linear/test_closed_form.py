"""Closed forms of linear networks: the best product of a rank, and its decay where the inputs are white."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdprelax import InputError, reduced_rank_regression, white_optimum
from sdprelax.linear import balanced_layers, decayed_singular_value
from tests.linear.data import objective, sample


@pytest.mark.parametrize("width", [1, 2, 3, None])
@pytest.mark.parametrize("deficient", [False, True])
def test_no_product_of_the_rank_has_less_loss(width: int | None, deficient: bool) -> None:
    X, Y = sample(0)
    if deficient:
        X = np.hstack([X, X @ np.ones((X.shape[1], 1))])
    found = reduced_rank_regression(X, Y, width)
    rank = min(3, Y.shape[1]) if width is None else width
    assert np.linalg.matrix_rank(found.weights, tol=1e-9) <= rank
    assert 0.5 * np.sum((X @ found.weights - Y) ** 2) == pytest.approx(found.value, rel=1e-12)
    # Alternating least squares from anywhere ends above it, or at it.
    rng = np.random.default_rng(1)
    for _ in range(5):
        right = rng.standard_normal((rank, Y.shape[1]))
        for _ in range(30):
            left = np.linalg.lstsq(X, Y @ np.linalg.pinv(right), rcond=None)[0]
            right = np.linalg.lstsq(X @ left, Y, rcond=None)[0]
        assert 0.5 * np.sum((X @ left @ right - Y) ** 2) >= found.value * (1.0 - 1e-12)


def test_it_is_least_squares_without_a_bottleneck_and_falls_with_the_width() -> None:
    X, Y = sample(2)
    least = 0.5 * float(np.sum((X @ np.linalg.lstsq(X, Y, rcond=None)[0] - Y) ** 2))
    values = [reduced_rank_regression(X, Y, width).value for width in (1, 2, 3)]
    assert np.all(np.diff(values) < 0.0) and values[-1] == pytest.approx(least, rel=1e-12)
    assert reduced_rank_regression(X, Y).value == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 5, 8])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.9, 2.0])
def test_a_singular_value_decays_to_where_a_grid_finds_nothing_better(depth: int, share: float) -> None:
    target, square = 3.0, 2.0
    gamma = share * target * (target / square) ** (1.0 - 2.0 / depth)

    def cost(sigma: Any) -> Any:
        return 0.5 * square * sigma**2 - target * sigma + 0.5 * gamma * depth * sigma ** (2.0 / depth)

    best = decayed_singular_value(target, square, gamma, depth)
    assert cost(best) <= np.min(cost(np.linspace(0.0, 2.0 * target / square, 20_001))) + 1e-12
    assert (best == 0.0) == (np.min(cost(np.linspace(1e-9, 2.0 * target / square, 20_001))) > 0.0)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_balanced_layers_have_the_least_sum_of_squares(depth: int) -> None:
    rng = np.random.default_rng(0)
    W = rng.standard_normal((4, 2)) @ rng.standard_normal((2, 3))
    layers = balanced_layers(W, 2, depth)
    np.testing.assert_allclose(np.linalg.multi_dot(layers), W, atol=1e-12)
    least = depth * np.sum(np.linalg.svd(W, compute_uv=False)[:2] ** (2.0 / depth))
    assert sum(np.sum(layer**2) for layer in layers) == pytest.approx(least, rel=1e-12)
    # Of any other layers with that product, here by an invertible matrix between the first two.
    for _ in range(20):
        between = np.eye(2) + 0.3 * rng.standard_normal((2, 2))
        others = [layers[0] @ between, np.linalg.solve(between, layers[1]), *layers[2:]]
        assert sum(np.sum(layer**2) for layer in others) >= least * (1.0 - 1e-12)


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("width", [1, 2, None])
def test_no_network_on_white_inputs_is_better(depth: int, width: int | None) -> None:
    X, Y = sample(3, white=1.7)
    found = white_optimum(X, Y, 0.4, width, depth)
    rng = np.random.default_rng(0)
    k = 3 if width is None else width
    layers = balanced_layers(found.weights, k, depth)
    assert objective(X, Y, 0.4, layers) == pytest.approx(found.value, rel=1e-10)
    for size in (1e-4, 1e-2, 0.3):
        for _ in range(30):
            near = [layer + size * rng.standard_normal(layer.shape) for layer in layers]
            assert objective(X, Y, 0.4, near) >= found.value * (1.0 - 1e-12)


def test_bad_arguments_are_one_sentence() -> None:
    X, Y = sample(0)
    with pytest.raises(InputError, match="width is 0; it must be a positive integer"):
        reduced_rank_regression(X, Y, 0)
    with pytest.raises(InputError, match="X has 20 rows and Y has 19"):
        reduced_rank_regression(X, Y[1:], 1)
    with pytest.raises(InputError, match="whiten X first"):
        white_optimum(X, Y, 0.1)
    with pytest.raises(InputError, match=r"gamma must be positive, and depth 2 or more"):
        white_optimum(X, Y, 0.0)
