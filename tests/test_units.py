"""Training is equivariant to scale, and in units of powers of two so is every digit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sdprelax
from sdprelax import InputError, Network, Problem
from sdprelax.certificate import empty_network_certificate
from sdprelax.problem import Presolved, Units
from sdprelax.problem.losses import losses
from tests.conftest import LOSSES, degenerate_problem

powers = st.integers(-60, 60)


def scaled(problem: Problem, s: float, t: float) -> Problem:
    return Problem(s * problem.inputs, t * problem.Y, s * t * problem.gamma)


@given(st.integers(0, 200), powers, powers)
def test_objectives_scale_with_the_square_of_the_targets(seed: int, a: int, b: int) -> None:
    problem = degenerate_problem(seed)
    rng = np.random.default_rng(seed)
    _, d, c = problem.shape
    network = Network(rng.standard_normal((d, 4)), rng.standard_normal((4, c)))
    bare = Problem(problem.inputs, problem.Y, problem.gamma)
    units = Units(scaled(bare, 2.0**a, 2.0**b), 2.0**a, 2.0**b)
    assert np.array_equal(units.problem.inputs, bare.inputs) and units.problem.gamma == bare.gamma
    reached = units.original.objective(units.network(network))
    assert reached == pytest.approx(units.value(bare.objective(network)), rel=1e-12)
    back = units.scaled_network(units.network(network))
    assert np.allclose(back.hidden, network.hidden, rtol=1e-14) and np.allclose(back.output, network.output, rtol=1e-14)


@given(st.integers(0, 200), powers, powers)
def test_units_do_not_depend_on_the_units_of_the_user(seed: int, a: int, b: int) -> None:
    problem = degenerate_problem(seed)
    ours, theirs = Units.of(problem).problem, Units.of(scaled(problem, 2.0**a, 2.0**b)).problem
    if np.any(problem.Y) and np.any(problem.inputs):
        assert np.array_equal(ours.inputs, theirs.inputs) and np.array_equal(ours.Y, theirs.Y)
        assert ours.gamma == theirs.gamma
    assert Units.of(ours).problem is ours, "units of a problem in its own units are 1"


@pytest.mark.parametrize("method", ["exact", "sdp"])
@pytest.mark.parametrize(("s", "t"), [(2.0**40, 1.0), (2.0**-40, 1.0), (1.0, 2.0**40), (2.0**-30, 2.0**-50)])
def test_bounds_scale_to_the_last_digit(method: str, s: float, t: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # When a proof pays is a matter of time; by a clock that counts how often it is read, both runs decide alike.
    reads = itertools.count()
    monkeypatch.setattr("sdprelax.base._deadline._now", lambda: next(reads) * 1e-3)
    for seed in (7, 8):
        problem = degenerate_problem(seed)
        bare = Problem(problem.inputs, problem.Y, problem.gamma)
        here = sdprelax.solve(bare, method)
        there_problem = scaled(bare, s, t)
        there = sdprelax.solve(there_problem, method)
        assert here.lower is not None and here.upper is not None and there.certificate is not None
        assert there.lower == t**2 * here.lower
        assert there.upper == pytest.approx(t**2 * here.upper, rel=1e-9)
        assert sdprelax.verify(there_problem, there.certificate) == t**2 * sdprelax.verify(bare, here.certificate)


def test_scaling_that_would_lose_digits_is_not_done() -> None:
    X = np.array([[1e300, 5e-324], [1.0, 2.0]])
    units = Units.of(Problem(X, np.ones(2), 0.1))
    assert units.inputs == units.targets == 1.0


def test_values_are_rounded_down_where_the_users_units_cannot_hold_them() -> None:
    problem = Problem(np.eye(2), np.ones(2), 0.1)
    assert Units(problem, 1.0, 2.0**600).value(2.0) == np.finfo(float).max
    assert Units(problem, 1.0, 2.0**-530).value(1.0 + 2.0**-50) < 2.0**-1060 * (1.0 + 2.0**-50)
    assert Units(problem, 1.0, 4.0).value(3.0) == 48.0


@pytest.mark.parametrize("seed", range(6))
def test_where_no_neuron_pays_the_empty_network_is_proved_optimal(seed: int) -> None:
    problem = degenerate_problem(seed)
    heavy = Problem(problem.X, problem.Y, 1e6, problem.bias)
    for method in ("exact", "sdp"):
        outcome = sdprelax.solve(heavy, method)
        assert outcome.network is not None and outcome.network.width == 0
        assert outcome.details["program"] == "empty network"
        assert outcome.lower == pytest.approx(0.5 * np.sum(problem.Y**2), rel=1e-8, abs=1e-300)
        assert outcome.lower is not None and outcome.upper is not None and outcome.lower <= outcome.upper


@pytest.mark.parametrize("offset", [False, True, "penalised", 0.02])
@pytest.mark.parametrize("loss", LOSSES)
def test_an_offset_costs_the_same_in_all_units(loss: str, offset: bool | float | str) -> None:
    """With inputs that say nothing the network without neurons is optimal: its bounds meet, whatever the units."""
    rng = np.random.default_rng(0)
    Y = {"signs": rng.choice([-1.0, 1.0], (8, 1), p=[0.3, 0.7]), "simplex": rng.dirichlet(np.ones(3), 8)}.get(
        losses[loss].targets, 3.0 + np.abs(rng.standard_normal((8, 1)))
    )
    problem = Problem(1e-4 * rng.standard_normal((8, 2)), Y, 0.5, loss=loss, offset=offset)  # type: ignore[arg-type]
    presolved = Presolved.of(problem)
    network = presolved.problem.empty_network()
    reached = problem.objective(presolved.network(network))
    assert presolved.units.value(presolved.problem.objective(network)) == pytest.approx(reached, rel=1e-12)
    assert reached == pytest.approx(problem.objective(problem.empty_network()), rel=1e-9)
    certificate = empty_network_certificate(presolved.problem, presolved.reduction)
    if not problem.loss.smooth and certificate is None:
        return  # the residual at a kink is one of many, and need not be the one that proves the optimum
    assert certificate is not None
    proved = sdprelax.verify(problem, presolved.certificate(certificate))
    assert proved <= problem.upper_bound(presolved.network(network))
    assert proved == pytest.approx(reached, rel=1e-6)


@pytest.mark.parametrize("offset", [0.0, -1.0, float("inf"), "free", None, [1.0]])
def test_an_offset_is_free_or_costs_a_positive_number(offset: object) -> None:
    with pytest.raises(InputError, match=r"it must be True, False, 'penalised' or a positive finite number"):
        Problem(np.eye(2), np.eye(2), 1.0, offset=offset)  # type: ignore[arg-type]
