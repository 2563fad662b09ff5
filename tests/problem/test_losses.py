"""What every registered loss keeps, and the loss of docs/how_to/loss.md: a new member is tested by being registered."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import scipy.optimize

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.base import Ball
from sdprelax.problem import Loss, Units, largest_multiple, losses
from tests.how_to_pages import module_of

LOSSES = {**{name: losses.create(name) for name in losses}, "the page's": module_of("loss.md").Huber(0.75)}
each = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def drawn(loss: Loss, seed: int, n: int = 4, c: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and targets that the loss is defined for: numbers, labels ±1, rows of a simplex, or counts."""
    rng = np.random.default_rng(seed)
    P = 2.0 * rng.standard_normal((n, c))
    kinds: list[Callable[[], np.ndarray]] = [
        lambda: rng.standard_normal((n, c)),
        lambda: np.sign(rng.standard_normal((n, c))),
        lambda: np.eye(c)[rng.integers(0, c, n)],
        lambda: rng.poisson(2.0, (n, c)).astype(float),
    ]
    for kind in kinds:
        Y = kind()
        try:
            loss.check(Y)
        except InputError:
            continue
        return P, Y
    raise AssertionError("no kind of targets suits this loss: teach this function what does")


@each
@pytest.mark.parametrize("seed", range(3))
def test_the_residual_attains_fenchels_and_youngs_inequality(loss: Loss, seed: int) -> None:
    P, Y = drawn(loss, seed)
    A = loss.residual(P, Y)
    assert loss.value(P, Y) + np.sum(A * P) == pytest.approx(loss.dual_value(A, Y), rel=1e-12, abs=1e-12)
    for other in range(10):
        Q = drawn(loss, 100 + other)[0]
        assert loss.value(Q, Y) + np.sum(A * Q) >= loss.dual_value(A, Y) - 1e-12
        B = 0.1 * (other + 1) * A
        assert loss.value(P, Y) + np.sum(B * P) >= loss.dual_value(B, Y) - 1e-12


@each
def test_the_dual_value_is_the_infimum_that_defines_it(loss: Loss) -> None:
    P, Y = drawn(loss, 5, n=2)
    A = 0.7 * loss.residual(P, Y)  # inside of the domain, which is star-shaped

    def lagrangian(flat: np.ndarray) -> tuple[float, np.ndarray]:
        Q = flat.reshape(Y.shape)
        return loss.value(Q, Y) + float(np.sum(A * Q)), (A - loss.residual(Q, Y)).ravel()

    found = scipy.optimize.minimize(lagrangian, np.zeros(Y.size), jac=True, method="L-BFGS-B", options={"ftol": 1e-15})
    assert found.fun == pytest.approx(loss.dual_value(A, Y), rel=1e-6, abs=1e-6)


@each
@pytest.mark.parametrize("step", [0.1, 3.0])
def test_moreaus_identity(loss: Loss, step: float) -> None:
    """Q = prox(P) has the subgradient (P − Q)/step, so A = (Q − P)/step attains Fenchel's inequality at Q."""
    P, Y = drawn(loss, 7)
    Q = loss.proximal(P, Y, step)
    A = (Q - P) / step
    inside = (1.0 - 1e-12) * A  # rounding may leave the domain
    assert loss.value(Q, Y) + np.sum(A * Q) == pytest.approx(loss.dual_value(inside, Y), rel=1e-9, abs=1e-9)


@each
def test_the_gradient_is_as_steep_as_is_said(loss: Loss) -> None:
    _, Y = drawn(loss, 0)
    for seed in range(20):
        P, Q = drawn(loss, seed)[0], drawn(loss, seed + 50)[0]
        moved = np.linalg.norm(loss.residual(P, Y) - loss.residual(Q, Y))
        assert moved <= loss.curvature * np.linalg.norm(P - Q) * (1.0 + 1e-12)


@each
def test_values_scale_by_the_degree(loss: Loss) -> None:
    P, Y = drawn(loss, 3)
    if loss.degree is not None:
        assert loss.value(8.0 * P, 8.0 * Y) == pytest.approx(8.0**loss.degree * loss.value(P, Y), rel=1e-14)
    units = Units.of(Problem(np.ones((4, 1)), 1e3 * Y, 1.0, loss=loss)) if loss.degree else None
    assert units is None or (units.targets != 1.0 and units.problem.loss == loss)


@each
def test_the_expression_has_the_value(loss: Loss) -> None:
    import cvxpy as cp

    P, Y = drawn(loss, 4)
    assert loss.expression(cp.Constant(P), Y).value == pytest.approx(loss.value(P, Y), rel=1e-12)
    assert loss.expression(cp.Variable(P.shape), Y).is_convex()


