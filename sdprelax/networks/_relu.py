"""A two-layer network of finite width, whose objective is an upper bound of p*."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import Floats, InputError, finite_array
from sdprelax.networks._predictor import load_pipeline, query_inputs, register_predictor, save_predictor
from sdprelax.networks.activations import Activation, activations
from sdprelax.networks.activations.relu import ReLU

__all__ = ["Network", "bare_network"]


@register_predictor("network")
@dataclass(frozen=True, eq=False)
class Network:
    """x ↦ φ(xᵀU)V + t, with hidden weights U, output weights V, an activation φ and an offset t.

    Parameters
    ----------
    hidden: U, shape (d, m), or (d + 1, m) with ``bias``, whose last row then multiplies a constant 1.
    output: V, shape (m, c).
    bias: whether the network appends a constant 1 to its input.
    activation: φ, a registered activation or its name.
    offset: t, the biases of the outputs, shape (c,); None for a network without.
    """

    hidden: Floats
    output: Floats
    bias: bool = False
    activation: Activation = ReLU()  # noqa: RUF009 (frozen)
    offset: Floats | None = None

    def __post_init__(self) -> None:
        hidden, output = finite_array("hidden weights", self.hidden), finite_array("output weights", self.output)
        if hidden.ndim != 2 or output.ndim != 2 or hidden.shape[1] != output.shape[0]:
            raise InputError(
                f"hidden weights of shape {hidden.shape} and output weights of shape {output.shape} do not fit: "
                "expected (d, m) and (m, c)."
            )
        if not isinstance(self.bias, (bool, np.bool_)):
            raise InputError(f"bias is {self.bias!r}; it must be True or False.")
        object.__setattr__(self, "hidden", hidden)
        object.__setattr__(self, "output", output)
        object.__setattr__(self, "bias", bool(self.bias))
        object.__setattr__(self, "activation", activations.given(self.activation))
        if self.offset is not None:
            offset = finite_array("offset", self.offset)
            if offset.shape != output.shape[1:]:
                raise InputError(
                    f"the offset has shape {offset.shape}; it must be {output.shape[1:]}, one number per output."
                )
            object.__setattr__(self, "offset", offset)

    def __repr__(self) -> str:
        inputs, outputs = self.hidden.shape[0] - self.bias, self.output.shape[1]
        offset = "" if self.offset is None else ", offset"
        return f"Network({inputs} inputs, {self.width} neurons, {outputs} outputs, bias={self.bias}{offset})"

    @staticmethod
    def empty(inputs: int, outputs: int, bias: bool = False) -> Network:
        """Return the network without neurons, which predicts zero."""
        return Network(np.zeros((inputs + bias, 0)), np.zeros((0, outputs)), bias)

    @property
    def width(self) -> int:
        """Number of neurons m."""
        return int(self.hidden.shape[1])

    def predict(self, X: ArrayLike) -> Floats:
        """Return the outputs, shape (n, c), for inputs of shape (n, d)."""
        inputs = query_inputs(X, self.hidden.shape[0], self.bias)
        predictions: Floats = self.activation.apply(inputs @ self.hidden) @ self.output
        return predictions if self.offset is None else predictions + self.offset

    def balanced(self) -> Network:
        """Return the same function with ‖u_k‖ = ‖v_k‖ for every neuron, dead neurons dropped.

        Positive homogeneity lets each neuron be rescaled; the balanced one has the least penalty.
        """
        norm_in, norm_out = _lengths(self.hidden), _lengths(self.output.T)
        alive = (norm_in > 0.0) & (norm_out > 0.0)
        scale = np.sqrt(norm_out[alive]) / np.sqrt(norm_in[alive])
        return replace(self, hidden=self.hidden[:, alive] * scale, output=self.output[alive] / scale[:, None])

    def merged(self, tolerance: float = 0.0) -> Network:
        """Return the network with neurons of one direction added up, then balanced.

        Parameters
        ----------
        tolerance: two neurons are one when their unit hidden weights differ by at most this
            (Euclidean); 0 merges equal directions only and keeps the function.
        """
        balanced = self.balanced()
        norms = np.linalg.norm(balanced.hidden, axis=0)
        directions = balanced.hidden / norms
        free = np.ones(balanced.width, dtype=bool)
        hidden, output = [], []
        for k in np.argsort(-norms):
            if not free[k]:
                continue
            distance = np.linalg.norm(directions - directions[:, [k]], axis=0)
            group = free & (distance <= tolerance + 4 * np.finfo(float).eps)
            free &= ~group
            hidden.append(directions[:, k])
            output.append(norms[group] @ balanced.output[group])
        if not hidden:
            return balanced
        return replace(self, hidden=np.column_stack(hidden), output=np.vstack(output)).balanced()

    def pruned(self, share: float) -> Network:
        """Return the network without the neurons whose ‖u_k‖‖v_k‖ is at most ``share`` of the largest."""
        size = np.linalg.norm(self.hidden, axis=0) * np.linalg.norm(self.output, axis=1)
        keep = size > share * np.max(size, initial=0.0)
        return replace(self, hidden=self.hidden[:, keep], output=self.output[keep])

    def save(self, path: str | Path) -> None:
        """Write the weights to an ``.npz`` file."""
        save_predictor(path, self)

    @staticmethod
    def load(path: str | Path) -> Network:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError: the file holds no network, or preprocessing of the inputs too, which a network alone would lose.
        """
        if load_pipeline(path).preprocessing.changes:
            raise InputError(
                f"{path} holds a network with the preprocessing of its data: sdprelax.load_predictor(path) predicts "
                "with both, and its .predictor is the network alone."
            )
        return bare_network(path)


def bare_network(path: str | Path) -> Network:
    """Return the network of a file without the preprocessing that may be stored beside it.

    Raises
    ------
    InputError: the file is not a network.
    """
    found = load_pipeline(path).predictor
    if not isinstance(found, Network):
        raise InputError(f"{path} is not a readable network: it holds a {type(found).__name__}.")
    return found


def _lengths(columns: Floats) -> Floats:
    """Return the Euclidean norm of every column, without overflow or underflow of squares."""
    largest = np.max(np.abs(columns), axis=0, initial=0.0)
    return np.asarray(largest * np.linalg.norm(columns / np.where(largest > 0.0, largest, 1.0), axis=0))
