"""Method ``cross_validated``: what it chooses, from what, and that nothing else enters."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.model_selection import KFold, StratifiedKFold

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.base import Deadline, SolverFailed
from sdprelax.methods import methods
from sdprelax.networks import Network, Predictor
from sdprelax.problem import kernel_ridge
from sdprelax.training import Outcome

GAMMAS = [1.0, 0.01, 100.0]


def regression(n: int = 30, queries: int | None = None) -> Problem:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 2))
    Y = np.sin(2.0 * X[:, 0]) + 0.3 * rng.standard_normal(n)
    asked = None if queries is None else rng.standard_normal((queries, 2))
    return Problem(X, Y, 0.5, bias=True, queries=asked)


def classification(n: int = 40) -> Problem:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, 2))
    return Problem(X, np.eye(2)[(X[:, 0] * X[:, 1] + 0.3 * rng.standard_normal(n) > 0).astype(int)], 0.5)


def run(problem: Problem, seed: int = 0, deadline: Deadline | None = None, **options: Any) -> Outcome:
    method = methods.create("cross_validated", {"gammas": GAMMAS, **options})
    return method.run(problem, rng=np.random.default_rng(seed), deadline=deadline or Deadline())


@dataclass(frozen=True)
class Constant:
    """Predicts the same everywhere."""

    value: tuple[float, ...]

    def predict(self, X: Any) -> Any:
        return np.tile(self.value, (len(X), 1))


@dataclass(frozen=True)
class Scripted:
    """A method that notes what it is given and predicts what is written for each γ."""

    seen: ClassVar[list[tuple[Problem, Deadline, float]]] = []
    script: ClassVar[dict[float, dict[str, tuple[float, ...]]]] = {}
    fails: ClassVar[set[float]] = set()
    seconds: ClassVar[float] = 0.0

    def run(self, problem: Problem, *, rng: Any, deadline: Deadline, report: Any = None) -> Outcome:
        self.seen.append((problem, deadline, float(rng.random())))
        time.sleep(self.seconds)
        if problem.gamma in self.fails:
            raise SolverFailed("no.")
        predictors: dict[str, Predictor] = {name: Constant(v) for name, v in self.script[problem.gamma].items()}
        return Outcome(predictors=predictors, status="time limit" if deadline.expired else "solved")


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    list(methods)  # all are loaded
    monkeypatch.setitem(methods._entries, "scripted", Scripted)
    monkeypatch.setattr(Scripted, "seen", [])
    monkeypatch.setattr(Scripted, "fails", set())
    monkeypatch.setattr(Scripted, "script", {gamma: {"one": (0.0,)} for gamma in (0.5, 0.005, 50.0)})
    monkeypatch.setattr(Scripted, "seconds", 0.0)
    return Scripted


@pytest.mark.parametrize("seed", range(3))
def test_the_table_and_the_choice_are_those_of_cross_validation_done_by_hand(seed: int) -> None:
    problem = regression()
    outcome = run(problem, seed, of="ntk", folds=3)
    folds = KFold(3, shuffle=True, random_state=int(np.random.default_rng(seed).integers(2**31)))
    by_hand = {}
    for factor in GAMMAS:
        squares = 0.0
        for train, test in folds.split(problem.X):
            part = Problem(problem.X[train], problem.Y[train], factor * 0.5, bias=True)
            predictor, _ = kernel_ridge(part, "ntk", "absolute")
            squares += float(np.sum((predictor.predict(problem.X[test]) - problem.Y[test]) ** 2))
        by_hand[factor * 0.5] = squares / len(problem.Y)
    table = outcome.details["validation"]
    assert {row["gamma"]: row["squared_error"] for row in table} == pytest.approx(by_hand)
    assert all("accuracy" not in row for row in table)
    best = min(by_hand, key=by_hand.__getitem__)
    assert outcome.details["gamma"] == {"kernel": best}
    whole, _ = kernel_ridge(Problem(problem.X, problem.Y, best, bias=True), "ntk", "absolute")
    np.testing.assert_array_equal(outcome.predictors["kernel"].predict(problem.X), whole.predict(problem.X))
    assert (outcome.lower, outcome.upper, outcome.network, outcome.status) == (None, None, None, "solved")


def test_classes_are_scored_by_accuracy_over_stratified_folds() -> None:
    problem = classification()
    outcome = run(problem, of="nngp", folds=4)
    labels = problem.Y.argmax(axis=1)
    folds = StratifiedKFold(4, shuffle=True, random_state=int(np.random.default_rng(0).integers(2**31)))
    right = dict.fromkeys([factor * 0.5 for factor in GAMMAS], 0)
    for train, test in folds.split(problem.X, labels):
        for gamma in right:
            predictor, _ = kernel_ridge(Problem(problem.X[train], problem.Y[train], gamma), "nngp", "absolute")
            right[gamma] += int(np.sum(predictor.predict(problem.X[test]).argmax(axis=1) == labels[test]))
    found = {row["gamma"]: row["accuracy"] for row in outcome.details["validation"]}
    assert found == pytest.approx({gamma: count / 40 for gamma, count in right.items()})
    assert len(set(found.values())) > 1
    assert found[outcome.details["gamma"]["kernel"]] == max(found.values())
    by_squares = run(problem, of="nngp", folds=4, score="squared_error").details
    squares = {row["gamma"]: row["squared_error"] for row in by_squares["validation"]}
    assert by_squares["gamma"]["kernel"] == min(squares, key=squares.__getitem__)


def test_ties_in_accuracy_go_to_the_least_squared_error(scripted: type[Scripted]) -> None:
    problem = classification()
    scripted.script |= {0.5: {"one": (0.0, 9.0)}, 0.005: {"one": (0.0, 1.0)}, 50.0: {"one": (0.0, 5.0)}}
    assert run(problem, of="scripted").details["gamma"] == {"one": 0.005}


def test_every_predictor_has_its_own_gamma_and_a_gamma_runs_once(scripted: type[Scripted]) -> None:
    problem = Problem(np.arange(10.0)[:, None], np.ones(10), 0.5)
    right, wrong = (1.0,), (0.0,)
    scripted.script |= {
        0.5: {"a": right, "b": wrong, "c": right}, 0.005: {"a": wrong, "b": right, "c": wrong},
        50.0: {"a": wrong, "b": wrong, "c": wrong},
    }  # fmt: skip
    outcome = run(problem, of="scripted", folds=2)
    assert outcome.details["gamma"] == {"a": 0.5, "b": 0.005, "c": 0.5}
    assert [seen.gamma for seen, _, _ in scripted.seen] == [0.5, 0.005, 50.0] * 2 + [0.5, 0.005]
    assert list(outcome.predictors) == ["a", "b", "c"]
    assert all(predictor.predict(problem.X)[0, 0] == 1.0 for predictor in outcome.predictors.values())


def test_the_method_sees_no_queries_and_of_each_fold_no_validation_sample(scripted: type[Scripted]) -> None:
    """Test inputs reach a method as queries only, and test targets not at all: what has none of them cannot leak."""
    problem = regression(queries=7)
    run(problem, of="scripted", folds=3)
    assert all(seen.queries is None for seen, _, _ in scripted.seen)
    rows = {row.tobytes() for row in problem.X}
    parts = [{row.tobytes() for row in seen.X} for seen, _, _ in scripted.seen]
    assert all(part <= rows for part in parts)
    assert [len(part) for part in parts] == [20] * 9 + [30]
    left_out = [rows - parts[3 * fold] for fold in range(3)]
    assert set.union(*left_out) == rows and sum(map(len, left_out)) == len(rows)


def test_other_queries_change_nothing() -> None:
    problem, other = regression(queries=7), regression(queries=3)
    found, again = run(problem, of="ntk"), run(other, of="ntk")
    assert found.details["validation"] == again.details["validation"]
    values = [outcome.predictors["kernel"].predict(problem.X) for outcome in (found, again)]
    np.testing.assert_array_equal(*values)


def test_all_gammas_share_the_random_numbers_of_a_fold(scripted: type[Scripted]) -> None:
    run(regression(), of="scripted", folds=2)
    drawn = [number for _, _, number in scripted.seen]
    assert drawn[0] == drawn[1] == drawn[2] and drawn[3] == drawn[4] == drawn[5]
    assert len({drawn[0], drawn[3], drawn[6]}) == 3


def test_a_network_is_a_predictor_without_a_bound() -> None:
    outcome = run(regression(), of="lbfgs", options={"restarts": 1, "width": 5}, folds=2)
    assert isinstance(outcome.predictors["network"], Network)
    assert outcome.network is None and outcome.upper is None and outcome.lower is None


def test_folds_have_the_activation_and_the_offset_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((24, 2))
    problem = Problem(X, np.abs(X @ [1.0, 2.0]) + 5.0, 0.1, activation="absolute", offset=True)
    options: dict[str, Any] = {"of": "lbfgs", "options": {"width": 8, "restarts": 1}, "gammas": [1.0, 1e4], "folds": 3}
    outcome = run(problem, **options)
    network = outcome.predictors["network"]
    assert isinstance(network, Network) and network.activation == problem.activation and network.offset is not None
    assert outcome.details["gamma"] == {"network": 0.1}
    weighted = Problem(X, problem.Y, 0.1, sample_weight=np.linspace(1.0, 2.0, 24))
    assert run(weighted, **options).details["gamma"] == {"network": 0.1}


def test_a_gamma_at_which_the_method_fails_is_not_chosen(scripted: type[Scripted]) -> None:
    problem = Problem(np.arange(10.0)[:, None], np.ones(10), 0.5)
    scripted.script |= {0.5: {"one": (1.0,)}, 0.005: {"one": (0.9,)}, 50.0: {"one": (0.0,)}}
    scripted.fails |= {0.5}
    outcome = run(problem, of="scripted", folds=2)
    assert outcome.details["gamma"] == {"one": 0.005}
    assert [row["gamma"] for row in outcome.details["validation"]] == [0.005, 50.0]
    scripted.fails |= {0.005, 50.0}
    with pytest.raises(SolverFailed):
        run(problem, of="scripted", folds=2)


def test_every_run_has_a_fair_share_of_the_time(scripted: type[Scripted]) -> None:
    run(regression(), of="scripted", folds=3, deadline=Deadline(1200.0))
    shares = [deadline.seconds for _, deadline, _ in scripted.seen]
    # Nine runs and at most three on all data share what is left; these turn out to be one.
    assert shares == pytest.approx([1200.0 / (12 - k) for k in range(9)] + [1200.0], rel=0.01)
    run(regression(), of="scripted", folds=3)
    assert scripted.seen[-1][1].seconds == math.inf


def test_time_that_is_up_is_said(scripted: type[Scripted]) -> None:
    outcome = run(regression(), of="scripted", folds=2, deadline=Deadline(0.0))
    assert outcome.status == "time limit" and outcome.details["stopped_runs"] == 7
    assert list(outcome.predictors) == ["one"]


def test_rare_classes_are_no_obstacle() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 2))
    few = Problem(X, np.eye(3)[[0] * 10 + [1] * 8 + [2] * 2], 0.5)
    every = Problem(X[:4], np.eye(4), 0.5)
    for problem, folds in ((few, 5), (every, 3)):
        assert run(problem, of="ntk", folds=folds).details["score"] == "accuracy"


@pytest.mark.parametrize(("options", "message"), [
    ({"of": "ntkk"}, "unknown method 'ntkk': did you mean 'ntk'?"),
    ({"of": "ntk", "options": {"rigde": "absolute"}}, "method 'ntk' has no option 'rigde': did you mean 'ridge'?"),
    ({"of": "ntk", "gammas": []}, "option 'gammas' is []"),
    ({"of": "ntk", "gammas": [1.0, -1.0]}, "option 'gammas' is [1.0, -1.0], but"),
    ({"of": "ntk", "gammas": [1.0, 1.0]}, "option 'gammas' is [1.0, 1.0], where one stands twice."),
    ({"of": "ntk", "folds": 1}, "option 'folds' is 1, but"),
    ({"of": "ntk", "score": "f1"}, "option 'score' is 'f1', but"),
])  # fmt: skip
def test_wrong_options_are_refused_in_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        methods.create("cross_validated", {"gammas": GAMMAS, **options})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_what_does_not_fit_the_problem_is_refused_beforehand() -> None:
    with pytest.raises(InputError, match="option 'folds' is 5, but there are 4 samples"):
        run(regression(4), of="ntk")
    with pytest.raises(InputError, match="option 'gammas' has 1e\\+308, which makes inf"):
        run(Problem(regression().X, regression().Y, 10.0), of="ntk", gammas=[1e308])
    with pytest.raises(InputError, match="option 'score' is 'accuracy', but Y has one column"):
        run(regression(), of="ntk", score="accuracy")
    with pytest.raises(InputError, match="transductive"):
        run(regression(queries=3), of="sdp", options={"transductive": True, "rounding": None})


def test_gammas_may_be_shares_of_gamma_max() -> None:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((12, 2)), rng.standard_normal((12, 1)), 123.0)
    largest = sdprelax.gamma_max(problem).lower
    options = {"of": "lbfgs", "options": {"width": 3, "restarts": 1}, "folds": 2}
    found = sdprelax.solve(problem, "cross_validated", gammas=[0.1, 0.01], relative=True, **options)
    assert {row["gamma"] for row in found.details["validation"]} == {0.1 * largest, 0.01 * largest}
    zero = Problem(problem.X, np.zeros((12, 1)), 1.0)
    with pytest.raises(InputError, match="γ_max is 0"):
        sdprelax.solve(zero, "cross_validated", gammas=[0.1], relative=True, **options)
