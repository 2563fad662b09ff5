"""The training problem of docs/mathematics/problem.md, and the functional that all its views share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from sdprelax.base import Ball, Floats, InputError, bound_above, finite_array, finite_matrix, one_hot, target_matrix
from sdprelax.networks import (
    Activation,
    Network,
    Pipeline,
    Predictor,
    Preprocessing,
    ReLU,
    activations,
    append_bias,
    decided,
)
from sdprelax.problem._targets import targets_for
from sdprelax.problem.losses import Loss, Weighted, losses, tilt_of
from sdprelax.problem.losses.squared import Squared

__all__ = ["Problem", "ridge_value"]

# What an upper bound is raised by, relatively: sums in the order of another processor differ by a tenth of it.
PORTABLE = 1e-13
# Targets of a loss without a degree, which cannot be scaled, beyond which certificates hold no numbers.
LARGEST_TARGET = 2.0**100


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


def _offset(value: Any) -> bool | float | Literal["penalised"]:
    """Return an offset as it is stored."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, str) and value == "penalised":
        return "penalised"
    if isinstance(value, (int, float, np.number)) and 0.0 < value < math.inf:
        return float(value)
    raise InputError(f"offset is {value!r}; it must be True, False, 'penalised' or a positive finite number.")


@dataclass(frozen=True, eq=False, init=False)
class Problem:
    """Training an infinite-width two-layer network with weight decay.

        p* = inf over all widths m, U (d×m), V (m×c) of  ℓ(φ(XU)V + 1tᵀ; Y) + (γ/2)(‖U‖²_F + ‖V‖²_F)

    with a loss ℓ, by default ½‖φ(XU)V − Y‖²_F, an activation φ, by default ReLU, and an offset t, by default 0.

    Parameters
    ----------
    X: inputs, shape (n, d).
    Y: targets, shape (n, c), or (n,) for one output. Class labels become targets by :func:`sdprelax.one_hot`; a single
        column of integers, which could be labels, is refused.
    gamma: weight decay γ > 0.
    bias: append a column of ones to ``X``.
    penalise_bias: whether that bias is regularised like any weight; if not, a neuron costs (γ/2)(‖u‖² + ‖v‖²) whatever
        its bias, and one with u = 0 makes any constant output for nothing, as a free offset does.
    queries: inputs at which predictions will be wanted, shape (t, d). They have no loss, so p* does not depend on
        them; a transductive method may look at them (``sdp`` with ``transductive``).
    loss: ℓ, an entry of ``sdprelax.problem.losses``: its name, {name: {option: value}}, or one itself.
    activation: φ, an entry of ``sdprelax.networks.activations``, given in the same ways.
    offset: whether the outputs have biases t of their own, which cost nothing; "penalised" where they cost (γ/2)‖t‖²,
        or a number δ > 0 where they cost (δ/2)‖t‖².
    sample_weight: w, shape (n,), positive: ℓ is then Σ_i w_iℓ_i. ``problem.loss`` has them in it.
    class_weight: what samples' weights are multiplied by, by class: one number per output, for targets whose rows are
        distributions over the classes, of their likeliest one (or ±1, of the one +1); for one output of ±1 those of −1
        and of +1; or "balanced", n/(k·n_j) for the n_j samples of each of the k classes.

    Attributes
    ----------
    columns: names of the inputs where X is a table, else (); ``dataclasses.replace`` does not keep them.
    classes: names of the outputs of :meth:`from_labels` (two of one output of ±1), else None; not kept either.

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
    offset: bool | float | Literal["penalised"] = False
    penalise_bias: bool = True
    # X and Y of another shape, as presolving has them, have none of these names.
    columns: tuple[str, ...] = field(default=(), init=False)
    classes: tuple[str, ...] | None = field(default=None, init=False)

    def __init__(
        self, X: ArrayLike, Y: ArrayLike, gamma: float, bias: bool = False, queries: ArrayLike | None = None,
        loss: str | Mapping[str, Any] | Loss = "squared", activation: str | Mapping[str, Any] | Activation = "relu",
        offset: bool | float | Literal["penalised"] = False, penalise_bias: bool = True, *,
        sample_weight: ArrayLike | None = None, class_weight: ArrayLike | Literal["balanced"] | None = None,
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
        chosen = loss if isinstance(loss, Weighted) else losses.given(loss)
        chosen.check(targets)
        if chosen.degree is None and np.max(np.abs(targets), initial=0.0) > LARGEST_TARGET:
            raise InputError("Y is so large that this loss, which has no other unit of targets, proves nothing.")
        chosen = _weighted(chosen, targets, sample_weight, class_weight)
        if not isinstance(bias, (bool, np.bool_)):
            raise InputError(f"bias is {bias!r}; it must be True or False.")
        if not isinstance(penalise_bias, (bool, np.bool_)) or not (penalise_bias or bias):
            raise InputError(
                f"penalise_bias is {penalise_bias!r} and bias is {bias!r}; penalise_bias must be True or False, and "
                "False only with bias=True."
            )
        object.__setattr__(self, "columns", tuple(str(name) for name in getattr(X, "columns", ())))
        object.__setattr__(self, "classes", None)
        object.__setattr__(self, "penalise_bias", bool(penalise_bias))
        object.__setattr__(self, "offset", _offset(offset))
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

    @classmethod
    def from_labels(cls, X: ArrayLike, labels: object, gamma: float, **options: Any) -> Problem:
        """Return the problem of classifying: class labels become targets as the loss takes them.

        Parameters
        ----------
        X: inputs, shape (n, d); a table's columns keep their names.
        labels: text, integers or truth values, shape (n,).
        options: what :class:`Problem` takes beside Y.

        Raises
        ------
        InputError: labels that are none, a single class, a loss that takes no classes; see :class:`Problem`.
        """
        Y, classes = one_hot(labels)
        problem = cls(X, targets_for(options.get("loss", "squared"), Y), gamma, **options)
        object.__setattr__(problem, "classes", classes)
        return problem

    def with_gamma(self, gamma: float) -> Problem:
        """Return the problem with another weight decay, and the same names of columns and classes."""
        problem = replace(self, gamma=gamma)
        object.__setattr__(problem, "columns", self.columns)
        object.__setattr__(problem, "classes", self.classes)
        return problem

    def pipeline(self, predictor: Predictor) -> Pipeline:
        """Return a predictor trained on this problem with the names of its columns and classes.

        It takes tables, has ``predict_labels``, and saves all of it to one file.
        """
        return Pipeline(predictor, Preprocessing(self.columns), self.classes)

    def __repr__(self) -> str:
        n, d, c = self.shape
        loss = "" if self.loss == type(self).loss else f", loss={self.loss}"
        activation = "" if self.activation == type(self).activation else f", activation={self.activation}"
        offset = "" if self.offset is False else f", offset={self.offset!r}"
        free = "" if self.penalise_bias else ", penalise_bias=False"
        return f"Problem(n={n}, d={d}, c={c}, gamma={self.gamma!r}, bias={self.bias}{loss}{activation}{offset}{free})"

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

    @property
    def offset_decay(self) -> float:
        """What ½‖t‖² costs: γ or δ where the offset is penalised, 0 where it is free or there is none."""
        if isinstance(self.offset, bool):
            return 0.0
        return self.gamma if isinstance(self.offset, str) else self.offset

    @property
    def free_constant(self) -> bool:
        """Whether constant outputs cost nothing, so that columns of dual points add up to 0."""
        return self.offset is True or not self.penalise_bias

    def penalised(self, hidden: Floats) -> Floats:
        """Return the part of hidden weights, shape (d, m), that costs something: all, or all but a free bias."""
        return hidden if self.penalise_bias else hidden[:-1]

    def network(self, hidden: Floats, output: Floats, offset: Floats | None = None) -> Network:
        """Return the network of hidden weights, shape (d, m), bias included, output weights, shape (m, c), and offset.

        Parameters
        ----------
        offset: t, shape (c,); by default, where the problem has one, the best for these weights.
        """
        bare = Network(hidden, output, self.bias, self.activation)
        if offset is None:
            return self.with_best_offset(bare)
        return replace(bare, offset=np.asarray(offset))

    def with_best_offset(self, network: Network) -> Network:
        """Return the network with the offset of least objective, up to rounding; as it is, where there is none."""
        if not self.offset:
            return network
        return replace(network, offset=self.best_offset(replace(network, offset=None).predict(self.X)))

    def best_offset(self, predictions: Floats) -> Floats:
        """Return the offset, shape (c,), of least objective beside predictions without one, shape (n, c)."""
        return self.loss.constant(self.Y, predictions, self.offset_decay)

    def empty_network(self) -> Network:
        """Return the network without neurons: its predictions are 0, or the best constant where there is an offset."""
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
        if network.offset is not None and not self.offset:
            raise InputError("the network has an offset, and this problem has none: pass offset=True to Problem.")

    def objective(self, network: Network) -> float:
        """Return p(U, V) in floating point; :meth:`upper_bound` is the rigorous version."""
        self._check_fits(network)
        penalty = float(np.sum(self.penalised(network.hidden) ** 2) + np.sum(network.output**2))
        value = self.loss.value(network.predict(self.X), self.Y) + 0.5 * self.gamma * penalty
        if network.offset is not None and self.offset_decay:
            value += 0.5 * self.offset_decay * float(network.offset @ network.offset)
        return value

    def upper_bound(self, network: Network) -> float:
        """Return an upper bound of p*: :meth:`attained`, raised so little that other machines' rounding attains it."""
        attained = self.attained(network)
        return attained + PORTABLE * abs(attained)

    def attained(self, network: Network) -> float:
        """Return a float that is proved to be at least the network's exact objective, hence at least p*."""
        self._check_fits(network)
        hidden, output = Ball.exact(network.hidden), Ball.exact(network.output)
        predictions = self.activation.enclosed(Ball.exact(self.inputs) @ hidden) @ output
        penalty = _penalty_above(self.gamma, [Ball.exact(self.penalised(network.hidden)), output])
        if network.offset is not None:
            offset = Ball.exact(np.tile(network.offset, (len(self.Y), 1)))
            predictions = predictions + offset
            if self.offset_decay:
                penalty = bound_above(penalty + _penalty_above(self.offset_decay, [offset[:1]]), 1)
        return _raised(self.loss.value_above(predictions, Ball.exact(self.Y)), penalty)

    def dual_value(self, A: Floats) -> float:
        """Return the dual objective D(A) in floating point at ``A``, shape (n, c); squared loss: ⟨A, Y⟩ − ½‖A‖².

        A penalised offset takes ‖1ᵀA‖²/(2δ) off it, where ½‖t‖² costs δ.
        """
        return self.loss.dual_value(A, self.Y) - 0.5 * self.tilt(A)

    def tilt(self, A: Floats) -> float:
        """Return what a penalised offset takes off the dual value, twice: ‖1ᵀA‖²/δ; 0 where there is none."""
        return tilt_of(A, 0.0 if self.free_constant else self.offset_decay)

    def residual(self, predictions: Floats) -> Floats:
        """Return A = −∇ℓ at predictions, shape (n, c); squared loss: Y − predictions."""
        return self.loss.residual(predictions, self.Y)

    def admissible(self, A: Floats) -> Floats:
        """Return a point near A, shape (n, c), in the domain of the dual, up to rounding (:meth:`Loss.admissible`)."""
        return self.loss.admissible(A, self.Y, self.free_constant)


