"""What a user trained, as a training problem: mean losses and weight decay become a sum and γ.

PyTorch minimises mean_i ℓ_i + (λ/2)‖θ‖², where the mean is over samples for ``CrossEntropyLoss`` and over all entries
for the other losses, and ``MSELoss`` has no half; scikit-learn's networks minimise mean_i ℓ_i + (α/2n)‖W‖² over the
weights alone, not the biases. Both are a multiple κ of Σ_iℓ_i + (γ/2)‖θ‖².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import Floats, InputError, finite_array, one_hot
from sdprelax.networks import Network
from sdprelax.problem import Loss, Problem, losses, targets_for
from sdprelax.verdict._reading import TrainedNetwork

__all__ = ["Decay", "posed"]


@dataclass(frozen=True)
class Decay:
    """Weight decay λ of a training that minimised κ·Σ_iℓ_i + (λ/2)‖θ‖²; γ = λ/κ.

    Parameters
    ----------
    weight_decay: λ, as PyTorch's optimisers take it.
    reduction: "mean" or "sum", of PyTorch's losses.
    """

    weight_decay: float
    reduction: Literal["mean", "sum"] = "mean"

    def __post_init__(self) -> None:
        if self.reduction not in ("mean", "sum"):
            raise InputError(f"reduction is {self.reduction!r}; it must be 'mean' or 'sum', as of PyTorch's losses.")
        given = finite_array("weight_decay", self.weight_decay)
        if given.shape != () or not float(given) > 0.0:
            raise InputError(
                f"weight_decay is {self.weight_decay!r}; it must be a positive number: without it the optimum may be "
                "at infinity, and no network is near it."
            )

    def terms(self, loss: Loss, n: int, c: int, total: float | None = None) -> float:
        """Return 1/κ.

        Parameters
        ----------
        loss: ℓ, of n samples and c outputs.
        total: Σ_iw_i of weighted samples, which is what ``CrossEntropyLoss`` of weighted classes divides by.
        """
        # PyTorch's mean of squares has no half.
        whole = 0.5 if losses.called(loss) == "squared" else 1.0
        if self.reduction == "sum":
            return whole
        entries = 1 if losses.called(loss) == "cross_entropy" else c
        samples = total if total is not None and losses.called(loss) == "cross_entropy" else float(n)
        return whole * samples * entries


def posed(
    data: object, trained: TrainedNetwork, *, gamma: float | None, decay: Decay | None, loss: object,
    free_biases: bool | None, sample_weight: ArrayLike | None, class_weight: Any,
) -> tuple[Problem, tuple[str, ...]]:  # fmt: skip
    """Return the problem that a network was trained for, and in words how it came about.

    Parameters
    ----------
    data: (X, y): inputs, shape (n, d), and class labels, shape (n,), or targets, shape (n,) or (n, c).
    trained: the network, which says what there is of biases, and of scikit-learn's also loss and penalty.
    gamma, decay: γ, or weight decay to be translated; neither for an estimator of scikit-learn, which has its α.
    loss: ℓ, by name, with options or as an object; None where the network says it.
    free_biases: whether biases cost nothing; None for what the network's library does.
    sample_weight, class_weight: as in :class:`sdprelax.Problem`.

    Raises
    ------
    InputError: data of another form, no loss, more or less than one of γ and weight decay, targets that do not fit.
    """
    if not (isinstance(data, (tuple, list)) and len(data) == 2):
        raise InputError(f"the data are of type {type(data).__name__}; give a Problem, or a pair (X, y).")
    wanted = trained.loss if loss is None else loss
    if wanted is None:
        raise InputError(f"say which loss the network was trained with: loss= one of {', '.join(losses)}.")
    if free_biases is not None and not isinstance(free_biases, bool):
        raise InputError(f"free_biases is {free_biases!r}; it must be True, False or None.")
    chosen, network = losses.given(wanted), trained.network
    X = data[0] if trained.preprocessing is None else trained.preprocessing.transform(data[0])
    Y, classes = _fitting(data[1], chosen, network.output.shape[1], trained.classes)
    free = trained.free_biases if free_biases is None else free_biases
    kept = not free
    offset: bool | Literal["penalised"] = "penalised" if free is False else True
    if network.offset is None:
        offset = False

    def problem(gamma: float, sample: ArrayLike | None = sample_weight) -> Problem:
        return Problem(
            X, Y, gamma, network.bias, loss=chosen, activation=network.activation, offset=offset,
            penalise_bias=kept or not network.bias, sample_weight=sample, class_weight=class_weight,
        )  # fmt: skip

    if gamma is not None and decay is not None:
        raise InputError("gamma and weight_decay say the same thing; give one of them.")
    name = losses.called(chosen)
    if gamma is not None:
        found, how = float(gamma), ""
    elif decay is not None:
        if name == "cross_entropy" and class_weight is not None and not np.all((Y == 0.0) | (Y == 1.0)):
            raise InputError(
                "PyTorch weighs every class of a soft label by itself, and here a sample has one weight: give gamma "
                "and sample_weight in place of weight_decay and class_weight."
            )
        # What PyTorch's mean divides by where classes are weighted; weights of samples are the user's own.
        by_class = None if class_weight is None else problem(1.0, None).loss.weights
        total = None if by_class is None else float(np.sum(by_class))
        terms = decay.terms(chosen, len(Y), Y.shape[1], total)
        found = decay.weight_decay * terms
        how = f" (weight decay {decay.weight_decay:g} with the {decay.reduction} of the losses, times {terms:g})"
    elif trained.alpha is not None and name == trained.loss:
        batches = len(Y) / min(trained.batch, len(Y)) if trained.batch else 1.0
        found = trained.alpha * batches
        how = f" (alpha {trained.alpha:g}" + (f", times {batches:g} batches)" if batches != 1.0 else ")")
    else:
        raise InputError("say how large the penalty was: gamma=, or weight_decay= as PyTorch's optimisers take it.")
    said = [f"loss {name}, {network.activation}, gamma {found:.6g}{how}{_said_of_biases(network, kept, offset)}"]
    said += [f"outputs are the classes {', '.join(classes)}"] if classes else []
    return problem(found), tuple([*said, *([trained.assumed] if trained.assumed else [])])


def _said_of_biases(network: Network, kept: bool, offset: bool | str) -> str:
    """Return in words which biases there are and what they cost."""
    parts = [f"hidden biases {'cost as weights do' if kept else 'free'}"] if network.bias else []
    if offset:
        parts.append(f"output biases {'cost as weights do' if offset == 'penalised' else 'free'}")
    return "".join(f", {part}" for part in parts)


def _fitting(y: Any, loss: Loss, c: int, classes: Sequence[Any] | None) -> tuple[Floats, tuple[str, ...]]:
    """Return targets of c outputs, labels as the loss takes them and numbers as they are, and the classes of labels.

    Integers are classes where the loss takes classes, or where there are more outputs than one.
    """
    given = np.asarray(y)
    flat = given.ndim == 1 or (given.ndim == 2 and given.shape[1] == 1)
    whole = given.dtype.kind in "iub" or (given.dtype.kind == "f" and bool(np.all(given == np.round(given))))
    signs = loss.targets == "signs" and given.dtype.kind in "if" and bool(np.all(np.abs(given) == 1))
    labels = flat and not signs and (given.dtype.kind in "USO" or (whole and (c > 1 or loss.targets == "signs")))
    names: tuple[str, ...] = ()
    if labels:
        named = list(classes) if classes is not None else list(range(c)) if whole and c > 1 else None
        truths = named is not None and all(isinstance(name, (bool, np.bool_)) for name in named)
        words = None if named is None else [_word(name, truths) for name in named]
        hot, names = one_hot([_word(value, truths) for value in given.ravel().tolist()], words)
        Y = targets_for(loss, hot)
    elif loss.targets == "signs" and given.shape == (len(given), c) and np.all((given == 0) | (given == 1)):
        Y = 2.0 * given.astype(np.float64) - 1.0  # several labels at once, as 0 and 1
    else:
        Y = targets_for(loss, given.astype(np.float64))
    if Y.shape[1] != c:
        raise InputError(
            f"the network has {c} outputs, and the targets have {Y.shape[1]} for the loss '{losses.called(loss)}'."
        )
    return Y, names


def _word(value: Any, truths: bool) -> str:
    """Return the name of a class; 1.0 is 1, and a truth value is a number unless the classes are truth values."""
    number = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if number or (isinstance(value, (bool, np.bool_)) and not truths) else str(value)
