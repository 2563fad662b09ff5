"""Estimators are scikit-learn's in all that they promise, and train what the methods train."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import sdprelax
from sdprelax import InputError, estimators
from sdprelax.methods import methods

# What trains in hundredths of a second: these tests are of the estimators, not of the methods.
LBFGS: dict[str, Any] = {"lbfgs": {"width": 5, "restarts": 1, "tolerance": 1e-4, "max_iterations": 60}}
FAST: dict[str, dict[str, Any]] = {
    "ReLUClassifier": {"method": LBFGS},
    "ReLURegressor": {"method": LBFGS},
    "GatedReLUClassifier": {"patterns": 5, "decomposition": "none", "loss": "squared", "offset": False},
    "GatedReLURegressor": {"patterns": 5, "decomposition": "none", "offset": False},
    "NTKClassifier": {},
    "NTKRegressor": {},
    "WedgeClassifier": {"count": 20, "tolerance": 1e-3, "loss": "squared"},
    "WedgeRegressor": {"count": 20, "tolerance": 1e-3},
}
# Fields of every estimator that are no options of its method.
SHARED = {"gamma", "relative", "bias", "offset", "loss", "class_weight", "time_limit", "random_state"}

IRIS = load_iris(as_frame=True)
TABLE, CLASSES = IRIS.data.iloc[::3], IRIS.target.to_numpy()[::3]
LABELS = IRIS.target_names[CLASSES]
LENGTHS = TABLE["petal length (cm)"].to_numpy()


def estimator(name: str, **options: Any) -> Any:
    """Return an estimator that is trained fast; γ is not relative, since γ_max takes longer than all the rest."""
    absolute = (
        {} if name.startswith("NTK") else {"gamma": 0.1 if name.endswith("Classifier") else 0.01, "relative": False}
    )
    return getattr(estimators, name)(**absolute | FAST[name] | options)


@parametrize_with_checks([estimator(name) for name in estimators.__all__])
def test_it_keeps_scikit_learns_rules(estimator: BaseEstimator, check: Any) -> None:
    check(estimator)


def test_every_estimator_is_checked_and_at_the_front_door() -> None:
    assert set(FAST) == set(estimators.__all__)
    assert all(getattr(sdprelax, name) is getattr(estimators, name) for name in FAST)


@pytest.mark.parametrize(
    ("method", "name", "otherwise"),
    [
        ("gated_relu", "GatedReLUClassifier", set()),
        ("gated_relu", "GatedReLURegressor", set()),
        ("mkl", "NTKClassifier", {"kernel"}),
        ("mkl", "NTKRegressor", {"kernel"}),
        ("wedge", "WedgeClassifier", {"features", "free_bias"}),
        ("wedge", "WedgeRegressor", {"features", "free_bias"}),
    ],
)
def test_options_of_methods_are_all_there_with_their_defaults(method: str, name: str, otherwise: set[str]) -> None:
    """But for those named: one that the method does not have, or has under another name or with another default."""
    own = {item.name: item.default for item in dataclasses.fields(getattr(estimators, name))}
    theirs = {option.name: option.default for option in methods.options(method)}
    assert {key: value for key, value in theirs.items() if key not in {*otherwise, "bias"}} == {
        key: value for key, value in own.items() if key not in {*otherwise, *SHARED}
    }


@pytest.mark.parametrize(
    ("name", "method"),
    [("ReLUClassifier", "exact"), ("ReLURegressor", "exact"), ("ReLURegressor", {"sdp": {"solver": "interior_point"}})],
)
def test_a_certificate_proves_the_bound_of_the_problem_that_was_trained(name: str, method: Any) -> None:
    options = {"loss": "logistic"} if name == "ReLUClassifier" else {}
    model = getattr(sdprelax, name)(method=method, gamma=0.3, **options).fit(TABLE.iloc[-24:, 3:], CLASSES[-24:] == 2)
    assert sdprelax.verify(model.problem_, model.certificate_) >= model.lower_
    assert model.problem_.upper_bound(model.network_) == model.upper_
    assert 0.0 <= model.gap_ < (1e-5 if method == "exact" else 1.0)
    assert model.outcome_.status == "solved"
    largest = sdprelax.gamma_max(dataclasses.replace(model.problem_, gamma=1.0)).lower
    assert model.gamma_ == model.problem_.gamma == pytest.approx(0.3 * largest, rel=1e-12)


def test_a_program_is_proved_and_what_predicts_is_its_gated_network() -> None:
    model = estimator("GatedReLURegressor", tolerance=1e-6).fit(TABLE.iloc[:, :2], LENGTHS)
    lower, upper = sdprelax.verify_group(model.problem_, model.program_)
    assert upper - lower <= 1e-6 * upper
    assert model.network_ is None and isinstance(model.predictor_.predictor, sdprelax.GatedNetwork)


@pytest.mark.parametrize("name", FAST)
def test_weights_are_repetitions_and_the_order_makes_no_difference(name: str) -> None:
    """Exactly: the problems are the same to the last bit."""
    rng = np.random.default_rng(0)
    X, weights, order = rng.standard_normal((12, 3)), np.arange(12) % 4, rng.permutation(12)
    y = np.arange(12) % 3
    weighted = estimator(name).fit(X[order], y[order], sample_weight=weights[order])
    repeated = estimator(name).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_array_equal(weighted.problem_.X, repeated.problem_.X)
    np.testing.assert_array_equal(weighted.predict(X), repeated.predict(X))
    assert weighted.upper_ == repeated.upper_


def test_the_bounds_of_weights_are_those_of_repeated_rows_in_any_order() -> None:
    """Of a problem of one's own, in which the repetitions are there."""
    X, y = TABLE.to_numpy()[:, 2:3], LENGTHS**2
    weights = 1 + np.arange(len(y)) % 2
    model = sdprelax.ReLURegressor(method="exact", gamma=0.2).fit(X, y, sample_weight=weights)
    rows, targets = np.repeat(X, weights, axis=0), np.repeat(y, weights)
    problem = sdprelax.Problem(rows, targets, model.gamma_, bias=True, offset=True)
    assert model.upper_ == pytest.approx(sdprelax.solve(problem, "exact").upper, rel=2e-6)


