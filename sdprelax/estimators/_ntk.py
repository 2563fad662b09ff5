"""Estimators ``NTKClassifier`` and ``NTKRegressor``: kernels of infinitely wide networks, fixed or learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdprelax.base import InputError
from sdprelax.estimators._estimator import Classifier, Estimator, Regressor
from sdprelax.problem import Problem

__all__ = ["NTKClassifier", "NTKRegressor"]

# The methods of kernels in closed form, with their options.
CLOSED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ntk": ("ntk", {}), "gated_ntk": ("ntk", {"network": "gated"}), "nngp": ("nngp", {}),
}  # fmt: skip


@dataclass(kw_only=True, eq=False, repr=False)
class _NTK(Estimator):
    """Kernel methods."""

    kernel: str = "ntk"
    patterns: int = 100
    gates: str = "gaussian"
    solver: str = "irls"
    newton: bool = True
    tolerance: float = 1e-6
    max_iterations: int = 100_000

    def _method(self) -> tuple[str, Mapping[str, Any]]:
        if self.kernel == "mkl":
            return "mkl", self._options("mkl")
        if not isinstance(self.kernel, str) or self.kernel not in CLOSED:
            raise InputError(f"kernel is {self.kernel!r}; it must be one of {', '.join([*CLOSED, 'mkl'])}.")
        name, options = CLOSED[self.kernel]
        return name, {**options, "ridge": "relative" if self.relative else "absolute"}

    def _gamma(self, problem: Problem) -> float:
        # A ridge that is relative is a share of the kernel's own.
        return super()._gamma(problem) if self.kernel == "mkl" else self.gamma


@dataclass(kw_only=True, eq=False, repr=False)
class NTKClassifier(Classifier, _NTK):
    """Classification by kernel ridge regression with the kernel of an infinitely wide network, or one that is learned.

    The squared loss on one column of zeros and ones per class. A kernel in closed form has no bounds, and ``gamma_`` is
    the ridge, or its share of the kernel.

    Parameters
    ----------
    gamma: the ridge, or weight decay γ of a learned kernel.
    relative: whether ``gamma`` is a share: of the mean of the kernel's diagonal, or of γ_max for a learned kernel.
    bias: whether a constant 1 is appended to inputs; there is no offset.
    time_limit, random_state, class_weight: as of :class:`ReLUClassifier`; "mkl" takes no weights but those of 0 and 1.
    kernel: "ntk" of ReLU networks, "gated_ntk" of gated ones, "nngp" of networks whose output layer alone is trained;
        or "mkl", multiple kernel learning over the kernels of gates, the repaired NTK (Dwaraknath, Ergen and Pilanci
        2023).
    patterns, gates, solver, newton, tolerance, max_iterations: the options of the method ``mkl``
        (``sdprelax list methods``) where the kernel is learned.

    Attributes
    ----------
    As of :class:`ReLUClassifier`; bounds and ``network_`` are None, ``program_`` proves the optimum of "mkl".
    """

    class_weight: Any = None


@dataclass(kw_only=True, eq=False, repr=False)
class NTKRegressor(Regressor, _NTK):
    """Kernel ridge regression with the kernel of an infinitely wide network, or one that is learned.

    There is no offset: take targets whose mean is near 0 (``TransformedTargetRegressor`` of scikit-learn).

    Parameters
    ----------
    gamma, relative, bias, time_limit, random_state: as of :class:`NTKClassifier`.
    kernel, patterns, gates, solver, newton, tolerance, max_iterations: as of :class:`NTKClassifier`.

    Attributes
    ----------
    As of :class:`ReLURegressor`; bounds and ``network_`` are None, ``program_`` proves the optimum of "mkl".
    """
