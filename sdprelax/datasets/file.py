"""Data from the user's own file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import NonNegativeInt

from sdprelax.base import Floats, InputError, finite_array, nearest, one_hot
from sdprelax.datasets import (
    Dataset,
    Share,
    datasets,
    file_arrays,
    first_cells,
    read_table,
    scaled,
    sha256,
    split,
    table_numbers,
)
from sdprelax.networks import Preprocessing, Scaling

__all__ = ["File"]

SUFFIXES = (".csv", ".parquet", ".npz")
# A target of integers with more different values than this is taken for numbers, not classes, by default.
MOST_CLASSES = 20


@datasets.register("file")
@dataclass(frozen=True)
class File:
    """A CSV or Parquet table, or an NPZ file with arrays X and Y (and X_test, Y_test).

    Y of an NPZ file is of shape (n, c), or (n,) for one output or for labels, which are then what a table's target is.

    Parameters
    ----------
    path: file name ending in .csv, .parquet or .npz, relative to the current directory.
    target: target column(s) of a table; by default the last one.
    task: "classification" one-hot encodes one target column; "regression" takes numbers as they
        are; "auto" classifies when the target is text, boolean or integer with at most 20 values, or a one-hot array.
    test_size: share held out, 0 by default; an NPZ file with X_test has its own test part.
    split_seed: seed of the split.
    scaling: "none", "standard" or "minmax", fitted on the training part.
    header: whether the first line of a CSV file names its columns. By default it does, and one that looks like data is
        refused. Without names columns are called 1, 2, ...
    """

    path: str
    target: str | list[str] | None = None
    task: Literal["auto", "classification", "regression"] = "auto"
    test_size: Share = 0.0
    split_seed: NonNegativeInt = 42
    scaling: Scaling = "none"
    header: bool | None = None

    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        path = Path(self.path)
        if not path.is_file():
            raise InputError(f"data set 'file': option 'path' is '{path}', and there is no such file.")
        if path.suffix not in SUFFIXES:
            raise InputError(f"{path}: files end in .csv, .parquet or .npz, not in '{path.suffix}'.")
        if self.header is not None and path.suffix != ".csv":
            raise InputError(f"data set 'file': option 'header' is for CSV files, and {path} is of another kind.")
        if self.target is not None and path.suffix == ".npz":
            raise InputError(
                f"data set 'file': option 'target' names columns of a table, and {path} has arrays X and Y."
            )

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
        try:
            whole = self._from_arrays(path) if path.suffix == ".npz" else self._from_table(path)
            if whole.X_test is None:
                return split(whole, test_size=self.test_size, seed=self.split_seed, scaling=self.scaling)
            if self.test_size != 0.0:
                raise InputError("it has a test part of its own: leave test_size out.")
            return scaled(whole, self.scaling)
        except InputError as error:
            said = str(error)
            raise InputError(said if said.startswith(str(path)) else f"{path}: {said}") from None

    def _from_table(self, path: Path) -> Dataset:
        table = _read_csv(path, self.header) if path.suffix == ".csv" else read_table(path, pd.read_parquet)
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
        for position, name in enumerate(columns, start=1):
            if name in features and re.fullmatch(r"|Unnamed: \d+", name):
                raise InputError(
                    f"{path}: column {position} has no name; pandas writes the number of the row so, unless told "
                    "index=False: leave the column out, or name it."
                )
        if len(targets) != 1 and self.task == "classification":
            raise InputError(f"{path}: classification takes one target column, not {len(targets)}.")
        X, names = table_numbers(path, table[features]), Preprocessing(tuple(features))
        if len(targets) == 1 and self._classifies(f"column '{targets[0]}'", table[targets[0]]):
            Y, classes = self._one_hot(f"column '{targets[0]}'", table[targets[0]])
            return Dataset(X, Y, classes=classes, preprocessing=names)
        return Dataset(X, table_numbers(path, table[targets]), preprocessing=names)

    def _from_arrays(self, path: Path) -> Dataset:
        arrays = file_arrays(path)
        for name in ("X", "Y"):
            if name not in arrays:
                raise InputError(f"{path} has no array '{name}': it must hold X and Y, and holds {', '.join(arrays)}.")
        if ("X_test" in arrays) != ("Y_test" in arrays):
            raise InputError(f"{path} must hold both X_test and Y_test, or neither.")
        parts = [name for name in ("X", "X_test") if name in arrays]
        X = [finite_array(f"array '{name}'", arrays[name]) for name in parts]
        stored = [arrays[name.replace("X", "Y")] for name in parts]
        Y, classes = self._targets(stored)
        if len(parts) == 1:
            return Dataset(X[0], Y[0], classes=classes)
        return Dataset(X[0], Y[0], X[1], Y[1], classes)

    def _targets(self, stored: list[NDArray[Any]]) -> tuple[list[Floats], tuple[str, ...] | None]:
        """Return the targets of the training part and, if there is one, of the test part, with the classes' names."""
        one_column = [array.shape[:1] == (array.size,) and array.size > 0 for array in stored]
        label = pd.Series(np.concatenate([array.ravel() for array in stored])) if all(one_column) else None
        if label is not None and self._classifies("array 'Y'", label):
            Y, classes = self._one_hot("array 'Y'", label)
            return np.split(Y, [len(stored[0])])[: len(stored)], classes
        numeric = [finite_array("array 'Y'", array) for array in stored]
        hot = [array.ndim == 2 and array.shape[1] > 1 and bool(np.all((array == 0.0) | (array == 1.0)))
               and bool(np.all(array.sum(axis=1) == 1.0)) for array in numeric]  # fmt: skip
        if self.task == "classification" and not all(hot):
            raise InputError("classification takes labels Y of shape (n,) or a one-hot array Y of shape (n, classes).")
        if self.task == "regression" or not all(hot):
            return numeric, None
        return numeric, tuple(f"class {k}" for k in range(numeric[0].shape[1]))

    def _classifies(self, name: str, label: pd.Series) -> bool:
        """Say whether a target of one column holds classes rather than numbers."""
        kinds = {type(value) for value in label.dropna()} if label.dtype == object else set()
        strange = [kind.__name__ for kind in kinds if not issubclass(kind, (str, Real, Decimal, date, timedelta))]
        if strange:
            raise InputError(f"{name} holds entries of type {strange[0]}; a target is numbers, text or truth values.")
        if label.dtype.kind in "mM" or any(issubclass(kind, (date, timedelta)) for kind in kinds):
            raise InputError(f"{name} holds dates or times: write them as numbers, or classes as text.")
        if self.task != "auto":
            return self.task == "classification"
        if pd.api.types.is_float_dtype(label) or (kinds and all(issubclass(kind, (Real, Decimal)) for kind in kinds)):
            return kinds == {bool}
        if label.dtype.kind == "c":
            return False  # complex numbers, which are refused as targets later
        if pd.api.types.is_numeric_dtype(label) and not pd.api.types.is_bool_dtype(label):
            return bool(label.nunique() <= MOST_CLASSES)
        numeric = pd.to_numeric(label.astype(object), errors="coerce").notna()
        if numeric.any() and not numeric.all() and not label.isna().any():
            row = int(np.argmin(numeric))
            raise InputError(
                f"{name} holds '{label.iloc[row]}' in row {row + 1} among numbers: correct it, or write "
                "task: classification if they are labels."
            )
        if label.nunique() == len(label) > MOST_CLASSES:
            raise InputError(
                f"{name} has another label in each of {len(label)} rows: name the target with option 'target', or "
                "write task: classification."
            )
        return True

    def _one_hot(self, name: str, label: pd.Series) -> tuple[Floats, tuple[str, ...]]:
        if label.isna().any():
            raise InputError(f"{name} has no label in row {int(label.isna().to_numpy().argmax()) + 1}.")
        try:
            return one_hot(label)
        except InputError as error:
            raise InputError(f"{name} cannot be classes: {error}") from None


def _read_csv(path: Path, header: bool | None) -> pd.DataFrame:
    """Return a CSV file's table; lines that pandas would silently shift, drop or rename are refused."""
    cells = first_cells(path)
    if header is None and len(cells) > 1:
        numeric = pd.to_numeric(pd.Series(cells[:-1]), errors="coerce").notna().all()
        counted = any(cells[:-1] == [str(k + start) for k in range(len(cells) - 1)] for start in (0, 1))
        if numeric and not counted:
            raise InputError(
                f"{path} has a first line of numbers, {', '.join(cells[:3])}, ...: write header: false if they are "
                "data, or header: true if they are names of columns."
            )
    names = [str(k + 1) for k in range(len(cells))] if header is False else cells
    for name in names:
        if name and names.count(name) > 1:
            raise InputError(f"{path} has two columns named '{name}'; give each a name of its own.")
    return read_table(
        path, pd.read_csv, header=None if header is False else 0, names=names if header is False else None,
        index_col=False, low_memory=False,
    )  # fmt: skip
