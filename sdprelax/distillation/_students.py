"""Two-layer networks that stand in for a block, as PyTorch modules: dense, or convolutions where rows are patches.

Importing this file imports PyTorch: other modules import it inside functions.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from torch.nn import functional

from sdprelax.base import InputError, first_line, read_arrays, write_arrays
from sdprelax.distillation._layout import Layout
from sdprelax.networks import ReLU

__all__ = ["GatedStudent", "ReLUStudent", "Student", "load_student"]


class Student(nn.Module):  # type: ignore[misc]
    """A function of rows that takes and returns a block's tensors, in single precision.

    Parameters
    ----------
    layout: how tensors become rows.
    """

    KIND: ClassVar[str]

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout

    @property
    def parameter_count(self) -> int:
        """How many numbers the student consists of: weights and gates, each once."""
        return sum(value.numel() for value in self.state_dict().values())

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the constructor's arrays by their names, in the precision that they are computed with."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.state_dict().items()}

    def save(self, path: str | Path) -> None:
        """Write the student to an ``.npz`` file, whole or not at all.

        Raises
        ------
        StorageError: the file cannot be written.
        """
        layout = json.dumps(dataclasses.asdict(self.layout))
        write_arrays(path, {"kind": np.array(self.KIND), "layout": np.array(layout), **self.to_arrays()})

    def forward(self, z: Any) -> Any:
        """Return what leaves, shape (B, *output_shape), where z enters, shape (B, *input_shape)."""
        layout = self.layout
        if layout.kind == "flat":
            return self._terms(z.reshape(-1, math.prod(layout.input_shape))).reshape(-1, *layout.output_shape)
        if layout.kind == "pooled":
            output = self._terms(z.mean(dim=(2, 3)))
            return output[:, :, None, None].expand(-1, *layout.output_shape) if layout.output_shape[1:] else output
        return self._terms(z)

    def _terms(self, z: Any) -> Any:
        """Return the output's channels of every row, along the channels' axis."""
        raise NotImplementedError

    @property
    def _channels(self) -> int:
        """The axis of a row's entries."""
        return 1 if self.layout.kind == "patches" else -1

    def _products(self, z: Any, weights: Any) -> Any:
        """Return the rows' products with a matrix, shape (d, r). Borders are zeros of z, not of the constant."""
        layout = self.layout
        constant = weights[-1] if layout.bias else None
        matrix = weights[: layout.width - layout.bias].T
        if layout.kind == "patches":
            kernels = matrix.reshape(-1, layout.input_shape[0], layout.kernel, layout.kernel)
            return functional.conv2d(z, kernels, constant, layout.stride, layout.padding)
        return functional.linear(z, matrix, constant)

    def _mixed(self, hidden: Any, output: Any) -> Any:
        """Return the products of hidden values with the output layer's matrix, shape (h, c)."""
        if self.layout.kind == "patches":
            return functional.conv2d(hidden, output.T[:, :, None, None])
        return functional.linear(hidden, output.T)

    def _nothing(self, z: Any) -> Any:
        """Return the output of a student without terms."""
        return self._products(z, z.new_zeros(self.layout.width, self.layout.outputs))


class GatedStudent(Student):
    """z ↦ Σ_j 1{z·g_a(j) ≥ 0}(z·u_j)v_j + Σ_k 1{z·g_b(k) ≥ 0} z·W_k on rows z, behind fixed gates g.

    Gates are buffers, all else are parameters. Gate number −1 is always open.

    Parameters
    ----------
    layout: how tensors become rows of width d with c outputs.
    gates: g, shape (d, m).
    gate_of: a, shape (h,), the gate of every neuron.
    inner: u, shape (d, h).
    outer: v, shape (h, c).
    full_gate_of: b, shape (k,), the gate of every matrix.
    full: W, shape (k, d, c).

    Raises
    ------
    InputError: shapes that do not fit, gates that are not there, or entries that are not finite.
    """

    KIND = "gated"

    def __init__(
        self,
        layout: Layout,
        gates: ArrayLike,
        gate_of: ArrayLike,
        inner: ArrayLike,
        outer: ArrayLike,
        full_gate_of: ArrayLike,
        full: ArrayLike,
    ) -> None:
        super().__init__(layout)
        d, c = layout.width, layout.outputs
        self.register_buffer("gates", _tensor("gates", gates, (d, None)))
        self.inner = nn.Parameter(_tensor("inner", inner, (d, None)))
        self.outer = nn.Parameter(_tensor("outer", outer, (self.inner.shape[1], c)))
        self.full = nn.Parameter(_tensor("full", full, (None, d, c)))
        count = self.gates.shape[1]
        self.gate_of = _gate_numbers("gate_of", gate_of, self.inner.shape[1], count)
        self.full_gate_of = _gate_numbers("full_gate_of", full_gate_of, len(self.full), count)
        # Number −1 is the column behind the last gate's, which is always open.
        self.register_buffer("_columns", torch.from_numpy(self.gate_of % (count + 1)), persistent=False)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the constructor's arrays by their names, in the precision that they are computed with."""
        return {**super().to_arrays(), "gate_of": self.gate_of.copy(), "full_gate_of": self.full_gate_of.copy()}

    def _terms(self, z: Any) -> Any:
        terms = []
        opened: Any = None
        if np.any(self.gate_of >= 0) or np.any(self.full_gate_of >= 0):
            opened = (self._products(z, self.gates) >= 0).to(z.dtype)
        if len(self.gate_of):
            terms.append(self._mixed(self._switched(self._products(z, self.inner), opened), self.outer))
        # One matrix after the other: all at once would take the outputs' memory once for every matrix.
        for gate, weights in zip(self.full_gate_of.tolist(), self.full, strict=True):
            term = self._products(z, weights)
            terms.append(term if gate < 0 else term * opened.narrow(self._channels, gate, 1))
        return sum(terms[1:], terms[0]) if terms else self._nothing(z)

    def _switched(self, hidden: Any, opened: Any) -> Any:
        """Return the hidden values times 0 or 1, as every neuron's gate says."""
        if np.all(self.gate_of < 0):
            return hidden
        if np.array_equal(self.gate_of, np.arange(self.gates.shape[1])):
            return hidden * opened
        if np.any(self.gate_of < 0):
            behind = (0, 0, 0, 0, 0, 1) if self.layout.kind == "patches" else (0, 1)
            opened = functional.pad(opened, behind, value=1.0)
        return hidden * opened.index_select(self._channels, self._columns)


