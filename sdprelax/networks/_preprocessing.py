"""Steps that inputs and targets go through before training, kept so that a predictor repeats them on new inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from sdprelax.base import Floats, InputError, finite_array, plain_array

__all__ = ["Operations", "Preprocessing", "Scaling", "scaling_operations"]

Scaling = Literal["none", "standard", "minmax"]
# Names of steps with their operands, in the order in which they are taken.
Operations = tuple[tuple[str, Floats], ...]
STEPS: Mapping[str, Any] = {
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
    inputs: what is done to the numbers then: "add", "subtract", "multiply" or "divide" with an array of shape (d,) or
        (), and "project" with a matrix of shape (d, k), whose product with the rows is taken.
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
            an entry that is not a finite number.
        """
        numbers = self._numbers(X)
        if numbers.ndim != 2:
            raise InputError(f"X has shape {numbers.shape}; it must be of shape (n, d).")
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

    def _numbers(self, X: Any) -> Floats:
        """Return the inputs before any step of arithmetic."""
        table = self._table(X)
        if table is None:
            return finite_array("X", X)
        read: dict[str, Any] = {}
        taken = self.encoding or tuple((name, None) for name in self.columns)
        for name, word in taken:
            if name not in read:
                label = f"column '{name}'"
                worded = word is not None
                read[name] = self._words(name, table[name]) if worded else finite_array(label, table[name])
        return np.column_stack([read[name] if word is None else read[name] == word for name, word in taken]) + 0.0

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

    def _words(self, name: str, column: Any) -> Any:
        words = np.array([str(value).strip() for value in plain_array(f"column '{name}'", column)])
        known = [word for source, word in self.encoding if source == name]
        for row, word in enumerate(words):
            if word not in known:
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
