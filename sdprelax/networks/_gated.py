"""A gated ReLU network: each neuron is switched by a fixed gate, not by its own weights.

Mishkin, Sahiner and Pilanci, *Fast convex optimization for two-layer ReLU networks* (ICML 2022). It predicts, but is
not a ReLU network, so that its objective bounds p* on neither side (docs/mathematics/lasso.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import Floats, InputError, finite_array
from sdprelax.networks._predictor import query_inputs, register_predictor

__all__ = ["GatedNetwork"]


@register_predictor("gated")
@dataclass(frozen=True, eq=False)
class GatedNetwork:
    """x ↦ Σ_i 1{xᵀg_i ≥ 0}·xᵀW_i + t, with gates g_i, weights W_i and an offset t.

    Parameters
    ----------
    gates: g, shape (d, m), or (d + 1, m) with ``bias``, whose last row then multiplies a constant 1.
    weights: W, shape (m, d, c), or (m, d + 1, c) with ``bias``.
    bias: whether the network appends a constant 1 to its input.
    offset: t, shape (c,); None for a network without.

    Raises
    ------
    InputError: shapes that do not fit, or entries that are not finite.
    """

    gates: Floats
    weights: Floats
    bias: bool = False
    offset: Floats | None = None

    def __post_init__(self) -> None:
        gates, weights = finite_array("gates", self.gates), finite_array("weights", self.weights)
        if gates.ndim != 2 or weights.ndim != 3 or gates.shape != weights.shape[1::-1]:
            raise InputError(
                f"gates of shape {gates.shape} and weights of shape {weights.shape} do not fit: expected (d, m) "
                "and (m, d, c)."
            )
        object.__setattr__(self, "gates", gates)
        object.__setattr__(self, "weights", weights)
        if self.offset is not None:
            offset = finite_array("offset", self.offset)
            if offset.shape != weights.shape[2:]:
                raise InputError(
                    f"the offset has shape {offset.shape}; it must be {weights.shape[2:]}, one number per output."
                )
            object.__setattr__(self, "offset", offset)

    def __repr__(self) -> str:
        count, inputs, outputs = self.weights.shape
        offset = "" if self.offset is None else ", offset"
        return f"GatedNetwork({inputs - self.bias} inputs, {count} gates, {outputs} outputs, bias={self.bias}{offset})"

    def predict(self, X: ArrayLike) -> Floats:
        """Return the outputs, shape (n, c), for inputs of shape (n, d).

        Raises
        ------
        InputError: inputs of another shape.
        """
        inputs = query_inputs(X, self.gates.shape[0], self.bias)
        opened = inputs @ self.gates >= 0.0
        outputs = np.empty((len(inputs), self.weights.shape[2]))
        for k in range(outputs.shape[1]):
            outputs[:, k] = np.sum(inputs @ self.weights[:, :, k].T, axis=1, where=opened)
        return outputs if self.offset is None else outputs + self.offset
