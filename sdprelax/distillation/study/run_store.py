"""The folder of a study: activations by block, and runs by their hash, each there whole or not at all.

<folder>/teacher/               weights that had to be trained
<folder>/activations/<block>/   what enters and leaves a block
<folder>/runs/<hash>/           record.json, student.npz, certificate.npz (of the program), certificate-student.npz
<folder>/scratch/<hash>/        checkpoints of the run that goes on
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sdprelax.base import InputError, StorageError
from sdprelax.distillation.distillers import Distilled

__all__ = ["RunStore", "plain"]


class RunStore:
    """What a study's folder holds.

    Parameters
    ----------
    folder: the study's own; it need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.teacher = folder / "teacher"

    def activations(self, block: str | None) -> Path:
        """Return the folder of a block's activations."""
        return self.folder / "activations" / (urllib.parse.quote(block, safe="") if block else "block")

    def scratch(self, run: str) -> Path:
        """Return the folder of a run's checkpoints."""
        return self.folder / "scratch" / run

    def record(self, run: str) -> dict[str, Any] | None:
        """Return what a finished run left, or None.

        Raises
        ------
        InputError: its record is damaged.
        """
        path = self.runs / run / "record.json"
        if not path.is_file():
            return None
        try:
            found = json.loads(path.read_bytes())
            if not isinstance(found, dict) or found.get("hash") != run:
                raise ValueError
        except ValueError:
            raise InputError(f"{path} is damaged: remove the folder it is in to run this again.") from None
        return found

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records of all finished runs, by hash."""
        for path in sorted(self.runs.glob("[0-9a-f]*/record.json")):
            record = self.record(path.parent.name)
            if record is not None:
                yield record

    def enter(self, record: dict[str, Any], distilled: Distilled | None) -> None:
        """Write a run's folder and rename it into place; a former result of the run gives way.

        Raises
        ------
        StorageError: it cannot be written.
        """
        final = self.runs / record["hash"]
        made, former = (self.runs / f".{kind}-{record['hash']}" for kind in ("new", "old"))
        with self.writing():
            for left in (made, former):
                shutil.rmtree(left, ignore_errors=True)
            made.mkdir(parents=True)
            if distilled is not None and hasattr(distilled.student, "save"):
                distilled.student.save(made / "student.npz")
            if distilled is not None and distilled.program is not None:
                distilled.program.save(made / "certificate.npz")
            if distilled is not None and distilled.fitted is not None:
                distilled.fitted.save(made / "certificate-student.npz")
            (made / "record.json").write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
            if final.exists():
                final.rename(former)
            made.rename(final)
        shutil.rmtree(former, ignore_errors=True)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turn what the operating system says against writing here into one sentence."""
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"{self.folder} cannot be written to: {error.strerror or error}; finished runs are kept, and the same "
                "command goes on."
            ) from None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from working in the folder, which is made if need be.

        Raises
        ------
        InputError: another process is at it.
        """
        with self.writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("a")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(f"another process is at work in {self.folder}: wait for it to end.") from None
            except OSError:
                pass  # file systems without locks must do without
            yield


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: NumPy's numbers as Python's, those that are not finite as None."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, os.PathLike):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