def test_mkl_takes_equal_samples_and_refuses_weights() -> None:
    X, y = np.repeat(TABLE.to_numpy(), 2, axis=0), np.repeat(LENGTHS - LENGTHS.mean(), 2)
    model = estimator("NTKRegressor", kernel="mkl", patterns=5).fit(X, y)
    assert model.problem_.X.shape == X.shape and model.score(X, y) > 0.9
    with pytest.raises(InputError, match="method 'mkl' takes no sample weights"):
        estimator("NTKRegressor", kernel="mkl").fit(X, y, sample_weight=np.arange(len(y)))


@pytest.mark.parametrize("kernel", ["ntk", "gated_ntk", "nngp"])
def test_kernel_ridge_regression_takes_weights_as_repetitions(kernel: str) -> None:
    X, y, weights = TABLE.to_numpy(), LENGTHS, 1 + np.arange(len(LENGTHS)) % 3
    model = estimator("NTKRegressor", kernel=kernel, gamma=0.1).fit(X, y, sample_weight=weights)
    rows, targets = np.repeat(X, weights, axis=0), np.repeat(y, weights)
    name, options = ("ntk", {"network": "gated"}) if kernel == "gated_ntk" else (kernel, {})
    apart = sdprelax.Problem(rows, targets, 0.1, bias=True)
    found = sdprelax.solve(apart, name, ridge="relative", **options).predictors["kernel"].predict(X)[:, 0]
    np.testing.assert_allclose(model.predict(X), found, rtol=1e-8)


def test_class_weights_are_sample_weights() -> None:
    balanced = estimator("ReLUClassifier", class_weight="balanced")
    X, y = TABLE.to_numpy()[:35], LABELS[:35]
    share = {label: len(y) / (3 * np.sum(y == label)) for label in np.unique(y)}
    by_hand = [
        estimator("ReLUClassifier", class_weight=share),
        estimator("ReLUClassifier", class_weight=list(share.values())),
    ]
    expected = estimator("ReLUClassifier").fit(X, y, sample_weight=[share[label] for label in y]).predict_proba(X)
    for model in (balanced, *by_hand):
        np.testing.assert_allclose(model.fit(X, y).predict_proba(X), expected, rtol=1e-9)


