"""Three layers: the dictionary of ramps against deep networks."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

from sdprelax.base import Floats, InputError, ProblemTooLarge
from sdprelax.lasso import Directions, Fit, Program, Stop, solve_program
from sdprelax.networks import ThreeLayerNetwork, load_predictor, save_predictor
from sdprelax.wedge import RampDictionary, ramp_dictionary
from tests.group_programs import proved_lasso


def solved(X: Floats, Y: Floats, gamma: float, p: int) -> tuple[RampDictionary, Program, Fit]:
    dictionary = ramp_dictionary(X, p)  # type: ignore[arg-type]
    program = Program(gamma, "frobenius", Directions(dictionary.features(X)), Y, True)
    return dictionary, program, solve_program(program, stop=Stop(1e-11))


def locally_trained(X: Floats, y: Floats, gamma: float, start: Floats) -> float:
    """Return what L-BFGS reaches on three layers of chains in one dimension."""
    m = len(start) // 5

    def objective(theta: Floats) -> tuple[float, Floats]:
        w, b, s, a, v = theta[: 5 * m].reshape(5, m)
        first = X * w + b
        inner = np.maximum(first, 0.0)
        second = inner * s + a
        outer = np.maximum(second, 0.0)
        residual = outer @ v + theta[-1] - y
        value = 0.5 * residual @ residual + gamma / 3.0 * np.sum(np.abs(theta[: 5 * m].reshape(5, m)[[0, 2, 4]]) ** 3)
        back = residual[:, None] * v * (second > 0.0)
        deep = back * s * (first > 0.0)
        cubic = [gamma * weight * np.abs(weight) for weight in (w, s, v)]
        parts = [
            np.sum(deep * X, axis=0) + cubic[0], np.sum(deep, axis=0), np.sum(back * inner, axis=0) + cubic[1],
            np.sum(back, axis=0), residual @ outer + cubic[2], [np.sum(residual)],
        ]  # fmt: skip
        return float(value), np.concatenate(parts)

    return float(scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 3000}).fun)


def test_local_training_of_three_layers_comes_near_the_lasso_and_never_below_it() -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, y = np.sort(rng.standard_normal((7, 1)), axis=0), rng.standard_normal(7)
        dictionary, _, fit = solved(X, y[:, None], 0.05, 1)
        reached = [locally_trained(X, y, 0.05, rng.standard_normal(5 * 25 + 1)) for _ in range(12)]
        assert min(reached) >= fit.value * (1.0 - 1e-9)
        # Started from the Lasso's network with noise on every weight, descent leads back to it and not below.
        best = dictionary.network(fit.weights[:, 0], fit.offset)
        layers = [best.first, best.first_bias[None], best.second[None], best.second_bias[None], best.output.T]
        start = np.concatenate([np.vstack(layers).ravel(), best.output_bias])
        back = [locally_trained(X, y, 0.05, start + 0.02 * rng.standard_normal(len(start))) for _ in range(5)]
        assert fit.value * (1.0 - 1e-9) <= min(back) <= fit.value * 1.01


@pytest.mark.parametrize(("n", "d"), [(7, 1), (5, 2), (4, 3)])
@pytest.mark.parametrize("outputs", [1, 2])
def test_no_chain_of_the_whole_ball_violates_the_dual_for_p_1(n: int, d: int, outputs: int) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, Y = rng.standard_normal((n, d)), rng.standard_normal((n, outputs))
        A = solved(X, Y, 0.2, 1)[2].multiplier
        w = rng.standard_normal((d, 30_000))
        w /= np.sum(np.abs(w), axis=0)
        b, a = rng.uniform(-3.0, 3.0, (2, 30_000))
        s = rng.choice([-1.0, 1.0], 30_000)
        chains = np.maximum(s * np.maximum(X @ w + b, 0.0) + a, 0.0)
        assert np.max(np.linalg.norm(A.T @ chains, axis=0)) <= 0.2 * (1.0 + 1e-8)


def test_the_network_has_the_value_of_the_lasso_and_every_chain_is_balanced() -> None:
    rng = np.random.default_rng(0)
    for d in (1, 2):
        X, Y = rng.standard_normal((6, d)), rng.standard_normal((6, 2))
        dictionary, program, fit = solved(X, Y, 0.1, 1)
        network = dictionary.network(fit.weights[:, 0], fit.offset)
        residual = network.predict(X) - Y
        assert 0.5 * np.sum(residual**2) + 0.1 * network.penalty(1) == pytest.approx(fit.value, rel=1e-11)
        sizes = np.sum(np.abs(network.first), axis=0)
        assert np.allclose(sizes, np.abs(network.second)) and np.allclose(sizes, np.linalg.norm(network.output, axis=1))
        lower, upper = proved_lasso(X, dictionary.design, program, fit)
        assert lower <= fit.value * (1 + 1e-12) and upper >= fit.value * (1 - 1e-12)
        assert upper - lower < 1e-9 * upper


@pytest.mark.parametrize(
    ("x", "y", "size"), [([0, 2, 6, 7], [0, 0, 3, 3], 0.75), ([0, 2, 6, 7], [0, 0, 3, 7], 4.0),
    ([0, 4, 5, 7, 10, 11], [0, 0, 0, 2, 3, 3], 1.0)],
)  # fmt: skip
def test_published_toys(x: list[float], y: list[float], size: float) -> None:
    # The data of Zeger et al. 2024 at a vanishing weight decay: interpolation of least Σ|z|. A function that is flat at
    # both ends needs its steepest slope once, since slopes of 3/4 and 4, or 1 and 1/3, nest in ramps of their sum.
    X, Y = np.array(x, dtype=float)[:, None], np.array(y, dtype=float)[:, None]
    dictionary, _, fit = solved(X, Y, 1e-8, 1)
    assert fit.value == pytest.approx(size * 1e-8, rel=1e-5)
    network = dictionary.network(fit.weights[:, 0], fit.offset)
    assert np.allclose(network.predict(X), Y, atol=1e-6)


def test_ramps_are_distinct_and_bounded_by_their_samples() -> None:
    X = np.array([[0.0], [1.0], [3.0], [3.0]])
    dictionary = ramp_dictionary(X, 2)
    ends = np.round(np.sort(np.abs([dictionary.lower, dictionary.upper]), axis=0), 12)
    assert set(zip(*ends.tolist(), strict=True)) == {
        (0.0, 1.0), (0.0, 3.0), (1.0, 3.0)
    }  # fmt: skip
    assert len(dictionary.lower) == 3


def test_too_many_ramps_are_refused() -> None:
    with pytest.raises(ProblemTooLarge, match="layers: 3 would enumerate"):
        ramp_dictionary(np.random.default_rng(0).standard_normal((300, 3)), 1)


def test_the_network_is_saved_loaded_and_checked(tmp_path: object) -> None:
    rng = np.random.default_rng(0)
    network = ThreeLayerNetwork(
        rng.standard_normal((2, 3)), *rng.standard_normal((3, 3)), rng.standard_normal((3, 2)), rng.standard_normal(2)
    )
    path = f"{tmp_path}/network.npz"
    save_predictor(path, network)
    X = rng.standard_normal((5, 2))
    found = load_predictor(path)
    assert np.array_equal(found.predict(X), network.predict(X))
    assert "3 chains" in repr(network) and network.width == 3
    with pytest.raises(InputError, match="do not fit"):
        ThreeLayerNetwork(np.ones((2, 3)), np.ones(2), np.ones(3), np.ones(3), np.ones((3, 1)), np.ones(1))
    with pytest.raises(InputError, match="finite"):
        ThreeLayerNetwork(*(np.full(s, np.nan) for s in ((2, 3), 3, 3, 3, (3, 1), 1)))
    with pytest.raises(InputError, match="do not fit"):
        network.predict(np.ones((2, 3)))
