"""The relaxation by hand: what is in it, what is added to it and why that holds, and what is proved of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem, RelaxationModel
from sdprelax.base import SolverFailed, StorageError
from sdprelax.cells import Cone, Sector, orthants, whole_space
from sdprelax.solvers import solvers
from tests.certificate.verifiers import proved_by_both

STANDARD = ["nonnegative", "complementary", "walls"]


def plane(seed: int = 0, n: int = 8, scale: float = 1000.0, **options: Any) -> Problem:
    """Return a problem whose presolve measures targets in another unit than 1."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, 2)), scale * rng.standard_normal((n, 2))
    return Problem(X, Y, **({"gamma": 0.06 * scale} | options))


def between(rows: np.ndarray) -> np.ndarray:
    """Return λ_i(x̂_iᵀw)₊ + λ_j(x̂_jᵀw)₊ − (x̂_lᵀw)₊ over (α, β, w) for rows ±x̂_l between their neighbours by angle."""
    ends = np.vstack([rows, -rows])
    order = np.argsort(np.arctan2(ends[:, 1], ends[:, 0]))
    found = []
    for before, here, after in zip(np.roll(order, 1), order, np.roll(order, -1), strict=True):
        form = np.zeros(len(ends) + 2)
        form[[before, after]] = np.linalg.solve(ends[[before, after]].T, ends[here])
        form[here] = -1.0
        found.append(form)
    return np.array(found)


def proved(model: RelaxationModel) -> float:
    """Return the bound, after holding it to verification."""
    certificate = model.certificate()
    assert certificate.lower == model.bound
    assert sdprelax.verify(model.presolved.original, certificate) >= model.bound
    return model.bound


@pytest.fixture(scope="module")
def optimum() -> float:
    upper = sdprelax.solve(plane(), "exact").upper
    assert upper is not None
    return upper


def test_it_is_the_relaxation_of_the_method_in_the_users_units() -> None:
    problem = plane()
    outcome = sdprelax.solve(problem, "sdp", solver="clarabel", rounding=None)
    model = sdprelax.relax(problem)
    value = model.solve("clarabel")
    assert model.value == value == pytest.approx(outcome.solver_value, rel=1e-7)
    assert value == pytest.approx(model.value_in_units(model.program.value), rel=1e-12)
    assert model.presolved.units.targets != 1.0
    assert proved(model) == pytest.approx(value, rel=1e-6)
    assert (model.unproved, model.status, list(model.inequalities)) == ((), "optimal", STANDARD)
    assert model.solve("interior_point") == pytest.approx(value, rel=1e-4)
    assert proved(model) == pytest.approx(value, rel=1e-3)
    assert model["alpha", "v"].value.shape == (8, 2)


@pytest.mark.parametrize(
    "options",
    [{"inequalities": [*STANDARD, "sublinear"]}, {"sectors": 4}, {"form": "scaled_diagonally_dominant"},
     {"inequalities": ["complementary"]}],
)  # fmt: skip
def test_it_is_solved_by_default_as_the_method_is(options: dict[str, Any]) -> None:
    problem, model = plane(n=6), sdprelax.relax(plane(n=6), **options)
    outcome = sdprelax.solve(problem, "sdp", rounding=None, **options)
    assert model.solve() == outcome.solver_value and model.status == outcome.solver_status
    assert proved(model) == outcome.lower
    # What is added a conic solver takes.
    model.add("more", model["v", "v"] >> 0.0)
    assert model.solve() == pytest.approx(outcome.solver_value, rel=1e-3)


def test_where_the_first_solver_fails_the_next_one_solves(monkeypatch: pytest.MonkeyPatch) -> None:
    model, name = sdprelax.relax(plane(n=4)), "interior_point"

    def fails(self: Any, *arguments: Any, **more: Any) -> Any:
        raise SolverFailed("it has no point.")

    monkeypatch.setattr(solvers[name], "solve_blocks", fails)
    assert model.solve() == model.solve("clarabel")
    with pytest.raises(SolverFailed, match="no point"):
        model.solve(name)


