"""Balls contain the exact result; the Cholesky proof never accepts an indefinite matrix."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sdprelax.verified import Ball, proves_psd

reals = st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)


def exact_product(a: np.ndarray, b: np.ndarray) -> list[list[Fraction]]:
    return [
        [sum((Fraction(x) * Fraction(y) for x, y in zip(row, column, strict=True)), Fraction(0)) for column in b.T]
        for row in a
    ]


@given(
    arrays(float, (3, 5), elements=reals), arrays(float, (5, 2), elements=reals), arrays(float, (2, 2), elements=reals)
)
def test_products_and_sums_contain_the_rational_result(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    ball = (Ball.exact(a) @ Ball.exact(b)) @ Ball.exact(c) - Ball.exact(np.ones((3, 2)))
    inner = exact_product(a, b)
    for i in range(3):
        for j in range(2):
            value = sum((inner[i][k] * Fraction(c[k, j]) for k in range(2)), Fraction(0)) - 1
            assert abs(value - Fraction(ball.mid[i, j])) <= Fraction(ball.rad[i, j])


@given(arrays(float, 7, elements=reals), arrays(float, 7, elements=reals))
def test_inner_product_and_norm_bounds_enclose_the_rational_result(a: np.ndarray, b: np.ndarray) -> None:
    exact = sum((Fraction(x) * Fraction(y) for x, y in zip(a, b, strict=True)), Fraction(0))
    low, high = Ball.exact(a).inner(Ball.exact(b))
    assert Fraction(low) <= exact <= Fraction(high)
    assert Fraction(Ball.exact(a).square_above()) >= sum((Fraction(x) ** 2 for x in a), Fraction(0))


@pytest.mark.parametrize("order", [1, 2, 5, 40])
def test_a_slightly_indefinite_matrix_is_never_proved_semidefinite(order: int) -> None:
    rng = np.random.default_rng(order)
    for exponent in range(3, 15):
        basis = np.linalg.qr(rng.standard_normal((order, order)))[0]
        spectrum = rng.random(order) + 0.1
        spectrum[0] = -(10.0**-exponent)
        matrix = (basis * spectrum) @ basis.T
        assert not proves_psd(Ball.exact(0.5 * (matrix + matrix.T))) or exponent > 14


@pytest.mark.parametrize("order", [1, 3, 30, 150])
def test_a_clearly_definite_matrix_is_proved_with_its_margin(order: int) -> None:
    rng = np.random.default_rng(order)
    root = rng.standard_normal((order, order))
    matrix = Ball.exact(root @ root.T + np.eye(order))
    assert proves_psd(matrix, margin=0.99)
    assert not proves_psd(matrix, margin=float(np.linalg.eigvalsh(matrix.mid)[0]) * 1.001)


def test_a_radius_that_reaches_past_zero_forbids_the_proof() -> None:
    assert proves_psd(Ball(np.eye(3), np.full((3, 3), 0.3)))
    assert not proves_psd(Ball(np.eye(3), np.full((3, 3), 0.4)))
    assert not proves_psd(Ball.exact(np.full((2, 2), np.nan)))
