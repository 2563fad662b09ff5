"""What predicts: networks, and the other models that methods train on the same problem.

A predictor is a frozen dataclass of arrays, numbers and words with ``predict(X) -> (n, c)``. Registered under the name
of its kind, it is saved to and loaded from an ``.npz`` file field by field; a pipeline is saved as its predictor with
its preprocessing beside it. Only a ReLU network attains an upper bound of p*.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast, get_type_hints, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdprelax.base import Floats, InputError, finite_array, first_line, nearest, read_arrays, write_arrays
from sdprelax.networks._metrics import decided
from sdprelax.networks._preprocessing import Preprocessing
from sdprelax.networks.activations import Activation, activations

__all__ = [
    "Pipeline",
    "Predictor",
    "Tabulated",
    "append_bias",
    "called",
    "is_registered",
    "load_pipeline",
    "load_predictor",
    "query_inputs",
    "register_predictor",
    "require_rows",
    "save_predictor",
]

C = TypeVar("C", bound=type)
# Member of a predictor's file that says what was done to the data, and the format that it is written in.
CARRIED = "preprocessing"
FORMAT = 1
_kinds: dict[str, type] = {}


@runtime_checkable
class Predictor(Protocol):
    """Maps inputs, shape (n, d) without any column of ones, to outputs, shape (n, c)."""

    def predict(self, X: ArrayLike) -> Floats:
        """Return the outputs, shape (n, c), for inputs of shape (n, d).

        Raises
        ------
        InputError: inputs of another shape.
        """
        ...


# Ends of names of files in formats of other libraries.
FOREIGN = (".onnx", ".pt", ".pth", ".safetensors", ".pkl")


def register_predictor(kind: str) -> Callable[[C], C]:
    """Return a class decorator that lets a frozen dataclass be saved and loaded under ``kind``."""

    def enter(predictor: C) -> C:
        _kinds[kind] = predictor
        return predictor

    return enter


def is_registered(predictor: object) -> bool:
    """Say whether a predictor can be saved."""
    return type(predictor) in _kinds.values()


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A predictor with what was done to the data that it was trained on: it predicts for data as they were stored.

    ``predictor`` alone is what was trained, on scaled inputs: bounds and objectives speak of it.

    Parameters
    ----------
    predictor: a network, or another predictor.
    preprocessing: from data as they were stored to what the predictor takes, and back to the targets' units.
    classes: names of the outputs where they are classes, else None; two names where the sign of one output says which.

    Raises
    ------
    InputError: names of classes that are not text, or that repeat.
    """

    predictor: Predictor
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.classes is not None:
            names = () if isinstance(self.classes, str) else tuple(self.classes)
            if not all(isinstance(name, str) for name in names) or len(set(names)) < max(len(names), 1):
                raise InputError("names of classes must be text, and no two of them alike.")
            object.__setattr__(self, "classes", names)

    def predict(self, X: Any) -> Floats:
        """Return the outputs, shape (n, c), in the units of the targets as they were stored.

        Parameters
        ----------
        X: a table with the columns that it was trained on, in any order and with others beside them; or an array with
            these columns in their order.

        Raises
        ------
        InputError: columns or entries that do not fit.
        """
        return self.preprocessing.restore(self.predictor.predict(self.preprocessing.transform(X)))

    def predict_labels(self, X: Any) -> NDArray[np.str_]:
        """Return the name of every row's class, shape (n,): that of the largest output, or by the sign of a single one.

        Raises
        ------
        InputError: columns or entries that do not fit, or a predictor that was not trained on classes.
        """
        return self.labels(self.predict(X))

    def labels(self, outputs: Floats) -> NDArray[np.str_]:
        """Return the names of classes, shape (n,), that outputs of :meth:`predict`, shape (n, c), say.

        Raises
        ------
        InputError: there are no names of classes, or not one for each output.
        """
        if self.classes is None:
            raise InputError("this predictor was not trained on classes: it has predict(X) alone.")
        if (outputs.shape[1], len(self.classes)) != (1, 2) and outputs.shape[1] != len(self.classes):
            raise InputError(f"this predictor has {outputs.shape[1]} outputs and {len(self.classes)} names of classes.")
        labels: NDArray[np.str_] = np.array(self.classes)[decided(outputs)]
        return labels

    def save(self, path: str | Path) -> None:
        """Write everything to one ``.npz`` file, which :func:`load_predictor` reads."""
        save_predictor(path, self)

    def carried(self) -> bytes:
        """Return preprocessing and names of classes as the JSON stored beside the predictor; b"" without any."""
        if not self.preprocessing.changes and not self.preprocessing.columns and self.classes is None:
            return b""
        classes = None if self.classes is None else list(self.classes)
        content = {"format": FORMAT, "classes": classes, **self.preprocessing.to_dict()}
        return json.dumps(content, allow_nan=False).encode()