def test_blocks_are_those_of_the_paper() -> None:
    problem = plane(n=4)
    reduced, lifted = sdprelax.relax(problem), sdprelax.relax(problem, form="lifted")
    assert reduced.blocks[0].labels == tuple([*(f"beta[{i}]" for i in range(4)), "u[0]", "u[1]", "v[0]", "v[1]"])
    assert lifted.blocks[0].labels == tuple(f"alpha[{i}]" for i in range(4)) + reduced.blocks[0].labels
    network = problem.network(np.ones((2, 1)), np.ones((1, 2)))
    Λ = reduced.lifting.lift(network)
    x = np.concatenate([reduced.lifting.neurons(network)[4:]])
    reduced.blocks[0].matrix.save_value(x @ x.T)
    lifted.blocks[0].matrix.save_value(Λ)
    for first, rows in reduced.lifting.blocks.items():
        for second, columns in reduced.lifting.blocks.items():
            for model in (reduced, lifted):
                assert np.allclose(model[first, second].value, Λ[rows, columns])
    with pytest.raises(InputError, match="Λ has no block"):
        reduced["alpha", "w"]


@pytest.mark.parametrize("cones", [1, 2, 6])
def test_forms_that_the_data_prove_enter_the_certificate(cones: int, optimum: float, tmp_path: Path) -> None:
    """In the plane these forms close the gap, in every partition; some of them vanish in small cones."""
    model = sdprelax.relax(plane(), cones=cones)
    model.add("between", form=between(model.rows), reason=whole_space(8))
    assert model.solve() == pytest.approx(optimum, rel=1e-5)
    assert optimum * (1.0 - 1e-5) <= proved(model) <= optimum
    proved_by_both(model.presolved.original, model.certificate(), tmp_path / "certificate.npz")
    assert model.certificate().multipliers("between")[0].shape[0] == len(model.inequalities["between"].forms[0])
    assert model.unproved == ()


def test_forms_are_stated_in_the_parts_of_the_cone_that_is_their_reason() -> None:
    problem = plane()
    row = int(sdprelax.relax(problem, cones=2).blocks[0].cone.path[0][0])
    halves = whole_space(8).split(sdprelax.relax(problem).rows, row)
    quarters = [*halves[0].split(sdprelax.relax(problem).rows, int(halves[0].undetermined[0])), halves[1]]
    model = sdprelax.relax(problem, cones=quarters)
    side = np.concatenate([np.zeros(16), model.rows[row]])[None]
    added = model.add("side", form=side, reason=halves[0])
    assert [len(forms) for forms in added.forms] == [1, 1, 0]
    with pytest.raises(InputError, match="inequality 'other' is not proved to hold for every neuron"):
        model.add("other", form=side, reason=whole_space(8))
    with pytest.raises(InputError, match="no block's cone lies in the cone"):
        model.add("other", form=side, reason=halves[1].split(model.rows, int(halves[1].undetermined[0]))[0])
    model.solve()
    assert [len(N) for N in model.certificate().multipliers("side")] == [1, 1, 0]
    proved(model)


def test_combinations_and_products_of_known_forms_are_folded_into_their_multipliers(tmp_path: Path) -> None:
    """Of the relaxation without products: all of its forms as combinations, and their products as matrices, give it."""
    problem = plane()
    whole = sdprelax.relax(problem).solve()
    model = sdprelax.relax(problem, inequalities=["complementary"])
    weak = model.solve()
    assert proved(model) == pytest.approx(weak, rel=1e-6)
    G = model.blocks[0].forms
    N = np.ones((16, 16))
    model.add("all at once", product=G.T @ N @ G, reason=N)
    some = model.solve()
    assert proved(model) == pytest.approx(some, rel=1e-6)
    activations = np.eye(18)[:16]
    model.add("pairs", form=np.kron(np.eye(8), [1.0, 1.0]) @ activations, reason=np.kron(np.eye(8), [1.0, 1.0]))
    more = model.solve()
    assert proved(model) == pytest.approx(more, rel=1e-6)
    model.add("each", form=activations, reason=np.eye(16))
    assert model.solve() == pytest.approx(whole, rel=1e-5)
    assert proved(model) == pytest.approx(whole, rel=1e-5)
    proved_by_both(problem, model.certificate(), tmp_path / "certificate.npz")
    assert weak < 0.9 * whole and weak * (1.0 - 1e-6) <= some <= more * (1.0 + 1e-6) <= whole * (1.0 + 2e-6)
    # A multiplier of a product that vanishes is free.
    twins = np.zeros((16, 16))
    twins[0, 8] = twins[8, 0] = -1.0
    model.add("twins", product=G.T @ twins @ G, reason=twins)
    model.solve()
    assert proved(model) == pytest.approx(whole, rel=1e-5)


