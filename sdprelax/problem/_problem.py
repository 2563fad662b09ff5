"""The training problem of docs/mathematics/problem.md, and the functional that all its views share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from sdprelax.base import Ball, Floats, InputError, bound_above, finite_array, finite_matrix, target_matrix
from sdprelax.networks import Activation, Network, Pipeline, ReLU, activations, append_bias
from sdprelax.problem.losses import Loss, losses
from sdprelax.problem.losses.squared import Squared

__all__ = ["Problem", "ridge_value"]

# What an upper bound is raised by, relatively: sums in the order of another processor differ by a tenth of it.
PORTABLE = 1e-13


def _weight_decay(value: object) -> float:
    """Return γ as a float."""
    written = value.item() if isinstance(value, np.generic) else value
    try:
        decay = finite_array("gamma", value)
    except InputError:
        decay = np.zeros(())
    if isinstance(written, bool) or decay.shape != () or decay <= 0.0:
        raise InputError(f"gamma is {written!r}; it must be a positive finite number.")
    return float(decay)


@dataclass(frozen=True, eq=False, init=False)
class Problem:
    """Training an infinite-width two-layer network with weight decay.

        p* = inf over all widths m, U (d×m), V (m×c) of  ℓ(φ(XU)V; Y) + (γ/2)(‖U‖²_F + ‖V‖²_F)

    with a loss ℓ, by default ½‖φ(XU)V − Y‖²_F, and an activation φ, by default ReLU.

    Parameters
    ----------
    X: inputs, shape (n, d).
    Y: targets, shape (n, c), or (n,) for one output. Class labels become targets by :func:`sdprelax.one_hot`; a single
        column of integers, which could be labels, is refused.
    gamma: weight decay γ > 0.
    bias: append a column of ones to ``X``; the bias is regularised like any weight.
    queries: inputs at which predictions will be wanted, shape (t, d). They have no loss, so p* does not depend on
        them; a transductive method may look at them (``sdp`` with ``transductive``).
    loss: ℓ, an entry of ``sdprelax.problem.losses``: its name, {name: {option: value}}, or one itself.
    activation: φ, an entry of ``sdprelax.networks.activations``, given in the same ways.

    Raises
    ------
    InputError: data that are no finite real numbers (text, dates, categories, complex, masked or missing entries),
        class labels, lengths that differ, targets that the loss does not take (for the squared one: so large that ‖Y‖²
        overflows), γ that is not a positive finite number, a bias that is not True or False, an unknown loss or
        activation.
    """

    X: Floats
    Y: Floats
    gamma: float
    bias: bool = False
    queries: Floats | None = None
    loss: Loss = Squared()  # noqa: RUF009 (frozen)
    activation: Activation = ReLU()  # noqa: RUF009 (frozen)

    def __init__(
        self, X: ArrayLike, Y: ArrayLike, gamma: float, bias: bool = False, queries: ArrayLike | None = None,
        loss: str | Mapping[str, Any] | Loss = "squared", activation: str | Mapping[str, Any] | Activation = "relu",
    ) -> None:  # fmt: skip
        inputs, targets = finite_matrix("X", X), target_matrix("Y", Y)
        asked = None if queries is None else finite_matrix("queries", queries)
        if asked is not None and asked.shape[1] != inputs.shape[1]:
            raise InputError(
                f"queries have {asked.shape[1]} columns and X has {inputs.shape[1]}; both must have the same."
            )
        if inputs.shape[0] != targets.shape[0]:
            raise InputError(
                f"X has {inputs.shape[0]} rows and Y has {targets.shape[0]}; both must have one row per sample."
            )
        chosen = losses.given(loss)
        chosen.check(targets)
        if not isinstance(bias, (bool, np.bool_)):
            raise InputError(f"bias is {bias!r}; it must be True or False.")
        object.__setattr__(self, "X", inputs)
        object.__setattr__(self, "Y", targets)
        object.__setattr__(self, "gamma", _weight_decay(gamma))
        object.__setattr__(self, "bias", bool(bias))
        object.__setattr__(self, "queries", asked)
        object.__setattr__(self, "loss", chosen)
        object.__setattr__(self, "activation", activations.given(activation))
        slopes = self.activation.slopes
        if not (all(math.isfinite(slope) for slope in slopes) and any(slopes)):
            raise InputError(f"the activation has the slopes {slopes}; both must be finite numbers, and not both 0.")

    def __repr__(self) -> str:
        n, d, c = self.shape
        loss = "" if self.loss == type(self).loss else f", loss={self.loss}"
        activation = "" if self.activation == type(self).activation else f", activation={self.activation}"
        return f"Problem(n={n}, d={d}, c={c}, gamma={self.gamma!r}, bias={self.bias}{loss}{activation})"

    @cached_property
    def inputs(self) -> Floats:
        """What the hidden layer sees: ``X``, with its column of ones if there is a bias."""
        return append_bias(self.X) if self.bias else self.X

    @property
    def query_inputs(self) -> Floats:
        """What the hidden layer sees of the queries, shape (t, d); of none, t = 0."""
        asked = np.zeros((0, self.X.shape[1])) if self.queries is None else self.queries
        return append_bias(asked) if self.bias else asked

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, d, c): samples, inputs of the hidden layer (bias included), outputs."""
        return self.inputs.shape[0], self.inputs.shape[1], self.Y.shape[1]

    def network(self, hidden: Floats, output: Floats) -> Network:
        """Return the network of hidden weights, shape (d, m), bias included, and output weights, shape (m, c)."""
        return Network(hidden, output, self.bias, self.activation)

    def empty_network(self) -> Network:
        """Return the network without neurons, which predicts zero."""
        _, d, c = self.shape
        return self.network(np.zeros((d, 0)), np.zeros((0, c)))

    def _check_fits(self, network: Network) -> None:
        if not isinstance(network, Network):
            instead = "; its network is its .predictor" if isinstance(network, Pipeline) else ""
            raise InputError(f"an objective is that of a Network, not of a {type(network).__name__}{instead}.")
        _, d, c = self.shape
        fits = network.hidden.shape[0] == d and network.output.shape[1] == c and network.bias == self.bias
        if not fits:
            raise InputError(
                f"the network takes {network.hidden.shape[0]} inputs (bias: {network.bias}) and gives "
                f"{network.output.shape[1]} outputs; this problem has {d} (bias: {self.bias}) and {c}."
            )
        if network.width and network.activation != self.activation:
            raise InputError(
                f"the network has the activation {network.activation}, and this problem has {self.activation}."
            )

    def objective(self, network: Network) -> float:
        """Return p(U, V) in floating point; :meth:`upper_bound` is the rigorous version."""
        self._check_fits(network)
        penalty = float(np.sum(network.hidden**2) + np.sum(network.output**2))
        return self.loss.value(network.predict(self.X), self.Y) + 0.5 * self.gamma * penalty

    def upper_bound(self, network: Network) -> float:
        """Return an upper bound of p*: :meth:`attained`, raised so little that other machines' rounding attains it."""
        return self.attained(network) * (1.0 + PORTABLE)

    def attained(self, network: Network) -> float:
        """Return a float that is proved to be at least the network's exact objective, hence at least p*."""
        self._check_fits(network)
        hidden, output = Ball.exact(network.hidden), Ball.exact(network.output)
        predictions = self.activation.enclosed(Ball.exact(self.inputs) @ hidden) @ output
        penalty = hidden.square_above() + output.square_above()
        loss = self.loss.value_above(predictions, Ball.exact(self.Y))
        if not math.isfinite(penalty):
            # Squares of weights may overflow where γ times them does not.
            decay = _scaled_square_above(Fraction(self.gamma) / 2, [network.hidden, network.output])
            return bound_above(loss + decay, 6)
        # Half of a subnormal γ may be rounded down.
        half = 0.5 * self.gamma if self.gamma > 2.0**-1000 else self.gamma
        return bound_above(loss + half * penalty, 6) if loss or penalty else 0.0

    def dual_value(self, A: Floats) -> float:
        """Return the dual objective D(A) in floating point at ``A``, shape (n, c); squared loss: ⟨A, Y⟩ − ½‖A‖²."""
        return self.loss.dual_value(A, self.Y)

    def residual(self, predictions: Floats) -> Floats:
        """Return A = −∇ℓ at predictions, shape (n, c); squared loss: Y − predictions."""
        return self.loss.residual(predictions, self.Y)


