"""A trained network as an ONNX model, between two tensors of which a student is put in place."""

from __future__ import annotations

import copy
import itertools
import math
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import InputError, nearest, optional
from sdprelax.distillation._layout import sample_axis
from sdprelax.distillation._onnx import onnx_model
from sdprelax.distillation._torch_teacher import NAMED, SAME

__all__ = ["OnnxTeacher"]


class OnnxTeacher:
    """A network and the names of two tensors: the block is what lies between them.

    Inputs, weights and both tensors may be of half, single or double precision: activations are kept, and a student
    computes, in single precision. A model for batches of one fixed size is run on pieces of that size.

    Parameters
    ----------
    model: path of an ONNX model, or its bytes; it has one input, shape (B, ...).
    entering: the tensor that enters the block.
    leaving: the tensor that leaves it, computed from ``entering``.

    Raises
    ------
    InputError: an unreadable model, one of several inputs, unknown tensors or such that hold no floating-point numbers,
        or ``leaving`` that is not computed from ``entering``.
    SolverUnavailable: ONNX is not installed.
    """

    def __init__(self, model: str | Path | bytes, entering: str, leaving: str) -> None:
        self._model = _loaded("model", model)
        self.entering, self.leaving = entering, leaving
        graph = self._model.graph
        self._input = _only("input", "model", _inputs(graph))
        computed = [name for node in graph.node for name in node.output if name]
        for name in (entering, leaving):
            if name not in [self._input.name, *computed]:
                raise InputError(
                    f"the model computes no tensor '{name}': {nearest(name, [self._input.name, *computed], NAMED)}."
                )
        if leaving == entering or entering not in _needed(graph, [leaving]):
            raise InputError(
                f"'{leaving}' is not computed from '{entering}': the block must lead from one to the other."
            )
        watched = copy.deepcopy(self._model)
        known = {output.name for output in graph.output}
        for name in {entering, leaving} - {self._input.name} - known:
            watched.graph.output.add(name=name)
        self._session = _session(watched)
        types = {value.name: value.type for value in (*self._session.get_inputs(), *self._session.get_outputs())}
        self._types = {name: _float_type(name, types[name]) for name in (entering, leaving)}
        self._axes: dict[str, int] = dict.fromkeys((entering, leaving), 0)
        self._ranks: dict[str, int] = {}
        self._examined = False

    def capture(self, batch: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what enters and what leaves the block, both of shape (B, ...), for a batch of inputs.

        Parameters
        ----------
        batch: an array or a tensor, shape (B, ...).

        Raises
        ------
        InputError: a batch that the model does not take.
        """
        if not self._examined:
            self.examine(batch)
        entered, left = self._sides(batch)
        return np.moveaxis(entered, self._axes[self.entering], 0), np.moveaxis(left, self._axes[self.leaving], 0)

    def examine(self, batch: Any) -> None:
        """Learn along which axes the samples lie, from two and three inputs of the batch.

        ``capture`` does this before its first batch.

        Raises
        ------
        InputError: there is no such axis, inputs of a batch change each other's activations, or the model does not take
            the batch.
        """
        inputs = self._inputs(batch)
        if not inputs.ndim or not len(inputs):
            raise InputError("a batch is empty: it must hold at least one input.")
        more, fewer = (self._sides(inputs[np.arange(count) % len(inputs)]) for count in (3, 2))
        for name, whole, part in zip((self.entering, self.leaving), more, fewer, strict=True):
            axis = sample_axis(whole, part)
            if axis is None:
                raise InputError(
                    f"the tensor '{name}' has shape {whole.shape} for 3 inputs and {part.shape} for 2: one axis must "
                    "be the inputs', and no other may depend on their number."
                )
            difference = np.linalg.norm(np.take(whole, (0, 1), axis).astype(float) - part)
            if difference > SAME * np.linalg.norm(part.astype(float)):
                raise InputError(
                    f"the inputs of a batch change each other's activations at '{name}' (a batch has shape "
                    f"{inputs.shape}): the first axis must be the inputs', and the model must not be random."
                )
            self._axes[name], self._ranks[name] = axis, whole.ndim
        self._examined = True

    def predict(self, batch: Any) -> NDArray[np.float32]:
        """Return the model's output for a batch of inputs.

        Raises
        ------
        InputError: several outputs, or a batch that the model does not take.
        """
        (output,) = self._run([_only("output", "model", self._model.graph.output).name], batch)
        return output

    def checksum(self) -> int:
        """Return a checksum of the model and of the names of its two tensors."""
        names = zlib.crc32(f"{self.entering} {self.leaving}".encode())
        return zlib.crc32(self._model.SerializeToString(deterministic=True), names)

    @property
    def block_parameters(self) -> int:
        """How many numbers the block alone needs: its weights that nothing before or behind it is computed from."""
        return sum(math.prod(weight.dims) for weight in self._block_weights())

    @property
    def block_bytes(self) -> int:
        """Bytes of these numbers, in the precision that the model stores them in."""
        onnx = optional("onnx")
        sizes = [onnx.helper.tensor_dtype_to_np_dtype(weight.data_type).itemsize for weight in self._block_weights()]
        return sum(size * math.prod(weight.dims) for size, weight in zip(sizes, self._block_weights(), strict=True))

    def _block_weights(self) -> list[Any]:
        rest = copy.deepcopy(self._model.graph)
        _release(rest, self.leaving, f"{_unused_prefix(rest)}replaced")
        kept = _needed(rest, [output.name for output in rest.output] + [self.entering])
        needed = _needed(self._model.graph, [self.leaving])
        return [weight for weight in self._model.graph.initializer if weight.name in needed - kept]

    def with_student(self, student: Any) -> Any:
        """Return a model in which what was computed from ``leaving`` is computed from the student's output.

        Nodes and weights that nothing depends on any more are left out.

        Parameters
        ----------
        student: a :class:`Student`, or an ``onnx.ModelProto`` of one input and one output, or the path of one.

        Returns
        -------
        An ``onnx.ModelProto``.

        Raises
        ------
        InputError: an unreadable student, or one of other shapes or operators than the model takes there.
        """
        onnx = optional("onnx")
        if hasattr(student, "layout"):
            student = onnx_model(student, np.zeros((1, *student.layout.input_shape), dtype=np.float32))
        part = copy.deepcopy(student) if isinstance(student, onnx.ModelProto) else _loaded("student", student)
        whole, part = _reconciled(copy.deepcopy(self._model), part)
        prefix = _unused_prefix(whole.graph)
        onnx.compose.add_prefix(part, prefix, inplace=True)
        source, result = _only("input", "student", _inputs(part.graph)), _only("output", "student", part.graph.output)
        place = _release(whole.graph, self.leaving, f"{prefix}replaced")
        later = list(whole.graph.node)[place:]
        del whole.graph.node[place:]
        taken, given = (value.type.tensor_type.elem_type for value in (source, result))
        whole.graph.node.extend(self._adapted(self.entering, self.entering, source.name, taken, f"{prefix}taken"))
        whole.graph.node.extend(part.graph.node)
        whole.graph.node.extend(self._adapted(self.leaving, result.name, self.leaving, given, f"{prefix}given"))
        whole.graph.node.extend(later)
        whole.graph.initializer.extend(part.graph.initializer)
        whole.graph.sparse_initializer.extend(part.graph.sparse_initializer)
        _prune(whole.graph)
        try:
            onnx.checker.check_model(whole, full_check=True)
        except Exception as error:  # the checker and the inference of shapes have errors of their own
            raise InputError(
                f"the student does not fit between '{self.entering}' and '{self.leaving}': {_sentence(error)}"
            ) from None
        return whole

    def _adapted(self, side: str, source: str, target: str, kind: int, name: str) -> list[Any]:
        """Return nodes that bring what enters into a student's type and axes, or what leaves into the model's."""
        onnx = optional("onnx")
        enters, model_kind, axis = side == source, self._types[side], self._axes[side]
        nodes: list[tuple[str, dict[str, Any]]] = []
        if kind != model_kind:
            nodes.append(("Cast", {"to": kind if enters else model_kind}))
        if axis:
            order = list(range(self._ranks[side]))
            order.insert(*((0, order.pop(axis)) if enters else (axis, order.pop(0))))
            nodes.append(("Transpose", {"perm": order}))
        nodes = nodes or [("Identity", {})]
        names = [source, *(f"{name}{number}" for number in range(1, len(nodes))), target]
        return [
            onnx.helper.make_node(operator, [before], [after], **attributes)
            for (operator, attributes), before, after in zip(nodes, names[:-1], names[1:], strict=True)
        ]

    def _sides(self, batch: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what enters and what leaves the block, in the model's axes."""
        if self.entering != self._input.name:
            entered, left = self._run([self.entering, self.leaving], batch)
            return entered, left
        (left,) = self._run([self.leaving], batch)
        return self._inputs(batch).astype(np.float32), left

    def _inputs(self, batch: Any) -> NDArray[Any]:
        """Return a batch in the type of the model's input."""
        onnx = optional("onnx")
        kind = onnx.helper.tensor_dtype_to_np_dtype(self._input.type.tensor_type.elem_type)
        try:
            given = np.asarray(batch)
            if given.dtype.kind == "f" and kind.kind in "iu":
                raise TypeError(f"it holds {given.dtype}, and the model takes {kind}.")
            return given.astype(kind)
        except (TypeError, ValueError) as error:
            raise InputError(f"the model does not take this batch: {_sentence(error)}") from None

    def _run(self, names: list[str], batch: Any) -> list[NDArray[np.float32]]:
        inputs = self._inputs(batch)
        fixed = self._input.type.tensor_type.shape.dim[:1]
        size = (fixed[0].dim_value if fixed else 0) or max(1, len(inputs))
        # The last piece is filled up with inputs whose outputs are left out.
        pieces = [inputs[np.arange(start, start + size) % len(inputs)] for start in range(0, len(inputs), size)]
        try:
            found = [self._session.run(names, {self._input.name: piece}) for piece in pieces]
        except Exception as error:  # the runtime's errors are of its own types
            raise InputError(f"the model does not take this batch: {_sentence(error)}") from None
        if len(found) == 1 and size == len(inputs):
            return [np.asarray(values, dtype=np.float32) for values in found[0]]
        if any(len(part) != size for part in found[0]):
            raise InputError(
                f"the model takes batches of {size} and its tensors have another first axis: export it for batches of "
                "any size."
            )
        return [np.concatenate(parts)[: len(inputs)].astype(np.float32) for parts in zip(*found, strict=True)]


def _loaded(what: str, model: str | Path | bytes) -> Any:
    """Return an ONNX model from a file or from its bytes."""
    onnx = optional("onnx")
    try:
        return onnx.load_model_from_string(model) if isinstance(model, bytes) else onnx.load(model)
    except Exception as error:  # Protocol Buffers have errors of their own
        name = what if isinstance(model, bytes) else f"{what} {model}"
        raise InputError(f"the {name} is not a readable ONNX model: {_sentence(error)}") from None


def _session(model: Any) -> Any:
    onnxruntime = optional("onnxruntime")
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors are of its own types
        raise InputError(f"the model cannot be run: {_sentence(error)}") from None


def _float_type(name: str, kind: str) -> int:
    """Return ONNX's number of a tensor's type, which the runtime names; refuse what is no floating-point number."""
    onnx = optional("onnx")
    types = {"float16": "FLOAT16", "float": "FLOAT", "double": "DOUBLE", "bfloat16": "BFLOAT16"}
    element = kind.removeprefix("tensor(").removesuffix(")")
    if element not in types:
        raise InputError(
            f"the tensor '{name}' holds numbers of type {element}: a student takes and returns activations, which are "
            "floating-point numbers."
        )
    return int(onnx.TensorProto.DataType.Value(types[element]))


def _sentence(error: Exception) -> str:
    """Return what an error says, on one line that ends in one full stop."""
    return " ".join(str(error).split()).rstrip(".") + "."


def _inputs(graph: Any) -> list[Any]:
    """Return the graph's inputs without its weights, which old models list among them."""
    weights = {weight.name for weight in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def _only(what: str, whose: str, values: Iterable[Any]) -> Any:
    found = list(values)
    if len(found) != 1:
        names = ", ".join(value.name for value in found) or "none"
        raise InputError(f"the {whose} has {len(found)} {what}s ({names}): it must have one.")
    return found[0]


def _subgraphs(node: Any) -> Iterator[Any]:
    """Yield a node's branches and loops."""
    for attribute in node.attribute:
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def _read(node: Any) -> Iterator[str]:
    """Yield the tensors that a node reads, in its branches and loops as well."""
    yield from filter(None, node.input)
    for graph in _subgraphs(node):
        for inner in graph.node:
            yield from _read(inner)
        yield from (output.name for output in graph.output)


def _needed(graph: Any, results: Iterable[str]) -> set[str]:
    """Return the names of ``results`` and of all tensors that they are computed from."""
    producers = {name: node for node in graph.node for name in node.output}
    needed: set[str] = set()
    waiting = list(results)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting.extend(_read(producers[name]) if name in producers else [])
    return needed


def _prune(graph: Any) -> None:
    """Leave out nodes and weights that the graph's outputs are not computed from."""
    needed = _needed(graph, [output.name for output in graph.output])
    inputs = {value.name for value in _inputs(graph)}
    kept = {
        "node": [node for node in graph.node if needed.intersection(node.output)],
        "initializer": [weight for weight in graph.initializer if weight.name in needed],
        "sparse_initializer": [weight for weight in graph.sparse_initializer if weight.values.name in needed],
        "value_info": [value for value in graph.value_info if value.name in needed],
        "input": [value for value in graph.input if value.name in needed | inputs],
    }
    for field, values in kept.items():
        graph.ClearField(field)
        getattr(graph, field).extend(values)


def _unused_prefix(graph: Any) -> str:
    """Return a prefix that no name of a node or tensor begins with, in branches and loops as well."""
    written = graph.SerializeToString()  # every name stands in it as it is
    prefixes = (f"student{number or ''}/" for number in itertools.count())
    return next(prefix for prefix in prefixes if prefix.encode() not in written)


def _release(graph: Any, name: str, other: str) -> int:
    """Rename a tensor where it is computed, and return the position of the node that computes it."""
    for place, node in enumerate(graph.node):
        if name in node.output:
            node.output[list(node.output).index(name)] = other
            return place
    raise AssertionError(name)


def _reconciled(whole: Any, part: Any) -> tuple[Any, Any]:
    """Return both models with their local functions inlined, in the same versions of the operators.

    The versions are the first model's, and of ONNX's own operators the newer one of the two.

    Raises
    ------
    InputError: they need different versions of the same operators.
    """
    onnx, inliner = optional("onnx"), optional("onnx.inliner")
    whole, part = (inliner.inline_local_functions(model) if model.functions else model for model in (whole, part))
    newest = max(_opsets(whole).get("", 0), _opsets(part).get("", 0))
    try:
        whole, part = (
            onnx.version_converter.convert_version(model, newest) if 0 < _opsets(model).get("", 0) < newest else model
            for model in (whole, part)
        )
    except Exception as error:  # the converter's errors are of its own types
        raise InputError(f"model and student cannot both be brought to opset {newest}: {_sentence(error)}") from None
    ours = _opsets(whole)
    for domain, version in _opsets(part).items():
        if ours.setdefault(domain, version) != version:
            raise InputError(
                f"the model has version {ours[domain]} of the operators '{domain}' and the student version {version}: "
                "export both with the same one."
            )
    del whole.opset_import[:]
    whole.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in ours.items())
    whole.ir_version = max(whole.ir_version, part.ir_version, 4)  # before 4, all weights had to be inputs as well
    return whole, part


def _opsets(model: Any) -> dict[str, int]:
    return {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in model.opset_import}
