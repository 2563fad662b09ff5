"""The relaxation in the plane with sublinear forms: which products there are, and where it is exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.optimize

import sdprelax
from sdprelax import Problem
from sdprelax.cells import Cone, whole_space
from sdprelax.lifting.inequalities import Forms, inequalities
from sdprelax.relaxation import split_by_coverage
from tests.certificate.verifiers import proved_by_both

FAMILIES = ["nonnegative", "complementary", "walls", "sublinear"]


def random_problem(seed: int, n: int, outputs: int = 2, gamma: float = 0.1, **more: object) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, 2)), rng.standard_normal((n, outputs)), gamma, **more)  # type: ignore[arg-type]


def regular(n: int) -> tuple[np.ndarray, float]:
    """Return unit rows at equal angles, both ends of n lines, and the largest Σ_i|x̂_iᵀw| of a unit w."""
    angles = np.arange(n) * np.pi / n
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    w = np.pi / n * np.arange(2 * n) + (np.pi / (2 * n) if n % 2 == 0 else 0.0)
    return np.vstack([rows, -rows]), float(np.max(np.sum(np.abs(rows @ np.stack([np.cos(w), np.sin(w)])), axis=0)))


def cones_of(rows: np.ndarray, count: int) -> list[Cone]:
    space = [whole_space(len(rows))]
    return split_by_coverage(rows, space, count) if count > 1 else space


def unit_rows(seed: int, n: int) -> np.ndarray:
    angles = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, n)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_forms_hold_products_vanish_and_what_is_left_out_follows_from_the_rest(n: int, count: int) -> None:
    rows, rng = unit_rows(n, n), np.random.default_rng(count)
    for cone in cones_of(rows, count):
        forms = Forms.of(rows, cone, {"sublinear": inequalities.create("sublinear")})
        w = rng.standard_normal((2, 4000))
        w = w[:, np.all(np.array([side * rows[row] @ w for row, side in cone.path] or [w[0] ** 2]) >= 0.0, axis=0)]
        values = forms.matrix @ np.vstack([np.maximum(-rows[cone.undetermined] @ w, 0.0), w])
        assert np.min(values) > -1e-12
        products = values[:, None] * values[None]
        assert np.max(np.abs(products[tuple(forms.zeros.T)]), initial=0.0) < 1e-12
        asked = products[tuple(forms.pairs.T)]
        follows = [pair for pairs in forms.implied.values() for pair in pairs.tolist()]
        assert len(follows) == 0 or n > 2
        for p, q in follows:
            assert scipy.optimize.nnls(asked.T, products[p, q])[1] < 1e-8 * np.linalg.norm(products[p, q]) + 1e-9


def test_every_undetermined_row_of_a_cone_has_a_form_where_there_are_three_lines() -> None:
    rows = unit_rows(0, 6)
    for count in (1, 2, 4):
        for cone in cones_of(rows, count):
            forms = Forms.of(rows, cone, {"sublinear": inequalities.create("sublinear")})
            place, undetermined = forms.places["sublinear"], len(cone.undetermined)
            assert place.stop - place.start == (undetermined if undetermined + len(cone.facets) > 2 else 0)


@pytest.mark.parametrize(("n", "count"), [(2, 2), (3, 2), (7, 2), (10, 2), (6, 3)])
def test_over_two_cones_and_more_it_is_exact(n: int, count: int, tmp_path: Path) -> None:
    problem = random_problem(n, n)
    exact = sdprelax.solve(problem, "exact")
    found = sdprelax.solve(problem, "sdp", inequalities=FAMILIES, cones=count, splitting="coverage", rounding=None)
    proved = proved_by_both(problem, found.certificate, tmp_path / "proof.npz", rel_tol=1e-7)
    assert exact.upper * (1.0 - 1e-6) < proved <= exact.upper


def test_one_block_of_few_random_lines_is_nearly_exact(tmp_path: Path) -> None:
    problem = random_problem(4, 9)
    exact = sdprelax.solve(problem, "exact")
    plain = sdprelax.solve(problem, "sdp", rounding=None)
    found = sdprelax.solve(problem, "sdp", inequalities=FAMILIES, rounding=None)
    proved = proved_by_both(problem, found.certificate, tmp_path / "proof.npz", rel_tol=1e-7)
    assert plain.lower < 0.99 * exact.upper
    assert exact.upper * (1.0 - 1e-5) < proved <= exact.upper


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_one_block_of_regular_lines_is_exact_if_their_number_is_even(n: int) -> None:
    """A dual point with a tight neuron in every chamber: its slack would have to be of rank one with signs in turn."""
    X, largest = regular(n)
    steepest = np.full((2 * n, 1), 1.0 / largest)
    tight = np.pi / n * (np.arange(2 * n) + (0.5 if n % 2 == 0 else 0.0))
    neurons = np.stack([np.cos(tight), np.sin(tight)])
    problem = Problem(X, steepest + 0.3 * np.sum(np.maximum(X @ neurons, 0.0), axis=1, keepdims=True), 1.0)
    exact = sdprelax.solve(problem, "exact").upper
    one, two = (
        sdprelax.solve(problem, "sdp", inequalities=FAMILIES, cones=count, splitting="coverage", rounding=None).lower
        for count in (1, 2)
    )
    assert (1.0 - one / exact > 4e-3) if n % 2 else (0.0 <= 1.0 - one / exact < 1e-6)
    assert 0.0 <= 1.0 - two / exact < 1e-6


@pytest.mark.parametrize(
    "more",
    [{"activation": "leaky"}, {"activation": "absolute"}, {"loss": "huber"}, {"loss": "logistic", "offset": True}],
    ids=str,
)
def test_other_activations_and_losses_are_exact_too(more: dict[str, object]) -> None:
    problem = random_problem(1, 6, outputs=1, gamma=0.05)
    if more.get("loss") == "logistic":
        problem = Problem(problem.X, np.sign(problem.Y), 0.05, **more)  # type: ignore[arg-type]
    else:
        problem = Problem(problem.X, problem.Y, 0.05, **more)  # type: ignore[arg-type]
    exact = sdprelax.solve(problem, "exact", tolerance=1e-7)
    found = sdprelax.solve(problem, "sdp", inequalities=FAMILIES, cones=2, rounding=None)
    assert exact.upper * (1.0 - 2e-6) < found.lower <= exact.upper
    assert sdprelax.verify(problem, found.certificate) >= found.lower


def test_lines_nearly_parallel_or_the_same_do_no_harm() -> None:
    problem = random_problem(2, 7)
    X = problem.X.copy()
    X[1] = X[0] * 2.0 + np.array([0.0, 1e-6])
    near = Problem(X, problem.Y, 0.1)
    exact = sdprelax.solve(near, "exact").upper
    found = sdprelax.solve(near, "sdp", inequalities=FAMILIES, cones=2, rounding=None)
    assert exact * (1.0 - 1e-3) < sdprelax.verify(near, found.certificate) <= exact
    X[1], X[2] = -3.0 * X[0], 0.0
    same = Problem(X, problem.Y, 0.1)
    exact = sdprelax.solve(same, "exact").upper
    for presolve in (True, False):
        found = sdprelax.solve(same, "sdp", inequalities=FAMILIES, presolve=presolve, rounding=None)
        assert exact * 0.9 < sdprelax.verify(same, found.certificate) <= exact


def test_by_hand_an_inequality_may_be_added_to_it() -> None:
    problem = random_problem(6, 6)
    exact = sdprelax.solve(problem, "exact").upper
    model = sdprelax.relax(problem, cones=2, inequalities=FAMILIES)
    assert {"sublinear", "complementary"} <= model.inequalities.keys()
    forms = model.blocks[0].forms
    model.add("sums", form=None, product=np.outer(forms[0], forms[1]) + np.outer(forms[1], forms[0]),
              reason=sum_of(len(forms)), block=0)  # fmt: skip
    model.solve()
    S = np.asarray(model.blocks[0].matrix.value)
    model.blocks[0].modelled.save(S)  # as a solver without a modelling language leaves it
    assert np.max(np.abs(model.blocks[0].matrix.value - S)) < 1e-7 * np.max(np.abs(S))
    assert exact * (1.0 - 1e-5) < model.bound <= exact


def sum_of(count: int) -> np.ndarray:
    N = np.zeros((count, count))
    N[0, 1] = N[1, 0] = 1.0
    return N
