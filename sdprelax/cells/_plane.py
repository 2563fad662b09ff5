"""Rows of the plane in the order of their lines, exactly: every float is a fraction."""

from __future__ import annotations

import functools
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats

__all__ = ["determinant", "lines_by_angle"]


def determinant(x: Floats, y: Floats) -> Fraction:
    """Return x₁y₂ − x₂y₁: positive where y is on the left of x, zero where they are parallel."""
    (a, b), (c, d) = ((Fraction(float(entry)) for entry in row) for row in (x, y))
    return a * d - b * c


def lines_by_angle(rows: Floats) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Return the number of every row's line, from 0 by angle, and the sign of the end of the line that the row is.

    Lines through the origin are sorted by the angle, in [0, π), of their end in the upper half plane. A row of zeros
    has the number −1 and the sign 0.

    Parameters
    ----------
    rows: shape (k, 2), finite.
    """
    live = np.flatnonzero(np.any(rows != 0.0, axis=1)).tolist()
    upper = (rows[:, 1] > 0.0) | ((rows[:, 1] == 0.0) & (rows[:, 0] > 0.0))
    sign, number = np.where(upper, 1, -1).astype(np.int8), np.full(len(rows), -1, dtype=np.int64)
    ends = {i: tuple(Fraction(float(entry)) for entry in sign[i] * rows[i]) for i in live}

    def turn(i: int, j: int) -> int:
        (a, b), (c, d) = ends[i], ends[j]
        return (a * d < b * c) - (a * d > b * c)

    key = functools.cmp_to_key(turn)
    order = sorted(live, key=lambda i: key(int(i)))
    for before, i in zip([None, *order], order, strict=False):
        number[i] = 0 if before is None else number[before] + (turn(before, i) != 0)
    sign[number < 0] = 0
    return number, sign