def _scaled_square_above(factor: Fraction, parts: Sequence[Floats]) -> float:
    """Return an upper bound of a factor times the sum of all squares, none of which is formed."""
    total = Fraction(0)
    for part in parts:
        unit = math.ldexp(1.0, math.frexp(float(np.max(np.abs(part), initial=0.0)))[1] - 1)
        total += Fraction(Ball.exact(part).over(unit).square_above()) * Fraction(unit) ** 2
    try:
        return math.nextafter(float(factor * total), math.inf)
    except OverflowError:
        return math.inf


def ridge_value(K: Floats, Y: Floats, gamma: float) -> float:
    """Return min over V-space predictors of the kernel ridge problem: (γ/2)·tr Yᵀ(K + γI)⁻¹Y.

    Eliminating the output layer from any kernel view of the training problem leaves this
    functional of its kernel (docs/mathematics/problem.md, "Kernel form").

    Parameters
    ----------
    K: kernel on the training points, shape (n, n), positive semidefinite.
    Y: targets, shape (n, c).
    gamma: ridge γ > 0.
    """
    factor = scipy.linalg.cho_factor(K + gamma * np.eye(K.shape[0]))
    return 0.5 * gamma * float(np.sum(Y * scipy.linalg.cho_solve(factor, Y)))
