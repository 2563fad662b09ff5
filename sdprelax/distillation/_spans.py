"""A span of a network's modules as one module: ``layers.1.linear1:linear2`` is the MLP of a transformer's layer.

The two ends of a span need not stand in a module of their own: a ``TransformerEncoderLayer`` calls ``linear1``, a
function and ``linear2``. In a copy of the network the first end becomes the whole span, and what followed it inside the
span passes its input on, so that everything else sees one module that takes one tensor and returns one.

Importing this file imports PyTorch: other modules import it inside functions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torch import nn

from sdprelax.base import InputError, nearest
from sdprelax.distillation._substitutes import hooked

__all__ = ["Applied", "spanned"]

# Most names that a message lists.
NAMED = 8


class Applied(nn.Module):  # type: ignore[misc]
    """A function of one tensor as a module."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        """Return the function's value."""
        return self.function(x)


def spanned(model: Any, block: str) -> tuple[Any, str]:
    """Return a copy of a network in which a span of its modules is one, and that module's name.

    Between the two ends may stand nothing but the ``activation`` of the innermost module around both, as PyTorch's
    transformer layers have one, and what does nothing in evaluation, such as dropout.

    Parameters
    ----------
    model: an ``nn.Module``.
    block: ``first:last``: the dotted name of the module that the span begins with, and that of the one it ends with, as
        it is called inside the innermost module around both: ``encoder.layers.1.linear1:linear2``.

    Raises
    ------
    InputError: no modules of these names, or one inside the other.
    """
    first, _, last = block.partition(":")
    names = dict(model.named_modules())
    parts = first.split(".")
    around = [".".join(parts[:depth]) for depth in range(len(parts) - 1, -1, -1)]
    ends = [f"{outer}.{last}".lstrip(".") for outer in around]
    found = next((end for end in ends if end in names and last), None)
    if first not in names or not first or found is None:
        wrong, known = (last, [name for name in names if name]) if first in names and first else (first, list(names))
        raise InputError(f"the span '{block}' ends in no module '{wrong}': {nearest(wrong, known, NAMED)}.")
    if f"{found}.".startswith(f"{first}.") or f"{first}.".startswith(f"{found}."):
        raise InputError(f"the span '{block}' goes from a module to itself or to a part of it: name a later module.")
    outer = around[ends.index(found)]
    merged = copy.deepcopy(model)
    inside = merged.get_submodule(outer)
    steps = [merged.get_submodule(first), merged.get_submodule(found)]
    activation = getattr(inside, "activation", None)
    if callable(activation):
        steps.insert(1, activation if isinstance(activation, nn.Module) else Applied(activation))
        inside.activation = nn.Identity()
    # PyTorch's fused layers call parts with hooks instead of reading their weights.
    merged.set_submodule(first, hooked(nn.Sequential(*steps)))
    merged.set_submodule(found, hooked(nn.Identity()))
    return merged, first
