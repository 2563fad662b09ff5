"""Local training of students, for the rivals of a convex one: where it starts, and Adam's steps."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Deadline, InputError, optional
from sdprelax.distillation._layout import Layout, View
from sdprelax.distillation.distillers import Budget, Task

__all__ = ["BatchLoss", "LocalTraining", "descend", "relu_start", "relu_width"]

# Mean loss of the samples of some numbers, a tensor that knows its gradient.
BatchLoss = Callable[[NDArray[np.int64]], Any]


@dataclass(frozen=True)
class LocalTraining:
    """What students that Adam trains have in common: it proves nothing.

    Parameters
    ----------
    budget: most parameters as a share of the block's.
    epochs, learning_rate, batch: of Adam with a cosine schedule; the best iterate on a tenth held out is kept.
    view, kernel: what a row is, as for ``gated_relu``.
    """

    proves: ClassVar[bool] = False

    budget: Budget = 0.25
    epochs: PositiveInt = 200
    learning_rate: PositiveFloat = 3e-3
    batch: PositiveInt = 32
    view: View = "auto"
    kernel: PositiveInt = 3

    def relu_student(self, task: Task) -> Any:
        """Return the widest ReLU student within the budget, with random weights.

        Raises
        ------
        InputError: not even one neuron fits.
        """
        layout = task.layout(self.view, self.kernel)
        return relu_start(layout, relu_width(layout, task.parameters(self.budget)), task.seed)

    def descend(self, student: Any, loss: BatchLoss, count: int, task: Task, patience: int) -> None:
        """Train the student: see :func:`descend`."""
        descend(
            student, loss, count, epochs=self.epochs, learning_rate=self.learning_rate, batch=self.batch,
            seed=task.seed, patience=patience, deadline=task.deadline,
        )  # fmt: skip


def relu_width(layout: Layout, budget: int) -> int:
    """Return the most neurons of a ReLU student that stores at most ``budget`` numbers.

    Raises
    ------
    InputError: not even one neuron fits.
    """
    per_neuron = layout.width + layout.outputs
    if budget < per_neuron:
        raise InputError(f"budget {budget} is too small: a student with one neuron stores {per_neuron} numbers.")
    return budget // per_neuron


def relu_start(layout: Layout, neurons: int, seed: int) -> Any:
    """Return a ReLU student with random weights and no linear part.

    Weights are Gaussian of variance 2 over the number of a neuron's inputs, biases zero (He, Zhang, Ren and Sun,
    *Delving deep into rectifiers*, ICCV 2015).
    """
    from sdprelax.distillation._students import ReLUStudent

    rng, inputs = np.random.default_rng(seed), layout.width - layout.bias
    hidden = np.zeros((layout.width, neurons))
    hidden[:inputs] = rng.normal(0.0, math.sqrt(2.0 / inputs), (inputs, neurons))
    output = rng.normal(0.0, math.sqrt(2.0 / neurons), (neurons, layout.outputs))
    return ReLUStudent(layout, hidden, output)


def descend(
    student: Any, loss: BatchLoss, count: int, *, epochs: int, learning_rate: float, batch: int, patience: int,
    seed: int = 0, validation: float = 0.1, deadline: Deadline | None = None,
) -> None:  # fmt: skip
    """Take Adam's steps with a cosine schedule; leave the student at its best iterate on the held-out part.

    Parameters
    ----------
    student: an ``nn.Module``, whose parameters are trained; it may be a part of a network whose weights stay.
    loss: mean loss of the samples of some numbers.
    count: samples.
    epochs: passes over the samples that are trained on.
    learning_rate: of the first step.
    batch: samples of a step.
    patience: epochs without a better iterate after which training ends.
    seed: of the held-out part and of the order.
    validation: share of the samples that is held out; the loss on it is looked at before training and after every
        epoch.
    deadline: when training ends at the latest.

    Raises
    ------
    InputError: a share that leaves a part empty.
    """
    torch, rng, deadline = optional("torch"), np.random.default_rng(seed), deadline or Deadline()
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
