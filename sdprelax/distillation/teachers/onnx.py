"""The user's own network as an ONNX model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sdprelax.datasets import sha256
from sdprelax.distillation.teachers import teachers

__all__ = ["Onnx"]


@teachers.register("onnx")
@dataclass(frozen=True)
class Onnx:
    """A network as an ONNX model, whose block lies between two of its tensors.

    Parameters
    ----------
    path: the model, relative to the current directory; it takes pictures as ``images`` gives them.
    entering: name of the tensor that enters the block.
    leaving: name of the tensor that leaves it.
    """

    block: ClassVar[str | None] = None

    path: str
    entering: str
    leaving: str

    def identity(self) -> str:
        """Return the tensors' names and the SHA-256 of the model, without weights in other files."""
        facts = {"teacher": "onnx", "entering": self.entering, "leaving": self.leaving, "sha256": sha256(self.path)}
        return json.dumps(facts, sort_keys=True)

    def load(self, folder: Path) -> Any:
        """Return the network and its block, an ``OnnxTeacher``.

        Raises
        ------
        InputError: no readable model, or no tensors of those names.
        SolverUnavailable: ONNX is not installed.
        """
        from sdprelax.distillation._onnx_teacher import OnnxTeacher

        return OnnxTeacher(self.path, self.entering, self.leaving)
