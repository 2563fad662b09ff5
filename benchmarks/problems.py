"""Problems that several benchmarks measure, and what judges solutions; importing it does not import sdprelax."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from harness import Needs, Run

if TYPE_CHECKING:
    from sdprelax import Problem

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
    from sdprelax import Problem
    from sdprelax.datasets import datasets
    from sdprelax.laboratory import load_modules

    if folder is None:
        data = datasets.create(name, {"seed": number} if name == "random" else {}).load()
    else:
        load_modules([str(ARRAYS)])
        options = {"name": name, "number": number, "folder": folder}
        data = datasets.create("p25", options).load()
    return Problem(data.X[:rows], data.Y[:rows], gamma)


def dual_value(X: np.ndarray, masks: np.ndarray, y: np.ndarray, residual: np.ndarray, gamma: float) -> float:
    """Return the best lower bound of a gated program with one output that multiples of a residual prove.

    Parameters
    ----------
    X, masks: inputs (n, d), and which of them every gate lets through (n, m).
    y, residual: targets and what is left of them, (n,).
    """
    along, energy = residual @ y, residual @ residual
    steepest = np.max(np.linalg.norm(X.T @ (masks * residual[:, None]), axis=0))
    scale = max(0.0, min(along / energy, gamma / steepest))
    return float(scale * along - 0.5 * scale**2 * energy)
