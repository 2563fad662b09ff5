"""Estimators ``ReLUClassifier`` and ``ReLURegressor``: networks of the training problem, by any method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sdprelax.estimators._estimator import Classifier, Estimator, Regressor
from sdprelax.methods import Method, methods
from sdprelax.networks import Activation
from sdprelax.problem import Loss

__all__ = ["ReLUClassifier", "ReLURegressor"]

# The method that is taken where none is named: one start, to an accuracy that costs seconds where more costs minutes.
QUICK: tuple[str, Mapping[str, Any]] = ("lbfgs", {"width": 100, "restarts": 1, "tolerance": 1e-7})


@dataclass(kw_only=True, eq=False, repr=False)
class _ReLU(Estimator):
    """Networks by any method."""

    method: str | Mapping[str, Any] | Method | None = None
    offset: bool | float | Literal["penalised"] = True
    penalise_bias: bool = True
    activation: str | Mapping[str, Any] | Activation = "relu"

    def _method(self) -> tuple[str, Mapping[str, Any]]:
        if self.method is None:
            return QUICK
        ((name, options),) = methods.written(methods.given(self.method)).items()
        return name, options


@dataclass(kw_only=True, eq=False, repr=False)
class ReLUClassifier(Classifier, _ReLU):
    """Classification by a two-layer network of any width, trained by a method with proved bounds or by any other.

    Parameters
    ----------
    gamma: weight decay γ; with ``relative`` a share of γ_max, from which on no neuron pays.
    relative: whether γ is ``gamma``·γ_max (:func:`sdprelax.gamma_max`), which depends neither on how many samples there
        are nor on their units.
    bias, penalise_bias, offset, activation: as for :class:`sdprelax.Problem`; here with a bias and a free offset.
    time_limit: seconds for training, None for no limit.
    random_state: seed of everything random in the method, the same on every fit; None for another one every time, or a
        ``RandomState``.
    method: a method (``sdprelax list methods``): its name, {name: {option: value}}, or one itself. ``"exact"`` and
        ``"sdp"`` prove how far the network is from the global optimum. None for one start of ``lbfgs``, to a tolerance
        of 1e-7: a network in seconds, without a proof.
    loss: a loss (``sdprelax list losses``), given in the same ways: "cross_entropy" and "logistic" have probabilities.
    class_weight: what samples' weights are multiplied with, by class: {class: number}, where a class that is not named
        has 1; one number for each in the order of ``classes_``; or "balanced".

    Attributes
    ----------
    lower_, upper_, gap_: the bounds of the optimum that are proved, and their relative distance; None where the method
        has none.
    network_: the network that attains ``upper_``; or None.
    certificate_: what proves ``lower_``: ``sdprelax.verify(problem_, certificate_)`` checks it anew; or None.
    program_: what proves the optimum of a convex program that was solved in place of training; or None.
    predictor_: what predicts, a :class:`sdprelax.Pipeline` with the names of columns and classes: ``.save(path)``.
    problem_: the training problem (see :mod:`sdprelax.estimators`). It has the data in it.
    gamma_: its γ.
    outcome_: all that the method returned: status, seconds, trace, details.
    classes_: the labels in order, shape (k,).
    n_features_in_, feature_names_in_: number and, of tables, names of the columns.
    """

    loss: str | Mapping[str, Any] | Loss = "cross_entropy"
    class_weight: Any = None


@dataclass(kw_only=True, eq=False, repr=False)
class ReLURegressor(Regressor, _ReLU):
    """Regression by a two-layer network of any width, trained by a method with proved bounds or by any other.

    Parameters
    ----------
    gamma, relative, bias, penalise_bias, offset, activation, time_limit, random_state, method: as of
        :class:`ReLUClassifier`.
    loss: a loss of numbers (``sdprelax list losses``), given in the same ways: "squared", "huber", "absolute",
        {"quantile": {"level": 0.9}}, ...; or "poisson" for counts, of which rates are predicted.

    Attributes
    ----------
    lower_, upper_, gap_, network_, certificate_, program_, predictor_, problem_, gamma_, outcome_, n_features_in_,
    feature_names_in_: as of :class:`ReLUClassifier`. What ``predictor_`` gives of counts are logarithms of rates.
    """

    loss: str | Mapping[str, Any] | Loss = "squared"
