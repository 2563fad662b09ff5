"""Exact optima: three programs that share nothing agree, and each closes the gap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sdprelax
from sdprelax import Problem, ProblemTooLarge
from sdprelax.base import Ball, Deadline
from sdprelax.datasets import datasets
from sdprelax.exact import (
    Arrangement,
    _column_generation,
    activation_patterns,
    count_patterns,
    generate_columns,
    solve_cell_program,
    solve_convex_relu,
)
from sdprelax.exact._branch_and_bound import BranchAndBound, maximise
from sdprelax.exact._column_generation import _Generation
from sdprelax.exact._oracle import Candidates, value
from sdprelax.methods.exact import Exact
from sdprelax.problem import reduce
from sdprelax.training import Outcome, random_network


def gaussian(seed: int, n: int, d: int, c: int, gamma: float) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma)


def by_columns(problem: Problem, oracle: str = "branch_and_bound") -> float:
    reduction = reduce(problem)
    rng = np.random.default_rng(0)
    found = generate_columns(
        problem,
        reduction,
        start=random_network(problem, 20, rng),
        oracle=Arrangement(reduction.rows) if oracle == "enumeration" else None,
        tolerance=2e-8,
        deadline=Deadline(),
        rng=rng,
        report=lambda found, lower, upper: None,
    )
    assert found.converged
    return problem.objective(reduction.network(found.hidden, found.output, problem))


def shapes(seed: int) -> Problem:
    """Return one of fifty random problems of rank 2 to 4 with at most 30 samples and 1 to 3 outputs."""
    rng = np.random.default_rng([4, seed])
    rank, c = 2 + seed % 3, 1 + seed // 3 % 3
    n = int(rng.integers(rank + 1, {2: 31, 3: 31, 4: 16}[rank]))
    return gaussian(seed, n, rank, c, float(rng.choice([0.3, 0.1, 0.03])))


@pytest.mark.parametrize("seed", range(50))
def test_branch_and_bound_enumeration_and_the_conic_programs_agree(seed: int) -> None:
    """Columns found by local ascents and cones, columns found around all rays, and programs over cells or patterns."""
    problem = shapes(seed)
    reduction = reduce(problem)
    bounded = by_columns(problem)
    assert by_columns(problem, "enumeration") == pytest.approx(bounded, rel=1e-7)
    if problem.shape[1] == 2:
        cells = solve_cell_program(problem, reduction, Deadline())
        assert problem.objective(reduction.network(*cells, problem)) == pytest.approx(bounded, rel=1e-7)
    elif problem.shape[2] == 1 and count_patterns(reduction.generators, reduction.rank) <= 100:
        patterns = solve_convex_relu(problem, reduction, Deadline())
        assert problem.objective(reduction.network(*patterns, problem)) == pytest.approx(bounded, rel=1e-7)


@pytest.mark.parametrize("seed", range(9))
def test_points_further_in_lead_to_the_same_optimum(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle is asked at the master problem's own point, or between it and the best feasible one, to the end."""
    found = []
    for wide in (np.inf, 0.0):
        monkeypatch.setattr(_column_generation, "WIDE", wide)
        found.append(by_columns(shapes(seed)))
    assert found[0] == pytest.approx(found[1], rel=1e-7)


def test_an_oracle_that_finds_nothing_further_in_is_asked_at_the_point_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = shapes(1)
    reduction, rng, asked = reduce(problem), np.random.default_rng(0), []
    search = BranchAndBound(reduction.rows, rng)

    class Late:
        def candidates(self, dual: np.ndarray, *, above: float, near: np.ndarray) -> Candidates:
            asked.append(dual)
            found = search.candidates(dual, above=above, near=near)
            return found if len(asked) > 1 else Candidates.ranked(near[:, :0], near[0, :0])

    monkeypatch.setattr(_Generation, "_proof_pays", lambda self, expected, violated: False)
    generation = _Generation(problem, reduction, random_network(problem, 5, rng), Late(), 1e-6, Deadline(), rng)
    generation.centre = np.zeros_like(problem.Y)
    A = 10.0 * problem.gamma * rng.standard_normal(problem.Y.shape)
    found = generation._violated(A, generation.atoms)
    dual = reduction.pull_back(A)
    assert np.allclose(asked[0], 0.5 * dual) and np.allclose(asked[1], dual) and len(asked) == 2
    assert len(found.values) and np.all(found.values > problem.gamma)
    assert np.allclose(found.values, value(reduction.rows, dual, found.directions))