@pytest.mark.parametrize("loss", ["cross_entropy", "logistic"])
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_what_the_loss_is_the_likelihood_of(loss: str, classes: int) -> None:
    chosen = np.isin(CLASSES, np.arange(3)[-classes:])
    X, y = TABLE.to_numpy()[chosen], LABELS[chosen]
    model = estimator("ReLUClassifier", loss=loss).fit(X, y)
    assert len(model.classes_) == classes
    chances, named = model.predict_proba(X), model.classes_[np.argmax(model.predict_proba(X), axis=1)]
    np.testing.assert_allclose(np.sum(chances, axis=1), 1.0, rtol=1e-12)
    assert named.tolist() == model.predict(X).tolist()
    if loss == "cross_entropy" or classes == 2:
        right = np.log(chances[np.arange(len(y)), np.searchsorted(model.classes_, y)])
        targets = sdprelax.targets_for(loss, sdprelax.one_hot(y)[0])
        outputs = model.predictor_.predict(X)
        assert -np.sum(right) == pytest.approx(model.problem_.loss.unweighted.value(outputs, targets), rel=1e-9)


def test_other_losses_have_no_probabilities() -> None:
    for model in (estimator("ReLUClassifier", loss="hinge"), estimator("NTKClassifier")):
        assert not hasattr(model.fit(TABLE, LABELS), "predict_proba")


def test_counts_are_predicted_by_their_rates() -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(-1.0, 1.0, (60, 1))
    counts = rng.poisson(np.exp(1.0 + 2.0 * np.abs(X[:, 0])))
    model = sdprelax.ReLURegressor(loss="poisson").fit(X, counts)
    # A free offset makes the sums of counts and of rates equal.
    assert np.sum(model.predict(X)) == pytest.approx(np.sum(counts), rel=1e-3)
    assert model.predict([[1.0]])[0] == pytest.approx(np.exp(3.0), rel=0.3)


def test_a_grid_search_over_gamma_in_a_pipeline_with_tables(tmp_path: Path) -> None:
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), estimator("ReLUClassifier"))
    grid = {"reluclassifier__gamma": [1e-3, 0.1, 2.0], "reluclassifier__relative": [True]}
    table = TABLE.iloc[17:, 2:]
    search = GridSearchCV(pipeline, grid, cv=3).fit(table, LABELS[17:])
    assert search.best_params_["reluclassifier__gamma"] != 2.0, "from γ_max on there are no neurons"
    assert search.score(table, LABELS[17:]) > 0.9
    model = search.best_estimator_[-1]
    assert model.feature_names_in_.tolist() == table.columns.tolist() and model.n_features_in_ == 2
    again = pickle.loads(pickle.dumps(model))
    scaled = search.best_estimator_[:-1].transform(table)
    np.testing.assert_array_equal(again.predict_proba(scaled), model.predict_proba(scaled))
    assert not hasattr(clone(model), "network_") and clone(model).get_params() == model.get_params()
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(scaled.rename(columns=str.upper))
    model.predictor_.save(tmp_path / "model.npz")
    saved = sdprelax.load_predictor(tmp_path / "model.npz")
    assert saved.predict_labels(scaled[scaled.columns[::-1]]).tolist() == model.predict(scaled).tolist()  # type: ignore[attr-defined]


def test_gamma_max_is_searched_for_once_for_all_gamma_of_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[sdprelax.Problem] = []
    monkeypatch.setattr("sdprelax.estimators._estimator.searched_gamma_max", lambda p: asked.append(p) or 10.0)
    grid = {"gamma": [0.01, 0.1], "relative": [True], "loss": ["squared", "huber"]}
    search = GridSearchCV(estimator("ReLURegressor"), grid, cv=2).fit(TABLE.iloc[1:], LENGTHS[1:])
    assert len(asked) == 5, "two folds with each loss, and all of it with the best one"
    assert search.best_estimator_.gamma_ == 10.0 * search.best_params_["gamma"]


def test_several_targets_keep_their_shape() -> None:
    both = TABLE.to_numpy()[:, 2:]
    model = estimator("ReLURegressor").fit(TABLE.to_numpy()[:, :2], both)
    assert model.predict(TABLE.to_numpy()[:, :2]).shape == both.shape
    assert model.problem_.Y.shape == both.shape


def test_a_limit_of_iterations_is_said_and_a_time_limit_is_kept() -> None:
    with pytest.warns(ConvergenceWarning, match="method 'lbfgs' ended before its tolerance"):
        estimator("ReLURegressor", method={"lbfgs": {"max_iterations": 1, "restarts": 1}}).fit(TABLE, LENGTHS)
    model = sdprelax.ReLURegressor(method="exact", time_limit=0).fit(TABLE, LENGTHS)
    assert model.outcome_.status == "time limit" and model.lower_ <= model.upper_


