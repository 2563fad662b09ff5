"""Method ``deep_linear``: linear networks with weight decay, certified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, LinearNetwork, Problem, load_predictor, white_optimum
from sdprelax.datasets import datasets
from sdprelax.laboratory.results import audit
from tests.linear.data import objective, sample

LINEAR = {"leaky": {"slope": 1}}


def trained(problem: Problem, **options: Any) -> tuple[sdprelax.Outcome, LinearNetwork]:
    outcome = sdprelax.solve(problem, "deep_linear", **options)
    network = outcome.predictors["deep_linear"]
    assert isinstance(network, LinearNetwork)
    return outcome, network


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("width", [1, 2, None])
def test_white_inputs_are_solved_to_the_closed_form(width: int | None, depth: int) -> None:
    X, Y = sample(0, white=1.4)
    outcome, network = trained(Problem(X, Y, 0.6, activation=LINEAR), width=width, depth=depth)
    assert outcome.status == "solved" and network.depth == depth
    assert outcome.details["value"] == pytest.approx(white_optimum(X, Y, 0.6, width, depth).value, rel=1e-8)
    assert objective(X, Y, 0.6, network.layers) == pytest.approx(outcome.details["value"], rel=1e-9)
    assert network.predict(X) == pytest.approx(X @ network.product, abs=1e-10)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_two_layers_are_certified_on_any_inputs(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((12, 5)) @ np.diag(np.exp(rng.normal(0.0, 1.2, 5)))
    Y = X @ rng.standard_normal((5, 4)) + rng.standard_normal((12, 4))
    gamma = 0.1 * float(np.linalg.norm(X.T @ Y, 2))
    outcome, _ = trained(Problem(X, Y, gamma, activation=LINEAR), width=width)
    assert outcome.status == "solved" and outcome.details["program_gap"] <= 1e-6
    assert outcome.upper == pytest.approx(outcome.details["value"], rel=1e-9)


def test_two_layers_without_a_bottleneck_are_the_problem_itself() -> None:
    """Both bounds of p* are proved, by a certificate of the usual kind; the relaxation of ReLU networks agrees."""
    problem = Problem(*sample(1, n=10), 0.6, activation=LINEAR, bias=True)
    outcome, network = trained(problem)
    assert outcome.lower is not None and outcome.upper is not None and outcome.gap is not None
    assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower and outcome.gap < 1e-6
    sdp = sdprelax.solve(problem, "sdp", rounding=None).lower
    assert sdp is not None and sdp <= outcome.upper and sdp == pytest.approx(outcome.lower, rel=1e-3)
    assert network.predict(problem.X) == pytest.approx(problem.inputs @ network.product, abs=1e-10)
    # With a bottleneck the bound would be of another problem, and none is claimed.
    assert trained(problem, width=1)[0].lower is None


def test_a_bottleneck_costs_and_depth_shrinks_more() -> None:
    problem = Problem(*sample(2), 0.6, activation=LINEAR)
    values = [trained(problem, width=width)[0].details["value"] for width in (1, 2, 3)]
    assert values[0] > values[1] > values[2]


@pytest.mark.parametrize("depth", [3, 4])
def test_networks_of_zeros_are_proved_where_they_are_best(depth: int) -> None:
    X, Y = sample(6, n=40)
    problem = Problem(X, Y, 0.5 * float(np.sum(Y**2)), activation=LINEAR)
    outcome, network = trained(problem, width=2, depth=depth)
    assert outcome.details["rank"] == 0 and outcome.status == "solved" and not np.any(network.product)


def test_rounding_costs_little_at_any_depth() -> None:
    """Of inputs of full rank nothing is left for γ to pay: gaps are of rounding, where the chord's slope is tiny."""
    for depth in (3, 6):
        outcome, _ = trained(Problem(*sample(7, n=200), 0.6, activation=LINEAR), width=2, depth=depth)
        assert outcome.details["program_gap"] < 1e-9
        assert isinstance(outcome.program, sdprelax.LinearCertificate) and outcome.program.share == 0.0


