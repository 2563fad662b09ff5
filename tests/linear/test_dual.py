"""Lower bounds in floating point, and descent: they meet, on white inputs at every depth and width."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sdprelax.base import Deadline, Floats
from sdprelax.certificate import borrowed_curvature, decay_slope, reach_slope
from sdprelax.linear import (
    LinearDual,
    LinearTraining,
    Spectrum,
    decayed_singular_value,
    largest_squares_shrunk,
    linear_relaxation,
    primal_dual,
    white_optimum,
)
from tests.linear.data import sample


@pytest.mark.parametrize("depth", [2, 3, 4, 7])
@pytest.mark.parametrize("curvature", [1e-3, 0.2, 5.0])
def test_the_line_is_below_the_decay_and_touches_it(depth: int, curvature: float) -> None:
    gamma, sigma = 0.3, np.logspace(-8, 4, 20_001)
    slopes = 0.5 * curvature * sigma + 0.5 * gamma * depth * sigma ** (2.0 / depth - 1.0)
    least = decay_slope(gamma, depth, curvature)
    assert least <= np.min(slopes) * (1.0 + 1e-12)
    assert least >= np.min(slopes) * (1.0 - 1e-4)


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_the_chord_is_below_the_decay_as_far_as_a_network_can_reach(depth: int) -> None:
    gamma, value = 0.3, 2.0
    slope = reach_slope(value, gamma, depth)
    last = (2.0 * value / (gamma * depth)) ** (depth / 2.0)
    sigma = np.linspace(0.0, last, 1001)
    decay = 0.5 * gamma * depth * sigma ** (2.0 / depth)
    assert np.all(decay >= slope * sigma - 1e-12) and decay[-1] == pytest.approx(slope * last)


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("target", [0.5, 1.5, 4.0])
def test_borrowing_curvature_is_exact_for_one_singular_value(depth: int, target: float) -> None:
    """½(c − μ(κ))₊²/(λ − κ) at the best κ is the gain cσ − ½λσ² − ½γLσ^{2/L} of the best σ."""
    gamma, curvature = 0.4, 1.3
    sigma = decayed_singular_value(target, curvature, gamma, depth)
    gain = target * sigma - 0.5 * curvature * sigma**2 - 0.5 * gamma * depth * sigma ** (2.0 / depth)
    kappa = borrowed_curvature(target, gamma, depth, curvature)
    short = max(0.0, target - decay_slope(gamma, depth, kappa))
    taken = 0.5 * short**2 / (curvature - kappa) if short else 0.0
    assert taken == pytest.approx(gain, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_on_white_inputs_both_bounds_are_the_closed_form(depth: int, width: int) -> None:
    X, Y = sample(0, white=1.5)
    best = white_optimum(X, Y, 0.6, width, depth).value
    training = LinearTraining(Spectrum.of(X, Y), width, 0.6, depth)
    rng = np.random.default_rng(0)
    reached = min((training.trained(Z, rng, Deadline()) for Z in training.starts()), key=training.objective)
    assert training.objective(reached) == pytest.approx(best, rel=1e-9)
    assert LinearDual(training.spectrum, width, 0.6, depth).best(reached, best).value == pytest.approx(best, rel=1e-7)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_dual_point_is_below_every_network(depth: int) -> None:
    X, Y = sample(1)
    spectrum, rng = Spectrum.of(X, Y), np.random.default_rng(0)
    training, dual = LinearTraining(spectrum, 2, 0.6, depth), LinearDual(spectrum, 2, 0.6, depth)
    products = [training.of_rank(rng.standard_normal((4, 3))) for _ in range(10)]
    products += [training.trained(Z, rng, Deadline()) for Z in training.starts()]
    upper = min(training.objective(Z) for Z in products)
    everywhere = np.eye(4)
    for _ in range(10):
        fit = rng.standard_normal((4, 3))
        assert dual.plain(fit, upper).value <= upper * (1.0 + 1e-12)
        for share in (0.3, 0.99):
            assert dual.point(fit, share * dual.most(everywhere), everywhere, upper).value <= upper * (1.0 + 1e-12)
    assert dual.best(products[-1], upper).value <= upper * (1.0 + 1e-12)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("weight", [0.1, 1.0, 10.0])
def test_the_largest_squares_are_shrunk_to_the_minimum(count: int, weight: float) -> None:
    values = np.array([3.0, 2.9, 2.8, 0.5])
    found = largest_squares_shrunk(values, count, weight)

    def cost(s: Floats) -> float:
        return 0.5 * float(np.sum((s - values) ** 2) + weight * np.sum(np.sort(s**2)[::-1][:count]))

    assert np.all(np.diff(found) <= 1e-12)
    rng = np.random.default_rng(0)
    for size in (1e-6, 1e-3, 0.1, 1.0):
        for _ in range(50):
            assert cost(np.maximum(found + size * rng.standard_normal(4), 0.0)) >= cost(found) - 1e-12


@pytest.mark.parametrize("width", [1, 2])
def test_the_first_order_method_ends_at_the_semidefinite_program(width: int) -> None:
    X, Y = sample(8)
    spectrum = Spectrum.of(X, Y)
    steps = primal_dual(spectrum, width, 0.5, np.zeros((4, 3)))
    _, fit = next(itertools.islice(steps, 2_000, None))
    value = LinearDual(spectrum, width, 0.5, 2).plain(fit, np.inf).value
    assert value == pytest.approx(linear_relaxation(X, Y, width, 0.5).solve().value, rel=1e-6)


def test_descent_follows_the_clock() -> None:
    X, Y = sample(2)
    training = LinearTraining(Spectrum.of(X, Y), 2, 0.6, 3)
    start = training.starts()[0]
    reached = training.trained(start, np.random.default_rng(0), Deadline(0.0))
    assert training.objective(reached) <= training.objective(start) * (1.0 + 1e-12)
