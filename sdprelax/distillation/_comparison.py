"""What a student is worth in its network, and what it costs: accuracy, errors, size, operations, time."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats, InputError, nearest, optional
from sdprelax.distillation._layout import sample_axis
from sdprelax.distillation._onnx_teacher import OnnxTeacher
from sdprelax.distillation._torch_teacher import NAMED, TorchTeacher
from sdprelax.distillation.distillers import Distilled
from sdprelax.distillation.images import Labels, Pictures

__all__ = ["NetworkComparison", "compared", "require_comparable"]

# Batch sizes that are timed, and calls of each.
SIZES, CALLS = (1, 32), 15
# Seconds of timing after which three calls are enough.
LONG = 20.0

# What leaves some layers for a batch of inputs, by their names: arrays (B, ...).
Captured = Mapping[str, NDArray[Any]]
# Milliseconds of a call: median, lower and upper quartile.
Latency = tuple[float, ...]


@dataclass(frozen=True)
class NetworkComparison:
    """Figures of a student in its network, beside the teacher's, on inputs that it was not fitted to.

    Attributes
    ----------
    activation_error: ‖student's output − block's‖²/‖block's − its mean‖².
    layer_errors: the same of every later layer that returns one tensor, in order; empty for an ONNX teacher.
    agreement: share of inputs on which network and teacher prefer the same class; None where what the network returns
        is not (N, classes).
    accuracy, teacher_accuracy: None without labels.
    parameters, block_parameters, network_parameters, teacher_parameters: numbers stored; of a pruned block, nonzeros.
    bytes, block_bytes: of student and block.
    multiply_adds, block_multiply_adds, network_multiply_adds, teacher_multiply_adds: of one input; None for ONNX.
    latency: milliseconds by batch size and part ("block", "student", "teacher", "network"): median and quartiles;
        empty where nothing was timed.
    """

    activation_error: float
    layer_errors: dict[str, float]
    agreement: float | None
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
    latency: dict[str, dict[str, Latency]]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return dataclasses.asdict(self)


def compared(
    teacher: TorchTeacher | OnnxTeacher, distilled: Distilled, network: Any, pictures: Pictures,
    labels: Labels | None = None, *, timed: bool = True,
) -> NetworkComparison:  # fmt: skip
    """Return the figures of a student.

    Parameters
    ----------
    network: the teacher with the student in place of its block, as its ``with_student`` returns it.
    pictures: inputs of the network, shape (M, ...), that the student was not fitted to.
    labels: their classes, shape (M,), or None.
    timed: whether latencies are measured.
    """
    student = distilled.student
    count = int(distilled.details.get("nonzeros", parameters(student)))
    if isinstance(teacher, OnnxTeacher):
        replaced = OnnxTeacher(network.SerializeToString(), teacher.entering, teacher.leaving)
        pairs = (
            tuple({teacher.leaving: model.capture(batch.numpy())[1]} for model in (teacher, replaced))
            for batch in batches(pictures)
        )
        outputs, wanted = (
            np.concatenate([model.predict(batch.numpy()) for batch in batches(pictures)]).astype(np.float64)
            for model in (replaced, teacher)
        )
        return NetworkComparison(
            activation_error=relative_errors(pairs)[teacher.leaving], layer_errors={},
            parameters=count, block_parameters=teacher.block_parameters, network_parameters=None,
            teacher_parameters=None, bytes=stored_bytes(student), block_bytes=teacher.block_bytes,
            multiply_adds=multiply_adds(student, np.zeros((1, *student.layout.input_shape), dtype=np.float32)),
            block_multiply_adds=None,
            network_multiply_adds=None, teacher_multiply_adds=None, latency={}, **_judged(outputs, wanted, labels),
        )  # fmt: skip
    block, first = teacher.block_module, next(batches(pictures, 1))
    with teacher.evaluating():
        entering, layers = teacher.capture(first)[0][:1], [teacher.block, *teacher.later_modules(first)]
        models, axes = (teacher.model, network), sample_axes(teacher.model, layers, pictures)
        errors = relative_errors(
            tuple(samples_first(layer_outputs(model, layers, batch), axes) for model in models)
            for batch in batches(pictures)
        )
        outputs, wanted = logits(network, pictures), logits(teacher.model, pictures)
        return NetworkComparison(
            activation_error=errors.pop(teacher.block), layer_errors=errors,
            parameters=count, block_parameters=parameters(block) - teacher.shared_parameters,
            network_parameters=parameters(network) - parameters(student) + count,
            teacher_parameters=parameters(teacher.model),
            bytes=stored_bytes(student), block_bytes=stored_bytes(block) - 4 * teacher.shared_parameters,
            multiply_adds=multiply_adds(teacher.student_in(network), entering),
            block_multiply_adds=multiply_adds(teacher.call_block, entering),
            network_multiply_adds=multiply_adds(network, first),
            teacher_multiply_adds=multiply_adds(teacher.model, first),
            latency=_latencies(teacher, student, network, pictures) if timed else {},
            **_judged(outputs, wanted, labels),
        )  # fmt: skip


def require_comparable(teacher: TorchTeacher | OnnxTeacher, pictures: Pictures, labels: Labels | None) -> None:
    """Refuse inputs that the teacher cannot be measured on, as its ``examine`` says, or labels where it has no classes.

    Raises
    ------
    InputError: either, or another number of labels than of inputs.
    """
    teacher.examine(pictures[:3])
    outputs = teacher.predict(pictures[:1])
    if labels is not None and len(labels) != len(pictures):
        raise InputError(f"{len(pictures)} test inputs and {len(labels)} labels: there must be one label per input.")
    if labels is not None and not _classes(outputs):
        raise InputError(
            f"the network returns {outputs.shape} for one input, and labels are of outputs (1, classes): give test "
            "batches without labels."
        )


def _classes(outputs: NDArray[Any]) -> bool:
    return outputs.ndim == 2 and outputs.shape[1] > 1


def _judged(outputs: Floats, wanted: Floats, labels: Labels | None) -> dict[str, Any]:
    if not _classes(wanted):
        return {"agreement": None, "accuracy": None, "teacher_accuracy": None}
    return {
        "agreement": accuracy(outputs, np.argmax(wanted, axis=1)),
        "accuracy": None if labels is None else accuracy(outputs, labels),
        "teacher_accuracy": None if labels is None else accuracy(wanted, labels),
    }


def batches(pictures: Pictures, size: int = 64) -> Iterator[Any]:
    """Yield the pictures in order as tensors of at most ``size`` of them."""
    torch = optional("torch")
    for start in range(0, len(pictures), size):
        yield torch.from_numpy(np.ascontiguousarray(pictures[start : start + size]))


def logits(network: Any, pictures: Pictures, size: int = 64) -> Floats:
    """Return the network's outputs, shape (N, classes), computed ``size`` pictures at a time."""
    with optional("torch").inference_mode():
        return np.concatenate([network(batch).double().numpy() for batch in batches(pictures, size)])