@each
@pytest.mark.parametrize("seed", range(5))
def test_proved_values_enclose_what_fifty_digits_give(loss: Loss, seed: int) -> None:
    """The value at any point of the balls, by the loss's own formulas on mpmath's numbers of fifty digits."""
    P, Y = drawn(loss, seed)
    rng = np.random.default_rng(seed)
    rad = np.abs(P) * 1e-3 * (seed > 2)
    with mpmath.workdps(50):
        exact = np.vectorize(lambda x: mpmath.mpf(float(x)), otypes=[object])
        at = exact(P) + exact(rad) * exact(rng.uniform(-1.0, 1.0, P.shape))
        value = precise(loss, "value", at, exact(Y))
        assert loss.value_above(Ball(P, rad), Ball.exact(Y)) >= value
        if seed <= 2:
            assert float(loss.value_above(Ball.exact(P), Ball.exact(Y)) - value) <= 1e-12 * max(float(value), 1.0)
        A = (1.0 - 1e-9) * loss.residual(P, Y)
        dual = precise(loss, "dual_value", exact(A), exact(Y))
        assert loss.dual_value_below(Ball.exact(A), Ball.exact(Y)) <= dual
        assert float(dual) - loss.dual_value_below(Ball.exact(A), Ball.exact(Y)) <= 1e-8


def precise(loss: Loss, name: str, P: np.ndarray, Y: np.ndarray) -> mpmath.mpf:
    """Return ℓ or D, a sum over entries, in the working precision of mpmath."""
    formulas = PRECISE[type(loss).__name__]
    return mpmath.fsum(formulas[name](loss, p, y) for p, y in zip(P.ravel(), Y.ravel(), strict=True))


def _huber(loss: Loss, p: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
    size, delta = abs(p - y), mpmath.mpf(loss.delta)  # type: ignore[attr-defined]
    return size * size / 2 if size <= delta else delta * size - delta * delta / 2


# Formulas of every loss, entry by entry, as docs/mathematics and its page state them: a new member adds its two.
PRECISE: dict[str, dict[str, Callable[..., mpmath.mpf]]] = {
    "Squared": {"value": lambda _, p, y: (p - y) ** 2 / 2, "dual_value": lambda _, a, y: a * y - a * a / 2},
    "Huber": {"value": _huber, "dual_value": lambda _, a, y: a * y - a * a / 2},
}


@each
@pytest.mark.parametrize("seed", range(3))
def test_the_best_multiple_along_a_ray_is_feasible_and_no_other_is_better(loss: Loss, seed: int) -> None:
    P, Y = drawn(loss, seed)
    A = (0.1, 1.0, 10.0)[seed] * loss.residual(P, Y)
    for steepest, gamma in ((1.0, 0.05), (1.0, 1e3), (0.0, 1.0)):
        limit = float(largest_multiple(steepest, gamma))
        ray, proved = loss.ray(A, Y), loss.proved_ray(Ball.exact(A), Ball.exact(Y))
        s = float(ray.best(limit))
        assert 0.0 <= s <= limit and Fraction(s) * Fraction(steepest) <= Fraction(gamma)
        tried = [t for t in s * np.geomspace(0.1, 10.0, 41) if t <= limit] + [0.0]
        best = max(loss.dual_value(t * A, Y) for t in tried)
        assert ray.value(s) >= best - 1e-9 * max(1.0, abs(best))
        below = proved.below(proved.best(limit))
        assert best - 1e-8 * max(1.0, abs(best)) <= below <= ray.value(s) + 1e-12 * max(1.0, abs(best))
        assert loss.dual_bound(Ball.exact(A), Ball.exact(Y), gamma, steepest) == below


@each
def test_rays_of_blocks_of_samples_add_up(loss: Loss) -> None:
    P, Y = drawn(loss, 1)
    A = 0.5 * loss.residual(P, Y)
    parts = [loss.proved_ray(Ball.exact(A[part]), Ball.exact(Y[part])) for part in (slice(0, 1), slice(1, None))]
    both, whole = (parts[0] + parts[1]).below(1.0), loss.proved_ray(Ball.exact(A), Ball.exact(Y)).below(1.0)
    assert both == pytest.approx(whole, rel=1e-12)
    assert both <= max(loss.dual_value(A, Y), loss.dual_value(0.0 * A, Y)) + 1e-12


@each
def test_what_is_not_a_number_proves_nothing(loss: Loss) -> None:
    Y = drawn(loss, 2)[1]
    with np.errstate(invalid="ignore"):
        for bad in (np.full_like(Y, np.nan), np.full_like(Y, np.inf)):
            assert loss.dual_bound(Ball.exact(bad), Ball.exact(Y), 1.0, math.nan) <= loss.dual_value(0.0 * Y, Y)


def test_a_loss_is_named_in_three_ways_and_nothing_else() -> None:
    X, Y = [[1.0], [2.0]], [[0.5], [1.0]]
    for written in ("squared", {"squared": {}}, losses.create("squared")):
        assert Problem(X, Y, 1.0, loss=written).loss == losses.create("squared")
    refused = {
        "sqared": "did you mean 'squared'",
        3.0: "loss is 3.0; it must be a name",
        ("squared",): "must be a name",
    }
    for wrong, said in [*refused.items(), ({"squared": {"delta": 1.0}}, "has no option 'delta'")]:
        with pytest.raises(InputError, match=said):
            Problem(X, Y, 1.0, loss=wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="did you mean 'relu'"):
        sdprelax.Problem(X, Y, 1.0, activation="relo")
