"""What a distilled network is worth, and what it costs: accuracy, errors of activations, size, operations, time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats, InputError
from sdprelax.distillation.images import Labels, Pictures
from sdprelax.distillation.teachers import pytorch

__all__ = [
    "Latency",
    "accuracy",
    "activation_errors",
    "agreement",
    "batches",
    "latency",
    "logits",
    "multiply_adds",
    "parameters",
    "stored_bytes",
]

# Seconds of timing after which few calls are enough.
LONG = 20.0


def batches(pictures: Pictures, size: int = 64) -> Iterator[Any]:
    """Yield the pictures in order as tensors of at most ``size`` of them."""
    torch = pytorch()
    for start in range(0, len(pictures), size):
        yield torch.from_numpy(np.ascontiguousarray(pictures[start : start + size]))


def logits(network: Any, pictures: Pictures, size: int = 64) -> Floats:
    """Return the network's outputs, shape (N, classes), computed ``size`` pictures at a time."""
    torch = pytorch()
    with torch.inference_mode():
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


def agreement(outputs: NDArray[Any], teacher_outputs: NDArray[Any]) -> float:
    """Return the share of rows in which network and teacher, both (N, classes), prefer the same class."""
    return accuracy(outputs, np.argmax(teacher_outputs, axis=1))


def activation_errors(
    teacher: Any, network: Any, layers: Sequence[str], loader: Iterable[Any]
) -> dict[str, float]:  # fmt: skip
    """Return by layer ‖a − t‖²/‖t − t̄‖², t the teacher's activations, t̄ their mean over samples, a the network's.

    The squares are summed over all samples and entries in one pass over ``loader``, in double precision: 0 is exact
    and 1 as bad as the best constant output.

    Parameters
    ----------
    teacher, network: networks that have modules of these names.
    layers: names of modules that return one tensor, its first axis the samples'.
    loader: batches of inputs.

    Returns
    -------
    Errors in the order in which the teacher computes the layers. The second call of a module is ``name (2)``, and so
    on. A layer whose outputs are all the same has error 0 where they are met exactly, and infinity elsewhere.

    Raises
    ------
    InputError: no module of that name, or one whose outputs in the network have another shape than in the teacher.
    """
    squares: dict[str, float] = {}
    spreads: dict[str, _Spread] = {}
    for inputs in loader:
        expected, found = (_outputs(model, layers, inputs) for model in (teacher, network))
        for layer, tensor in expected.items():
            if layer not in found or found[layer].shape != tensor.shape:
                raise InputError(
                    f"layer '{layer}': what leaves it in the network has another shape than in the teacher."
                )
            wanted = tensor.double().numpy()
            squares[layer] = squares.get(layer, 0.0) + float(np.sum((found[layer].double().numpy() - wanted) ** 2))
            spreads.setdefault(layer, _Spread(wanted[0])).add(wanted)
    return {layer: _ratio(square, spreads[layer].total) for layer, square in squares.items()}


def _outputs(model: Any, layers: Sequence[str], inputs: Any) -> dict[str, Any]:
    """Return what leaves the layers, in the order of the calls."""
    torch, modules = pytorch(), dict(model.named_modules())
    for name in layers:
        if name not in modules:
            raise InputError(f"layer '{name}' is no module of the network.")
    outputs: dict[str, Any] = {}
    calls = dict.fromkeys(layers, 0)

    def keep(name: str, output: Any) -> None:
        calls[name] += 1
        # A copy: the next layer may work in place.
        outputs[name if calls[name] == 1 else f"{name} ({calls[name]})"] = output.detach().clone()

    handles = [modules[name].register_forward_hook(lambda _, __, out, name=name: keep(name, out)) for name in layers]
    try:
        with torch.inference_mode():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


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


def _ratio(error: float, spread: float) -> float:
    if spread == 0.0:
        return 0.0 if error == 0.0 else math.inf
    return error / spread


def parameters(module: Any) -> int:
    """Return the numbers that a module has learnt, shared ones once: its parameters, and a student's gates."""
    return sum(tensor.numel() for tensor in _learnt(module).values())


def _learnt(module: Any) -> dict[int, Any]:
    """Return the tensors by identity. A student says itself what it stores: its gates are buffers."""
    own = list(module.parameters(recurse=False))
    if hasattr(module, "parameter_count"):
        own += [buffer for buffer in module.buffers(recurse=False) if buffer.is_floating_point()]
    tensors = {id(tensor): tensor for tensor in own}
    for child in module.children():
        tensors |= _learnt(child)
    return tensors


def stored_bytes(module: Any) -> int:
    """Return the bytes of a module's parameters and buffers, shared ones once."""
    tensors = {id(tensor): tensor for part in (module.parameters(), module.buffers()) for tensor in part}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def multiply_adds(module: Any, input_shape: Sequence[int]) -> int:
    """Return the multiplications with additions of products of matrices and of convolutions for one sample.

    Parameters
    ----------
    input_shape: shape of the sample, without the batch's axis.
    """
    torch = pytorch()
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(torch.zeros(1, *input_shape))
    return int(counter.get_total_flops()) // 2


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a call.

    Parameters
    ----------
    median, lower, upper: median and quartiles of the calls.
    """

    median: float
    lower: float
    upper: float


def latency(
    networks: Mapping[str, Any], inputs: Any, sizes: Sequence[int] = (1, 32), repetitions: int = 30
) -> dict[int, dict[str, Latency]]:
    """Return by batch size and network how long a call takes on one thread.

    The networks take turns, so that whatever else the machine does meanwhile falls on all of them alike.

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
    torch = pytorch()
    if len(inputs) < max(sizes):
        raise InputError(f"{len(inputs)} samples are too few for a batch of {max(sizes)}.")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            return {size: _timed(networks, inputs[:size], repetitions) for size in sizes}
    finally:
        torch.set_num_threads(threads)


def _timed(networks: Mapping[str, Any], inputs: Any, repetitions: int) -> dict[str, Latency]:
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    begun = time.perf_counter()
    for done in range(1 + repetitions):
        if done > 3 and time.perf_counter() - begun > LONG:
            break
        for name, network in networks.items():
            start = time.perf_counter()
            network(inputs)
            seconds[name].append(time.perf_counter() - start)
    quartiles = {name: 1e3 * np.percentile(times[1:], (50, 25, 75)) for name, times in seconds.items()}
    return {name: Latency(*map(float, values)) for name, values in quartiles.items()}
