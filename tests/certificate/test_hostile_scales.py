"""Dual values of other losses where products leave the range of floating point: no bound is above an objective."""

from __future__ import annotations

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.certificate import Certificate, ConeProof, Gates, GroupCertificate, verify_group
from sdprelax.problem import Reduction, Squared, Weighted, losses


def constant(problem: Problem, offset: float) -> float:
    """Return the proved objective of a constant output."""
    d, c = problem.shape[1:]
    return problem.attained(problem.network(np.zeros((d, 0)), np.zeros((0, c)), np.array([offset])))


def test_a_tilt_counts_though_the_square_of_its_multiple_underflows() -> None:
    problem = Problem(np.ones((2, 1)), np.ones((2, 1)), 1e-170, loss="hinge", offset=1e-300)
    forged = Certificate(0.0, np.ones((2, 1)), Reduction.identity(np.ones((2, 1))), ConeProof(2.0, 99))
    assert sdprelax.verify(problem, forged) <= constant(problem, 2.0)
    lower = sdprelax.solve(problem, "exact", time_limit=5.0).lower
    assert lower is not None and lower <= constant(problem, 2.0)
    gates = Gates(np.zeros((1, 0)), True)
    group = GroupCertificate(1e9, -1.0, gates, "frobenius", (1.0, 1.0), 1e-170, np.array([0]), np.zeros((1, 1, 1)),
                             np.ones((2, 1)), np.array([2.0]))  # fmt: skip
    below, above = verify_group(problem, group)
    assert below <= above
    large = Problem([[1.0]], [[2.0**349]], 1e-132, loss="absolute", offset=1e-320)
    rows, proof = Reduction.identity(np.ones((1, 1))), ConeProof(2.0**101, 99)
    units = Certificate(0.0, np.array([[2.0**100]]), rows, proof, (1.0, 2.0**250))
    assert sdprelax.verify(large, units) <= constant(large, 2.0**349)


@pytest.mark.parametrize("loss", ["hinge", "absolute", "huber", "logistic"])
def test_a_multiple_that_is_subnormal_is_none(loss: str) -> None:
    gamma = 0.6 * 2.0**-674
    problem = Problem([[1.0]], [[1.0]], gamma, loss=loss)
    certificate = GroupCertificate(1e9, 0.0, Gates(np.zeros((1, 0)), True), "frobenius", (1.0, 1.0), gamma,
                                   np.array([0]), np.array([[[1.0 + 1e-10]]]), np.array([[2.0**400]]))  # fmt: skip
    below, above = verify_group(problem, certificate)
    assert below <= above and below <= losses.create(loss).value(np.zeros((1, 1)), np.ones((1, 1))) * 1e-9


def test_what_underflows_is_rounded_to_the_careful_side() -> None:
    hinge = Problem([[1e100]], [[1.0]], 1e-300, loss="hinge")
    assert hinge.attained(hinge.network(np.array([[2e-50]]), np.array([[1e-50]]))) > 0.0
    # p* = 5e-324·(3 − 3 log 3) < 0.
    poisson = Problem([[1.0]], [[3.0]], 1.0, loss="poisson", offset=True, sample_weight=[5e-324])
    lower = sdprelax.solve(poisson, "exact", time_limit=5.0).lower
    assert lower is not None and lower < 0.0


def test_objects_are_held_to_what_their_options_may_be() -> None:
    for loss in (Weighted(Squared(), np.array([-1.0])), losses["quantile"](2.0), losses["huber"](-1.0)):
        with pytest.raises(InputError, match=r"positive finite|should be"):
            Problem([[1.0]], [[0.5]], 0.1, loss=loss)
    with pytest.raises(InputError, match="Y is so large"):
        Problem([[1.0]], [[2.0**101]], 0.1, loss="huber")


@pytest.mark.parametrize("scale", [1.0, 1e155, 1e-150, 1e306])
def test_free_biases_are_proved_at_any_scale(scale: float) -> None:
    for Y in ([[1.0], [1.0]], [[1.0], [3.0]]):
        problem = Problem(np.array([[1.0], [2.0]]) * scale, Y, 0.1, True, penalise_bias=False)
        outcome = sdprelax.solve(problem, "exact")
        assert outcome.lower is not None and outcome.upper is not None and outcome.certificate is not None
        assert 0.0 <= outcome.lower <= sdprelax.verify(problem, outcome.certificate) <= outcome.upper


@pytest.mark.parametrize("loss", ["squared", "hinge", "logistic", "absolute"])
@pytest.mark.parametrize("offset", [False, True, "penalised"])
def test_inputs_of_zeros_leave_the_offset(loss: str, offset: bool | str) -> None:
    problem = Problem(np.zeros((2, 1)), -np.ones((2, 1)), 0.6, loss=loss, offset=offset)
    outcome = sdprelax.solve(problem, "exact", time_limit=10.0)
    assert outcome.lower is not None and outcome.upper is not None and outcome.lower <= outcome.upper
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
