"""Data from the user's own file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from sdprelax.base import LATER, Floats, InputError, finite_array, optional
from sdprelax.datasets import (
    Dataset,
    Share,
    datasets,
    file_arrays,
    first_cells,
    principal_components,
    read_table,
    scaled,
    sha256,
    split,
)
from sdprelax.datasets._tables import Encode, Missing, Names, TargetKind, holds_classes, labels, table_dataset
from sdprelax.networks import Scaling

__all__ = ["File"]

KINDS = (".csv", ".csv.gz", ".parquet", ".npz")
# Options that are for CSV files alone, and those that are for tables alone.
OF_CSV = ("header", "separator", "decimal", "encoding", "na_values")
OF_TABLES = ("target", "features", "drop", "index", "missing", "encode")
# Marks between columns that have a name.
SEPARATORS = {"tab": "\t", "whitespace": r"\s+"}


@datasets.register("file")
@dataclass(frozen=True)
class File:
    """A CSV or Parquet table, or an NPZ file with arrays X and Y (and X_test, Y_test).

    Y of an NPZ file is of shape (n, c), or (n,) for one output or for labels, which are then what a table's target is.
    Types are those of whole columns. Refused in one sentence is what would be shifted, renamed or mistaken otherwise:
    dates, times, complex numbers, columns without a name, rows longer than the header, words among numbers.

    Parameters
    ----------
    path: file name ending in .csv, .csv.gz, .parquet or .npz, relative to the current directory.
    target: target column(s) of a table; by default the last one that no other option names.
    task: "classification" one-hot encodes one target column; "regression" takes numbers as they
        are; "auto" classifies when the target is text, boolean or integer with at most 20 values, or a one-hot array.
    test_size: share held out, 0 by default; an NPZ file with X_test has its own test part.
    split_seed: seed of the split.
    scaling: "none", "standard" or "minmax", fitted on the training part.
    header: whether the first line of a CSV file names its columns. By default it does, and one that looks like data is
        refused. Without names columns are called 1, 2, ...
    features: column(s) of a table that are inputs, in this order; by default all that no other option names.
    drop: column(s) of a table that are left out.
    index: the column of a table that names its rows and is no input, by its name, or 0 for the first; its name may be
        missing in the file, as pandas and R write it.
    missing: what becomes of empty entries of a table (those that pandas.read_csv takes for such): "error" refuses them,
        "drop" leaves their rows out, "mean" puts the mean of the training part in place of inputs, of words the share
        of each, and predictors do so with new rows.
    encode: which inputs of a table are words, each of which becomes an input of zeros and ones: "text" for all columns
        of text and categories, or a list of columns; by default text is refused.
    separator: what stands between the cells of a CSV file: one character, tab or whitespace.
    decimal: the decimal mark in a CSV file.
    encoding: how a CSV file writes characters, such as latin-1.
    label: what the data are called in tables and pictures.
    na_values: what else an empty entry is written as in a CSV file, such as "?".
    components: principal components of the inputs, scaled before, that are kept, fitted on the training part; None
        keeps the inputs.
    """

    path: str
    target: Names | None = None
    task: TargetKind = "auto"
    test_size: Share = 0.0
    split_seed: NonNegativeInt = 42
    scaling: Scaling = "none"
    header: bool | None = None
    features: Names | None = field(default=None, metadata=LATER)
    drop: Names | None = field(default=None, metadata=LATER)
    index: str | int | None = field(default=None, metadata=LATER)
    missing: Missing = field(default="error", metadata=LATER)
    encode: Encode | None = field(default=None, metadata=LATER)
    separator: str = field(default=",", metadata=LATER)
    decimal: str = field(default=".", metadata=LATER)
    encoding: str = field(default="utf-8", metadata=LATER)
    label: str | None = field(default=None, metadata=LATER)
    na_values: Names | None = field(default=None, metadata=LATER)
    components: PositiveInt | None = field(default=None, metadata=LATER)

    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        path = Path(self.path)
        if not path.is_file():
            raise InputError(f"data set 'file': option 'path' is '{self.path}', and there is no such file.")
        if not path.name.endswith(KINDS):
            raise InputError(f"{path}: files end in {', '.join(KINDS[:-1])} or {KINDS[-1]}, not in '{path.suffix}'.")
        for names, there, what in (
            (OF_CSV, self._is_csv, "is for CSV files"), (OF_TABLES, path.suffix != ".npz", "is for tables"),
        ):  # fmt: skip
            for name in names:
                if not there and getattr(self, name) != getattr(File, name):
                    kind = "has arrays X and Y" if path.suffix == ".npz" else "is of another kind"
                    raise InputError(f"data set 'file': option '{name}' {what}, and {path} {kind}.")
        if len(self.separator) != 1 and self.separator not in SEPARATORS:
            raise InputError(
                f"data set 'file': option 'separator' is {self.separator!r}; it must be one character, tab or "
                "whitespace."
            )
        if len(self.decimal) != 1 or self.decimal == self.separator:
            raise InputError(
                f"data set 'file': option 'decimal' is {self.decimal!r} and 'separator' is {self.separator!r}; they "
                'must be single characters that differ, such as separator: ";" with decimal: ",".'
            )

    @property
    def _is_csv(self) -> bool:
        return self.path.endswith((".csv", ".csv.gz"))

    def digest(self) -> str:
        """Return the SHA-256 of the file."""
        return sha256(self.path)

    def load(self) -> Dataset:
        """Return the data.

        Raises
        ------
        InputError: a column that does not exist, a feature that is not a finite number, an unreadable file, more
            principal components than there are.
        """
        path = Path(self.path)
        try:
            data = self._split(path)
            return data if self.components is None else principal_components(data, self.components)
        except InputError as error:
            said = str(error)
            raise InputError(said if said.startswith(str(path)) else f"{path}: {said}") from None

    def _split(self, path: Path) -> Dataset:
        if path.suffix != ".npz":
            return table_dataset(str(path), self.table(), self)
        whole = self._from_arrays(path)
        if whole.X_test is None:
            return split(whole, test_size=self.test_size, seed=self.split_seed, scaling=self.scaling)
        if self.test_size != 0.0:
            raise InputError("it has a test part of its own: leave test_size out.")
        return scaled(whole, self.scaling)

    def table(self) -> pd.DataFrame:
        """Return the whole table as it is stored.

        Raises
        ------
        InputError: an unreadable file, a file of arrays, or lines that pandas would silently shift, drop or rename.
        SolverUnavailable: a Parquet file, and PyArrow is not installed.
        """
        path = Path(self.path)
        if path.suffix == ".npz":
            raise InputError(f"{path} holds arrays and no table.")
        if self._is_csv:
            return self._csv(path)
        optional("pyarrow")
        return read_table(path, pd.read_parquet)

    def _csv(self, path: Path) -> pd.DataFrame:
        options: dict[str, Any] = {"sep": SEPARATORS.get(self.separator, self.separator), "encoding": self.encoding}
        cells = first_cells(path, **options)
        if len(cells) == 1:
            marks = [mark for mark in (",", ";", "\t", "|") if mark != self.separator and mark in cells[0]]
            if marks:
                likely = max(marks, key=cells[0].count)
                raise InputError(
                    f"{path} has one column, '{cells[0][:40]}': write separator: "
                    f"{'tab' if likely == chr(9) else repr(likely)} if it has more."
                )
        if self.header is None and len(cells) > 1:
            numbers = pd.Series(cells[:-1]).str.replace(self.decimal, ".", regex=False)
            numeric = pd.to_numeric(numbers, errors="coerce").notna().all()
            counted = any(cells[:-1] == [str(k + start) for k in range(len(cells) - 1)] for start in (0, 1))
            if numeric and not counted:
                raise InputError(
                    f"{path} has a first line of numbers, {', '.join(cells[:3])}, ...: write header: false if they are "
                    "data, or header: true if they are names of columns."
                )
        names = [str(k + 1) for k in range(len(cells))] if self.header is False else cells
        for name in names:
            if name and names.count(name) > 1:
                raise InputError(f"{path} has two columns named '{name}'; give each a name of its own.")
        skipped: int | None = None
        if self.index == 0 and self.header is not False:
            second = first_cells(path, skiprows=1, **options)
            if len(second) == len(cells) + 1:  # R writes no name for that of the rows
                names, skipped = ["", *cells], 1
        return read_table(
            path, pd.read_csv, header=None if self.header is False or skipped else 0, skiprows=skipped,
            names=names if self.header is False or skipped else None,
            index_col=False, low_memory=False, decimal=self.decimal, na_values=self.na_values, **options,
        )  # fmt: skip

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
        if label is not None and holds_classes("array 'Y'", label, self.task):
            Y, classes = labels("array 'Y'", label)
            return np.split(Y, [len(stored[0])])[: len(stored)], classes
        numeric = [finite_array("array 'Y'", array) for array in stored]
        hot = [array.ndim == 2 and array.shape[1] > 1 and bool(np.all((array == 0.0) | (array == 1.0)))
               and bool(np.all(array.sum(axis=1) == 1.0)) for array in numeric]  # fmt: skip
        if self.task == "classification" and not all(hot):
            raise InputError("classification takes labels Y of shape (n,) or a one-hot array Y of shape (n, classes).")
        if self.task == "regression" or not all(hot):
            return numeric, None
        return numeric, tuple(f"class {k}" for k in range(numeric[0].shape[1]))