@pytest.mark.parametrize("seed", range(3))
def test_the_programs_agree_in_rank_one(seed: int) -> None:
    problem = gaussian(seed, 8, 1, 1, 0.1)
    reduction = reduce(problem)
    for solve in (solve_cell_program, solve_convex_relu):
        value = problem.objective(reduction.network(*solve(problem, reduction, Deadline()), problem))
        assert value == pytest.approx(by_columns(problem), rel=1e-7)


@pytest.mark.parametrize(("g", "r"), [(1, 1), (5, 2), (7, 3), (8, 4)])
def test_generic_rows_have_as_many_patterns_as_cover_counted(g: int, r: int) -> None:
    rows = np.random.default_rng(g).standard_normal((g, r))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    signs, inside = activation_patterns(rows)
    assert len(np.unique(signs, axis=0)) == len(signs) == count_patterns(g, r)
    assert np.array_equal(np.sign(inside @ rows.T), signs)


@pytest.mark.parametrize("seed", range(5))
def test_the_face_oracle_beats_a_million_random_directions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((9, 3))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    dual = rng.standard_normal((18, 2))
    best = Arrangement(rows).local_maxima(dual).values[0]
    directions = rng.standard_normal((3, 1_000_000))
    directions /= np.linalg.norm(directions, axis=0)
    sampled = float(np.max(value(rows, dual, directions)))
    assert sampled <= best <= sampled * 1.01


@pytest.mark.parametrize(("rank", "g"), [(1, 1), (2, 20), (3, 15), (4, 10), (5, 8), (6, 7)])
def test_branch_and_bound_meets_its_bound(rank: int, g: int) -> None:
    rng = np.random.default_rng(rank)
    rows = rng.standard_normal((g, rank))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    dual = rng.standard_normal((2 * g, 2))
    found, cover = maximise(rows, Ball.exact(dual), accuracy=1e-6, rng=rng)
    assert np.linalg.norm(found.directions[:, 0]) == pytest.approx(1.0)
    assert value(rows, dual, found.directions[:, :1])[0] == pytest.approx(found.best)
    assert found.best <= cover.bound <= found.best * (1 + 1.1e-6)


def test_the_programs_are_chosen_by_outputs_and_rank() -> None:
    chosen = {
        (1, 3): "convex program over all patterns, 74 patterns",
        (1, 2): "column generation, 18 patterns",
        (2, 2): "column generation, 18 patterns",
        (2, 3): "column generation, 74 patterns",
        (3, 5): "column generation, 326 patterns",
    }
    for (c, d), program in chosen.items():
        assert Exact().size(gaussian(0, 9, d, c, 0.1)) == program
    assert Exact().size(gaussian(0, 40, 3, 1, 0.1)) == "column generation, 1,562 patterns"


@pytest.mark.parametrize(
    ("shape", "oracle", "said"),
    [
        ((7000, 3, 2), "branch_and_bound", "7000 samples of 2 outputs make 14,000 dual variables"),
        ((1500, 3, 2), "enumeration", "2,248,500 rays"),
    ],
)
def test_a_problem_too_large_is_refused_with_its_count(shape: tuple[int, int, int], oracle: str, said: str) -> None:
    with pytest.raises(ProblemTooLarge, match=said):
        sdprelax.solve(gaussian(0, *shape, 0.1), "exact", oracle=oracle)


def test_a_problem_without_an_end_in_sight_asks_for_a_time_limit() -> None:
    with pytest.raises(ProblemTooLarge, match=r"rank 6 make up to 1,335,856 activation patterns; give it a time limit"):
        sdprelax.solve(gaussian(0, 40, 6, 2, 0.1), "exact")