def test_forms_that_a_solution_violates_enter_on_request(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((8, 3)), 100.0 * rng.standard_normal((8, 2)), gamma=5.0)
    model = sdprelax.relax(problem, cones=2, inequalities=[*STANDARD, "sublinear"])
    with pytest.raises(InputError, match=r"call solve\(\) or read\(\) first"):
        model.separate()
    model.solve()
    bounds = [proved(model)]
    while len(bounds) < 3 and (count := model.separate()):
        added = model.inequalities[f"sublinear {len(bounds)}"]
        assert sum(map(len, added.forms)) == count and added.proved
        model.solve()
        bounds.append(proved(model))
    assert bounds == sorted(bounds) and bounds[-1] > 1.05 * bounds[0]
    proved_by_both(problem, model.certificate(), tmp_path / "certificate.npz")


def test_a_large_part_that_holds_hides_no_false_one() -> None:
    """Of forms one below a large one, of a product an entry beside large ones: reasons give exactly what is stated."""
    model = sdprelax.relax(plane(n=5))
    block, (g, k) = model.blocks[0], model.rows.shape
    G = block.forms
    F, W = np.zeros((3, 2 * g + k)), np.zeros((3, len(G)))
    F[0, 0] = W[0, 0] = 1e10
    F[1, 2 * g], F[2, 2 * g] = 1.0, -1.0
    with pytest.raises(InputError, match="its forms are not W times those of block 0: they differ by"):
        model.add("mine", form=F, reason=W)
    i, j = block.modelled.block.zeros[0]
    N = np.zeros((len(G), len(G)))
    N[i, j] = N[j, i] = 1e10
    Q = G.T @ N @ G
    Q[-1, -1] -= 5.0
    with pytest.raises(InputError, match="its product is not GᵀNG: they differ by"):
        model.add("mine", product=Q, reason=N)
    rough = F[:1] * (1.0 + 1e-12)
    rough[0, 2 * g] = 0.1
    assert np.array_equal(model.add("mine", form=rough, reason=W[:1]).forms[0], W[:1] @ G)
    model.solve()
    proved(model)


def test_what_has_no_reason_is_solved_with_and_no_part_of_the_proof(optimum: float) -> None:
    problem = plane()
    model = sdprelax.relax(problem)
    G = model.blocks[0].forms
    model.add("no", model["beta", "beta"] <= 1e-6)
    assert model.solve() > 1.5 * optimum  # which is no relaxation at all
    assert proved(model) <= optimum
    assert model.unproved == ("no",)
    other = sdprelax.relax(problem)
    other.add("between", form=between(other.rows))
    other.add("product", product=G.T @ G)
    assert other.solve() == pytest.approx(optimum, rel=1e-4)
    assert proved(other) <= optimum
    assert other.unproved == ("between", "product")
    assert not other.inequalities["product"].proved


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "absolute"},
        {"offset": True},
        {"bias": True, "penalise_bias": False},
        {"activation": "absolute"},
        {"loss": "logistic", "gamma": 0.1},
    ],
)
def test_all_problems_have_it(options: dict[str, Any]) -> None:
    problem = plane(n=5, **options) if "loss" not in options else signed(**options)
    model = sdprelax.relax(problem)
    value = model.solve()
    assert proved(model) == pytest.approx(value, rel=1e-3)
    found = sdprelax.certify_dual(problem, *model.dual)
    assert found.lower == pytest.approx(model.bound, rel=1e-6)


def signed(**options: Any) -> Problem:
    rng = np.random.default_rng(1)
    return Problem(rng.standard_normal((5, 2)), np.sign(rng.standard_normal((5, 1))), **({"gamma": 0.1} | options))


