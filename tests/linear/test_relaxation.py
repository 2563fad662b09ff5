"""The relaxation of linear networks: exact without weight decay, and the lifted program's outer cones are not."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, ProblemTooLarge, linear_relaxation, reduced_rank_regression, white_optimum
from sdprelax.linear import balanced_layers, complementarity_relaxation
from tests.linear.data import objective, sample


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_without_weight_decay_it_is_exact_at_every_width(seed: int, width: int) -> None:
    X, Y = sample(seed)
    found, best = linear_relaxation(X, Y, width).solve(), reduced_rank_regression(X, Y, width)
    assert found.value == pytest.approx(best.value, rel=1e-6)
    eigenvalues = np.linalg.eigvalsh(found.projection)
    assert np.all(eigenvalues > -1e-6) and np.all(eigenvalues < 1.0 + 1e-6) and np.sum(eigenvalues) < width + 1e-6
    # Singular values of T are distinct: the projection, and so the network, is the best one.
    np.testing.assert_allclose(found.weights, best.weights, atol=1e-3)


def test_columns_that_depend_on_each_other_and_more_inputs_than_samples_change_nothing() -> None:
    X, Y = sample(4)
    tall = np.hstack([X, X[:, :2] - X[:, 2:]])
    assert linear_relaxation(tall, Y, 2).solve().value == pytest.approx(
        reduced_rank_regression(X, Y, 2).value, rel=1e-6
    )
    wide = np.random.default_rng(0).standard_normal((3, 7))
    assert linear_relaxation(wide, Y[:3], 1).solve().value == pytest.approx(
        reduced_rank_regression(wide, Y[:3], 1).value, rel=1e-6
    )


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("width", [1, 3])
def test_with_weight_decay_it_is_below_every_network(width: int, depth: int) -> None:
    X, Y = sample(5)
    most = float(np.linalg.svd(X, compute_uv=False)[-1]) ** 2
    lower = linear_relaxation(X, Y, width, 0.5, depth, 0.0 if depth == 2 else 0.5 * most).solve().value
    rng = np.random.default_rng(0)
    start = balanced_layers(reduced_rank_regression(X, Y, width).weights, width, depth)
    for size in (0.0, 0.01, 0.1, 1.0):
        for shrunk in (1.0, 0.9, 0.5):
            layers = [shrunk * (layer + size * rng.standard_normal(layer.shape)) for layer in start]
            assert objective(X, Y, 0.5, layers) >= lower * (1.0 - 1e-7)


def test_without_a_bottleneck_two_layers_are_the_nuclear_norm() -> None:
    X, Y = sample(6)
    W = cp.Variable((4, 3))
    value = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(X @ W - Y) + 0.7 * cp.normNuc(W))).solve(solver="CLARABEL")
    assert linear_relaxation(X, Y, None, 0.7).solve().value == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("width", [1, 2])
def test_on_white_inputs_it_is_exact_for_two_layers(width: int) -> None:
    X, Y = sample(7, white=1.3)
    best = white_optimum(X, Y, 0.5, width).value
    assert linear_relaxation(X, Y, width, 0.5).solve().value == pytest.approx(best, rel=1e-6)


def test_its_size_is_that_of_inputs_and_outputs() -> None:
    """Neither the number of samples nor the depth changes a number of the program's data but their values."""
    sizes = set()
    for n in (10, 40, 400):
        X, Y = sample(8, n=n)
        for depth in (2, 5):
            relaxation = linear_relaxation(X, Y, 2, 0.5, depth, 0.0 if depth == 2 else 1e-3)
            data = relaxation.program.get_problem_data("CLARABEL")[0]
            sizes.add((relaxation.order, *data["A"].shape))
    assert len(sizes) == 1 and sizes.pop()[0] == 4 + 3


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # it has no interior
def test_the_lifted_program_over_semidefinite_cones_is_blind_to_the_width() -> None:
    """docs/mathematics/deep_linear.md, "The lifted program": without a rank its value is that of least squares."""
    X, Y = sample(9, d=2, c=2)
    Y = Y + X @ np.array([[0.0, -2.0], [2.0, 0.0]])
    values = [reduced_rank_regression(X, Y, width).value for width in (1, 2)]
    assert values[0] > 1.05 * values[1]
    for width in (1, 2):
        program = complementarity_relaxation(X, Y, width)
        assert program.solve(solver="CLARABEL") == pytest.approx(values[1], rel=1e-5)
    with_products = complementarity_relaxation(X, Y, 1, "products").solve(solver="CLARABEL")
    assert -1e-3 <= (with_products - values[1]) / (values[0] - values[1]) <= 0.05


def test_the_lifted_program_contains_every_matrix_of_the_rank() -> None:
    """x = (1, Z, U) of a matrix of rank k satisfies all constraints, so that the value is at most its loss."""
    X, Y = sample(10, d=2, c=2)
    program = complementarity_relaxation(X, Y, 1, "products")
    u, v = np.array([0.8, -0.3]), np.array([1.1, 0.4])
    z = np.concatenate([u, v])
    Z, order = np.outer(z, z), 4
    U = np.eye(order) - Z / (z @ z)
    upper = np.triu_indices(order)
    x = np.concatenate([[1.0], Z[upper], U[upper]])
    (M,) = program.variables()
    M.value = np.outer(x, x)
    # The objective is the loss of W = uvᵀ.
    assert program.objective.value == pytest.approx(0.5 * np.sum((X @ np.outer(u, v) - Y) ** 2), rel=1e-12)
    assert max(float(np.max(constraint.violation())) for constraint in program.constraints) < 1e-9


def test_bad_arguments_are_one_sentence() -> None:
    X, Y = sample(0)
    for options, words in (
        ({"width": 1.5}, "width is 1.5"),
        ({"gamma": -1.0}, "gamma is -1.0"),
        ({"depth": 1}, "depth is 1"),
        ({"curvature": 1e9}, r"curvature is 1000000000.0; it must be between 0 and λ_min"),
    ):
        with pytest.raises(InputError, match=words):
            linear_relaxation(X, Y, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="outer is 'x'"):
        complementarity_relaxation(X[:, :2], Y[:, :2], 1, "x")  # type: ignore[arg-type]
    with pytest.raises(ProblemTooLarge, match="up to d \\+ c = 6"):
        complementarity_relaxation(X, Y, 1)
    assert "width=2" in repr(sdprelax.linear_relaxation(X, Y, 2))
