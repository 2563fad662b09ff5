"""Blocks of output sectors: their forms, their proofs, and forgeries of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest

import sdprelax
from sdprelax import Problem
from sdprelax.base import CertificateError, Deadline
from sdprelax.cells import Cone, Sector, covers_space, orthants, sectors_of, whole_space
from sdprelax.certificate import Certificate, RelaxationProof, relaxation_certificate, verify
from sdprelax.certificate._build import _least_diagonal
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import Forms, inequalities
from sdprelax.problem import Units, reduce
from sdprelax.relaxation import relaxation, split_by_coverage
from sdprelax.solvers import solvers
from tests.certificate.verifiers import proved_by_both, refused_by_both


def lifted(outputs: int, seed: int = 1, rows: int = 9, rank: int = 3) -> LiftedProgram:
    rng = np.random.default_rng(seed)
    problem = Units.of(Problem(rng.standard_normal((rows, rank)), rng.standard_normal((rows, outputs)), 0.3)).problem
    return LiftedProgram(problem, reduce(problem), {"sectors": inequalities.create("sectors")})


def partition(lifting: LiftedProgram, cones: int, sectors: int) -> list[Cone]:
    rows, outputs = lifting.reduction.rows, lifting.problem.shape[2]
    parts = split_by_coverage(rows, [whole_space(len(rows))], cones)
    return [part.within(sector) for part in parts for sector in sectors_of(outputs, sectors)]


def certified(lifting: LiftedProgram, cones: list[Cone]) -> tuple[float, Certificate]:
    solver = solvers.create("clarabel")
    found = relaxation(lifting, "reduced", cones).solve(solver, Deadline())  # type: ignore[arg-type]
    assert found.solved.value is not None
    return found.solved.value, relaxation_certificate(
        lifting.problem, lifting.reduction, found.multiplier, found.multipliers, cones, lifting.more
    )


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_sectors_cover_the_outputs(outputs: int) -> None:
    for count in (2**outputs, 2**outputs + 3, 20):
        sectors = sectors_of(outputs, count)
        assert len(sectors) == (2 if outputs == 1 else count)
        V = np.random.default_rng(0).standard_normal((outputs, 300))
        inside = np.array([np.all(sector.walls @ V >= -1e-12, axis=0) for sector in sectors])
        assert np.all(np.sum(inside, axis=0) == 1)
        for sector in sectors:
            np.testing.assert_allclose(sector.middle @ sector.directions, (sector.middle @ sector.directions)[0])
    assert sectors_of(outputs, 2**outputs - 1) == []


@pytest.mark.parametrize(("outputs", "sectors"), [(1, 2), (2, 6), (3, 10)])
def test_forms_hold_for_neurons_of_the_sector_and_blocks_are_their_sums(outputs: int, sectors: int) -> None:
    lifting, rng = lifted(outputs), np.random.default_rng(0)
    rows = lifting.reduction.rows
    for cone in partition(lifting, 3, sectors):
        assert cone.sector is not None
        (block,) = lifting.over([cone])
        W = rng.standard_normal((rows.shape[1], 2000))
        W = W[:, np.all(cone.walls(rows) @ W >= 0.0, axis=0)]
        assert W.shape[1] > 20
        v = cone.sector.directions @ rng.exponential(size=(outputs, W.shape[1]))
        t = np.linalg.norm(W, axis=0)
        v *= t / np.linalg.norm(v, axis=0)
        beta = np.maximum(-rows @ W, 0.0)
        x = np.vstack([beta[cone.undetermined], W, *([v] if outputs > 1 else []), t])
        values = block.matrix @ x
        assert np.min(values) >= -1e-12
        np.testing.assert_allclose(block.lift @ x, np.vstack([np.maximum(rows @ W, 0.0), beta, W, v]), atol=1e-12)
        np.testing.assert_allclose(block.norms @ x**2, 0.0, atol=1e-11)
        np.testing.assert_allclose(block.cost @ x**2, 2.0 * t**2)
        assert all(np.max(np.abs(values[p] * values[q])) < 1e-12 for p, q in block.zeros)


@pytest.mark.parametrize(("outputs", "cones", "sectors"), [(1, 1, 2), (1, 3, 2), (2, 1, 6), (3, 1, 8)])
def test_what_a_solver_claims_is_proved_and_below_the_optimum(
    outputs: int, cones: int, sectors: int, tmp_path: Path
) -> None:
    lifting = lifted(outputs)
    problem = lifting.problem
    plain, _ = certified(lifting, [whole_space(lifting.generators)])
    claimed, certificate = certified(lifting, partition(lifting, cones, sectors))
    optimum = sdprelax.solve(problem, "exact").upper
    # What Clarabel claims is as exact as its own stopping rule; what is proved is below without one.
    assert plain < claimed <= optimum * (1.0 + 1e-5)
    assert 1.0 - claimed / optimum < 0.8 * (1.0 - plain / optimum), "sectors close a good part of the gap"
    assert claimed * (1.0 - 1e-3) <= certificate.lower <= optimum
    proved_by_both(problem, certificate, tmp_path / "sectors.npz")


def test_forged_sectors_prove_nothing(tmp_path: Path) -> None:
    lifting = lifted(2, rows=6)
    _, certificate = certified(lifting, partition(lifting, 1, 5))
    proof = certificate.proof
    assert isinstance(proof, RelaxationProof)

    def refused(index: int, words: str, **changes: object) -> None:
        blocks = list(proof.blocks)
        blocks[index] = dataclasses.replace(blocks[index], **changes)  # type: ignore[arg-type]
        forged = dataclasses.replace(certificate, proof=RelaxationProof(tuple(blocks)))
        with pytest.raises(CertificateError, match=words):
            verify(lifting.problem, forged)
        refused_by_both(lifting.problem, forged, tmp_path / "forged.npz")

    first = proof.blocks[0]
    assert first.cone.sector is not None
    for kappa in ({"kappa": 0.99 * first.kappa}, {"balance": (first.balance[0], first.balance[1] - 0.1)}):
        refused(0, "not proved positive semidefinite", **kappa)
    refused(0, "do not cover weight space", cone=whole_space(lifting.generators).within(proof.blocks[1].cone.sector))
    for path, words in (
        ((), "sector"),
        (((0, 0, 1),), "sector"),
        (((1, 1, 1), (0, 0, 1)), "sector"),
        (((0, 0, 3), (1, 1, 1)), "sector"),
        ((*first.cone.sector.path, (0, 0, 1)), "sector"),
        ((*first.cone.sector.path, (0, 2, 1)), "sector"),
        ((*first.cone.sector.path, *(((0, 1, 1),) * 100)), "longer"),
    ):
        refused(0, words, cone=dataclasses.replace(first.cone, sector=Sector(path, 2)))
    # mᵀv ≥ cos·t of a sector that is narrower than it is, and walls of another one.
    stated = first.forms["sectors"].copy()
    middle = stated.copy()
    middle[2, -1] *= 1.01
    refused(0, "'sectors' is not proved", forms={"sectors": middle})
    refused(0, "'sectors' is not proved", forms={"sectors": proof.blocks[1].forms["sectors"]})
    # A sector's balance where there is none.
    zeros = np.zeros((2 * lifting.generators, 2 * lifting.generators))
    plain = dataclasses.replace(first, cone=whole_space(lifting.generators), forms={}, multipliers=zeros)
    with pytest.raises(CertificateError, match="κ_"):
        verify(lifting.problem, dataclasses.replace(certificate, proof=RelaxationProof((plain,))))


def test_one_tree_may_split_rows_and_outputs_in_any_order() -> None:
    lifting = lifted(2)
    left, right = whole_space(lifting.generators).split(lifting.reduction.rows, 0)
    a, b, c, d = orthants(2)
    near, far = a.split(0, 1)
    parts = [left.within(sector) for sector in (near, far, b, c, d)] + [right.within(sector) for sector in (a, b, c, d)]
    assert covers_space(parts)
    assert not any(covers_space(parts[:k] + parts[k + 1 :]) for k in range(len(parts)))
    assert covers_space([left, *(right.within(sector) for sector in (a, b, c, d))])


def test_directions_that_a_solution_violates_are_separated_and_proved() -> None:
    lifting = lifted(2)
    cones = partition(lifting, 1, 4)
    solver = solvers.create("clarabel")
    before = relaxation(lifting, "reduced", cones).solve(solver, Deadline())  # type: ignore[arg-type]
    blocks, norm = lifting.over(cones), inequalities.create("norm")
    rows = lifting.reduction.rows
    further = [norm.separated(rows, block.forms, S) for block, S in zip(blocks, before.matrices, strict=True)]
    assert all(form.shape[1] == blocks[0].order for form in further) and sum(map(len, further)) > 0
    for block, S, forms in zip(blocks, before.matrices, further, strict=True):
        products = forms @ np.asarray(block.matrix @ S).T
        assert all(np.min(row) < 0.0 for row in products), "every direction is violated with some form"
    larger = [Forms.of(rows, cone, {**lifting.more, "norm": forms}) for cone, forms in zip(cones, further, strict=True)]
    N = [np.pad(found, (0, len(forms))) for found, forms in zip(before.multipliers, further, strict=True)]
    proved = relaxation_certificate(lifting.problem, lifting.reduction, before.multiplier, N, forms=larger)
    assert verify(lifting.problem, proved) >= proved.lower > 0.99 * (before.solved.value or np.inf)
    assert norm.separated(rows, lifting.over()[0].forms, np.eye(lifting.over()[0].order)).shape[0] == 0


def test_one_output_has_no_multiplier_of_its_length(tmp_path: Path) -> None:
    lifting = lifted(1, rows=6)
    _, certificate = certified(lifting, partition(lifting, 1, 2))
    assert isinstance(certificate.proof, RelaxationProof)
    blocks = tuple(dataclasses.replace(block, balance=(-1e3, block.balance[1])) for block in certificate.proof.blocks)
    forged = dataclasses.replace(certificate, proof=RelaxationProof(blocks))
    with pytest.raises(CertificateError, match="one output"):
        verify(lifting.problem, forged)
    refused_by_both(lifting.problem, forged, tmp_path / "forged.npz")


@pytest.mark.parametrize("outputs", [1, 2])
def test_sectors_and_forms_of_the_plane_are_proved_together(outputs: int, tmp_path: Path) -> None:
    lifting = lifted(outputs, rows=5, rank=2)
    more = lifting.more | {"sublinear": inequalities.create("sublinear")}
    lifting = dataclasses.replace(lifting, more=more)
    claimed, certificate = certified(lifting, partition(lifting, 2, 4))
    assert isinstance(certificate.proof, RelaxationProof)
    assert any(np.any(block.multipliers < 0.0) for block in certificate.proof.blocks)
    assert proved_by_both(lifting.problem, certificate, tmp_path / "c.npz", rel_tol=1e-6) >= claimed * (1.0 - 1e-3)


def test_a_dual_point_of_zeros_is_certified_over_sectors() -> None:
    lifting = lifted(2, rows=5)
    cones = partition(lifting, 1, 4)
    N = [np.zeros((block.forms.count,) * 2) for block in lifting.over(cones)]
    for A in (0.0 * lifting.problem.Y, 1e-200 * lifting.problem.Y):
        found = relaxation_certificate(lifting.problem, lifting.reduction, A, N, cones, lifting.more)
        assert verify(lifting.problem, found) >= found.lower >= 0.0


def test_the_three_kappa_that_repair_a_sector_are_the_least() -> None:
    rng, kind = np.random.default_rng(0), np.repeat([0, 1, 2], [5, 3, 1])
    S = rng.standard_normal((9, 9))
    S += S.T
    found = _least_diagonal(S, kind)
    assert np.linalg.eigvalsh(np.diag(found[kind]) - S)[0] >= 0.0
    kappa = cp.Variable(3)
    least = cp.Problem(cp.Minimize(cp.sum(kappa)), [cp.diag(kappa[kind]) - S >> 0]).solve(solver="CLARABEL")
    assert abs(float(np.sum(found)) - least) <= 1e-6 * abs(least)
