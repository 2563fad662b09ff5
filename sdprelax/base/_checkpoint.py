"""A file from which a long computation goes on after its process was lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base._errors import InputError, StorageError
from sdprelax.base._files import write_arrays

__all__ = ["Checkpoint"]

# Seconds between two checkpoints.
INTERVAL = 60.0


class Checkpoint:
    """What is written now and then while something is computed, read once by what computes the same again, and removed.

    Parameters
    ----------
    path: a file, whose folder is made when it is needed; None keeps nothing.
    identity: what the computation is, in words that any other computation has others of. A file that says otherwise,
        or is damaged, is none.
    """

    def __init__(self, path: Path | None, identity: str) -> None:
        self._path, self._identity, self._saved = path, identity, time.monotonic()

    @staticmethod
    def named(path: str | Path) -> Path:
        """Return a path that somebody names for a checkpoint, whose file will be overwritten and removed.

        Raises
        ------
        InputError: something else is there; a damaged archive may have been a checkpoint.
        """
        where, ours = Path(path), True
        if where.is_dir():
            ours = False
        elif where.is_file() and where.stat().st_size:
            ours = where.read_bytes()[:4] == b"PK\x03\x04"
            # A damaged archive fails in zlib, zipfile or NumPy, each with errors of its own.
            with contextlib.suppress(Exception), np.load(where, allow_pickle=False) as kept:
                ours = "identity" in kept.files
        if not ours:
            raise InputError(f"{where} is no checkpoint, and one would take its place: name another file.")
        return where

    def arrays(self) -> dict[str, NDArray[Any]] | None:
        """Return the arrays by name that were written last; None where there is nothing to go on from."""
        if self._path is None or not self._path.is_file():
            return None
        # A damaged archive fails in zlib, zipfile or NumPy, each with errors of its own.
        with contextlib.suppress(Exception), np.load(self._path, allow_pickle=False) as kept:
            if str(kept["identity"]) == self._identity:
                return {name: kept[name] for name in kept.files if name != "identity"}
        return None

    def save(self, arrays: Callable[[], Mapping[str, Any]]) -> None:
        """Write arrays, if the last time is a minute ago; a disk without room for them is no error.

        Parameters
        ----------
        arrays: makes them; called only where they are written.
        """
        if self._path is None or time.monotonic() - self._saved <= INTERVAL:
            return
        # A disk without room for a checkpoint costs time after an interruption, and nothing else.
        with contextlib.suppress(OSError, StorageError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_arrays(self._path, {**arrays(), "identity": np.array(self._identity)})
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Remove the file: what it is of has ended."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
