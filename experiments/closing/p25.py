"""Data set ``p25``: the training arrays of Prakhya, Birdal and Yurtsever 2025 ("P25"), from their NumPy files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdprelax import InputError
from sdprelax.datasets import Dataset, datasets


@datasets.register("p25")
@dataclass(frozen=True)
class P25:
    """Training arrays of P25, one-hot targets where there are classes.

    Parameters
    ----------
    name: which file: "random", "spiral", "iris", "ionosphere", "pima_indians", "bank_notes" or "mnist_pca20".
    number: which of the hundred sets of ``random``.
    rows: how many of the first rows; all by default.
    folder: where the files are, relative to the current directory.
    """

    name: str
    number: int = 0
    rows: int | None = None
    folder: str = "data/p25"

    def __post_init__(self) -> None:
        if not self._path.is_file():
            raise InputError(f"data set 'p25': there is no {self._path}; folder must be that of the arrays.")

    @property
    def _path(self) -> Path:
        return Path(self.folder) / f"{self.name}.npz"

    def digest(self) -> str:
        """Return the file's SHA-256."""
        import hashlib

        return hashlib.sha256(self._path.read_bytes()).hexdigest()

    def load(self) -> Dataset:
        """Return the training part; labels as indicators."""
        data = np.load(self._path)
        if self.name == "random":
            X, Y = data["X"][self.number], data["Y"][self.number]
        elif self.name == "spiral":
            X, Y = data["X"], np.eye(3)[data["y"]]
        else:
            X = data["X_train"].astype(float)
            Y = data["Y_train"].astype(float) if "Y_train" in data else np.eye(10)[data["y_train"]]
        return Dataset(X[: self.rows], Y[: self.rows])
