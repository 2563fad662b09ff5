"""Optima of group programs are proved, hold in rational arithmetic, and no forged certificate proves more."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import CertificateError, GroupCertificate, Problem, verify_group
from sdprelax.base import Deadline
from sdprelax.certificate import Gates, Neurons, Ramps, masks_of

METHODS: dict[str, dict[str, Any]] = {
    "gated_relu": {"patterns": 6, "penalty": "nuclear"},
    "mkl": {"patterns": 6},
    "wedge": {},
    "wedge free": {"bias": "free"},
    "wedge ramps": {"bias": "free", "layers": 3},
}


def problem_of(name: str, scale: float = 1.0) -> Problem:
    rng = np.random.default_rng(0)
    d = 1 if "ramps" in name else 2
    X, Y = scale * rng.standard_normal((7, d)), scale * rng.standard_normal((7, 2))
    return Problem(X, Y, 0.1 * scale * scale, bias="free" in name or "ramps" in name)


def certified(name: str, scale: float = 1.0) -> tuple[Problem, GroupCertificate]:
    problem = problem_of(name, scale)
    outcome = sdprelax.solve(problem, name.partition(" ")[0], **METHODS[name])
    assert outcome.status == "solved" and outcome.program is not None
    assert outcome.program.details(problem).items() <= outcome.details.items()
    return problem, outcome.program


@pytest.fixture(scope="module", params=METHODS)
def case(request: pytest.FixtureRequest) -> tuple[Problem, GroupCertificate]:
    return certified(request.param)


def exactly(problem: Problem, certificate: GroupCertificate) -> Fraction:
    """Return the objective of a certificate's weights in rational arithmetic, with Frobenius norms in floats."""
    s, t = (Fraction(unit) for unit in certificate.units)
    design, weights = certificate.design, certificate.weights
    loss = Fraction(0)
    for x, y in zip(problem.X if design.free else problem.inputs, problem.Y, strict=True):
        row = [Fraction(float(v)) / s for v in x]
        for k in range(weights.shape[2]):
            predicted = Fraction(0) if certificate.offset is None else Fraction(float(certificate.offset[k]))
            for j, group in enumerate(certificate.used):
                w = [Fraction(float(v)) for v in design.directions[:, group]]
                seen = [*row, Fraction(1)] if isinstance(design, Neurons) and design.free else row
                inner = sum(a * b for a, b in zip(seen, w, strict=True))
                if isinstance(design, Gates):
                    features = row if inner >= 0 else [Fraction(0)] * len(row)
                elif isinstance(design, Neurons):
                    features = [max(inner, Fraction(0))]
                else:
                    low, high = (Fraction(float(end[group])) for end in (design.lower, design.upper))
                    features = [max(high - low - max(inner - low, Fraction(0)), Fraction(0))]
                predicted += sum(f * Fraction(float(v)) for f, v in zip(features, weights[j, :, k], strict=True))
            loss += (predicted - Fraction(float(y[k])) / t) ** 2 / 2
    norm = "nuc" if certificate.penalty == "nuclear" else "fro"
    sizes = sum(float(np.linalg.norm(weights[j], norm)) for j in range(len(weights)))
    return (loss + Fraction(problem.gamma) / s / t * Fraction(sizes)) * t * t


def test_claims_are_proved_tight_and_hold_in_rational_arithmetic(case: tuple[Problem, GroupCertificate]) -> None:
    problem, certificate = case
    lower, upper = verify_group(problem, certificate)
    assert certificate.dual_value <= lower <= upper <= certificate.value
    assert certificate.value - certificate.dual_value <= 1e-6 * upper
    value = exactly(problem, certificate)
    # The norms are sums of a few floats.
    assert Fraction(lower) * Fraction(1 - 1e-14) <= value <= Fraction(upper) * Fraction(1 + 1e-14)
    assert float(value) == pytest.approx(upper, rel=1e-12)


def test_a_saved_certificate_is_the_same(case: tuple[Problem, GroupCertificate], tmp_path: Path) -> None:
    problem, certificate = case
    certificate.save(tmp_path / "c.npz")
    assert verify_group(problem, GroupCertificate.load(tmp_path / "c.npz")) == verify_group(problem, certificate)
    # Files keep the axes they have had since the first: outputs, inputs, groups.
    with np.load(tmp_path / "c.npz") as stored:
        assert np.array_equal(stored["weights"], np.transpose(certificate.weights))
    (tmp_path / "c.npz").write_bytes((tmp_path / "c.npz").read_bytes()[:-100])
    with pytest.raises(CertificateError, match="is not a readable certificate of a program"):
        GroupCertificate.load(tmp_path / "c.npz")


