"""What can take the place of a block: one file per kind of student or rival, registered by name.

A distiller is a frozen dataclass whose fields are its options, with one call, ``fit(task) -> Distilled``. The convex
ones look at activations alone; rivals may look at more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray

from sdprelax.base import Deadline, Floats, InputError, Registry
from sdprelax.certificate import GroupCertificate, program_gap_of
from sdprelax.distillation._activations import ActivationRows, ActivationStore
from sdprelax.distillation._layout import Layout, View
from sdprelax.distillation._onnx_teacher import OnnxTeacher
from sdprelax.distillation._torch_teacher import TorchTeacher
from sdprelax.distillation.images import Labels, Pictures
from sdprelax.lasso import Spread, Stage, silent

__all__ = ["Budget", "Distilled", "Distiller", "Task", "View", "distillers"]

# Inputs of the network at a time.
BATCH = 64
Budget = Annotated[float, pydantic.Field(gt=0.0)]


@dataclass(frozen=True, eq=False)
class Task:
    """A block to replace, and what may be looked at for it.

    Parameters
    ----------
    teacher: the network and its block.
    store: activations that enter and leave the block.
    samples: ascending numbers of the store's samples that may be used; None for all.
    pictures, labels: the network's inputs that the store's samples come from, and their classes; None where unknown.
    seed: of everything random.
    folder: where checkpoints may be kept while this is fitted; None for nowhere.
    stage: ``stage(name, rows)`` is called when a pass over the rows starts and returns ``advance(rows_read)``.
    deadline: at which solvers stop with what they have.
    spread: where passes for statistics are computed; None for this process.
    loader: batches of the network's inputs that all of the store's samples come from, where ``pictures`` is None.
    """

    teacher: TorchTeacher | OnnxTeacher
    store: ActivationStore
    samples: NDArray[np.int64] | None = None
    pictures: Pictures | None = None
    labels: Labels | None = None
    seed: int = 0
    folder: Path | None = None
    stage: Stage = silent
    deadline: Deadline = field(default_factory=Deadline)
    spread: Spread | None = None
    loader: Iterable[Any] | None = None

    def layout(self, view: View, kernel: int, bias: bool = True) -> Layout:
        """Return how activations become rows."""
        return self.store.layout(view, kernel, bias)

    def rows(self, layout: Layout) -> ActivationRows:
        """Return the rows of the samples that may be used."""
        return self.store.rows(layout, self.samples)

    def parameters(self, budget: float) -> int:
        """Return the number of parameters that a share of the block's comes to.

        Raises
        ------
        InputError: a share of a block without parameters.
        """
        count = self.teacher.block_parameters
        if not count:
            raise InputError("the block has no parameters of its own, so that a budget cannot be a share of them.")
        return int(budget * count)

    def torch_teacher(self, rival: str) -> TorchTeacher:
        """Return the teacher for a rival that trains or prunes PyTorch modules.

        Raises
        ------
        InputError: it is an ONNX model.
        """
        if not isinstance(self.teacher, TorchTeacher):
            raise InputError(f"'{rival}' needs a PyTorch teacher, and this one is an ONNX model.")
        return self.teacher

    def input_batches(self) -> Iterator[Any]:
        """Yield the network's inputs of the samples that may be used, batch by batch, where they are at hand."""
        if self.pictures is None:
            yield from self.loader or ()
            return
        numbers = np.arange(self.store.samples) if self.samples is None else self.samples
        for start in range(0, len(numbers), BATCH):
            yield self.pictures[numbers[start : start + BATCH]]

    def taken(self, whole: Any) -> Any:
        """Return the rows of an array of N pictures, labels or activations that may be used."""
        return whole[:] if self.samples is None else whole[self.samples]


@dataclass(frozen=True, eq=False)
class Distilled:
    """What takes the place of the block, with its bounds.

    Attributes
    ----------
    student: an ``nn.Module`` from and to the block's tensors.
    details: figures by name, plain values: γ, neurons, errors on the rows it was fitted to.
    program: certificate of the convex program's optimum; None for rivals.
    fitted: certificate of this very student's objective on the same rows; None for rivals.
    candidates: certificate of the program over all gates that these were chosen from; None where there was no choice.
    root: R, shape (c, c), where both are of the rows' targets times R; None where they are of the targets themselves.
    """

    student: Any
    details: dict[str, Any] = field(default_factory=dict)
    program: GroupCertificate | None = None
    fitted: GroupCertificate | None = None
    candidates: GroupCertificate | None = None
    root: Floats | None = None

    @property
    def lower(self) -> float | None:
        """Proved lower bound of the convex program's optimum; None for rivals."""
        return None if self.program is None else self.program.dual_value

    @property
    def upper(self) -> float | None:
        """Proved upper bound of this very student's objective; None for rivals."""
        return None if self.fitted is None else self.fitted.value

    @property
    def gap(self) -> float | None:
        """(upper − lower)/upper: what this student loses against the best one behind its gates, at most."""
        return None if self.lower is None or self.upper is None else program_gap_of(self.lower, self.upper)

    @property
    def program_gap(self) -> float | None:
        """Relative duality gap of the convex program's own solution, proved; None for rivals."""
        return None if self.program is None else program_gap_of(self.program.dual_value, self.program.value)

    @property
    def candidates_gap(self) -> float | None:
        """What all candidates together could lower the program's optimum by at most, relative, proved."""
        if self.program is None or self.candidates is None:
            return None
        return program_gap_of(self.candidates.dual_value, self.program.value)


class Distiller(Protocol):
    """Fits something to take the block's place, by its options alone."""

    def fit(self, task: Task) -> Distilled:
        """Return the student."""
        ...


distillers: Registry[Distiller] = Registry("distiller", __name__)
