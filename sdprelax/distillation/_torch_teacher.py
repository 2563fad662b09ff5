"""A trained PyTorch network, one block of which is watched and replaced."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import itertools
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import InputError, SdprelaxError, first_line, nearest, optional
from sdprelax.distillation._layout import sample_axis
from sdprelax.distillation._plain_modules import require_plain, require_python

__all__ = ["NAMED", "SAME", "TorchTeacher", "UnfitBatch"]

# Most names of modules or tensors that a message lists.
NAMED = 8
# Relative difference of activations that are computed again: single precision depends on machine and threads.
SAME = 1e-3


class UnfitBatch(InputError):
    """The network fails on a batch of this shape or type."""


class TorchTeacher:
    """A network and the name of one of its modules, which takes one tensor, returns one, and is called once.

    A span ``first:last`` of two of its modules, such as ``encoder.layers.1.linear1:linear2``, stands for one module.

    The network itself is left as it is found: its mode, its hooks and its weights. Beside its tensor the block may be
    passed settings (None, numbers, text), the same at every call; its samples may lie along any axis.

    Parameters
    ----------
    model: an ``nn.Module`` that takes one tensor, shape (B, ...); it computes where its weights are. Of one that
        ``torch.compile`` returned, the module that it was made from is looked at.
    block: the module's dotted name, as in ``model.named_modules()``.

    Raises
    ------
    InputError: ``model`` is not an ``nn.Module``, does not compute in single precision, is quantised or without
        initialised weights, or has no module of that name; model or block is compiled to TorchScript.
    """

    def __init__(self, model: Any, block: str) -> None:
        torch = optional("torch")
        if not isinstance(model, torch.nn.Module):
            raise InputError(f"a teacher must be an nn.Module, and this is of type {type(model).__name__}.")
        model = getattr(model, "_orig_mod", model)
        require_plain(model)
        if not isinstance(block, str):
            raise InputError(f"the block is {block!r}: give the dotted name of a module.")
        if not block:
            raise InputError("the block's name is empty, which is the whole network: name a module inside it.")
        self._whole: Any = None
        if ":" in block:
            from sdprelax.distillation._spans import spanned

            self._whole = model
            model, block = spanned(model, block)
        try:
            self.block_module: Any = model.get_submodule(block)
        except AttributeError:
            names = [name for name, _ in model.named_modules() if name]
            raise InputError(f"the network has no module '{block}': {nearest(block, names, NAMED)}.") from None
        require_python(f"block '{block}'", self.block_module)
        kinds = {str(tensor.dtype) for tensor in model.parameters() if tensor.is_floating_point()} - {"torch.float32"}
        if kinds:
            raise InputError(
                f"the network has weights of type {min(kinds)}, and students compute in single precision: give "
                "network.float()."
            )
        self.model = model
        self.block = block
        self._call: Any = None

    def capture(self, batch: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what enters and what leaves the block, both of shape (B, ...), for a batch of inputs.

        Parameters
        ----------
        batch: a tensor or an array, shape (B, ...).

        Raises
        ------
        InputError: the block is not called once with one tensor for one tensor, or the network fails on the batch.
        """
        inputs = self._inputs(batch)
        if self._call is None:
            self.examine(inputs)
        call, seen = self._call, self._watch(inputs)
        self._require_same_settings(seen)
        entered, left = seen.entered.movedim(call.entering_axis, 0), seen.left.movedim(call.leaving_axis, 0)
        if len(entered) != len(inputs) or len(left) != len(inputs):
            raise InputError(
                f"the block '{self.block}' takes {tuple(entered.shape)} and returns {tuple(left.shape)} for "
                f"{len(inputs)} inputs: the first axis must be the inputs'."
            )
        return _array(entered), _array(left)

    def examine(self, batch: Any) -> None:
        """Learn how the network calls the block, and require that a student can stand in its place.

        The network runs on two and three inputs of the batch, and once with a module in the block's place that returns
        what the block did. ``capture`` does this before its first batch.

        Raises
        ------
        InputError: the block is not called once with one tensor for one tensor; the network reads parts of it, as of a
            layer whose weights it takes; inputs of a batch change each other's outputs; the network is random, cannot
            be copied or fails on the batch.
        """
        inputs = self._inputs(batch)
        if not inputs.ndim or not len(inputs):
            raise InputError("a batch is empty: it must hold at least one input.")
        more, fewer = (inputs[[index % len(inputs) for index in range(count)]] for count in (3, 2))
        seen, seen_of_fewer = self._watch(more), self._watch(fewer)
        entering, leaving = (
            sample_axis(seen.entered, seen_of_fewer.entered),
            sample_axis(seen.left, seen_of_fewer.left),
        )
        if entering is None or leaving is None:
            raise InputError(
                f"the block '{self.block}' takes {tuple(seen.entered.shape)} and returns {tuple(seen.left.shape)} for "
                "3 inputs: one axis must be the inputs', and no other may depend on their number."
            )
        self._call = dataclasses.replace(
            seen.call, entering_axis=entering, leaving_axis=leaving, leaving_type=seen.left.dtype
        )
        self._require_same_settings(seen_of_fewer)
        if self._whole is not None and not _all_same(self._run(more, self._whole), seen.output):
            raise InputError(
                f"between the ends of the span that begins with '{self.block}' stands more than an activation, or the "
                "network takes more from it than what leaves it: name a module around both."
            )
        self._rehearse(more, seen)
        for whole, part in zip(_tensors(seen.parts), _tensors(seen_of_fewer.parts), strict=True):
            axis = sample_axis(whole, part)
            if axis is not None and not _same(whole.narrow(axis, 0, 2), part):
                raise InputError(
                    f"the inputs of a batch change each other's activations (a batch has shape {tuple(inputs.shape)}): "
                    "the first axis must be the inputs'; a network of (T, B, D) must be wrapped in one that transposes."
                )

    def predict(self, batch: Any) -> NDArray[np.float32]:
        """Return the network's output for a batch of inputs, as an array.

        Raises
        ------
        InputError: the network does not return one tensor.
        """
        output = self._run(self._inputs(batch))
        if not isinstance(output, optional("torch").Tensor):
            raise InputError(f"the network returns {type(output).__name__}: it must return one tensor.")
        return _array(output)

    def from_block(self, batch: Any) -> tuple[Any, Any]:
        """Return what leaves the block, shape (B, ...), and the network's output as a differentiable function of it.

        Parameters
        ----------
        batch: a tensor or an array, shape (B, ...).

        Raises
        ------
        InputError: the network does not return one tensor, or not a differentiable function of what leaves the block.
        """
        torch, inputs = optional("torch"), self._inputs(batch)
        if self._call is None:
            self.examine(inputs)
        leaves: list[Any] = []

        def part(_: Any, arguments: tuple[Any, ...], output: Any) -> Any:
            axis = self._call.leaving_axis
            leaves.append(output.detach().movedim(axis, 0).requires_grad_())
            # A copy: the next layer may compute in place.
            return leaves[-1].movedim(0, axis).clone()

        with self.evaluating(), torch.enable_grad(), self.block_module.register_forward_hook(part):
            output = self._forward(inputs)
        if not isinstance(output, torch.Tensor) or not output.requires_grad:
            raise InputError(
                f"the network returns {type(output).__name__} that is no differentiable function of what leaves the "
                f"block '{self.block}': a Jacobian needs one tensor that is."
            )
        return leaves[0], output

    def with_student(self, student: Any) -> Any:
        """Return a copy of the network, in evaluation mode, that has a copy of the student in place of the block."""
        from sdprelax.distillation._substitutes import Call, Substitute

        replacement = copy.deepcopy(student).to(self._device)
        return self._with(replacement if self._call in (None, Call((None,))) else Substitute(replacement, self._call))

    def student_in(self, network: Any) -> Any:
        """Return the student inside a network that :meth:`with_student` returned."""
        from sdprelax.distillation._substitutes import Substitute

        part = network.get_submodule(self.block)
        return part.student if isinstance(part, Substitute) else part

    def call_block(self, z: Any) -> Any:
        """Return what leaves the block, shape (B, ...), where a tensor z, shape (B, ...), enters it.

        The network must have been looked at before, by :meth:`capture` or :meth:`examine`.
        """
        return self._call(self.block_module, z)

    def later_modules(self, batch: Any) -> list[str]:
        """Return the modules without submodules that run after the block, in the order of their first call."""
        called: list[str] = []
        before: list[str] = []
        script = optional("torch").jit.ScriptModule  # takes no hooks
        leaves = [
            (name, module) for name, module in self.model.named_modules()
            if not list(module.children()) and not isinstance(module, script)
        ]  # fmt: skip
        with contextlib.ExitStack() as hooks:
            for name, module in leaves:
                hooks.enter_context(module.register_forward_hook(lambda *_, name=name: called.append(name)))
            hooks.enter_context(self.block_module.register_forward_hook(lambda *_: before.extend(called)))
            self._run(self._inputs(batch))
        return list(dict.fromkeys(called[len(before) :]))

    @property
    def block_parameters(self) -> int:
        """How many parameters the block has of its own, each once: not those that it shares with other modules."""
        count = sum(parameter.numel() for parameter in self.block_module.parameters())
        return int(count - self.shared_parameters)

    @property
    def shared_parameters(self) -> int:
        """How many of the block's parameters the rest of the network has as well: weights that are tied."""
        rest = [module for _, module in self.model.named_modules({self.block_module})]
        kept = {id(parameter) for module in rest for parameter in module.parameters(recurse=False)}
        return sum(parameter.numel() for parameter in self.block_module.parameters() if id(parameter) in kept)

    def checksum(self) -> int:
        """Return a checksum of the network's weights."""
        total = 0
        for name, tensor in sorted(self.model.state_dict().items()):
            total = zlib.crc32(tensor.detach().cpu().contiguous().numpy().tobytes(), zlib.crc32(name.encode(), total))
        return total

    @property
    def _device(self) -> Any:
        tensors = itertools.chain(self.model.parameters(), self.model.buffers())
        return next((tensor.device for tensor in tensors), optional("torch").device("cpu"))

    def _inputs(self, batch: Any) -> Any:
        """Return a batch as a tensor, of single precision unless it holds whole numbers."""
        torch = optional("torch")
        if not isinstance(batch, (torch.Tensor, np.ndarray)):
            raise InputError(f"a batch must be one tensor or array of inputs, and this is {type(batch).__name__}.")
        if isinstance(batch, np.ndarray) and not batch.dtype.isnative:
            batch = batch.astype(batch.dtype.newbyteorder("="))
        try:
            inputs = torch.as_tensor(batch)
        except (TypeError, ValueError):
            raise InputError(f"a batch holds {batch.dtype}: it must be an array of numbers.") from None
        # NumPy's numbers are double by default.
        return inputs.float() if inputs.is_floating_point() else inputs

    def _run(self, inputs: Any, network: Any = None) -> Any:
        """Return the output, in evaluation mode, of the network or of another one in its place."""
        with self.evaluating(), optional("torch").inference_mode():
            return self._forward(inputs, network)

    def _forward(self, inputs: Any, network: Any = None) -> Any:
        """Return the output as :meth:`_run` does, in whatever mode PyTorch is."""
        try:
            return (network or self.model)(inputs.to(self._device))
        except SdprelaxError:
            raise
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise UnfitBatch(
                f"the network fails on a batch of shape {tuple(inputs.shape)} and type {inputs.dtype}: "
                f"{first_line(error)}."
            ) from error

    def _watch(self, inputs: Any) -> _Seen:
        """Return the block's call in a pass of the network."""
        from sdprelax.distillation._substitutes import Call

        entered: list[Any] = []
        left: list[Any] = []
        calls: list[Call] = []

        # Each side is copied at once, because the block or a later layer may compute in place.
        def enter(_: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            call = Call.of(arguments, keywords)
            if call is None:
                raise self._unfit("takes", [*arguments, *keywords.values()])
            calls.append(call)
            entered.append(self._copied("takes", call.tensor(arguments, keywords)))

        def leave(_: Any, arguments: tuple[Any, ...], output: Any) -> None:
            left.append(self._copied("returns", output))

        block = self.block_module
        with block.register_forward_pre_hook(enter, with_kwargs=True), block.register_forward_hook(leave):
            output = self._run(inputs)
        if len(left) != 1:
            unread = "" if left else " (its weights may be read instead)"
            raise InputError(
                f"the block '{self.block}' is called {len(left)} times in a forward pass{unread}: it must be called "
                "once."
            )
        return _Seen(calls[0], entered[0], left[0], output)

    def _require_same_settings(self, seen: _Seen) -> None:
        before, now = ((call.positional, call.named) for call in (self._call, seen.call))
        if before != now:
            raise InputError(
                f"the block '{self.block}' is called with {now} beside its tensor, and before with {before}: what is "
                "not the tensor must be the same for every batch."
            )

    def _rehearse(self, inputs: Any, seen: _Seen) -> None:
        """Require that the network, with a module in the block's place that returns what the block did, does as before.

        Raises
        ------
        InputError: it reads something else of the block, does not call it, or returns something else.
        """
        from sdprelax.distillation._substitutes import StandIn

        before = self._run(inputs)
        if not _all_same(before, seen.output):
            raise InputError(
                "the network returns other outputs for the same inputs in evaluation mode: it must not be random, nor "
                "remember earlier batches."
            )
        stand_in = StandIn(seen.left)
        network = self._with(stand_in)
        try:
            output = self._run(inputs, network)
        except (AttributeError, UnfitBatch) as error:
            asked = stand_in.asked
            what = f"reads its '{asked[-1]}'" if asked else f"needs the module itself: {first_line(error)}"
            raise InputError(
                f"the block '{self.block}' cannot be replaced, because the network does not only call it but {what}: "
                "choose a block around it, or another one."
            ) from None
        if stand_in.calls != 1 or not _all_same(output, before):
            raise InputError(
                f"the network does not return the same where another module returns what the block '{self.block}' "
                "did: the block must change nothing but its output, such as its input in place."
            )

    def _with(self, replacement: Any) -> Any:
        """Return a copy of the network, in evaluation mode, with this very module in place of the block.

        Raises
        ------
        InputError: the network cannot be copied.
        """
        from sdprelax.distillation._substitutes import hooked

        try:
            # Every reference to the block, under whatever name, becomes one to the replacement.
            return copy.deepcopy(self.model, {id(self.block_module): hooked(replacement)}).eval()
        except (RuntimeError, TypeError) as error:
            raise InputError(f"the network cannot be copied: {first_line(error)}.") from None

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put the network into evaluation mode, and every module back into the mode it was in."""
        networks = [network for network in (self.model, self._whole) if network is not None]
        modes = [(module, module.training) for network in networks for module in network.modules()]
        try:
            try:
                for network in networks:
                    network.eval()
            except NotImplementedError:
                raise InputError(
                    "the network has no evaluation mode: give the nn.Module that it was exported from."
                ) from None
            yield
        finally:
            for module, training in modes:
                module.training = training

    def _unfit(self, verb: str, values: list[Any]) -> InputError:
        kinds = ", ".join(type(value).__name__ for value in values) or "nothing"
        return InputError(f"the block '{self.block}' {verb} {kinds}: it must take one tensor and return one.")

    def _copied(self, verb: str, value: Any) -> Any:
        if not isinstance(value, optional("torch").Tensor):
            raise self._unfit(verb, [value])
        if not value.is_floating_point():
            raise InputError(
                f"the block '{self.block}' {verb} numbers of type {value.dtype}: a student takes and returns "
                "activations, which are floating-point numbers."
            )
        return value.detach().clone()


@dataclasses.dataclass(frozen=True)
class _Seen:
    """One call of a block: how it was called, copies of what entered and left, and what the network returned."""

    call: Any
    entered: Any
    left: Any
    output: Any

    @property
    def parts(self) -> list[Any]:
        return [self.entered, self.left, self.output]


def _tensors(values: Any) -> list[Any]:
    """Return the tensors in lists, tuples and dictionaries, however deep."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in _tensors(value)]
    return [values] if isinstance(values, optional("torch").Tensor) else []


def _all_same(found: Any, expected: Any) -> bool:
    return all(_same(*pair) for pair in zip(_tensors(found), _tensors(expected), strict=True))


def _same(found: Any, expected: Any) -> bool:
    """Return whether two tensors are the same up to rounding; numbers that are not finite are not looked at."""
    if found.shape != expected.shape:
        return False
    found, expected = found.double(), expected.double()
    difference = (found - expected).norm()
    return bool(difference <= SAME * expected.norm()) or not bool(difference.isfinite())


def _array(tensor: Any) -> NDArray[np.float32]:
    """Return a copy of a tensor in single precision."""
    copied: NDArray[np.float32] = tensor.detach().to("cpu", optional("torch").float32, copy=True).numpy()
    return copied