@pytest.mark.parametrize(("cones", "sectors", "names"), [(1, 1, None), (3, 1, [*STANDARD]), (2, 4, None)])
def test_a_dual_point_from_anywhere_is_certified(cones: int, sectors: int, names: Sequence[str] | None) -> None:
    problem = plane()
    model = sdprelax.relax(problem, cones=cones, sectors=sectors, inequalities=names)
    value = model.solve()
    options: dict[str, Any] = {"cones": cones, "sectors": sectors, "inequalities": names}
    A, N = model.dual
    found = sdprelax.certify_dual(problem, 3.0 * A, [(9.0 if sectors == 1 else 3.0) * each for each in N], **options)
    assert found.lower == pytest.approx(model.bound, rel=1e-6)
    assert found.lower == pytest.approx(value, rel=1e-4)
    assert sdprelax.verify(problem, found) >= found.lower
    best = sdprelax.certify_dual(problem, A, **options)
    assert best.lower == pytest.approx(value, rel=1e-5)
    assert sdprelax.verify(problem, best) >= best.lower
    # N = 0 proves something all the same.
    rough = sdprelax.certify_dual(problem, A, [np.zeros_like(each) for each in N], **options)
    assert 0.0 < rough.lower < found.lower
    # As does the model, in its own units.
    unit = model.presolved.units.targets
    assert model.read({"A": A / unit, "N": model._last.multipliers}).lower == pytest.approx(found.lower, rel=1e-6)


def test_cones_and_their_signs_are_proved_by_the_data() -> None:
    problem = plane(n=5)
    rows = sdprelax.relax(problem).rows
    space, g = whole_space(len(rows)), len(rows)
    plus, minus = space.split(rows, 0)
    ones, zeros = np.ones(g, dtype=np.int8), np.zeros(g, dtype=np.int8)
    other = [space.within(sector) for sector in orthants(3)]
    wrong: list[tuple[Any, str]] = [
        ([Cone((), ones, ())], r"row 0 is not of the sign \+1 throughout the cone of the path \(\)"),
        ([dataclasses.replace(plus, signs=ones), minus], "is not of the sign"),
        ([dataclasses.replace(plus, path=minus.path), dataclasses.replace(minus, path=plus.path)], "facets that are"),
        ([dataclasses.replace(plus, facets=((1, 1),)), minus], "facets that are not on it"),
        ([Cone(((99, side),), zeros, ()) for side in (1, -1)], "names other rows than 0 to 4"),
        ([Cone(((0, 2),), zeros, ()), Cone(((0, -2),), zeros, ())], "names other rows"),
        ([Cone((), np.full(g, 5), ())], "they must be −1, 0 or 1"),
        ([Cone(None, zeros, ())], r"has no path of pairs \(row, ±1\)"),  # type: ignore[arg-type]
        ([Cone("ab", zeros, ())], "has no path of pairs"),  # type: ignore[arg-type]
        (other, "another number of outputs than 2"),
        ([space.within(Sector((), 2))], "or a sector no path"),
        (None, "cones is None; it must be a whole number of 1 or more or a list of cones"),
        (np.float64(2.0), "must be a whole number"),
        (np.array(True), "must be a whole number"),
    ]
    for cones, words in wrong:
        with pytest.raises(InputError, match=words):
            sdprelax.relax(problem, cones=cones)
        with pytest.raises(InputError, match=words):
            sdprelax.certify_dual(problem, problem.Y, cones=cones)
    with pytest.raises(InputError, match="is not of the sign"):
        sdprelax.relax(problem).add("mine", form=np.eye(12)[:1], reason=Cone((), ones, ()))
    with pytest.raises(InputError, match="sectors is None; it must be a whole number"):
        sdprelax.relax(problem, sectors=None)  # type: ignore[arg-type]
    listed = Cone([], [0] * g, [])  # type: ignore[arg-type]
    taken = (1, np.int64(1), np.array(1), [listed], [plus, minus])
    assert [len(sdprelax.relax(problem, cones=cones).blocks) for cones in taken] == [1, 1, 1, 1, 2]  # type: ignore[arg-type]


