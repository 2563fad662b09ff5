"""Loss ``cross_entropy``: of distributions over classes, from the softmax of scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import softmax, wrightomega, xlogy

from sdprelax.base import Ball, Floats, InputError, enclosed_rows, entropy, log_sum_exp, optional
from sdprelax.problem.losses import Loss, losses
from sdprelax.problem.losses._entrywise import ROUNDING

__all__ = ["CrossEntropy"]

# What a row of targets may miss 1 by: distributions in single precision are taken.
ROUNDED = 1e-6
# What a row of a dual point may miss 0 by and still be taken for one of floating point.
BALANCED = 1e-9
# Newton steps of the proximal map; they start left of the root of a convex function, so that none overshoots.
STEPS = 100


@losses.register("cross_entropy")
@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy Σ_i(s_i·log Σ_k exp(p_ik) − ⟨Y_i, P_i⟩) of distributions over classes, soft labels too.

    A row y ≥ 0 of targets adds up to s = 1 up to rounding; with s as it is, the loss of a row does not change where a
    constant is added to its scores. Its dual value is −Σ q·log(q/s) where q = y − a ≥ 0 and rows of A add up to 0.
    """

    targets: ClassVar[Literal["numbers", "simplex", "signs", "counts"]] = "simplex"
    curvature: ClassVar[float] = 0.5 * (1.0 + ROUNDED)
    shift_invariant: ClassVar[bool] = True

    def check(self, Y: Floats) -> None:
        """Refuse rows that are no distributions over two classes or more.

        Raises
        ------
        InputError: one column, a negative entry, or a row that does not add up to 1.
        """
        if Y.shape[1] < 2:
            raise InputError(
                "cross_entropy takes one column of Y per class; for labels −1 and +1 take loss 'logistic'."
            )
        wrong = np.any(Y < 0.0, axis=1) | (np.abs(np.sum(Y, axis=1) - 1.0) > ROUNDED)
        if np.any(wrong):
            i = int(np.argmax(wrong))
            raise InputError(
                f"row {i} of Y is no distribution over classes; cross_entropy takes rows of numbers ≥ 0 that add up to "
                "1 (sdprelax.one_hot makes them of labels)."
            )

    def values(self, P: Floats, Y: Floats) -> Floats:
        """Return s·log Σ exp(p_k) − ⟨y, p⟩, as a sum of what is not negative."""
        below = np.max(P, axis=1, keepdims=True) - P
        others = np.exp(-below)
        others[np.arange(len(P)), np.argmax(P, axis=1)] = 0.0
        return np.asarray(np.sum(Y * below, axis=1) + np.sum(Y, axis=1) * np.log1p(np.sum(others, axis=1)))

    def values_above(self, P: Ball, Y: Ball) -> Floats:
        """Return proved upper bounds of s·log Σ exp(p_k) − ⟨y, p⟩, shape (n,)."""

        def value(p: Any, y: Any) -> Any:
            return sum(y) * log_sum_exp(p) - sum(a * b for a, b in zip(y, p, strict=True))

        return enclosed_rows(value, P, Y)[1]

    def residual(self, P: Floats, Y: Floats) -> Floats:
        """Return y − s·softmax(p); the entry of the likeliest class is minus the sum of the others, which are small."""
        A = Y - np.sum(Y, axis=1, keepdims=True) * softmax(P, axis=1)
        rows, likeliest = np.arange(len(P)), np.argmax(P, axis=1)
        A[rows, likeliest] = 0.0
        A[rows, likeliest] = -np.sum(A, axis=1)
        return np.asarray(A)

    def probabilities(self, P: Floats) -> Floats | None:
        """Return softmax(p)."""
        return np.asarray(softmax(P, axis=1))

    def dual_values(self, A: Floats, Y: Floats) -> Floats:
        """Return −Σ q·log(q/s), shape (n,); −∞ where a q is negative or the row of A does not add up to 0."""
        q, s = Y - A, np.sum(Y, axis=1, keepdims=True)
        inside = np.all(q >= -ROUNDING * Y, axis=1) & (np.abs(np.sum(A, axis=1)) <= BALANCED)
        q = np.where(inside[:, None], np.maximum(q, 0.0), 1.0)
        return np.asarray(np.where(inside, -np.sum(xlogy(q, q / s), axis=1), -np.inf))

    def dual_values_below(self, A: Ball, Y: Ball) -> Floats:
        """Return proved lower bounds of s·log s − Σ q·log q, shape (n,)."""

        def value(a: Any, y: Any) -> Any:
            s = sum(y)
            return sum((entropy(b - c) for b, c in zip(y, a, strict=True)), s * s.log())

        known = np.all(Y.rad == 0.0, axis=1) & np.all(np.isfinite(A.mid) & np.isfinite(A.rad), axis=1)
        return np.where(known, enclosed_rows(value, A, Y)[0], -np.inf)

    def dual_range(self, Y: Floats) -> tuple[Floats, Floats]:
        """Return y − s and y."""
        return Y - np.sum(Y, axis=1, keepdims=True), Y

    def dual_gradient(self, A: Floats, Y: Floats) -> Floats:
        """Return log q, up to a number of the row."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(Y - A))

    def proximal(self, P: Floats, Y: Floats, step: float | Floats) -> Floats:
        """Return the Q with Q = P + step·(y − s·softmax(Q)).

        With μ = log Σ exp(Q_k), u_k = step·s·exp(Q_k − μ) is Wright's ω of P_k + step·y_k − μ + log(step·s), and their
        sum is step·s: a decreasing convex equation for μ.
        """
        whole = step * np.sum(Y, axis=1, keepdims=True)
        free = P + step * Y
        largest = np.max(free, axis=1, keepdims=True)
        shifted = free - largest + np.log(whole)
        mu = -whole
        for _ in range(STEPS):
            u = wrightomega(shifted - mu)
            moved = mu + (np.sum(u, axis=1, keepdims=True) - whole) / np.sum(u / (1.0 + u), axis=1, keepdims=True)
            if np.all(np.abs(moved - mu) <= 2.0**-50 * np.maximum(np.abs(mu), 1.0)):
                break
            mu = moved
        u = wrightomega(shifted - mu)
        # Where u is large, Q is the small difference of two large numbers.
        far = largest + mu + np.log(np.maximum(u, 1.0) / whole)
        return np.asarray(np.where(u > 1.0, far, free - u))

    def hessian(self, P: Floats, Y: Floats) -> Floats:
        """Return s(diag(σ) − σσᵀ), σ the softmax of p, shape (n, c, c)."""
        sigma = softmax(P, axis=1)
        matrices = -sigma[:, :, None] * sigma[:, None, :]
        places = np.arange(P.shape[1])
        # 1 − σ_k as a sum of the others, which keeps its digits.
        matrices[:, places, places] = 0.0
        matrices[:, places, places] = -np.sum(matrices, axis=2)
        return np.asarray(np.sum(Y, axis=1)[:, None, None] * matrices)

    def dual_hessian(self, A: Floats, Y: Floats) -> Floats:
        """Return diag(1/q), shape (n, c, c), of which only directions whose entries add up to 0 are feasible."""
        places = np.arange(A.shape[1])
        matrices = np.zeros((*A.shape, A.shape[1]))
        with np.errstate(divide="ignore"):
            matrices[:, places, places] = 1.0 / (Y - A)
        return matrices

    def expressions(self, P: Any, Y: Floats) -> Any:
        """Return s·log Σ exp(p_k) − ⟨y, p⟩ of a CVXPY expression."""
        cp = optional("cvxpy")

        return cp.multiply(np.sum(Y, axis=1), cp.log_sum_exp(P, axis=1)) - cp.sum(cp.multiply(Y, P), axis=1)

    def tensors(self, P: Any, Y: Any) -> Any:
        """Return s·log Σ exp(p_k) − ⟨y, p⟩ of PyTorch tensors."""
        return Y.sum(dim=-1) * P.logsumexp(dim=-1) - (Y * P).sum(dim=-1)
