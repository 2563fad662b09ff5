"""What stands in a network in place of a block: a student, called as the block is, or what the block returned before.

Importing this file imports PyTorch: other modules import it inside functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

__all__ = ["Call", "StandIn", "Substitute", "hooked"]

# What may be passed to a block beside its tensor.
SETTING = (type(None), bool, int, float, str)


@dataclass(frozen=True)
class Call:
    """How a network calls a block: with one tensor, among settings that are the same at every call.

    Parameters
    ----------
    positional, named: the arguments, None in place of the tensor.
    place: the tensor's position, or its keyword.
    entering_axis, leaving_axis: axis of the samples in what enters and in what leaves.
    leaving_type: of the numbers that leave.
    """

    positional: tuple[Any, ...] = ()
    named: tuple[tuple[str, Any], ...] = ()
    place: int | str = 0
    entering_axis: int = 0
    leaving_axis: int = 0
    leaving_type: Any = torch.float32

    @classmethod
    def of(cls, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Call | None:
        """Return the call with these arguments; None where they are not one tensor and settings."""
        given: dict[int | str, Any] = dict([*enumerate(arguments), *keywords.items()])
        tensors = [place for place, value in given.items() if isinstance(value, torch.Tensor)]
        if len(tensors) != 1 or not all(isinstance(given[place], SETTING) for place in given.keys() - tensors):
            return None
        kept = {**given, tensors[0]: None}
        named = tuple((name, kept[name]) for name in keywords)
        return cls(tuple(kept[index] for index in range(len(arguments))), named, tensors[0])

    def tensor(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Return the tensor among arguments of this call."""
        return arguments[self.place] if isinstance(self.place, int) else keywords[self.place]

    def __call__(self, module: Any, z: Any) -> Any:
        """Call a block with samples, shape (B, ...), as the network does; return what leaves, shape (B, ...)."""
        given: dict[int | str, Any] = dict([*enumerate(self.positional), *self.named])
        given[self.place] = z.movedim(0, self.entering_axis)
        positional = [given[index] for index in range(len(self.positional))]
        output = module(*positional, **{name: given[name] for name, _ in self.named})
        return output.movedim(self.leaving_axis, 0)


class Substitute(nn.Module):  # type: ignore[misc]
    """A student that is called as the block was: settings are passed over, and the samples' axis is the block's."""

    def __init__(self, student: Any, call: Call) -> None:
        super().__init__()
        self.student = student
        self.call = call

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        """Return what leaves the block's place."""
        z = self.call.tensor(arguments, keywords).movedim(self.call.entering_axis, 0)
        return self.student(z.float()).to(self.call.leaving_type).movedim(0, self.call.leaving_axis)


class StandIn(nn.Module):  # type: ignore[misc]
    """Returns the same output at every call, counts the calls, and notes what else the network asks it for."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output
        self.calls = 0
        self.asked: list[str] = []

    def forward(self, *_: Any, **__: Any) -> Any:
        """Return a copy of the output."""
        self.calls += 1
        return self.output.clone()

    def __getattr__(self, name: str) -> Any:
        """Note the name, and fail as any module without such an attribute does."""
        if not name.startswith("_"):
            self.__dict__["asked"].append(name)
        return super().__getattr__(name)


def hooked(module: Any) -> Any:
    """Return the module with a hook that does nothing: where a part has hooks, PyTorch's fused layers call it.

    ``TransformerEncoderLayer`` otherwise reads the weights of its parts, which a student does not have.
    """
    module.register_forward_hook(_nothing)
    return module


def _nothing(module: Any, arguments: Any, output: Any) -> None:
    """Leave the output as it is."""
