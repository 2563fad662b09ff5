"""Gates taken from the block itself: the hyperplanes at which the neurons of its first layer switch."""

from __future__ import annotations

from typing import Any

import numpy as np

from sdprelax.base import Floats, InputError, optional, positive_part
from sdprelax.distillation._layout import Layout
from sdprelax.lasso import Moments

__all__ = ["teacher_gates"]


def teacher_gates(block: Any, layout: Layout, moments: Moments, count: int) -> Floats:
    """Return filters of the block's first layer as gate directions, shape (d, at most count).

    Filters that are open for about half of the rows come first: a gate that never switches selects nothing. A batch
    normalisation directly behind the layer is folded in.

    Parameters
    ----------
    block: an ``nn.Module``.
    layout: flat, tokens or patches whose rows hold all that the first layer's neurons see.
    moments: mean and covariance of the rows.
    count: most directions.

    Raises
    ------
    InputError: the first layer is neither Linear nor Conv2d, or its neurons see other inputs than a row.
    """
    nn = optional("torch").nn
    layers = [module for module in block.modules() if not list(module.children())]
    if not layers or not isinstance(layers[0], nn.Linear | nn.Conv2d):
        kind = type(layers[0]).__name__ if layers else "nothing"
        raise InputError(f"draw: teacher takes gates from a first layer Linear or Conv2d, and the block's is {kind}.")
    first, following = layers[0], layers[1] if len(layers) > 1 else None
    weights = _rows_of(first, layout).numpy().astype(np.float64)
    offsets = np.zeros(len(weights)) if first.bias is None else first.bias.detach().numpy().astype(np.float64)
    if isinstance(following, nn.BatchNorm1d | nn.BatchNorm2d):
        # γ(w·z + b − μ)/σ + β ≥ 0.
        deviation = np.sqrt(following.running_var.numpy().astype(np.float64) + following.eps)
        scale = 1.0 / deviation if following.weight is None else following.weight.detach().numpy() / deviation
        shift = 0.0 if following.bias is None else following.bias.detach().numpy()
        weights, offsets = weights * scale[:, None], (offsets - following.running_mean.numpy()) * scale + shift
    directions = np.hstack([weights, offsets[:, None]]).T if layout.bias else weights.T
    means = moments.mean @ directions
    deviations = np.sqrt(positive_part(np.einsum("ij,ij->j", directions, moments.covariance @ directions)))
    imbalance = np.abs(means) / np.maximum(deviations, np.finfo(float).tiny)
    return np.asarray(directions[:, np.argsort(imbalance, kind="stable")[:count]])


def _rows_of(first: Any, layout: Layout) -> Any:
    """Return the filters of a layer as functions of the layout's rows, without constants: shape (filters, inputs)."""
    torch = optional("torch")
    inputs = layout.width - layout.bias
    if isinstance(first, torch.nn.Linear) and layout.kind in ("flat", "tokens") and first.in_features == inputs:
        return first.weight.detach()
    if isinstance(first, torch.nn.Conv2d) and layout.kind == "patches":
        side, groups, strides = first.kernel_size, first.groups, set(first.stride)
        border = (layout.kernel - side[0]) // 2
        fits = side[0] == side[1] and (layout.kernel - side[0]) % 2 == 0 and border >= 0 and set(first.dilation) == {1}
        if fits and groups == 1 and strides == {layout.stride} and set(first.padding) == {layout.padding - border}:
            padded = torch.nn.functional.pad(first.weight.detach(), [border] * 4)
            return padded.reshape(len(padded), -1)
    raise InputError(
        f"draw: teacher: the block's first layer, {first}, does not fit rows of the view '{layout.kind}' with {inputs} "
        "inputs: its neurons must see a row each, with the same kernel or a smaller one."
    )