def test_relaxation_closes_what_descent_leaves_open() -> None:
    """Of this problem the dual points that a network suggests leave a per cent; those of the relaxation nothing."""
    rng = np.random.default_rng(5)
    d, c, n = rng.integers(2, 9), rng.integers(2, 7), int(rng.choice([4, 10, 40]))
    X = rng.standard_normal((n, d)) @ np.diag(np.exp(rng.normal(0.0, 1.2, d)))
    X = X @ np.linalg.qr(rng.standard_normal((d, d)))[0]
    Y = rng.standard_normal((n, c)) * 2.0 + X @ rng.standard_normal((d, c))
    asked, gaps = 0, []
    for share in (0.05, 0.1, 0.2, 0.3):
        gamma = share * float(np.linalg.norm(X.T @ Y, 2))
        outcome, _ = trained(Problem(X, Y, gamma, activation=LINEAR), width=1)
        gaps.append(outcome.details["program_gap"])
        asked += "steps" in outcome.details
        assert outcome.status == "solved"
    assert max(gaps) < 1e-6 and asked > 0


def random_problem(seed: int) -> tuple[Problem, int]:
    """Return a problem of ill-conditioned inputs, and a bottleneck."""
    rng = np.random.default_rng(seed)
    d, c = (int(size) for size in rng.integers(2, 7, 2))
    n, width = int(rng.choice([3, 8, 30])), int(rng.integers(1, min(d, c)))
    X = rng.standard_normal((n, d)) @ np.diag(np.exp(rng.normal(0.0, 2.0, d)))
    if rng.random() < 0.5:
        X = X @ np.linalg.qr(rng.standard_normal((d, d)))[0]
    random, noise = rng.random() < 0.5, rng.standard_normal((n, c))
    Y = noise if random else np.eye(n, c)
    share = float(np.exp(rng.uniform(-7.0, -0.5)))
    return Problem(X, Y, share * float(np.linalg.norm(X.T @ Y, 2)), activation=LINEAR), width


def test_a_conic_solver_closes_what_the_first_order_method_is_slow_for() -> None:
    problem, width = random_problem(1065)
    outcome, _ = trained(problem, width=width)
    assert outcome.status == "solved" and outcome.details["relaxation"] == "optimal"


def test_the_relaxation_of_two_layers_is_not_always_exact() -> None:
    """docs/mathematics/deep_linear.md, "Two layers with weight decay": here its solution has rank 3, and k is 2."""
    problem, width = random_problem(1539)
    assert (*problem.shape, width) == (30, 6, 4, 2)
    outcome, _ = trained(problem, width=width, restarts=20)
    relaxed = sdprelax.linear_relaxation(problem.X, problem.Y, width, problem.gamma).solve()
    left = 1.0 - relaxed.value / outcome.details["value"]
    assert 5e-5 < left < 2e-4 and np.linalg.matrix_rank(relaxed.weights, tol=1e-3) == 3
    assert outcome.status == "not converged" and left - 1e-6 < outcome.details["program_gap"] < 1e-3


@pytest.mark.parametrize("ugly", ["Y zero", "X zero", "gamma huge", "gamma tiny", "columns", "outputs", "X huge"])
@pytest.mark.parametrize("depth", [2, 3])
def test_at_any_scale_it_ends_with_sound_bounds_or_one_sentence(depth: int, ugly: str) -> None:
    X, Y = sample(3)
    problem = {
        "Y zero": Problem(X, 0.0 * Y, 0.1, activation=LINEAR), "X zero": Problem(0.0 * X, Y, 0.1, activation=LINEAR),
        "gamma huge": Problem(X, Y, 1e300, activation=LINEAR), "gamma tiny": Problem(X, Y, 5e-324, activation=LINEAR),
        "columns": Problem(X * [1.0, 1.0, 1.0, 1e200], Y, 0.1, activation=LINEAR),
        "outputs": Problem(X, Y * [1e-150, 1.0, 1e150], 0.1, activation=LINEAR),
        "X huge": Problem(1e300 * X, Y, 0.1, activation=LINEAR),
    }[ugly]  # fmt: skip
    try:
        outcome, _ = trained(problem, depth=depth, width=2)
    except sdprelax.SdprelaxError as error:
        assert str(error) and "\n" not in str(error)
        return
    if outcome.program is not None:
        lower, upper = sdprelax.verify_linear(problem, outcome.program)  # type: ignore[arg-type]
        assert 0.0 <= lower <= upper
    if ugly in ("Y zero", "X zero", "gamma huge"):
        assert outcome.status == "solved" and outcome.details["rank"] == 0


