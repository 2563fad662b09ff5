"""What is said of a network is true of it: the verdict against the global optimum, and the user's training in γ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import sdprelax
from sdprelax import InputError, Network, Problem, certify
from sdprelax.cli import app
from sdprelax.training import polish, random_network


def data(seed: int = 0, n: int = 20, c: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 2)), rng.standard_normal((n, c))


def trained(problem: Problem, width: int = 4, steps: int = 50, seed: int = 0) -> Network:
    return polish(problem, random_network(problem, width, np.random.default_rng(seed)), max_iterations=steps)


@pytest.mark.parametrize("seed", range(3))
def test_the_verdict_is_true_of_the_network(seed: int) -> None:
    problem = Problem(*data(seed), gamma=0.3)
    network = trained(problem, seed=seed)
    verdict = certify(problem, network)
    optimum = sdprelax.solve(problem, "exact")
    assert optimum.upper is not None and verdict.lower is not None and verdict.excess is not None
    assert verdict.upper == problem.upper_bound(network) and verdict.network is network
    assert verdict.lower <= optimum.upper and sdprelax.verify(problem, verdict.certificate) >= verdict.lower
    # The network is above the optimum by what is said, to the tolerance of both.
    assert verdict.excess == pytest.approx(verdict.upper / optimum.upper - 1.0, abs=3e-6)
    assert (verdict.better is None) == (verdict.upper <= optimum.upper * (1.0 + 3e-6))
    if verdict.better is not None:
        assert problem.upper_bound(verdict.better) == verdict.better_upper < verdict.upper
    assert f"objective of the network ({network.width} neuron" in str(verdict)
    assert "above the global optimum" in str(verdict)
    assert verdict.gamma_relative == 0.3 / sdprelax.gamma_max(problem).lower
    assert f"gamma 0.3 is {verdict.gamma_relative:.3g} of gamma_max" in str(verdict)


def test_an_optimal_network_has_no_better_one() -> None:
    problem = Problem(*data(), gamma=0.3)
    optimal = sdprelax.solve(problem, "exact", tolerance=1e-9).network
    assert optimal is not None
    verdict = certify(problem, optimal)
    assert verdict.better is None and verdict.excess is not None and verdict.excess <= 2e-6
    assert "no better network was found" in str(verdict)


def test_offsets_and_free_biases_are_those_of_the_training() -> None:
    X, Y = data(1)
    for free, offset in ((True, True), (False, "penalised")):
        problem = Problem(X, Y, 0.3, True, offset=offset, penalise_bias=not free)
        network = trained(problem)
        verdict = certify((X, Y), network, loss="squared", gamma=0.3, free_biases=free)
        assert verdict.upper == problem.upper_bound(network)
        assert verdict.lower is not None and verdict.certificate is not None
        assert 0.0 < sdprelax.verify(problem, verdict.certificate) <= verdict.upper
        assert verdict.excess is not None and verdict.better_upper is not None
        # A free bias is solved for as one that costs next to nothing, to a part in some ten thousand.
        assert verdict.better_upper <= verdict.lower * (1.0 + (2e-3 if free else 1e-5))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"loss": "squared"}, "say how large the penalty was"),
        ({"gamma": 1.0}, "say which loss"),
        ({"loss": "squared", "gamma": 1.0, "weight_decay": 1.0}, "give one of them"),
        ({"loss": "squared", "weight_decay": 0.0}, "must be a positive number"),
        ({"loss": "squared", "weight_decay": 1.0, "reduction": "max"}, "'mean' or 'sum'"),
        ({"loss": "squard", "gamma": 1.0}, "did you mean 'squared'"),
    ],
)
def test_what_is_missing_or_too_much_is_said(given: dict[str, object], said: str) -> None:
    X, Y = data()
    network = trained(Problem(X, Y, gamma=0.3))
    with pytest.raises(InputError, match=said):
        certify((X, Y), network, **given)


def test_percentages_are_on_the_careful_side() -> None:
    from sdprelax.verdict._certify import Verdict

    problem = Problem(np.ones((2, 1)), np.ones((2, 1)), 1.0)
    network = problem.empty_network()
    said = str(Verdict(lower=1.0, upper=1.1234, network=network, better=network, better_upper=1.0))
    assert "at most 13 % above" in said and "10 % lower" in said
    negative = str(Verdict(lower=-4.0, upper=-2.0, network=network, better=network, better_upper=-3.0))
    assert "none above 0" in negative and "50 % lower" in negative


def test_preprocessing_goes_with_the_better_network(tmp_path: Path) -> None:
    from sdprelax.datasets import Dataset, scaled
    from sdprelax.networks import Pipeline

    X, Y = data(3)
    whole = scaled(Dataset(5.0 + 3.0 * X, Y), "standard")
    network = trained(Problem(whole.X, Y, 0.3), width=2, steps=3)
    verdict = certify((5.0 + 3.0 * X, Y), Pipeline(network, whole.preprocessing), loss="squared", gamma=0.3)
    assert verdict.upper == Problem(whole.X, Y, 0.3).upper_bound(network)
    assert [path.name for path in verdict.save(tmp_path)] == ["certificate.npz", "better.npz"]
    better = sdprelax.load_predictor(tmp_path / "better.npz")
    assert np.allclose(better.predict(5.0 + 3.0 * X), verdict.better.predict(whole.X))
    with pytest.raises(sdprelax.SdprelaxError, match="no folder to save into"):
        verdict.save(tmp_path / "better.npz")


def test_a_problem_says_everything_itself() -> None:
    problem = Problem(*data(), gamma=0.3)
    network = trained(problem)
    with pytest.raises(InputError, match="says loss, penalty"):
        certify(problem, network, gamma=0.3)
    with pytest.raises(InputError, match="this predictor takes"):
        certify(problem, Network(np.ones((3, 2)), np.ones((2, 2))))
    with pytest.raises(InputError, match="a network is a"):
        certify(problem, 3)
    with pytest.raises(InputError, match="give a Problem, or a pair"):
        certify(np.ones((3, 3)), network, loss="squared", gamma=1.0)
    with pytest.raises(InputError, match="the network has 2 outputs, and the targets have 3"):
        certify((problem.X, np.ones((20, 3))), network, loss="squared", gamma=1.0)


def test_the_command_prints_the_verdict_and_writes_its_witnesses(tmp_path: Path) -> None:
    X, Y = data(c=1)
    problem = Problem(X, Y, gamma=0.3)
    trained(problem).save(tmp_path / "network.npz")
    np.savetxt(tmp_path / "data.csv", np.hstack([X, Y]), delimiter=",", header="a,b,y", comments="", fmt="%.17g")
    arguments = ["certify", f"{tmp_path}/network.npz", "--data", f"{tmp_path}/data.csv", "--target", "y", "--loss",
                 "squared", "--gamma", "0.3", "--save", f"{tmp_path}/verdict"]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "the network is at most" in result.output and "certificate.npz" in result.output
    certificate = sdprelax.Certificate.load(tmp_path / "verdict" / "certificate.npz")
    assert sdprelax.verify(problem, certificate) == pytest.approx(certificate.lower, rel=1e-9)
    if "a better network was found" in result.output:
        better = Network.load(tmp_path / "verdict" / "better.npz")
        assert problem.objective(better) < problem.objective(Network.load(tmp_path / "network.npz"))
