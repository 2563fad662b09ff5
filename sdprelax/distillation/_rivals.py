"""What a convex student is compared with: students of the same size trained by Adam, and the block itself pruned."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Deadline, InputError
from sdprelax.distillation._layout import Layout
from sdprelax.distillation.images import Labels, Pictures
from sdprelax.distillation.teachers import pytorch

__all__ = ["pruned", "relu_start", "relu_width", "train_adam", "train_labels"]


def relu_width(layout: Layout, budget: int, skip: bool = False) -> int:
    """Return the most neurons of a ReLU student that stores at most ``budget`` numbers.

    Raises
    ------
    InputError: not even one neuron fits.
    """
    per_neuron, fixed = layout.width + layout.outputs, layout.width * layout.outputs if skip else 0
    if budget < fixed + per_neuron:
        raise InputError(
            f"budget {budget} is too small: a student with one neuron stores {fixed + per_neuron} numbers."
        )
    return (budget - fixed) // per_neuron


def relu_start(layout: Layout, neurons: int, seed: int, skip: bool = False) -> Any:
    """Return a ReLU student with random weights, its linear part zero.

    Weights are Gaussian of variance 2 over the number of a neuron's inputs, biases zero (He, Zhang, Ren and Sun,
    *Delving deep into rectifiers*, ICCV 2015).
    """
    from sdprelax.distillation._students import ReLUStudent

    rng, inputs = np.random.default_rng(seed), layout.width - layout.bias
    hidden = np.zeros((layout.width, neurons))
    hidden[:inputs] = rng.normal(0.0, math.sqrt(2.0 / inputs), (inputs, neurons))
    output = rng.normal(0.0, math.sqrt(2.0 / neurons), (neurons, layout.outputs))
    return ReLUStudent(layout, hidden, output, np.zeros((layout.width, layout.outputs)) if skip else None)


def train_adam(
    student: Any, entering: NDArray[Any], leaving: NDArray[Any], *, epochs: int = 100, learning_rate: float = 1e-3,
    batch: int = 128, seed: int = 0, validation: float = 0.1, patience: int = 20, deadline: Deadline | None = None,
) -> Any:  # fmt: skip
    """Fit the student's parameters to activations in squared error by Adam with a cosine schedule.

    Parameters
    ----------
    student: a ``ReLUStudent``, or a ``GatedStudent``, whose gates stay; it is changed.
    entering, leaving: a block's inputs (N, *input_shape) and outputs (N, *output_shape), in memory or mapped from disk.
    epochs: passes over the samples that are trained on.
    learning_rate: of the first step.
    batch: samples of a step.
    seed: of the held-out part and of the order.
    validation: share of the samples that is held out; the iterate with the least error on it, looked at after every
        epoch, is the one that is kept.
    patience: epochs without a better one after which training ends.
    deadline: when training ends at the latest.

    Returns
    -------
    The student.

    Raises
    ------
    InputError: as many inputs as outputs there are not, or a share that leaves a part empty.
    """
    torch = pytorch()
    if len(entering) != len(leaving):
        raise InputError(f"{len(entering)} samples enter and {len(leaving)} leave: there must be as many of both.")

    def loss(chosen: NDArray[np.int64]) -> Any:
        wanted = torch.from_numpy(np.ascontiguousarray(leaving[chosen], dtype=np.float32))
        found = student(torch.from_numpy(np.ascontiguousarray(entering[chosen], dtype=np.float32)))
        return ((found - wanted) ** 2).mean()

    _descend(student, loss, len(entering), epochs, learning_rate, batch, seed, validation, patience, deadline)
    return student


def train_labels(
    network: Any, student: Any, pictures: Pictures, labels: Labels | None, teacher_logits: NDArray[Any], *,
    temperature: float = 4.0, mix: float = 0.1, epochs: int = 30, learning_rate: float = 1e-3, batch: int = 64,
    seed: int = 0, validation: float = 0.1, patience: int = 10, deadline: Deadline | None = None,
) -> Any:  # fmt: skip
    """Train the student inside its network on labels and on the teacher's outputs, the rest of the network frozen.

    The loss is mix·CE(labels) + (1 − mix)·T²·KL(teacher ‖ network) with both outputs divided by the temperature T
    (Hinton, Vinyals and Dean, *Distilling the knowledge in a neural network*, 2015).

    Parameters
    ----------
    network: the network with the student in it, in evaluation mode.
    student: the module in it that is trained, ``network.get_submodule(block)``; it is changed.
    pictures: (N, C, H, W).
    labels: class numbers (N,); None with ``mix`` 0.
    teacher_logits: the teacher's outputs (N, classes).
    temperature: T.
    mix: the labels' share of the loss, from 0 to 1.
    epochs, learning_rate, batch, seed, validation, patience, deadline: see :func:`train_adam`.

    Returns
    -------
    The student.

    Raises
    ------
    InputError: numbers of pictures, labels and outputs that differ, or labels that are needed and missing.
    """
    torch = pytorch()
    if labels is None and mix != 0.0:
        raise InputError(f"mix is {mix}, but there are no labels: mix must be 0.")
    if len(pictures) != len(teacher_logits) or (labels is not None and len(pictures) != len(labels)):
        raise InputError(
            f"{len(pictures)} pictures need as many labels and outputs of the teacher, and have "
            f"{'no' if labels is None else len(labels)} labels and {len(teacher_logits)} outputs."
        )
    functional = torch.nn.functional
    soft = torch.log_softmax(torch.as_tensor(teacher_logits).float() / temperature, dim=1)

    def loss(chosen: NDArray[np.int64]) -> Any:
        outputs = network(torch.from_numpy(np.ascontiguousarray(pictures[chosen])))
        found = torch.log_softmax(outputs / temperature, dim=1)
        divergence = functional.kl_div(found, soft[chosen], reduction="batchmean", log_target=True)
        value = (1.0 - mix) * temperature**2 * divergence
        if labels is not None:
            value = value + mix * functional.cross_entropy(outputs, torch.from_numpy(labels[chosen]))
        return value

    _descend(student, loss, len(pictures), epochs, learning_rate, batch, seed, validation, patience, deadline)
    return student


def _descend(
    student: Any, loss: Callable[[NDArray[np.int64]], Any], count: int, epochs: int, learning_rate: float, batch: int,
    seed: int, validation: float, patience: int, deadline: Deadline | None,
) -> None:  # fmt: skip
    """Take Adam's steps on ``loss(numbers of samples)``; leave the student at its best iterate on the held-out part."""
    torch, rng, deadline = pytorch(), np.random.default_rng(seed), deadline or Deadline()
    held_out = round(validation * count)
    if not 0 < held_out < count:
        raise InputError(f"validation {validation} of {count} samples leaves a part empty: choose another share.")
    order = rng.permutation(count)
    watched, trained = np.sort(order[:held_out]), order[held_out:]
    parameters = list(student.parameters())

    def error() -> float:
        with torch.no_grad():
            parts = [watched[start : start + batch] for start in range(0, held_out, batch)]
            return sum(len(part) * float(loss(part)) for part in parts) / held_out

    optimiser = torch.optim.Adam(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    best, best_error, tired = copy.deepcopy(student.state_dict()), error(), 0
    for _ in range(epochs):
        shuffled = rng.permutation(trained)
        for start in range(0, len(shuffled), batch):
            if deadline.expired:
                break
            optimiser.zero_grad()
            # For the student alone: the rest of a network keeps its weights and needs no gradients of them.
            loss(shuffled[start : start + batch]).backward(inputs=parameters)
            optimiser.step()
        schedule.step()
        now = error()
        tired = 0 if now < best_error else tired + 1
        if now < best_error:  # not where training has diverged
            best, best_error = copy.deepcopy(student.state_dict()), now
        if tired > patience or deadline.expired:
            break
    student.load_state_dict(best)


def pruned(block: Any, keep: int) -> tuple[Any, int]:
    """Return a copy of a block with all but its ``keep`` weights of largest magnitude set to zero, and its nonzeros.

    Weights are parameters with at least two axes, matrices and kernels, of all layers together; biases, and the scales
    of normalisations, are kept. Of weights of the same magnitude the first ones are kept. The count of nonzeros is of
    all parameters.

    Raises
    ------
    InputError: ``keep`` is negative.
    """
    torch = pytorch()
    if keep < 0:
        raise InputError(f"keep is {keep}: the number of weights to keep must be at least 0.")
    sparse = copy.deepcopy(block)
    weights = [parameter for parameter in sparse.parameters() if parameter.ndim > 1]
    with torch.no_grad():
        flat = torch.cat([weight.reshape(-1) for weight in weights]) if weights else torch.empty(0)
        flat[torch.argsort(flat.abs(), descending=True, stable=True)[keep:]] = 0.0
        for weight, part in zip(weights, flat.split([weight.numel() for weight in weights]), strict=True):
            weight.copy_(part.reshape(weight.shape))
    return sparse, sum(int(torch.count_nonzero(parameter)) for parameter in sparse.parameters())
