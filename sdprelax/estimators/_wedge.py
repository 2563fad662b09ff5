"""Estimators ``WedgeClassifier`` and ``WedgeRegressor``: neurons in closed form, weighed by a Lasso."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sdprelax.estimators._estimator import Classifier, Estimator, Regressor
from sdprelax.networks import Predictor
from sdprelax.problem import Loss
from sdprelax.training import Outcome

__all__ = ["WedgeClassifier", "WedgeRegressor"]


@dataclass(kw_only=True, eq=False, repr=False)
class _Wedge(Estimator):
    """Networks by the method ``wedge``."""

    offset: bool | float | Literal["penalised"] = True
    penalty: int = 2
    free_bias: bool = False
    features: str = "random"
    count: int = 1_000
    sketch: int | None = None
    layers: int = 2
    solver: str = "auto"
    tolerance: float = 1e-9
    merge: bool = False

    def _method(self) -> tuple[str, Mapping[str, Any]]:
        # The method's option ``bias`` is another thing than the estimator's, which is the problem's.
        return "wedge", {**self._options("wedge"), "bias": "free" if self.free_bias else "regularised"}

    def _trained(self, outcome: Outcome) -> Predictor:
        return outcome.predictors["three_layer"] if self.layers == 3 else super()._trained(outcome)


@dataclass(kw_only=True, eq=False, repr=False)
class WedgeClassifier(Classifier, _Wedge):
    """Classification by a network whose neurons are wedge products of samples (Pilanci 2023).

    The wall of every neuron passes through samples, which gives its weights in closed form; a Lasso chooses among the
    neurons. That its weights are optimal is proved: ``program_`` is the certificate.

    Parameters
    ----------
    gamma, relative, bias, offset, time_limit, random_state, class_weight: as of :class:`ReLUClassifier`.
    loss: a loss (``sdprelax list losses``): "cross_entropy" and "logistic" have probabilities.
    free_bias: whether every neuron and the output have biases without penalty, as in the paper.
    features: "random", ``count`` subsets of samples; "all" of them, which proves ``lower_`` too, of few samples or
        dimensions; or "oracle", subsets found by exchange.
    penalty, count, sketch, layers, solver, tolerance, merge: the other options of the method ``wedge``
        (``sdprelax list methods``).

    Attributes
    ----------
    As of :class:`ReLUClassifier`; ``outcome_.details["samples"]`` are the rows of ``problem_.X`` that neurons pass
    through.
    """

    loss: str | Mapping[str, Any] | Loss = "cross_entropy"
    class_weight: Any = None


@dataclass(kw_only=True, eq=False, repr=False)
class WedgeRegressor(Regressor, _Wedge):
    """Regression by a network whose neurons are wedge products of samples (Pilanci 2023).

    Parameters
    ----------
    gamma, relative, bias, offset, time_limit, random_state, loss: as of :class:`ReLURegressor`.
    free_bias, features, penalty, count, sketch, layers, solver, tolerance, merge: as of :class:`WedgeClassifier`.

    Attributes
    ----------
    As of :class:`ReLURegressor` and :class:`WedgeClassifier`.
    """

    loss: str | Mapping[str, Any] | Loss = "squared"
