"""The training problem: its objective, its rigorous upper bound, and what it refuses."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdprelax import InputError, Network, Pipeline, Problem, load_predictor
from sdprelax.networks import decided
from sdprelax.problem import losses
from sdprelax.problem._problem import ridge_value


def exact_objective(problem: Problem, network: Network) -> Fraction:
    """p(U, V) in rational arithmetic."""
    X = [[Fraction(x) for x in row] for row in problem.inputs]
    U = [[Fraction(x) for x in row] for row in network.hidden]
    V = [[Fraction(x) for x in row] for row in network.output]
    loss = Fraction(0)
    for row, target in zip(X, problem.Y, strict=True):
        active = [max(sum((x * U[i][k] for i, x in enumerate(row)), Fraction(0)), Fraction(0)) for k in range(len(V))]
        for o, y in enumerate(target):
            loss += (sum((a * V[k][o] for k, a in enumerate(active)), Fraction(0)) - Fraction(y)) ** 2
    penalty = sum((x * x for row in U + V for x in row), Fraction(0))
    return loss / 2 + Fraction(problem.gamma) / 2 * penalty


@given(st.integers(0, 10_000), st.floats(1e-6, 1e3), st.booleans())
def test_the_upper_bound_is_above_the_exact_objective_and_close_to_it(seed: int, gamma: float, bias: bool) -> None:
    rng = np.random.default_rng(seed)
    problem = Problem(rng.standard_normal((4, 2)), rng.standard_normal((4, 2)), gamma, bias)
    network = Network(rng.standard_normal((2 + bias, 3)), rng.standard_normal((3, 2)), bias)
    exact = exact_objective(problem, network)
    upper = problem.upper_bound(network)
    assert Fraction(upper) >= exact
    assert upper == pytest.approx(float(exact), rel=1e-12)
    assert problem.objective(network) == pytest.approx(float(exact), rel=1e-12)


def test_the_empty_network_pays_for_the_targets_alone() -> None:
    problem = Problem([[1.0, 2.0]], [[3.0, 4.0]], 0.1)
    assert problem.objective(Network.empty(2, 2)) == 12.5
    assert Problem([[1.0]], [0.0], 1.0).upper_bound(Network.empty(1, 1)) == 0.0


def test_one_output_may_be_a_vector() -> None:
    assert Problem(np.ones((3, 2)), np.zeros(3), 1.0).shape == (3, 2, 1)
    assert Problem(np.ones((3, 2)), np.zeros(3), 1.0, bias=True).shape == (3, 3, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([[1.0, np.nan]], [1.0], 1.0), "X holds nan at row 0, column 1"),
        (([[1.0]], [np.inf], 1.0), "Y holds inf at row 0"),
        (([[1.0], [2.0]], [1.0], 1.0), "X has 2 rows and Y has 1"),
        (([[1.0]], [1.0], 0.0), "gamma is 0.0; it must be a positive"),
        (([[1.0]], [1.0], -1), "gamma is -1; it must be a positive"),
        (([[1.0]], [1.0], "small"), "gamma is 'small'"),
        (([["a"]], [1.0], 1.0), "X must be an array of real numbers"),
        (([1.0], [1.0], 1.0), "X has shape (1,)"),
    ],
)
def test_wrong_data_is_refused_in_one_sentence(arguments: tuple[object, object, object], words: str) -> None:
    with pytest.raises(InputError) as caught:
        Problem(*arguments)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_that_does_not_fit_is_refused() -> None:
    problem = Problem(np.ones((3, 2)), np.zeros(3), 1.0)
    with pytest.raises(InputError, match="takes 3 inputs"):
        problem.objective(Network(np.ones((3, 1)), np.ones((1, 1))))


def test_ridge_value_is_the_optimum_over_output_weights_of_fixed_features() -> None:
    rng = np.random.default_rng(0)
    features, Y, gamma = rng.standard_normal((6, 4)), rng.standard_normal((6, 2)), 0.3
    V = np.linalg.solve(features.T @ features + gamma * np.eye(4), features.T @ Y)
    value = 0.5 * np.sum((features @ V - Y) ** 2) + 0.5 * gamma * np.sum(V**2)
    assert ridge_value(features @ features.T, Y, gamma) == pytest.approx(value)


def test_wrong_arguments_of_solve_and_verify_are_one_sentence() -> None:
    import sdprelax

    problem = Problem([[1.0, 2.0]], [1.0], 0.5)
    for arguments, message in (
        ({"problem": "data.csv"}, "takes a Problem first, not str"),
        ({"problem": problem, "seed": -1}, "seed is -1; it must be a nonnegative integer"),
        ({"problem": problem, "time_limit": float("nan")}, "time_limit is nan; it must be a number of seconds"),
        ({"problem": problem, "method": "lbfgs", "width": True}, "option 'width' is True, but should be a number"),
        (
            {"problem": problem, "method": "sdp", "transductive": "no"},
            "option 'transductive' is 'no', but should be true",
        ),
        ({"problem": problem, "method": "lbfgs", "width": "5"}, "option 'width' is '5', but should be a number"),
    ):
        with pytest.raises(InputError, match=message):
            sdprelax.solve(**arguments)  # type: ignore[arg-type]
    with pytest.raises(sdprelax.CertificateError, match="it is None"):
        sdprelax.verify(problem, None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="X holds complex numbers"):
        Problem([[1j]], [1.0], 0.5)
    with pytest.raises(InputError, match=r"nowhere.npz is not a readable network"):
        sdprelax.Network.load("nowhere.npz")


def test_printing_a_result_does_not_print_its_arrays() -> None:
    import sdprelax

    problem = Problem([[1.0, 2.0], [0.0, 1.0]], [1.0, 2.0], 0.5)
    assert repr(problem) == "Problem(n=2, d=2, c=1, gamma=0.5, bias=False)"
    assert len(repr(sdprelax.solve(problem, "sdp"))) < 1000


def test_weights_whose_squares_overflow_have_an_upper_bound() -> None:
    """Inputs of 1e-300 ask for weights of 1e225, whose squares are no doubles and whose penalty is 1e290."""
    problem = Problem([[1e-300]], [[1e150]], 1e-160)
    network = Network(np.array([[1e225]]), np.array([[5e224]]))
    exact = (Fraction(1e-300) * Fraction(1e225) * Fraction(5e224) - Fraction(1e150)) ** 2 / 2
    exact += Fraction(1e-160) * (Fraction(1e225) ** 2 + Fraction(5e224) ** 2) / 2
    assert exact <= Fraction(problem.attained(network)) <= exact * (1 + Fraction(1, 10**12))


def test_labels_become_the_loss_s_targets_and_come_back_by_name(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    two = Problem.from_labels(table, ["v", "u", "v", "u"], 0.1, loss="logistic", bias=True)
    assert two.columns == ("a", "b") and two.classes == ("u", "v") and two.Y.ravel().tolist() == [1.0, -1.0, 1.0, -1.0]
    three = Problem.from_labels(table, pd.Categorical([3, 1, 2, 1]), 0.1, loss="cross_entropy", class_weight="balanced")
    assert three.classes == ("1", "2", "3") and np.argmax(three.Y, axis=1).tolist() == [2, 0, 1, 0]
    assert three.with_gamma(1.0).classes == three.classes and three.with_gamma(1.0).columns == ("a", "b")
    assert three.with_gamma(1.0).gamma == 1.0 and three.loss.weights is not None
    assert dataclasses.replace(three, X=table.to_numpy()[:, :1]).columns == ()
    network = Network(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), np.array([[-1.0], [1.0]]), bias=True)
    two.pipeline(network).save(tmp_path / "m.npz")
    model = load_predictor(tmp_path / "m.npz")
    assert isinstance(model, Pipeline) and model.predict_labels(table[["b", "a"]]).tolist() == ["v", "u", "u", "u"]
    with pytest.raises(InputError, match="X has no column 'b'; this predictor takes a, b"):
        model.predict(table[["a"]])
    for wrong, words in (
        ({"labels": [1.5, 2.5, 1.5, 2.5]}, "a label is text, an integer or a truth value"),
        ({"labels": ["u"] * 4}, "classification takes two classes or more"),
        ({"labels": ["u", "v", "u", "v"], "loss": "poisson_"}, "unknown loss"),
        ({"labels": ["u", "v", "u"]}, "must have one row per sample"),
    ):
        with pytest.raises(InputError, match=words):
            Problem.from_labels(table, gamma=0.1, **wrong)  # type: ignore[arg-type]


def test_probabilities_are_those_whose_likelihood_the_loss_is() -> None:
    P = np.random.default_rng(0).standard_normal((5, 3))
    for name, scores, Y in (
        ("cross_entropy", P, np.eye(3)[[0, 1, 2, 0, 1]]),
        ("logistic", P[:, :1], np.array([[1.0], [-1.0], [1.0], [-1.0], [1.0]])),
    ):  # fmt: skip
        loss = losses.create(name)
        shares = loss.probabilities(scores)
        assert shares is not None and np.allclose(shares.sum(axis=1), 1.0)
        right = shares[np.arange(5), decided(Y)]
        assert np.isclose(-np.log(right).sum(), loss.value(scores, Y))
    assert losses.create("logistic").probabilities(P) is None and losses.create("squared").probabilities(P) is None
