"""``solved`` means that a method's own tolerance is attained; whatever ends it earlier is named otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import Problem

RNG = np.random.default_rng(0)
PROBLEM = Problem(RNG.standard_normal((6, 2)), RNG.standard_normal((6, 2)), 0.1)
FEW = {"max_iterations": 3}


@pytest.mark.parametrize(("method", "options", "status"), [
    ("sdp", {}, "solved"),
    ("sdp", {"solver": "clarabel", "rounding": None}, "solved"),
    ("sdp", {"solver": "native", "rounding": None}, "solved"),
    ("sdp", {"cones": 4, "rounding": None}, "solved"),
    ("sdp", {"solver": "clarabel", "form": "lifted", "rounding": None}, "not converged"),  # it has no interior
    ("sdp", {"solver": "clarabel", "solver_options": FEW, "rounding": None}, "not converged"),
    ("sdp", {"solver": "scs", "solver_options": FEW, "rounding": None}, "not converged"),
    ("sdp", {"solver": "interior_point", "solver_options": FEW, "rounding": None}, "not converged"),
    ("sdp", {"solver": "native", "solver_options": FEW, "rounding": None}, "not converged"),
    ("frank_wolfe", {"corrective": True, "certify": False}, "solved"),
    ("frank_wolfe", {"iterations": 5, "certify": False}, "not converged"),
    ("copositive", {"patterns": 4, "certify": False}, "solved"),
    ("copositive", {"patterns": 4, "solver_options": FEW, "certify": False}, "not converged"),
    ("convex_relu", {"patterns": 4}, "solved"),
    ("convex_relu", {"patterns": 4, "solver": "augmented_lagrangian"}, "solved"),
    ("convex_relu", {"patterns": 4, "solver": "augmented_lagrangian", **FEW}, "not converged"),
    ("gated_relu", {"patterns": 4}, "solved"),
    ("gated_relu", {"patterns": 4, "solver": "fista", **FEW}, "not converged"),
    ("mkl", {"patterns": 4, "max_iterations": 1}, "not converged"),
    ("cross_validated", {"of": "mkl", "gammas": [1.0], "folds": 2}, "solved"),
    ("cross_validated", {"of": "mkl", "options": {"max_iterations": 1}, "gammas": [1.0], "folds": 2}, "not converged"),
    ("validated", {"options": {"patterns": 4}}, "solved"),
    ("validated", {"options": {"patterns": 4, "solver": "fista", **FEW}, "tolerance": 1e-6}, "not converged"),
    ("ntk", {}, "solved"),
])  # fmt: skip
def test_solved_is_what_has_attained_its_tolerance(method: str, options: dict[str, Any], status: str) -> None:
    assert sdprelax.solve(PROBLEM, method, **options).status == status


def test_a_claim_that_is_not_nearly_proved_is_not_solved() -> None:
    problem = Problem(PROBLEM.X, PROBLEM.Y, 1e-200)
    outcome = sdprelax.solve(problem, "sdp", rounding=None)
    assert outcome.status == "not converged" and outcome.lower is not None and outcome.lower < 1e-100


def test_a_path_says_for_each_point_how_its_solver_ended() -> None:
    solved = sdprelax.regularisation_path(PROBLEM, [1.0, 0.5])
    stopped = sdprelax.regularisation_path(PROBLEM, [1.0, 0.5], solver_options=FEW)
    assert [point.status for point in solved] == ["solved"] * 2
    assert [point.status for point in stopped] == ["not converged"] * 2
