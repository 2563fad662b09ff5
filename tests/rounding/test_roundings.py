"""Every rounding returns a real network; a lifted network is read back."""

from __future__ import annotations

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.lifting import LiftedProgram
from sdprelax.problem import reduce
from sdprelax.rounding import roundings
from sdprelax.rounding.extract import tightness
from sdprelax.rounding.three_operator import ThreeOperator, project_complementary


def gaussian(seed: int, n: int = 8, d: int = 2, c: int = 2, gamma: float = 0.1) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma)


@pytest.mark.parametrize("rounding", ["eigen", "extract", "gaussian", "three_operator"])
def test_the_upper_bound_is_the_objective_of_the_network_returned(rounding: str) -> None:
    for seed in range(3):
        problem = gaussian(seed)
        rough = sdprelax.solve(problem, "sdp", rounding=rounding, polish=False)
        polished = sdprelax.solve(problem, "sdp", rounding=rounding)
        for outcome in (rough, polished):
            assert outcome.network is not None and outcome.upper is not None and outcome.lower is not None
            assert outcome.upper == problem.upper_bound(outcome.network)
            assert outcome.upper == pytest.approx(problem.objective(outcome.network), rel=1e-12)
            assert outcome.upper >= outcome.lower
        assert polished.upper is not None and rough.upper is not None
        assert polished.upper <= rough.upper


@pytest.mark.parametrize("rounding", ["eigen", "extract", "gaussian", "three_operator"])
def test_rounding_comes_near_the_optimum_of_small_problems(rounding: str) -> None:
    excess = []
    for seed in range(3):
        problem = gaussian(seed)
        optimum = sdprelax.solve(problem, "exact").upper
        upper = sdprelax.solve(problem, "sdp", rounding=rounding).upper
        assert upper is not None and optimum is not None
        excess.append(upper / optimum - 1.0)
    # Which local optimum the polish of a rounding ends in hangs on the last bits, which differ between processors.
    assert np.mean(excess) <= 0.05 and max(excess) <= 0.1


@pytest.mark.parametrize("rounding", ["eigen", "extract", "gaussian"])
def test_the_lift_of_an_optimal_neuron_is_read_back_as_that_neuron(rounding: str) -> None:
    """Λ of a one-neuron optimum is tight by construction: the rounding must return its objective."""
    x, y, gamma = np.array([[3.0, 4.0]]), np.array([[1.0, 2.0, 2.0]]), 0.7
    problem = Problem(x, y, gamma)
    optimum = sdprelax.solve(problem, "exact")
    assert optimum.network is not None and optimum.upper is not None and optimum.network.width == 1
    lifting = LiftedProgram(problem, reduce(problem))
    lifted = lifting.lift(optimum.network)
    found = roundings.create(rounding).round(lifting, lifted, rng=np.random.default_rng(0))
    assert problem.objective(getattr(found, "network", found)) == pytest.approx(optimum.upper, rel=1e-6)
    assert tightness(lifting, lifted, optimum.network).tight()


def test_a_loose_relaxation_is_not_called_tight() -> None:
    problem = gaussian(1, n=12, c=3)
    optimum = sdprelax.solve(problem, "exact")
    outcome = sdprelax.solve(problem, "sdp", rounding="extract")
    assert optimum.lower is not None and outcome.lower is not None
    assert outcome.lower < 0.99 * optimum.lower, "this problem was chosen for its loose relaxation"
    assert outcome.details["tightness"]["excess"] > 0.01


def test_projection_on_complementary_pairs_is_the_nearest_point() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 500))
    p, q = project_complementary(a, b)
    assert np.all(p >= 0.0) and np.all(q >= 0.0) and np.all(p * q == 0.0)
    nearest = np.minimum(
        np.minimum(np.hypot(a - np.maximum(a, 0), b), np.hypot(a, b - np.maximum(b, 0))), np.hypot(a, b)
    )
    assert np.allclose(np.hypot(a - p, b - q), nearest)


def test_an_unknown_rounding_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"unknown rounding 'gausian': did you mean 'gaussian'\?"):
        sdprelax.solve(gaussian(0), "sdp", rounding="gausian")
    with pytest.raises(InputError, match="rounding 'gaussian' has no option 'sample': did you mean 'samples'"):
        sdprelax.solve(gaussian(0), "sdp", rounding_options={"sample": 3})


def test_more_roundings_share_a_solution_and_the_best_network_counts() -> None:
    problem = gaussian(2, n=10, c=3)
    more: list[object] = ["eigen", {"three_operator": {"iterations": 50, "columns": 12}}]
    outcome = sdprelax.solve(problem, "sdp", more_roundings=more)
    names = [name + end for name in ("gaussian", "eigen", "three_operator") for end in ("", ", polished")]
    assert list(outcome.predictors) == names
    objectives = {name: problem.upper_bound(network) for name, network in outcome.predictors.items()}  # type: ignore[arg-type]
    assert outcome.upper == min(objectives.values())
    for name, reached in outcome.details["roundings"].items():
        assert reached == {**reached, "rounded": objectives[name], "polished": objectives[f"{name}, polished"]}
    alone = sdprelax.solve(problem, "sdp")
    assert alone.lower == outcome.lower and alone.details["roundings"]["gaussian"]["rounded"] == objectives["gaussian"]
    assert len(outcome.candidates) == 50 and all(network.width <= 12 for network in outcome.candidates)


def test_three_operator_splitting_stays_in_the_linear_constraints_and_comes_nearer_to_the_solution() -> None:
    problem = gaussian(3, n=8, c=2)
    reduction = reduce(problem)
    lifting = LiftedProgram(problem, reduction)
    target = lifting.lift(sdprelax.solve(problem, "exact").network)  # type: ignore[arg-type]
    walk = list(ThreeOperator(columns=20, iterations=2000).walk(lifting, target))
    mismatch = [np.linalg.norm(lifting.lift(network) - target) / np.linalg.norm(target) for network in walk]
    assert len(walk) == 200 and mismatch[-1] < 0.05 and mismatch[-1] < 0.5 * mismatch[0]


@pytest.mark.parametrize(("options", "words"), [
    ({"more_roundings": ["gausian"]}, "unknown rounding 'gausian'"),
    ({"more_roundings": ["gaussian"]}, "rounding 'gaussian' is named twice"),
    ({"more_roundings": [{"eigen": {"samples": 3}}]}, "rounding 'eigen' has no option 'samples'"),
    ({"more_roundings": [{"eigen": {}, "extract": {}}]}, "write a name, or one {name: {option: value}}"),
    ({"more_roundings": ["eigen"], "rounding": None}, "more_roundings come after the first one"),
])  # fmt: skip
def test_wrong_roundings_are_one_sentence(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        sdprelax.solve(gaussian(0), "sdp", **options)
