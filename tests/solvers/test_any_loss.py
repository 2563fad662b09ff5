"""The relaxation of any loss, with an offset, weights and two-slope units: by conic solvers and by our own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.networks import activations
from sdprelax.problem import losses
from sdprelax.rounding import roundings
from tests.conftest import LOSSES

NATIVE = {"phases": "alternating", "tolerance": 5e-3, "max_iterations": 2_000}
CASES = [
    *((loss, True) for loss in LOSSES),
    *((loss, offset) for loss in ("squared", "cross_entropy", "hinge") for offset in (False, "penalised")),
]


def tiny(loss: str = "squared", seed: int = 0, n: int = 6, d: int = 2, gamma: float = 0.3, **more: Any) -> Problem:
    """Return a random problem of a loss, with targets that it takes; its last two rows are parallel."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X[-1] = -2.0 * X[-2]
    Y = {
        "numbers": lambda: rng.standard_normal((n, 1)), "simplex": lambda: np.eye(3)[np.arange(n) % 3],
        "signs": lambda: np.where(np.arange(n) % 3 == 1, -1.0, 1.0)[:, None],
        "counts": lambda: rng.poisson(2.0, (n, 1)).astype(float),
    }[losses[loss].targets]()  # fmt: skip
    return Problem(X, Y, gamma, loss=loss, **more)


def bound(problem: Problem, **options: Any) -> tuple[float, float]:
    """Return the certified bound, proved anew, and the solver's claim."""
    outcome = sdprelax.solve(problem, "sdp", rounding=None, **options)
    assert outcome.certificate is not None and outcome.lower is not None
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
    return outcome.lower, outcome.solver_value  # type: ignore[return-value]


@pytest.mark.parametrize(("loss", "offset"), CASES)
def test_all_solvers_agree_below_every_network(loss: str, offset: Any) -> None:
    weights = np.array([1.0, 0.5, 2.0, 1.0, 1.5, 1.0]) if offset else None
    problem = tiny(loss, offset=offset, sample_weight=weights)
    conic, claimed = bound(problem, solver="clarabel")
    assert conic == pytest.approx(claimed, rel=1e-4, abs=1e-5)
    ours, estimate = bound(problem, solver="native", solver_options=NATIVE)
    assert ours <= claimed + 1e-5 * (1.0 + abs(claimed))
    assert ours == pytest.approx(claimed, rel=5e-3, abs=1e-3)
    assert estimate == pytest.approx(claimed, rel=5e-3, abs=1e-3)
    interior, estimate = bound(problem, solver="interior_point")
    assert interior <= claimed + 1e-5 * (1.0 + abs(claimed))
    assert interior == pytest.approx(conic, rel=1e-5, abs=1e-5)
    # Where A is at ends of its domain the last steps lose digits of the primal point, not of A.
    assert estimate == pytest.approx(conic, rel=1e-3)
    lifted, _ = bound(problem, solver="clarabel", form="lifted")
    assert lifted == pytest.approx(conic, rel=2e-2, abs=1e-3)
    rounded = sdprelax.solve(
        problem, "sdp", solver="clarabel", rounding="three_operator", rounding_options={"iterations": 8, "columns": 8},
        polish=False,
    )  # fmt: skip
    assert rounded.upper is not None and conic <= rounded.upper


@pytest.mark.parametrize("loss", LOSSES)
def test_a_point_of_the_dual_is_the_residual_at_its_gradient(loss: str) -> None:
    problem = tiny(loss, sample_weight=np.arange(1.0, 7.0))
    P = 0.4 * np.random.default_rng(1).standard_normal(problem.Y.shape)
    A = problem.residual(P)
    gradient = problem.loss.dual_gradient(A, problem.Y)
    if problem.loss.smooth:
        assert problem.residual(gradient) == pytest.approx(A, abs=1e-12)
    low, high = problem.loss.dual_range(problem.Y)
    change = 1e-6 * np.where(low >= A, 1.0, np.where(high <= A, -1.0, 0.5))
    change -= np.mean(change, axis=1, keepdims=True) if problem.loss.shift_invariant else 0.0
    ends = [problem.loss.dual_value(A + share * change, problem.Y) for share in (0.0, 1.0)]
    middle = problem.loss.dual_gradient(A + 0.5 * change, problem.Y)
    assert ends[1] - ends[0] == pytest.approx(float(np.sum(change * middle)), rel=1e-3, abs=1e-12)


