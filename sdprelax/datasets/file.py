"""Data from the user's own file."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import NonNegativeInt

from sdprelax.datasets import Dataset, Scaling, Share, one_hot, register, scaled, split
from sdprelax.errors import InputError, nearest
from sdprelax.verified import Floats

__all__ = ["File", "finite", "numbers", "read_arrays", "read_table", "sha256"]

READERS: dict[str, Callable[..., pd.DataFrame]] = {".csv": pd.read_csv, ".parquet": pd.read_parquet}


@register("file")
@dataclass(frozen=True)
class File:
    """A CSV or Parquet table, or an NPZ file with arrays X and Y (and X_test, Y_test).

    Parameters
    ----------
    path: file name ending in .csv, .parquet or .npz, relative to the current directory.
    target: target column(s) of a table; by default the last one.
    task: "classification" one-hot encodes one target column; "regression" takes numbers as they
        are; "auto" classifies when the target is text, boolean or integer with at most 20 values, or a one-hot array.
    test_size: share held out, 0 by default; an NPZ file with X_test has its own test part.
    split_seed: seed of the split.
    scaling: "none", "standard" or "minmax", fitted on the training part.
    """

    path: str
    target: str | list[str] | None = None
    task: Literal["auto", "classification", "regression"] = "auto"
    test_size: Share = 0.0
    split_seed: NonNegativeInt = 42
    scaling: Scaling = "none"

    def __post_init__(self) -> None:
        path = Path(self.path)
        if not path.is_file():
            raise InputError(f"data set 'file': option 'path' is '{path}', and there is no such file.")
        if path.suffix not in (*READERS, ".npz"):
            raise InputError(f"{path}: files end in .csv, .parquet or .npz, not in '{path.suffix}'.")

    def digest(self) -> str:
        """Return the SHA-256 of the file."""
        return sha256(self.path)

    def load(self) -> Dataset:
        """Return the data.

        Raises
        ------
        InputError: a column that does not exist, a feature that is not a finite number, an unreadable file.
        """
        path = Path(self.path)
        if path.suffix == ".npz":
            return self._from_arrays(path)
        return self._from_table(path, read_table(path, READERS[path.suffix]))

    def _from_table(self, path: Path, table: pd.DataFrame) -> Dataset:
        columns = [str(name) for name in table.columns]
        table.columns = pd.Index(columns)
        if self.target is None:
            targets = columns[-1:]
        else:
            targets = [self.target] if isinstance(self.target, str) else list(self.target)
        for name in targets:
            if name not in columns:
                raise InputError(f"{path} has no column '{name}': {nearest(name, columns)}.")
        features = [name for name in columns if name not in targets]
        if not features or len(table) == 0:
            raise InputError(f"{path} needs at least one row and one column besides the target.")
        X = numbers(path, table[features])
        label = table[targets[0]]
        classify = self.task == "classification"
        if self.task == "auto" and len(targets) == 1:
            countable = not pd.api.types.is_float_dtype(label)
            textual = not pd.api.types.is_numeric_dtype(label) or pd.api.types.is_bool_dtype(label)
            classify = textual or (countable and label.nunique() <= 20)
        if classify:
            if len(targets) != 1:
                raise InputError(f"{path}: classification takes one target column, not {len(targets)}.")
            if label.isna().any():
                raise InputError(f"{path}: column '{targets[0]}' has no label in row {int(label.isna().argmax()) + 1}.")
            codes, values = pd.factorize(label, sort=True)
            names = tuple(str(value) for value in values)
            return self._split(X, one_hot(codes, names), names)
        return self._split(X, numbers(path, table[targets]), None)

    def _from_arrays(self, path: Path) -> Dataset:
        arrays = read_arrays(path)
        for name in ("X", "Y"):
            if name not in arrays:
                raise InputError(f"{path} has no array '{name}': it must hold X and Y, and holds {', '.join(arrays)}.")
        numeric = {name: finite(path, name, array) for name, array in arrays.items()}
        X, Y = numeric["X"], numeric["Y"]
        hot = Y.ndim == 2 and Y.shape[1] > 1 and bool(np.all(np.isin(Y, (0.0, 1.0))) and np.all(Y.sum(axis=1) == 1.0))
        if self.task == "classification" and not hot:
            raise InputError(f"{path}: classification takes a one-hot array Y of shape (n, classes).")
        classes = tuple(f"class {k}" for k in range(Y.shape[1])) if hot and self.task != "regression" else None
        if ("X_test" in numeric) != ("Y_test" in numeric):
            raise InputError(f"{path} must hold both X_test and Y_test, or neither.")
        if "X_test" not in numeric:
            return self._split(X, Y, classes)
        if self.test_size != 0.0:
            raise InputError(f"{path} has a test part of its own: leave test_size out.")
        return scaled(Dataset(X, Y, numeric["X_test"], numeric["Y_test"], classes), self.scaling)

    def _split(self, X: Floats, Y: Floats, classes: tuple[str, ...] | None) -> Dataset:
        return split(X, Y, classes, test_size=self.test_size, seed=self.split_seed, scaling=self.scaling)


def sha256(path: str) -> str:
    """Return the SHA-256 of a file's content."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None


def read_table(path: Path, reader: Callable[..., pd.DataFrame], **options: Any) -> pd.DataFrame:
    """Return ``reader(path, **options)``; what goes wrong there is one sentence here."""
    try:
        return reader(path, **options)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be read as {path.suffix[1:]}: {reason}.") from None


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an NPZ file by name."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: np.asarray(stored[name]) for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read as npz: {str(error).splitlines()[0]}.") from None


def finite(path: Path, name: str, array: NDArray[Any]) -> Floats:
    """Return an array of a file in double precision, or refuse what is not a finite number."""
    if not np.issubdtype(array.dtype, np.number) or not np.all(np.isfinite(array)):
        raise InputError(f"{path}: array '{name}' must hold finite numbers only.")
    return array.astype(np.float64)


def numbers(path: Path, table: pd.DataFrame) -> Floats:
    """Return a table as finite numbers, or name the first cell that is none."""
    numeric: Floats = table.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.argwhere(~np.isfinite(numeric))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"{path}: row {row + 1}, column '{table.columns[column]}' holds '{table.iloc[row, column]}', "
            "which is not a finite number."
        )
    return numeric
