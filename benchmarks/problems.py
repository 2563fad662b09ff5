"""Problems that several benchmarks measure."""

from __future__ import annotations

from pathlib import Path

from harness import Needs, Run

from sdprelax import Problem
from sdprelax.datasets import datasets
from sdprelax.laboratory import load_modules

ARRAYS = Path(__file__).resolve().parents[1] / "experiments" / "closing" / "p25.py"


def folder_of(run: Run) -> str | None:
    """Return the folder of the arrays of Prakhya, Birdal and Yurtsever (2025); a tiny run does without.

    Raises
    ------
    Needs: the option ``data`` names none.
    """
    folder: str | None = run.options["data"]
    if folder is None and not run.tiny:
        raise Needs("the arrays of Prakhya, Birdal and Yurtsever (2025): name their folder with --data")
    return folder


def problem(folder: str | None, name: str, gamma: float, *, number: int = 0, rows: int | None = None) -> Problem:
    """Return a training problem of these arrays, or without a folder the package's own of that name."""
    if folder is None:
        data = datasets.create(name, {"seed": number} if name == "random" else {}).load()
    else:
        load_modules([str(ARRAYS)])
        options = {"name": name, "number": number, "folder": folder}
        data = datasets.create("p25", options).load()
    return Problem(data.X[:rows], data.Y[:rows], gamma)