def save_predictor(path: str | Path, predictor: Predictor, called: str = "") -> None:
    """Write a registered predictor, or a pipeline with one, to an ``.npz`` file.

    Parameters
    ----------
    called: a label that tells several predictors of one trial apart; :func:`called` reads it back.

    Raises
    ------
    InputError: a predictor that is not registered, or a file's name that ends as those of other libraries do.
    StorageError: the file cannot be written.
    """
    if Path(path).suffix.lower() in FOREIGN:
        raise InputError(
            f"{path}: predictors are kept in .npz files; sdprelax.networks.write_onnx writes .onnx, and "
            "torch.save(sdprelax.networks.to_torch(network).state_dict(), path) PyTorch's."
        )
    pipeline = predictor if isinstance(predictor, Pipeline) else Pipeline(predictor)
    bare, carried = pipeline.predictor, pipeline.carried()
    kind = next((name for name, known in _kinds.items() if type(bare) is known), None)
    if kind is None:
        raise InputError(
            f"a {type(bare).__name__} cannot be saved: register it with sdprelax.networks.register_predictor."
        )
    hints, arrays = get_type_hints(type(bare)), {}
    for item in dataclasses.fields(cast(Any, bare)):
        value = getattr(bare, item.name)
        if value is None:
            continue
        if hints[item.name] is not Activation:
            arrays[item.name] = np.asarray(value)
        elif value != item.default:
            arrays[item.name] = np.array(json.dumps(activations.written(value)))
    if carried:
        arrays[CARRIED] = np.frombuffer(carried, dtype=np.uint8)
    if called:
        arrays["called"] = np.array(called)
    write_arrays(path, {"kind": np.array(kind), **arrays})


def called(path: str | Path) -> str:
    """Return the label that :func:`save_predictor` wrote into a file as ``called``; "" without one.

    Raises
    ------
    InputError: the file holds no predictor.
    """
    try:
        return str(read_arrays(path).get("called", ""))
    except Exception as error:
        raise _unreadable(path, error) from None


def load_predictor(path: str | Path) -> Predictor:
    """Read what :func:`save_predictor` wrote.

    Returns
    -------
    A :class:`Pipeline` where the file says what was done to the data or names columns or classes, as the files of a
    sweep's trials do; else the predictor itself.

    Raises
    ------
    InputError: the file holds no predictor.
    """
    pipeline = load_pipeline(path)
    return pipeline if pipeline.carried() else pipeline.predictor


