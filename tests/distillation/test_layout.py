"""Layouts: a row times a weight is what a linear layer or a convolution computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdprelax.base import InputError
from sdprelax.distillation._layout import Layout


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("stride", "kernel", "size"), [(1, 3, (5, 4)), (2, 3, (6, 5)), (2, 1, (7, 6)), (3, 5, (9, 7))])
def test_a_patch_times_a_weight_is_a_convolution(bias: bool, stride: int, kernel: int, size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is optional")
    rng = np.random.default_rng(0)
    z, weight, constant = rng.standard_normal((2, 3, *size)), rng.standard_normal((4, 3, kernel, kernel)), rng.random(4)
    expected = torch.nn.functional.conv2d(
        torch.tensor(z), torch.tensor(weight), torch.tensor(constant) if bias else None, stride, kernel // 2
    ).numpy()
    layout = Layout.of(z.shape[1:], expected.shape[1:], kernel=kernel, bias=bias)
    matrix = np.column_stack([weight.reshape(4, -1), constant][: 1 + bias]).T
    assert (layout.stride, layout.padding, layout.width) == (stride, kernel // 2, len(matrix))
    np.testing.assert_allclose(layout.inputs(z) @ matrix, layout.targets(expected), atol=1e-12)


@pytest.mark.parametrize("kind", ["flat", "tokens"])
def test_a_row_times_a_weight_is_a_linear_layer(kind: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is optional")
    rng = np.random.default_rng(1)
    z = rng.standard_normal((3, 4, 5) if kind == "tokens" else (3, 5))
    weight, constant = rng.standard_normal((2, 5)), rng.random(2)
    expected = torch.nn.functional.linear(torch.tensor(z), torch.tensor(weight), torch.tensor(constant)).numpy()
    layout = Layout.of(z.shape[1:], expected.shape[1:], kind)
    assert layout == Layout.of(z.shape[1:], expected.shape[1:])
    rows = layout.inputs(z) @ np.column_stack([weight, constant]).T
    np.testing.assert_allclose(rows, layout.targets(expected), atol=1e-12)


def test_pooled_rows_are_the_means_of_channels() -> None:
    rng = np.random.default_rng(2)
    z, f = rng.standard_normal((3, 4, 5, 6)), rng.standard_normal((3, 2, 3, 3))
    layout = Layout.of((4, 5, 6), (2, 3, 3), "pooled", bias=False)
    assert (layout.positions, layout.width, layout.outputs) == (1, 4, 2)
    np.testing.assert_allclose(layout.inputs(z), z.mean(axis=(2, 3)))
    np.testing.assert_allclose(layout.targets(f), f.mean(axis=(2, 3)))
    vector = Layout.of((4, 5, 6), (2,), "pooled")
    np.testing.assert_array_equal(vector.targets(f[:, :, 0, 0]), f[:, :, 0, 0])


@given(st.sampled_from(["flat", "pooled", "tokens", "patches"]), st.booleans(), st.integers(0, 3))
def test_the_numbers_of_rows_and_columns_are_what_the_layout_says(kind: Any, bias: bool, count: int) -> None:
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "flat": ((2, 3, 2), (5,)),
        "pooled": ((2, 3, 3), (4, 2, 2)),
        "tokens": ((3, 4), (3, 2)),
        "patches": ((2, 5, 5), (3, 3, 3)),
    }
    source, target = shapes[kind]
    layout = Layout.of(source, target, kind, bias=bias)
    inputs = layout.inputs(np.full((count, *source), 2.0, dtype=np.float32))
    targets = layout.targets(np.zeros((count, *target), dtype=np.float32))
    assert inputs.shape == (count * layout.positions, layout.width) and inputs.dtype == np.float64
    assert targets.shape == (count * layout.positions, layout.outputs) and targets.dtype == np.float64
    assert not bias or np.all(inputs[:, -1] == 1.0)


@pytest.mark.parametrize(
    ("source", "target", "options", "said"),
    [
        ((3, 8, 8), (4, 5, 5), {}, "choose another kernel"),
        ((3, 8, 8), (4, 8, 4), {}, "choose another kernel"),
        ((3, 8, 8), (4,), {}, "'pooled' where images enter"),
        ((3, 8, 8), (4, 8, 8), {"kernel": 2}, "odd number"),
        ((5, 3), (4, 3), {}, "as many tokens out as in"),
        ((5, 3), (5, 3), {"kind": "pooled"}, r"it takes \(C, H, W\)"),
        ((2, 2, 2, 2), (3,), {}, "choose 'flat'"),
        ((3,), (2,), {"kind": "flaat"}, "did you mean 'flat'"),
        ((3,), (0,), {}, "empty axis"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(source: Any, target: Any, options: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Layout.of(source, target, **options)


def test_activations_of_another_shape_are_refused() -> None:
    layout = Layout.of((3, 4, 4), (2, 4, 4))
    with pytest.raises(InputError, match=r"expected \(B, 3, 4, 4\)"):
        layout.inputs(np.zeros((2, 4, 4, 3)))
    with pytest.raises(InputError, match=r"activations that leave have shape \(2,\)"):
        layout.targets(np.zeros(2))
