"""The user's own network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sdprelax.base import InputError, SdprelaxError, nearest, optional
from sdprelax.datasets import sha256
from sdprelax.distillation.teachers import frozen, teachers
from sdprelax.laboratory import load_modules

__all__ = ["Python"]


@teachers.register("python")
@dataclass(frozen=True)
class Python:
    """A network that a function in the user's Python file returns, called without arguments.

    Parameters
    ----------
    path: the file, relative to the current directory; it is executed.
    function: returns the trained network, an ``nn.Module``, which takes pictures as ``images`` gives them.
    """

    block: ClassVar[str | None] = None

    path: str
    function: str

    def identity(self) -> str:
        """Return the function's name and the SHA-256 of the file; weights that the file itself reads are not in it."""
        facts = {"teacher": "python", "function": self.function, "sha256": sha256(self.path)}
        return json.dumps(facts, sort_keys=True)

    def load(self, folder: Path) -> Any:
        """Return the network in evaluation mode.

        Raises
        ------
        InputError: no such file or function, or one that fails or returns something else.
        """
        torch = optional("torch")
        (module,) = load_modules([self.path])
        functions = [name for name, value in vars(module).items() if callable(value)]
        if self.function not in functions:
            raise InputError(f"{self.path} has no function '{self.function}': {nearest(self.function, functions)}.")
        try:
            model = getattr(module, self.function)()
        except SdprelaxError:
            raise
        except Exception as error:
            raise InputError(
                f"{self.path}: function '{self.function}' fails: {type(error).__name__}: {error}."
            ) from None
        if not isinstance(model, torch.nn.Module):
            raise InputError(
                f"{self.path}: function '{self.function}' returns a {type(model).__name__}, but must return an "
                "nn.Module."
            )
        return frozen(model)
