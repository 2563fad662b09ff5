"""A deep linear network: what has no kinks, and yet a narrowest layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import Floats, InputError, finite_array
from sdprelax.networks._predictor import query_inputs, register_predictor

__all__ = ["LinearNetwork"]


@register_predictor("linear")
@dataclass(frozen=True, eq=False)
class LinearNetwork:
    """x ↦ xᵀW_1W_2⋯W_L, with L − 1 hidden layers of one width k and no kinks.

    Parameters
    ----------
    first: W_1, shape (d, k), or (d + 1, k) with ``bias``, whose last row then multiplies a constant 1.
    inner: W_2 to W_{L−1}, shape (L − 2, k, k).
    last: W_L, shape (k, c).
    bias: whether the network appends a constant 1 to its input.

    Raises
    ------
    InputError: shapes that do not fit, or entries that are not finite.
    """

    first: Floats
    inner: Floats
    last: Floats
    bias: bool = False

    def __post_init__(self) -> None:
        for name in ("first", "inner", "last"):
            object.__setattr__(self, name, finite_array(name, getattr(self, name)))
        k = self.first.shape[-1] if self.first.ndim == 2 else -1
        if self.inner.shape[1:] != (k, k) or self.last.ndim != 2 or self.last.shape[0] != k:
            raise InputError(
                f"layers of shapes {self.first.shape}, {self.inner.shape} and {self.last.shape} do not fit: expected "
                "(d, k), (L − 2, k, k) and (k, c)."
            )

    def __repr__(self) -> str:
        d, k = self.first.shape
        outputs = self.last.shape[1]
        return f"LinearNetwork({d - self.bias} inputs, width {k}, depth {self.depth}, {outputs} outputs)"

    @property
    def depth(self) -> int:
        """Number of layers L."""
        return len(self.inner) + 2

    @property
    def layers(self) -> tuple[Floats, ...]:
        """W_1 to W_L."""
        return (self.first, *self.inner, self.last)

    @property
    def product(self) -> Floats:
        """W_1W_2⋯W_L, shape (d, c)."""
        return np.asarray(np.linalg.multi_dot(self.layers))

    def predict(self, X: ArrayLike) -> Floats:
        """Return the outputs, shape (n, c), for inputs of shape (n, d).

        Raises
        ------
        InputError: inputs of another shape.
        """
        found = query_inputs(X, self.first.shape[0], self.bias)
        for layer in self.layers:
            found = found @ layer
        return found
