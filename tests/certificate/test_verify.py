"""Certificates prove what they claim, whatever they were made of, and nothing else passes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import flint
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sdprelax
from sdprelax import Certificate, CertificateError, Problem
from sdprelax.cells import Cone
from sdprelax.certificate import BlockProof, ConeProof, RelaxationProof, cone_certificate, relaxation_certificate
from sdprelax.problem import Reduction, reduce
from tests.conftest import degenerate_problem


def solved(seed: int = 6) -> tuple[Problem, Certificate]:
    problem = degenerate_problem(seed)
    certificate = sdprelax.solve(problem, "sdp", rounding=None).certificate
    assert certificate is not None
    return problem, certificate


@given(st.integers(0, 2000), st.floats(-3, 3), st.booleans())
def test_any_multipliers_whatever_give_a_bound_below_the_optimum(seed: int, log_scale: float, presolve: bool) -> None:
    problem = degenerate_problem(seed % 60)
    rng = np.random.default_rng(seed)
    reduction = reduce(problem) if presolve else Reduction.identity(problem.inputs)
    A = problem.Y + 10.0**log_scale * rng.standard_normal(problem.Y.shape)
    N = 10.0 ** (log_scale - 1) * rng.standard_normal((2 * reduction.generators, 2 * reduction.generators))
    optimum = sdprelax.solve(problem, "exact").upper
    assert optimum is not None
    for certificate in (
        relaxation_certificate(problem, reduction, A, [N]),
        cone_certificate(problem, reduce(problem), A),
    ):
        assert certificate.lower <= sdprelax.verify(problem, certificate) <= optimum


@pytest.mark.parametrize("seed", [6, 7, 8, 15, 16])
def test_ball_arithmetic_of_another_library_confirms_the_slack_matrix(seed: int) -> None:
    """H ⪰ 0 by python-flint's arbitrary-precision balls: a different library, formula order and precision."""
    _, certificate = solved(seed)
    proof, reduction = certificate.proof, certificate.reduction
    assert isinstance(proof, RelaxationProof)
    (block,) = proof.blocks
    flint.ctx.prec = 200
    g, r = reduction.rows.shape
    G = flint.arb_mat(np.block([[np.eye(g), reduction.rows], [np.eye(g), np.zeros((g, r))]]).tolist())
    L = flint.arb_mat(reduction.selection().toarray().tolist())
    B = L.transpose() * flint.arb_mat(certificate.multiplier.tolist())
    GB = G.transpose() * B
    H = flint.arb_mat(np.diag([block.delta] * g + [block.kappa] * r).tolist())
    H = H - GB * GB.transpose() - G.transpose() * flint.arb_mat(block.multipliers.tolist()) * G
    # LDLᵀ in balls: every pivot is proved positive.
    order = g + r
    entries = [[H[i, j] for j in range(order)] for i in range(order)]
    for k in range(order):
        assert entries[k][k] > 0
        for i in range(k + 1, order):
            ratio = entries[i][k] / entries[k][k]
            for j in range(k + 1, i + 1):
                entries[i][j] = entries[j][i] = entries[i][j] - ratio * entries[j][k]


def test_saving_and_loading_proves_the_same_bound(tmp_path: Path) -> None:
    problem, certificate = solved()
    exact = sdprelax.solve(problem, "exact").certificate
    assert exact is not None
    assert isinstance(exact.proof, ConeProof)
    for number, original in enumerate((certificate, exact)):
        original.save(tmp_path / f"{number}.npz")
        loaded = Certificate.load(tmp_path / f"{number}.npz")
        assert loaded.lower == original.lower
        assert sdprelax.verify(problem, loaded) == sdprelax.verify(problem, original)


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"not a zip file")
    with pytest.raises(CertificateError, match="not a readable certificate"):
        Certificate.load(tmp_path / "bad.npz")


