"""Method ``wedge``: closed forms, bounds on both sides, and what they cost."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import sdprelax
from sdprelax.base import InputError, ProblemTooLarge
from sdprelax.datasets.synthetic import Random, Spiral
from sdprelax.laboratory.training import geometry_picture


def gaussian(n: int, d: int, c: int = 1, *, gamma: float = 0.1, bias: bool = False, seed: int = 0) -> sdprelax.Problem:
    rng = np.random.default_rng(seed)
    return sdprelax.Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma, bias=bias)


def data_sets() -> list[sdprelax.Problem]:
    spiral = Spiral().load()
    found = [sdprelax.Problem(spiral.X, np.argmax(spiral.Y, axis=1) - 1.0, gamma) for gamma in (0.1, 0.01)]
    for seed in range(6):
        data = Random(c=1, seed=seed).load()
        found.append(sdprelax.Problem(data.X, data.Y, 0.1))
    return found


@pytest.mark.parametrize("k", range(8))
def test_in_the_plane_p_2_lies_between_the_optimum_and_the_factor_of_the_largest_angle(k: int) -> None:
    problem = data_sets()[k]
    wedge, exact = sdprelax.solve(problem, "wedge"), sdprelax.solve(problem, "exact")
    assert wedge.lower is not None and wedge.upper is not None and exact.lower is not None and exact.upper is not None
    angle = wedge.details["largest_angle"]
    assert exact.lower <= wedge.upper <= exact.upper / math.cos(angle / 2.0) * (1.0 + 1e-8)
    # The published factor with chambers of diameter ε, a chord of the unit circle.
    assert wedge.upper <= exact.upper / max(1.0 - 2.0 * math.sin(angle / 2.0), 1e-9) * (1.0 + 1e-8)
    assert wedge.lower <= exact.upper
    assert wedge.lower >= math.cos(angle / 2.0) * wedge.upper * (1.0 - 1e-6)
    assert sdprelax.verify(problem, wedge.certificate) >= wedge.lower


def test_the_factor_holds_on_p25_s_random_data_with_one_output(p25: Path) -> None:
    data, excess = np.load(p25 / "random.npz"), []
    for X, Y in zip(data["X"][:20], data["Y"][:20], strict=True):
        problem = sdprelax.Problem(X, Y[:, :1], 0.1)
        wedge, exact = sdprelax.solve(problem, "wedge"), sdprelax.solve(problem, "exact")
        assert exact.lower <= wedge.upper <= exact.upper / math.cos(wedge.details["largest_angle"] / 2.0) * (1.0 + 1e-8)
        excess.append(wedge.upper / exact.upper - 1.0)
    assert 0.0 < np.mean(excess) < 0.02


def test_the_factor_is_attained_for_orthogonal_samples() -> None:
    # Two samples at a right angle: the best neuron for equal targets lies in the middle of a quadrant, θ = π/2.
    problem = sdprelax.Problem(np.eye(2), np.ones((2, 1)), 1e-3)
    wedge, exact = sdprelax.solve(problem, "wedge"), sdprelax.solve(problem, "exact")
    assert wedge.details["largest_angle"] == pytest.approx(math.pi / 2.0)
    assert wedge.upper / exact.upper == pytest.approx(math.sqrt(2.0), rel=1e-3)
    assert wedge.upper / exact.upper <= math.sqrt(2.0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("d", "bias"), [(2, False), (3, False), (1, True), (2, True)])
def test_bounds_hold_against_the_exact_optimum(d: int, bias: bool, seed: int) -> None:
    problem = gaussian(9, d, 2, bias=bias, seed=seed)
    exact = sdprelax.solve(problem, "exact")
    choices = [
        {},
        {"penalty": 1},
        {"features": "random", "count": 20},
        {"features": "oracle", "count": 50},
        {"merge": True},
    ]
    if bias:
        choices += [{"bias": "free"}, {"bias": "free", "penalty": 1}]
    for options in choices:
        outcome = sdprelax.solve(problem, "wedge", **options)
        assert outcome.upper >= exact.lower
        assert outcome.upper == problem.upper_bound(outcome.network)
        assert outcome.status == "solved"
        if outcome.lower is not None:
            assert outcome.lower <= exact.upper
            assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
        assert outcome.details["dual_value"] <= outcome.details["value"]
        assert outcome.details["program_gap"] <= 1e-8


def test_the_upper_bound_of_p_2_is_the_value_of_the_lasso_and_weights_are_wedges() -> None:
    problem = gaussian(12, 3, 2)
    outcome = sdprelax.solve(problem, "wedge")
    assert outcome.upper == pytest.approx(outcome.details["value"], rel=1e-10)
    assert outcome.details["neurons"] == outcome.network.width == len(outcome.details["subsets"])
    for subset in outcome.details["subsets"]:
        normal = np.cross(*problem.X[subset])
        normal /= np.linalg.norm(normal)
        directions = outcome.network.hidden / np.linalg.norm(outcome.network.hidden, axis=0)
        assert np.max(np.abs(normal @ directions)) == pytest.approx(1.0, abs=1e-12)
    assert outcome.details["samples"] == sorted({i for subset in outcome.details["subsets"] for i in subset})


def test_a_free_bias_predicts_an_offset_that_costs_nothing_in_the_lasso() -> None:
    X = np.linspace(-1.0, 1.0, 9)[:, None]
    problem = sdprelax.Problem(X, 7.0 + 0.0 * X, 0.1, bias=True)
    outcome = sdprelax.solve(problem, "wedge", bias="free")
    assert outcome.details["value"] < 1e-15
    assert np.allclose(outcome.network.predict(X), 7.0)
    # In the training problem, whose biases are regularised, the offset is a neuron that costs γ·7.
    assert outcome.upper == pytest.approx(0.7, rel=1e-9)


def test_a_planted_network_is_recovered() -> None:
    # The v_k·u_k lie in an open half-plane, which makes the network of least weight that fits unique
    # (docs/mathematics/wedge.md).
    X, angles = np.random.default_rng(4).standard_normal((200, 2)), np.array([0.3, 4.3, 2.2])
    hidden, output = np.stack([np.cos(angles), np.sin(angles)]) * [1.0, 0.7, 1.3], np.array([[1.0], [-1.5], [2.0]])
    problem = sdprelax.Problem(X, np.maximum(X @ hidden, 0.0) @ output, 1e-4)
    outcome = sdprelax.solve(problem, "wedge", merge=True)
    found = outcome.network.pruned(1e-3)
    assert found.width == 3
    planted = hidden / np.linalg.norm(hidden, axis=0)
    alike = planted.T @ (found.hidden / np.linalg.norm(found.hidden, axis=0))
    match = np.argmax(alike, axis=1)
    assert sorted(match) == [0, 1, 2]
    assert np.max(np.arccos(np.clip(alike[np.arange(3), match], -1.0, 1.0))) < 1e-3
    contributions = np.linalg.norm(found.hidden, axis=0) * found.output[:, 0]
    assert np.allclose(contributions[match], np.linalg.norm(hidden, axis=0) * output[:, 0], rtol=1e-3)


def test_values_follow_the_scale_of_the_data() -> None:
    problem = gaussian(10, 2, bias=True)
    # With free biases the inputs' unit may change; a regularised bias is an input of its own.
    for options in ({"bias": "free"}, {"bias": "free", "penalty": 1}, {"bias": "free", "layers": 3, "penalty": 1}):
        plain = sdprelax.solve(problem, "wedge", **options)
        for s, t, shift in ((1e3, 1e-4, 0.0), (1e-5, 1e6, 0.0), (1e-12, 1.0, 0.0), (1.0, 1.0, 100.0)):
            scaled = sdprelax.Problem(problem.X * s + shift, problem.Y * t, problem.gamma * s * t, bias=True)
            of_scaled = sdprelax.solve(scaled, "wedge", **options)
            assert of_scaled.details["value"] == pytest.approx(plain.details["value"] * t * t, rel=1e-7)
            fits = [(plain.network, of_scaled.network)] if plain.network else []
            fits += [(plain.predictors[name], of_scaled.predictors[name]) for name in plain.predictors]
            for before, after in fits:
                expected = t * before.predict(problem.X)
                assert np.allclose(after.predict(scaled.X), expected, rtol=1e-3, atol=1e-3 * t)


def test_the_oracle_finds_what_all_features_give() -> None:
    problem = gaussian(12, 3)
    everything = sdprelax.solve(problem, "wedge").details
    found = sdprelax.solve(problem, "wedge", features="oracle", count=200).details
    assert everything["value"] * (1.0 - 1e-9) <= found["value"] <= everything["value"] * 1.0001
    assert found["features"] < everything["features"]


def test_the_oracle_on_data_whose_subsets_share_their_neurons() -> None:
    # Most samples lie in a plane, whose pairs all have the same normal.
    rng = np.random.default_rng(0)
    X = np.vstack([np.hstack([rng.standard_normal((20, 2)), np.zeros((20, 1))]), rng.standard_normal((4, 3))])
    problem = sdprelax.Problem(X, rng.standard_normal((24, 2)), 0.05)
    everything = sdprelax.solve(problem, "wedge").details["value"]
    for seed in range(5):
        found = sdprelax.solve(problem, "wedge", features="oracle", count=60, seed=seed)
        assert everything * (1.0 - 1e-9) <= found.details["value"] <= everything * 1.01
        assert found.upper == pytest.approx(found.details["value"], rel=1e-9)


def test_three_layers_give_a_predictor_and_no_bounds() -> None:
    problem = gaussian(8, 1, bias=True)
    outcome = sdprelax.solve(problem, "wedge", layers=3, bias="free")
    assert outcome.lower is None and outcome.upper is None and outcome.network is None
    network = outcome.predictors["three_layer"]
    residual = network.predict(problem.X) - problem.Y
    value = 0.5 * np.sum(residual**2) + problem.gamma * network.penalty(2)  # type: ignore[attr-defined]
    assert value == pytest.approx(outcome.details["value"], rel=1e-9)


def test_degenerate_data() -> None:
    for X in (np.zeros((4, 2)), np.ones((4, 2)), np.vstack([np.eye(2)] * 2)):
        for options in (
            {},
            {"penalty": 1},
            {"bias": "free"},
            {"features": "oracle"},
            {"features": "random", "sketch": 2},
        ):
            problem = sdprelax.Problem(X, np.arange(4.0), 0.1, bias="bias" in options)
            outcome = sdprelax.solve(problem, "wedge", **options)
            assert outcome.upper == problem.upper_bound(outcome.network)
            assert outcome.upper <= problem.upper_bound(sdprelax.Network.empty(2, 1, problem.bias))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": 3}, "penalty"),
        ({"features": "some"}, "features"),
        ({"bias": "free"}, "needs a problem with a bias"),
        ({"sketch": 4}, "sketch: takes features: random"),
        ({"layers": 3}, "layers: 3 takes bias: free"),
        ({"layers": 3, "bias": "free", "merge": True}, "no merge"),
        ({"count": 0}, "count"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sdprelax.solve(gaussian(5, 2), "wedge", **options)


def test_too_many_features_are_refused_before_they_are_listed() -> None:
    with pytest.raises(ProblemTooLarge, match="take features: random"):
        sdprelax.solve(gaussian(200, 12), "wedge")


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_picture_of_the_regions(bias: bool, outputs: int, tmp_path: Path) -> None:
    problem = gaussian(15, 2, outputs, bias=bias)
    outcome = sdprelax.solve(problem, "wedge")
    figure = geometry_picture(problem, outcome.network, outcome.details["samples"])
    lines = figure.axes[0].get_lines()
    assert 0 < len(lines) <= outcome.network.width
    drawn = np.array([line.get_xydata() for line in lines])
    passed = [
        min(
            abs((b[0] - a[0]) * (x[1] - a[1]) - (b[1] - a[1]) * (x[0] - a[0])) / np.linalg.norm(b - a)
            for x in problem.X
        )
        for a, b in drawn
    ]
    assert max(passed) < 1e-9
    with pytest.raises(InputError, match="2 inputs"):
        geometry_picture(gaussian(5, 3), sdprelax.Network.empty(3, 1))


def test_a_gamma_beyond_any_data_leaves_no_neuron() -> None:
    rng = np.random.default_rng(0)
    problem = sdprelax.Problem(rng.standard_normal((6, 2)), rng.standard_normal((6, 1)), 1e300)
    outcome = sdprelax.solve(problem, "wedge")
    half = 0.5 * float(np.sum(problem.Y**2))
    assert outcome.status == "solved" and outcome.lower == pytest.approx(half) and outcome.upper == pytest.approx(half)


@pytest.mark.parametrize(("gamma", "tolerance"), [(1e-14, 1e-9), (0.1, 1e-9), (0.1, 1e-17)])
def test_solved_means_that_the_tolerance_is_proved(gamma: float, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    problem = sdprelax.Problem(rng.standard_normal((6, 2)), rng.standard_normal((6, 1)), gamma)
    outcome = sdprelax.solve(problem, "wedge", tolerance=tolerance)
    assert outcome.status == ("solved" if outcome.details["program_gap"] <= tolerance else "not converged")
    if gamma == 0.1:
        assert outcome.status == ("solved" if tolerance == 1e-9 else "not converged")
