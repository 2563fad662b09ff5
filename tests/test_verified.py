"""Balls contain the exact result; the Cholesky proof never accepts an indefinite matrix."""

from __future__ import annotations

import contextlib
import ctypes
import math
import platform
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import sdprelax
from sdprelax import Problem
from sdprelax.base import (
    Ball,
    UntrustedArithmetic,
    _verified,
    provable_from,
    proves_psd,
    require_ieee_arithmetic,
)

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


def test_a_diagonal_is_added_as_the_rational_numbers_are_and_the_rest_is_left_alone() -> None:
    rng = np.random.default_rng(0)
    mid, rad, values = rng.standard_normal((5, 5)), rng.random((5, 5)), rng.standard_normal(5) * 1e8
    sums = Ball(mid, rad).plus_diagonal(values)
    apart = ~np.eye(5, dtype=bool)
    assert np.array_equal(sums.mid[apart], mid[apart]) and np.array_equal(sums.rad[apart], rad[apart])
    for i in range(5):
        error = abs(Fraction(mid[i, i]) + Fraction(values[i]) - Fraction(sums.mid[i, i]))
        assert error + Fraction(rad[i, i]) <= Fraction(sums.rad[i, i])


@pytest.mark.parametrize("order", [1, 7, 60])
def test_what_a_proof_needs_suffices_for_it(order: int) -> None:
    rng = np.random.default_rng(order)
    root = rng.standard_normal((order, order))
    matrix = root @ root.T
    ball = Ball(0.5 * (matrix + matrix.T), np.full((order, order), 1e-9))
    ball = ball.plus_diagonal(np.full(order, -float(np.linalg.eigvalsh(ball.mid)[0])))
    needed = provable_from(ball)
    assert needed >= 1e-9 * order and not proves_psd(ball.plus_diagonal(np.full(order, 0.5 * needed)))
    assert proves_psd(ball.plus_diagonal(np.full(order, 1.5 * needed)))


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


@pytest.mark.parametrize("order", [1, 2, 3, 10, 64, 100, 200, 400])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
def test_what_lapack_may_not_notice_is_not_proved(order: int, value: float) -> None:
    """OpenBLAS's dpotrf returns info = 0 for a pivot that is not a number."""
    for i, j in {(order - 1, order - 1), (order - 1, 0), (order // 2, order // 2)}:
        matrix = np.eye(order)
        matrix[i, j] = matrix[j, i] = value
        assert not proves_psd(Ball.exact(matrix)) or (value == 1e200 and i == j)
        assert not proves_psd(Ball(np.eye(order), np.where(matrix == np.eye(order), 0.0, abs(value))))


def test_an_overflow_inside_the_factorisation_proves_nothing() -> None:
    """Finite entries whose factor overflows: every later pivot would be −∞ or no number."""
    tiny = np.array([[1e-300, 1e150, 0.0], [1e150, 1e150, 1e150], [0.0, 1e150, 1.0]])
    assert not proves_psd(Ball.exact(tiny))
    huge = np.array([[1e10, 2.0**1000, 0.0], [2.0**1000, 2.0**1020, 2.0**1000], [0.0, 2.0**1000, -1.0]])
    assert not proves_psd(Ball.exact(huge))


def test_dividing_by_a_power_of_two_contains_the_exact_quotient() -> None:
    values = np.array([[1.0, 3e-310, 5e-324, -1.7e-300, 0.0]])
    for exponent in (-1000, -3, 0, 5, 60, 1000):
        quotient = Ball.exact(values).over(2.0**exponent)
        for value, mid, rad in zip(values[0], quotient.mid[0], quotient.rad[0], strict=True):
            if math.isinf(mid):
                assert math.isinf(rad)
            else:
                assert abs(Fraction(value) / Fraction(2) ** exponent - Fraction(mid)) <= Fraction(rad)


# Offset of the SSE control register in glibc's fenv_t on x86-64, its bits for flush-to-zero and denormals-are-zero,
# and the rounding modes down, up and towards zero.
MXCSR, FLUSH, ZERO, ROUNDING = 28, 0x8000, 0x0040, {"down": 0x2000, "up": 0x4000, "towards zero": 0x6000}


@contextlib.contextmanager
def processor(bits: int) -> Iterator[None]:
    """Set bits of this thread's SSE control register for a while."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("the processor's modes are set through glibc on x86-64")
    libm = ctypes.CDLL("libm.so.6")
    before, changed = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    libm.fegetenv(before)
    libm.fegetenv(changed)
    value = int.from_bytes(changed[MXCSR : MXCSR + 4], "little") | bits
    changed[MXCSR : MXCSR + 4] = value.to_bytes(4, "little")
    try:
        libm.fesetenv(changed)
        yield
    finally:
        libm.fesetenv(before)


@pytest.mark.parametrize("mode", [*ROUNDING, "flush to zero", "denormals are zero"])
def test_nothing_is_proved_where_the_processor_does_not_round_as_proofs_need_it(mode: str) -> None:
    problem = Problem([[1e-310]], [[1e150]], 1e-170)
    outcome = sdprelax.solve(problem, "exact")
    assert outcome.network is not None and outcome.certificate is not None
    named = {"flush to zero": FLUSH, "denormals are zero": ZERO, **ROUNDING}
    refused = []
    with processor(named[mode]):
        for proof in (
            lambda: sdprelax.verify(problem, outcome.certificate),
            lambda: problem.upper_bound(outcome.network),
            lambda: Ball.exact(np.ones(1)),
        ):
            try:
                proof()
            except UntrustedArithmetic as error:
                refused.append(str(error))
    require_ieee_arithmetic()
    assert len(refused) == 3 and all("no bound can be proved" in sentence for sentence in refused)


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_a_sparse_combination_encloses_the_exact_one(seed: int, unit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_verified, "COLUMNS", 2)
    rng = np.random.default_rng(seed)
    weights = sp.random_array((5, 7), density=0.5, rng=rng, data_sampler=lambda size: rng.standard_normal(size))
    weights = sp.csr_array(weights.sign() if unit else weights)
    # Of every size, so that sums round and tiny products underflow.
    mid = rng.standard_normal((7, 3)) * 10.0 ** rng.integers(-320, 30, (7, 3))
    rad = np.abs(mid) * 1e-3 * rng.integers(0, 2, (7, 3))
    found, dense = Ball(mid, rad).combined(weights), weights.toarray()
    for i in range(5):
        for j in range(3):
            exact = sum((Fraction(dense[i, k]) * Fraction(mid[k, j]) for k in range(7)), Fraction(0))
            spread = sum((abs(Fraction(dense[i, k])) * Fraction(rad[k, j]) for k in range(7)), Fraction(0))
            assert abs(exact - Fraction(found.mid[i, j])) + spread <= Fraction(found.rad[i, j])
    # Nothing is rounded where signs alone are given and a row has one.
    assert not np.any(Ball.exact(mid).combined(sp.eye_array(7) * (-1.0)).rad)
