"""The closed forms are expectations over Gaussian weights, and the kernel predictor solves its ridge problem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdprelax import InputError, Problem, SolverFailed, solve
from sdprelax.networks import load_predictor, save_predictor
from sdprelax.problem import KernelPredictor
from sdprelax.problem._kernels import gated_ntk_kernel, nngp_kernel, ntk_kernel, relu_moments, step_moments
from sdprelax.problem._problem import ridge_value


def inputs(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.mark.parametrize("d", [1, 2, 5])
def test_moments_are_gaussian_expectations(d: int) -> None:
    X, Z = inputs(4, d, 0), inputs(3, d, 1)
    w = np.random.default_rng(2).standard_normal((d, 400_000))
    for exact, f in ((relu_moments(X, Z), lambda t: np.maximum(t, 0.0)), (step_moments(X, Z), lambda t: t > 0.0)):
        products = f(X @ w)[:, None, :] * f(Z @ w)[None, :, :]
        error = products.std(axis=2) / np.sqrt(w.shape[1])
        assert np.all(np.abs(products.mean(axis=2) - exact) <= 5.0 * error + 1e-12)


def test_ntk_is_the_expected_product_of_gradients_of_a_wide_network() -> None:
    X, width, rng = inputs(4, 3, 0), 200_000, np.random.default_rng(1)
    W, v = rng.standard_normal((3, width)), rng.standard_normal(width)
    # f = vᵀ(XW/√d)₊/√m in NTK parameterisation: the gradients in v and in W.
    inner = X @ W / np.sqrt(3)
    in_v = np.maximum(inner, 0.0) / np.sqrt(width)
    in_W = ((inner > 0.0) * v)[:, None, :] * X[:, :, None] / np.sqrt(3 * width)
    in_W = in_W.reshape(4, -1)
    np.testing.assert_allclose(in_v @ in_v.T + in_W @ in_W.T, ntk_kernel(X, X), atol=0.02)
    np.testing.assert_allclose(in_v @ in_v.T, nngp_kernel(X, X), atol=0.02)


def test_parallel_opposite_and_zero_inputs_have_their_closed_values() -> None:
    x = np.array([[3.0, 4.0]])
    np.testing.assert_allclose(relu_moments(x, 2.0 * x), [[25.0]], rtol=1e-15)
    np.testing.assert_allclose(relu_moments(x, -x), [[0.0]], atol=1e-14)
    assert relu_moments(x, 0.0 * x)[0, 0] == 0.0 and np.isfinite(ntk_kernel(0.0 * x, x)).all()
    np.testing.assert_allclose(step_moments(x, x), [[0.5]])
    # A thousandth of a millionth away from parallel: the derivative of the cosine would lose half of the digits.
    near = np.array([[3.0, 4.0 + 1e-9]])
    np.testing.assert_allclose(step_moments(x, near), 0.5 - 0.12e-9 / (2 * np.pi), rtol=1e-15)


@pytest.mark.parametrize("d", [1, 3])
def test_the_gated_ntk_is_the_expected_product_of_gradients_of_gated_neurons(d: int) -> None:
    X = inputs(4, d, 0)
    X[3] = 0.0
    opened = X @ np.random.default_rng(1).standard_normal((d, 400_000)) >= 0.0
    drawn = (X @ X.T) * (opened.astype(float) @ opened.T / opened.shape[1])
    np.testing.assert_allclose(gated_ntk_kernel(X, X), drawn, atol=5.0 * np.max(np.abs(X @ X.T)) * 0.5 / 632.0)
    # What training the hidden layer alone adds to the NTK of a ReLU network, but for the factor d.
    np.testing.assert_allclose(d * (ntk_kernel(X, X) - nngp_kernel(X, X)), gated_ntk_kernel(X, X), atol=1e-14)
    assert np.linalg.eigvalsh(gated_ntk_kernel(X, X))[0] >= -1e-14


@pytest.mark.parametrize(("method", "options"), [("nngp", {}), ("ntk", {}), ("ntk", {"network": "gated"})])
@pytest.mark.parametrize("bias", [False, True])
def test_the_predictor_solves_the_ridge_problem(method: str, options: dict, bias: bool, tmp_path: Path) -> None:
    problem = Problem(inputs(12, 3, 0), inputs(12, 2, 1), 0.3, bias=bias)
    outcome = solve(problem, method, **options)
    predictor = outcome.predictors["kernel"]
    assert outcome.lower is None and outcome.upper is None and isinstance(predictor, KernelPredictor)
    kernel = gated_ntk_kernel if options else {"nngp": nngp_kernel, "ntk": ntk_kernel}[method]
    K = kernel(problem.inputs, problem.inputs)
    fitted = predictor.predict(problem.X)
    # ½‖Ka − Y‖² + ½γ aᵀKa is stationary at a, and its value is that of ridge_value.
    np.testing.assert_allclose(K @ (fitted - problem.Y + 0.3 * predictor.coefficients), 0.0, atol=1e-10)
    value = 0.5 * np.sum((fitted - problem.Y) ** 2) + 0.15 * np.sum(predictor.coefficients * fitted)
    assert outcome.details["ridge_value"] == pytest.approx(value, rel=1e-12)
    assert value == pytest.approx(ridge_value(K, problem.Y, 0.3), rel=1e-12)
    save_predictor(tmp_path / "p.npz", predictor)
    new = inputs(5, 3, 3)
    np.testing.assert_array_equal(load_predictor(tmp_path / "p.npz").predict(new), predictor.predict(new))
    with pytest.raises(InputError, match=r"takes \(n, 3\)"):
        predictor.predict(inputs(5, 4, 0))


def test_relative_ridge_is_absolute_ridge_times_the_mean_of_the_diagonal() -> None:
    X, Y = inputs(9, 3, 0), inputs(9, 2, 1)
    mean = float(np.mean(np.diag(ntk_kernel(X, X))))
    relative = solve(Problem(X, Y, 0.1), "ntk", ridge="relative").predictors["kernel"].predict(X)
    absolute = solve(Problem(X, Y, 0.1 * mean), "ntk").predictors["kernel"].predict(X)
    np.testing.assert_allclose(relative, absolute, rtol=1e-12)


def test_a_singular_kernel_is_one_sentence() -> None:
    X = np.vstack([inputs(3, 2, 0)] * 3)
    with pytest.raises(SolverFailed, match="take a larger gamma"):
        solve(Problem(X, np.ones(9), 1e-300), "nngp")


def test_only_the_ntk_has_a_gated_network() -> None:
    problem = Problem(inputs(4, 2, 0), np.ones(4), 0.1)
    for method, network in (("ntk", "gatedd"), ("nngp", "gated")):
        with pytest.raises(InputError) as refused:
            solve(problem, method, network=network)
        assert "network" in str(refused.value) and len(str(refused.value).splitlines()) == 1
