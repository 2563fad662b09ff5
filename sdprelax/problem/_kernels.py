"""Kernels of infinitely wide two-layer ReLU networks at random hidden weights, and prediction with a kernel.

With hidden weights w ~ N(0, I) the activations of inputs x and z at angle θ have the moments (arc-cosine kernels of
order 1 and 0, Cho and Saul 2009)

    E (wᵀx)₊(wᵀz)₊ = ‖x‖‖z‖(sin θ + (π − θ)cos θ)/2π,      E 1{wᵀx > 0}1{wᵀz > 0} = (π − θ)/2π,

which give the kernels of docs/mathematics/problem.md, "NNGP and NTK". Both look at X alone; the relaxation and the
exact programs learn their kernel from Y too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from sdprelax.base import Floats, InputError, SolverFailed, nearest
from sdprelax.networks import query_inputs, register_predictor, require_rows
from sdprelax.problem._problem import Problem, ridge_value

__all__ = [
    "KERNELS",
    "KernelPredictor",
    "Ridge",
    "gated_ntk_kernel",
    "kernel_ridge",
    "nngp_kernel",
    "ntk_kernel",
    "relu_moments",
    "step_moments",
]

Ridge = Literal["absolute", "relative"]


def _angles(X: Floats, Z: Floats) -> tuple[Floats, Floats]:
    """Return ‖x‖‖z‖ and the angle θ of every pair, shape (n, m); accurate for nearly parallel pairs too."""
    lengths_x, lengths_z = np.linalg.norm(X, axis=1), np.linalg.norm(Z, axis=1)
    unit_x = X / np.where(lengths_x > 0.0, lengths_x, 1.0)[:, None]
    unit_z = Z / np.where(lengths_z > 0.0, lengths_z, 1.0)[:, None]
    angles: Floats = 2.0 * np.arctan2(cdist(unit_x, unit_z), cdist(unit_x, -unit_z))
    return np.outer(lengths_x, lengths_z), angles


def relu_moments(X: Floats, Z: Floats) -> Floats:
    """Return E (wᵀx)₊(wᵀz)₊ for w ~ N(0, I), shape (n, m), for inputs of shapes (n, d) and (m, d)."""
    lengths, angles = _angles(X, Z)
    moments: Floats = lengths * (np.sin(angles) + (np.pi - angles) * np.cos(angles)) / (2.0 * np.pi)
    return moments


def step_moments(X: Floats, Z: Floats) -> Floats:
    """Return E 1{wᵀx > 0}1{wᵀz > 0} for w ~ N(0, I), shape (n, m); nonzero inputs of shapes (n, d) and (m, d)."""
    moments: Floats = (np.pi - _angles(X, Z)[1]) / (2.0 * np.pi)
    return moments


def nngp_kernel(X: Floats, Z: Floats) -> Floats:
    """Return the NNGP kernel of one hidden ReLU layer, E (wᵀx)₊(wᵀz)₊ for w ~ N(0, I/d)."""
    return np.asarray(relu_moments(X, Z) / X.shape[1])


def ntk_kernel(X: Floats, Z: Floats) -> Floats:
    """Return the NTK of one hidden ReLU layer in NTK parameterisation: NNGP + (xᵀz/d)·(π − θ)/2π."""
    return np.asarray(nngp_kernel(X, Z) + (X @ Z.T) / X.shape[1] * step_moments(X, Z))


def gated_ntk_kernel(X: Floats, Z: Floats) -> Floats:
    """Return the NTK of infinitely many gated ReLU neurons, xᵀz·E 1{gᵀx > 0}1{gᵀz > 0} = xᵀz·(π − θ)/2π.

    It is Σ_iP(cell i)·D_iXXᵀD_i over all cells of the training inputs (Dwaraknath, Ergen and Pilanci 2023).
    """
    return np.asarray((X @ Z.T) * step_moments(X, Z))


KERNELS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "nngp": nngp_kernel, "ntk": ntk_kernel, "gated_ntk": gated_ntk_kernel,
}  # fmt: skip


@register_predictor("kernel")
@dataclass(frozen=True, eq=False)
class KernelPredictor:
    """x ↦ Σ_i k(x, x_i)a_i.

    Parameters
    ----------
    kernel: a name in ``KERNELS``.
    inputs: training inputs x_i, a bias's column of ones included, shape (n, d).
    coefficients: a_i, shape (n, c).
    bias: whether a constant 1 is appended to what is predicted for.

    Raises
    ------
    InputError: an unknown kernel, shapes that do not fit, or entries that are not finite numbers.
    """

    kernel: str
    inputs: Floats
    coefficients: Floats
    bias: bool = False

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise InputError(f"unknown kernel '{self.kernel}': {nearest(self.kernel, KERNELS)}.")
        require_rows("inputs", self.inputs, "coefficients", self.coefficients)

    def predict(self, X: ArrayLike) -> Floats:
        """Return the outputs, shape (n, c), for inputs of shape (n, d)."""
        inputs = query_inputs(X, self.inputs.shape[1], self.bias)
        return np.asarray(KERNELS[self.kernel](inputs, self.inputs) @ self.coefficients)


def kernel_ridge(problem: Problem, kernel: str, ridge: Ridge) -> tuple[KernelPredictor, float]:
    """Return the kernel ridge predictor (K + ρW⁻¹)a = Y of a problem, and its value (ρ/2)·tr Yᵀ(K + ρW⁻¹)⁻¹Y.

    W has the samples' weights on its diagonal, by default all 1.

    Parameters
    ----------
    kernel: a name in ``KERNELS``.
    ridge: ρ = γ ("absolute"), or γ·tr(WK)/tr(W) ("relative", what neural-tangents makes of ``diag_reg``).

    Raises
    ------
    SolverFailed: γ is too small for K + ρW⁻¹ to be positive definite in floating point.
    """
    K, Y = KERNELS[kernel](problem.inputs, problem.inputs), problem.Y
    roots = np.ones(len(K)) if problem.loss.weights is None else np.sqrt(problem.loss.weights)
    # In W^½K W^½ and W^½Y, samples weigh 1.
    K, Y = K * np.outer(roots, roots), Y * roots[:, None]
    rho = problem.gamma * (1.0 if ridge == "absolute" else float(np.trace(K)) / float(np.sum(roots * roots)))
    try:
        coefficients = scipy.linalg.solve(K + rho * np.eye(len(K)), Y, assume_a="pos") * roots[:, None]
        value = ridge_value(K, Y, rho)
    except (np.linalg.LinAlgError, ValueError):
        raise SolverFailed(
            f"the kernel matrix with ridge {rho:g} is singular in floating point; take a larger gamma."
        ) from None
    return KernelPredictor(kernel, problem.inputs, coefficients, problem.bias), value
