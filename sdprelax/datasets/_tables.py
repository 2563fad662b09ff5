"""From a table of named columns to a data set: which columns are what, words as numbers, missing entries."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Real
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from sdprelax.base import Floats, InputError, is_categorical, nearest, one_hot
from sdprelax.datasets import Dataset, encoded, split, table_numbers, training_rows
from sdprelax.datasets._looks import look_of
from sdprelax.networks import Preprocessing, Scaling

__all__ = ["MOST_CLASSES", "Encode", "Missing", "Names", "TargetKind", "holds_classes", "labels", "table_dataset"]

Names = str | int | list[str | int]
TargetKind = Literal["auto", "classification", "regression"]
Missing = Literal["error", "drop", "mean"]
Encode = Literal["text"] | list[str | int]

# A target of integers with more different values than this is taken for numbers, not classes, by default.
MOST_CLASSES = 20
NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
# What to do about a word among numbers.
CORRECT = "correct it, name it under na_values if it stands for an empty entry"


class TableOptions(Protocol):
    """Options of a data set that comes as a table; :class:`sdprelax.datasets.file.File` says what they mean."""

    @property
    def target(self) -> Names | None: ...
    @property
    def task(self) -> TargetKind: ...
    @property
    def test_size(self) -> float: ...
    @property
    def split_seed(self) -> int: ...
    @property
    def scaling(self) -> Scaling: ...
    @property
    def features(self) -> Names | None: ...
    @property
    def drop(self) -> Names | None: ...
    @property
    def index(self) -> str | int | None: ...
    @property
    def missing(self) -> Missing: ...
    @property
    def encode(self) -> Encode | None: ...


def table_dataset(origin: str, table: pd.DataFrame, chosen: TableOptions) -> Dataset:
    """Return the data set of a table, split and scaled as its options say.

    Parameters
    ----------
    origin: the table's name in messages.

    Raises
    ------
    InputError: a column that does not exist or is two things, an entry that is no number, word or label, no rows.
    """
    table = table.set_axis([str(name) for name in table.columns], axis=1).reset_index(drop=True)
    features, targets = _columns(origin, list(table.columns), chosen)
    if not features or len(table) == 0:
        raise InputError(f"{origin} needs at least one row and one column besides the target.")
    if len(targets) != 1 and chosen.task == "classification":
        raise InputError(f"{origin}: classification takes one target column, not {len(targets)}.")
    inputs, aims = table[features], table[targets]
    worded = _worded(origin, inputs, chosen.encode)
    for name in features:
        if name not in worded:
            _require_numbers(origin, name, inputs[name])
    if chosen.missing == "drop":
        whole = inputs.notna().all(axis=1) & aims.notna().all(axis=1)
        empty = [name for name in (*features, *targets) if table[name].isna().all()]
        if not whole.any():
            why = f"column '{empty[0]}' is empty" if empty else "each has a missing entry"
            raise InputError(f"{origin}: missing: drop leaves no row, since {why}.")
        inputs, aims = inputs[whole], aims[whole]
    try:
        Y, classes = _target(origin, aims, chosen.task)
    except InputError as error:
        raise _advised(error, aims, chosen.missing != "drop", "missing: drop leaves such rows out") from None
    try:
        data = _prepared(origin, inputs, Y, classes, worded, chosen)
    except InputError as error:
        said = "missing: drop leaves rows with missing entries out, missing: mean fills them in"
        raise _advised(error, inputs, chosen.missing == "error", said) from None
    return split(data, test_size=chosen.test_size, seed=chosen.split_seed, scaling=chosen.scaling)


def _target(origin: str, aims: pd.DataFrame, task: TargetKind) -> tuple[Floats, tuple[str, ...] | None]:
    """Return targets and, where they are classes, their names."""
    if aims.shape[1] == 1:
        column, name = aims.iloc[:, 0], f"column '{aims.columns[0]}'"
        if holds_classes(name, column, task):
            return labels(name, column)
    return table_numbers(origin, aims), None


def _prepared(
    origin: str, inputs: pd.DataFrame, Y: Floats, classes: tuple[str, ...] | None, worded: list[str],
    chosen: TableOptions,
) -> Dataset:  # fmt: skip
    """Return all rows as a data set, words and missing entries as numbers."""
    filled = chosen.missing == "mean"
    if not worded and not filled:
        names = Preprocessing(tuple(inputs.columns))
        return Dataset(table_numbers(origin, inputs), Y, classes=classes, preprocessing=names)
    rows = training_rows(len(Y), chosen.test_size, chosen.split_seed)[0] if filled else None
    return encoded(origin, inputs, Y, classes, worded=worded, filled_from=rows)


def _advised(error: InputError, part: pd.DataFrame, could: bool, advice: str) -> InputError:
    """Return an error with what to do about missing entries, if there are any and it could be done."""
    return InputError(f"{str(error)[:-1]}; {advice}.") if could and part.isna().any(axis=None) else error


def _listed(names: Names | None) -> list[str]:
    return [] if names is None else [str(name) for name in (names if isinstance(names, list) else [names])]


def _columns(origin: str, columns: list[str], chosen: TableOptions) -> tuple[list[str], list[str]]:
    """Return the names of features and targets."""
    index = columns[:1] if chosen.index == 0 and "0" not in columns else _listed(chosen.index)
    named = {
        "target": _listed(chosen.target), "features": _listed(chosen.features), "drop": _listed(chosen.drop),
        "index": index,
    }  # fmt: skip
    for option, names in named.items():
        for name in names:
            if name not in columns:
                raise InputError(
                    f"{origin} has no column '{name}', which option '{option}' names: {nearest(name, columns)}."
                )
            other = next((other for other, also in named.items() if other != option and name in also), None)
            if other is not None or names.count(name) > 1:
                raise InputError(f"{origin}: column '{name}' is named twice, by option '{option}'"
                                 f"{f' and by option {other!r}' if other else ''}.")  # fmt: skip
    others = [name for name in columns if name not in named["drop"] + index]
    targets = named["target"] or [name for name in others if name not in named["features"]][-1:]
    if not targets:
        raise InputError(f"{origin} has no column left for the target: name it with option 'target'.")
    features = named["features"] or [name for name in others if name not in targets]
    for position, name in enumerate(columns, start=1):
        if name in features + targets and re.fullmatch(r"|Unnamed: \d+", name):
            raise InputError(
                f"{origin}: column {position} has no name; pandas writes the number of the row so, unless told "
                f"index=False: write {'index: 0' if position == 1 else 'its name into the file'}, or leave it out."
            )
    return features, targets


def _worded(origin: str, inputs: pd.DataFrame, encode: Encode | None) -> list[str]:
    """Return the names of the columns that are words, each of which gets an input of its own."""
    asked = _listed(encode) if isinstance(encode, list) else []
    for name in asked:
        if name not in inputs.columns:
            raise InputError(
                f"{origin}: option 'encode' names '{name}', which is none of the inputs: "
                f"{nearest(name, inputs.columns)}."
            )
    if encode != "text":
        return asked
    return [name for name in inputs.columns if is_categorical(inputs[name]) or _is_text(origin, name, inputs[name])]


def _is_text(origin: str, name: str, column: pd.Series) -> bool:
    """Say whether a column is of words; what only looks so is refused."""
    there = column.dropna()
    if pd.api.types.is_numeric_dtype(column) or column.dtype.kind in "mM" or there.empty:
        return False
    text = np.array([isinstance(value, str) for value in there])
    if not text.all():
        return False
    look = look_of(there)
    if look is not None:
        raise InputError(
            f"{origin}: column '{name}' holds {look} as text: leave it out with option 'drop', write it as numbers, or "
            "list it under encode to take it for words."
        )
    numeric = pd.to_numeric(there.astype(object), errors="coerce").notna().to_numpy()
    if numeric.any():
        row = _row(there, int(np.argmin(numeric)))
        what = (
            f"'{there.iloc[int(np.argmin(numeric))]}' in row {row} among numbers: {CORRECT}"
            if not numeric.all()
            else "numbers as text: write them as numbers"
        )
        raise InputError(
            f"{origin}: column '{name}' holds {what}, or list it under encode to take all of it for words."
        )
    if there.nunique() == len(there) > MOST_CLASSES:
        raise InputError(
            f"{origin}: column '{name}' has another word in each of {len(there)} rows: leave it out with option "
            "'drop', or list it under encode."
        )
    return True


def _row(column: pd.Series, position: int) -> int:
    """Return the number, from 1, of the table's row in which an entry of a column stands."""
    label = column.index[position]
    return int(label) + 1 if isinstance(label, (int, np.integer)) else position + 1


