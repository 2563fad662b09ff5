"""Linear least squares in the coordinates of the inputs' singular value decomposition."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import Floats, InputError, finite_matrix, target_matrix
from sdprelax.problem import Squared

__all__ = ["Spectrum", "checked_width"]

# Singular values of X below this share of the largest are rounding.
RANK = 1e-12


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The loss ½‖XW − Y‖² as a function of W, with X = UΣVᵀ: all that it takes of n samples is of the size of W.

    With W = VZ + what X does not see, it is ½‖ΣZ‖² − ⟨ΣT, Z⟩ + ½‖Y‖².

    Attributes
    ----------
    values: the singular values σ of X that are not zero, descending, shape (r,).
    basis: V, shape (d, r).
    targets: T = UᵀY, shape (r, c).
    energy: ½‖Y‖².
    """

    values: Floats
    basis: Floats
    targets: Floats
    energy: float

    @staticmethod
    def of(X: ArrayLike, Y: ArrayLike) -> Spectrum:
        """Return that of inputs, shape (n, d), and targets, shape (n, c).

        Raises
        ------
        InputError: data that are no finite numbers, or of different lengths.
        """
        inputs, targets = finite_matrix("X", X), target_matrix("Y", Y)
        if len(inputs) != len(targets):
            raise InputError(f"X has {len(inputs)} rows and Y has {len(targets)}; both must have one row per sample.")
        left, values, right = np.linalg.svd(inputs, full_matrices=False)
        kept = values > RANK * values[0]
        energy = Squared().value(targets, np.zeros_like(targets))
        return Spectrum(values[kept], right[kept].T, left[:, kept].T @ targets, energy)

    @property
    def inner(self) -> Floats:
        """ΣT, which is VᵀXᵀY, shape (r, c)."""
        return self.values[:, None] * self.targets

    def loss(self, Z: Floats) -> float:
        """Return ½‖XW − Y‖² of W = VZ, shape (r, c)."""
        loss, targets = Squared(), self.targets
        outside = self.energy - loss.value(np.zeros_like(targets), targets)
        return max(outside, 0.0) + loss.value(self.values[:, None] * Z, targets)


def checked_width(width: object, most: int) -> int:
    """Return the width of the narrowest layer that counts, at most ``most``; None is no bottleneck.

    Raises
    ------
    InputError: it is no positive integer.
    """
    if width is None:
        return most
    if isinstance(width, bool) or not isinstance(width, Integral) or int(width) < 1:
        raise InputError(f"width is {width!r}; it must be a positive integer, or None for no bottleneck.")
    return min(int(width), most)
