"""A trained PyTorch network, one block of which is watched and replaced."""

from __future__ import annotations

import contextlib
import copy
import itertools
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import InputError, SdprelaxError, first_line, nearest
from sdprelax.distillation.teachers import pytorch

__all__ = ["NAMED", "TorchTeacher", "UnfitBatch"]

# Most names of modules or tensors that a message lists.
NAMED = 8
# Where PyTorch's quantised modules come from.
QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.nn.quantized")


class UnfitBatch(InputError):
    """The network fails on a batch of this shape or type."""


class TorchTeacher:
    """A network and the name of one of its modules, which takes one tensor, returns one, and is called once.

    The network itself is left as it is found: its mode, its hooks and its weights.

    Parameters
    ----------
    model: an ``nn.Module`` that takes one tensor; it computes where its weights are.
    block: the module's dotted name, as in ``model.named_modules()``.

    Raises
    ------
    InputError: ``model`` is not an ``nn.Module``, does not compute in single precision, is compiled to TorchScript,
        quantised or without initialised weights, or has no module of that name.
    """

    def __init__(self, model: Any, block: str) -> None:
        torch = pytorch()
        if not isinstance(model, torch.nn.Module):
            raise InputError(f"a teacher must be an nn.Module, and this is of type {type(model).__name__}.")
        _require_plain(model)
        if not isinstance(block, str):
            raise InputError(f"the block is {block!r}: give the dotted name of a module.")
        if not block:
            raise InputError("the block's name is empty, which is the whole network: name a module inside it.")
        try:
            self.block_module: Any = model.get_submodule(block)
        except AttributeError:
            names = [name for name, _ in model.named_modules() if name]
            raise InputError(f"the network has no module '{block}': {nearest(block, names, NAMED)}.") from None
        kinds = {str(tensor.dtype) for tensor in model.parameters() if tensor.is_floating_point()} - {"torch.float32"}
        if kinds:
            raise InputError(
                f"the network has weights of type {min(kinds)}, and students compute in single precision: give "
                "network.float()."
            )
        self.model = model
        self.block = block

    def capture(self, batch: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what enters and what leaves the block, both of shape (B, ...), for a batch of inputs.

        Parameters
        ----------
        batch: a tensor or an array, shape (B, ...).

        Raises
        ------
        InputError: the block is not called once with one tensor for one tensor, or the network fails on the batch.
        """
        entered: list[Any] = []
        left: list[Any] = []

        def enter(_: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            entered.append(self._copied("takes", [*arguments, *keywords.values()]))

        def leave(_: Any, arguments: tuple[Any, ...], output: Any) -> None:
            left.append(self._copied("returns", [output]))

        # Each side is copied at once, because the block or a later layer may compute in place.
        block = self.block_module
        with block.register_forward_pre_hook(enter, with_kwargs=True), block.register_forward_hook(leave):
            self._run(batch)
        if len(left) != 1:
            raise InputError(
                f"the block '{self.block}' is called {len(left)} times in a forward pass: it must be called once."
            )
        if len(entered[0]) != len(batch) or len(left[0]) != len(batch):
            raise InputError(
                f"the block '{self.block}' takes {entered[0].shape} and returns {left[0].shape} for {len(batch)} "
                "inputs: the first axis must be the inputs'."
            )
        return entered[0], left[0]

    def predict(self, batch: Any) -> NDArray[np.float32]:
        """Return the network's output for a batch of inputs, as an array.

        Raises
        ------
        InputError: the network does not return one tensor.
        """
        output = self._run(batch)
        if not isinstance(output, pytorch().Tensor):
            raise InputError(f"the network returns {type(output).__name__}: it must return one tensor.")
        return _array(output)

    def with_student(self, student: Any) -> Any:
        """Return a copy of the network, in evaluation mode, that has a copy of the student in place of the block."""
        replacement = copy.deepcopy(student).to(self._device)
        # Every reference to the block, under whatever name, becomes one to the replacement.
        return copy.deepcopy(self.model, {id(self.block_module): replacement}).eval()

    def later_modules(self, batch: Any) -> list[str]:
        """Return the modules without submodules that run after the block, in the order of their first call."""
        called: list[str] = []
        before: list[str] = []
        leaves = [(name, module) for name, module in self.model.named_modules() if not list(module.children())]
        with contextlib.ExitStack() as hooks:
            for name, module in leaves:
                hooks.enter_context(module.register_forward_hook(lambda *_, name=name: called.append(name)))
            hooks.enter_context(self.block_module.register_forward_hook(lambda *_: before.extend(called)))
            self._run(batch)
        return list(dict.fromkeys(called[len(before) :]))

    @property
    def block_parameters(self) -> int:
        """How many parameters the block has, shared ones once."""
        return sum(parameter.numel() for parameter in self.block_module.parameters())

    def checksum(self) -> int:
        """Return a checksum of the network's weights."""
        total = 0
        for name, tensor in sorted(self.model.state_dict().items()):
            total = zlib.crc32(tensor.detach().cpu().contiguous().numpy().tobytes(), zlib.crc32(name.encode(), total))
        return total

    @property
    def _device(self) -> Any:
        tensors = itertools.chain(self.model.parameters(), self.model.buffers())
        return next((tensor.device for tensor in tensors), pytorch().device("cpu"))

    def _run(self, batch: Any) -> Any:
        """Return the network's output in evaluation mode."""
        torch = pytorch()
        if not isinstance(batch, (torch.Tensor, np.ndarray)):
            raise InputError(f"a batch must be one tensor or array of inputs, and this is {type(batch).__name__}.")
        if isinstance(batch, np.ndarray) and not batch.dtype.isnative:
            batch = batch.astype(batch.dtype.newbyteorder("="))
        try:
            inputs = torch.as_tensor(batch)
        except (TypeError, ValueError):
            raise InputError(f"a batch holds {batch.dtype}: it must be an array of numbers.") from None
        # NumPy's numbers are double by default.
        inputs = inputs.float() if inputs.is_floating_point() else inputs
        with self.evaluating(), torch.inference_mode():
            try:
                return self.model(inputs.to(self._device))
            except SdprelaxError:
                raise
            except (RuntimeError, TypeError, ValueError, IndexError) as error:
                raise UnfitBatch(
                    f"the network fails on a batch of shape {tuple(inputs.shape)} and type {inputs.dtype}: "
                    f"{first_line(error)}."
                ) from error

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put the network into evaluation mode, and every module back into the mode it was in."""
        modes = [(module, module.training) for module in self.model.modules()]
        try:
            self.model.eval()
            yield
        finally:
            for module, training in modes:
                module.training = training

    def _copied(self, verb: str, values: list[Any]) -> NDArray[np.float32]:
        if len(values) != 1 or not isinstance(values[0], pytorch().Tensor):
            kinds = ", ".join(type(value).__name__ for value in values) or "nothing"
            raise InputError(f"the block '{self.block}' {verb} {kinds}: it must take one tensor and return one.")
        if not values[0].is_floating_point():
            raise InputError(
                f"the block '{self.block}' {verb} numbers of type {values[0].dtype}: a student takes and returns "
                "activations, which are floating-point numbers."
            )
        return _array(values[0])


def _require_plain(model: Any) -> None:
    """Refuse a network that cannot be watched, or whose weights have no values.

    Raises
    ------
    InputError: it is compiled to TorchScript, quantised, or has weights that are lazy or on the device "meta".
    """
    torch = pytorch()
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError("the network is compiled to TorchScript: give the nn.Module that it was made from.")
    weights = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in weights:
        if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta:
            raise InputError(f"the network's {name} has no values as yet: load its weights, or run it once, before.")
    quantised = [name for name, module in model.named_modules() if type(module).__module__.startswith(QUANTISED)]
    if quantised or any(tensor.is_quantized for _, tensor in weights):
        raise InputError(
            f"the network is quantised{f' at {quantised[0]}' if quantised and quantised[0] else ''}, and students "
            "compute in single precision: give the network that it was made from."
        )


def _array(tensor: Any) -> NDArray[np.float32]:
    """Return a copy of a tensor in single precision."""
    copied: NDArray[np.float32] = tensor.detach().to("cpu", pytorch().float32, copy=True).numpy()
    return copied
