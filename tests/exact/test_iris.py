"""Iris (75×4→3), where rank 4 asks for column generation: the global optimum, certified."""

from __future__ import annotations

import pytest

import sdprelax
from sdprelax import Problem
from sdprelax.datasets import datasets


@pytest.mark.parametrize(("gamma", "value"), [(0.1, 2.53091), (0.01, 0.737)])
def test_iris_closes_to_a_millionth(gamma: float, value: float) -> None:
    data = datasets.create("iris").load()
    problem = Problem(data.X, data.Y, gamma)
    outcome = sdprelax.solve(problem, "exact", time_limit=600.0)
    assert outcome.gap is not None and outcome.gap <= 1e-6
    assert outcome.upper == pytest.approx(value, rel=2e-3)
    assert outcome.certificate is not None and outcome.lower is not None
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
