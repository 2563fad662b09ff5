"""How the tensors that enter and leave a block of a network become rows of a regression."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sdprelax.base import Floats, InputError, nearest

__all__ = ["Kind", "Layout", "View", "sample_axis"]

Kind = Literal["flat", "pooled", "tokens", "patches"]
View = Kind | Literal["auto"]


@dataclass(frozen=True)
class Layout:
    """How a sample's activations are cut into rows, each of which a student maps to a row of outputs.

    ``flat``: a sample is one row. ``pooled``: channels averaged over the image are one row, and the student's output
    is spread over the output's positions. ``tokens``: one row per token. ``patches``: one row per position of the
    output, the patch of the input under it in the order (channel, row, column), with zeros beyond the border, so that
    weights of shape (c, C·kernel²) are a convolution's.

    Parameters
    ----------
    kind: one of the four.
    input_shape: shape of one sample as it enters the block: any (flat), (C, H, W) (pooled, patches), (T, D) (tokens).
    output_shape: shape of one sample as it leaves: any, (C', H', W') or (C',), (C', H', W'), (T, D').
    bias: whether rows end in a constant 1.
    kernel, stride, padding: the patches' side, distance and border; of patches only.

    Raises
    ------
    InputError: shapes that do not fit the kind.
    """

    kind: Kind
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    bias: bool = True
    kernel: int = 1
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(f"unknown layout '{self.kind}': {nearest(str(self.kind), get_args(Kind))}.")
        for name in ("input_shape", "output_shape"):
            shape = tuple(int(size) for size in getattr(self, name))
            if any(size < 1 for size in shape):
                raise InputError(f"{name} {shape} has an empty axis: every size must be at least 1.")
            object.__setattr__(self, name, shape)
        if self.kernel < 1 or self.stride < 1 or self.padding < 0:
            raise InputError(
                f"patches of side {self.kernel}, distance {self.stride} and border {self.padding}: side and distance "
                "must be at least 1, the border at least 0."
            )
        if self.kind != "patches" and (self.kernel, self.stride, self.padding) != (1, 1, 0):
            raise InputError(f"kernel, stride and padding are of the layout 'patches', and this one is '{self.kind}'.")
        wrong = self._misfit()
        if wrong:
            raise InputError(
                f"the layout '{self.kind}' does not fit a block from {self.input_shape} to {self.output_shape}: {wrong}"
            )

    @classmethod
    def of(
        cls,
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        kind: View = "auto",
        kernel: int = 3,
        bias: bool = True,
    ) -> Layout:
        """Return the layout of a block with samples of these shapes.

        Parameters
        ----------
        input_shape, output_shape: shapes of one sample, without the batch's axis.
        kind: 'auto' is flat for vectors, tokens for matrices, patches for images.
        kernel: side of the patches, an odd number; their border is ``kernel // 2`` and their distance follows from the
            sizes of input and output. Other kinds have none.
        bias: whether rows end in a constant 1.

        Raises
        ------
        InputError: shapes that do not fit.
        """
        source, target = tuple(input_shape), tuple(output_shape)
        if kind == "auto":
            by_axes: dict[int, Kind] = {0: "flat", 1: "flat", 2: "tokens", 3: "patches"}
            if len(source) not in by_axes:
                raise InputError(f"samples of shape {source} have no layout of their own: choose 'flat'.")
            kind = by_axes[len(source)]
        if kind != "patches":
            return cls(kind, source, target, bias)
        if kernel < 1 or kernel % 2 == 0:
            raise InputError(f"kernel = {kernel}: patches are centred on their position, so it must be an odd number.")
        border, sides = kernel // 2, range(1, max(source[1:], default=0) + 1)
        stride = next((s for s in sides if _positions(source, kernel, s, border) == target[1:]), 1)
        return cls("patches", source, target, bias, kernel, stride, border)

    def _misfit(self) -> str:
        """Return what about the shapes is wrong and what would be right; nothing where they fit."""
        source, target = self.input_shape, self.output_shape
        if self.kind == "pooled" and (len(source) != 3 or len(target) not in (1, 3)):
            return "it takes (C, H, W) to (C', H', W') or (C'); choose 'flat'."
        if self.kind == "tokens" and (len(source) != 2 or len(target) != 2 or source[0] != target[0]):
            return "it takes (T, D) to (T, D'), as many tokens out as in; choose 'flat'."
        if self.kind == "patches":
            if len(source) != 3 or len(target) != 3:
                return "it takes (C, H, W) to (C', H', W'); choose 'flat', or 'pooled' where images enter."
            reached = _positions(source, self.kernel, self.stride, self.padding)
            if reached != target[1:]:
                return (
                    f"patches of side {self.kernel} at distance {self.stride} with border {self.padding} make "
                    f"{reached} positions; choose another kernel, 'pooled' or 'flat'."
                )
        return ""

    @property
    def width(self) -> int:
        """d: inputs of a row, the constant included."""
        sizes = self.input_shape
        axes = {
            "flat": sizes,
            "pooled": sizes[:1],
            "tokens": sizes[1:],
            "patches": (*sizes[:1], self.kernel, self.kernel),
        }
        return math.prod(axes[self.kind]) + self.bias

    @property
    def outputs(self) -> int:
        """c: outputs of a row."""
        if self.kind == "flat":
            return math.prod(self.output_shape)
        return self.output_shape[-1 if self.kind == "tokens" else 0]

    @property
    def positions(self) -> int:
        """Rows of a sample."""
        if self.kind == "tokens":
            return self.input_shape[0]
        return math.prod(self.output_shape[1:]) if self.kind == "patches" else 1

    def inputs(self, z: NDArray[Any]) -> Floats:
        """Return the rows, shape (B·positions, d), of activations that enter, shape (B, *input_shape).

        Raises
        ------
        InputError: activations of another shape.
        """
        self._require("enter", z, self.input_shape)
        count = len(z)
        if self.kind == "pooled":
            z = z.mean(axis=(2, 3), dtype=np.float64)
        if self.kind == "patches":
            border = ((0, 0), (0, 0), (self.padding,) * 2, (self.padding,) * 2)
            windows = sliding_window_view(np.pad(z, border), (self.kernel, self.kernel), axis=(2, 3))
            z = windows[:, :, :: self.stride, :: self.stride].transpose(0, 2, 3, 1, 4, 5)
        rows = np.ones((count * self.positions, self.width))
        entries = self.width - self.bias
        rows[:, :entries] = z.reshape(len(rows), entries)
        return rows

    def targets(self, f: NDArray[Any]) -> Floats:
        """Return the rows, shape (B·positions, c), of activations that leave, shape (B, *output_shape).

        Raises
        ------
        InputError: activations of another shape.
        """
        self._require("leave", f, self.output_shape)
        if self.kind == "pooled" and len(self.output_shape) == 3:
            f = f.mean(axis=(2, 3), dtype=np.float64)
        if self.kind == "patches":
            f = f.transpose(0, 2, 3, 1)
        return f.reshape(len(f) * self.positions, self.outputs).astype(np.float64)

    def pulled(self, slope: NDArray[Any]) -> Floats:
        """Return derivatives by a row's outputs, shape (B·positions, c), where those by what leaves are given.

        Parameters
        ----------
        slope: shape (B, *output_shape). Outputs that are spread over positions have the sum of theirs.

        Raises
        ------
        InputError: a slope of another shape.
        """
        spread = math.prod(self.output_shape[1:]) if self.kind == "pooled" else 1
        return self.targets(slope) * spread

    @staticmethod
    def _require(side: str, given: NDArray[Any], shape: tuple[int, ...]) -> None:
        if given.ndim == 0 or given.shape[1:] != shape:
            expected = ", ".join(["B", *map(str, shape)])
            raise InputError(f"activations that {side} have shape {given.shape}: expected ({expected}).")


def _positions(shape: tuple[int, ...], kernel: int, stride: int, padding: int) -> tuple[int, ...]:
    """Return rows and columns of the positions at which an image of this shape has patches."""
    return tuple((size + 2 * padding - kernel) // stride + 1 for size in shape[1:])


def sample_axis(more: Any, fewer: Any) -> int | None:
    """Return the axis of the samples in an array or tensor, None where it has none.

    Parameters
    ----------
    more, fewer: what three inputs of a network gave, and what two did.
    """
    if more.ndim != fewer.ndim:
        return None
    unequal = [axis for axis, sizes in enumerate(zip(more.shape, fewer.shape, strict=True)) if sizes[0] != sizes[1]]
    found = len(unequal) == 1 and (more.shape[unequal[0]], fewer.shape[unequal[0]]) == (3, 2)
    return unequal[0] if found else None
