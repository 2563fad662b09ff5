"""γ_max: the network without neurons is optimal at the upper end, and beaten at the lower one."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem, gamma_max, relative_problem
from sdprelax.base import Floats
from sdprelax.problem import losses
from tests.conftest import LOSSES as BUILT_IN


def _targets(loss: str, n: int, rng: np.random.Generator) -> Floats:
    kind = losses[loss].targets
    if kind == "signs":
        return np.where(rng.random((n, 2)) < 0.3, 1.0, -1.0)
    if kind == "counts":
        return rng.integers(0, 4, (n, 2)).astype(float)
    if kind == "simplex":
        return np.eye(3)[rng.integers(0, 3, n)]
    # Some of a size, so that best constants lie on kinks.
    return np.round(rng.standard_normal((n, 2)), 1) + 0.3


def _without_neurons(problem: Problem) -> float:
    """Return the least objective without neurons; a free hidden bias makes constants as a free offset does."""
    constant = dataclasses.replace(problem, offset=True) if problem.free_constant else problem
    return constant.upper_bound(constant.empty_network())


@pytest.mark.parametrize("kind", [{}, {"offset": True}, {"offset": "penalised"}, "free"], ids=str)
@pytest.mark.parametrize("loss", BUILT_IN)
def test_the_ends_are_proved(loss: str, kind: Any) -> None:
    rng = np.random.default_rng(5)
    options = (
        {"bias": True, "penalise_bias": False, "activation": {"leaky": {"slope": 0.2}}} if kind == "free" else kind
    )
    problem = Problem(rng.standard_normal((8, 2)), _targets(loss, 8, rng), 1.0, loss=loss, **options)
    found = gamma_max(problem)
    assert 0.0 < found.lower < found.upper <= found.lower * 1.001
    below = dataclasses.replace(problem, gamma=found.lower)
    assert found.network is not None
    assert below.upper_bound(found.network) < _without_neurons(below)
    above = dataclasses.replace(problem, gamma=found.upper)
    assert found.certificate is not None
    proved, nothing = sdprelax.verify(above, found.certificate), _without_neurons(above)
    assert nothing - 1e-8 * abs(nothing) <= proved <= nothing


def test_one_input_has_a_closed_form() -> None:
    x, Y = np.array([1.0, 2.0, -1.0, -3.0]), np.array([[1.0, 0.5], [-0.5, 2.0], [2.0, 0.0], [1.0, -1.0]])
    ahead, behind = (np.linalg.norm(Y.T @ np.maximum(side, 0.0)) for side in (x, -x))
    found = gamma_max(Problem(x[:, None], Y, 0.1), tolerance=1e-4)
    assert found.lower <= max(ahead, behind) <= found.upper
    # At this γ the first neuron pays, and a little above none does.
    assert sdprelax.solve(found.at(0.99), "exact").network.width > 0  # type: ignore[union-attr]
    assert sdprelax.solve(found.at(1.01), "exact").network.width == 0  # type: ignore[union-attr]


def test_the_plane_is_searched_in_full() -> None:
    rng = np.random.default_rng(2)
    X, Y = rng.standard_normal((30, 2)), rng.standard_normal((30, 3))
    angles = np.linspace(0.0, 2.0 * np.pi, 20_001)
    hidden = np.maximum(X @ np.stack([np.cos(angles), np.sin(angles)]), 0.0)
    largest = float(np.max(np.linalg.norm(Y.T @ hidden, axis=0)))
    found = gamma_max(Problem(X, Y, 1.0))
    assert found.lower <= largest * (1.0 + 1e-6)
    assert largest <= found.upper


def test_beyond_small_rank_the_relaxation_proves_the_upper_end() -> None:
    rng = np.random.default_rng(7)
    problem = Problem(rng.standard_normal((25, 12)), rng.standard_normal((25, 2)), 1.0, bias=True)
    found = gamma_max(problem, tolerance=0.02, time_limit=None)
    assert found.lower < found.upper < 1.02 * found.lower * (1.0 + 2e-5)
    assert found.certificate is not None
    above = dataclasses.replace(problem, gamma=found.upper)
    assert sdprelax.verify(above, found.certificate) >= (1.0 - 1e-11) * 0.5 * float(np.sum(problem.Y**2))


def test_units_change_nothing() -> None:
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((15, 3)), rng.standard_normal((15, 1))
    one, other = gamma_max(Problem(X, Y, 1.0)), gamma_max(Problem(2.0**40 * X, 2.0**-30 * Y, 1e-3))
    assert other.lower == pytest.approx(2.0**10 * one.lower, rel=1e-5)
    assert other.upper == pytest.approx(2.0**10 * one.upper, rel=1e-5)


def test_a_problem_relative_to_it() -> None:
    rng = np.random.default_rng(4)
    X, Y = rng.standard_normal((15, 3)), np.eye(2)[rng.integers(0, 2, 15)]
    problem = relative_problem(0.1, X, Y, loss="cross_entropy", offset=True)
    found = gamma_max(problem)
    assert problem.gamma == 0.1 * found.lower == found.at(0.1).gamma
    assert float(f"{found.lower:.5e}") == found.lower


@pytest.mark.parametrize(("X", "Y"), [(np.ones((4, 2)), np.zeros((4, 1))), (np.zeros((4, 2)), np.ones((4, 1)))])
def test_where_no_neuron_ever_pays_it_is_zero(X: Floats, Y: Floats) -> None:
    found = gamma_max(Problem(X, Y, 1.0))
    assert found.lower == 0.0
    assert found.upper == 0.0
    with pytest.raises(InputError, match="γ_max is 0"):
        found.at(0.1)


def test_wrong_input_is_told() -> None:
    X, Y = np.ones((3, 1)), np.arange(3.0)[:, None] - 0.5
    with pytest.raises(InputError, match="relative is -1"):
        relative_problem(-1, X, Y)
    with pytest.raises(InputError, match="leave it out"):
        relative_problem(0.1, X, Y, gamma=0.1)
    with pytest.raises(InputError, match="of a Problem, not of a int"):
        gamma_max(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="tolerance is 0"):
        gamma_max(Problem(X, Y, 1.0), tolerance=0)
