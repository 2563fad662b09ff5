"""Optima of linear networks are proved, hold in rational arithmetic, and no forged certificate proves more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import CertificateError, LinearCertificate, Problem, verify_linear, white_optimum
from sdprelax.base import Deadline, Floats
from sdprelax.certificate import load_program, verify_program
from tests.linear.data import sample

LINEAR = {"leaky": {"slope": 1}}


def certified(seed: int, width: int, depth: int, **data: Any) -> tuple[Problem, LinearCertificate]:
    problem = Problem(*sample(seed, **data), 0.6, activation=LINEAR)
    program = sdprelax.solve(problem, "deep_linear", width=width, depth=depth).program
    assert isinstance(program, LinearCertificate)
    return problem, program


@pytest.fixture(scope="module", params=[(0, 1, 2), (1, 2, 2), (2, 3, 2), (3, 1, 3), (4, 2, 4)], ids=str)
def case(request: pytest.FixtureRequest) -> tuple[Problem, LinearCertificate]:
    return certified(*request.param)


def exactly(problem: Problem, layers: tuple[Floats, ...]) -> Fraction:
    """Return the objective of layers in rational arithmetic."""

    def rational(matrix: Floats) -> list[list[Fraction]]:
        return [[Fraction(float(v)) for v in row] for row in matrix]

    predicted = rational(problem.inputs)
    for layer in map(rational, layers):
        columns = list(zip(*layer, strict=True))
        predicted = [
            [sum((a * b for a, b in zip(row, column, strict=True)), Fraction(0)) for column in columns]
            for row in predicted
        ]
    loss = sum((a - b) ** 2 for row, wanted in zip(predicted, rational(problem.Y), strict=True)
               for a, b in zip(row, wanted, strict=True))  # fmt: skip
    squares = sum(v**2 for layer in map(rational, layers) for row in layer for v in row)
    return loss / 2 + Fraction(problem.gamma) / 2 * squares


def test_what_is_claimed_is_proved_and_the_layers_attain_it(case: tuple[Problem, LinearCertificate]) -> None:
    problem, certificate = case
    lower, upper = verify_linear(problem, certificate)
    assert certificate.dual_value <= lower <= exactly(problem, certificate.layers) <= upper <= certificate.value
    assert (upper - lower) / upper < 1e-6
    assert certificate.details(problem)["program_gap"] == pytest.approx((upper - lower) / upper, abs=1e-11)


def test_a_file_has_all_of_it(case: tuple[Problem, LinearCertificate], tmp_path: Path) -> None:
    problem, certificate = case
    certificate.save(tmp_path / "certificate.npz")
    loaded = LinearCertificate.load(tmp_path / "certificate.npz")
    assert verify_linear(problem, loaded) == verify_linear(problem, certificate)
    assert isinstance(load_program(tmp_path / "certificate.npz"), LinearCertificate)
    assert verify_program(problem, loaded) == verify_linear(problem, loaded)
    assert repr(loaded) == repr(certificate) and "width" in repr(loaded)
    with pytest.raises(CertificateError, match="it is of kind 'linear'"):
        sdprelax.GroupCertificate.load(tmp_path / "certificate.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    for load in (LinearCertificate.load, load_program):
        with pytest.raises(CertificateError, match="is not a readable certificate"):
            load(tmp_path / "broken.npz")


FORGERIES: dict[str, Callable[[LinearCertificate], dict[str, Any]]] = {
    "a lower t": lambda c: {"level": 0.99 * c.level},
    "no t": lambda c: {"level": 0.0},
    "a smaller R": lambda c: {"factor": 0.99 * c.factor},
    "no R": lambda c: {"factor": c.factor[:, :0]},
    "a smaller F": lambda c: {"fit": 0.9 * c.fit},
    "no F": lambda c: {"fit": 0.0 * c.fit},
    "another F": lambda c: {"fit": c.fit[::-1].copy()},
    "a larger λ": lambda c: {"curvature": 1.01 * c.curvature + 1e-3},
    "longer directions": lambda c: {"directions": 1.01 * c.directions},
    "no directions": lambda c: {"directions": c.directions[:, :0], "borrowed": c.borrowed[:0]},
    "a larger κ": lambda c: {"borrowed": c.borrowed + 0.5 * c.curvature},
    "no share": lambda c: {"share": 0.0},
    "all of the share": lambda c: {"share": 1.0},
    "a smaller width": lambda c: {"width": max(1, c.width - 1)},
    "other units": lambda c: {"units": (0.5 * c.units[0], c.units[1])},
    "other units of targets": lambda c: {"units": (c.units[0], 2.0 * c.units[1])},
}


def truth(problem: Problem, certificate: LinearCertificate) -> float:
    """Return an upper bound of the optimum at a certificate's width, from starts of its own."""
    found = sdprelax.solve(problem, "deep_linear", width=int(certificate.width), depth=certificate.depth, restarts=5)
    return float(found.details["value"])


