"""The program of training behind fixed gates, its dual, and intervals that hold its optimum.

With masks D_i = diag(1{Xg_i ≥ 0}) and one matrix W_i (r×c) of weights per gate

    min over W_1, ..., W_m  ½‖Σ_i D_iXW_i − Y‖² + γΣ_i‖W_i‖,      dual: max ⟨A, Y⟩ − ½‖A‖²  s.t. ‖XᵀD_iA‖° ≤ γ,

where ‖·‖ with its dual ‖·‖° is one of (docs/mathematics.md section 7.4)

    columns      Σ_k‖w_ik‖, dual max_k ‖·‖      the weight decay of gated neurons that feed one output each
    frobenius    ‖W_i‖_F, its own dual          that of one matrix and one scale per gate; multiple kernel learning
    nuclear      Σσ(W_i), dual max σ            that of gated neurons that feed all outputs, the least of ReLU networks'

The matrix of all D_iX, of size n×mr, is never formed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sdprelax.verified import Ball, Floats, bound_above, dual_value_below, proves_psd

__all__ = ["GatedFit", "GatedProgram", "Penalty"]

Penalty = Literal["columns", "frobenius", "nuclear"]

# What a computed spectral norm is raised by until it is proved, relatively.
SLACKS = (1e-13, 1e-11, 1e-8, 1e-4)


@dataclass(frozen=True, eq=False)
class GatedFit:
    """A primal-dual pair of a gated program.

    Attributes
    ----------
    weights: W, shape (c, r, m): row k of the first axis serves output k.
    multiplier: A, shape (n, c), feasible in the dual up to rounding.
    value: objective at the weights, in floating point.
    dual_value: ⟨A, Y⟩ − ½‖A‖², in floating point.
    iterations: steps taken.
    trace: (value, dual value) at every step of a solver that lists them.
    expired: whether the deadline ended the solver.
    """

    weights: Floats
    multiplier: Floats
    value: float
    dual_value: float
    iterations: int
    trace: tuple[tuple[float, float], ...] = ()
    expired: bool = False

    @property
    def gap(self) -> float:
        """Duality gap relative to the value."""
        return (self.value - self.dual_value) / self.value if self.value > 0.0 else 0.0


@dataclass(frozen=True, eq=False)
class GatedProgram:
    """Data of a gated program.

    Parameters
    ----------
    inputs: X, shape (n, r).
    masks: 1{Xg_i ≥ 0} as columns of zeros and ones, shape (n, m).
    targets: Y, shape (n, c).
    gamma: weight of the norms.
    penalty: a gate's norm: "columns", "frobenius" or "nuclear"; of one output they are the same.
    """

    inputs: Floats
    masks: Floats
    targets: Floats
    gamma: float
    penalty: Penalty = "frobenius"

    @property
    def norm(self) -> Penalty:
        """The penalty; Frobenius's where all three are the same."""
        return self.penalty if self.targets.shape[1] > 1 else "frobenius"

    def over(self, gates: NDArray[np.intp] | NDArray[np.bool_]) -> GatedProgram:
        """Return the program over some of the gates."""
        part = replace(self, masks=np.ascontiguousarray(self.masks[:, gates]))
        # A gate's length does not depend on the others, and the norm of X in it is not worth computing again.
        if "lengths" in vars(self):
            vars(part)["lengths"] = self.lengths[gates]
        return part

    def of_output(self, k: int) -> GatedProgram:
        """Return the program of one output, of which there are c independent ones where the penalty is by columns."""
        return replace(self, targets=self.targets[:, [k]])

    def zero(self) -> Floats:
        """Return weights of zeros."""
        return np.zeros((self.targets.shape[1], self.inputs.shape[1], self.masks.shape[1]))

    def predict(self, weights: Floats) -> Floats:
        """Return Σ_i D_iXW_i, shape (n, c)."""
        return np.stack([np.einsum("ij,ij->i", self.masks, self.inputs @ part) for part in weights], axis=1)

    def correlate(self, A: Floats) -> Floats:
        """Return XᵀD_iA, shape (c, r, m)."""
        return np.stack([self.inputs.T @ (self.masks * column[:, None]) for column in A.T])

    @cached_property
    def lengths(self) -> Floats:
        """Bounds of ‖D_iX‖₂, shape (m,): the lesser of ‖X‖₂ and ‖D_iX‖_F."""
        if not self.inputs.size:
            return np.zeros(self.masks.shape[1])
        masked = np.sqrt(np.sum(self.inputs * self.inputs, axis=1) @ self.masks)
        return np.asarray(np.minimum(masked, np.linalg.norm(self.inputs, 2) * (1.0 + 1e-12)))

    def sizes(self, weights: Floats) -> Floats:
        """Return every gate's norm ‖W_i‖, shape (m,)."""
        if self.norm == "nuclear":
            return np.asarray(np.sum(_singular_values(weights), axis=1))
        if self.norm == "columns":
            return np.asarray(np.sum(np.sqrt(np.sum(weights * weights, axis=1)), axis=0))
        return np.asarray(np.sqrt(np.sum(weights * weights, axis=(0, 1))))

    def steepness(self, slopes: Floats) -> Floats:
        """Return every gate's dual norm ‖XᵀD_iA‖°, shape (m,), from :meth:`correlate`."""
        if self.norm == "nuclear":
            return np.asarray(np.max(_singular_values(slopes), axis=1, initial=0.0))
        if self.norm == "columns":
            return np.asarray(np.max(np.sqrt(np.sum(slopes * slopes, axis=1)), axis=0))
        return np.asarray(np.sqrt(np.sum(slopes * slopes, axis=(0, 1))))

    def shrunk(self, weights: Floats, threshold: float) -> Floats:
        """Return the proximal map of threshold·Σ‖W_i‖."""
        if self.norm == "nuclear":
            left, singular, right = np.linalg.svd(np.moveaxis(weights, 2, 0), full_matrices=False)
            found: Floats = (left * np.maximum(singular - threshold, 0.0)[:, None, :]) @ right
            return np.asarray(np.moveaxis(found, 0, 2))
        axes = 1 if self.norm == "columns" else (0, 1)
        sizes = np.sqrt(np.sum(weights * weights, axis=axes, keepdims=True))
        found = weights * (1.0 - threshold / np.maximum(sizes, max(threshold, np.finfo(float).tiny)))
        return found

    def value(self, weights: Floats, prediction: Floats) -> float:
        """Return the objective of weights whose prediction is known."""
        return 0.5 * float(np.sum((self.targets - prediction) ** 2)) + self.gamma * float(np.sum(self.sizes(weights)))

    def feasible(self, A: Floats, steepest: float) -> tuple[float, float]:
        """Return (s, dual value at sA) for the best multiple s ≥ 0 of A that is feasible.

        Parameters
        ----------
        steepest: the largest ‖XᵀD_iA‖°.
        """
        energy, along = float(np.sum(A * A)), float(np.sum(A * self.targets))
        scale = along / energy if energy > 0.0 else 0.0
        scale = max(0.0, min(scale, self.gamma / steepest if steepest > 0.0 else math.inf))
        return scale, scale * along - 0.5 * scale * scale * energy

    def proved(self, fit: GatedFit) -> tuple[float, float]:
        """Return proved (lower, upper) bounds of this program's optimum from a primal-dual pair.

        Rounding errors are bounded, in these very inputs, masks, targets and γ; where nothing can be proved the lower
        bound is 0.
        """
        used = np.any(fit.weights != 0.0, axis=(0, 1))
        return self._proved_below(fit.multiplier), self.over(used)._proved_above(fit.weights[:, :, used])

    def _proved_above(self, weights: Floats) -> float:
        X, gates = Ball.exact(self.inputs), self.masks.shape[1]
        loss = 0.0
        for k, part in enumerate(weights):
            hidden = X @ Ball.exact(part)
            # Masks are 0 and 1, so masking is exact.
            opened = Ball(hidden.mid * self.masks, hidden.rad * self.masks)
            loss += (opened @ Ball.exact(np.ones((gates, 1))) - Ball.exact(self.targets[:, [k]])).square_above()
        if self.norm == "nuclear":
            sizes = [_nuclear_above(weights[:, :, i]) for i in range(gates)]
        else:
            outputs, rank, _ = weights.shape
            columns = self.norm == "columns"
            rows = (
                weights.transpose(0, 2, 1).reshape(outputs * gates, rank)
                if columns
                else (weights.transpose(2, 0, 1).reshape(gates, outputs * rank))
            )
            sizes = list(Ball.exact(rows[np.any(rows != 0.0, axis=1)]).row_norms())
        total = bound_above(self.gamma * float(np.sum(sizes)), len(sizes) + 2) if sizes else 0.0
        half = bound_above(0.5 * loss, len(weights) + 2) if loss else 0.0
        return bound_above(half + total, 2) if half or total else 0.0

    def _proved_below(self, A: Floats) -> float:
        X = Ball.exact(self.inputs.T)
        # XᵀD_ia_k for every output k, shape (m, r) each.
        parts = [(X @ Ball.exact(self.masks * column[:, None])).T for column in A.T]
        if self.norm == "nuclear":
            steepest = _spectral_above(parts)
        else:
            sizes = np.stack([part.row_norms() for part in parts])
            if self.norm == "columns":
                steepest = float(np.max(sizes, initial=0.0))
            else:
                squares = bound_above(float(np.max(np.sum(sizes * sizes, axis=0), initial=0.0)), 2 * len(parts))
                steepest = bound_above(math.sqrt(squares), 2)
        return dual_value_below(A, self.targets, self.gamma, steepest)


