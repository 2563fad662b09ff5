"""What became of a network whose block was replaced: errors, accuracy kept, size, and time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats
from sdprelax.distillation import _measure as measure
from sdprelax.distillation._onnx_teacher import OnnxTeacher
from sdprelax.distillation._torch_teacher import TorchTeacher
from sdprelax.distillation.distillers import Distilled
from sdprelax.distillation.images import Labels, Pictures

__all__ = ["NetworkComparison", "compared", "swapped"]

# Batch sizes and calls of the timing.
SIZES, CALLS = (1, 32), 15


@dataclass(frozen=True)
class NetworkComparison:
    """Figures of a student in its network, beside the teacher's, on inputs that it was not fitted to.

    Attributes
    ----------
    activation_error: ‖student's output − block's‖²/‖block's − its mean‖².
    layer_errors: the same of every later layer, in order; empty for an ONNX teacher.
    agreement: share of inputs on which network and teacher prefer the same class.
    accuracy, teacher_accuracy: None without labels.
    parameters, block_parameters, network_parameters, teacher_parameters: numbers stored; of a pruned block, nonzeros.
    bytes, block_bytes: of student and block.
    multiply_adds, block_multiply_adds, network_multiply_adds, teacher_multiply_adds: of one input; None for ONNX.
    latency: milliseconds by batch size and part ("block", "student", "teacher", "network"): median and quartiles;
        empty where nothing was timed.
    """

    activation_error: float
    layer_errors: dict[str, float]
    agreement: float
    accuracy: float | None
    teacher_accuracy: float | None
    parameters: int
    block_parameters: int
    network_parameters: int | None
    teacher_parameters: int | None
    bytes: int
    block_bytes: int
    multiply_adds: int | None
    block_multiply_adds: int | None
    network_multiply_adds: int | None
    teacher_multiply_adds: int | None
    latency: dict[str, dict[str, tuple[float, float, float]]]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return dataclasses.asdict(self)


def swapped(teacher: TorchTeacher | OnnxTeacher, student: Any) -> Any:
    """Return the teacher with the student in place of its block: an ``nn.Module``, or an ``onnx.ModelProto``."""
    if isinstance(teacher, TorchTeacher):
        return teacher.with_student(student)
    import tempfile
    from pathlib import Path

    from sdprelax.distillation._students import export_onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "student.onnx"
        export_onnx(student, np.zeros((1, *student.layout.input_shape), dtype=np.float32), path)
        return teacher.with_student(path)


def compared(
    teacher: TorchTeacher | OnnxTeacher, distilled: Distilled, network: Any, pictures: Pictures,
    labels: Labels | None = None, *, timed: bool = True,
) -> NetworkComparison:  # fmt: skip
    """Return the figures of a student.

    Parameters
    ----------
    network: the teacher with the student in it: :func:`swapped`.
    pictures: inputs of the network, shape (M, ...), that the student was not fitted to.
    labels: their classes, shape (M,), or None.
    timed: whether latencies are measured.
    """
    if isinstance(teacher, OnnxTeacher):
        return _compared_onnx(teacher, distilled, network, pictures, labels)
    with teacher.evaluating():
        return _compared_torch(teacher, distilled, network, pictures, labels, timed)


def _compared_torch(
    teacher: TorchTeacher, distilled: Distilled, network: Any, pictures: Pictures, labels: Labels | None, timed: bool
) -> NetworkComparison:
    block = teacher.block_module
    first = next(measure.batches(pictures, 1))
    entering = teacher.capture(first)[0].shape[1:]
    layers = [teacher.block, *teacher.later_modules(first)]
    errors = measure.activation_errors(teacher.model, network, layers, measure.batches(pictures))
    outputs, wanted = measure.logits(network, pictures), measure.logits(teacher.model, pictures)
    count = int(distilled.details.get("nonzeros", measure.parameters(distilled.student)))
    removed = measure.parameters(block) - count
    return NetworkComparison(
        activation_error=errors.pop(teacher.block), layer_errors=errors,
        parameters=count, block_parameters=measure.parameters(block),
        network_parameters=measure.parameters(teacher.model) - removed,
        teacher_parameters=measure.parameters(teacher.model),
        bytes=measure.stored_bytes(distilled.student), block_bytes=measure.stored_bytes(block),
        multiply_adds=measure.multiply_adds(distilled.student, entering),
        block_multiply_adds=measure.multiply_adds(block, entering),
        network_multiply_adds=measure.multiply_adds(network, first.shape[1:]),
        teacher_multiply_adds=measure.multiply_adds(teacher.model, first.shape[1:]),
        latency=_latency(teacher, distilled.student, network, pictures) if timed else {},
        **_judged(outputs, wanted, labels),
    )  # fmt: skip


def _judged(outputs: Floats, wanted: Floats, labels: Labels | None) -> dict[str, Any]:
    return {
        "agreement": measure.agreement(outputs, wanted),
        "accuracy": None if labels is None else measure.accuracy(outputs, labels),
        "teacher_accuracy": None if labels is None else measure.accuracy(wanted, labels),
    }


def _latency(teacher: TorchTeacher, student: Any, network: Any, pictures: Pictures) -> dict[str, Any]:
    import torch

    most = min(max(SIZES), len(pictures))
    sizes = sorted({min(size, most) for size in SIZES})
    inputs = next(measure.batches(pictures, most))
    entering = torch.from_numpy(teacher.capture(inputs)[0])
    parts = measure.latency({"block": teacher.block_module, "student": student.eval()}, entering, sizes, CALLS)
    whole = measure.latency({"teacher": teacher.model, "network": network}, inputs, sizes, CALLS)
    return {
        str(size): {name: dataclasses.astuple(found) for name, found in (parts[size] | whole[size]).items()}
        for size in sizes
    }


def _compared_onnx(
    teacher: OnnxTeacher, distilled: Distilled, network: Any, pictures: Pictures, labels: Labels | None
) -> NetworkComparison:
    replaced = OnnxTeacher(network.SerializeToString(), teacher.entering, teacher.leaving)
    outputs, wanted = (_stacked(model.predict, pictures) for model in (replaced, teacher))
    found, leaving = (_stacked(_leaving(model), pictures) for model in (replaced, teacher))
    spread = float(np.sum((leaving - leaving.mean(axis=0)) ** 2))
    count = measure.parameters(distilled.student)
    return NetworkComparison(
        activation_error=float(np.sum((found - leaving) ** 2)) / spread if spread > 0.0 else 0.0, layer_errors={},
        parameters=count, block_parameters=teacher.block_parameters, network_parameters=None, teacher_parameters=None,
        bytes=measure.stored_bytes(distilled.student), block_bytes=4 * teacher.block_parameters,
        multiply_adds=measure.multiply_adds(distilled.student, distilled.student.layout.input_shape),
        block_multiply_adds=None, network_multiply_adds=None, teacher_multiply_adds=None, latency={},
        **_judged(outputs, wanted, labels),
    )  # fmt: skip


def _leaving(model: OnnxTeacher) -> Callable[[Any], NDArray[np.float32]]:
    return lambda batch: model.capture(batch)[1]


def _stacked(call: Callable[[Any], NDArray[np.float32]], pictures: Pictures) -> Floats:
    def parts() -> Iterator[Floats]:
        for batch in measure.batches(pictures):
            yield call(batch.numpy()).astype(np.float64)

    return np.concatenate(list(parts()))