@pytest.mark.parametrize("name", list(FORGERIES))
def test_a_forged_number_is_refused_or_what_is_proved_is_still_true(
    name: str, case: tuple[Problem, LinearCertificate]
) -> None:
    """Once with the honest claim, and once with none, to see what is proved."""
    problem, certificate = case
    forged = dataclasses.replace(certificate, **FORGERIES[name](certificate))
    for claiming in (forged, dataclasses.replace(forged, dual_value=0.0)):
        try:
            lower, upper = verify_linear(problem, claiming)
        except CertificateError:
            continue
        assert lower <= truth(problem, forged) and upper >= exactly(problem, forged.layers)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dual_value": 1e9}, "it claims dual_value"),
        ({"value": 1e-9}, "it claims value"),
        ({"width": 1.5}, "its width is 1.5"),
        ({"width": 0}, "its width is 0"),
        ({"layers": ()}, "it has 0 layers"),
        ({"layers": None}, "its layers are no tuple"),
        ({"units": (3.0, 1.0)}, "are not powers of two"),
        ({"curvature": -1.0}, "its λ is -1.0"),
        ({"share": 2.0}, "its share is 2.0"),
        ({"level": float("nan")}, "its level is nan"),
        ({"fit": np.zeros((2, 2))}, "its fit has shape"),
        ({"factor": np.zeros(3)}, "its factor is no matrix"),
        ({"directions": np.zeros((4, 9))}, "it has 9 directions, not 0 to 4"),
        ({"borrowed": np.array([-1.0, 0.0])}, "a κ of it is negative"),
    ],
)
def test_what_is_no_number_of_a_proof_is_named(change: dict[str, Any], words: str) -> None:
    problem, certificate = certified(4, 2, 4)
    with pytest.raises(CertificateError, match=words):
        verify_linear(problem, dataclasses.replace(certificate, **change))


def test_layers_wider_than_claimed_and_other_problems_are_refused() -> None:
    problem, certificate = certified(4, 2, 4)
    wide = tuple(
        np.hstack([np.vstack([layer, layer[:1]]), np.zeros((len(layer) + 1, 1))]) for layer in certificate.layers
    )
    first, *inner, last = wide
    with pytest.raises(CertificateError, match="its layers are 3 wide, and it is of width 2"):
        verify_linear(problem, dataclasses.replace(certificate, layers=(first[:-1], *inner, last[:, :-1])))
    for other in (
        Problem(problem.X, problem.Y[::-1], problem.gamma),
        Problem(problem.X[::-1], problem.Y, problem.gamma),
        Problem(problem.X, problem.Y, 0.9 * problem.gamma),
        Problem(problem.X, problem.Y, problem.gamma, sample_weight=np.arange(1.0, 21.0)),
        Problem(problem.X, problem.Y, problem.gamma, loss="huber"),
        Problem(problem.X, problem.Y, problem.gamma, offset=True),
        Problem(problem.X[:, :3], problem.Y, problem.gamma),
    ):
        with pytest.raises(CertificateError):
            verify_linear(other, certificate)
    with pytest.raises(CertificateError, match="it is None"):
        verify_linear(problem, None)  # type: ignore[arg-type]
    with pytest.raises(CertificateError, match="takes longer than 0 seconds"):
        verify_linear(problem, certificate, Deadline(0.0))


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("width", [1, 2])
def test_noise_in_a_certificate_never_proves_more_than_the_closed_form(width: int, depth: int) -> None:
    X, Y = sample(5, white=1.4)
    optimum = white_optimum(X, Y, 0.6, width, depth).value
    problem, certificate = certified(5, width, depth, white=1.4)
    rng, proved = np.random.default_rng(0), 0
    largest = float(np.linalg.norm(certificate.factor, 2)) ** 2 + certificate.level
    for size in (1e-13, 1e-9, 1e-6, 1e-3, 0.1):
        for _ in range(10):
            # Half of the time to the side on which more is proved than is true, if that is let through.
            side = size * rng.standard_normal(7)
            changed = dataclasses.replace(
                certificate,
                dual_value=0.0,
                fit=certificate.fit * (1.0 + 0.01 * side[0]),
                directions=certificate.directions * (1.0 - side[1]),
                curvature=certificate.curvature * abs(1.0 - side[2]),
                borrowed=certificate.borrowed * abs(1.0 + side[3]),
                share=float(np.clip(certificate.share + 1e3 * side[4], 0.0, 1.0)),
                level=max(0.0, certificate.level + largest * side[5]),
                factor=certificate.factor * (1.0 + 0.01 * side[6]),
            )
            try:
                found = verify_linear(problem, changed)
            except CertificateError:
                continue
            proved += 1
            assert found[0] <= optimum * (1.0 + 1e-12)
    assert proved > 0


@pytest.mark.parametrize(("a", "b"), [(1e-78, 1e-78), (1e60, 1e-40), (1e-30, 1e90)])
@pytest.mark.parametrize("depth", [2, 3])
def test_it_is_proved_at_every_scale(depth: int, a: float, b: float) -> None:
    X, Y = sample(6)
    gamma = 0.6 * b * b / (b / a) ** (2.0 / depth)
    plain = sdprelax.solve(Problem(X, Y, 0.6, activation=LINEAR), "deep_linear", width=2, depth=depth)
    scaled = Problem(a * X, b * Y, gamma, activation=LINEAR)
    outcome = sdprelax.solve(scaled, "deep_linear", width=2, depth=depth)
    assert isinstance(outcome.program, LinearCertificate)
    verify_linear(scaled, outcome.program)
    for name in ("value", "dual_value"):
        assert outcome.details[name] / b / b == pytest.approx(plain.details[name], rel=1e-6)
