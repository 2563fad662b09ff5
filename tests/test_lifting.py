"""Lifting any network gives a feasible point with the network's objective."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdprelax import Network
from sdprelax.lifting import LiftedProgram
from sdprelax.problem import Reduction, reduce
from tests.conftest import degenerate_problem


@given(st.integers(0, 500), st.integers(0, 8), st.booleans())
def test_a_lifted_network_is_feasible_and_has_its_objective(seed: int, width: int, presolve: bool) -> None:
    problem = degenerate_problem(seed)
    _, d, c = problem.shape
    rng = np.random.default_rng(seed)
    network = Network(rng.standard_normal((d, width)), rng.standard_normal((width, c)), problem.bias)
    reduction = reduce(problem) if presolve else Reduction.identity(problem.inputs)
    # Presolve forgets directions outside the row space, which only cost; the network's part inside counts.
    inside = Network(reduction.basis @ (reduction.basis.T @ network.hidden), network.output, problem.bias)
    lifting = LiftedProgram(problem, reduction)
    lifted = lifting.lift(inside)
    assert lifted.shape == (lifting.order, lifting.order)
    scale = 1.0 + np.max(np.abs(lifted), initial=0.0)
    assert max(lifting.residuals(lifted).values()) <= 1e-12 * scale
    assert lifting.objective(lifted) == pytest.approx(problem.objective(inside), rel=1e-10)


def test_the_face_solves_the_linear_constraint() -> None:
    lifting = LiftedProgram(degenerate_problem(1), Reduction.identity(degenerate_problem(1).inputs))
    np.testing.assert_allclose(lifting.linear_map @ lifting.face, 0.0, atol=1e-14)


def test_residuals_see_each_violation() -> None:
    problem = degenerate_problem(6)
    lifting = LiftedProgram(problem, Reduction.identity(problem.inputs))
    g = lifting.generators
    zero = np.zeros((lifting.order, lifting.order))
    for entry, name in (((0, 0), "linear"), ((0, g), "complementary"), ((g, g), "linear")):
        broken = zero.copy()
        broken[entry] = broken[entry[::-1]] = 1.0
        assert lifting.residuals(broken)[name] == 1.0
    broken = zero.copy()
    broken[0, 0] = -1.0
    assert lifting.residuals(broken)["nonnegative"] == 1.0
    assert lifting.residuals(broken)["semidefinite"] == 1.0
