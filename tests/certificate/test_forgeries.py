"""Forged and damaged certificates, and data at the edge of floating point: nothing false is ever proved."""

from __future__ import annotations

import dataclasses
import functools
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sdprelax
from sdprelax import Certificate, CertificateError, InputError, Network, Problem
from sdprelax.base import UNIT, Ball, Deadline
from sdprelax.cells import Cone, whole_space
from sdprelax.certificate import BlockProof, ConeProof, RelaxationProof
from sdprelax.certificate._certificate import LONGEST_PATH, MOST_BLOCKS, MOST_WALLS
from sdprelax.problem import Reduction, units_of
from tests.certificate.verifiers import proved_by_both, refused_by_both, refused_by_the_second

ONE = np.ones((1, 1))
KINK = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1.0]])
CONES = ConeProof(0.1, 1000)


def forged(lower: float, A: object, rows: object, group: object, factor: object, proof: object) -> Certificate:
    rows = np.asarray(rows)
    return Certificate(lower, A, Reduction(rows, np.eye(rows.shape[1]), group, factor), proof)  # type: ignore[arg-type]


def overflowing(problem: Problem, power: int) -> Certificate:
    """Return a certificate whose multipliers, about 2^power, overflow in a factorisation into what is not a number."""
    X = problem.inputs / units_of(problem)[0]
    n, d = X.shape
    # Three spare generator rows that no sample uses, then the true samples with negative sign.
    rows = np.vstack([np.full(d, 2.0**30), np.zeros(d), np.zeros(d), -X])
    g = len(rows)
    N = np.zeros((2 * g, 2 * g))

    def enter(i: int, j: int, value: float) -> None:
        N[i, j] = N[j, i] = value

    for i, exponent in enumerate([power - 43, power, power - 20]):
        enter(i, g + i, -(2.0**exponent))
    enter(g, g + 1, 2.0 ** (power - 23))
    for i in range(3, g):
        enter(i, g + i, -(2.0 ** (power - 20)))
        enter(g, g + i, 2.0 ** (power - 13))
    reduction = Reduction(rows, np.eye(d), np.arange(3, g), -np.ones(n))
    proof = RelaxationProof((BlockProof(whole_space(g), N, 0.0, 0.0),))
    targets = units_of(problem)[1]
    lower = 0.999999 * 0.5 * float(np.sum(problem.Y**2))
    return Certificate(lower, problem.Y / targets, reduction, proof, units_of(problem))


