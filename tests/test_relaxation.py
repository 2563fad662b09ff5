"""The SDP relaxation: below the optimum, the same in both forms, certified close to its value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.base import Deadline
from sdprelax.certificate import relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.problem import Reduction, reduce
from sdprelax.relaxation import RelaxationSolution, relaxation
from sdprelax.solvers import solvers


def gaussian(seed: int, n: int, d: int, c: int, gamma: float) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma)


def solve(problem: Problem, form: str, solver: str = "clarabel", **options: object) -> RelaxationSolution:
    lifting = LiftedProgram(problem, reduce(problem))
    return relaxation(lifting, form).solve(solvers.create(solver, options), Deadline())  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_the_reduced_optimum_is_feasible_for_the_lifted_form_with_the_same_objective(seed: int) -> None:
    problem = gaussian(seed, 8, 2, 3, 0.1)
    solution = solve(problem, "reduced")
    lifting = LiftedProgram(problem, reduce(problem))
    residuals = lifting.residuals(solution.lifted)
    assert residuals.pop("linear") < 1e-10
    assert set(residuals) == {"complementary", "nonnegative", "semidefinite"}
    assert max(residuals.values()) < 1e-7
    assert lifting.objective(solution.lifted) == pytest.approx(solution.solved.value, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_lifted_form_certifies_no_more_than_the_reduced_one_and_nearly_as_much(seed: int) -> None:
    """The published form has no interior: Clarabel stalls within a hundredth of the value both forms share."""
    problem = gaussian(seed, 8, 2, 3, 0.1)
    reduction = reduce(problem)
    value = solve(problem, "reduced").solved.value
    lifted = solve(problem, "lifted")
    lower = relaxation_certificate(problem, reduction, lifted.multiplier, lifted.multipliers).lower
    assert value is not None
    assert 0.99 * value <= lower <= value * (1.0 + 1e-6)


def test_the_certificate_comes_close_to_what_the_solver_claims() -> None:
    for seed in range(4):
        outcome = sdprelax.solve(gaussian(seed, 8, 2, 3, 0.1), "sdp", rounding=None)
        assert outcome.lower is not None and outcome.solver_value is not None
        assert outcome.lower == pytest.approx(outcome.solver_value, rel=1e-3)


def test_the_referee_in_multiple_precision_certifies_its_value_to_ten_digits() -> None:
    pytest.importorskip("sdpap", reason="sdpa-multiprecision is not installed (extra: referee)")
    problem = gaussian(0, 5, 2, 2, 0.1)
    reduction = reduce(problem)
    solution = solve(problem, "reduced", "sdpa")
    certificate = relaxation_certificate(problem, reduction, solution.multiplier, solution.multipliers)
    assert solution.solved.value is not None
    assert certificate.lower == pytest.approx(solution.solved.value, rel=1e-10)
    assert solve(problem, "reduced").solved.value == pytest.approx(solution.solved.value, rel=1e-5)


def test_one_sample_is_tight_and_has_its_closed_form() -> None:
    """n = 1: p* = γ‖y‖/‖x‖ − γ²/(2‖x‖²) when ‖x‖‖y‖ ≥ γ."""
    x, y, gamma = np.array([[3.0, 4.0]]), np.array([[1.0, 2.0, 2.0]]), 0.7
    value = gamma * 3.0 / 5.0 - gamma**2 / 50.0
    for method in ("sdp", "exact"):
        outcome = sdprelax.solve(Problem(x, y, gamma), method)
        assert outcome.lower == pytest.approx(value, rel=1e-6)
        assert outcome.upper == pytest.approx(value, rel=1e-6)


def test_presolve_does_not_change_the_value() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 2))
    X = np.vstack([X, 2.0 * X[:2], -X[2:3]])
    problem = Problem(X, rng.standard_normal((7, 2)), 0.1)
    with_it = sdprelax.solve(problem, "sdp", rounding=None).lower
    identity = relaxation(LiftedProgram(problem, Reduction.identity(problem.inputs)), "reduced")
    raw = identity.solve(solvers.create("scs", {"tolerance": 1e-6, "max_iterations": 150_000}), Deadline())
    assert raw.solved.value == pytest.approx(with_it, rel=5e-3)


@pytest.mark.parametrize(("name", "row", "gamma", "value"), [
    ("random", 0, 0.1, 8.1014), ("random", 1, 0.1, 6.9149), ("random", 0, 0.01, 0.848), ("spiral", 0, 0.1, 16.243),
])  # fmt: skip
def test_p25_values_are_certified_to_a_thousandth(p25: Path, name: str, row: int, gamma: float, value: float) -> None:
    data = np.load(p25 / f"{name}.npz")
    X, Y = (data["X"][row], data["Y"][row]) if name == "random" else (data["X"], np.eye(3)[data["y"]])
    outcome = sdprelax.solve(Problem(X, Y, gamma), "sdp", rounding=None)
    assert outcome.solver_value == pytest.approx(value, rel=3e-4)
    assert outcome.lower == pytest.approx(outcome.solver_value, rel=1e-3)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(InputError, match="option 'form' is 'redused'"):
        sdprelax.solve(gaussian(0, 3, 2, 1, 0.1), "sdp", form="redused")


@pytest.mark.parametrize("seed", range(2))
def test_weaker_relaxations_have_lower_values_and_proved_bounds(seed: int) -> None:
    """Without complementarity β is unbounded and predictions cost nothing."""
    problem = gaussian(seed, 8, 2, 2, 0.1)
    optimum = sdprelax.solve(problem, "exact").upper
    assert optimum is not None

    def value(form: str, inequalities: list[str] | None) -> float:
        outcome = sdprelax.solve(
            problem, "sdp", form=form, inequalities=inequalities, solver="clarabel", rounding="gaussian", polish=False
        )
        assert outcome.certificate is not None and outcome.lower is not None
        assert outcome.lower <= sdprelax.verify(problem, outcome.certificate) <= optimum
        assert outcome.upper is not None and outcome.upper >= optimum * (1.0 - 1e-9)
        assert outcome.solver_value is not None
        return outcome.solver_value

    weak = "scaled_diagonally_dominant"
    full, semidefinite = value("reduced", None), value("reduced", ["complementary"])
    minors, least = value(weak, None), value(weak, ["complementary"])
    accuracy = 1e-6 * full
    assert value("reduced", ["nonnegative", "complementary"]) == pytest.approx(full, rel=1e-6)
    assert 0.05 * full < least <= min(semidefinite, minors) + accuracy
    assert max(semidefinite, minors) < 0.9 * full
    assert value("reduced", ["nonnegative"]) == pytest.approx(0.0, abs=1e-4 * full)


def test_a_structured_solver_is_not_asked_for_weaker_relaxations() -> None:
    problem = gaussian(0, 4, 2, 1, 0.1)
    for options in ({"inequalities": ["complementary"]}, {"form": "scaled_diagonally_dominant"}):
        with pytest.raises(InputError, match="interior_point is for the presolved reduced form with the inequalities"):
            sdprelax.solve(problem, "sdp", solver="interior_point", **options)
    with pytest.raises(InputError, match="should be a valid list"):
        sdprelax.solve(problem, "sdp", inequalities="walls")
