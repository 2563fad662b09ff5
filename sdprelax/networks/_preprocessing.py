"""Steps that inputs and targets go through before training, kept so that a predictor repeats them on new inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats, InputError, finite_array, is_categorical, plain_array

__all__ = ["Operations", "Preprocessing", "Scaling", "scaling_operations", "words_of"]

Scaling = Literal["none", "standard", "minmax"]
# Names of steps with their operands, in the order in which they are taken.
Operations = tuple[tuple[str, Floats], ...]
STEPS: Mapping[str, Any] = {
    "fill": lambda numbers, operand: np.where(np.isnan(numbers), operand, numbers),
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "project": np.matmul,
}  # fmt: skip
INVERSE = {"add": "subtract", "subtract": "add", "multiply": "divide", "divide": "multiply"}


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """From a table as it was stored to the inputs of a predictor, and from its outputs back to the targets' own units.

    Parameters
    ----------
    columns: names of the table's columns that are inputs, in order; () where they have none.
    encoding: for every input its column, and the word for which the input is 1 (else 0), or None where the input is
        the column's number; () where every column is a number. It needs ``columns``.
    inputs: what is done to the numbers then: "fill", which stands first, puts an array of shape (d,) or () in place of
        missing ones, which are refused without it; "add", "subtract", "multiply" or "divide" with an array of such a
        shape, and "project" with a matrix of shape (d, k), whose product with the rows is taken.
    targets: what was done to the targets, which is undone to outputs; of shape (c,) or ().

    Raises
    ------
    InputError: an unknown step, or an operand of another shape or not of finite numbers.
    """

    columns: tuple[str, ...] = ()
    encoding: tuple[tuple[str, str | None], ...] = ()
    inputs: Operations = ()
    targets: Operations = ()

    def __post_init__(self) -> None:
        for name, word in self.encoding:
            if name not in self.columns or not isinstance(word, (str, type(None))):
                raise InputError(
                    f"the encoding {(name, word)!r} must name one of the columns, and a word of it as text or None."
                )
        if not all(isinstance(name, str) for name in self.columns) or len(set(self.columns)) < len(self.columns):
            raise InputError("names of columns must be text, and no two of them alike.")
        object.__setattr__(self, "inputs", _checked(self.inputs, STEPS))
        if "fill" in [name for name, _ in self.inputs[1:]]:
            raise InputError("'fill' is not the first step of the inputs, and it must be.")
        object.__setattr__(self, "targets", _checked(self.targets, INVERSE))

    @staticmethod
    def fitted(X: Any, scaling: Scaling) -> Preprocessing:
        """Return the scaling of inputs, shape (n, d) or a table of pandas, whose columns' names are kept.

        Parameters
        ----------
        scaling: "standard" (zero mean, unit variance), "minmax" (to [0, 1]) or "none".
        """
        names = tuple(str(name) for name in getattr(X, "columns", ()))
        return Preprocessing(names, inputs=scaling_operations(finite_array("X", X), scaling))

    @property
    def changes(self) -> bool:
        """Whether it does anything to inputs or outputs."""
        return bool(self.encoding or self.inputs or self.targets)

    def then(self, inputs: Operations) -> Preprocessing:
        """Return these steps followed by further ones on the inputs."""
        return replace(self, inputs=self.inputs + inputs)

    def transform(self, X: Any) -> Floats:
        """Return what the predictor takes, shape (n, d), for rows as they were stored.

        Parameters
        ----------
        X: a table, whose columns are found by their names and may have others beside them; or an array with the
            columns in order.

        Raises
        ------
        InputError: a column that is missing or there twice, another number of them, a word that was not known, or
            an entry that is not a finite number, or is missing where nothing fills it in.
        """
        numbers = self.numbers(X, missing=bool(self.inputs) and self.inputs[0][0] == "fill")
        for name, operand in self.inputs:
            if operand.ndim and operand.shape[0] != numbers.shape[1]:
                raise InputError(f"X has {numbers.shape[1]} columns; this predictor takes {operand.shape[0]}.")
            numbers = STEPS[name](numbers, operand)
        return numbers

    def restore(self, outputs: Floats) -> Floats:
        """Return outputs, shape (n, c), in the units that the targets were stored in."""
        for name, operand in reversed(self.targets):
            if operand.ndim and operand.shape[0] != outputs.shape[1]:
                raise InputError(f"there are {outputs.shape[1]} outputs, and {operand.shape[0]} targets were scaled.")
            outputs = STEPS[INVERSE[name]](outputs, operand)
        return outputs

    def numbers(self, X: Any, *, missing: bool = False) -> Floats:
        """Return the inputs before any step of arithmetic, shape (n, d).

        Parameters
        ----------
        missing: whether entries may be missing: they are NaN then, those of a word in each of its column's inputs.

        Raises
        ------
        InputError: see :meth:`transform`.
        """
        read = _with_gaps if missing else finite_array
        table = self._table(X)
        if table is None:
            numbers = read("X", X)
            if numbers.ndim != 2:
                raise InputError(f"X has shape {numbers.shape}; it must be of shape (n, d).")
            return numbers
        inputs: list[Floats] = []
        columns: dict[str, Any] = {}
        for name, word in self.encoding or tuple((name, None) for name in self.columns):
            if name not in columns:
                label = f"column '{name}'"
                columns[name] = read(label, table[name]) if word is None else self._words(name, table[name], missing)
            column = columns[name]
            inputs.append(column if word is None else np.where(column == None, np.nan, column == word))  # noqa: E711
        return np.column_stack(inputs) + 0.0

    def _table(self, X: Any) -> dict[str, Any] | None:
        """Return the columns by name; None where X is an array of numbers and nothing has to be looked for in it."""
        shown = ", ".join(self.columns[:10]) + (", ..." if len(self.columns) > 10 else "")
        if self.columns and hasattr(X, "columns"):
            names = [str(name) for name in X.columns]
            for name in self.columns:
                if names.count(name) != 1:
                    wrong = f"the column '{name}' twice" if name in names else f"no column '{name}'"
                    raise InputError(f"X has {wrong}; this predictor takes {shown}.")
            own = dict(zip(names, X.columns, strict=True))
            return {name: X[own[name]] for name in self.columns}
        if not self.columns:
            return None
        array = plain_array("X", X)
        if array.ndim != 2 or array.shape[1] != len(self.columns):
            raise InputError(f"X has shape {array.shape}; this predictor takes {len(self.columns)} columns: {shown}.")
        return {name: array[:, k] for k, name in enumerate(self.columns)} if self.encoding else None

    def _words(self, name: str, column: Any, missing: bool) -> NDArray[np.object_]:
        words = words_of(column)
        known = [word for source, word in self.encoding if source == name]
        for row, word in enumerate(words):
            if word is None and not missing:
                raise InputError(f"column '{name}' holds nothing at row {row}; this predictor takes no missing values.")
            if word is not None and word not in known:
                raise InputError(
                    f"column '{name}' holds '{word}' at row {row}; this predictor knows {', '.join(map(str, known))}."
                )
        return words

    def to_dict(self) -> dict[str, Any]:
        """Return this as JSON can hold it."""
        steps = {part: [[name, operand.tolist()] for name, operand in getattr(self, part)]
                 for part in ("inputs", "targets")}  # fmt: skip
        return {"columns": list(self.columns), "encoding": [list(pair) for pair in self.encoding], **steps}

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Preprocessing:
        """Return what :meth:`to_dict` gave.

        Raises
        ------
        InputError, LookupError, TypeError, ValueError: the content is not what :meth:`to_dict` writes.
        """
        steps = {part: tuple((name, operand) for name, operand in content[part]) for part in ("inputs", "targets")}
        encoding = tuple((name, word) for name, word in content["encoding"])
        return Preprocessing(tuple(content["columns"]), encoding, **steps)


def words_of(column: Any) -> NDArray[np.object_]:
    """Return a column's entries as words without space around them, whole numbers without a point; None for missing."""
    import pandas as pd

    def written(value: Any) -> str:
        whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
        return str(int(value)) if whole else str(value).strip()

    entries = pd.Series(list(column), dtype=object)
    return np.array([None if gone else written(value) for value, gone in zip(entries, entries.isna(), strict=True)],
                    dtype=object)  # fmt: skip


