"""The compiled inner loop of ``_ascent.py``: gradient ascent of ‖f(w)‖ along great circles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sdprelax.base import Floats, compiled

__all__ = ["ascend"]

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_inner = compiled(**OPTIONS)

# Steps below this angle are not tried, nor ascents continued that gain less than this share.
SHORTEST, LEAST_GAIN = 1e-7, 1e-9


@_inner
def _height(rows: Floats, jump: Floats, base: Floats, w: Floats, inner: Floats, outputs: Floats) -> float:
    """Fill the rows' inner products with w and f(w), and return the length of f(w)."""
    for o in range(len(outputs)):
        outputs[o] = 0.0
        for i in range(len(w)):
            outputs[o] += base[o, i] * w[i]
    for j in range(len(rows)):
        y = 0.0
        for i in range(len(w)):
            y += rows[j, i] * w[i]
        inner[j] = y
        if y > 0.0:
            for o in range(len(outputs)):
                outputs[o] += jump[j, o] * y
    square = 0.0
    for o in range(len(outputs)):
        square += outputs[o] * outputs[o]
    return math.sqrt(square)


@_inner
def _tangent(
    rows: Floats, jump: Floats, base: Floats, w: Floats, inner: Floats, outputs: Floats, gradient: Floats
) -> float:
    """Fill the gradient of ½‖f‖² within the sphere at what ``_height`` filled, and return its length."""
    for i in range(len(w)):
        gradient[i] = 0.0
        for o in range(len(outputs)):
            gradient[i] += base[o, i] * outputs[o]
    for j in range(len(rows)):
        if inner[j] > 0.0:
            weight = 0.0
            for o in range(len(outputs)):
                weight += jump[j, o] * outputs[o]
            for i in range(len(w)):
                gradient[i] += weight * rows[j, i]
    along = square = 0.0
    for i in range(len(w)):
        along += gradient[i] * w[i]
    for i in range(len(w)):
        gradient[i] -= along * w[i]
        square += gradient[i] * gradient[i]
    return math.sqrt(square)


@compiled("void(f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1], i8)", **OPTIONS)
def ascend(rows: Floats, jump: Floats, base: Floats, starts: Floats, steps: int) -> None:
    """Replace every unit row of ``starts`` (k, r) by the end of its ascent."""
    count, r = starts.shape
    outputs, tried, gradient = np.empty(jump.shape[1]), np.empty(jump.shape[1]), np.empty(r)
    w, x, inner = np.empty(r), np.empty(r), np.empty(len(rows))
    for k in range(count):
        w[:] = starts[k]
        reached = _height(rows, jump, base, w, inner, outputs)
        angle = 0.5
        for _ in range(steps):
            length = _tangent(rows, jump, base, w, inner, outputs, gradient)
            if not length > 1e-12 * reached * reached:
                break
            first, ahead = True, reached
            while angle > SHORTEST:
                for i in range(r):
                    x[i] = math.cos(angle) * w[i] + math.sin(angle) / length * gradient[i]
                ahead = _height(rows, jump, base, x, inner, tried)
                if ahead > reached:
                    break
                angle *= 0.4
                first = False
            if not ahead > reached:
                break
            gain = (ahead - reached) / ahead
            w[:] = x
            outputs[:] = tried
            reached = ahead
            if first:
                angle = min(1.8 * angle, 1.0)
            if gain < LEAST_GAIN:
                break
        starts[k] = w / np.sqrt(np.sum(w * w))
