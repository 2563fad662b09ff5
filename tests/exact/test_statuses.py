"""``solved`` means that the tolerance is proved; ordinary data with nearly parallel rows close the gap."""

from __future__ import annotations

import numpy as np
import pytest

import sdprelax
from sdprelax import Problem
from sdprelax.base import Deadline, SolverFailed
from sdprelax.exact import Arrangement, ColumnGeneration, generate_columns
from sdprelax.exact._arcs import Arcs
from sdprelax.exact._oracle import value
from sdprelax.methods.exact import Exact
from sdprelax.problem import Presolved, Reduction


def targets(n: int, c: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, c))


def drawn(low: int, high: int, n: int, columns: int = 1) -> np.ndarray:
    return np.random.default_rng(1).integers(low, high, (n, columns)).astype(float)


YEARS, MONTHS = drawn(1950, 2024, 8), drawn(1, 13, 8)
STAMPS = 1.7e9 + np.sort(np.random.default_rng(2).uniform(0, 1e6, (8, 1)), axis=0)
FAR = 1e5 + np.random.default_rng(3).standard_normal((8, 1))
ORDINARY = {
    "years": Problem(YEARS, targets(8, 1), 1.0, True),
    "years, two outputs": Problem(YEARS, targets(8, 2), 1.0, True),
    "years, small gamma": Problem(YEARS, targets(8, 2), 0.01, True),
    "years and months": Problem(np.hstack([YEARS, MONTHS]), targets(8, 1), 0.1, True),
    "years and months, two outputs": Problem(np.hstack([YEARS, MONTHS]), targets(8, 2), 1.0, True),
    "time stamps": Problem(STAMPS, targets(8, 1), 1.0, True),
    "time stamps, two outputs": Problem(STAMPS, targets(8, 2), 1e6, True),
    "far from zero": Problem(FAR, targets(8, 2), 1e4, True),
    "a tiny gamma": Problem(targets(8, 2, 1), targets(8, 2), 1e-10),
    "columns of different scale": Problem(targets(10, 2, 1) * [1e5, 1e-3], targets(10, 2), 0.1, True),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_data_are_solved_with_the_tolerance_proved(name: str) -> None:
    problem = ORDINARY[name]
    outcome = sdprelax.solve(problem, "exact")
    assert outcome.status == "solved"
    assert outcome.gap is not None and outcome.gap <= Exact().tolerance
    assert outcome.certificate is not None and outcome.lower is not None
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
    assert outcome.network is not None and problem.upper_bound(outcome.network) == outcome.upper


@pytest.mark.parametrize("shape", [(8, 2, 2), (6, 3, 1)])
def test_a_tolerance_beyond_rounding_is_not_called_solved(shape: tuple[int, int, int]) -> None:
    n, d, c = shape
    outcome = sdprelax.solve(Problem(targets(n, d, 1), targets(n, c), 0.1), "exact", tolerance=1e-15)
    assert outcome.status == "not converged"
    assert outcome.gap is not None and 1e-15 < outcome.gap <= 1e-7


@pytest.mark.parametrize("fails", [True, False])
def test_a_program_that_leaves_the_gap_open_hands_over_to_the_next(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    problem = ORDINARY["years and months"]
    assert Exact().size(problem) == "convex program over all patterns, 44 patterns"
    assert sdprelax.solve(problem, "exact").details["program"] == "convex program over all patterns"

    def poor(problem: Problem, reduction: Reduction, deadline: Deadline) -> tuple[np.ndarray, np.ndarray]:
        if fails:
            raise SolverFailed("nothing came of it.")
        return np.ones((reduction.rank, 1)), np.full((1, 1), 1e-3)

    monkeypatch.setattr("sdprelax.methods.exact.solve_convex_relu", poor)
    outcome = sdprelax.solve(problem, "exact")
    assert outcome.details["program"] == "column generation"
    assert outcome.status == "solved" and outcome.gap is not None and outcome.gap <= 1e-6


@pytest.mark.parametrize("name", ["columns of different scale", "years and months, two outputs"])
@pytest.mark.parametrize("seed", [37, 46, 78, 99, 120, 140])
def test_column_generation_gives_the_network_of_its_bound(name: str, seed: int) -> None:
    presolved = Presolved.of(ORDINARY[name])
    problem, reduction = presolved.problem, presolved.reduction
    rng = np.random.default_rng(seed)
    # A poor start near the one of the program that leaves the gap open.
    spread = [1e-14, 1e-6, 1e-1, 1.0][seed % 4]
    hidden = 1.0 + spread * rng.standard_normal((reduction.rank, 1))
    output = 1e-3 * (1.0 + spread * rng.standard_normal()) * np.ones((1, problem.shape[2]))
    bounds: list[tuple[float, float]] = []

    def reached(found: ColumnGeneration, lower: float, upper: float) -> None:
        assert problem.objective(presolved.reduced_network(found.hidden, found.output)) <= upper * (1.0 + 1e-9)
        bounds.append((lower, upper))

    found = generate_columns(
        problem, reduction, start=presolved.reduced_network(hidden, output), tolerance=1e-6,
        deadline=Deadline(), rng=rng, report=reached,
    )  # fmt: skip
    lower, upper = bounds[-1]
    assert found.converged and upper - lower <= 1e-6 * upper


@pytest.mark.parametrize("problem", [
    Problem([[-3.1, 1.0], [0.1, 1.3], [0.4, 1.8]], [[0.0], [-0.5], [0.6]], 0.8),
    Problem([[-1.0], [-1.6]], [[-2.9], [-0.4]], 1.2, offset="penalised"),
])  # fmt: skip
def test_a_bound_that_rounding_puts_above_the_value_closes_the_gap(problem: Problem) -> None:
    outcome = sdprelax.solve(problem, "exact")
    assert outcome.status == "solved" and outcome.gap is not None and outcome.gap <= 1e-6


def test_random_small_problems_are_solved() -> None:
    rng = np.random.default_rng(4)
    for k in range(60):
        n, offset = int(rng.integers(2, 7)), [False, True, "penalised"][k % 3]
        problem = Problem(
            rng.standard_normal((n, 1)), rng.standard_normal((n, 1)), float(rng.uniform(0.1, 2.0)), offset=offset
        )
        outcome = sdprelax.solve(problem, "exact")
        assert outcome.status == "solved", (k, problem.X, problem.Y, problem.gamma, offset)


def test_a_closed_gap_is_solved_though_the_time_is_up() -> None:
    problem = Problem(targets(4, 2, 1), targets(4, 2), 1e3)
    outcome = Exact().run(problem, rng=np.random.default_rng(0), deadline=Deadline(0.0))
    assert outcome.status == "solved" and outcome.gap is not None and outcome.gap <= 1e-6
    outcome = Exact().run(Problem(problem.X, problem.Y, 0.1), rng=np.random.default_rng(0), deadline=Deadline(0.0))
    assert outcome.status == "time limit" and outcome.gap is not None and outcome.gap > 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_the_maximum_over_arcs_is_that_over_the_circle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((2 + 3 * seed, 2))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    dual = rng.standard_normal((2 * len(rows), 2))
    found = Arcs(rows).candidates(dual, above=0.0, near=np.zeros((2, 0)))
    assert found.best == pytest.approx(Arrangement(rows).local_maxima(dual).best, rel=1e-12)
    angles = np.linspace(0.0, 2.0 * np.pi, 200_000)
    everywhere = np.max(value(rows, dual, np.stack([np.cos(angles), np.sin(angles)])))
    assert everywhere <= found.best * (1.0 + 1e-15) and found.best <= everywhere * (1.0 + 1e-4)
    # Every one of them is a local maximum.
    for side in (-1e-6, 1e-6):
        turned = found.directions * np.cos(side) + np.stack([-found.directions[1], found.directions[0]]) * np.sin(side)
        assert np.all(value(rows, dual, turned) <= found.values * (1.0 + 1e-14))
