"""Distiller ``labels``: the rival that sees labels and the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pydantic
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import InputError
from sdprelax.distillation._measure import logits
from sdprelax.distillation._rivals import relu_start, relu_width, train_labels
from sdprelax.distillation.distillers import Distilled, Task, View, distillers
from sdprelax.distillation.distillers.gated_relu import Budget

__all__ = ["LabelDistillation"]


@distillers.register("labels")
@dataclass(frozen=True)
class LabelDistillation:
    """A ReLU student trained through the frozen rest of the network on labels and softened logits (Hinton et al. 2015).

    Parameters
    ----------
    budget: most parameters as a share of the block's.
    temperature: of the softened outputs.
    mix: the labels' share of the loss, from 0 to 1; without labels it must be 0.
    epochs, learning_rate, batch: of Adam with a cosine schedule; the best iterate on a tenth held out is kept.
    view, kernel: what a row is, as for ``gated_relu``.
    """

    proves: ClassVar[bool] = False

    budget: Budget = 0.25
    temperature: PositiveFloat = 4.0
    mix: Annotated[float, pydantic.Field(ge=0.0, le=1.0)] = 0.1
    epochs: PositiveInt = 200
    learning_rate: PositiveFloat = 3e-3
    batch: PositiveInt = 32
    view: View = "auto"
    kernel: PositiveInt = 3

    def fit(self, task: Task) -> Distilled:
        """Return the student.

        Raises
        ------
        InputError: no pictures at hand, labels that are needed and missing, or an ONNX teacher.
        """
        teacher = task.torch_teacher("labels")
        if task.pictures is None:
            raise InputError("'labels' trains through the whole network and needs its inputs, which are not at hand.")
        layout, budget = task.layout(self.view, self.kernel), task.parameters(self.budget)
        network = teacher.with_student(relu_start(layout, relu_width(layout, budget), task.seed))
        student = network.get_submodule(teacher.block)
        pictures = task.taken(task.pictures)
        labels = None if task.labels is None else task.taken(task.labels)
        with teacher.evaluating():
            wanted = logits(teacher.model, pictures)
        train_labels(
            network, student, pictures, labels, wanted, temperature=self.temperature,
            mix=self.mix, epochs=self.epochs, learning_rate=self.learning_rate, batch=self.batch, seed=task.seed,
            deadline=task.deadline,
        )  # fmt: skip
        return Distilled(student, details={"view": layout.kind})
