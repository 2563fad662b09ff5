"""Metrics against counting by hand; the paper's protocol never looks worse than any threshold fixed in advance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdprelax.networks import metrics, paper_accuracy


def test_metrics_of_a_small_confusion_matrix() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    chosen = np.array([0, 0, 0, 1, 1, 2, 2])
    found = metrics(np.eye(3)[chosen], np.eye(3)[labels], classification=True)
    assert found["accuracy"] == pytest.approx(5 / 7)
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    f1 = [2 * 1.0 * 0.75 / 1.75, 2 * 0.5 * 0.5 / 1.0, 2 * 0.5 * 1.0 / 1.5]
    assert found["f1"] == pytest.approx(sum(f1) / 3)
    assert found["rmse"] == pytest.approx(np.sqrt(4 / 21))


def test_a_constant_prediction_of_two_unequal_classes() -> None:
    targets = np.eye(2)[[0] * 9 + [1]]
    found = metrics(np.tile([1.0, 0.0], (10, 1)), targets, classification=True)
    assert (found["accuracy"], found["balanced_accuracy"]) == (0.9, 0.5)
    assert found["f1"] == pytest.approx(0.5 * 18 / 19)


def test_regression_has_an_error_and_no_accuracy() -> None:
    found = metrics(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]), classification=False)
    assert found == {"accuracy": None, "balanced_accuracy": None, "f1": None, "rmse": np.sqrt(2.0)}


@given(st.integers(0, 10_000), st.integers(2, 4))
def test_paper_accuracy_is_the_best_over_thresholds_of_exact_matches(seed: int, c: int) -> None:
    rng = np.random.default_rng(seed)
    predicted, targets = rng.uniform(-0.2, 1.2, (12, c)), np.eye(c)[rng.integers(0, c, 12)]
    accuracy, threshold = paper_accuracy(predicted, targets)
    attained = [np.mean([np.array_equal(p > t, y > 0.5) for p, y in zip(predicted, targets, strict=True)])
                for t in np.arange(0, 1, 0.01)]  # fmt: skip
    assert accuracy == max(attained)
    assert threshold == pytest.approx(0.01 * attained.index(accuracy))
    # A yes of exactly one output, and the right one, is the largest output too.
    assert accuracy <= metrics(predicted, targets, classification=True)["accuracy"] + 1e-12
