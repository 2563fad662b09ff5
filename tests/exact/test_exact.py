"""Exact optima: three programs that share nothing agree, and each closes the gap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sdprelax
from sdprelax import Problem, ProblemTooLarge
from sdprelax.datasets import datasets
from sdprelax.deadline import Deadline
from sdprelax.exact.arrangement import Arrangement, activation_patterns, count_patterns, value
from sdprelax.exact.cell_program import solve_cell_program
from sdprelax.exact.column_generation import generate_columns
from sdprelax.exact.convex_relu import solve_convex_relu
from sdprelax.methods.exact import choose_program
from sdprelax.reduction import reduce


def gaussian(seed: int, n: int, d: int, c: int, gamma: float) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma)


def by_columns(problem: Problem) -> float:
    reduction = reduce(problem)
    found = generate_columns(
        problem,
        reduction,
        tolerance=1e-8,
        deadline=Deadline(),
        rng=np.random.default_rng(0),
        report=lambda found, lower, upper: None,
    )
    return problem.objective(reduction.network(found.hidden, found.output, problem))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_convex_program_and_column_generation_agree_for_one_output(rank: int, seed: int) -> None:
    problem = gaussian(seed, 8, rank, 1, 0.1)
    reduction = reduce(problem)
    convex = problem.objective(reduction.network(*solve_convex_relu(problem, reduction, Deadline()), problem))
    assert by_columns(problem) == pytest.approx(convex, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rank", "c"), [(1, 2), (2, 1), (2, 3)])
def test_cell_program_and_column_generation_agree_in_rank_two(rank: int, c: int, seed: int) -> None:
    problem = gaussian(seed, 10, rank, c, 0.05)
    reduction = reduce(problem)
    cells = problem.objective(reduction.network(*solve_cell_program(problem, reduction, Deadline()), problem))
    assert by_columns(problem) == pytest.approx(cells, rel=1e-6)


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
    best = Arrangement(rows).candidates(dual).values[0]
    directions = rng.standard_normal((3, 1_000_000))
    directions /= np.linalg.norm(directions, axis=0)
    sampled = float(np.max(value(rows, dual, directions)))
    assert sampled <= best <= sampled * 1.01


def test_the_programs_are_chosen_by_outputs_and_rank() -> None:
    chosen = {
        (1, 3): "convex program over all patterns",
        (2, 2): "cell program",
        (2, 3): "column generation",
        (3, 4): "column generation",
    }
    for (c, d), program in chosen.items():
        problem = gaussian(0, 9, d, c, 0.1)
        assert choose_program(problem, reduce(problem)) == program
    outcome = sdprelax.solve(gaussian(0, 6, 2, 2, 0.1), "exact")
    assert outcome.details["program"] == "cell program"


@pytest.mark.parametrize(
    ("n", "d", "c", "said"), [(30, 5, 2, r"[\d,]+ activation patterns"), (1500, 3, 2, "2,248,500 rays")]
)
def test_a_problem_too_large_is_refused_with_its_count(n: int, d: int, c: int, said: str) -> None:
    with pytest.raises(ProblemTooLarge, match=said):
        sdprelax.solve(gaussian(0, n, d, c, 0.1), "exact")


def test_a_time_limit_returns_the_best_pair_so_far() -> None:
    data = datasets.create("iris").load()
    problem = Problem(data.X, data.Y, 0.1)
    outcome = sdprelax.solve(problem, "exact", time_limit=8.0)
    assert outcome.status == "time limit"
    assert outcome.lower is not None and outcome.upper is not None and outcome.certificate is not None
    assert 0.0 < outcome.lower <= 2.5309133 and outcome.upper >= 2.5309131
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
