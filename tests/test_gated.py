"""Gated networks predict what their formula says, and survive a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdprelax import InputError
from sdprelax.networks import GatedNetwork, Predictor, load_predictor, save_predictor


def example(bias: bool = False) -> GatedNetwork:
    rng = np.random.default_rng(3)
    return GatedNetwork(rng.standard_normal((3, 4)), rng.standard_normal((4, 3, 2)), bias)


@pytest.mark.parametrize("bias", [False, True])
def test_predictions_are_sums_over_open_gates(bias: bool) -> None:
    network = example(bias)
    X = np.random.default_rng(0).standard_normal((5, 3 - bias))
    expected = np.zeros((5, 2))
    for j, x in enumerate(X):
        seen = np.append(x, 1.0) if bias else x
        for gate, weights in zip(network.gates.T, network.weights, strict=True):
            expected[j] += (seen @ gate >= 0.0) * (seen @ weights)
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-12)
    assert isinstance(network, Predictor)


def test_a_gate_is_open_where_the_inner_product_is_zero() -> None:
    network = GatedNetwork(np.array([[1.0], [0.0]]), np.array([[[0.0], [7.0]]]))
    np.testing.assert_array_equal(network.predict([[0.0, 1.0], [-1.0, 1.0]]), [[7.0], [0.0]])


@pytest.mark.parametrize("network", [example(), example(True), GatedNetwork(np.zeros((2, 0)), np.zeros((0, 2, 3)))])
def test_a_file_keeps_it(tmp_path: Path, network: GatedNetwork) -> None:
    save_predictor(tmp_path / "gated.npz", network)
    loaded = load_predictor(tmp_path / "gated.npz")
    assert isinstance(loaded, GatedNetwork) and loaded.bias == network.bias
    X = np.random.default_rng(1).standard_normal((6, network.gates.shape[0] - network.bias))
    np.testing.assert_array_equal(loaded.predict(X), network.predict(X))


def test_wrong_shapes_and_entries_get_one_sentence() -> None:
    with pytest.raises(InputError, match="do not fit: expected"):
        GatedNetwork(np.zeros((2, 3)), np.zeros((3, 3, 1)))
    with pytest.raises(InputError, match="gates holds nan at row 0, column 0"):
        GatedNetwork(np.full((2, 1), np.nan), np.zeros((1, 2, 1)))
    with pytest.raises(InputError, match=r"takes \(n, 2\)"):
        example(True).predict(np.zeros((4, 3)))