@pytest.mark.parametrize("activation", [name for name in activations if name != "relu"])
@pytest.mark.parametrize("solver", ["clarabel", "native", "interior_point"])
def test_units_of_two_slopes_are_bounded_below_their_networks(activation: str, solver: str) -> None:
    problem = tiny("squared", n=7, activation=activation)
    options = NATIVE if solver == "native" else {}
    lower, claimed = bound(problem, solver=solver, solver_options=options)
    assert lower == pytest.approx(claimed, rel=5e-3)
    split, _ = bound(problem, solver="clarabel", cones=4)
    assert split >= lower * (1.0 - 1e-5)
    networks = sdprelax.solve(problem, "lbfgs", width=20, restarts=3)
    assert networks.upper is not None and split <= networks.upper


@pytest.mark.parametrize("solver", ["clarabel", "native", "interior_point"])
def test_a_sample_of_weight_two_is_the_sample_twice(solver: str) -> None:
    for offset in (False, True):
        problem = tiny("squared", offset=offset)
        weights = np.array([1.0, 2.0, 1.0, 1.0, 1.0, 2.0])
        twice = np.repeat(np.arange(6), weights.astype(int))
        weighted = Problem(problem.X, problem.Y, problem.gamma, offset=offset, sample_weight=weights)
        repeated = Problem(problem.X[twice], problem.Y[twice], problem.gamma, offset=offset)
        options = {**NATIVE, "tolerance": 1e-3} if solver == "native" else {}
        one, other = (bound(task, solver=solver, solver_options=options)[0] for task in (weighted, repeated))
        assert one == pytest.approx(other, rel=5e-3 if solver == "native" else 1e-6)


def test_samples_of_zeros_and_generators_without_samples_are_read_as_they_are() -> None:
    problem = tiny("squared", offset=True)
    X = np.vstack([problem.X, np.zeros((2, 2))])
    Y = np.vstack([problem.Y, [[1.0], [-2.0]]])
    with_zeros = Problem(X, Y, 0.3, offset=True)
    conic, _ = bound(with_zeros, solver="clarabel")
    ours, _ = bound(with_zeros, solver="native", solver_options=NATIVE)
    assert ours == pytest.approx(conic, rel=5e-3) and ours <= conic * (1.0 + 1e-5)


def test_the_default_solver_is_one_that_takes_the_problem() -> None:
    """And what has no kernel form is not transductive."""
    problem = tiny("squared", offset=True)
    lower, _ = bound(problem)
    conic, _ = bound(problem, solver="clarabel")
    assert lower == pytest.approx(conic, rel=2e-3)
    with pytest.raises(InputError, match="without sample weights and offset"):
        sdprelax.solve(tiny("squared", offset=True, queries=np.ones((1, 2))), "sdp", rounding=None, transductive=True)


def test_cones_close_the_gap_of_cross_entropy_too() -> None:
    """Beside large semidefinite cones Clarabel's exponential ones once ended after five steps, far from the optimum."""
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((14, 2)), np.eye(3)[rng.integers(0, 3, 14)]
    problem = Problem(X, labels, 0.3, bias=True, loss="cross_entropy", offset="penalised")
    found = [bound(problem, solver="clarabel", cones=cones) for cones in (1, 6)]
    assert all(lower == pytest.approx(claimed, rel=1e-6) for lower, claimed in found)
    assert found[1][0] > 1.1 * found[0][0]


@pytest.mark.parametrize("rounding", list(roundings))
@pytest.mark.parametrize("loss", ["cross_entropy", "poisson"])
def test_every_rounding_gives_networks_of_every_loss(rounding: str, loss: str) -> None:
    problem = tiny(loss, gamma=0.1, offset=True, sample_weight=np.linspace(0.5, 1.5, 6))
    options = {"iterations": 50, "columns": 12} if rounding == "three_operator" else {}
    outcome = sdprelax.solve(problem, "sdp", rounding=rounding, rounding_options=options, polish=False)
    reached = outcome.details["roundings"][rounding]
    assert outcome.network is not None and outcome.network.offset is not None
    assert outcome.lower <= problem.objective(outcome.network) <= outcome.upper  # type: ignore[operator]
    assert outcome.lower <= reached["rounded"]
    if "rounding_gap" in reached:
        # What its output weights are best for, along the directions that they have.
        assert 0.0 <= reached["rounding_gap"] <= 1e-6
        assert reached["rounded"] < problem.upper_bound(problem.empty_network())


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_the_copositive_program_of_a_loss_is_its_optimum_in_the_plane(loss: str) -> None:
    problem = tiny(loss, gamma=0.1, offset=True)
    outcome = sdprelax.solve(problem, "copositive", samples=5)
    assert outcome.details["cones_beyond_four_facets"] == 0
    assert outcome.lower == pytest.approx(outcome.upper, rel=1e-5)
    assert outcome.solver_value == pytest.approx(outcome.upper, rel=1e-5)
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower  # type: ignore[arg-type]
