"""Designs of programs in memory: the matrices Φ_i (n×p) before the weights W_i (p×c) of m groups.

What a program asks of either is the same: products with all of them, some of them, kernels; never the matrix
[Φ_1, ..., Φ_m] itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats

__all__ = ["Directions", "Masked"]

Selected = NDArray[np.intp] | NDArray[np.bool_]

# What a computed norm may be too small by, relatively.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Directions:
    """Φ_k = φ_k, one column: the activations of a neuron of fixed direction. Groups of one weight per output.

    Parameters
    ----------
    features: φ_k as columns, shape (n, m).
    """

    features: Floats

    @property
    def groups(self) -> int:
        """m."""
        return int(self.features.shape[1])

    @property
    def width(self) -> int:
        """p = 1."""
        return 1

    @property
    def lengths(self) -> Floats:
        """‖φ_k‖, shape (m,)."""
        return np.asarray(np.linalg.norm(self.features, axis=0) * (1.0 + ROUNDING))

    def over(self, groups: Selected) -> Directions:
        """Return some of the groups."""
        return Directions(self.features[:, groups])

    def centred(self) -> Directions:
        """Return the columns less their means."""
        return Directions(self.features - np.mean(self.features, axis=0))

    def predict(self, weights: Floats) -> Floats:
        """Return Σ_kφ_kw_k, shape (n, c)."""
        return np.asarray(self.features @ weights[:, 0])

    def correlate(self, A: Floats) -> Floats:
        """Return φ_kᵀA, shape (m, 1, c)."""
        return np.asarray((self.features.T @ A)[:, None])

    def images(self, weights: Floats) -> Floats:
        """Return φ_kw_k, shape (n, m), of weights of shape (m, 1)."""
        return np.asarray(self.features * weights[:, 0])

    def kernel(self, eta: Floats) -> Floats:
        """Return Σ_kη_kφ_kφ_kᵀ, shape (n, n)."""
        return np.asarray((self.features * eta) @ self.features.T)


@dataclass(frozen=True, eq=False)
class Masked:
    """Φ_i = D_iX behind gates, D_i = diag of column i of the masks.

    Parameters
    ----------
    inputs: X, shape (n, p).
    masks: 1{Xg_i ≥ 0} as columns of zeros and ones, shape (n, m); what is proved and trained says so. Screening takes
        any D_i.
    """

    inputs: Floats
    masks: Floats

    @property
    def groups(self) -> int:
        """m."""
        return int(self.masks.shape[1])

    @property
    def width(self) -> int:
        """p."""
        return int(self.inputs.shape[1])

    @property
    def lengths(self) -> Floats:
        """Bounds of ‖D_iX‖₂, shape (m,): the lesser of ‖X‖₂ and ‖D_iX‖_F."""
        if not self.inputs.size:
            return np.zeros(self.groups)
        masked = np.sqrt(np.sum(self.inputs * self.inputs, axis=1) @ (self.masks * self.masks)) * (1.0 + ROUNDING)
        widest = np.max(np.abs(self.masks), axis=0, initial=0.0) * np.linalg.norm(self.inputs, 2) * (1.0 + ROUNDING)
        return np.asarray(np.minimum(masked, widest))

    def over(self, groups: Selected) -> Masked:
        """Return some of the groups."""
        part = Masked(self.inputs, np.ascontiguousarray(self.masks[:, groups]))
        if "_gram" in vars(self):
            vars(part)["_gram"] = self._gram
        return part

    def predict(self, weights: Floats) -> Floats:
        """Return Σ_iD_iXW_i, shape (n, c)."""
        groups, width, outputs = weights.shape
        summed = (self.masks @ weights.reshape(groups, width * outputs)).reshape(len(self.masks), width, outputs)
        return np.asarray(np.einsum("ij,ijk->ik", self.inputs, summed))

    def correlate(self, A: Floats) -> Floats:
        """Return XᵀD_iA, shape (m, p, c)."""
        (n, outputs), width = A.shape, self.width
        products = (self.inputs[:, :, None] * A[:, None]).reshape(n, width * outputs)
        return np.asarray((self.masks.T @ products).reshape(self.groups, width, outputs))

    def images(self, weights: Floats) -> Floats:
        """Return D_iXw_i, shape (n, m), of weights of shape (m, p)."""
        return np.asarray(self.masks * (self.inputs @ weights.T))

    def kernel(self, eta: Floats) -> Floats:
        """Return Σ_iη_iD_iXXᵀD_i, shape (n, n)."""
        return np.asarray(self._gram * ((self.masks * eta) @ self.masks.T))

    @cached_property
    def _gram(self) -> Floats:
        return np.asarray(self.inputs @ self.inputs.T)
