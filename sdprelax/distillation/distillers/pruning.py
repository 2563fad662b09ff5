"""Distiller ``pruning``: the block itself without its smallest weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sdprelax.base import InputError
from sdprelax.distillation._rivals import pruned
from sdprelax.distillation.distillers import Distilled, Task, distillers
from sdprelax.distillation.distillers.gated_relu import Budget

__all__ = ["Pruning"]


@distillers.register("pruning")
@dataclass(frozen=True)
class Pruning:
    """The block with its weights of largest magnitude alone; it looks at no data.

    Parameters
    ----------
    budget: nonzero parameters, biases included, as a share of the block's; what says where they are is not counted.
    """

    uses_data: ClassVar[bool] = False
    proves: ClassVar[bool] = False

    budget: Budget = 0.25

    def fit(self, task: Task) -> Distilled:
        """Return the pruned block.

        Raises
        ------
        InputError: an ONNX teacher, or a budget below the block's biases.
        """
        block, budget = task.torch_teacher("pruning").block_module, task.parameters(self.budget)
        biases = sum(parameter.numel() for parameter in block.parameters() if parameter.ndim < 2)
        if budget < biases:
            raise InputError(f"a budget of {budget:,} parameters is below the {biases:,} biases, which pruning keeps.")
        student, nonzeros = pruned(block, budget - biases)
        return Distilled(student, details={"nonzeros": nonzeros})
