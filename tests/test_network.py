"""A network's symmetries keep its function; balancing never raises its penalty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdprelax import InputError, Network


def random_network(seed: int, bias: bool = False) -> Network:
    rng = np.random.default_rng(seed)
    return Network(rng.standard_normal((3 + bias, 6)), rng.standard_normal((6, 2)), bias)


@given(st.integers(0, 1000), st.booleans())
def test_balancing_and_merging_keep_the_function(seed: int, bias: bool) -> None:
    network = random_network(seed, bias)
    doubled = Network(
        np.hstack([network.hidden, 2.0 * network.hidden]), np.vstack([network.output, network.output]), bias
    )
    X = np.random.default_rng(seed + 1).standard_normal((7, 3))
    merged = doubled.merged()
    assert merged.width == network.width
    np.testing.assert_allclose(merged.predict(X), doubled.predict(X), atol=1e-10)
    np.testing.assert_allclose(network.balanced().predict(X), network.predict(X), atol=1e-12)


@given(st.integers(0, 1000))
def test_a_balanced_network_has_equal_norms_and_no_larger_penalty(seed: int) -> None:
    network = random_network(seed)
    balanced = network.balanced()
    np.testing.assert_allclose(np.linalg.norm(balanced.hidden, axis=0), np.linalg.norm(balanced.output, axis=1))
    before = np.sum(network.hidden**2) + np.sum(network.output**2)
    assert np.sum(balanced.hidden**2) + np.sum(balanced.output**2) <= before * (1 + 1e-14)


def test_saving_and_loading_keeps_every_bit(tmp_path: Path) -> None:
    network = random_network(3, bias=True)
    network.save(tmp_path / "network.npz")
    loaded = Network.load(tmp_path / "network.npz")
    assert loaded.bias
    np.testing.assert_array_equal(loaded.hidden, network.hidden)
    np.testing.assert_array_equal(loaded.output, network.output)


def test_pruning_drops_the_small_neurons_only() -> None:
    network = Network(np.eye(3), np.diag([1.0, 1e-12, 1e-3]))
    assert network.pruned(1e-9).width == 2


def test_weights_and_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit"):
        Network(np.ones((2, 3)), np.ones((2, 1)))
    with pytest.raises(InputError, match=r"takes \(n, 3\)"):
        random_network(0, bias=True).predict(np.ones((1, 4)))


@pytest.mark.parametrize("weights", [
    np.eye(2) * 1j, np.ma.masked_array(np.eye(2), mask=np.eye(2)), [["1", "2"]] * 2, np.eye(2) * np.nan, None,
])  # fmt: skip
def test_weights_that_are_no_finite_numbers_are_refused(weights: Any) -> None:
    with pytest.raises(InputError, match="output weights"):
        Network(np.eye(2), weights)


@pytest.mark.parametrize("bias", ["no", 1, 5, 0.0, [True, False]])
def test_a_bias_that_is_no_truth_value_is_refused_in_files_too(bias: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it must be True or False"):
        Network(np.eye(2), np.eye(2), bias)
    np.savez(tmp_path / "n.npz", kind="network", hidden=np.eye(2), output=np.eye(2), bias=bias)
    with pytest.raises(InputError, match="is not a readable network or other predictor"):
        Network.load(tmp_path / "n.npz")
