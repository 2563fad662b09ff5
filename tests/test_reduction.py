"""Presolve describes the same problem in fewer rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdprelax import Problem
from sdprelax.problem import Reduction, reduce
from tests.conftest import degenerate_problem


@given(st.integers(0, 500))
def test_activations_are_those_of_the_samples(seed: int) -> None:
    problem = degenerate_problem(seed)
    reduction = reduce(problem)
    u = np.random.default_rng(seed).standard_normal((problem.shape[1], 5))
    expected = np.maximum(problem.inputs @ u, 0.0)
    np.testing.assert_allclose(reduction.features(reduction.basis.T @ u), expected, atol=1e-12)


@given(st.integers(0, 500))
def test_generators_are_unit_apart_and_span_their_space(seed: int) -> None:
    reduction = reduce(degenerate_problem(seed))
    rows = reduction.rows
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0)
    cosines = np.abs(rows @ rows.T) - np.eye(len(rows))
    assert np.max(cosines, initial=0.0) < 1.0 - 1e-15
    if len(rows):
        assert np.linalg.matrix_rank(rows) == reduction.rank


def test_zero_duplicate_and_opposite_rows_share_generators() -> None:
    X = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [-0.5, -1.0], [1.0, 0.0]])
    reduction = reduce(Problem(X, np.ones(5), 0.1))
    assert reduction.generators == 2
    assert reduction.factor[0] == 0.0
    assert reduction.factor[1] * 2 == pytest.approx(reduction.factor[2])
    assert reduction.factor[3] < 0.0


def test_directions_outside_the_row_space_are_gone() -> None:
    X = np.outer(np.arange(1.0, 5.0), [1.0, 2.0, 2.0])
    reduction = reduce(Problem(X, np.ones(4), 0.1))
    assert (reduction.rank, reduction.generators) == (1, 1)


def test_extreme_scales_neither_overflow_nor_vanish() -> None:
    X = np.array([[1e200, 2e200], [3e200, -1e200]])
    reduction = reduce(Problem(X, np.ones(2), 0.1))
    np.testing.assert_allclose(np.linalg.norm(reduction.rows, axis=1), 1.0)
    np.testing.assert_allclose(np.abs(reduction.factor), np.hypot(X[:, 0], X[:, 1]))


def test_the_identity_changes_nothing() -> None:
    problem = degenerate_problem(7)
    reduction = Reduction.identity(problem.inputs)
    np.testing.assert_array_equal(reduction.rows, problem.inputs)
    A = np.ones_like(problem.Y)
    np.testing.assert_array_equal(reduction.pull_back(A)[: len(A)], A)