def test_networks_with_kinks_are_refused() -> None:
    X, Y = sample(4)
    for activation, words in (({"leaky": {"slope": 0.5}}, "deep_linear trains linear networks"), ("relu", "'leaky'")):
        with pytest.raises(InputError, match=words):
            sdprelax.solve(Problem(X, Y, 0.1, activation=activation), "deep_linear")
    for option in ({"depth": 1}, {"width": 0}, {"depth": 65}):
        with pytest.raises(InputError, match=f"option '{next(iter(option))}'"):
            sdprelax.solve(Problem(X, Y, 0.1, activation=LINEAR), "deep_linear", **option)


def test_it_ends_when_the_time_is_up() -> None:
    X, Y = sample(5)
    outcome, _ = trained(Problem(X, Y, 0.1, activation=LINEAR), depth=3, width=2)
    short = sdprelax.solve(Problem(X, Y, 0.1, activation=LINEAR), "deep_linear", depth=3, width=2, time_limit=0.0)
    assert short.status in ("time limit", "solved") and short.details["value"] >= outcome.details["dual_value"]


def test_a_sweep_runs_it_and_its_certificates_are_proved_again(tmp_path: Path) -> None:
    sweep = {
        "name": "linear", "datasets": [{"random": {"n": 10, "d": 4, "c": 3}}], "gamma": 0.5,
        "activation": {"leaky": {"slope": 1}}, "methods": [{"deep_linear": {"width": 2, "depth": [2, 3]}}],
    }  # fmt: skip
    found = sdprelax.run(sweep, results=tmp_path, engine="serial")
    assert list(found.table["status"]) == ["solved"] * 2 and max(found.table["details.program_gap"]) <= 1e-6
    looked = list(audit(tmp_path / "linear"))
    assert not any(finding.faults for finding in looked)
    # Of two layers the network's objective in the problem of all widths is attained too.
    assert sum(finding.bounds for finding in looked) == 2 * 2 + 1
    # A certificate of another width proves nothing of this one's.
    record = found.table.query("`method.depth` == 2").iloc[0]
    folder = tmp_path / "linear" / "trials" / record["hash"]
    data = datasets.create("random", {"n": 10, "d": 4, "c": 3}).load()
    other, _ = trained(Problem(data.X, data.Y, 0.5, activation=LINEAR), width=1)
    assert other.program is not None
    other.program.save(folder / "certificate-program.npz")
    faults = [fault for finding in audit(tmp_path / "linear") for fault in finding.faults]
    assert any("is of another program than the method's options say" in fault for fault in faults)


def test_a_linear_network_is_saved_and_refuses_what_does_not_fit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    network = LinearNetwork(
        rng.standard_normal((4, 2)), rng.standard_normal((1, 2, 2)), rng.standard_normal((2, 3)), True
    )
    sdprelax.save_predictor(tmp_path / "network.npz", network)
    loaded = load_predictor(tmp_path / "network.npz")
    X = rng.standard_normal((5, 3))
    assert np.array_equal(loaded.predict(X), network.predict(X)) and "depth 3" in repr(loaded)
    with pytest.raises(InputError, match="do not fit"):
        LinearNetwork(network.first, network.inner, network.first)
    with pytest.raises(InputError, match="inputs of shape"):
        network.predict(X[:, :2])


def test_what_is_returned_at_extreme_scales_verifies_or_is_not_claimed() -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    for scale in (1e-200, 1e-250):
        problem = Problem(X * scale, Y, scale, activation={"leaky": {"slope": 1}})
        outcome = sdprelax.solve(problem, "deep_linear")
        if outcome.program is not None:
            sdprelax.verify_linear(problem, outcome.program)
        else:
            assert outcome.status != "solved"
