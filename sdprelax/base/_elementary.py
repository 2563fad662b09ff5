"""Proved values of exp, log and what is made of them, by the balls of arb (python-flint).

What a processor's or a library's ``exp`` and ``log`` err by is promised nowhere, so no bound is made with NumPy's. A
formula here is a function of ``flint.arb`` numbers, intervals whose arithmetic encloses (Johansson, *Arb: efficient
arbitrary-precision midpoint-radius interval arithmetic*, IEEE Transactions on Computers 66, 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from flint import arb, ctx

from sdprelax.base._verified import Ball, Floats, require_ieee_arithmetic

__all__ = ["enclosed", "enclosed_rows", "entropy", "log_sum_exp", "softplus"]

# Bits that arb computes with: what it loses is far below what rounding to a double does. Bounds hold with any number.
PRECISION = 96


def _outward(found: Iterable[Any]) -> tuple[Floats, Floats]:
    """Return floats (below, above) of intervals, which enclose them; an exact 0 stays 0, what is no number is any."""
    values = list(found)
    ends = []
    for side, away in (("lower", -np.inf), ("upper", np.inf)):
        near = np.array([float(getattr(value, side)()) for value in values], dtype=np.float64)
        # The conversion rounds to nearest, to infinity or to 0 beyond the floats.
        far = np.nextafter(near, away)
        far[[k for k in np.flatnonzero(near == 0.0) if values[k].is_zero()]] = 0.0
        ends.append(np.where(np.isnan(near), away, far))
    return ends[0], ends[1]


def enclosed(formula: Callable[..., Any], *arrays: Floats) -> tuple[Floats, Floats]:
    """Return floats (below, above) of a formula of real numbers at every entry of arrays of one shape.

    Parameters
    ----------
    formula: takes as many ``flint.arb`` as there are arrays, and returns one.
    arrays: taken as exact.
    """
    require_ieee_arithmetic()
    with ctx.workprec(PRECISION):
        columns = [map(arb, np.ravel(array).tolist()) for array in arrays]
        below, above = _outward(map(formula, *columns))
    return below.reshape(np.shape(arrays[0])), above.reshape(np.shape(arrays[0]))


def enclosed_rows(formula: Callable[..., Any], *balls: Ball) -> tuple[Floats, Floats]:
    """Return floats (below, above) of a formula of whole rows, shape (n,), for every point of balls of shape (n, c).

    Parameters
    ----------
    formula: takes as many lists of ``flint.arb`` as there are balls, and returns one number.
    """
    require_ieee_arithmetic()
    with ctx.workprec(PRECISION):
        rows = [[list(map(arb, *row)) for row in zip(b.mid.tolist(), b.rad.tolist(), strict=True)] for b in balls]
        return _outward(map(formula, *rows))


def softplus(z: Any) -> Any:
    """Return log(1 + exp(z)) of an arb."""
    return z + (-z).exp().log1p() if z > 0 else z.exp().log1p()


def log_sum_exp(row: Sequence[Any]) -> Any:
    """Return log Σ exp(z_k) of arbs."""
    largest = max(row, key=lambda z: float(z.mid()))
    return largest + sum(((z - largest).exp() for z in row), arb(0)).log()


def entropy(q: Any) -> Any:
    """Return −q·log(q) from below for every point of an interval; 0 at 0, and −∞ unless the interval is proved ≥ 0."""
    if q.is_zero():
        return q
    if q.is_exact():
        return -q * q.log() if q > 0 else arb(float("-inf"))
    ends = q.lower(), q.upper()
    # Concave: least at an end.
    return entropy(ends[0]).min(entropy(ends[1])) if ends[0] >= 0 else arb(float("-inf"))
