"""Arrays of real numbers, or class labels, from a user's values; anything else is an InputError of one sentence."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base._errors import InputError, first_line
from sdprelax.base._verified import Floats

__all__ = [
    "finite_array",
    "finite_matrix",
    "holds_labels",
    "is_categorical",
    "one_hot",
    "plain_array",
    "require_seed",
    "target_matrix",
]


def plain_array(name: str, values: object) -> NDArray[Any]:
    """Return values as a plain NumPy array of any type.

    Parameters
    ----------
    name: what the values are called in messages.
    values: an array, nested lists, a tensor, or a table or column of pandas.

    Raises
    ------
    InputError: masked entries, a sparse matrix, or values that form no array.
    """
    rows = values if isinstance(values, (list, tuple)) else [values]
    masked = sum([int(np.ma.getmaskarray(row).sum()) for row in rows if np.ma.isMaskedArray(row)])
    if masked:
        raise InputError(
            f"{name} has {masked} masked entries: leave their rows out, or write {name}.filled(value) with a value "
            "that they may be taken for."
        )
    if np.ma.isMaskedArray(values):
        values = np.ma.getdata(values)
    if hasattr(values, "detach") and hasattr(values, "is_floating_point"):  # PyTorch's, on any device
        tensor: Any = values.detach().cpu()
        values = tensor.double() if tensor.is_floating_point() else tensor
    if hasattr(values, "toarray"):
        raise InputError(f"{name} is a sparse matrix: write {name}.toarray().")
    try:
        return np.asarray(values)
    except Exception as error:  # each library of arrays has errors of its own
        raise InputError(f"{name} must be an array of real numbers, but {first_line(error)}.") from None


def finite_array(name: str, values: object) -> Floats:
    """Return values as a new array of finite numbers in double precision.

    Truth values count as 0 and 1, and ``Decimal`` and ``Fraction`` as the numbers that they are.

    Parameters
    ----------
    name: what the values are called in messages.
    values: an array, nested lists, or a table or column of pandas.

    Raises
    ------
    InputError: text, dates, complex numbers, categories, masked, missing or infinite entries; the first is named.
    """
    if is_categorical(values):
        raise InputError(
            f"{name} is categorical: write it as numbers, or as one column of zeros and ones per category "
            "(pandas.get_dummies)."
        )
    array = plain_array(name, values)
    kind = array.dtype.kind
    if kind not in "biuf" and array.size:
        entries = np.ndenumerate(array) if kind == "O" else [((0,) * array.ndim, array.flat[0])]
        for index, value in entries:
            if isinstance(value, (date, timedelta, np.datetime64, np.timedelta64)):
                raise InputError(
                    f"{name} holds dates or times{_place(index)}; write them as numbers in a unit of your choice, such "
                    "as days since the first."
                )
            if isinstance(value, (complex, np.complexfloating)):
                raise InputError(f"{name} holds complex numbers{_place(index)}; it must be an array of real numbers.")
            if not isinstance(value, (Real, Decimal, np.bool_)):
                raise InputError(
                    f"{name} must be an array of real numbers, but it holds {_shown(value)}{_place(index)}."
                )
    try:
        with np.errstate(over="ignore"):
            numeric: Floats = array.astype(np.float64)
    except (OverflowError, ValueError) as error:
        raise InputError(f"{name} must be an array of real numbers, but {first_line(error)}.") from None
    finite = np.isfinite(numeric)
    if not finite.all():
        index = tuple(int(k) for k in np.argwhere(~finite)[0])
        raise InputError(f"{name} holds {numeric[index]}{_place(index)}; every entry must be a finite number.")
    return numeric


def finite_matrix(name: str, values: object) -> Floats:
    """Return values as a new read-only matrix of finite numbers, with a row and a column at least.

    Raises
    ------
    InputError: another shape, or see :func:`finite_array`.
    """
    return _matrix(name, finite_array(name, values), "(n, d)")


def target_matrix(name: str, values: object) -> Floats:
    """Return targets as a new read-only matrix of finite numbers, shape (n, c); a vector becomes one column.

    Raises
    ------
    InputError: class labels, or one column of integers, which could be labels; another shape; see
        :func:`finite_array`.
    """
    if holds_labels(values):
        raise InputError(
            f"{name} holds class labels, or integers that could be such: to classify, write "
            f"{name}, classes = sdprelax.one_hot({name}); to fit the numbers themselves, "
            f"{name} = np.asarray({name}, dtype=float)."
        )
    array = finite_array(name, values)
    return _matrix(name, array[:, None] if array.ndim == 1 else array, "(n, c) or (n,)")


def _matrix(name: str, array: Floats, shape: str) -> Floats:
    if array.ndim != 2 or array.size == 0:
        raise InputError(f"{name} has shape {array.shape}; it must be a non-empty array of shape {shape}.")
    array.setflags(write=False)
    return array


def is_categorical(values: object) -> bool:
    """Say whether this is a table or column of pandas with categories."""
    pandas = sys.modules.get("pandas")  # values can be of its types only if it has been imported
    if pandas is None or not isinstance(values, (pandas.DataFrame, pandas.Series, pandas.Index, pandas.Categorical)):
        return False
    dtypes = values.dtypes if isinstance(values, pandas.DataFrame) else [values.dtype]
    return any(isinstance(dtype, pandas.CategoricalDtype) for dtype in dtypes)


def holds_labels(values: object) -> bool:
    """Say whether values may be class labels: one column of integers, truth values, text or categories."""
    array = plain_array("Y", values)
    if array.shape[:1] != (array.size,) or array.size == 0:
        return False
    whole = array.dtype.kind == "O" and all(isinstance(value, (Integral, np.bool_, str)) for value in array.flat)
    return whole or array.dtype.kind in "biuUST" or is_categorical(values)


def require_seed(seed: Any) -> None:
    """Refuse what is no seed.

    Raises
    ------
    InputError: it is no integer, or a negative one.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or int(seed) < 0:
        raise InputError(f"seed is {seed!r}; it must be a nonnegative integer.")


