"""The group lasso's pair is primal and dual feasible, and its gap closes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdprelax.base import Floats
from sdprelax.lasso import Directions, Fit, Program, Stop, interior_point


def group_lasso(features: Floats, Y: Floats, gamma: float, tolerance: float = 1e-10) -> Fit:
    return interior_point(Program(gamma, "frobenius", Directions(features), Y), None, Stop(tolerance))


@given(st.integers(0, 200), st.floats(1e-4, 10.0))
def test_the_gap_closes_on_random_atoms(seed: int, gamma: float) -> None:
    rng = np.random.default_rng(seed)
    n, c, atoms = int(rng.integers(1, 9)), int(rng.integers(1, 4)), int(rng.integers(1, 40))
    features, Y = np.maximum(rng.standard_normal((n, atoms)), 0.0), rng.standard_normal((n, c))
    solution = group_lasso(features, Y, gamma, tolerance=1e-9)
    norms = np.linalg.norm(features.T @ solution.multiplier, axis=1)
    assert np.max(norms) <= gamma * (1 + 1e-12)
    weights = solution.weights[:, 0]
    residual = features @ weights - Y
    value = 0.5 * np.sum(residual**2) + gamma * np.sum(np.linalg.norm(weights, axis=1))
    assert solution.value == pytest.approx(value)
    assert -1e-12 <= solution.gap <= 1e-9


@pytest.mark.parametrize("gamma", [1e-6, 1e-8, 1e-10])
def test_the_gap_closes_where_gamma_is_tiny(gamma: float) -> None:
    """Two atoms cannot fit six targets: what is left of them is noise that is all but orthogonal to the atoms."""
    rng = np.random.default_rng(0)
    features, Y = np.maximum(rng.standard_normal((6, 2)), 0.0), rng.standard_normal((6, 2))
    assert group_lasso(features, Y, gamma, tolerance=1e-9).gap <= 1e-9


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-600, 2.0**600, 2.0**900])
def test_powers_of_two_change_no_digit(unit: float) -> None:
    rng = np.random.default_rng(0)
    features, Y = np.maximum(rng.standard_normal((6, 9)), 0.0), rng.standard_normal((6, 2))
    here, there = group_lasso(features, Y, 0.3), group_lasso(features * unit, Y, 0.3 * unit)
    assert np.array_equal(there.weights * unit, here.weights) and there.value == pytest.approx(here.value, rel=1e-15)
    assert np.array_equal(there.multiplier, here.multiplier) and there.gap <= 1e-10


def test_more_samples_than_atoms_change_nothing() -> None:
    """Samples on which no atom acts add their targets to the loss and to the dual point."""
    rng = np.random.default_rng(0)
    features, Y = np.maximum(rng.standard_normal((6, 9)), 0.0), rng.standard_normal((6, 2))
    more = rng.standard_normal((30, 2))
    here, there = (
        group_lasso(features, Y, 0.3),
        group_lasso(np.vstack([features, np.zeros((30, 9))]), np.vstack([Y, more]), 0.3),
    )
    np.testing.assert_allclose(there.weights, here.weights, atol=1e-6)
    np.testing.assert_allclose(there.multiplier, np.vstack([here.multiplier, more]), atol=1e-6)
    assert there.value == pytest.approx(here.value + 0.5 * np.sum(more**2), rel=1e-9)
    assert there.dual_value == pytest.approx(there.value, rel=1e-9) and there.gap <= 1e-10


def test_one_atom_has_the_closed_form_of_soft_thresholding() -> None:
    phi, Y, gamma = np.array([[3.0], [4.0]]), np.array([[1.0], [2.0]]), 0.5
    weight = (phi.T @ Y - gamma) / (phi.T @ phi)
    np.testing.assert_allclose(group_lasso(phi, Y, gamma).weights[0], weight, rtol=1e-6)


def test_a_large_penalty_or_no_atoms_give_no_weights() -> None:
    Y = np.ones((2, 1))
    np.testing.assert_allclose(group_lasso(np.ones((2, 3)), Y, 100.0).weights, 0.0, atol=1e-9)
    empty = group_lasso(np.zeros((2, 0)), Y, 1.0)
    assert empty.value == empty.dual_value == 1.0
