"""Sparsifying keeps the objective and drops what carries none of it."""

from __future__ import annotations

import numpy as np
import pytest

import sdprelax
from sdprelax import Network, Problem
from sdprelax.exact import sparsified
from sdprelax.problem import reduce


@pytest.mark.parametrize("seed", range(4))
def test_split_neurons_are_put_together_again(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = Problem(rng.standard_normal((12, 3)), rng.standard_normal((12, 2)), 0.2)
    optimum = sdprelax.solve(problem, "exact").network
    assert optimum is not None
    # Every neuron as ten with nearly its direction, and a crowd of negligible ones.
    nearby = np.repeat(optimum.hidden, 10, axis=1) * (1.0 + 1e-9 * rng.standard_normal((3, 10 * optimum.width)))
    crowd = 1e-6 * rng.standard_normal((3, 200))
    split = Network(
        np.hstack([nearby / np.sqrt(10), crowd]),
        np.vstack([np.repeat(optimum.output, 10, axis=0) / np.sqrt(10), 1e-6 * rng.standard_normal((200, 2))]),
    )
    found = sparsified(problem, reduce(problem), split, 1e-9)
    assert found.width <= optimum.width
    assert problem.objective(found) <= problem.objective(split) * (1.0 + 1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_an_optimum_has_no_more_neurons_than_theory_needs(seed: int) -> None:
    """n·c neurons suffice (Carathéodory)."""
    rng = np.random.default_rng(seed)
    problem = Problem(rng.standard_normal((15, 3)), rng.standard_normal((15, 2)), 0.05)
    outcome = sdprelax.solve(problem, "exact")
    assert outcome.network is not None and outcome.network.width <= 15 * 2