def mutations(certificate: Certificate) -> dict[str, Certificate]:
    change, proof, reduction = dataclasses.replace, certificate.proof, certificate.reduction
    assert isinstance(proof, RelaxationProof)
    (block,) = proof.blocks
    negative = block.multipliers.copy()
    negative[0, 1] = negative[1, 0] = -1.0
    asymmetric = block.multipliers.copy()
    asymmetric[0, 1] += 1.0
    g = reduction.generators

    def blocks(**changes: object) -> RelaxationProof:
        return RelaxationProof((change(block, **changes),))

    signed = Cone((), np.ones(g, dtype=np.int8), ())
    half_space = Cone(((0, 1),), np.concatenate([[1], np.zeros(g - 1)]).astype(np.int8), ((0, 1),))
    nan = certificate.multiplier.copy()
    nan[0, 0] = np.nan
    rows = reduction.rows[:, ::-1].copy()
    return {
        "a larger claim": change(certificate, lower=certificate.lower * 1.001 + 1e-6),
        "negative N": change(certificate, proof=blocks(multipliers=negative)),
        "asymmetric N": change(certificate, proof=blocks(multipliers=asymmetric)),
        "halved N": change(certificate, proof=blocks(multipliers=0.5 * block.multipliers)),
        "smaller kappa": change(certificate, proof=blocks(kappa=0.5 * block.kappa)),
        "negative delta": change(certificate, proof=blocks(delta=-1.0)),
        "NaN in A": change(certificate, multiplier=nan),
        "another A": change(certificate, multiplier=-certificate.multiplier),
        "rows exchanged": change(certificate, reduction=change(reduction, rows=rows)),
        "a sample dropped": change(certificate, reduction=change(reduction, factor=np.zeros_like(reduction.factor))),
        "a missing generator": change(certificate, reduction=change(reduction, group=reduction.group + 99)),
        "no blocks": change(certificate, proof=RelaxationProof(())),
        "all rows said to be positive": change(
            certificate, proof=RelaxationProof((BlockProof(signed, np.zeros((0, 0)), block.kappa, 0.0),))
        ),
        "half of space": change(
            certificate,
            proof=RelaxationProof((BlockProof(half_space, np.zeros((2 * g - 1, 2 * g - 1)), 1e3 * block.kappa, 1e3),)),
        ),
        "the wrong proof": change(certificate, proof=ConeProof(1e-9 * block.kappa, 10)),
    }


@pytest.mark.parametrize("name", list(mutations(solved()[1])))
def test_a_tampered_certificate_does_not_pass(name: str) -> None:
    problem, certificate = solved()
    assert sdprelax.verify(problem, certificate) >= certificate.lower > 0.0
    with pytest.raises(CertificateError):
        sdprelax.verify(problem, mutations(certificate)[name])


def test_a_certificate_of_another_problem_does_not_pass() -> None:
    problem, certificate = solved()
    for other in (
        Problem(problem.X, 0.5 * problem.Y, problem.gamma, problem.bias),
        Problem(2.0 * problem.X, problem.Y, problem.gamma, problem.bias),
        Problem(problem.X, problem.Y, 0.5 * problem.gamma, problem.bias),
        Problem(problem.X[1:], problem.Y[1:], problem.gamma, problem.bias),
    ):
        with pytest.raises(CertificateError):
            sdprelax.verify(other, certificate)


def test_lowering_the_twins_proves_more_than_paying_for_beta() -> None:
    """Multipliers far from the solution: the repair by t is worth what δ‖β‖² ≤ δλ_max(X̂ᵀX̂)‖w‖² would cost, and more."""
    rng = np.random.default_rng(4)
    problem = Problem(rng.standard_normal((20, 3)), rng.standard_normal((20, 2)), 1.0)
    reduction = reduce(problem)
    A, g = 0.3 * problem.Y, reduction.generators
    certificate = relaxation_certificate(problem, reduction, A, [np.zeros((2 * g, 2 * g))])
    assert isinstance(certificate.proof, RelaxationProof)
    proved = certificate.proof.blocks[0]
    twins = np.diag(proved.multipliers[:g, g:])
    assert np.all(twins < 0.0) and np.ptp(twins) == 0.0
    # The best that κ and δ alone could do.
    B = reduction.pull_back(A)
    D = np.vstack([B[:g] + B[g:], reduction.rows.T @ B[:g]])
    slack, largest = -D @ D.T, np.linalg.eigvalsh(reduction.rows.T @ reduction.rows)[-1]
    least = -np.linalg.eigvalsh(slack[:g, :g])[0]

    def price(delta: float) -> float:
        inner = np.linalg.solve(slack[:g, :g] + delta * np.eye(g), slack[:g, g:])
        return float(np.linalg.eigvalsh(slack[g:, :g] @ inner - slack[g:, g:])[-1]) + delta * float(largest)

    before = min(price(least * factor) for factor in np.geomspace(1.0001, 100.0, 400))
    unit = certificate.units[0] * float(A[0, 0] / certificate.multiplier[0, 0])
    assert (proved.kappa + proved.delta * largest) * unit * unit < 0.9 * before
    assert sdprelax.verify(problem, certificate) >= certificate.lower > 0.0


@pytest.mark.parametrize("deadline", [60, "60", True])
def test_a_deadline_that_is_none_is_an_input_error(deadline: object) -> None:
    problem, certificate = solved()
    with pytest.raises(sdprelax.InputError, match=r"write sdprelax\.Deadline"):
        sdprelax.verify(problem, certificate, deadline)  # type: ignore[arg-type]
    with pytest.raises(sdprelax.InputError, match="must be a number of seconds"):
        sdprelax.Deadline("x")  # type: ignore[arg-type]