def accuracy(outputs: NDArray[Any], labels: Labels) -> float:
    """Return the share of rows of ``outputs``, shape (N, classes), whose largest entry is the label's.

    Raises
    ------
    InputError: another number of labels than of rows.
    """
    if len(outputs) != len(labels):
        raise InputError(f"{len(outputs)} outputs and {len(labels)} labels: there must be one label per output.")
    return float(np.mean(np.argmax(outputs, axis=1) == labels))


def relative_errors(pairs: Iterable[tuple[Captured, ...]]) -> dict[str, float]:
    """Return by layer ‖a − t‖²/‖t − t̄‖², t the teacher's activations, t̄ their mean over samples, a the network's.

    The squares are summed over all samples and entries in one pass, in double precision: 0 is exact and 1 as bad as
    the best constant output. Where all of a layer's t are the same, its error is 0 if they are met exactly, and
    infinity if not.

    Parameters
    ----------
    pairs: for every batch of inputs what leaves the teacher's layers, and what leaves the network's.

    Raises
    ------
    InputError: a layer that the network does not have, or whose activations have another shape there.
    """
    squares: dict[str, float] = {}
    spreads: dict[str, _Spread] = {}
    for expected, found in pairs:
        for layer, wanted in expected.items():
            if layer not in found or found[layer].shape != wanted.shape:
                raise InputError(
                    f"layer '{layer}': what leaves it in the network has another shape than in the teacher."
                )
            wanted = wanted.astype(np.float64)
            squares[layer] = squares.get(layer, 0.0) + float(np.sum((found[layer] - wanted) ** 2))
            spreads.setdefault(layer, _Spread(wanted[0])).add(wanted)
    exact = {layer: 0.0 if square == 0.0 else math.inf for layer, square in squares.items()}
    spread = {layer: each.total for layer, each in spreads.items()}
    return {layer: squares[layer] / spread[layer] if spread[layer] > 0.0 else exact[layer] for layer in squares}


class _Spread:
    """Σ‖t − t̄‖² of samples that come in batches, by differences to one of them, whose squares do not cancel."""

    def __init__(self, origin: Floats) -> None:
        self._origin, self._sum = origin, np.zeros_like(origin)
        self._squares, self._count = 0.0, 0

    def add(self, batch: Floats) -> None:
        moved = batch - self._origin
        self._sum += moved.sum(axis=0)
        self._squares += float(np.sum(moved**2))
        self._count += len(batch)

    @property
    def total(self) -> float:
        return max(0.0, self._squares - float(np.sum(self._sum**2)) / self._count)


