"""Distiller ``pruning``: the block itself without its smallest weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

from sdprelax.base import InputError, optional
from sdprelax.distillation.distillers import Budget, Distilled, Task, distillers

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


def pruned(block: Any, keep: int) -> tuple[Any, int]:
    """Return a copy of a block with all but its ``keep`` weights of largest magnitude set to zero, and its nonzeros.

    Weights are parameters with at least two axes, matrices and kernels, of all layers together; biases, and the scales
    of normalisations, are kept. Of weights of the same magnitude the first ones are kept. The count of nonzeros is of
    all parameters.

    Raises
    ------
    InputError: ``keep`` is negative.
    """
    torch = optional("torch")
    if keep < 0:
        raise InputError(f"keep is {keep}: the number of weights to keep must be at least 0.")
    sparse = copy.deepcopy(block)
    weights = [parameter for parameter in sparse.parameters() if parameter.ndim > 1]
    with torch.no_grad():
        flat = torch.cat([weight.reshape(-1) for weight in weights]) if weights else torch.empty(0)
        flat[torch.argsort(flat.abs(), descending=True, stable=True)[keep:]] = 0.0
        for weight, part in zip(weights, flat.split([weight.numel() for weight in weights]), strict=True):
            weight.copy_(part.reshape(weight.shape))
    return sparse, sum(int(torch.count_nonzero(parameter)) for parameter in sparse.parameters())
