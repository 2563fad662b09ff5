"""Which dictionaries are exact: against convex programs over activation patterns, and against the whole ball."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sdprelax.base import Deadline, Floats, ProblemTooLarge
from sdprelax.certificate import Neurons
from sdprelax.exact import activation_patterns
from sdprelax.lasso import Directions, Fit, Program, Stop, solve_program
from sdprelax.problem import reduce_inputs
from sdprelax.wedge import WedgeDictionary, WedgeProblem
from tests.group_programs import proved_lasso
from tests.wedge.convex_programs import exact_value


def solved(geometry: WedgeProblem, Y: Floats, gamma: float) -> tuple[WedgeDictionary, Program, Fit]:
    dictionary = geometry.all_wedges()
    design = Directions(geometry.features(dictionary.directions))
    program = Program(gamma, "frobenius", design, Y, geometry.free)
    return dictionary, program, solve_program(program, stop=Stop(1e-11))


def cells(inputs: Floats) -> Floats:
    reduction = reduce_inputs(inputs)
    signs, _ = activation_patterns(reduction.rows)
    return np.sign(reduction.factor) * signs[:, reduction.group]


def test_one_input_with_free_biases_equals_the_exact_convex_program_on_a_hundred_problems() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        n, gamma = int(rng.integers(3, 9)), float(10.0 ** rng.uniform(-2.0, 0.0))
        x, y = rng.standard_normal((n, 1)), rng.standard_normal(n)
        ranks = np.argsort(np.argsort(x[:, 0]))
        steps = np.where(ranks >= np.arange(n)[:, None], 1.0, -1.0)
        exact = exact_value(np.hstack([x, np.ones((n, 1))]), y, gamma, np.vstack([steps, -steps]), 1, free=True)
        dictionary, program, fit = solved(WedgeProblem(x, free=True), y[:, None], gamma)
        assert fit.value == pytest.approx(exact, rel=1e-9, abs=1e-9)
        lower, upper = proved_lasso(x, Neurons(dictionary.directions, free=True), program, fit)
        assert lower <= fit.value * (1.0 + 1e-12) and fit.value <= upper * (1.0 + 1e-12)
        assert upper - lower <= 2e-9 * upper
        # A neuron is ±1 with a bias that puts its breakpoint on a sample.
        assert np.array_equal(np.abs(dictionary.directions[0]), np.ones(2 * n))
        breakpoints = -dictionary.directions[1] / dictionary.directions[0]
        assert np.max(np.abs(breakpoints - x[dictionary.subsets[:, 0], 0])) < 1e-14


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("n", "d", "free"), [(8, 2, False), (6, 3, False), (6, 2, True)], ids=["plane", "space", "plane with biases"]
)
def test_samples_and_coordinates_are_exact_for_p_1(n: int, d: int, free: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    geometry = WedgeProblem(X, 1, free)
    exact = exact_value(geometry.inputs, y, 0.1, cells(geometry.inputs), 1, free)
    assert solved(geometry, y[:, None], 0.1)[2].value == pytest.approx(exact, rel=1e-7)


def test_samples_alone_are_not_exact_for_p_1() -> None:
    # The published dictionary has no coordinate vectors: with one sample it cannot reach the best neuron.
    X, y = np.array([[1.0, 1.0]]), np.array([2.0])
    exact = exact_value(X, y, 0.1, np.array([[1.0], [-1.0]]), 1, free=False)
    geometry = WedgeProblem(X, 1)
    assert solved(geometry, y[:, None], 0.1)[2].value == pytest.approx(exact, rel=1e-8)
    rotated = np.array([[1.0, -1.0], [-1.0, 1.0]]).T / 2.0
    assert not np.any(np.maximum(X @ rotated, 0.0))
    assert exact < 0.5 * float(y @ y)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("free", [False, True])
def test_no_neuron_of_the_whole_ball_violates_the_dual_for_p_1(outputs: int, free: bool) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X, Y = rng.standard_normal((7, 2)), rng.standard_normal((7, outputs))
        geometry = WedgeProblem(X, 1, free)
        A = solved(geometry, Y, 0.2)[2].multiplier
        weights = rng.standard_normal((2, 20_000))
        weights /= np.sum(np.abs(weights), axis=0)
        if free:
            weights = np.vstack([weights, rng.uniform(-4.0, 4.0, 20_000)])
        steepness = np.linalg.norm(A.T @ np.maximum(geometry.inputs @ weights, 0.0), axis=0)
        assert np.max(steepness) <= 0.2 * (1.0 + 1e-8)


def test_subsets_are_the_samples_that_a_neuron_vanishes_on() -> None:
    rng = np.random.default_rng(3)
    for p, free in ((1, False), (2, False), (1, True), (2, True)):
        X = rng.standard_normal((6, 3))
        geometry = WedgeProblem(X, p, free)  # type: ignore[arg-type]
        dictionary = geometry.all_wedges()
        assert np.allclose(geometry.lengths(dictionary.directions), 1.0)
        for w, subset in zip(dictionary.directions.T, dictionary.subsets, strict=True):
            for i in subset:
                product = geometry.inputs[i] @ w if i >= 0 else w[-1 - i]
                assert abs(product) < 1e-9 * np.linalg.norm(w)


def test_degenerate_subsets_are_dropped_and_counted() -> None:
    X = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [2.0, 0.0, 0.0]])
    # Sample 4 is parallel to sample 0, and three of the four walls lie in a plane: their pairs give ±e_3 three times.
    dictionary = WedgeProblem(X).all_wedges()
    assert dictionary.count == 2 * math.comb(4, 2)
    assert dictionary.degenerate == 0
    line = np.hstack([np.linspace(-1.0, 1.0, 5)[:, None], np.linspace(-1.0, 1.0, 5)[:, None]])
    # With free biases points on a line have one direction in their span, with a breakpoint at each of them.
    on_line = WedgeProblem(line, free=True).all_wedges()
    assert on_line.count == 10
    coplanar = np.vstack([np.eye(3), [[1.0, 1.0, 0.0]], [[1.0, -1.0, 0.0]], [[1.0, 2.0, 0.0]]])
    four = np.hstack([coplanar, np.random.default_rng(0).standard_normal((6, 1)) * [[0], [0], [1], [0], [0], [0]]])
    assert WedgeProblem(np.vstack([four, [[0.0, 0.0, 0.0, 1.0]]])).all_wedges().degenerate > 0


def test_rank_deficient_and_zero_data() -> None:
    X = np.outer(np.arange(1.0, 5.0), [1.0, 2.0, 3.0])
    assert WedgeProblem(X).all_wedges().count == 2
    assert WedgeProblem(np.zeros((4, 3))).all_wedges().count == 0


def test_random_wedges_are_wedges_and_all_of_them_when_asked_for_more() -> None:
    rng = np.random.default_rng(0)
    geometry = WedgeProblem(rng.standard_normal((9, 4)))
    assert geometry.random_wedges(500, rng).count == 2 * math.comb(9, 3)
    some = geometry.random_wedges(30, rng)
    assert some.count <= 60
    for w, subset in zip(some.directions.T, some.subsets, strict=True):
        assert np.max(np.abs(geometry.inputs[subset] @ w)) < 1e-10


def test_random_walls_of_rare_dimensions_are_completed() -> None:
    # The last two inputs are zero but for two samples each: seven walls out of sixty hardly ever span eight dimensions.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 9))
    X[2:, 7] = 0.0
    X[:-2, 8] = 0.0
    geometry = WedgeProblem(X)
    dictionary = geometry.random_wedges(50, rng)
    assert dictionary.degenerate == 0
    assert dictionary.count >= 90
    for w, subset in zip(dictionary.directions.T, dictionary.subsets, strict=True):
        assert np.max(np.abs(X[subset] @ w)) < 1e-9


def test_sketched_wedges_pass_through_fewer_samples() -> None:
    rng = np.random.default_rng(0)
    geometry = WedgeProblem(rng.standard_normal((30, 12)))
    assert geometry.random_wedges(40, rng, sketch=2).count == 80
    dictionary = geometry.random_wedges(40, rng, sketch=4)
    assert dictionary.subsets.shape[1] == 3
    assert dictionary.count == 80
    for w, subset in zip(dictionary.directions.T, dictionary.subsets, strict=True):
        products = np.abs(geometry.inputs @ w)
        assert np.max(products[subset]) < 1e-10
        assert np.sum(products < 1e-9) == 3


def test_exchanges_end_at_the_steepest_of_all_wedges_in_the_plane() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        geometry = WedgeProblem(rng.standard_normal((12, 2)))
        A = rng.standard_normal((12, 2))
        normals, subsets = geometry.steepest_wedges(A, geometry.random_subsets(1, rng), Deadline())
        found = geometry.of_walls(normals, subsets, 0)
        best = np.max(np.linalg.norm(A.T @ geometry.features(found.directions), axis=0))
        every = np.linalg.norm(A.T @ geometry.features(geometry.all_wedges().directions), axis=0)
        assert best == pytest.approx(np.max(every), rel=1e-12)


def test_too_many_wedges_are_refused_with_their_number() -> None:
    geometry = WedgeProblem(np.random.default_rng(0).standard_normal((100, 10)))
    with pytest.raises(ProblemTooLarge, match=r"features: all would make 1e12 wedge products"):
        geometry.all_wedges()
