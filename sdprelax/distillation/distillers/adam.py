"""Distiller ``adam``: the rival of the same size, trained locally on the same activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import LATER, InputError, optional
from sdprelax.distillation._descent import BatchLoss, LocalTraining
from sdprelax.distillation.distillers import Distilled, Task, distillers
from sdprelax.lasso import moments_of, require_budget, sampled_gates
from sdprelax.problem import losses

__all__ = ["AdamDistiller"]

# Epochs without a better iterate after which training ends.
PATIENCE = 20


@distillers.register("adam")
@dataclass(frozen=True)
class AdamDistiller(LocalTraining):
    """A student of two layers trained by Adam on the block's activations: the convex student's rival of equal size.

    Parameters
    ----------
    budget: most parameters as a share of the block's.
    epochs, learning_rate, batch: of Adam with a cosine schedule; the best iterate on a tenth held out is kept.
    view, kernel: what a row is, as for ``gated_relu``.
    neurons: "relu" (gates are the neurons' own weights, and are trained) or "gated" (one fixed random gate per neuron,
        counted: the convex student's function, trained without convexity).
    loss: "squared", of the block's outputs; or "cross_entropy", to their softmax, for a block whose outputs are the
        network's logits.
    """

    neurons: Literal["relu", "gated"] = "relu"
    loss: Literal["squared", "cross_entropy"] = field(default="squared", metadata=LATER)

    def fit(self, task: Task) -> Distilled:
        """Return the student.

        Raises
        ------
        InputError: a budget below one neuron, too few samples to hold some out, or outputs that are no logits where the
            loss is the cross-entropy.
        """
        if self.loss == "cross_entropy":
            _require_logits(task)
        student = self.relu_student(task) if self.neurons == "relu" else self._gated_student(task)
        entering, leaving = task.taken(task.store.entering), task.taken(task.store.leaving)
        errors = squared_errors if self.loss == "squared" else cross_entropies
        self.descend(student, errors(student, entering, leaving), len(entering), task, PATIENCE)
        return Distilled(student, details={"neurons": self.neurons, "view": student.layout.kind})

    def _gated_student(self, task: Task) -> Any:
        """Return a student of random neurons with a random gate each, of as many as the budget holds."""
        from sdprelax.distillation._students import GatedStudent

        layout, budget = task.layout(self.view, self.kernel), task.parameters(self.budget)
        require_budget(layout.width, layout.outputs, budget)
        rng, width = np.random.default_rng(task.seed), layout.width
        neurons = budget // (2 * width + layout.outputs)
        gates = sampled_gates(moments_of(task.rows(layout)), neurons, rng, bias=layout.bias)
        inner = rng.normal(0.0, np.sqrt(2.0 / width), (width, neurons))
        outer = rng.normal(0.0, np.sqrt(2.0 / neurons), (neurons, layout.outputs))
        none = np.zeros((0, width, layout.outputs))
        return GatedStudent(layout, gates, np.arange(neurons), inner, outer, np.zeros(0), none)


def squared_errors(student: Any, entering: NDArray[Any], leaving: NDArray[Any]) -> BatchLoss:
    """Return the student's mean squared error over entries and samples.

    Parameters
    ----------
    entering, leaving: a block's inputs (N, *input_shape) and outputs (N, *output_shape), in memory or mapped from disk.

    Raises
    ------
    InputError: ``entering`` and ``leaving`` differ in length.
    """
    return _compared(student, entering, leaving, lambda found, wanted: ((found - wanted) ** 2).mean())


def cross_entropies(student: Any, entering: NDArray[Any], leaving: NDArray[Any]) -> BatchLoss:
    """Return the mean cross-entropy of the student's logits to the softmax of the block's.

    Parameters
    ----------
    entering, leaving: a block's inputs (N, *input_shape) and logits (N, classes), in memory or mapped from disk.

    Raises
    ------
    InputError: ``entering`` and ``leaving`` differ in length.
    """
    loss = losses.create("cross_entropy")
    return _compared(student, entering, leaving, lambda found, wanted: loss.tensors(found, wanted.softmax(-1)).mean())


def _compared(
    student: Any, entering: NDArray[Any], leaving: NDArray[Any], error: Callable[[Any, Any], Any]
) -> BatchLoss:
    torch = optional("torch")
    if len(entering) != len(leaving):
        raise InputError(f"{len(entering)} samples enter and {len(leaving)} leave: there must be as many of both.")

    def loss(chosen: NDArray[np.int64]) -> Any:
        wanted = torch.from_numpy(np.ascontiguousarray(leaving[chosen], dtype=np.float32))
        found = student(torch.from_numpy(np.ascontiguousarray(entering[chosen], dtype=np.float32)))
        return error(found, wanted)

    return loss


def _require_logits(task: Task) -> None:
    """Refuse a block whose outputs are not the network's logits, as far as that can be seen."""
    shape = task.store.leaving.shape[1:]
    if len(shape) != 1 or shape[0] < 2:
        raise InputError(
            f"the cross-entropy is of logits, one row of two or more numbers a sample, and outputs of shape {shape} "
            "leave this block; take loss: squared, or the distiller 'labels', which trains through the whole network."
        )
    if task.pictures is not None:
        outputs, leaving = task.teacher.predict(task.pictures[:1]), task.store.leaving[:1]
        if outputs.shape != leaving.shape or not np.allclose(outputs, leaving, rtol=1e-3, atol=1e-3):
            raise InputError(
                "the cross-entropy is of logits, and what leaves this block is not what the network returns; take "
                "loss: squared, or the distiller 'labels', which trains through the whole network."
            )