def _singular_values(weights: Floats) -> Floats:
    """Return the singular values of every W_i, shape (m, min(r, c))."""
    return np.asarray(np.linalg.svd(np.moveaxis(weights, 2, 0), compute_uv=False))


def _nuclear_above(weights: Floats) -> float:
    """Return a proved bound of a matrix's nuclear norm: ½(‖P‖² + ‖Q‖²) + √r·‖W − PQᵀ‖ for W ≈ PQᵀ."""
    if not np.any(weights):
        return 0.0
    left, singular, right = np.linalg.svd(weights, full_matrices=False)
    P, Q = left * np.sqrt(singular), (right * np.sqrt(singular)[:, None]).T
    missing = Ball.exact(weights) - Ball.exact(P) @ Ball.exact(Q).T
    halves = 0.5 * (Ball.exact(P).square_above() + Ball.exact(Q).square_above())
    return bound_above(halves + math.sqrt(min(weights.shape)) * missing.norm_above(), 8)


def _spectral_above(parts: list[Ball]) -> float:
    """Return a proved bound of the largest spectral norm of m matrices; part k holds their columns k, shape (m, r)."""
    mid, rad = (np.stack(arrays, axis=2) for arrays in ([p.mid for p in parts], [p.rad for p in parts]))
    frobenius = np.array([Ball(a, b).norm_above() for a, b in zip(mid, rad, strict=True)])
    largest = float(np.max(np.linalg.svd(mid, compute_uv=False), initial=0.0))
    for slack in SLACKS:
        bound = largest * (1.0 + slack)
        square = Ball.exact(bound * bound * (1.0 - 1e-15) * np.eye(len(parts)))
        doubtful = [Ball(mid[i], rad[i]) for i in np.flatnonzero(frobenius > bound)]
        if all(proves_psd(square - matrix.T @ matrix) for matrix in doubtful):
            return bound
    return float(np.max(frobenius))