def layer_outputs(model: Any, layers: Sequence[str], inputs: Any) -> dict[str, NDArray[np.float32]]:
    """Return what leaves some modules for a batch of inputs, in the order of the calls.

    Parameters
    ----------
    layers: names of modules; the second call of a module is ``name (2)``, and so on. What is not one tensor of
        floating-point numbers is left out.

    Raises
    ------
    InputError: no module of that name.
    """
    modules = dict(model.named_modules())
    for name in layers:
        if name not in modules:
            raise InputError(f"the network has no module '{name}': {nearest(name, modules, NAMED)}.")
    torch = optional("torch")
    outputs: dict[str, Any] = {}
    calls = dict.fromkeys(layers, 0)

    def keep(name: str, output: Any) -> None:
        calls[name] += 1
        if isinstance(output, torch.Tensor) and output.is_floating_point():
            # A copy: the next layer may work in place.
            outputs[name if calls[name] == 1 else f"{name} ({calls[name]})"] = output.detach().clone().float().numpy()

    handles = [modules[name].register_forward_hook(lambda _, __, out, name=name: keep(name, out)) for name in layers]
    try:
        with torch.inference_mode():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


def sample_axes(model: Any, layers: Sequence[str], pictures: Pictures) -> dict[str, int]:
    """Return the axis of the samples in what leaves each layer; those that have none are left out."""
    more, fewer = (
        layer_outputs(model, layers, optional("torch").from_numpy(pictures[np.arange(count) % len(pictures)]))
        for count in (3, 2)
    )
    found = {name: sample_axis(values, fewer[name]) for name, values in more.items() if name in fewer}
    return {name: axis for name, axis in found.items() if axis is not None}


def samples_first(outputs: Captured, axes: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Return what leaves the layers that have an axis of samples, shapes (B, ...)."""
    return {name: np.moveaxis(outputs[name], axis, 0) for name, axis in axes.items() if name in outputs}


def parameters(module: Any) -> int:
    """Return how many numbers a module has learnt, shared ones once: its parameters, and a student's gates."""
    # A student says itself how much it stores: its gates are buffers.
    students = [part for part in module.modules() if hasattr(part, "parameter_count")]
    gates = {id(buffer): buffer for part in students for buffer in part.buffers(recurse=False)}
    learnt = [*module.parameters(), *(gate for gate in gates.values() if gate.is_floating_point())]
    return sum(tensor.numel() for tensor in learnt)


def stored_bytes(module: Any) -> int:
    """Return the bytes of a module's parameters and buffers, shared ones once."""
    return sum(tensor.numel() * tensor.element_size() for tensor in (*module.parameters(), *module.buffers()))


def multiply_adds(module: Any, sample: Any) -> int:
    """Return the multiplications with additions of products of matrices and of convolutions for one sample.

    Parameters
    ----------
    module: any function of a tensor.
    sample: an array or tensor, shape (1, ...).
    """
    torch = optional("torch")
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(torch.as_tensor(sample))
    return int(counter.get_total_flops()) // 2


def latency(
    networks: Mapping[str, Any], inputs: Any, sizes: Sequence[int], repetitions: int
) -> dict[int, dict[str, Latency]]:
    """Return by batch size and network how long a call takes on one thread: median and quartiles in milliseconds.

    The networks take turns, so that other load of the machine falls on all of them alike.

    Parameters
    ----------
    networks: by name, such as teacher and student's network.
    inputs: a tensor of at least as many samples as the largest batch.
    sizes: batch sizes.
    repetitions: calls of each network that count, at most: three are enough after twenty seconds. One more
        before them does not count.

    Raises
    ------
    InputError: too few samples.
    """
    torch = optional("torch")
    if len(inputs) < max(sizes):
        raise InputError(f"{len(inputs)} samples are too few for a batch of {max(sizes)}.")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            seconds = {size: _timed(networks, inputs[:size], repetitions) for size in sizes}
    finally:
        torch.set_num_threads(threads)
    return {
        size: {name: tuple(map(float, 1e3 * np.percentile(times, (50, 25, 75)))) for name, times in found.items()}
        for size, found in seconds.items()
    }


def _timed(networks: Mapping[str, Any], inputs: Any, repetitions: int) -> dict[str, list[float]]:
    """Return the seconds of every call that counts."""
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    begun = time.perf_counter()
    for done in range(1 + repetitions):
        if done > 3 and time.perf_counter() - begun > LONG:
            break
        for name, network in networks.items():
            start = time.perf_counter()
            network(inputs)
            seconds[name].append(time.perf_counter() - start)
    return {name: times[1:] for name, times in seconds.items()}


def _latencies(teacher: TorchTeacher, student: Any, network: Any, pictures: Pictures) -> dict[str, dict[str, Latency]]:
    most = min(max(SIZES), len(pictures))
    sizes = sorted({min(size, most) for size in SIZES})
    inputs = next(batches(pictures, most))
    entering = optional("torch").from_numpy(teacher.capture(inputs)[0])
    parts = latency({"block": teacher.call_block, "student": student.eval()}, entering, sizes, CALLS)
    whole = latency({"teacher": teacher.model, "network": network}, inputs, sizes, CALLS)
    return {str(size): parts[size] | whole[size] for size in sizes}
