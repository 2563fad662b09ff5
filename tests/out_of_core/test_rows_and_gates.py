from __future__ import annotations

import numpy as np
import pytest

from sdprelax.base import InputError
from sdprelax.certificate import Gates
from sdprelax.lasso import ArrayRows, moments_of, sampled_gates
from tests.out_of_core.conftest import Case


def test_blocks_hold_every_row_once_in_order_wherever_they_begin(case: Case) -> None:
    blocks = list(case.rows.blocks())
    assert len(blocks) == case.rows.block_count
    np.testing.assert_array_equal(np.vstack([block.inputs for block in blocks]), case.inputs)
    np.testing.assert_array_equal(np.vstack([block.targets for block in blocks]), case.targets)
    again = list(case.rows.blocks(2))
    assert len(again) == len(blocks) - 2
    np.testing.assert_array_equal(again[0].inputs, blocks[2].inputs)


def test_a_sample_has_the_same_key_wherever_it_stands(case: Case) -> None:
    order = np.random.default_rng(1).permutation(len(case.inputs))
    moved = ArrayRows(case.inputs[order], case.targets[order], block_rows=11)
    keys = np.concatenate([block.keys for block in case.rows.blocks()])
    np.testing.assert_array_equal(np.concatenate([block.keys for block in moved.blocks()]), keys[order])


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_moments_are_those_of_all_rows(offset: float) -> None:
    rng = np.random.default_rng(0)
    inputs, targets = rng.standard_normal((50, 4)) + offset, rng.standard_normal((50, 2)) - offset
    found = moments_of(ArrayRows(inputs, targets, block_rows=7))
    np.testing.assert_allclose(found.mean, inputs.mean(axis=0), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(inputs.T, bias=True), atol=1e-9)
    np.testing.assert_allclose(found.spread, np.sum((targets - targets.mean(axis=0)) ** 2), rtol=1e-8)


@pytest.mark.parametrize("shape", ["isotropic", "covariance", "whitened"])
def test_gates_split_the_bulk_of_inputs_far_from_the_origin(shape: str) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((2000, 8)) * np.logspace(0, -2, 8) + 30.0
    inputs[:, -1] = 1.0
    moments = moments_of(ArrayRows(inputs, np.zeros((2000, 1))))
    through = Gates(sampled_gates(moments, 400, rng, bias=True, shape=shape))  # type: ignore[arg-type]
    opened = through.masks(inputs).mean(axis=0)
    # With a Gaussian offset in units of the spread, the share that is open is uniform on [0, 1] for Gaussian inputs.
    assert abs(opened.mean() - 0.5) < 0.06
    assert abs(np.mean(opened < 0.25) - 0.25) < 0.1
    origin = Gates(sampled_gates(moments, 400, rng, bias=False, shape="isotropic"))
    assert np.mean((opened > 0.02) & (opened < 0.98)) > 0.9 > np.mean(np.ptp(origin.masks(inputs), axis=0)) + 0.3


def test_features_of_gates_are_the_masked_inputs_gate_after_gate(case: Case) -> None:
    masks, features = case.gates.masks(case.inputs), case.gates.features(case.inputs)
    assert np.all(masks[:, -1] == 1.0)
    for i in range(case.gates.count):
        np.testing.assert_array_equal(features[:, 6 * i : 6 * (i + 1)], masks[:, [i]] * case.inputs)
    some = case.gates.over(np.array([1, 3, 5]))
    np.testing.assert_array_equal(some.masks(case.inputs), masks[:, [1, 3, 5]])


def test_no_samples_are_refused() -> None:
    with pytest.raises(InputError, match="no samples"):
        moments_of(ArrayRows(np.zeros((0, 3)), np.zeros((0, 2))))