def one_hot(labels: object, classes: Sequence[str] | None = None) -> tuple[Floats, tuple[str, ...]]:
    """Return class labels as targets, one row per label with a 1 in its class's column, and the classes' names.

    Parameters
    ----------
    labels: text, integers or truth values, shape (n,).
    classes: names of the columns; by default the labels that occur, integers by size and text by the alphabet.

    Returns
    -------
    targets, shape (n, classes), and the names of their columns.

    Raises
    ------
    InputError: labels of another type, a missing label, a label that is not in ``classes``, or a single class.
    """
    array = plain_array("labels", labels)
    if array.shape[:1] != (array.size,) or array.size == 0 or array.dtype.kind in "mM":
        raise InputError(f"labels of shape {array.shape} and type {array.dtype} are none: they are text, integers or "
                         "truth values, of shape (n,).")  # fmt: skip
    given = [_label(row, value) for row, value in enumerate(array.ravel().tolist())]
    # NumPy makes text of all entries of a list where one is text.
    listed = labels if isinstance(labels, (list, tuple)) else given
    both = {v for v in listed if isinstance(v, str)} & {str(v) for v in listed if isinstance(v, Integral)}
    if both:
        raise InputError(f"labels hold '{min(both)}' as text and as a number; write all labels as one of the two.")
    if classes is None:
        found = set(given)
        order = sorted(found, key=str) if any(isinstance(value, str) for value in found) else sorted(found)
        names = tuple(dict.fromkeys(map(str, order)))
        if len(names) == 1:
            raise InputError(f"all {len(given)} labels are '{names[0]}'; classification takes two classes or more.")
    else:
        names = tuple(map(str, classes))
    columns = {name: column for column, name in enumerate(names)}
    targets = np.zeros((len(given), len(names)))
    for row, value in enumerate(given):
        if str(value) not in columns:
            raise InputError(f"the label '{value}' in row {row} is none of the classes {', '.join(names)}.")
        targets[row, columns[str(value)]] = 1.0
    return targets, names


def _label(row: int, value: object) -> str | int:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, (str, int)):
        raise InputError(f"labels hold {_shown(value)} in row {row}; a label is text, an integer or a truth value.")
    return value


def _place(index: tuple[int, ...]) -> str:
    """Return where an entry stands, in words."""
    words = ("row", "column") if len(index) <= 2 else ("index",) * len(index)
    places = ", ".join(f"{word} {k}" for word, k in zip(words, index, strict=False))
    return f" at {places}" if index else ""


def _shown(value: object) -> str:
    """Return a value as messages show it."""
    written = repr(value.item() if isinstance(value, np.generic) else value)
    return written if len(written) <= 40 and "\n" not in written else f"a {type(value).__name__}"
