"""Forged and damaged certificates, and data at the edge of floating point: nothing false is ever proved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sdprelax
from sdprelax import Certificate, CertificateError, InputError, Network, Problem
from sdprelax.certificate import ConeProof, RelaxationProof
from sdprelax.reduction import Reduction
from sdprelax.verified import UNIT, Ball

ONE = np.ones((1, 1))
KINK = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1.0]])
CONES = ConeProof(0.1, 1000)


def forged(lower: float, A: object, rows: object, group: object, factor: object, proof: object) -> Certificate:
    rows = np.asarray(rows)
    return Certificate(lower, A, Reduction(rows, np.eye(rows.shape[1]), group, factor), proof)  # type: ignore[arg-type]


def forgeries() -> dict[str, tuple[Problem, Certificate]]:
    """Return certificates that claim more than p*, each using what a careless verifier might believe."""
    kink = Problem(KINK, [[1], [1], [1], [1], [-1], [-1.0]], 0.1)
    pair = Problem(np.eye(2), [[1.0], [-1.0]], 0.1)
    unit = Problem([[1.0]], [[1.0]], 0.1)
    sixteen = Problem([[16.0]], [[16.0]], 1.0)
    halves = Problem([[-128.0], [-64.0]], [[1.0], [2.0]], 10.0)
    many = np.zeros((129, 1))
    many[128] = -1.0
    masks, two = np.array([True, True]), np.ones(2)
    zeros = np.zeros((4, 4))
    return {
        "negative target": (kink, forged(2.9, kink.Y, KINK, np.arange(6), np.ones(6), ConeProof(-100.0, 1000))),
        "NaN target": (kink, forged(2.9, kink.Y, KINK, np.arange(6), np.ones(6), ConeProof(np.nan, 1000))),
        "huge target": (kink, forged(2.9, kink.Y, KINK, np.arange(6), np.ones(6), ConeProof(1e200, 10))),
        "endless cones": (kink, forged(2.9, kink.Y, KINK, np.arange(6), np.ones(6), ConeProof(1e-9, 10**12))),
        "groups as a mask, by cones": (pair, forged(0.9, pair.Y, np.eye(2), masks, two, CONES)),
        "groups as a mask, by multipliers": (
            pair,
            forged(0.9, pair.Y, np.eye(2), masks, two, RelaxationProof.unsplit(zeros, 1e-9, 1e-9)),
        ),
        "groups that wrap around": (unit, forged(0.4, ONE, many, np.array([128], np.uint8), np.array([-1.0]), CONES)),
        "integers that overflow": (
            sixteen,
            forged(100.0, np.array([[16]], np.int8), ONE, np.array([0]), np.array([16], np.int8), ConeProof(1e-3, 99)),
        ),
        "an absolute value that overflows": (
            halves,
            forged(2.0, halves.Y, ONE, np.array([0, 0]), np.array([-128, -64], np.int8), ConeProof(1e-3, 1000)),
        ),
        "single precision": (
            Problem([[np.float64(np.float32(0.1))]], [[np.float64(np.float32(1.1))]], 0.1),
            forged(0.6000001, np.float32([[1.0]]), ONE, np.array([0]), np.float32([0.1]), ConeProof(1e-12, 1000)),
        ),
        "complex factors": (pair, forged(0.9, pair.Y, np.eye(2), np.arange(2), two * 1j, CONES)),
        "names for groups": (pair, forged(0.9, pair.Y, np.eye(2), np.array(["a", "b"]), two, CONES)),
        "objects for factors": (pair, forged(0.9, pair.Y, np.eye(2), np.arange(2), np.array([1, None]), CONES)),
        "no columns": (pair, forged(0.9, pair.Y, np.zeros((1, 0)), np.zeros(2, int), two, CONES)),
        "a huge multiplier": (pair, forged(0.9, 1e200 * pair.Y, np.eye(2), np.arange(2), two, CONES)),
        "tiny rows": (pair, forged(0.9, pair.Y, 1e-170 * np.eye(2), np.arange(2), 1e170 * two, CONES)),
    }


@pytest.mark.parametrize("name", list(forgeries()))
def test_a_forged_certificate_proves_nothing(name: str, tmp_path: Path) -> None:
    problem, certificate = forgeries()[name]
    optimum = sdprelax.solve(problem, "exact").upper
    assert optimum is not None and certificate.lower > optimum, "this forgery claims nothing false"
    with pytest.raises(CertificateError):
        sdprelax.verify(problem, certificate)
    if certificate.reduction.factor.dtype != object:
        certificate.save(tmp_path / "forged.npz")
        with pytest.raises(CertificateError):
            sdprelax.verify(problem, Certificate.load(tmp_path / "forged.npz"))


def test_damaged_files_are_certificate_errors_and_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((4, 2)), rng.standard_normal((4, 1)), 0.1)
    certificate = sdprelax.solve(problem, "sdp", rounding=None).certificate
    optimum = sdprelax.solve(problem, "exact").upper
    assert certificate is not None and optimum is not None
    path = tmp_path / "certificate.npz"
    certificate.save(path)
    whole = path.read_bytes()
    for trial in range(150):
        damaged = bytearray(whole)
        if trial % 3 == 0:
            damaged = damaged[: int(rng.integers(0, len(whole)))]
        else:
            damaged[int(rng.integers(0, len(whole)))] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(bytes(damaged))
        try:
            assert sdprelax.verify(problem, Certificate.load(path)) <= optimum
        except CertificateError:
            continue


@pytest.mark.parametrize(("gamma", "x", "y"), [(1e-300, 3.0, 1e23), (1e-300, 1.7, 1e22), (1.57e-293, 1378.0, 6.2e24)])
def test_a_subnormal_scaling_of_the_dual_point_proves_nothing_false(gamma: float, x: float, y: float) -> None:
    problem = Problem([[x]], [[y]], gamma)
    outcome = sdprelax.solve(problem, "exact")
    assert outcome.lower is not None and outcome.lower <= gamma * (y / x)


def test_what_is_not_a_number_counts_as_infinite() -> None:
    nan = Ball.exact(np.array([[np.nan, 1.0]]))
    for size in (nan.square_above(), nan.norm_above(), float(nan.row_norms()[0]), (nan + nan).square_above()):
        assert size == np.inf
    assert nan.inner(Ball.exact(np.ones((1, 2)))) == (-np.inf, np.inf)
    overflow = Ball.exact(np.array([[1e200, -1e200]])) @ Ball.exact(np.array([[1e200], [1e200]]))
    assert overflow.square_above() == np.inf and UNIT < 1


def test_upper_bounds_survive_overflow_and_subnormal_decay() -> None:
    with pytest.raises(InputError, match="weights must be finite"):
        Network(np.array([[np.nan]]), np.array([[1.0]]))
    wide = Problem([[1e160] * 16], [[1.0]], 1e-300)
    network = Network(np.array([2e150, -1e150] * 8)[:, None], np.array([[1e-300]]))
    assert wide.upper_bound(network) >= 3.2e21
    assert Problem([[1.0]], [[0.0]], 5e-324).upper_bound(Network(np.array([[1e100]]), np.array([[0.0]]))) >= 2.47e-124


def test_nearly_rank_one_rows_are_solved() -> None:
    """More dimensions than generators are left when nearly parallel rows have been merged."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 1)) @ rng.standard_normal((1, 3)) + 1e-14 * rng.standard_normal((4, 3))
    outcome = sdprelax.solve(Problem(X, rng.standard_normal((4, 3)), 0.5), "exact")
    assert outcome.gap is not None and outcome.gap < 1e-6
