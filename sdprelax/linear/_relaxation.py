"""The semidefinite relaxation of linear networks with a bottleneck: projections by the Fantope."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import Deadline, Floats, InputError, SolverFailed, optional, positive_part
from sdprelax.certificate import decay_slope
from sdprelax.linear._spectrum import Spectrum, checked_width
from sdprelax.solvers import Solved, Solver, solvers

__all__ = ["LinearRelaxation", "RelaxedLinear", "linear_relaxation"]


@dataclass(frozen=True, eq=False)
class RelaxedLinear:
    """What a solver returned for the relaxation; approximate in every respect.

    Attributes
    ----------
    value: of the relaxation, as the solver claims it.
    weights: W, shape (d, c), which may be of higher rank than k.
    projection: P in the coordinates of :class:`Spectrum`, shape (r, r): 0 ⪯ P ⪯ I and tr P ≤ k.
    fit: F, shape (d, c), the dual solution: XᵀY − (XᵀX − λI)F is the multiplier of the weight decay.
    solved: the solver's own words.
    """

    value: float
    weights: Floats
    projection: Floats
    fit: Floats
    solved: Solved


class LinearRelaxation:
    """A convex program whose optimum is below the objective of every linear network of width k.

        min ½tr Θ − ⟨XᵀY, W⟩ + ½‖Y‖² + μ‖W‖_*
        s.t. [P G^½W; (G^½W)ᵀ Θ] ⪰ 0,  0 ⪯ P ⪯ I,  tr P ≤ k

    with G = XᵀX − λI, of depth two λ = 0 and μ = γ; the nuclear norm is a second semidefinite matrix of order r + c.
    Its size is that of W: it depends neither on the number of samples nor on the depth, and k is in one inequality.

    Parameters
    ----------
    spectrum: of the data.
    width: k.
    gamma: weight decay γ ≥ 0 of every layer.
    depth: number of layers L ≥ 2.
    curvature: λ, at most the least singular value of X squared; 0 for depth two.

    Attributes
    ----------
    program: the ``cvxpy.Problem``, in units in which the largest singular values of X and of T are 1.
    order: of its semidefinite matrices, r + c.
    """

    def __init__(
        self, spectrum: Spectrum, width: int, gamma: float = 0.0, depth: int = 2, curvature: float = 0.0
    ) -> None:
        cp = optional("cvxpy")
        self.spectrum, self.width = spectrum, width
        r, c = spectrum.targets.shape
        self.order = r + c
        # Units: X in its largest singular value ρ, T in its own τ; the objective is in τ², W in τ/ρ.
        self._rho, self._tau = float(spectrum.values[0]), float(np.linalg.norm(spectrum.targets, 2)) or 1.0
        self._slope = decay_slope(gamma, depth, curvature) / (self._rho * self._tau)
        self._square = positive_part(spectrum.values**2 - curvature) / self._rho**2
        self._inner = spectrum.inner / (self._rho * self._tau)
        # Without weight decay W itself is not needed: G^½W is.
        self._plain = self._slope == 0.0 and curvature == 0.0
        root = np.sqrt(self._square)
        self._lifted = cp.Variable((r + c, r + c), PSD=True)
        self.P, theta, scaled = self._lifted[:r, :r], self._lifted[r:, r:], self._lifted[:r, r:]
        constraints = [np.eye(r) - self.P >> 0, cp.trace(self.P) <= width]
        self._coupling: Any = None
        if self._plain:
            objective = 0.5 * cp.trace(theta) - cp.sum(cp.multiply(spectrum.targets / self._tau, scaled))
        else:
            other = cp.Variable((r + c, r + c), PSD=True)
            self._W = other[:r, r:]
            self._coupling = scaled == cp.multiply(root[:, None] @ np.ones((1, c)), self._W)
            constraints.append(self._coupling)
            objective = 0.5 * cp.trace(theta) - cp.sum(cp.multiply(self._inner, self._W))
            objective += 0.5 * self._slope * cp.trace(other)
        self.program: Any = cp.Problem(cp.Minimize(objective), constraints)

    def __repr__(self) -> str:
        return f"LinearRelaxation(order={self.order}, width={self.width})"

    def solve(self, solver: Solver | None = None, deadline: Deadline | None = None) -> RelaxedLinear:
        """Solve with a conic solver, by default Clarabel.

        Raises
        ------
        SolverUnavailable, SolverFailed: see :class:`sdprelax.solvers.Solver`; or what it left is not finite.
        """
        chosen: Solver = solvers.create("clarabel", {}) if solver is None else solver  # type: ignore[assignment]
        solved = chosen.solve(self.program, deadline or Deadline())
        (r, _), spectrum, unit = self.spectrum.targets.shape, self.spectrum, self._tau / self._rho
        lifted = np.asarray(self._lifted.value, dtype=np.float64)
        square = np.maximum(self._square, np.finfo(float).tiny)[:, None]
        if self._plain:
            W = lifted[:r, r:] / np.sqrt(square)
            fit = self._inner / square
        else:
            W = np.asarray(self._W.value, dtype=np.float64)
            # CVXPY's Lagrangian has +⟨A, G^½W − …⟩ with A of the coupling's sign.
            fit = -np.asarray(self._coupling.dual_value, dtype=np.float64) / np.sqrt(square)
        if not (np.all(np.isfinite(lifted)) and np.all(np.isfinite(W)) and np.all(np.isfinite(fit))):
            raise SolverFailed(f"the solver returned a point that is not finite ({solved.status}).")
        value = spectrum.energy + self._tau**2 * float(self.program.value)
        P = 0.5 * (lifted[:r, :r] + lifted[:r, :r].T)
        return RelaxedLinear(value, unit * (spectrum.basis @ W), P, unit * (spectrum.basis @ fit), solved)


def linear_relaxation(
    X: ArrayLike, Y: ArrayLike, width: int | None = None, gamma: float = 0.0, depth: int = 2, curvature: float = 0.0
) -> LinearRelaxation:
    """Return the relaxation of training a linear network, min ½‖XW_1⋯W_L − Y‖² + (γ/2)Σ‖W_l‖².

    Parameters
    ----------
    X: inputs, shape (n, d).
    Y: targets, shape (n, c).
    width: k, the width of the narrowest layer; None for no bottleneck.
    gamma: weight decay γ ≥ 0 of every layer; 0 for none, and then the depth is immaterial.
    depth: number of layers L ≥ 2.
    curvature: λ, which of three layers and more weight decay borrows of the loss, from 0 to λ_min(XᵀX).

    Raises
    ------
    InputError: data that are no finite numbers or do not fit, or options out of range.
    """
    spectrum = Spectrum.of(X, Y)
    if not 0.0 <= gamma < math.inf:
        raise InputError(f"gamma is {gamma!r}; it must be a finite number that is not negative.")
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 2:
        raise InputError(f"depth is {depth!r}; it must be an integer of 2 or more.")
    full = len(spectrum.values) == spectrum.basis.shape[0]
    most = float(spectrum.values[-1]) ** 2 if full else 0.0
    if not 0.0 <= curvature <= most:
        raise InputError(f"curvature is {curvature!r}; it must be between 0 and λ_min(XᵀX) = {most:g}.")
    return LinearRelaxation(spectrum, checked_width(width, min(spectrum.targets.shape)), gamma, depth, curvature)
