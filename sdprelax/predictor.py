"""What predicts: networks, and the other models that methods train on the same problem.

A predictor is a frozen dataclass of arrays, numbers and words with ``predict(X) -> (n, c)``. Registered under the name
of its kind, it is saved to and loaded from an ``.npz`` file field by field. Only a network witnesses an upper bound.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast, get_type_hints, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.arrays import finite_array
from sdprelax.errors import InputError, nearest
from sdprelax.verified import Floats

__all__ = [
    "Predictor",
    "Tabulated",
    "append_bias",
    "called",
    "is_registered",
    "load_predictor",
    "query_inputs",
    "register",
    "require_rows",
    "save_predictor",
]

C = TypeVar("C", bound=type)
_kinds: dict[str, type] = {}


@runtime_checkable
class Predictor(Protocol):
    """Maps inputs, shape (n, d) without any column of ones, to outputs, shape (n, c)."""

    def predict(self, X: ArrayLike) -> Floats:
        """Return the outputs.

        Raises
        ------
        InputError: inputs of another shape.
        """
        ...


def register(kind: str) -> Callable[[C], C]:
    """Return a class decorator that lets a frozen dataclass be saved and loaded under ``kind``."""

    def enter(predictor: C) -> C:
        _kinds[kind] = predictor
        return predictor

    return enter


def is_registered(predictor: object) -> bool:
    """Say whether a predictor can be saved."""
    return type(predictor) in _kinds.values()


def save_predictor(path: str | Path, predictor: Predictor, called: str = "") -> None:
    """Write a registered predictor to an ``.npz`` file.

    Parameters
    ----------
    called: what it is called where there are several, as :func:`called` reads it back.
    """
    kind = next(name for name, known in _kinds.items() if type(predictor) is known)
    fields = {item.name: getattr(predictor, item.name) for item in dataclasses.fields(cast(Any, predictor))}
    arrays = {name: np.asarray(value) for name, value in fields.items()}
    np.savez(path, allow_pickle=False, kind=np.array(kind), called=np.array(called), **arrays)


def called(path: str | Path) -> str:
    """Return what the predictor in a file of :func:`save_predictor` is called; "" where nothing was said.

    Raises
    ------
    InputError: the file is none.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return str(stored["called"]) if "called" in stored.files else ""
    except Exception as error:
        raise InputError(f"{path} is not a readable network or other predictor: {str(error).rstrip('.')}.") from None


def load_predictor(path: str | Path) -> Predictor:
    """Read what :func:`save_predictor` wrote.

    Raises
    ------
    InputError: the file is none.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            kind = str(stored["kind"])
            if kind not in _kinds:
                raise InputError(f"unknown kind '{kind}': {nearest(kind, _kinds)}")
            hints = get_type_hints(_kinds[kind])
            given = {item.name: stored[item.name] for item in dataclasses.fields(_kinds[kind])}
            plain = {n: v.item() if hints[n] in (bool, int, float, str) else v for n, v in given.items()}
            return cast(Predictor, _kinds[kind](**plain))
    except Exception as error:
        # A damaged archive fails in zlib, zipfile or NumPy, each with errors of its own.
        raise InputError(f"{path} is not a readable network or other predictor: {str(error).rstrip('.')}.") from None


@register("tabulated")
@dataclass(frozen=True, eq=False)
class Tabulated:
    """Predictions at given inputs and nowhere else, as a transductive method makes them.

    Parameters
    ----------
    inputs: shape (n, d).
    outputs: shape (n, c).
    """

    inputs: Floats
    outputs: Floats

    def __post_init__(self) -> None:
        require_rows("inputs", self.inputs, "outputs", self.outputs)

    def predict(self, X: ArrayLike) -> Floats:
        """Return the outputs at inputs, shape (n, d), each of which must be in the table to the last bit."""
        asked = query_inputs(X, self.inputs.shape[1], False)
        known = {row.tobytes(): k for k, row in enumerate(np.ascontiguousarray(self.inputs) + 0.0)}
        try:
            found = [known[row.tobytes()] for row in np.ascontiguousarray(asked) + 0.0]
        except KeyError:
            raise InputError(
                "a transductive model predicts at the inputs it was made for, and one of these is none of them."
            ) from None
        return np.asarray(self.outputs[found])


def require_rows(first: str, inputs: Floats, second: str, values: Floats) -> None:
    """Refuse two matrices that are not of finite numbers with one row each per sample.

    Raises
    ------
    InputError: what is wrong.
    """
    for name, array in ((first, inputs), (second, values)):
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating) or not np.all(np.isfinite(array)):
            raise InputError(f"{name} must be a matrix of finite numbers.")
    if len(inputs) != len(values):
        raise InputError(
            f"{len(inputs)} rows of {first} and {len(values)} of {second} do not fit: one each per sample."
        )


def append_bias(X: Floats) -> Floats:
    """Return ``X`` with a column of ones on its right."""
    return np.hstack([X, np.ones((X.shape[0], 1))])


def query_inputs(X: ArrayLike, width: int, bias: bool) -> Floats:
    """Return inputs as a hidden layer of ``width`` inputs sees them, the column of ones included.

    Raises
    ------
    InputError: X is not of finite numbers, or not of shape (n, width), or (n, width − 1) with a bias.
    """
    inputs = finite_array("X", X)
    if inputs.ndim != 2 or inputs.shape[1] + bias != width:
        raise InputError(f"inputs of shape {inputs.shape} do not fit: this predictor takes (n, {width - bias}).")
    return append_bias(inputs) if bias else inputs