def load_pipeline(path: str | Path) -> Pipeline:
    """Read what :func:`save_predictor` wrote, as a pipeline in any case.

    Raises
    ------
    InputError: the file holds no predictor.
    """
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder: name the predictor's file in it, such as {Path(path) / 'network.npz'}.")
    try:
        stored = read_arrays(path)
        kind = str(stored["kind"])
        if kind not in _kinds:
            raise InputError(f"unknown kind '{kind}': {nearest(kind, _kinds)}")
        hints = get_type_hints(_kinds[kind])
        names = [item.name for item in dataclasses.fields(_kinds[kind])]
        told = [name for name in names if name in stored or hints[name] not in (Activation, Floats | None)]
        predictor = cast(Predictor, _kinds[kind](**{name: _field(name, stored[name], hints[name]) for name in told}))
        return _with_carried(predictor, stored[CARRIED]) if CARRIED in stored else Pipeline(predictor)
    except Exception as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str | Path, error: Exception) -> InputError:
    """Return the error of a damaged file, which fails in zlib, zipfile or NumPy, each with errors of its own."""
    words = f"it holds no array named {error}" if isinstance(error, KeyError) else first_line(error)
    return InputError(f"{path} is not a readable network or other predictor: {words}.")


def _with_carried(predictor: Predictor, stored: NDArray[Any]) -> Pipeline:
    """Return the pipeline of a predictor and of the preprocessing stored beside it."""
    if stored.dtype != np.uint8 or stored.ndim != 1:
        raise InputError("its preprocessing is not what was written")
    content = json.loads(stored.tobytes())
    if content["format"] != FORMAT:
        raise InputError(f"its preprocessing is of format {content['format']!r}, and this sdprelax reads {FORMAT}")
    classes = content["classes"]
    if not isinstance(classes, (list, type(None))) or not isinstance(content["columns"], list):
        raise InputError("its names of classes or columns are not lists")
    return Pipeline(predictor, Preprocessing.from_dict(content), None if classes is None else tuple(classes))


def _field(name: str, value: NDArray[Any], declared: Any) -> Any:
    """Return a stored array as its field is declared: a number, a word, an activation, or an array."""
    if declared is Activation:
        return activations.given(json.loads(str(value)))
    single = declared in (bool, int, float, str)
    kinds: dict[Any, str] = {bool: "b", int: "iu", float: "iuf", str: "U", Floats: "iuf", Floats | None: "iuf"}
    allowed = kinds.get(declared, "biufU")
    if single and (value.dtype.kind not in allowed or value.ndim):
        raise InputError(f"its '{name}' is {value.tolist()!r}, not a value of type {declared.__name__}")
    if value.dtype.kind not in allowed:
        raise InputError(f"its '{name}' holds values of type {value.dtype}")
    return value.item() if single else value


@register_predictor("tabulated")
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
                "a transductive model predicts only at the inputs it was made for, and one of these is not among them."
            ) from None
        return np.asarray(self.outputs[found])


def require_rows(first: str, inputs: Floats, second: str, values: Floats) -> None:
    """Check that two matrices hold finite numbers and have the same number of rows, one per sample.

    Raises
    ------
    InputError: one of them is not such a matrix, or the numbers of rows differ.
    """
    for name, array in ((first, inputs), (second, values)):
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating) or not np.all(np.isfinite(array)):
            raise InputError(f"{name} must be a matrix of finite numbers.")
    if len(inputs) != len(values):
        raise InputError(
            f"{len(inputs)} rows of {first} and {len(values)} of {second} do not fit: one each per sample."
        )


def append_bias(X: Floats) -> Floats:
    """Return ``X``, shape (n, d), with a column of ones on its right, shape (n, d + 1)."""
    return np.hstack([X, np.ones((X.shape[0], 1))])


def query_inputs(X: ArrayLike, width: int, bias: bool) -> Floats:
    """Return inputs as a matrix of ``width`` columns, with a column of ones appended if there is a bias.

    Raises
    ------
    InputError: X is not of finite numbers, or not of shape (n, width), or (n, width − 1) with a bias.
    """
    inputs = finite_array("X", X)
    if inputs.ndim != 2 or inputs.shape[1] + bias != width:
        raise InputError(f"inputs of shape {inputs.shape} do not fit: this predictor takes (n, {width - bias}).")
    return append_bias(inputs) if bias else inputs
