"""Certificates whose numbers are at the ends of floating point, and losses and activations that reach them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import sdprelax
from sdprelax import Certificate, InputError, Problem
from sdprelax.base import Ball, CertificateError, Deadline, Floats
from sdprelax.cells import whole_space
from sdprelax.certificate import BlockProof, ConeProof, RelaxationProof, pulled_back
from sdprelax.networks.activations import Activation, activations
from sdprelax.problem import Reduction
from sdprelax.problem.losses import Loss, losses


@pytest.mark.parametrize("tiny", [5e-324, 1e-323, 1.5e-323, 1e-300, 1e-100])
def test_a_form_too_small_for_its_products_charges_enough(tiny: float) -> None:
    """p* = γ − γ²/2 = 0.375 here: a false form is balanced by an entry of N that is as large as there may be."""
    problem, h = Problem([[1.0]], [[1.0]], 0.5), 1.49
    reduction = Reduction(np.array([[h], [-h]]), np.eye(1), np.array([1]), np.array([-1 / h]))
    large, share, most = 2.0**100, 0.9e-9 * h, 2.0**200
    forms = {"z": np.array([[large, 0.0, -share * large], [0.0, tiny, 0.0]])}
    paid = 2.0 * most * tiny * large
    a = math.sqrt(paid / 2.0) * h
    if a > 2.0**100:
        most, paid = most * 2.0**200 / a**2, paid * 2.0**200 / a**2
        a = math.sqrt(paid / 2.0) * h
    N = np.zeros((6, 6))
    N[4, 5] = N[5, 4] = most
    N[0, 2] = N[2, 0] = N[1, 3] = N[3, 1] = -paid / 2.0
    block = BlockProof(whole_space(2), N, a * a * (1.0 - 0.99 * 2.0 * share / h), 0.0, forms)
    certificate = Certificate(0.0, np.array([[a]]), reduction, RelaxationProof((block,)))
    try:
        assert sdprelax.verify(problem, certificate) <= 0.375
    except CertificateError:
        assert a > 2.0**99  # the cases that do not fit a certificate's range are refused


@dataclass(frozen=True)
class Halves(Loss):
    """The squared loss without a ray of its own, as a user may write it."""

    degree: ClassVar[int | None] = 2

    def value(self, predictions: Floats, Y: Floats) -> float:
        return float(np.sum((predictions - Y) ** 2)) / 2.0

    def residual(self, predictions: Floats, Y: Floats) -> Floats:
        return Y - predictions

    def dual_value(self, A: Floats, Y: Floats) -> float:
        return float(np.sum(A * Y) - 0.5 * np.sum(A * A))

    def dual_value_below(self, A: Ball, Y: Floats) -> float:
        return math.nextafter(A.inner(Y)[0] - 0.5 * A.square_above(), -math.inf)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(losses._entries, "halves", Halves)
    monkeypatch.setitem(activations._entries, "slopes", Slopes)


@pytest.mark.parametrize("power", [0, 500, 1000, 1023, -1000])
def test_a_value_less_than_nothing_does_not_become_the_largest(power: int) -> None:
    problem = Problem([[1.0], [2.0]], [[1.0], [2.0]], 0.5)
    users = Problem(problem.X, problem.Y, 0.5, loss=Halves())  # type: ignore[abstract]
    upper = sdprelax.solve(problem, "exact").upper
    none = Reduction(np.zeros((0, 0)), np.zeros((1, 0)), np.zeros(2, dtype=int), np.zeros(2))
    certificate = Certificate(0.0, np.ones((2, 1)), none, ConeProof(1.0, 1), (1.0, 2.0**power))
    try:
        assert upper is not None and sdprelax.verify(users, certificate) <= upper
    except CertificateError as refused:
        assert "does not hold" in str(refused)


@dataclass(frozen=True)
class Slopes(Activation):
    """Two slopes of one's own."""

    slopes: tuple[float, float] = (1.0, 0.1)  # type: ignore[misc]


@pytest.mark.parametrize("slopes", [(0.0, 0.0), (math.nan, 1.0), (1.0, math.inf)])
def test_an_activation_has_finite_slopes_not_both_zero(slopes: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=r"not both 0|should be a finite number"):
        Problem([[1.0]], [[1.0]], 0.5, activation=Slopes(slopes))


def test_the_radius_covers_the_rounding_of_slopes_times_factors() -> None:
    from fractions import Fraction

    rng = np.random.default_rng(0)
    factors = rng.normal(size=50)
    reduction = Reduction(np.ones((1, 1)), np.eye(1), np.zeros(50, dtype=int), factors, Slopes((1.0, 0.1)))
    A = rng.normal(size=(50, 1))
    dual = pulled_back(reduction, A)
    ahead, behind = Fraction(1.0), Fraction(0.1)
    exact = [Fraction(0), Fraction(0)]
    for f, a in zip(factors, A[:, 0], strict=True):
        slopes = (ahead, behind) if f > 0 else (behind, ahead)
        for side in (0, 1):
            exact[side] += slopes[side] * abs(Fraction(f)) * Fraction(a)
    for side in (0, 1):
        off = abs(Fraction(float(dual.mid[side, 0])) - exact[side])
        assert off <= Fraction(float(dual.rad[side, 0])) < Fraction(1, 10**12)


@pytest.fixture
def malformed(tmp_path: Path) -> Iterator[Path]:
    outcome = sdprelax.solve(Problem([[1.0], [-0.5]], [[1.0], [2.0]], 0.1), "sdp", solver="clarabel")
    assert outcome.certificate is not None
    path = tmp_path / "whole.npz"
    outcome.certificate.save(path)
    arrays = dict(np.load(path))
    arrays["rows"] = arrays["rows"][:, 0]
    np.savez(tmp_path / "malformed.npz", **arrays)
    yield tmp_path / "malformed.npz"


def test_multipliers_of_a_malformed_file_are_refused_in_a_sentence(malformed: Path) -> None:
    with pytest.raises(CertificateError):
        Certificate.load(malformed).multipliers("nonnegative")


def test_a_proof_that_no_deadline_could_interrupt_is_refused() -> None:
    problem, g = Problem([[1.0]], [[1.0]], 0.5), 3000
    reduction = Reduction(np.ones((g, 1)), np.eye(1), np.array([0]), np.array([1.0]))
    forms = {"z": np.ones((1, g + 1))}
    block = BlockProof(whole_space(g), np.zeros((2 * g + 1, 2 * g + 1)), 0.0, 0.0, forms)
    certificate = Certificate(0.0, np.array([[0.5]]), reduction, RelaxationProof((block,)))
    with pytest.raises(CertificateError, match="too many"):
        sdprelax.verify(problem, certificate, Deadline(600.0))
