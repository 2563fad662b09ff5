"""PyTorch modules as ONNX models; ONNX and PyTorch are optional, and imported where they are called for."""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sdprelax.base import optional, storing, write_whole

__all__ = ["export_onnx", "onnx_model"]

# Most entries of a weight that is folded into its kernel: no weight has more.
LARGEST = 2**31


def export_onnx(module: Any, example: Any, path: str | Path) -> None:
    """Write :func:`onnx_model` to a file, whole or not at all.

    Raises
    ------
    SolverUnavailable: packages that write ONNX are not installed.
    StorageError: the file cannot be written.
    """
    model = onnx_model(module, example)
    with storing(path) as target:
        write_whole(target, model.SerializeToString())


def onnx_model(module: Any, example: Any) -> Any:
    """Return a module as an ``onnx.ModelProto`` from ``input`` to ``output``, for batches of any size.

    Parameters
    ----------
    module: a student, or a network of one tensor.
    example: a batch of its inputs, shape (B, ...), of which only shape and type matter.

    Raises
    ------
    SolverUnavailable: packages that write ONNX are not installed.
    """
    torch = optional("torch")
    optimizer = optional("onnxscript.optimizer")
    # Two samples, for the exporter takes a batch of one for a network that knows no others.
    pair = torch.as_tensor(example)[:1].cpu().repeat_interleave(2, dim=0)
    # The exporter warns of optional packages at every call.
    with warnings.catch_warnings(), _quiet("torch.onnx"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            copy.deepcopy(module).cpu().eval(),
            (pair,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["input"],
            output_names=["output"],
            verbose=False,
        )
    # Slices and reshapes of large weights, which the exporter leaves to every run, are computed once.
    return optimizer.optimize(program.model_proto, input_size_limit=LARGEST, output_size_limit=LARGEST)


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Silence a logger, and those below it, up to errors."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