def test_rank_five_is_within_reach() -> None:
    data = datasets.create("iris").load()
    problem = Problem(data.X, data.Y, 0.1, bias=True)
    outcome = sdprelax.solve(problem, "exact", tolerance=1e-3)
    assert outcome.details["rank"] == 5
    assert outcome.gap is not None and outcome.gap <= 1e-3
    assert outcome.lower is not None and outcome.certificate is not None
    assert outcome.upper == pytest.approx(2.12466, rel=1e-3)
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


@pytest.mark.parametrize("d", [9, 20])
def test_where_no_cover_ends_in_time_the_pair_is_rigorous(d: int) -> None:
    problem = gaussian(1, 60, d, 2, 0.1)
    outcome = sdprelax.solve(problem, "exact", time_limit=4.0)
    assert outcome.status == "time limit"
    assert outcome.lower is not None and outcome.upper is not None and outcome.certificate is not None
    assert 0.0 < outcome.lower < outcome.upper
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
    assert problem.upper_bound(outcome.network) == outcome.upper
    assert outcome.seconds < 30.0


def test_beyond_rank_five_the_bound_is_at_least_that_of_the_relaxation() -> None:
    problem = gaussian(2, 20, 7, 2, 1.0)
    relaxed = sdprelax.solve(problem, "sdp", rounding=None)
    outcome = sdprelax.solve(problem, "exact", time_limit=10.0)
    assert outcome.lower is not None and relaxed.lower is not None and outcome.certificate is not None
    assert outcome.lower >= relaxed.lower * (1.0 - 1e-4)
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


def test_the_upper_bound_starts_where_local_training_ends() -> None:
    data = datasets.create("iris").load()
    problem = Problem(data.X, data.Y, 0.1)
    seen: list[Outcome] = []
    sdprelax.solve(problem, "exact", tolerance=1e-2, report=seen.append)
    trained = sdprelax.solve(problem, "lbfgs", width=60, restarts=3, max_iterations=500).upper
    assert seen[0].lower is None and seen[0].upper is not None and trained is not None
    assert seen[0].upper <= 1.05 * trained
    uppers = [outcome.upper for outcome in seen if outcome.upper is not None]
    assert uppers == sorted(uppers, reverse=True)


def test_a_time_limit_returns_the_best_pair_so_far() -> None:
    data = datasets.create("iris").load()
    problem = Problem(data.X, data.Y, 0.1)
    outcome = sdprelax.solve(problem, "exact", tolerance=1e-12, time_limit=4.0)
    assert outcome.status == "time limit"
    assert outcome.lower is not None and outcome.upper is not None and outcome.certificate is not None
    assert 0.0 < outcome.lower <= 2.5309145724 and outcome.upper >= 2.5309145604
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
    assert outcome.seconds < 60.0


@pytest.mark.parametrize(("name", "row", "gamma", "value"), [
    ("random", 0, 0.1, 8.902058), ("random", 1, 0.1, 7.677998), ("spiral", 0, 0.1, 16.592977),
    ("spiral", 0, 0.01, 15.155098),
])  # fmt: skip
def test_p25_optima_close_to_ten_million(p25: Path, name: str, row: int, gamma: float, value: float) -> None:
    data = np.load(p25 / f"{name}.npz")
    X, Y = (data["X"][row], data["Y"][row]) if name == "random" else (data["X"], np.eye(3)[data["y"]])
    outcome = sdprelax.solve(Problem(X, Y, gamma), "exact")
    assert outcome.gap is not None and outcome.gap <= 1e-7
    assert outcome.upper == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("name", ["random", "spiral"])
def test_the_package_s_own_synthetic_data_close_to_ten_million(name: str) -> None:
    data = datasets.create(name).load()
    outcome = sdprelax.solve(Problem(data.X, data.Y, 0.1), "exact")
    assert outcome.gap is not None and outcome.gap <= 1e-7
