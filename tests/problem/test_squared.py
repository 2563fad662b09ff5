"""The squared loss: its proved dual value along a ray, in exact rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdprelax.base import Ball
from sdprelax.problem import QuadraticRay, Squared, largest_multiple
from sdprelax.problem.losses.squared import quadratic_below

magnitudes = st.tuples(st.floats(0.5, 1.0), st.integers(-1070, 1020)).map(lambda pair: math.ldexp(*pair))


@given(magnitudes, magnitudes, magnitudes)
def test_the_value_of_a_multiple_is_below_the_rational_one(along: float, energy: float, scale: float) -> None:
    s = Fraction(scale)
    exact = s * Fraction(along) - s * s * Fraction(energy) / 2
    proved = quadratic_below(along, energy, scale)
    assert proved == 0.0 or Fraction(proved) <= exact


@given(magnitudes, magnitudes, magnitudes, magnitudes)
def test_the_multiple_is_feasible_in_exact_arithmetic(
    along: float, energy: float, steepest: float, decay: float
) -> None:
    scale = float(QuadraticRay(along, energy).best(largest_multiple(steepest, decay)))
    assert scale >= 0.0
    if 1e-280 < scale < math.inf:
        assert Fraction(scale) * Fraction(steepest) <= Fraction(decay)


def test_what_is_paid_is_not_lost_to_underflow() -> None:
    y, factor = 1e-9, 1e162
    along, energy = factor * y * y, (factor * y) ** 2
    scale = float(QuadraticRay(along, energy).best(largest_multiple(0.0, 1.0)))
    assert quadratic_below(along, energy * (1 + 1e-15), scale) <= 0.5 * y * y
    # A subnormal multiple would be rounded up; 3e-323/1.1 is no multiple of anything.
    proved = Squared().dual_bound(Ball.exact(np.array([[1.0]])), Ball.exact(np.array([[1e300]])), 3e-323, 1.1)
    multiple = Fraction(3e-323) / Fraction(1.1)
    assert Fraction(proved) <= multiple * Fraction(1e300)


@pytest.mark.parametrize("steepest", [math.nan, math.inf])
def test_a_dual_norm_that_is_no_number_leaves_no_multiple(steepest: float) -> None:
    assert QuadraticRay(1.0, 1.0).best(largest_multiple(steepest, 1.0)) == 0.0