def forged(certificate: GroupCertificate) -> dict[str, GroupCertificate]:
    replace, A, design = dataclasses.replace, certificate.multiplier, certificate.design
    worse = A + 0.1 * np.abs(A)
    found = {
        "value": replace(certificate, value=certificate.value * (1 - 1e-9)),
        "dual_value": replace(certificate, dual_value=certificate.dual_value * (1 + 1e-9)),
        "nan": replace(certificate, dual_value=float("nan")),
        "nan in A": replace(certificate, multiplier=np.full_like(A, np.nan)),
        "A": replace(certificate, multiplier=worse, dual_value=2.0 * certificate.dual_value),
        "huge A": replace(certificate, multiplier=np.full_like(A, 1e300), dual_value=1e300),
        "shape of A": replace(certificate, multiplier=A[:-1]),
        "weights": replace(certificate, weights=0.5 * certificate.weights),
        "huge weights": replace(certificate, weights=np.full_like(certificate.weights, 1e300)),
        "complex weights": replace(certificate, weights=certificate.weights * 1j),
        "used twice": replace(certificate, used=np.zeros_like(certificate.used)),
        "used beyond": replace(certificate, used=certificate.used + certificate.design.count),
        "units": replace(certificate, units=(3.0, certificate.units[1])),
        "other units": replace(certificate, units=(certificate.units[0] * 2.0, certificate.units[1])),
        "no units": replace(certificate, units=(0.0, float("inf"))),
        "gamma": replace(certificate, gamma=2.0 * certificate.gamma),
        "penalty": replace(certificate, penalty="spectral"),  # type: ignore[arg-type]
        "design": replace(certificate, design=None),  # type: ignore[arg-type]
        "directions": replace(certificate, design=replace(design, directions=design.directions[:-1])),
        "boolean directions": replace(certificate, design=replace(design, directions=design.directions > 0.0)),
    }
    if design.free:
        found["no offset"] = replace(certificate, offset=None)
        found["unbalanced A"] = replace(certificate, multiplier=A + 1e-12)
    else:
        found["offset"] = replace(certificate, offset=np.zeros(A.shape[1]))
    return found


def test_forged_certificates_are_refused(case: tuple[Problem, GroupCertificate]) -> None:
    problem, certificate = case
    for name, other in forged(certificate).items():
        with pytest.raises(CertificateError, match="does not hold"):
            verify_group(problem, other)
            pytest.fail(name)
    with pytest.raises(CertificateError, match="does not hold"):
        verify_group(Problem(problem.X, problem.Y * 2.0, problem.gamma, problem.bias), certificate)
    with pytest.raises(CertificateError, match="does not hold"):
        verify_group(problem, None)  # type: ignore[arg-type]
    with pytest.raises(CertificateError, match="longer than 0 seconds"):
        verify_group(problem, certificate, Deadline(0.0))


@pytest.mark.parametrize("scale", [1e-120, 1e120])
def test_certificates_of_huge_and_tiny_data_hold(scale: float) -> None:
    # With γ and targets of the same scale: units take all of it, and the proof sees numbers near 1.
    problem, certificate = certified("wedge", scale)
    plain = certified("wedge")[1]
    lower, upper = verify_group(problem, certificate)
    assert 0.0 < lower <= upper
    assert upper / scale / scale == pytest.approx(plain.value, rel=1e-9)


def test_masks_are_those_of_exact_arithmetic() -> None:
    # 0.1·3 − 0.3·1 is −2⁻⁵⁴·0.8 or so in real arithmetic of these floats, and 0 or 5.6e-17 in floating point.
    inputs = np.array([[0.1, 0.3], [0.3, 0.1], [0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    gates = np.array([[3.0, -3.0, 0.0], [-1.0, 1.0, 1.0]])
    exact = [[sum(Fraction(a) * Fraction(b) for a, b in zip(x, g, strict=True)) >= 0 for g in gates.T] for x in inputs]
    np.testing.assert_array_equal(masks_of(inputs, gates), np.array(exact, dtype=float))
    assert exact[0][0] != exact[0][1]
    np.testing.assert_array_equal(Gates(gates, skip=True).masks(inputs)[:, -1], 1.0)


def test_too_many_undecided_gates_are_refused() -> None:
    # Every sample lies on every gate's wall, up to rounding: 400 × 400 products to be decided in rational arithmetic.
    rng = np.random.default_rng(0)
    line = rng.standard_normal(3)
    normal = np.linalg.svd(line[None])[2][1]
    X, gates = np.outer(rng.uniform(1.0, 2.0, 400), line), np.outer(normal, rng.uniform(1.0, 2.0, 400))
    certificate = GroupCertificate(
        1e9, 0.0, Gates(gates), "frobenius", (1.0, 1.0), 1.0, np.zeros(0, dtype=int), np.zeros((0, 3, 1))
    )
    with pytest.raises(CertificateError, match="too close to samples"):
        verify_group(Problem(X, np.ones(400), 1.0), certificate)


def test_a_ramp_is_what_it_says() -> None:
    ramp = Ramps(np.array([[1.0]]), np.array([1.0]), np.array([3.0]))
    balls = ramp.enclosed(np.array([[0.0], [1.0], [2.0], [3.0], [9.0]]))
    np.testing.assert_allclose(balls.mid[:, 0], [2.0, 2.0, 1.0, 0.0, 0.0])
