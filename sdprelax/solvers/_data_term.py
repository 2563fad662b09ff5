"""What the loss is to our interior point: its dual value D over the coordinates of A, and where D's domain ends.

Rows of A that add up to 0, as those of cross-entropy do, have c − 1 coordinates: A = BEᵀ with orthonormal columns of E.
Where ∇D is finite at an end of the domain, as for the hinge loss, a *wall* with a multiplier keeps A off; at other
ends, as of entropies, D itself does. Steps end before both.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.linalg

from sdprelax.base import Floats
from sdprelax.problem import DualDomain, Problem

__all__ = ["DataTerm"]


class DataTerm:
    """The dual value of a problem's loss and offset.

    Parameters
    ----------
    problem: the problem in its units.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.loss, self.Y = problem, problem.loss, problem.Y
        self.domain = DualDomain.of(self.loss, self.Y)
        self.ends, self.finite, self.walls = self.domain.ends, self.domain.finite, self.domain.walls

    @cached_property
    def frame(self) -> Floats:
        """E, shape (c, k)."""
        c = self.Y.shape[1]
        return np.asarray(scipy.linalg.helmert(c).T) if self.loss.shift_invariant else np.eye(c)

    @property
    def coordinates(self) -> tuple[int, int]:
        """The shape (n, k) of B."""
        return len(self.Y), self.frame.shape[1]

    def point(self, B: Floats) -> Floats:
        """Return A, shape (n, c), of coordinates."""
        return B @ self.frame.T if self.loss.shift_invariant else B

    def start(self) -> Floats:
        """Return coordinates inside of the domain, as is every multiple s·B with 0 < s ≤ 1; 0 where it has no end."""
        if not np.any(self.finite):
            return np.zeros(self.coordinates)
        P = self.problem.best_offset(np.zeros_like(self.Y)) if self.problem.offset else 0.0
        return self.domain.inward(self.loss.residual(np.zeros_like(self.Y) + P, self.Y)) @ self.frame

    def room(self, B: Floats) -> Floats:
        """Return the distances of A from the lower and upper ends, shape (2, n, c)."""
        return self.domain.room(self.point(B))

    def inside(self, B: Floats) -> bool:
        """Say whether A is inside of the domain."""
        return bool(np.all(self.room(B)[self.finite] > 0.0))

    def gradient(self, B: Floats) -> Floats:
        """Return ∇D in coordinates, shape (n, k)."""
        found = self.loss.dual_gradient(self.point(B), self.Y)
        return found @ self.frame if self.loss.shift_invariant else found

    def hessian(self, B: Floats, barrier: Floats) -> Floats:
        """Return −∇²D and the walls' share in coordinates, shape (n, k, k).

        Parameters
        ----------
        barrier: what every entry of A adds to the diagonal, shape (n, c).
        """
        curved = self.loss.dual_hessian(self.point(B), self.Y)
        if np.any(self.walls):
            curved = curved + barrier[:, :, None] * np.eye(barrier.shape[1])
        return self.frame.T @ curved @ self.frame if self.loss.shift_invariant else curved

    def dual_value(self, B: Floats) -> float:
        """Return D at the point of the domain next to A, with what a penalised offset takes."""
        return self.problem.dual_value(self.problem.admissible(self.point(B)))

    def value(self, predictions: Floats) -> float:
        """Return the loss, with the best offset, of predictions in coordinates, shape (n, k)."""
        problem, P = self.problem, self.point(predictions)
        if not problem.offset:
            return self.loss.value(P, self.Y)
        t = problem.best_offset(P)
        return self.loss.value(P + t, self.Y) + 0.5 * problem.offset_decay * float(t @ t)
