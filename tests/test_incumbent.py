"""What a method finds for the presolved problem, taken back, holds for the user's; the best of it is kept and told."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sdprelax
from sdprelax import Deadline, Network, Outcome, Problem
from sdprelax.certificate import cone_certificate
from sdprelax.problem import Presolved
from sdprelax.training import Incumbent
from tests.conftest import degenerate_problem


def measured(seed: int, a: int = 0, b: int = 0) -> Presolved:
    """The presolved form of a degenerate problem whose inputs and targets are measured in powers of two."""
    problem, s, t = degenerate_problem(seed), 2.0**a, 2.0**b
    return Presolved.of(Problem(s * problem.X, t * problem.Y, s * t * problem.gamma, problem.bias))


def networks(presolved: Presolved, count: int) -> list[Network]:
    """Networks of the presolved problem, better and worse ones in no order."""
    rng = np.random.default_rng(0)
    _, d, c = presolved.problem.shape
    return [Network(rng.standard_normal((d, 2)), 0.1**k * rng.standard_normal((2, c))) for k in rng.permutation(count)]


@given(st.integers(0, 200), st.integers(-60, 60), st.integers(-60, 60))
def test_networks_keep_their_objective_on_the_way_back(seed: int, a: int, b: int) -> None:
    presolved = measured(seed, a, b)
    for network in networks(presolved, 3):
        there = presolved.problem.objective(network) * presolved.units.targets**2
        assert presolved.original.objective(presolved.network(network)) == pytest.approx(there, rel=1e-12)


@given(st.integers(0, 200), st.integers(1, 5))
def test_networks_over_generator_rows_predict_as_their_features_do(seed: int, neurons: int) -> None:
    presolved, rng = measured(seed), np.random.default_rng(seed)
    hidden = rng.standard_normal((presolved.reduction.rank, neurons))
    output = rng.standard_normal((neurons, presolved.problem.shape[2]))
    network = presolved.reduced_network(hidden, output)
    expected = presolved.reduction.features(hidden) @ output
    assert np.allclose(network.predict(presolved.problem.X), expected, atol=1e-9 * (1.0 + np.abs(expected).max()))


@pytest.mark.parametrize("seed", range(9))
def test_certificates_taken_back_prove_their_bound_of_the_users_problem(seed: int) -> None:
    presolved = measured(seed, 30, -20)
    found = cone_certificate(presolved.problem, presolved.reduction, presolved.problem.Y, deadline=Deadline(5.0))
    users = presolved.certificate(found)
    assert users.lower == pytest.approx(found.lower * presolved.units.targets**2, rel=1e-15)
    assert sdprelax.verify(presolved.original, users) >= users.lower


def test_the_best_is_kept_whatever_is_offered_and_every_improvement_is_told() -> None:
    presolved, told = measured(8), list[Outcome]()
    best = Incumbent(presolved, Deadline(), told.append)
    assert (best.lower, best.upper, best.gap) == (0.0, math.inf, 1.0)
    reached = [best.offer(network) for network in networks(presolved, 6)]
    weak, strong = (
        cone_certificate(presolved.problem, presolved.reduction, share * presolved.problem.Y, deadline=Deadline(5.0))
        for share in (0.1, 1.0)
    )
    improved = [best.prove(certificate) for certificate in (weak, strong, weak, None)]
    outcome = best.outcome(False)
    assert outcome.upper == min(reached) and outcome.network is not None and outcome.certificate is not None
    assert presolved.original.upper_bound(outcome.network) == outcome.upper
    assert outcome.lower == max(presolved.certificate(one).lower for one in (weak, strong))
    assert improved == [True, strong.lower > weak.lower, False, False]
    assert len(told) == sum(value < min(reached[:k], default=math.inf) for k, value in enumerate(reached)) + sum(
        improved
    )
    uppers, lowers = zip(*((one.upper, one.lower or 0.0) for one in outcome.trace), strict=True)
    assert list(uppers) == sorted(uppers, reverse=True) and list(lowers) == sorted(lowers)
    assert outcome.trace[-1].upper == outcome.upper and outcome.trace[-1].lower == outcome.lower


def test_a_network_that_replaces_the_best_need_not_be_better() -> None:
    presolved = measured(8)
    best = Incumbent(presolved, Deadline())
    good, poor = sorted(networks(presolved, 3), key=presolved.problem.objective)[:2]
    best.offer(good)
    best.replace(poor)
    assert best.outcome(True).upper == presolved.original.upper_bound(presolved.network(poor)) > best.offer(good)


@pytest.mark.parametrize("attained", [True, False])
def test_solved_is_what_is_attained_and_time_ends_the_rest(attained: bool) -> None:
    ended = [Incumbent(measured(8), Deadline(seconds)).outcome(attained).status for seconds in (math.inf, 0.0)]
    assert ended == (["solved"] * 2 if attained else ["not converged", "time limit"])
    assert Incumbent(measured(8), Deadline()).outcome(attained, expired=True).status == (
        "solved" if attained else "time limit"
    )


def test_no_neurons_are_proved_optimal_where_none_pays() -> None:
    problem = degenerate_problem(8)
    best = Incumbent(Presolved.of(Problem(problem.X, problem.Y, 1e6)), Deadline())
    assert best.empty_is_optimal() and best.width == 0 and best.gap < 1e-9
    assert not Incumbent(Presolved.of(Problem(problem.X, problem.Y, 1e-3)), Deadline()).empty_is_optimal()
