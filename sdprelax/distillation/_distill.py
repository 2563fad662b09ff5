"""The function ``distill``: fit a student to a block's activations, put it in the block's place, and compare."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdprelax.base import Deadline, InputError, require_seed
from sdprelax.distillation._activations import ActivationStore, collect_activations
from sdprelax.distillation._comparison import NetworkComparison, compared, require_comparable
from sdprelax.distillation._onnx_teacher import OnnxTeacher
from sdprelax.distillation._torch_teacher import SAME, TorchTeacher
from sdprelax.distillation.distillers import Distilled, Task, distillers
from sdprelax.lasso import Spread, Stage, silent

__all__ = ["Distillation", "distill"]


@dataclass(frozen=True, eq=False)
class Distillation(Distilled):
    """A student with its bounds and their certificates, and the network that it stands in.

    Attributes
    ----------
    network: the teacher with the student in place of the block: an ``nn.Module``, or an ``onnx.ModelProto``.
    comparison: figures on ``test``; None where none was given.
    """

    network: Any = None
    comparison: NetworkComparison | None = None

    def export_onnx(self, path: str | Path) -> None:
        """Write the student as an ONNX model."""
        from sdprelax.distillation._onnx import export_onnx

        export_onnx(self.student, np.zeros((1, *self.student.layout.input_shape), dtype=np.float32), path)


def distill(
    teacher: Any,
    block: str | None,
    loader: Iterable[Any],
    *,
    distiller: str = "gated_relu",
    test: Iterable[Any] | None = None,
    folder: str | Path | None = None,
    identity: str | None = None,
    seed: int = 0,
    time_limit: float | None = None,
    stage: Stage = silent,
    spread: Spread | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    **options: Any,
) -> Distillation:
    """Replace a block of a trained network by a student fitted to its activations, without labels or fine-tuning.

    Parameters
    ----------
    teacher: an ``nn.Module``, or an ``OnnxTeacher``, which names its block itself.
    block: dotted name of a module in the teacher, as in ``named_modules()``; None for an ``OnnxTeacher``.
    loader: batches of the network's inputs, or tuples that begin with them, always in the same order.
    distiller: "gated_relu", "convex_relu", or a rival: "adam", "pruning" (``sdprelax list distillers``).
    test: batches of other inputs, or (inputs, labels), to measure the result on; they are read into memory.
    folder: where activations are kept, which may be more than memory holds: an interrupted call goes on from there.
        None for a temporary one.
    identity: a name of teacher, block and data, so that a folder is not used for others; by default a checksum of the
        teacher's weights and the block's name. The folder's first activations are held against the first batch's too.
    seed: of everything random.
    time_limit: seconds after which solvers stop with what they have; None for no limit.
    stage: ``stage(name, rows)`` is called when a pass over the activations starts and returns ``advance(rows_read)``.
    spread: where passes for statistics are computed, e.g. ``Spread.over_dask(client)`` of ``sdprelax.lasso``, whose
        workers must see ``folder``; None for this process.
    progress: called after every batch with the batches collected, and the number of all if it is known.
    options: the distiller's own, e.g. ``gates=16, budget=0.25``.

    Raises
    ------
    InputError: an unknown block (with the nearest names), shapes that do not fit, activations that are not finite, a
        wrong option.
    StorageError: too little disk for the activations. What is complete is kept in ``folder``.
    """
    require_seed(seed)
    Deadline.of(time_limit)
    chosen = distillers.create(distiller, options)
    if isinstance(teacher, OnnxTeacher):
        if block is not None:
            raise InputError(f"an OnnxTeacher names its block by two tensors: write None instead of '{block}'.")
        watched: TorchTeacher | OnnxTeacher = teacher
    else:
        watched = TorchTeacher(teacher, block or "")
    measured = None if test is None else _gathered(test)
    if measured is not None:
        require_comparable(watched, *measured)
    name = identity or f"{type(teacher).__name__} {block or ''} {watched.checksum():08x}"
    kept = None if folder is None else Path(folder)
    with contextlib.ExitStack() as temporary:
        place = kept or temporary.enter_context(tempfile.TemporaryDirectory(prefix="sdprelax-"))
        store = collect_activations(watched.capture, loader, place, identity=name, progress=progress)
        if kept is not None:
            _require_same(watched, loader, store)
        until = Deadline.of(time_limit)
        task = Task(
            watched, store, seed=int(seed), folder=kept, stage=stage, deadline=until, spread=spread, loader=loader
        )  # fmt: skip
        found = chosen.fit(task)
    network, comparison = watched.with_student(found.student), None
    if measured is not None:
        comparison = compared(watched, found, network, *measured)
    return Distillation(**vars(found), network=network, comparison=comparison)


def _require_same(teacher: TorchTeacher | OnnxTeacher, loader: Iterable[Any], store: ActivationStore) -> None:
    """Refuse a store that does not begin with the activations of the first batch.

    Raises
    ------
    InputError: it is of other data, or of another network.
    """
    batch = next(iter(loader), None)
    if batch is None:  # a generator that has been gone through
        return
    sides = teacher.capture(batch[0] if isinstance(batch, tuple | list) else batch)
    for found, kept, known in zip(
        sides, (store.entering, store.leaving), (store.enter, store.leave), strict=True
    ):  # fmt: skip
        scale = SAME * float(np.sqrt(known.mean_square(store.samples)))
        if found.shape[1:] != kept.shape[1:] or not np.allclose(found, kept[: len(found)], rtol=SAME, atol=scale):
            raise InputError(
                f"{store.folder} begins with other activations than the first batch's: they are of other data or of "
                "another network. Name another folder, or remove this one."
            )


def _gathered(test: Iterable[Any]) -> tuple[Any, Any]:
    """Return all inputs, and all labels if every batch has some."""
    inputs, labels = [], []
    for batch in test:
        pair = isinstance(batch, tuple | list)
        given = np.asarray(batch[0] if pair else batch)
        inputs.append(given.astype(np.float32) if given.dtype.kind == "f" else given)
        if pair and len(batch) > 1:
            labels.append(np.asarray(batch[1]))
    if not inputs:
        raise InputError("there are no test batches: give at least one, or none at all with test=None.")
    return np.concatenate(inputs), np.concatenate(labels) if len(labels) == len(inputs) else None