class ReLUStudent(Student):
    """z ↦ (zU)₊V + zS on rows z.

    Parameters
    ----------
    layout: how tensors become rows of width d with c outputs.
    hidden: U, shape (d, h).
    output: V, shape (h, c).
    skip: S, shape (d, c), or None.

    Raises
    ------
    InputError: shapes that do not fit, or entries that are not finite.
    """

    KIND = "relu"

    def __init__(self, layout: Layout, hidden: ArrayLike, output: ArrayLike, skip: ArrayLike | None = None) -> None:
        super().__init__(layout)
        d, c = layout.width, layout.outputs
        self.hidden = nn.Parameter(_tensor("hidden", hidden, (d, None)))
        self.output = nn.Parameter(_tensor("output", output, (self.hidden.shape[1], c)))
        self.skip = None if skip is None else nn.Parameter(_tensor("skip", skip, (d, c)))

    def _terms(self, z: Any) -> Any:
        terms = []
        if len(self.output):
            terms.append(self._mixed(ReLU().tensor(self._products(z, self.hidden)), self.output))
        if self.skip is not None:
            terms.append(self._products(z, self.skip))
        return sum(terms[1:], terms[0]) if terms else self._nothing(z)


def load_student(path: str | Path) -> Student:
    """Read a student that :meth:`Student.save` wrote: bit for bit the same.

    Raises
    ------
    InputError: the file holds no student.
    """
    kinds = {student.KIND: student for student in (GatedStudent, ReLUStudent)}
    try:
        arrays = read_arrays(path)
        layout = Layout(**json.loads(str(arrays.pop("layout"))))
        return kinds[str(arrays.pop("kind"))](layout, **arrays)
    except Exception as error:
        # A damaged archive fails in zlib, zipfile or NumPy, each with errors of its own.
        raise InputError(f"{path} is not a readable student: {first_line(error)}.") from None


def _tensor(name: str, given: ArrayLike, shape: tuple[int | None, ...]) -> Any:
    """Return an array as a tensor in single precision; refuse another shape, in which None stands for any size."""
    with np.errstate(over="ignore"):
        values = np.array(given, dtype=np.float32)
    fits = values.ndim == len(shape) and all(
        want in (None, size) for want, size in zip(shape, values.shape, strict=True)
    )
    if not fits:
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        raise InputError(f"a student's {name} have shape {values.shape}: the layout expects ({expected}).")
    if not np.all(np.isfinite(values)):
        raise InputError(f"a student's {name} must be numbers that single precision holds, and some of these are not.")
    # Transposed in memory, as PyTorch's layers take their kernels: otherwise every call would transpose them.
    return torch.from_numpy(np.ascontiguousarray(values.swapaxes(-1, -2))).transpose(-1, -2)


def _gate_numbers(name: str, given: ArrayLike, length: int, gates: int) -> NDArray[np.int64]:
    """Return ``given`` as gate numbers, shape (length,), each from −1 to ``gates`` − 1."""
    numbers = np.array(given, dtype=np.int64)
    if numbers.shape != (length,) or np.any(numbers < -1) or np.any(numbers >= gates):
        raise InputError(
            f"a student's {name} must be {length} numbers from -1 (always open) to {gates - 1}, one for each of its "
            "neurons or matrices."
        )
    return numbers
