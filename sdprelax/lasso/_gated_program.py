"""The program of training behind fixed gates, its dual, and intervals that hold its optimum.

With masks D_i = diag(1{Xg_i ≥ 0}) and one matrix W_i (r×c) of weights per gate

    min over W_1, ..., W_m  ½‖Σ_i D_iXW_i − Y‖² + γΣ_i‖W_i‖,      dual: max ⟨A, Y⟩ − ½‖A‖²  s.t. ‖XᵀD_iA‖° ≤ γ,

where ‖·‖ with its dual ‖·‖° is one of those of :mod:`sdprelax.problem.norms` (docs/mathematics/lasso.md, "Gated
networks").

The matrix of all D_iX, of size n×mr, is never formed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats
from sdprelax.problem import Squared, largest_multiple, norms
from sdprelax.problem.norms import Penalty

__all__ = ["GatedFit", "GatedProgram", "Penalty"]


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
    masks: 1{Xg_i ≥ 0} as columns of zeros and ones, shape (n, m); what is proved and trained says so. Reweighting,
        working sets and screening take any D_i.
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
        masked = np.sqrt(np.sum(self.inputs * self.inputs, axis=1) @ (self.masks * self.masks)) * (1.0 + 1e-12)
        widest = np.max(np.abs(self.masks), axis=0, initial=0.0) * np.linalg.norm(self.inputs, 2) * (1.0 + 1e-12)
        return np.asarray(np.minimum(masked, widest))

    def sizes(self, weights: Floats) -> Floats:
        """Return every gate's norm ‖W_i‖, shape (m,)."""
        return norms.sizes(weights, self.norm)

    def steepness(self, slopes: Floats) -> Floats:
        """Return every gate's dual norm ‖XᵀD_iA‖°, shape (m,), from :meth:`correlate`."""
        return norms.steepness(slopes, self.norm)

    def shrunk(self, weights: Floats, threshold: float) -> Floats:
        """Return the proximal map of threshold·Σ‖W_i‖."""
        return norms.shrunk(weights, threshold, self.norm)

    def value(self, weights: Floats, prediction: Floats) -> float:
        """Return the objective of weights whose prediction is known."""
        return Squared().value(prediction, self.targets) + self.gamma * float(np.sum(self.sizes(weights)))

    def feasible(self, A: Floats, steepest: float) -> tuple[float, float]:
        """Return (s, dual value at sA) for the best multiple s ≥ 0 of A that is feasible.

        Parameters
        ----------
        steepest: the largest ‖XᵀD_iA‖°.
        """
        ray = Squared().ray(A, self.targets)
        scale = float(ray.best(largest_multiple(steepest, self.gamma)))
        return scale, ray.value(scale)