@functools.cache
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
    honest = sdprelax.solve(unit, "exact").certificate
    assert honest is not None
    rng = np.random.default_rng(0)
    random = Problem(rng.standard_normal((8, 2)), rng.standard_normal((8, 3)), 0.1)
    biased = Problem(rng.standard_normal((5, 2)), rng.standard_normal((5, 1)), 0.1, bias=True)
    scalar = Problem([[16.0]], [[100.0]], 1.0)

    def measured(units: object) -> Certificate:
        return dataclasses.replace(honest, lower=0.49999, units=units)  # type: ignore[arg-type]

    return {
        **{
            f"a factorisation that overflows, {name}, 2^{power}": (problem, overflowing(problem, power))
            for name, problem in {"one sample": scalar, "random": random, "with a bias": biased}.items()
            for power in (1020, 900, 520, 200)
        },
        **{
            f"units of {units}": (unit, measured(units))
            for units in (
                (1.0, 2.0**-20),
                (2.0**-300, 1.0),
                (2.0**1023, 2.0**-1074),
                (3.0, 1.0),
                (0.0, 1.0),
                (-1.0, 1.0),
                (np.nan, 1.0),
                (1.0,),
                ("1", 1.0),
                (True, 1.0),
            )
        },
        "negative target": (kink, forged(2.9, kink.Y, KINK, np.arange(6), np.ones(6), ConeProof(-100.0, 1000))),
        "NaN target": (kink, forged(2.9, kink.Y, KINK, np.arange(6), np.ones(6), ConeProof(np.nan, 1000))),
        "huge target": (kink, forged(2.9, kink.Y, KINK, np.arange(6), np.ones(6), ConeProof(1e200, 10))),
        "endless cones": (kink, forged(2.9, kink.Y, KINK, np.arange(6), np.ones(6), ConeProof(1e-9, 10**12))),
        "groups as a mask, by cones": (pair, forged(0.9, pair.Y, np.eye(2), masks, two, CONES)),
        "groups as a mask, by multipliers": (
            pair,
            forged(
                0.9, pair.Y, np.eye(2), masks, two, RelaxationProof((BlockProof(whole_space(2), zeros, 1e-9, 1e-9),))
            ),
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


@functools.cache
def attained(problem: Problem) -> float:
    """Return the objective of a network: a proof of more is false."""
    upper = sdprelax.solve(problem, "lbfgs", width=20, restarts=1).upper
    assert upper is not None
    return upper


@pytest.mark.parametrize("name", list(forgeries()))
def test_a_forged_certificate_proves_nothing(name: str, tmp_path: Path) -> None:
    problem, certificate = forgeries()[name]
    assert certificate.lower > attained(problem), "this forgery claims nothing false"
    refused_by_both(problem, certificate, tmp_path / "forged.npz")


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
    with pytest.raises(InputError, match="every entry must be a finite number"):
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


def archive(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as zipped:
        for name, content in members:
            zipped.writestr(name, content)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def shaped(shape: str, dtype: str = "<f8") -> bytes:
    """Return the file of an array that says it has a shape, and holds nothing."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


def bombs() -> dict[str, Callable[[list[tuple[str, bytes]]], bytes]]:
    def instead(name: str, content: bytes) -> Callable[[list[tuple[str, bytes]]], bytes]:
        return lambda honest: archive([(n, content if n == f"{name}.npy" else old) for n, old in honest])

    def said(honest: list[tuple[str, bytes]], size: int, instead: int) -> bytes:
        """Return an archive with a member of one size whose directory says another."""
        content = bytearray(archive([*honest, ("more.npy", bytes(size))]))
        pattern = size.to_bytes(4, "little")
        while (found := content.find(pattern)) >= 0:
            content[found : found + 4] = instead.to_bytes(4, "little")
        return bytes(content)

    return {
        "a member of terabytes": instead("rows", shaped("(1000000, 1000000)")),
        "a shape of astronomical size": instead("rows", shaped(f"({10**30}, 2)")),
        "a negative shape": instead("rows", shaped("(-1, -1)")),
        "strings of no length": instead("rows", shaped(f"({10**15},)", "<U0")),
        "objects": instead("rows", shaped("(1,)", "|O")),
        "a header that is code": instead("rows", shaped("__import__('os').getpid()")),
        "members that unpack to gigabytes": lambda honest: said(honest, 12_345, 3 << 30),
        "a member twice": lambda honest: archive([*honest, honest[0]]),
        "a member twice, with and without its suffix": lambda honest: archive([*honest, ("rows", honest[0][1])]),
        "a member that is longer than it says": lambda honest: said(honest, (1 << 24) + 5, 64),
        "another compression": lambda honest: archive(honest, zipfile.ZIP_BZIP2),
        "no arrays": lambda honest: archive([]),
        "one array missing": lambda honest: archive(honest[1:]),
        "blocks that take no room": instead("signs", shaped(f"({10**15}, 0)", "|i1")),
        "records for numbers": instead("kappa", npy(np.zeros(1, [("a", "i1")]))),
        "walls without end": instead("paths", npy(np.zeros((MOST_WALLS + 1, 3), np.int8))),
        "three units": instead("units", npy(np.ones(3))),
        "another kind": instead("kind", npy(np.array("proof"))),
    }


@functools.cache
def honest() -> Certificate:
    certificate = sdprelax.solve(Problem(KINK, np.ones((6, 1)), 0.1), "sdp", rounding=None).certificate
    assert certificate is not None
    return certificate


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", list(bombs()))
def test_an_archive_that_is_not_what_it_says_is_refused_before_it_is_unpacked(name: str, tmp_path: Path) -> None:
    path = tmp_path / "certificate.npz"
    honest().save(path)
    with zipfile.ZipFile(path) as file:
        members = [(member, file.read(member)) for member in file.namelist()]
    path.write_bytes(bombs()[name](members))
    with pytest.raises(CertificateError, match="is not a readable certificate"):
        Certificate.load(path)
    refused_by_the_second(Problem(KINK, np.ones((6, 1)), 0.1), path)


def comb(depth: int) -> Certificate:
    """Return a certificate over a path of so many cones, each cut off at the same row."""
    paths = [*(((0, 1),) * k + ((0, -1),) for k in range(depth)), ((0, 1),) * depth]
    blocks = (BlockProof(Cone(path, np.array([1], np.int8), ()), np.zeros((0, 0)), 1.0, 0.0) for path in paths)
    return Certificate(
        1.0, 100.0 * ONE, Reduction(ONE, ONE, np.array([0]), np.array([16.0])), RelaxationProof(tuple(blocks))
    )


def test_work_beyond_the_stated_limits_is_refused_in_one_sentence(tmp_path: Path) -> None:
    problem = Problem([[16.0]], [[100.0]], 1.0)
    with pytest.raises(CertificateError, match=f"longer than {LONGEST_PATH} walls"):
        sdprelax.verify(problem, comb(LONGEST_PATH + 200))
    with pytest.raises(CertificateError, match=f"blocks, not 1 to {MOST_BLOCKS}"):
        block = BlockProof(Cone((), np.array([1], np.int8), ()), np.zeros((0, 0)), 1.0, 0.0)
        sdprelax.verify(problem, dataclasses.replace(comb(2), proof=RelaxationProof((block,) * (MOST_BLOCKS + 1))))
    with pytest.raises(CertificateError, match="number of cones is"):
        sdprelax.verify(problem, dataclasses.replace(comb(2), proof=ConeProof(1e-3, 10**12)))
    # As many blocks as are allowed are read, each of its arrays once, and refused for what they say.
    deep = comb(900)
    deep.save(tmp_path / "deep.npz")
    loaded = Certificate.load(tmp_path / "deep.npz")
    assert isinstance(loaded.proof, RelaxationProof) and loaded.proof.blocks[899].cone.path == ((0, 1),) * 899 + (
        (0, -1),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"lower": 10**5000},
        {"lower": 1j},
        {"reduction": None},
        {"reduction": Reduction([[1.0]], ONE, np.array([0]), np.ones(1))},  # type: ignore[arg-type]
        {"reduction": Reduction(np.array(1.0), ONE, np.array([0]), np.ones(1))},
        {"proof": None},
        {"proof": RelaxationProof(None)},  # type: ignore[arg-type]
        {"units": None},
        {"multiplier": None},
        {"reduction": Reduction(ONE, ONE, np.array([2**64 - 1], np.uint64), np.ones(1))},
        {"reduction": Reduction(ONE, ONE, np.array([-(2**63)]), np.zeros(1))},
    ],
)
def test_what_is_no_certificate_is_a_certificate_error(change: dict[str, object]) -> None:
    problem = Problem(ONE, ONE, 0.1)
    sound = Certificate(0.0, ONE, Reduction(ONE, ONE, np.array([0]), np.ones(1)), ConeProof(1.0, 100))
    assert sdprelax.verify(problem, sound) > 0.0
    damaged = dataclasses.replace(sound, **change)  # type: ignore[arg-type]
    if isinstance(change.get("reduction"), Reduction) and isinstance(change["reduction"].rows, list):
        assert sdprelax.verify(problem, damaged) == sdprelax.verify(problem, sound)
    else:
        with pytest.raises(CertificateError):
            sdprelax.verify(problem, damaged)


class Changing(float):
    """A number that is another one whenever it is asked."""

    asked = 0

    def __float__(self) -> float:
        self.asked += 1
        return 0.0 if self.asked == 1 else -9.5


def test_a_number_is_asked_once_what_it_is() -> None:
    N = np.array([[0.0, -10.0], [-10.0, 0.0]])
    proof = RelaxationProof((BlockProof(whole_space(1), N, 10.0, Changing(0.0)),))
    certificate = Certificate(0.0, ONE, Reduction(ONE, ONE, np.array([0]), np.ones(1)), proof)
    assert sdprelax.verify(Problem(ONE, ONE, 0.1), certificate) <= 0.095


def test_more_multiplications_than_are_done_are_refused() -> None:
    """Rows with more columns than the data, and one block after the other over rows that have sides."""
    problem = Problem([[1.0, 0.0]], [[1.0]], 0.1)
    wide = Reduction(np.eye(1, 3), np.eye(2, 3), np.array([0]), np.ones(1))
    plain = RelaxationProof((BlockProof(whole_space(1), np.zeros((2, 2)), 1.0, 1.0),))
    with pytest.raises(CertificateError, match="rows have 3 columns, not 1 to 2"):
        sdprelax.verify(problem, Certificate(0.0, ONE, wide, plain))
    without = Reduction(np.zeros((0, 3)), np.zeros((2, 3)), np.array([0]), np.zeros(1))
    with pytest.raises(CertificateError, match="rows have 3 columns, not 1 to 2"):
        sdprelax.verify(problem, Certificate(0.0, ONE, without, CONES))
    g, depth = 3000, 600
    rows = np.ones((g, 2))
    paths = [*(((0, 1),) * k + ((0, -1),) for k in range(depth)), ((0, 1),) * depth]
    blocks = (BlockProof(Cone(path, np.ones(g, np.int8), ()), np.zeros((0, 0)), 1.0, 0.0) for path in paths * 15)
    many = Certificate(0.0, ONE, Reduction(rows, np.eye(2), np.array([0]), np.ones(1)), RelaxationProof(tuple(blocks)))
    with pytest.raises(CertificateError, match="multiplications, and at most"):
        sdprelax.verify(problem, many)


def test_a_proof_ends_at_its_deadline() -> None:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((6, 3)), rng.standard_normal((6, 2)), 0.1)
    certificate = sdprelax.solve(problem, "sdp", rounding=None).certificate
    assert certificate is not None
    endless = dataclasses.replace(certificate, lower=0.0, proof=ConeProof(1e-3, 10**8))
    for proof in (certificate, endless):
        with pytest.raises(CertificateError, match="takes longer than 0 seconds"):
            sdprelax.verify(problem, proof, Deadline(0.0))


SCALES = [
    (1e-78, 1e-78),
    (1e78, 1e78),
    (1e-100, 1e-100),
    (1e100, 1e100),
    (1e-150, 1e-140),
    (1e150, 1e3),
    (1e-300, 1e150),
]


@pytest.mark.parametrize("method", ["sdp", "exact", "wedge"])
@pytest.mark.parametrize(("a", "b"), SCALES)
def test_certificates_that_are_returned_verify_at_every_scale(method: str, a: float, b: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    problem = Problem(a * rng.standard_normal((6, 2)), b * rng.standard_normal((6, 1)), 0.1 * a * b)
    options = {"rounding": None} if method == "sdp" else {}
    outcome = sdprelax.solve(problem, method, **options)
    assert outcome.lower is not None
    assert proved_by_both(problem, outcome.certificate, tmp_path / "certificate.npz") >= outcome.lower


@pytest.mark.parametrize(
    ("X", "Y", "gamma"),
    [
        ([[0.0]], [[1e150]], 1.0),
        ([[1.7e308, 1.7e308]], [[1.0]], 1.0),
        ([[1.7e308] * 3] * 2, [[1.7e100] * 2] * 2, 1.7e308),
        ([[5e-324]], [[1.7e100]], 5e-324),
    ],
)
def test_certificates_of_the_relaxation_verify_at_the_ends_of_floating_point(
    X: list[list[float]], Y: list[list[float]], gamma: float
) -> None:
    problem = Problem(X, Y, gamma)
    outcome = sdprelax.solve(problem, "sdp", rounding=None, time_limit=20)
    assert outcome.certificate is not None and outcome.lower is not None
    assert outcome.lower <= sdprelax.verify(problem, outcome.certificate)


def test_certificates_verify_where_units_would_lose_digits(tmp_path: Path) -> None:
    """Subnormal inputs, a network without neurons on tiny data, and data of both ends."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((6, 2)), rng.standard_normal((6, 1))
    for problem in (
        Problem(X * 1e-314, Y * 1e128, 1e-188),
        Problem([[-8.4e-53]], [[-1e-110, -1.4e-110]], 4.5e-162),
        Problem(np.vstack([X * 1e150, X * 1e-200]), np.vstack([Y, Y]), 1e149),
        Problem([[5e-324]], [[5e-324]], 5e-324),
        Problem(X, Y, 1e-200),
    ):
        outcome = sdprelax.solve(problem, "exact", time_limit=20)
        assert outcome.lower is not None and outcome.upper is not None
        proved = proved_by_both(problem, outcome.certificate, tmp_path / "certificate.npz")
        assert outcome.lower <= proved <= outcome.upper
