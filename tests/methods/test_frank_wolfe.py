"""Frank–Wolfe over sampled patterns: its oracle finds the best neurons, its iterates are networks that descend."""

from __future__ import annotations

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem, ProblemTooLarge
from sdprelax.cells import sampled_patterns
from sdprelax.exact import PatternOracle
from sdprelax.methods.frank_wolfe import _Descent, _Iterate, _two_variables
from sdprelax.problem import reduce
from tests.conftest import degenerate_problem

ALL = 1000


def gaussian(seed: int, n: int = 8, d: int = 2, c: int = 2, gamma: float = 1.0) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma)


def oracle_of(rank: int, outputs: int, seed: int = 0) -> tuple[PatternOracle, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((7, rank))
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    signs, gates, _ = sampled_patterns(rows, 6, rng)
    return PatternOracle(rows, signs, gates), rng.standard_normal((14, outputs)), rng.standard_normal((rank, 200_000))


def heights(oracle: PatternOracle, dual: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The oracle's function from its definition at unit columns w, and the pattern of each (-1: not a sampled one)."""
    inner = oracle.rows @ w
    g = len(inner)
    values = np.linalg.norm(dual[:g].T @ np.maximum(inner, 0) + dual[g:].T @ np.maximum(-inner, 0), axis=0)
    known = {tuple(signs): i for i, signs in enumerate(oracle.signs.tolist())}
    return values, np.array([known.get(tuple(column), -1) for column in np.where(inner > 0, 1, -1).T.tolist()])


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_in_rank_two_the_oracle_is_the_maximum_over_the_angles_of_the_patterns(seed: int, outputs: int) -> None:
    oracle, dual, _ = oracle_of(2, outputs, seed)
    angles = np.linspace(0.0, 2 * np.pi, 20_000)
    values, pattern = heights(oracle, dual, np.stack([np.cos(angles), np.sin(angles)]))
    w, value = oracle.best(dual)
    assert oracle.exact(outputs)
    assert value == pytest.approx(np.max(values[pattern >= 0]), rel=1e-3)
    assert value >= np.max(values[pattern >= 0])
    assert value == pytest.approx(heights(oracle, dual, w[:, None])[0][0], rel=1e-12)


@pytest.mark.parametrize(("rank", "outputs"), [(3, 1), (3, 3), (5, 2)])
def test_in_higher_rank_a_search_ends_in_a_local_maximum_inside_its_cone(rank: int, outputs: int) -> None:
    oracle, dual, samples = oracle_of(rank, outputs)
    samples /= np.linalg.norm(samples, axis=0)
    values, pattern = heights(oracle, dual, samples)
    w, value = oracle.best(dual)
    sides = oracle.signs * (oracle.rows @ w)
    home = int(np.argmax(sides.min(axis=1)))
    assert sides[home].min() >= -1e-9 and np.linalg.norm(w) == pytest.approx(1.0, rel=1e-12)
    assert value == pytest.approx(heights(oracle, dual, w[:, None])[0][0], rel=1e-9)
    near = w[:, None] + 1e-3 * np.random.default_rng(1).standard_normal((rank, 20_000))
    around, cell = heights(oracle, dual, near / np.linalg.norm(near, axis=0))
    assert np.sum(cell == home) > 100 and np.max(around[cell == home]) <= value * (1 + 1e-5)
    if outputs == 1:  # then a search is exact
        assert oracle.exact(1) and value >= np.max(values[pattern >= 0])


def test_searches_that_were_spared_would_not_have_won() -> None:
    oracle, dual, _ = oracle_of(4, 1)
    rng = np.random.default_rng(0)
    for _ in range(20):
        dual = dual + 0.05 * rng.standard_normal(dual.shape)
        fresh = PatternOracle(oracle.rows, oracle.signs, oracle._points.T)
        assert oracle.best(dual)[1] == pytest.approx(fresh.best(dual)[1], rel=1e-6)


def test_the_two_variables_are_those_of_a_fine_grid() -> None:
    rng = np.random.default_rng(0)
    a, b = np.meshgrid(np.linspace(0, 3, 301), np.linspace(0, 3, 301))
    for _ in range(20):
        P, Q, Y = rng.standard_normal((3, 4, 2))
        gamma, mass = 0.1, 2.0

        def cost(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            residual = a[..., None, None] * P + b[..., None, None] * Q - Y  # noqa: B023
            return 0.5 * np.sum(residual**2, axis=(-2, -1)) + gamma * (a * mass + b)  # noqa: B023

        found = _two_variables(P, Q, Y, gamma, mass)
        assert min(found) >= 0.0
        assert cost(*(np.array(x) for x in found)) <= np.min(cost(a, b)) + 1e-12


@pytest.mark.parametrize("radius", [None, 3.0])
def test_with_line_search_no_step_ascends_and_the_gap_bounds_the_distance(radius: float | None) -> None:
    problem = gaussian(0, gamma=0.5)
    reduction = reduce(problem)
    signs, gates, _ = sampled_patterns(reduction.rows, ALL, np.random.default_rng(0))
    oracle, descent = PatternOracle(reduction.rows, signs, gates), _Descent(problem, reduction, "line_search", radius)
    iterate = _Iterate.empty(2, problem.Y)
    minimised, gaps = [], []
    for k in range(300):
        w, height = oracle.best(reduction.pull_back(problem.Y - iterate.predictions))
        loss = 0.5 * float(np.sum((problem.Y - iterate.predictions) ** 2))
        minimised.append(descent.objective(iterate) if radius is None else loss)
        gaps.append(descent.gap(iterate, height))
        assert radius is None or iterate.mass <= radius * (1 + 1e-12)
        iterate = descent.moved(iterate, w, k)
    assert np.all(np.diff(minimised) <= 1e-12)
    # The oracle is exact in rank two and all patterns are there.
    optimum = sdprelax.solve(problem, "exact").upper if radius is None else minimised[-1]
    assert np.all(np.array(minimised) - np.array(gaps) <= optimum * (1 + 1e-9))


@pytest.mark.parametrize("seed", range(3))
def test_with_all_patterns_of_rank_two_it_comes_near_the_optimum(seed: int) -> None:
    problem = gaussian(seed)
    exact = sdprelax.solve(problem, "exact")
    plain = sdprelax.solve(problem, "frank_wolfe", patterns=ALL, certify=False)
    corrected = sdprelax.solve(problem, "frank_wolfe", patterns=ALL, corrective=True)
    assert exact.lower is not None and exact.upper is not None
    assert plain.lower is None and plain.upper is not None and exact.lower <= plain.upper <= 1.02 * exact.upper
    assert plain.upper == problem.upper_bound(plain.network)
    assert corrected.details["converged"] and corrected.details["oracle"] == "exact"
    assert corrected.upper == pytest.approx(exact.upper, rel=1e-6)
    assert corrected.lower is not None and corrected.lower == pytest.approx(exact.lower, rel=1e-3)
    assert sdprelax.verify(problem, corrected.certificate) >= corrected.lower


def test_the_published_step_converges_in_the_ball_of_the_optimal_network() -> None:
    problem = Problem(*(10.0 * part for part in (gaussian(1).X, gaussian(1).Y)), 30.0)
    exact = sdprelax.solve(problem, "exact")
    assert exact.network is not None and exact.upper is not None
    network = exact.network.balanced()
    mass = float(np.sum(np.linalg.norm(network.hidden, axis=0) * np.linalg.norm(network.output, axis=1)))
    for step in ("classic", "line_search"):
        outcome = sdprelax.solve(problem, "frank_wolfe", patterns=ALL, radius=mass, step=step, certify=False)
        assert outcome.upper is not None and exact.upper * (1 - 1e-9) <= outcome.upper <= 1.05 * exact.upper


@pytest.mark.parametrize("seed", range(18))
def test_degenerate_problems_leave_bounds_that_do_not_cross(seed: int) -> None:
    problem = degenerate_problem(seed)
    exact = sdprelax.solve(problem, "exact")
    outcome = sdprelax.solve(problem, "frank_wolfe", iterations=30, patterns=20, corrective=bool(seed % 2))
    assert exact.lower is not None and outcome.upper is not None and outcome.upper >= exact.lower
    assert outcome.upper == problem.upper_bound(outcome.network)
    if outcome.lower is not None:
        assert exact.upper is not None and outcome.lower <= exact.upper
        assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


def test_time_that_is_up_leaves_the_empty_network() -> None:
    outcome = sdprelax.solve(gaussian(0, d=3), "frank_wolfe", time_limit=1e-9)
    assert outcome.status == "time limit" and outcome.upper == pytest.approx(0.5 * np.sum(gaussian(0, d=3).Y ** 2))


def test_no_bound_is_claimed_in_rank_six() -> None:
    outcome = sdprelax.solve(gaussian(0, n=12, d=6), "frank_wolfe", iterations=20, patterns=20)
    assert outcome.lower is None and outcome.certificate is None and outcome.status == "not converged"
    assert outcome.details["oracle"] == "local"


@pytest.mark.parametrize(("options", "message"), [
    ({"step": "classic"}, "step: classic moves within a ball and needs its radius"),
    ({"corrective": True, "radius": 1.0}, "corrective: true solves the penalised form"),
    ({"radius": -1.0}, "option 'radius' is -1.0, but should be greater than 0"),
    ({"radius": float("inf")}, "option 'radius' is inf, but should be a finite number"),
    ({"step": "armijo"}, "option 'step' is 'armijo'"),
    ({"pattern": 3}, "did you mean 'patterns'"),
])  # fmt: skip
def test_wrong_options_are_refused_in_one_sentence(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sdprelax.solve(gaussian(0), "frank_wolfe", **options)


def test_too_large_a_correction_is_refused_before_it_starts() -> None:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((13, 2)), rng.standard_normal((13, 1000)), 1.0)
    with pytest.raises(ProblemTooLarge, match=r"order n·c = 13,000"):
        sdprelax.solve(problem, "frank_wolfe", corrective=True)


def test_a_repeated_direction_is_one_neuron() -> None:
    iterate = _Iterate.empty(2, np.zeros((3, 1)))
    w, activations = np.array([1.0, 0.0]), np.ones(3)
    twice = iterate.combined(1.0, w, np.array([2.0]), activations).combined(0.5, w, np.array([-3.0]), activations)
    assert twice.directions.shape == (2, 1) and twice.mass == 2.0
    np.testing.assert_array_equal(twice.predictions, -2.0 * np.ones((3, 1)))