def _with_gaps(name: str, values: Any) -> Floats:
    """Return values as finite numbers, but NaN where they are missing."""
    import pandas as pd

    array = plain_array(name, values)
    if array.dtype.kind not in "fO" or is_categorical(values):
        return finite_array(name, values)
    there = ~np.asarray(pd.isna(array))
    numbers = finite_array(name, np.where(there, array, 0))
    numbers[~there] = np.nan
    return numbers


def _checked(operations: Operations, known: Mapping[str, Any]) -> Operations:
    checked = []
    for name, operand in operations:
        if name not in known:
            raise InputError(f"'{name}' is not a step of preprocessing; known are {', '.join(known)}.")
        array = finite_array(f"what to {name}", operand)
        fits = array.ndim == 2 if name == "project" else array.ndim <= 1
        if not fits or (name in ("multiply", "divide") and not np.all(array)):
            raise InputError(f"what to {name} has shape {array.shape} or holds a zero, which cannot be.")
        array.setflags(write=False)
        checked.append((name, array))
    return tuple(checked)


def scaling_operations(X: Floats, scaling: Scaling) -> Operations:
    """Return the steps that scale inputs, shape (n, d), as scikit-learn's ``StandardScaler`` and ``MinMaxScaler`` do.

    Parameters
    ----------
    scaling: "standard" (zero mean, unit variance; a constant column becomes zero), "minmax" (to [0, 1]) or "none".

    Raises
    ------
    InputError: another scaling, or numbers so large that their variance or range is not a finite number.
    """
    if scaling not in get_args(Scaling):
        raise InputError(f"scaling is {scaling!r}; it must be one of {', '.join(map(repr, get_args(Scaling)))}.")
    if scaling == "none":
        return ()
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    with np.errstate(all="ignore"):
        scaler = (StandardScaler() if scaling == "standard" else MinMaxScaler()).fit(X)
    steps: Operations = (
        (("subtract", scaler.mean_), ("divide", scaler.scale_)) if scaling == "standard"
        else (("multiply", scaler.scale_), ("add", scaler.min_))
    )  # fmt: skip
    if not all(np.all(np.isfinite(operand)) for _, operand in steps):
        raise InputError(f"these numbers are too large for {scaling} scaling in double precision; write smaller units.")
    return steps
