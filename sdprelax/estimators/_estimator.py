"""What all estimators share: from a user's table to a training problem, and from an outcome to predictions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sdprelax.base import Floats, InputError, finite_array, one_hot
from sdprelax.exact import searched_gamma_max
from sdprelax.methods import methods, solve
from sdprelax.networks import Pipeline, Predictor, Preprocessing, decided
from sdprelax.problem import Loss, Problem, losses, targets_for
from sdprelax.training import Outcome

__all__ = ["Classifier", "Estimator", "Regressor"]

# What of a problem an estimator may say.
SETTING = ("bias", "penalise_bias", "offset", "loss", "activation")
# γ_max by problem, and of how many it is kept.
_found: dict[str, float] = {}
KEPT = 1_000


@dataclass(kw_only=True, eq=False, repr=False)
class Estimator(BaseEstimator):  # type: ignore[misc]
    """An estimator of scikit-learn that a method trains.

    A subclass says which method with which options, and has fields for them; those named in ``SETTING`` go to the
    problem.
    """

    gamma: float = 0.01
    relative: bool = True
    bias: bool = True
    time_limit: float | None = None
    random_state: Any = 0

    def _method(self) -> tuple[str, Mapping[str, Any]]:
        """Return the method's name and options."""
        raise NotImplementedError

    def _options(self, method: str) -> dict[str, Any]:
        """Return the options of a method that the estimator has as fields of the same names."""
        return {option.name: getattr(self, option.name) for option in methods.options(method)}

    def _trained(self, outcome: Outcome) -> Predictor:
        """Return what of an outcome predicts."""
        if outcome.judged_by_network:
            assert outcome.network is not None
            return outcome.network
        if not outcome.predictors:
            raise InputError(f"method '{self._method()[0]}' returned nothing that predicts; name another method.")
        return next(iter(outcome.predictors.values()))

    def _gamma(self, problem: Problem) -> float:
        """Return γ of a problem of γ = 1."""
        # Where γ_max is 0 no neuron pays at any γ.
        largest = (_largest(problem) or 1.0) if self.relative else 1.0
        return problem.with_gamma(self.gamma).gamma * largest

    def _fit(self, X: Floats, targets: Floats, weights: Floats, classes: tuple[str, ...] | None = None) -> None:
        """Train on inputs (n, d) and targets (n, c) of weights w ≥ 0, shape (n,)."""
        if not isinstance(self.relative, (bool, np.bool_)):
            raise InputError(f"relative is {self.relative!r}; it must be True or False.")
        name, options = self._method()
        X, targets, weights = _canonical(X, targets, weights, getattr(methods[name], "sample_weight", False))
        own = {item.name for item in fields(self)}
        setting = {part: getattr(self, part) for part in SETTING if part in own}
        problem = Problem(X, targets, 1.0, sample_weight=weights, **setting)
        problem = problem.with_gamma(self._gamma(problem))
        drawn = self.random_state
        if drawn is None or isinstance(drawn, np.random.RandomState):
            drawn = check_random_state(drawn).randint(2**31 - 1)
        outcome = solve(problem, name, seed=drawn, time_limit=self.time_limit, **options)
        columns = tuple(getattr(self, "feature_names_in_", ()))
        named = Preprocessing(columns if len(set(columns)) == len(columns) else ())
        self.problem_, self.gamma_, self.outcome_ = problem, problem.gamma, outcome
        self.predictor_ = Pipeline(self._trained(outcome), named, classes)
        self.lower_, self.upper_, self.gap_ = outcome.lower, outcome.upper, outcome.gap
        self.network_, self.certificate_, self.program_ = outcome.network, outcome.certificate, outcome.program
        if outcome.status == "not converged":
            warnings.warn(
                f"method '{name}' ended before its tolerance was attained; outcome_ says what it attained.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _outputs(self, X: Any) -> Floats:
        """Return the outputs, shape (n, c)."""
        check_is_fitted(self)
        _refuse_times("X", X)
        return self.predictor_.predictor.predict(validate_data(self, X, dtype=np.float64, reset=False))


def _largest(problem: Problem) -> float:
    """Return γ_max, which a grid search asks for as often as it has γ; it takes as long as training quickly."""
    key = joblib.hash(problem)
    if key not in _found:
        if len(_found) >= KEPT:
            _found.clear()
        _found[key] = searched_gamma_max(problem)
    return _found[key]


def _refuse_times(name: str, values: Any) -> None:
    """Refuse dates and times, which NumPy makes numbers of in units that nobody sees.

    Raises
    ------
    InputError: an array or a column of them.
    """
    parts = [(name, values)]
    if hasattr(values, "columns"):
        parts = [(f"column '{label}'", values.iloc[:, k]) for k, label in enumerate(values.columns)]
    for label, part in parts:
        if getattr(getattr(part, "dtype", None), "kind", "") in ("m", "M"):
            finite_array(label, part)


def _canonical(X: Floats, Y: Floats, weights: Floats, weighted: bool) -> tuple[Floats, Floats, Floats]:
    """Return samples in an order of their own, those of weight 0 left out, equal ones once with their whole weight.

    Parameters
    ----------
    weighted: whether weights are taken; if not, equal samples that all weigh 1 are kept as they are.
    """
    kept = weights > 0.0
    rows, place, count = np.unique(np.hstack([X, Y])[kept], axis=0, return_inverse=True, return_counts=True)
    whole = np.asarray(np.bincount(place.ravel(), weights[kept]), dtype=np.float64)
    if not weighted and np.all(weights[kept] == 1.0):
        rows, whole = np.repeat(rows, count, axis=0), np.ones(int(np.sum(kept)))
    return rows[:, : X.shape[1]], rows[:, X.shape[1] :], whole


def _weights(sample_weight: ArrayLike | None, count: int) -> Floats:
    """Return the samples' weights, shape (count,)."""
    if sample_weight is None:
        return np.ones(count)
    weights = finite_array("sample_weight", sample_weight)
    if weights.shape != (count,):
        raise InputError(f"sample_weight has shape {weights.shape} and must have {(count,)}, one per sample.")
    if np.any(weights < 0.0):
        raise InputError(f"sample_weight holds {np.min(weights):g}; weights are 0 or positive.")
    if not np.any(weights):
        raise InputError("every weight in sample_weight is zero; some sample must count.")
    return weights


def _has_probabilities(estimator: Any) -> bool:
    """Say whether the loss is one of probabilities: of all classes, or of one against the rest."""
    try:
        loss = losses.given(getattr(estimator, "loss", "squared"))
    except InputError:
        return False
    return loss.probabilities(np.zeros((1, 1 if loss.targets == "signs" else 2))) is not None


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """Classification: outputs are scores of the classes, or of two classes one score of the second."""

    loss: str | Mapping[str, Any] | Loss
    class_weight: Any

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Classifier:
        """Train, and return the estimator itself.

        Parameters
        ----------
        X: inputs, shape (n, d): an array, or a table of pandas, whose columns' names are kept.
        y: labels, shape (n,): text, integers or truth values.
        sample_weight: weights w ≥ 0, shape (n,): a sample of weight 2 counts as two of weight 1.

        Raises
        ------
        InputError, a ValueError: data or options that are none, or that do not go together.
        ValueError: what scikit-learn refuses: missing entries, sparse matrices, columns that are not as before.
        SolverUnavailable, SolverFailed, ProblemTooLarge: the method cannot be run on these data.
        """
        _refuse_times("X", X)
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) == 1:
            raise InputError(f"y has one class alone, {self.classes_[0]}; classification takes two or more.")
        hot, names = one_hot(y)
        weights = _weights(sample_weight, len(y))
        whole = weights @ hot
        if not np.all(whole):
            raise InputError(
                f"no sample of the class '{names[int(np.argmin(whole))]}' has a positive weight; leave out the "
                "samples of this class."
            )
        factors = self._class_factors(whole)
        self._fit(X, targets_for(getattr(self, "loss", "squared"), hot), weights * (hot @ factors), names)
        return self

    def _class_factors(self, whole: Floats) -> Floats:
        """Return what samples' weights are multiplied with, by class, from the classes' weights, shape (k,)."""
        given = self.class_weight
        if given is None:
            return np.ones(len(whole))
        if isinstance(given, str) and given == "balanced":
            return np.asarray(np.sum(whole) / (len(whole) * whole))
        if isinstance(given, Mapping):
            unknown = [label for label in given if label not in self.classes_]
            if unknown:
                raise InputError(
                    f"class_weight names {unknown[0]!r}, which is none of the classes "
                    f"{', '.join(map(str, self.classes_))}."
                )
            given = [given.get(label, 1.0) for label in self.classes_.tolist()]
        if isinstance(given, str):
            raise InputError(f"class_weight is {given!r}; it must be 'balanced', a number for each class, or None.")
        factors = finite_array("class_weight", given)
        if factors.shape != whole.shape or not np.all(factors > 0.0):
            raise InputError(
                f"class_weight is {factors.tolist()}; it must be {len(whole)} positive numbers, one per class in the "
                "order of classes_, or {class: number}."
            )
        return factors

    def decision_function(self, X: Any) -> Floats:
        """Return the classes' scores, shape (n, classes); of two classes the second's less the first's, shape (n,)."""
        outputs = self._outputs(X)
        if outputs.shape[1] == 1:
            return outputs[:, 0]
        return outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the labels, shape (n,)."""
        outputs = self._outputs(X)
        return np.asarray(self.classes_[decided(outputs)])

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Floats:
        """Return the classes' probabilities, shape (n, classes), where the loss is cross_entropy or logistic.

        Of the logistic loss with more than two classes, which is one against the rest, they are each class's own
        divided by their sum.
        """
        outputs, loss = self._outputs(X), self.problem_.loss
        found = loss.probabilities(outputs)
        if found is not None:
            return found
        apart = [loss.probabilities(outputs[:, [k]]) for k in range(outputs.shape[1])]
        own = np.column_stack([both[:, 1] for both in apart if both is not None])
        return np.asarray(own / np.sum(own, axis=1, keepdims=True))

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> Floats:
        """Return the logarithms of :meth:`predict_proba`, shape (n, classes)."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """Regression, of one target or several."""

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Regressor:
        """Train, and return the estimator itself.

        Parameters
        ----------
        X: inputs, shape (n, d): an array, or a table of pandas, whose columns' names are kept.
        y: targets, shape (n,) or (n, c): numbers.
        sample_weight: weights w ≥ 0, shape (n,): a sample of weight 2 counts as two of weight 1.

        Raises
        ------
        InputError, a ValueError: data or options that are none, or that do not go together.
        ValueError: what scikit-learn refuses: missing entries, sparse matrices, columns that are not as before.
        SolverUnavailable, SolverFailed, ProblemTooLarge: the method cannot be run on these data.
        """
        _refuse_times("X", X)
        _refuse_times("y", y)
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        targets = np.asarray(y, dtype=np.float64)
        self._one_target = targets.ndim == 1
        self._fit(X, targets.reshape(len(targets), -1), _weights(sample_weight, len(targets)))
        return self

    def predict(self, X: Any) -> Floats:
        """Return predicted targets in the shape that they had, (n,) or (n, c); of counts (loss poisson) their rates."""
        outputs = self._outputs(X)
        outputs = outputs[:, 0] if self._one_target else outputs
        return np.exp(outputs) if self.problem_.loss.targets == "counts" else outputs

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