def _weighted(loss: Loss, Y: Floats, sample_weight: ArrayLike | None, class_weight: object) -> Loss:
    """Return the loss of weighted samples; as it is, where all weights are 1."""
    if isinstance(loss, Weighted):
        if len(loss.sample_weight) != len(Y):
            raise InputError(f"there are {len(loss.sample_weight)} sample weights and {len(Y)} samples.")
        if not (np.all(loss.sample_weight > 0.0) and np.all(np.isfinite(loss.sample_weight))):
            raise InputError("the loss given has sample weights that are not positive finite numbers.")
        if sample_weight is not None or class_weight is not None:
            raise InputError("the loss given has sample weights already; give the loss without them.")
        return loss
    weights = np.ones(len(Y))
    if sample_weight is not None:
        weights = finite_array("sample_weight", sample_weight)
        if weights.shape != (len(Y),):
            raise InputError(f"sample_weight has shape {weights.shape} and must have {(len(Y),)}, one per sample.")
        if not np.all(weights > 0.0):
            raise InputError(
                f"sample_weight holds {np.min(weights):g}; weights are positive: leave out samples that are to count "
                "nothing."
            )
    if class_weight is not None:
        weights = weights * _of_classes(Y, class_weight)
    if not (np.all(weights > 0.0) and np.all(np.isfinite(weights))):
        raise InputError("sample_weight times class_weight leaves the range of floating-point numbers.")
    return loss if np.all(weights == 1.0) else Weighted(loss, weights)


