"""Estimators ``GatedReLUClassifier`` and ``GatedReLURegressor``: convex training behind fixed gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sdprelax.estimators._estimator import Classifier, Estimator, Regressor
from sdprelax.networks import Predictor
from sdprelax.problem import Loss
from sdprelax.training import Outcome

__all__ = ["GatedReLUClassifier", "GatedReLURegressor"]


@dataclass(kw_only=True, eq=False, repr=False)
class _GatedReLU(Estimator):
    """Gated networks by the method ``gated_relu``."""

    offset: bool | float | Literal["penalised"] = True
    patterns: int = 100
    gates: str = "gaussian"
    penalty: str = "columns"
    solver: str = "auto"
    tolerance: float = 1e-6
    max_iterations: int = 100_000
    decomposition: str = "least_squares"
    selection: str = "as_found"

    def _method(self) -> tuple[str, Mapping[str, Any]]:
        return "gated_relu", self._options("gated_relu")

    def _trained(self, outcome: Outcome) -> Predictor:
        return outcome.predictors["gated"]


@dataclass(kw_only=True, eq=False, repr=False)
class GatedReLUClassifier(Classifier, _GatedReLU):
    """Classification by a gated ReLU network, whose training is convex (Mishkin, Sahiner and Pilanci 2022).

    Neurons x ↦ 1{xᵀg_i ≥ 0}·xᵀW_i behind gates g_i that are chosen beforehand. That their weights are optimal is
    proved: ``program_`` is the certificate, ``outcome_.details["program_gap"]`` the gap. The ReLU network that they are
    decomposed into is ``network_``; it attains ``upper_``, which may be far off, and is not what predicts.

    Parameters
    ----------
    gamma, relative, bias, offset, time_limit, random_state, class_weight: as of :class:`ReLUClassifier`.
    loss: a loss (``sdprelax list losses``): "cross_entropy" and "logistic" have probabilities.
    patterns, gates, penalty, solver, tolerance, max_iterations, decomposition, selection: the options of the method
        ``gated_relu`` (``sdprelax list methods``): above all the number of gates, and whose norms are penalised.

    Attributes
    ----------
    As of :class:`ReLUClassifier`; ``lower_`` is there for ``gates="all"`` and a penalty other than "columns".
    """

    loss: str | Mapping[str, Any] | Loss = "cross_entropy"
    class_weight: Any = None


@dataclass(kw_only=True, eq=False, repr=False)
class GatedReLURegressor(Regressor, _GatedReLU):
    """Regression by a gated ReLU network, whose training is convex (Mishkin, Sahiner and Pilanci 2022).

    Parameters
    ----------
    gamma, relative, bias, offset, time_limit, random_state, loss: as of :class:`ReLURegressor`.
    patterns, gates, penalty, solver, tolerance, max_iterations, decomposition, selection: as of
        :class:`GatedReLUClassifier`.

    Attributes
    ----------
    As of :class:`ReLURegressor` and :class:`GatedReLUClassifier`.
    """

    loss: str | Mapping[str, Any] | Loss = "squared"
