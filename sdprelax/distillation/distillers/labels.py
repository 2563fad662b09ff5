"""Distiller ``labels``: the rival that sees labels and the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import PositiveFloat

from sdprelax.base import InputError, optional
from sdprelax.distillation._comparison import logits
from sdprelax.distillation._descent import BatchLoss, LocalTraining
from sdprelax.distillation.distillers import Distilled, Task, distillers
from sdprelax.distillation.images import Labels, Pictures

__all__ = ["LabelDistiller"]

# Epochs without a better iterate after which training ends.
PATIENCE = 10


@distillers.register("labels")
@dataclass(frozen=True)
class LabelDistiller(LocalTraining):
    """A ReLU student trained through the frozen rest of the network on labels and softened logits (Hinton et al. 2015).

    Parameters
    ----------
    budget: most parameters as a share of the block's.
    epochs, learning_rate, batch: of Adam with a cosine schedule; the best iterate on a tenth held out is kept.
    view, kernel: what a row is, as for ``gated_relu``.
    temperature: of the softened outputs.
    mix: the labels' share of the loss, from 0 to 1; without labels it must be 0.
    """

    temperature: PositiveFloat = 4.0
    mix: Annotated[float, pydantic.Field(ge=0.0, le=1.0)] = 0.1

    def fit(self, task: Task) -> Distilled:
        """Return the student.

        Raises
        ------
        InputError: no pictures at hand, labels that are needed and missing, or an ONNX teacher.
        """
        teacher = task.torch_teacher("labels")
        if task.pictures is None:
            raise InputError("'labels' trains through the whole network and needs its inputs, which are not at hand.")
        network = teacher.with_student(self.relu_student(task))
        student = teacher.student_in(network)
        pictures = task.taken(task.pictures)
        labels = None if task.labels is None else task.taken(task.labels)
        with teacher.evaluating():
            wanted = logits(teacher.model, pictures)
        loss = label_loss(network, pictures, labels, wanted, self.temperature, self.mix)
        self.descend(student, loss, len(pictures), task, PATIENCE)
        return Distilled(student, details={"view": student.layout.kind})


def label_loss(
    network: Any,
    pictures: Pictures,
    labels: Labels | None,
    teacher_logits: NDArray[Any],
    temperature: float,
    mix: float,
) -> BatchLoss:
    """Return mix·CE(labels) + (1 − mix)·T²·KL(teacher ‖ network), both outputs of KL divided by the temperature T.

    Source: Hinton, Vinyals and Dean, *Distilling the knowledge in a neural network* (2015).

    Parameters
    ----------
    network: the network with the student in it, in evaluation mode.
    pictures: (N, C, H, W).
    labels: class numbers (N,); None with ``mix`` 0.
    teacher_logits: the teacher's outputs (N, classes).

    Raises
    ------
    InputError: numbers of pictures, labels and outputs that differ, or labels that are needed and missing.
    """
    torch = optional("torch")
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

    return loss