def test_wrong_arguments_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "there.cbf").mkdir()
    problem, model = plane(n=4), sdprelax.relax(plane(n=4))
    eye = np.eye(8)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"name": "walls"}, "needs a name, one that is not taken"),
        ({"name": 3}, "needs a name"),
        ({}, "must be a CVXPY constraint, or form="),
        ({"form": eye, "product": eye}, "and one of these"),
        ({"constraint": 3}, "neither a CVXPY constraint nor a list of them"),
        ({"constraint": model["v", "v"] >= 0, "reason": whole_space(4)}, "nothing proves a CVXPY constraint"),
        ({"constraint": model["v", "v"] ** 2 >= 1}, "is not convex by CVXPY's rules"),
        ({"form": np.ones((1, 3))}, r"form has the shape \(1, 3\); it must be \('p', 10\)"),
        ({"form": np.eye(10)[:1], "reason": -np.eye(8)[:1]}, "W has a negative entry"),
        ({"form": np.eye(10)[:1], "reason": np.eye(8)[1:2]}, "its forms are not W times those of block 0"),
        ({"form": np.eye(10)[:1], "reason": eye}, "the reason W has the shape"),
        ({"form": -np.eye(10)[:1], "reason": whole_space(4)}, "inequality 'mine' is not proved to hold for every"),
        ({"product": np.eye(3)}, "product has the shape"),
        ({"product": np.triu(np.ones((8, 8)))}, "its product is not symmetric"),
        ({"product": eye, "reason": -eye}, r"N is negative at \(0, 0\)"),
        ({"product": eye, "reason": eye}, "its product is not GᵀNG: they differ"),
        ({"product": eye, "block": 1}, "there is no block 1"),
    ]
    for arguments, words in wrong:
        with pytest.raises(InputError, match=words):
            model.add(**({"name": "mine"} | arguments))
    assert list(model.inequalities) == STANDARD
    with pytest.raises(InputError, match=r"call solve\(\) or read\(\) first"):
        _ = model.bound
    model.add("mine", product=eye)
    with pytest.raises(InputError, match=r"solver native takes none of what was added \(mine\)"):
        model.solve("native")
    for path, error, words in (
        (None, InputError, "the path of a file to write is None; it must be a string or a pathlib.Path."),
        ("", InputError, "the path of a file to write is ''; it must be"),
        ("model.txt", InputError, "model.txt is no file of a conic program"),
        (tmp_path / "none" / "x.cbf", StorageError, "x.cbf cannot be written: there is no folder .*none[.]"),
        (tmp_path / "there.cbf", StorageError, "there.cbf cannot be written: Is a directory"),
    ):
        with pytest.raises(error, match=words):
            model.write(path)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="it must be a mapping such as"):
        model.solve("clarabel", 1e-6)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="unknown solver"):
        model.solve("clarable")
    for options, words in (
        ({"form": "reducd"}, "unknown form"),
        ({"cones": 0}, "whole number of 1 or more"),
        ({"cones": [whole_space(3)]}, "0 or 1 for each of the problem's 4 generator rows"),
        ({"cones": ["half"]}, "cones of the problem's 4 generator rows"),
        ({"cones": [whole_space(4).split(model.rows, 0)[0]]}, "do not cover weight space"),
        ({"sectors": 3}, "2 outputs have 4 orthants at least"),
        ({"inequalities": ["wals"]}, "unknown inequality"),
        ({"inequalities": "walls"}, "it must be a list of names"),
        ({"inequalities": [{"walls": 1, "nonnegative": {}}]}, "write a name, or one"),
    ):
        with pytest.raises(InputError, match=words):
            sdprelax.relax(problem, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="takes a Problem first"):
        sdprelax.relax(np.eye(3))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="there is nothing to relax"):
        sdprelax.relax(Problem(np.zeros((3, 2)), np.eye(3), 1.0))
    with pytest.raises(InputError, match="A has the shape"):
        sdprelax.certify_dual(problem, np.zeros((3, 2)))
    with pytest.raises(InputError, match="a matrix for each of the 1 blocks"):
        sdprelax.certify_dual(problem, np.zeros((4, 2)), [eye, eye])
    with pytest.raises(InputError, match="N of block 0 has the shape"):
        sdprelax.certify_dual(problem, np.zeros((4, 2)), [np.eye(3)])