def _of_classes(Y: Floats, class_weight: Any) -> Floats:
    """Return the factor of every sample's weight, by its class."""
    signs = bool(np.all(np.abs(Y) == 1.0))
    shares = 0.5 * (Y + 1.0) if signs else Y
    two = signs and Y.shape[1] == 1
    if not two and not (Y.shape[1] > 1 and np.all(shares >= 0.0) and np.allclose(np.sum(shares, axis=1), 1.0)):
        raise InputError("class_weight needs classes: rows of Y that add up to 1, or ±1 with a single +1, or one ±1.")
    classes, count = decided(Y), 2 if two else Y.shape[1]
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise InputError(f"class_weight is {class_weight!r}; it must be 'balanced' or one number per class.")
        sizes = np.bincount(classes, minlength=count)
        return np.asarray((len(Y) / (count * np.maximum(sizes, 1.0)))[classes])
    factors = finite_array("class_weight", class_weight)
    if factors.shape != (count,) or not np.all(factors > 0.0):
        raise InputError(
            f"class_weight is {factors.tolist()}; it must be {count} positive numbers, one per class in their order."
        )
    return np.asarray(factors[classes])


def _raised(loss: float, penalty: float) -> float:
    """Return a float above the sum of a loss, rounded up, and of a penalty ≥ 0 of at most five roundings."""
    if not (loss or penalty):
        return 0.0
    if loss >= 0.0:
        return bound_above(loss + penalty, 6)
    return math.nextafter(loss + bound_above(penalty, 6), math.inf)


def _penalty_above(decay: float, parts: Sequence[Ball]) -> float:
    """Return (decay/2) times the sum of all squares, of at most five roundings."""
    squares = sum(part.square_above() for part in parts)
    if not math.isfinite(squares):
        # Squares of weights may overflow where γ times them does not.
        return _scaled_square_above(Fraction(decay) / 2, [part.mid for part in parts])
    # Half of a subnormal γ may be rounded down.
    half = 0.5 * decay if decay > 2.0**-1000 else decay
    penalty = half * squares
    # What is so small that a product may have been lost is rounded up.
    return math.nextafter(penalty, math.inf) if squares and penalty < 1e-290 else penalty


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
