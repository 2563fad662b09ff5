"""Networks as PyTorch and ONNX have them: two linear layers with the preprocessing of inputs and targets inside.

Scaling and projection of inputs are affine, and so is what brings outputs back to the targets' units: both are folded
into the weights, so that what comes out takes rows as they were stored.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from sdprelax.base import Floats, InputError, optional, storing, write_whole
from sdprelax.networks._predictor import Pipeline, Predictor
from sdprelax.networks._preprocessing import INVERSE, Operations
from sdprelax.networks._relu import Network

__all__ = ["Precision", "to_torch", "write_onnx"]

Precision = Literal["float64", "float32"]
# Weights (inputs, outputs), and constants (outputs,), or None where there are none.
Layer = tuple[Floats, Floats | None]
# Slopes of leaky units that stay leaky; others are those of two ReLUs.
SLOPES = (1e-30, 1e30)
# Of ONNX: IsNaN of both precisions.
OPSET = 17


def to_torch(predictor: Predictor, precision: Precision = "float64") -> Any:
    """Return a network as ``torch.nn.Sequential(Linear, activation, Linear)``, preprocessing included.

    Parameters
    ----------
    predictor: a network, or a pipeline with one.
    precision: of the weights; the proved bounds are those of "float64".

    Raises
    ------
    InputError: it is no network of one hidden layer, or its inputs are words, or gaps that are filled.
    SolverUnavailable: PyTorch is not installed.
    """
    torch = optional("torch")
    first, second, slope, fill = _folded(predictor, precision)
    if fill is not None:
        raise InputError("the network's inputs have gaps that are filled, which two linear layers cannot: take ONNX.")
    layers = []
    for weights, constant in (first, second):
        layer = torch.nn.Linear(*weights.shape, bias=constant is not None, dtype=getattr(torch, precision))
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weights.T.copy()))
            if constant is not None:
                layer.bias.copy_(torch.from_numpy(constant.copy()))
        layers.append(layer)
    activation = torch.nn.LeakyReLU(slope) if slope else torch.nn.ReLU()
    return torch.nn.Sequential(layers[0], activation, layers[1]).eval()


def write_onnx(predictor: Predictor, path: str | Path, precision: Precision = "float64") -> None:
    """Write a network as an ONNX model from ``input``, rows as they were stored, to ``output``; whole or not at all.

    Names of columns and classes are in the model's metadata, as JSON under "columns" and "classes".

    Parameters
    ----------
    predictor, precision: as of :func:`to_torch`; gaps that are filled are NaN in the input.

    Raises
    ------
    InputError: it is no network of one hidden layer, or its inputs are words.
    SolverUnavailable: ONNX is not installed. StorageError: the file cannot be written.
    """
    onnx = optional("onnx")
    helper, numpy_helper = optional("onnx.helper"), optional("onnx.numpy_helper")
    (first, first_constant), (second, second_constant), slope, fill = _folded(predictor, precision)
    given = {"W1": first, "b1": first_constant, "W2": second, "b2": second_constant, "fill": fill}
    arrays = {name: array for name, array in given.items() if array is not None}
    node = helper.make_node
    nodes = [
        node(
            "Gemm",
            ["input" if fill is None else "filled", *(name for name in ("W1", "b1") if name in arrays)],
            ["inner"],
        ),
        node("LeakyRelu", ["inner"], ["hidden"], alpha=slope) if slope else node("Relu", ["inner"], ["hidden"]),
        node("Gemm", ["hidden", *(name for name in ("W2", "b2") if name in arrays)], ["output"]),
    ]
    if fill is not None:
        nodes = [node("IsNaN", ["input"], ["gaps"]), node("Where", ["gaps", "fill", "input"], ["filled"]), *nodes]
    kind = onnx.TensorProto.DOUBLE if precision == "float64" else onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "sdprelax",
        [helper.make_tensor_value_info("input", kind, ["rows", first.shape[0]])],
        [helper.make_tensor_value_info("output", kind, ["rows", second.shape[1]])],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    if isinstance(predictor, Pipeline):
        named = {"columns": predictor.preprocessing.columns, "classes": predictor.classes}
        helper.set_model_props(model, {key: json.dumps(list(names)) for key, names in named.items() if names})
    onnx.checker.check_model(model)
    with storing(path) as target:
        write_whole(target, model.SerializeToString())


def _folded(predictor: Predictor, precision: Precision) -> tuple[Layer, Layer, float, Floats | None]:
    """Return both layers, the slope of a leaky unit or 0, and what fills gaps, shape (d,), or None."""
    if precision not in get_args(Precision):
        raise InputError(f"precision is {precision!r}; it must be one of {', '.join(get_args(Precision))}.")
    pipeline = predictor if isinstance(predictor, Pipeline) else Pipeline(predictor)
    network, steps = pipeline.predictor, pipeline.preprocessing
    if not isinstance(network, Network):
        raise InputError(f"a {type(network).__name__} cannot be exported: networks of one hidden layer can.")
    if steps.encoding and steps.encoding != tuple((name, None) for name in steps.columns):
        raise InputError(
            "the network's inputs are words of a table, or its columns in another order, which a model of numbers "
            "cannot read: sdprelax.load_predictor and sdprelax predict can."
        )
    d = network.hidden.shape[0] - network.bias
    fill, inputs = None, steps.inputs
    if inputs and inputs[0][0] == "fill":
        fill, inputs = inputs[0][1], inputs[1:]
    rows = next((operand.shape[0] for _, operand in inputs if operand.ndim), d)
    matrix, constant = _affine(inputs, rows)
    hidden, bias = network.hidden[:d], network.hidden[d] if network.bias else np.zeros(network.width)
    plus, minus = network.activation.slopes
    # ONNX keeps a slope in single precision.
    slope = -minus / plus if plus > 0.0 and SLOPES[0] < -minus / plus < SLOPES[1] else 0.0
    U, b, V = matrix @ hidden, constant @ hidden + bias, plus * network.output
    if minus and not slope:  # s₊z₊ + s₋(−z)₊ is that of twice as many ReLUs
        U, b, V = np.hstack([U, -U]), np.hstack([b, -b]), np.vstack([V, minus * network.output])
    c = network.output.shape[1]
    # Targets t ↦ tS + e were scaled, so that outputs come back by (z − e)S⁻¹, step by step.
    back = tuple((INVERSE[name], operand) for name, operand in reversed(steps.targets))
    scale, shift = _affine(back, c)
    offset = np.zeros(c) if network.offset is None else network.offset
    first = _layer(U, b, network.bias, precision)
    second = _layer(V @ scale, offset @ scale + shift, network.offset is not None, precision)
    filling = None if fill is None else np.broadcast_to(fill, (rows,)).astype(precision)
    return first, second, float(slope), filling


def _layer(weights: Floats, constant: Floats, free: bool, precision: Precision) -> Layer:
    needed = free or bool(np.any(constant))
    return weights.astype(precision), constant.astype(precision) if needed else None


def _affine(steps: Operations, d: int) -> tuple[Floats, Floats]:
    """Return (T, b) such that the steps take rows x of d numbers to xT + b."""
    matrix, constant = np.eye(d), np.zeros(d)
    for name, operand in steps:
        if name in ("add", "subtract"):
            constant = constant + (operand if name == "add" else -operand)
        elif name == "project":
            matrix, constant = matrix @ operand, constant @ operand
        else:
            factor = operand if name == "multiply" else 1.0 / operand
            matrix, constant = matrix * factor, constant * factor
    return matrix, constant
