"""A three-layer ReLU network of parallel chains: the deep network that the Lasso over ramps trains."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import Floats, InputError, finite_array
from sdprelax.networks._predictor import query_inputs, register_predictor
from sdprelax.networks.activations.relu import ReLU

__all__ = ["ThreeLayerNetwork"]


@register_predictor("three_layer")
@dataclass(frozen=True, eq=False)
class ThreeLayerNetwork:
    """x ↦ Σ_k (s_k·(xᵀw_k + b_k)₊ + a_k)₊·v_k + t, one neuron per layer in each of m parallel chains.

    Parameters
    ----------
    first: w, shape (d, m).
    first_bias: b, shape (m,).
    second: s, shape (m,).
    second_bias: a, shape (m,).
    output: v, shape (m, c).
    output_bias: t, shape (c,).

    Raises
    ------
    InputError: shapes that do not fit, or entries that are not finite.
    """

    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats
    output: Floats
    output_bias: Floats

    def __post_init__(self) -> None:
        for item in fields(self):
            object.__setattr__(self, item.name, finite_array(item.name, getattr(self, item.name)))
        m = self.first.shape[-1] if self.first.ndim == 2 else -1
        shapes = (self.first_bias.shape, self.second.shape, self.second_bias.shape, self.output.shape[:1])
        if any(shape != (m,) for shape in shapes) or self.output.shape[1:] != self.output_bias.shape:
            raise InputError(
                f"layers of shapes {self.first.shape}, {', '.join(map(str, shapes))} do not fit: expected (d, m), "
                "three of (m,), (m, c) and (c,)."
            )

    def __repr__(self) -> str:
        d, m = self.first.shape
        return f"ThreeLayerNetwork({d} inputs, {m} chains, {self.output.shape[1]} outputs)"

    @property
    def width(self) -> int:
        """Number of chains m."""
        return int(self.first.shape[1])

    def predict(self, X: ArrayLike) -> Floats:
        """Return the outputs, shape (n, c), for inputs of shape (n, d).

        Raises
        ------
        InputError: inputs of another shape.
        """
        inputs = query_inputs(X, self.first.shape[0], False)
        inner = ReLU().apply(inputs @ self.first + self.first_bias)
        predictions: Floats = ReLU().apply(inner * self.second + self.second_bias) @ self.output + self.output_bias
        return predictions

    def penalty(self, p: int) -> float:
        """Return ⅓Σ_k(‖w_k‖_p³ + |s_k|³ + ‖v_k‖³), the penalty that treats the three layers alike."""
        sizes = np.linalg.norm(self.first, ord=p, axis=0), np.abs(self.second), np.linalg.norm(self.output, axis=1)
        return sum(float(np.sum(size**3)) for size in sizes) / 3.0