def test_random_numbers_are_the_same_unless_none_is_asked_for() -> None:
    def weights(state: Any) -> list[float]:
        return list(estimator("ReLURegressor", random_state=state).fit(TABLE, LENGTHS).network_.output[:, 0])

    assert weights(0) == weights(0) == weights(np.int64(0)) != weights(1)
    assert weights(np.random.RandomState(3)) == weights(np.random.RandomState(3)) != weights(None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gamma": -1.0}, "gamma is -1.0; it must be a positive finite number."),
        ({"relative": "yes"}, "relative is 'yes'; it must be True or False."),
        ({"method": "exakt"}, "unknown method 'exakt': did you mean 'exact'?"),
        ({"method": {"lbfgs": {"widht": 3}}}, "method 'lbfgs' has no option 'widht': did you mean 'width'?"),
        ({"method": "ntk"}, "method 'ntk' takes the loss 'squared', and this problem has 'cross_entropy'"),
        ({"loss": "hing"}, "unknown loss 'hing': did you mean 'hinge'?"),
        ({"bias": 1}, "bias is 1; it must be True or False."),
        ({"random_state": -1}, "seed is -1; it must be a nonnegative integer."),
        ({"class_weight": "even"}, "class_weight is 'even'; it must be 'balanced', a number for each class, or None."),
        ({"class_weight": [1, 2]}, "it must be 3 positive numbers, one per class"),
        ({"class_weight": {"tulip": 1.0}}, "class_weight names 'tulip', which is none of the classes setosa,"),
    ],
)
def test_wrong_options_are_one_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        estimator("ReLUClassifier", **options).fit(TABLE.iloc[:, :2], LABELS)
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.zeros(50), "every weight in sample_weight is zero"),
        (-np.ones(50), "sample_weight holds -1; weights are 0 or positive."),
        (np.ones(49), r"sample_weight has shape \(49,\) and must have \(50,\)"),
        (np.arange(50) > 17, "no sample of the class 'setosa' has a positive weight"),
    ],
)
def test_wrong_weights_are_one_sentence(weights: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        estimator("ReLUClassifier").fit(TABLE, LABELS, sample_weight=weights)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kernel": "rbf"}, "kernel is 'rbf'; it must be one of ntk, gated_ntk, nngp, mkl."),
        ({"relative": 1}, "relative is 1; it must be True or False."),
        ({"kernel": "mkl", "patterns": 0}, "method 'mkl': option 'patterns' is 0, but should be greater than 0."),
    ],
)
def test_wrong_options_of_kernels_are_one_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        estimator("NTKRegressor", **options).fit(TABLE, LENGTHS)
    assert str(refused.value) == said


def test_dates_are_refused() -> None:
    days = pd.date_range("2026-01-01", periods=50)
    model = estimator("NTKRegressor").fit(TABLE, LENGTHS)
    with pytest.raises(InputError, match="column 'day' holds dates or times at row 0; write them as numbers"):
        estimator("NTKRegressor").fit(TABLE.assign(day=days.tz_localize("UTC")), LENGTHS)
    with pytest.raises(InputError, match=r"column 'petal width \(cm\)' holds dates or times"):
        model.predict(TABLE.assign(**{"petal width (cm)": days - days[0]}))
    with pytest.raises(InputError, match="X holds dates or times"):
        estimator("NTKRegressor").fit(days.to_numpy()[:, None], LENGTHS)
    with pytest.raises(InputError, match="y holds dates or times"):
        estimator("NTKRegressor").fit(TABLE, days)


def test_a_method_that_returns_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdprelax.estimators._estimator.solve", lambda *_, **__: sdprelax.Outcome())
    with pytest.raises(InputError, match="method 'lbfgs' returned nothing that predicts"):
        estimator("ReLURegressor").fit(TABLE, LENGTHS)


def test_the_guides_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one γ, and a second for the verdict."""
    guide = Path(__file__).parents[1] / "docs" / "guide" / "estimators.md"
    if not guide.exists():
        pytest.skip("documents lie beside the package in a checkout alone")
    section = guide.read_text(encoding="utf-8")
    code = section.split("```python\n")[1].split("```")[0]
    for written, shorter in (("[0.001, 0.01, 0.1]", "[0.1]"), ("time_limit=10", "time_limit=1")):
        assert written in code
        code = code.replace(written, shorter)
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["verdict"].lower <= found["verdict"].upper <= found["model"].upper_
    assert sdprelax.load_predictor("model.npz").classes == ("0", "1", "2")  # type: ignore[attr-defined]
    named = {name for name in estimators.__all__ if f"`sdprelax.{name}`" in section or f"`{name}`" in section}
    assert named == set(estimators.__all__)
