"""Families of inequalities: what they state is proved from the data by both verifiers, whoever stated it."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import sdprelax
from sdprelax import Certificate, CertificateError, InputError, Problem
from sdprelax.base import Deadline
from sdprelax.cells import Cone, whole_space
from sdprelax.certificate import RelaxationProof, relaxation_certificate
from sdprelax.certificate._forms import MOST_CONCAVE, path_normals, proved_forms, shortfalls
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import STANDARD, Forms, Inequality
from sdprelax.problem import reduce
from sdprelax.relaxation import relaxation, split_by_coverage
from sdprelax.relaxation._program import solve_relaxation
from sdprelax.solvers import solvers
from tests.certificate.verifiers import checker, proved_by_both, refused_by_both


@dataclasses.dataclass(frozen=True)
class Between(Inequality):
    """Sublinearity in the plane: (x̂_lᵀw)₊ is at most what x̂_l = λ_ix̂_i + λ_jx̂_j between two rows makes of theirs.

    Parameters
    ----------
    share: of what a form subtracts; more than 1 makes it false.
    """

    share: float = 1.0

    def forms(self, rows: np.ndarray, cone: Cone) -> sp.csr_array:
        g, free = len(rows), cone.undetermined
        ends, column = np.vstack([rows[free], -rows[free]]), np.concatenate([free, g + free])
        order = np.argsort(np.arctan2(ends[:, 1], ends[:, 0]))
        found = [np.zeros((0, 2 * g + 2))]
        for before, here, after in zip(np.roll(order, 1), order, np.roll(order, -1), strict=True):
            weights = np.linalg.lstsq(ends[[before, after]].T, ends[here], rcond=None)[0]
            if len(free) > 2 and np.all(weights > 0.0):
                form = np.zeros((1, 2 * g + 2))
                form[0, column[[before, after]]], form[0, column[here]] = weights, -self.share
                found.append(form)
        return sp.csr_array(np.vstack(found))


class Disjoint(Inequality):
    """Says of the activations of the first two rows that only one of them is positive."""

    def vanishing(self, forms: Forms) -> np.ndarray:
        return np.array([[0, 1]])


def plane(seed: int, n: int = 6) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, 2)), rng.standard_normal((n, 2)), 0.1)


def bounded(problem: Problem, more: dict[str, Inequality], cones: int = 1) -> Certificate:
    reduction = reduce(problem)
    parts = split_by_coverage(reduction.rows, [whole_space(reduction.generators)], cones)
    program = relaxation(LiftedProgram(problem, reduction, more), "reduced", parts)
    found = program.solve(solvers.create("clarabel"), Deadline())
    return relaxation_certificate(problem, reduction, found.multiplier, found.multipliers, parts, more)


@functools.cache
def solved(cones: int = 1) -> tuple[Problem, Certificate]:
    return plane(0), bounded(plane(0), {"between": Between()}, cones)


@pytest.mark.parametrize("cones", [1, 3])
def test_a_family_tightens_the_bound_and_both_verifiers_prove_it(cones: int, tmp_path: Path) -> None:
    problem, certificate = solved(cones)
    optimum = sdprelax.solve(problem, "exact").upper
    proved = proved_by_both(problem, certificate, tmp_path / "c.npz")
    assert optimum is not None and proved <= optimum
    assert optimum - proved < 0.1 * (optimum - bounded(problem, {}, cones).lower)


def test_multipliers_are_read_by_name(tmp_path: Path) -> None:
    problem, certificate = solved(3)
    certificate.save(tmp_path / "c.npz")
    assert isinstance(certificate.proof, RelaxationProof)
    loaded = Certificate.load(tmp_path / "c.npz")
    rows = certificate.reduction.rows
    for index, block in enumerate(certificate.proof.blocks):
        k, f, N = len(block.cone.undetermined), len(block.cone.facets), block.multipliers
        alpha, beta, walls = np.split(np.arange(2 * k + f), [k, 2 * k])
        expected = {
            "nonnegative": N[np.concatenate([alpha, beta])], "complementary": N[alpha, beta], "walls": N[walls],
            "between": N[2 * k + f :],
        }  # fmt: skip
        for name, multipliers in expected.items():
            assert loaded.multipliers(name)[index].tolist() == (multipliers.tolist() if multipliers.size else [])
        assert np.array_equal(block.forms["between"], Forms.of(rows, block.cone, {"x": Between()}).stated["x"])
    assert any(np.any(N > 0.0) for N in loaded.multipliers("between"))
    assert sdprelax.verify(problem, loaded) == sdprelax.verify(problem, certificate)


def test_a_file_that_names_no_families_has_the_standard_ones(tmp_path: Path) -> None:
    problem = plane(1)
    certificate = bounded(problem, {})
    proved = proved_by_both(problem, certificate, tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    assert tuple(arrays.pop("inequalities").tolist()) == STANDARD
    np.savez(tmp_path / "before.npz", **arrays)
    assert sdprelax.verify(problem, Certificate.load(tmp_path / "before.npz")) == proved
    for names, said in {("magic",): "unknown here", ("walls",): "one twice"}.items():
        np.savez(tmp_path / "other.npz", **arrays, inequalities=np.array([*STANDARD, *names]))
        with pytest.raises(CertificateError, match=said):
            Certificate.load(tmp_path / "other.npz")
    np.savez(tmp_path / "other.npz", **arrays, inequalities=np.array(["nonnegative", "walls"]))
    with pytest.raises(CertificateError, match="do not begin with"):
        Certificate.load(tmp_path / "other.npz")


def test_what_a_neuron_violates_is_refused_where_it_is_made() -> None:
    problem = plane(0)
    with pytest.raises(CertificateError, match="inequality 'steep' is not proved to hold for every neuron"):
        bounded(problem, {"steep": Between(1.001)})
    with pytest.raises(CertificateError, match="negative entry where it must be nonnegative"):
        reduction = reduce(problem)
        N = np.zeros((12, 12))
        N[0, 1] = N[1, 0] = -1.0
        relaxation_certificate(problem, reduction, problem.Y, [N], more={"disjoint": Disjoint()})


@pytest.mark.parametrize("forgery", ["steeper", "negative N", "a standard name", "no matrix", "another cone's", "NaN"])
def test_a_forged_family_is_refused_by_both(forgery: str, tmp_path: Path) -> None:
    problem, certificate = solved(3)
    assert isinstance(certificate.proof, RelaxationProof)
    blocks = list(certificate.proof.blocks)
    index = max(range(len(blocks)), key=lambda i: len(blocks[i].forms["between"]))
    block = blocks[index]
    forms, N = block.forms["between"].copy(), block.multipliers.copy()
    assert len(forms)
    changes: dict[str, object] = {"forms": {"between": forms}, "multipliers": N}
    if forgery == "steeper":
        forms[forms < 0.0] *= 1.0 + 1e-6
    elif forgery == "negative N":
        N[-1, -2] = N[-2, -1] = -1e-300  # neighbours' product, which does not vanish
    elif forgery == "a standard name":
        changes["forms"] = {"walls": forms}
    elif forgery == "no matrix":
        changes["forms"] = {"between": forms[0]}
    elif forgery == "another cone's":
        forms[:, -2:] *= -1.0
    else:
        forms[0, 0] = np.nan
    blocks[index] = dataclasses.replace(block, **changes)  # type: ignore[arg-type]
    forged = dataclasses.replace(certificate, lower=0.0, proof=RelaxationProof(tuple(blocks)))
    refused_by_both(problem, forged, tmp_path / "forged.npz")


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_no_neuron_is_below_what_is_proved_of_a_form(seed: int) -> None:
    """Random forms, most of them false: the least value over sampled neurons is never below −ρ of either verifier."""
    rng = np.random.default_rng(seed)
    g, r = int(rng.integers(2, 7)), int(rng.integers(1, 4))
    rows, normals = rng.standard_normal((g, r)), rng.standard_normal((int(rng.integers(0, 3)), r))
    a, b = rng.standard_normal(g) + 0.5, rng.standard_normal(r) * rng.integers(0, 2)
    a[np.argsort(a)[: max(0, np.count_nonzero(a < 0.0) - MOST_CONCAVE)]] = 0.0
    proved = shortfalls(rows, normals, a[None], b[None])[0]
    W = rng.standard_normal((r, 4000))
    W = (W / np.linalg.norm(W, axis=0))[:, np.all(normals @ W >= 0.0, axis=0)]
    least = float(np.min(a @ np.maximum(-rows @ W, 0.0) + b @ W, initial=0.0))
    assert -proved <= least + 1e-12
    assert -float(checker.shortfall(rows, normals, a, b)) <= least + 1e-12


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_what_follows_from_convexity_is_proved(seed: int) -> None:
    """Σλ_iβ_i + Σμ_ln_lᵀw is at least the activation of −Σλ_ix̂_i + Σμ_ln_l, if that is a row, and so are more."""
    rng = np.random.default_rng(seed)
    r = int(rng.integers(1, 4))
    rows, normals = rng.standard_normal((3, r)), rng.standard_normal((2, r))
    weights, walls = rng.exponential(size=3), rng.exponential(size=2)
    rows = np.vstack([rows, weights @ rows])
    S = np.array([[*weights, -1.0], [*weights, 0.5], [0.0, 0.0, 0.0, 0.0]])
    X = np.array([walls @ normals, rows[0] * 0.0, walls @ normals])
    assert np.all(shortfalls(rows, normals, S, X) <= 1e-9)
    assert all(float(checker.shortfall(rows, normals, a, b)) <= 1e-9 for a, b in zip(S, X, strict=True))


def test_more_subtracted_activations_than_are_tried_are_refused() -> None:
    rows = np.random.default_rng(0).standard_normal((MOST_CONCAVE + 1, 2))
    with pytest.raises(CertificateError, match=f"subtracts {MOST_CONCAVE + 1} activations"):
        shortfalls(rows, np.zeros((0, 2)), -np.ones((1, MOST_CONCAVE + 1)), np.zeros((1, 2)))


def test_the_standard_families_are_exact() -> None:
    """No rounding is in them, and of their products exactly the twins vanish; all do where a row is zero."""
    rows = np.vstack([np.random.default_rng(3).standard_normal((5, 3)), np.zeros(3)])
    cone = whole_space(6)
    for part in (cone, *cone.split(rows, 0)):
        forms = Forms.of(rows, part)
        proved = proved_forms(rows, forms)
        assert not np.any(proved.shortfall)
        k = len(part.undetermined)
        twins = np.zeros((forms.count, forms.count), dtype=bool)
        twins[np.arange(k), np.arange(k) + k] = twins[np.arange(k) + k, np.arange(k)] = True
        nothing = np.zeros(forms.count, dtype=bool)
        nothing[: 2 * k] = np.tile(np.all(rows[part.undetermined] == 0.0, axis=1), 2)
        assert np.array_equal(proved.zero, twins | nothing | nothing[:, None])
        assert path_normals(rows, part).shape == (len(part.path), 3)


def test_forms_that_know_no_more_families_and_solvers_that_need_one_say_so() -> None:
    problem = plane(0)
    lifting = LiftedProgram(problem, reduce(problem), {"between": Between()})
    fewer = LiftedProgram(problem, reduce(problem), {}, frozenset({"complementary"}))
    space = [whole_space(lifting.generators)]
    with pytest.raises(InputError, match=r"solver interior_point solves .* with the inequalities complementary, non"):
        solve_relaxation(fewer, "reduced", space, solvers.create("interior_point"), Deadline(), lambda A, N: 0.0)
    with pytest.raises(InputError, match="form: lifted is the single block as published"):
        relaxation(lifting, "lifted")
    with pytest.raises(InputError, match="unknown inequality 'wals': did you mean 'walls'"):
        sdprelax.solve(problem, "sdp", inequalities=["wals"])
    with pytest.raises(InputError, match="name each family once"):
        sdprelax.solve(problem, "sdp", inequalities=["walls", "Walls"])
