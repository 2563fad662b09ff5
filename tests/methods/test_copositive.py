"""The copositive program over patterns: exact where doubly nonnegative is completely positive, else no bound."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

import sdprelax
from sdprelax import InputError, Problem, ProblemTooLarge
from sdprelax.cells import pattern_cone, sampled_patterns
from sdprelax.exact import activation_patterns
from sdprelax.problem._problem import ridge_value
from tests.conftest import degenerate_problem

ALL = 1000


def gaussian(seed: int, n: int = 8, d: int = 2, c: int = 2, gamma: float = 0.1) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma)


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_facets_are_the_walls_that_the_others_do_not_imply(rank: int) -> None:
    rng = np.random.default_rng(rank)
    rows = rng.standard_normal((9 if rank > 1 else 1, rank))
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    patterns, gates, _ = sampled_patterns(rows, 10, rng)
    for signs, gate in zip(patterns, gates.T, strict=True):
        cone = pattern_cone(rows, signs, gate)
        walls = signs[:, None] * rows
        needed = []
        for j in range(len(rows)):
            others = np.delete(walls, j, axis=0)
            # The wall is a facet if some w is on the right side of all the others but not of it.
            found = scipy.optimize.linprog(walls[j], A_ub=-others, b_ub=np.zeros(len(others)), bounds=(-1, 1))
            if found.fun < -1e-9:
                needed.append((j, int(signs[j])))
        assert list(cone.facets) == needed
        assert len(cone.undetermined) == 0


@pytest.mark.parametrize("seed", range(4))
def test_with_all_patterns_of_rank_two_its_value_is_the_optimum(seed: int) -> None:
    problem = gaussian(seed, c=1 + seed % 3)
    exact = sdprelax.solve(problem, "exact")
    outcome = sdprelax.solve(problem, "copositive", patterns=ALL)
    assert outcome.details["patterns"] == len(activation_patterns(problem.X)[0])
    assert outcome.details["cones_beyond_four_facets"] == 0
    assert outcome.solver_value == pytest.approx(exact.upper, rel=1e-6)
    assert outcome.upper == pytest.approx(exact.upper, rel=1e-6)
    assert outcome.upper == problem.upper_bound(outcome.network)
    assert outcome.lower is not None and outcome.lower == pytest.approx(exact.upper, rel=1e-4)
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


@pytest.mark.parametrize(("seed", "d"), [(0, 2), (1, 2), (2, 3), (3, 3)])
def test_few_patterns_of_few_facets_restrict(seed: int, d: int) -> None:
    problem = gaussian(seed, n=4 if d == 3 else 8, d=d)
    exact = sdprelax.solve(problem, "exact")
    outcome = sdprelax.solve(problem, "copositive", patterns=4)
    assert outcome.details["cones_beyond_four_facets"] == 0 and outcome.details["patterns"] == 4
    assert exact.lower is not None and outcome.solver_value is not None
    assert outcome.solver_value >= exact.lower * (1 - 1e-6)


def test_five_facets_are_too_many_for_exactness_even_in_rank_three() -> None:
    # On a round cone doubly nonnegative moments may be diag(1, 1, 1), completely positive ones need S_33 ≥ S_11 + S_22.
    angles = 2.0 * np.pi * np.arange(5) / 5
    X = np.stack([np.cos(angles), np.sin(angles), np.ones(5)], axis=1)
    problem = Problem(X, X, 0.1)
    exact = sdprelax.solve(problem, "exact")
    outcome = sdprelax.solve(problem, "copositive", patterns=ALL)
    assert outcome.details["facets"]["most"] == 5
    assert exact.lower is not None and outcome.solver_value is not None and outcome.upper is not None
    assert outcome.solver_value < 0.995 * exact.lower <= outcome.upper


def test_their_kernel_form_is_the_same_program() -> None:
    # One output and β = γ: ½yᵀ(I + 2ΣAUAᵀ)⁻¹y + β²Σ tr U with S = 2γU, for any positive semidefinite U.
    rng = np.random.default_rng(0)
    y, gamma = rng.standard_normal((6, 1)), 0.3
    maps = rng.standard_normal((4, 6, 2))
    roots = rng.standard_normal((4, 2, 2))
    U = roots @ np.swapaxes(roots, 1, 2)
    kernel, trace = np.einsum("pij,pjk,plk->il", maps, U, maps), float(np.einsum("pii->", U))
    theirs = 0.5 * (y.T @ np.linalg.solve(np.eye(6) + 2 * kernel, y)).item() + gamma**2 * trace
    ours = ridge_value(2 * gamma * kernel, y, gamma) + 0.5 * gamma * (2 * gamma * trace)
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_scs_agrees() -> None:
    problem = gaussian(5, n=6)
    values = [
        sdprelax.solve(problem, "copositive", patterns=6, solver=solver, certify=False).solver_value
        for solver in ("clarabel", "scs")
    ]
    assert values[0] is not None and values[1] == pytest.approx(values[0], rel=1e-3)


@pytest.mark.parametrize("seed", range(18))
def test_degenerate_problems_leave_bounds_that_do_not_cross(seed: int) -> None:
    problem = degenerate_problem(seed)
    exact = sdprelax.solve(problem, "exact")
    outcome = sdprelax.solve(problem, "copositive", patterns=8, samples=3)
    assert exact.lower is not None and outcome.upper is not None and outcome.upper >= exact.lower
    assert outcome.upper == problem.upper_bound(outcome.network)
    if outcome.lower is not None:
        assert exact.upper is not None and outcome.lower <= exact.upper
        assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower


def test_time_that_is_up_leaves_the_empty_network() -> None:
    outcome = sdprelax.solve(gaussian(0), "copositive", time_limit=1e-9)
    assert outcome.status == "time limit" and outcome.upper == pytest.approx(0.5 * np.sum(gaussian(0).Y ** 2))


def test_what_no_solver_can_hold_is_refused_with_the_count() -> None:
    with pytest.raises(ProblemTooLarge, match=r"nonzeros and it takes at most 10,000,000; take fewer patterns"):
        sdprelax.solve(gaussian(0, n=300, d=20), "copositive", patterns=100)


@pytest.mark.parametrize(("options", "message"), [
    ({"solver": "interior_point"}, "interior_point solves sdp's single block"),
    ({"solver": "clarable"}, "did you mean 'clarabel'"),
    ({"solver_options": {"tol": 1}}, "solver 'clarabel' has no option 'tol'"),
    ({"patterns": 0}, "option 'patterns' is 0"),
])  # fmt: skip
def test_wrong_options_are_refused_in_one_sentence(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sdprelax.solve(gaussian(0), "copositive", **options)


@pytest.mark.parametrize("seed", range(6))
def test_rows_so_nearly_parallel_that_rounding_hides_a_facet_do_no_harm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((3, 2))
    X = np.vstack([X, X * (1.0 + 1e-9 * rng.standard_normal((3, 2)))])
    problem = Problem(X, rng.standard_normal((6, 1)), 0.1)
    outcome = sdprelax.solve(problem, "copositive", patterns=12, samples=1)
    optimum = sdprelax.solve(problem, "exact")
    assert outcome.upper is not None and optimum.lower is not None and outcome.upper >= optimum.lower