def _require_numbers(origin: str, name: str, column: pd.Series) -> None:
    """Refuse a column of inputs with an entry that is there and is no number."""
    there = column.dropna()
    if column.dtype == object and any(isinstance(value, (date, time, timedelta)) for value in there):
        raise InputError(f"{origin}: column '{name}' holds dates or times; it must hold real numbers.")
    texts = [value for value in there if isinstance(value, str)] if not pd.api.types.is_numeric_dtype(column) else []
    if texts and len(texts) == len(there) and not is_categorical(column):
        look = look_of(texts)
        if look is not None:
            raise InputError(
                f"{origin}: column '{name}' holds {look} as text: leave it out with option 'drop', or write it as "
                "numbers."
            )
    try:
        table_numbers(origin, there.to_frame(name))
    except InputError as error:
        advice = (
            "; na_values names what stands for an empty entry, option 'drop' leaves the column out"
            if any(re.fullmatch(NUMBER, text.strip()) for text in texts)
            else "; encode: text makes an input of zeros and ones for each word, option 'drop' leaves the column out"
            if texts or is_categorical(column)
            else ""
        )
        raise InputError(f"{str(error)[:-1]}{advice}.") from None


def holds_classes(name: str, label: pd.Series, task: TargetKind) -> bool:
    """Say whether a target of one column holds classes rather than numbers.

    Raises
    ------
    InputError: it holds neither, or what could be meant in several ways.
    """
    there = label.dropna()
    kinds = {type(value) for value in there} if label.dtype == object else set()
    strange = [kind.__name__ for kind in kinds if not issubclass(kind, (str, Real, Decimal, date, time, timedelta))]
    if strange:
        raise InputError(f"{name} holds entries of type {strange[0]}; a target is numbers, text or truth values.")
    if label.dtype.kind in "mM" or any(issubclass(kind, (date, time, timedelta)) for kind in kinds):
        raise InputError(f"{name} holds dates or times: write them as numbers, or classes as text.")
    if task != "auto":
        return task == "classification"
    if pd.api.types.is_float_dtype(label) or (kinds and all(issubclass(kind, (Real, Decimal)) for kind in kinds)):
        return kinds == {bool}
    if label.dtype.kind == "c":
        return False  # complex numbers, which are refused as targets later
    if pd.api.types.is_numeric_dtype(label) and not pd.api.types.is_bool_dtype(label):
        return bool(label.nunique() <= MOST_CLASSES)
    look = None if is_categorical(label) or there.empty or pd.api.types.is_bool_dtype(label) else look_of(there)
    if look is not None:
        raise InputError(f"{name} holds {look} as text: write numbers, or task: classification if they are labels.")
    numeric = pd.to_numeric(label.astype(object), errors="coerce").notna()
    if numeric.any() and not numeric.all() and not label.isna().any():
        row = int(np.argmin(numeric))
        raise InputError(
            f"{name} holds '{label.iloc[row]}' in row {_row(label, row)} among numbers: {CORRECT}, or write "
            "task: classification if they are labels."
        )
    if label.nunique() == len(label) > MOST_CLASSES:
        raise InputError(
            f"{name} has another label in each of {len(label)} rows: name the target with option 'target', or "
            "write task: classification."
        )
    return True


def labels(name: str, label: pd.Series) -> tuple[Floats, tuple[str, ...]]:
    """Return a target's classes, one column each, and their names.

    Raises
    ------
    InputError: a row without a label, or no two classes.
    """
    if label.isna().any():
        raise InputError(f"{name} has no label in row {_row(label, int(label.isna().to_numpy().argmax()))}.")
    try:
        return one_hot(label)
    except InputError as error:
        raise InputError(f"{name} cannot be classes: {error}") from None
