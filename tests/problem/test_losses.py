"""What every registered loss keeps, and the loss of docs/how_to/loss.md: a new member is tested by being registered."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.base import Ball
from sdprelax.problem import Loss, Units, Weighted, largest_multiple, losses
from tests.how_to_pages import module_of

NAMED = {
    **{name: losses.create(name) for name in losses},
    "quantile .3": losses.create("quantile", {"level": 0.3}),
    "huber .2": losses.create("huber", {"delta": 0.2}),
    "the page's": module_of("loss.md").LogCosh(),
}
WEIGHTS = np.array([0.1, 3.0, 1.0, 0.7, 11.0, 2.0])
LOSSES = {**NAMED, **{f"{name}, weighted": Weighted(loss, WEIGHTS) for name, loss in NAMED.items()}}
each = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def drawn(loss: Loss, seed: int, n: int = 6, c: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and targets that the loss is defined for."""
    rng = np.random.default_rng(seed)
    P = 2.0 * rng.standard_normal((n, c))
    kinds: dict[str, Callable[[], np.ndarray]] = {
        "numbers": lambda: rng.standard_normal((n, c)),
        "signs": lambda: np.sign(rng.standard_normal((n, c))),
        # Labels, and in every other data set soft ones.
        "simplex": lambda: rng.dirichlet(np.ones(c), n) if seed % 2 else np.eye(c)[rng.integers(0, c, n)],
        "counts": lambda: rng.poisson(2.0, (n, c)).astype(float),
    }
    Y = kinds[loss.targets]()
    loss.check(Y)
    return P, Y


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
    P, Y = drawn(loss, 5)
    A = 0.7 * loss.residual(P, Y)  # inside of the domain, which is star-shaped
    P = np.zeros_like(P)
    for step in np.geomspace(0.1, 100.0, 100):  # the proximal point method, for ℓ + ⟨A, ·⟩
        P = loss.proximal(P - step * A, Y, step)
        assert loss.value(P, Y) + np.sum(A * P) >= loss.dual_value(A, Y) - 1e-9
    assert loss.value(P, Y) + np.sum(A * P) == pytest.approx(loss.dual_value(A, Y), rel=1e-9, abs=1e-9)


@each
@pytest.mark.parametrize("step", [0.1, 3.0, np.geomspace(1e-3, 1e4, 6)[:, None]], ids=["small", "large", "by sample"])
def test_moreaus_identity(loss: Loss, step: float | np.ndarray) -> None:
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
    units = Units.of(Problem(np.ones((6, 1)), 1e3 * Y, 1.0, loss=loss)) if loss.degree else None
    assert units is None or (units.targets != 1.0 and units.problem.loss == loss)


@each
def test_the_expression_has_the_value(loss: Loss) -> None:
    import cvxpy as cp

    P, Y = drawn(loss, 4)
    assert loss.expression(cp.Constant(P), Y).value == pytest.approx(loss.value(P, Y), rel=1e-12)
    assert loss.expression(cp.Variable(P.shape), Y).is_convex()


@each
@pytest.mark.parametrize("seed", range(5))
def test_proved_values_enclose_what_two_hundred_digits_give(loss: Loss, seed: int) -> None:
    """The values at any point of the balls; those of a single point to their last digits."""
    P, Y = drawn(loss, seed)
    P = P * (1.0, 10.0, 1e3, 1.0, 20.0)[seed]
    if loss.targets == "counts":
        P = np.minimum(P, 300.0)
    rng = np.random.default_rng(seed)
    rad = np.abs(P) * 1e-3 * (seed > 2)
    with mpmath.workdps(200):
        at = exact(P) + exact(rad) * exact(rng.uniform(-1.0, 1.0, P.shape))
        value = precise(loss, "value", at, exact(Y))
        assert loss.value_above(Ball(P, rad), Ball.exact(Y)) >= value
        if seed <= 2:
            assert loss.value_above(Ball.exact(P), Ball.exact(Y)) - value <= 1e-13 * precise(loss, "size", at, exact(Y))
        A = (1.0 - 1e-9) * loss.residual(P, Y)
        if loss.shift_invariant:
            # The formula does not look at the equation that its rows satisfy.
            A[:, 0] = -np.sum(A[:, 1:], axis=1)
        dual = precise(loss, "dual", exact(A), exact(Y))
        below = loss.dual_value_below(Ball.exact(A), Ball.exact(Y))
        assert below <= dual
        assert dual - below <= 1e-13 * (1.0 + float(np.sum(np.abs(A) * (5.0 + np.abs(Y) + 0.5 * np.abs(A)))))
        reach = 1e-10 * np.abs(A)
        near = exact(A) + exact(reach) * exact(rng.uniform(-1.0, 1.0, A.shape))
        assert loss.dual_value_below(Ball(A, reach), Ball.exact(Y)) <= precise(loss, "dual", near, exact(Y))


def exact(values: np.ndarray) -> np.ndarray:
    """Return numbers as those of mpmath."""
    return np.vectorize(lambda x: mpmath.mpf(float(x)), otypes=[object])(values)


def precise(loss: Loss, name: str, P: np.ndarray, Y: np.ndarray) -> mpmath.mpf:
    """Return ℓ or D in the working precision of mpmath; "size" is the sum of the sizes of what ℓ is a sum of."""
    bare, weights = loss.unweighted, np.ones(len(Y)) if loss.weights is None else loss.weights
    formula = PRECISE[type(bare).__name__]["dual" if name == "dual" else "value"]
    total = mpmath.mpf(0)
    for p, y, w in zip(P, Y, exact(weights), strict=True):
        taken = p / w if name == "dual" else p
        row = [formula(bare, taken, y)] if bare.shift_invariant else list(map(formula, [bare] * len(y), taken, y))
        total += w * mpmath.fsum(row, absolute=name == "size")
        total += w * mpmath.fsum(abs(a) * (1 + abs(b)) for a, b in zip(p, y, strict=True)) * (name == "size")
    return total


def _entropy(q: mpmath.mpf) -> mpmath.mpf:
    return -q * mpmath.log(q) if q else mpmath.mpf(0)


def _huber(loss: Loss, p: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
    size, delta = abs(p - y), mpmath.mpf(loss.delta)  # type: ignore[attr-defined]
    return size * size / 2 if size <= delta else delta * size - delta * delta / 2


def _cross_entropy(_: Loss, p: np.ndarray, y: np.ndarray) -> mpmath.mpf:
    return mpmath.fsum(y) * mpmath.log(mpmath.fsum(map(mpmath.exp, p))) - mpmath.fdot(p, y)


def _cross_entropy_dual(_: Loss, a: np.ndarray, y: np.ndarray) -> mpmath.mpf:
    return mpmath.fsum(map(_entropy, y - a)) - _entropy(mpmath.fsum(y))


# Formulas of every loss, entry by entry or row by row, as docs/mathematics and its page state them: a new member adds
# its two.
PRECISE: dict[str, dict[str, Callable[..., mpmath.mpf]]] = {
    "Squared": {"value": lambda _, p, y: (p - y) ** 2 / 2, "dual": lambda _, a, y: a * y - a * a / 2},
    "Huber": {"value": _huber, "dual": lambda _, a, y: a * y - a * a / 2},
    "Absolute": {"value": lambda _, p, y: abs(p - y), "dual": lambda _, a, y: a * y},
    "Quantile": {
        "value": lambda loss, p, y: max(loss.slopes[1] * (y - p), loss.slopes[0] * (p - y)),
        "dual": lambda _, a, y: a * y,
    },
    "Hinge": {"value": lambda _, p, y: max(1 - y * p, 0), "dual": lambda _, a, y: a * y},
    "SquaredHinge": {"value": lambda _, p, y: max(1 - y * p, 0) ** 2 / 2, "dual": lambda _, a, y: a * y - a * a / 2},
    "Logistic": {
        "value": lambda _, p, y: mpmath.log1p(mpmath.exp(-y * p)),
        "dual": lambda _, a, y: _entropy(y * a) + _entropy(1 - y * a),
    },
    "Poisson": {
        "value": lambda _, p, y: mpmath.exp(p) - y * p,
        "dual": lambda _, a, y: y - a + _entropy(y - a),
    },
    "CrossEntropy": {"value": _cross_entropy, "dual": _cross_entropy_dual},
    "LogCosh": {
        "value": lambda _, p, y: mpmath.log(mpmath.cosh(p - y)),
        "dual": lambda _, a, y: a * y + (_entropy(1 + a) + _entropy(1 - a)) / 2,
    },
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
    parts = [
        loss.over(part).proved_ray(Ball.exact(A[part]), Ball.exact(Y[part])) for part in (slice(0, 1), slice(1, None))
    ]
    both, whole = (parts[0] + parts[1]).below(1.0), loss.proved_ray(Ball.exact(A), Ball.exact(Y)).below(1.0)
    assert both == pytest.approx(whole, rel=1e-12)
    assert both <= max(loss.dual_value(A, Y), loss.dual_value(0.0 * A, Y)) + 1e-12


@each
def test_what_is_not_a_number_proves_nothing(loss: Loss) -> None:
    Y = drawn(loss, 2)[1]
    with np.errstate(invalid="ignore"):
        for bad in (np.full_like(Y, np.nan), np.full_like(Y, np.inf)):
            assert loss.dual_bound(Ball.exact(bad), Ball.exact(Y), 1.0, math.nan) <= loss.dual_value(0.0 * Y, Y)


@each
def test_hessians_are_those_of_differences(loss: Loss) -> None:
    P, Y = drawn(loss, 8)
    A = 0.6 * loss.residual(P, Y)
    if loss.smooth:
        for k in range(P.shape[1]):
            step = np.zeros_like(P)
            step[:, k] = 1e-6
            change = loss.residual(P - step, Y) - loss.residual(P + step, Y)
            np.testing.assert_allclose(change / 2e-6, loss.hessian(P, Y)[:, :, k], rtol=1e-6, atol=1e-7)
    # Of the dual along a direction of the domain, whose rows add up to 0 for a shift-invariant loss.
    V = np.random.default_rng(0).standard_normal(A.shape) * np.abs(A).max(axis=1, keepdims=True)
    V -= np.mean(V, axis=1, keepdims=True) * loss.shift_invariant
    step = 1e-3 * float(np.min(np.abs(A[A != 0.0]), initial=1.0))
    A, V = (A, V / np.abs(V).max()) if loss.shift_invariant else (np.where(A == 0.0, 0.1 * Y, A), V * (A != 0.0))
    around = [loss.dual_values(A + t * step * V, Y) for t in (-1.0, 0.0, 1.0)]
    curved = -(around[0] - 2.0 * around[1] + around[2]) / step**2
    expected = np.einsum("ij,ijk,ik->i", V, loss.dual_hessian(A, Y), V)
    np.testing.assert_allclose(curved, expected, rtol=1e-3, atol=1e-8 / step**2)


@each
def test_the_form_for_pytorch_has_the_value_and_the_gradient(loss: Loss) -> None:
    torch = pytest.importorskip("torch")
    P, Y = drawn(loss, 9)
    stacked = torch.tensor(np.stack([P, 0.0 * P, 20.0 * P]), requires_grad=True)
    values = loss.tensors(stacked, torch.tensor(Y)).sum(dim=-1)
    for at, value in zip((P, 0.0 * P, 20.0 * P), values, strict=True):
        assert value.item() == pytest.approx(loss.value(at, Y), rel=1e-13)
    values[0].backward()
    np.testing.assert_allclose(-stacked.grad[0].numpy(), loss.residual(P, Y), rtol=1e-12, atol=1e-14)


@each
def test_residuals_of_enormous_predictions_are_in_the_domain(loss: Loss) -> None:
    _, Y = drawn(loss, 4)
    for size in (50.0, 500.0, 1e15, 1e140):
        P = size * np.sign(np.random.default_rng(0).standard_normal(Y.shape))
        if loss.targets != "counts" or size <= 500.0:
            A = loss.residual(P, Y)
            assert np.isfinite(A).all() and np.isfinite(loss.dual_value(A, Y))
            assert loss.value_above(Ball.exact(P), Ball.exact(Y)) >= loss.value(P, Y) * (1.0 - 1e-12)


@each
@pytest.mark.parametrize("offset", [False, True])
def test_equations_of_the_dual_hold_exactly_at_a_point_of_the_ball(loss: Loss, offset: bool) -> None:
    for seed in range(6):
        P, Y = drawn(loss, seed)
        if seed == 3 and loss.targets == "simplex":
            Y = np.eye(3)[[0, 0, 1, 1, 0, 1]]  # no sample of the last class
        rough = np.random.default_rng(seed).standard_normal(P.shape) * (seed == 5)
        P = np.minimum(10.0 ** (seed - 2) * P, 20.0 if loss.targets == "counts" else np.inf)
        A = loss.admissible(loss.residual(P, Y) + rough, Y, offset)
        ball = loss.exact_point(A, Y, offset)
        assert np.abs(ball.mid - A).max() <= 1e-12 * np.abs(A).max()
        point = [[Fraction(x) for x in row] for row in ball.mid.tolist()]
        loose = ball.rad > 0.0
        assert offset or loss.shift_invariant or not loose.any()
        last = int(np.argmax(loose.sum(axis=1)))
        for i, row in enumerate(point):
            if loss.shift_invariant and loose[i].any() and not (offset and i == last):
                (k,) = np.flatnonzero(loose[i])
                row[k] -= sum(row)
        for k in np.flatnonzero(loose.any(axis=0)) if offset else ():
            i = last if loss.shift_invariant else int(np.flatnonzero(loose[:, k])[0])
            point[i][k] -= sum(row[k] for row in point)
        held = np.array([[abs(x - Fraction(m)) for x, m in zip(*rows, strict=True)]
                         for rows in zip(point, ball.mid.tolist(), strict=True)])  # fmt: skip
        assert np.all(held <= np.vectorize(Fraction, otypes=[object])(ball.rad))
        assert not loss.shift_invariant or [sum(row) for row in point] == [0] * len(point)
        assert not offset or [sum(column) for column in zip(*point, strict=True)] == [0] * P.shape[1]
        # Something is proved of it, or of nearly it.
        below = loss.proved_ray(ball, Ball.exact(Y)).below(1.0)
        assert below >= loss.dual_value(A, Y) - 1e-8 * max(1.0, abs(loss.dual_value(A, Y)))


@each
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_the_best_constant_output_is_where_its_slope_is_none(loss: Loss, decay: float) -> None:
    P, Y = drawn(loss, 6)
    for start in (None, P):
        t = loss.constant(Y, start, decay)
        at = (np.zeros_like(Y) if start is None else start) + t

        def cost(u: np.ndarray, start: np.ndarray = at - t) -> float:
            return loss.value(start + u, Y) + 0.5 * decay * float(u @ u)

        for k in range(len(t)):
            for change in (1e-3, 1.0, -1e-3, -1.0):
                assert cost(t + change * np.eye(len(t))[k]) >= cost(t) - 1e-13 * abs(cost(t))
        if loss.smooth:
            assert np.abs(np.sum(loss.residual(at, Y), axis=0) - decay * t).max() <= 1e-10 * np.abs(Y).sum() * 10.0


def test_constants_have_closed_forms() -> None:
    Y = np.eye(3)[[0, 0, 1, 1, 1]]
    w = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    for loss, shares in ((NAMED["cross_entropy"], [2.0, 3.0]), (Weighted(NAMED["cross_entropy"], w), [3.0, 12.0])):
        t = loss.constant(Y)
        # No sample is of the last class: its score is so low that it costs nothing.
        assert t[1] - t[0] == pytest.approx(math.log(shares[1] / shares[0]), rel=1e-12)
        entropy = sum(s * math.log(sum(shares) / s) for s in shares)
        assert loss.value(0.0 * Y + t, Y) == pytest.approx(entropy, rel=1e-12)
        A = loss.exact_point(loss.admissible(loss.residual(0.0 * Y + t, Y), Y, True), Y, True)
        assert loss.dual_value_below(A, Ball.exact(Y)) == pytest.approx(entropy, rel=1e-12)
    counts = np.array([[0.0], [3.0], [7.0]])
    assert NAMED["poisson"].constant(counts) == pytest.approx(math.log(10.0 / 3.0), rel=1e-12)
    assert (
        NAMED["absolute"].constant(counts) == 3.0 and losses.create("quantile", {"level": 0.9}).constant(counts) == 7.0
    )
    assert Weighted(NAMED["absolute"], np.array([5.0, 1.0, 1.0])).constant(counts) == 0.0
    signs = np.array([[1.0], [1.0], [1.0], [-1.0]])
    assert NAMED["logistic"].constant(signs) == pytest.approx(math.log(3.0), rel=1e-12)
    assert NAMED["squared_hinge"].constant(signs) == pytest.approx(0.5, rel=1e-12)
    assert NAMED["logistic"].value(0.0 * signs + NAMED["logistic"].constant(np.ones((4, 1))), np.ones((4, 1))) < 1e-16


def test_points_at_the_ends_of_the_domain_are_worth_what_they_are() -> None:
    def worth(name: str, A: list[list[float]], Y: list[list[float]]) -> float:
        return NAMED[name].dual_value_below(Ball.exact(np.array(A)), Ball.exact(np.array(Y)))

    assert worth("hinge", [[0.0, 1.0, -1.0]], [[1.0, 1.0, -1.0]]) == pytest.approx(2.0, rel=1e-15)
    assert worth("hinge", [[1.0], [0.0]], [[1.0], [-1.0]]) == pytest.approx(1.0, rel=1e-15)
    assert worth("hinge", [[0.0, 0.0]], [[1.0, -1.0]]) == 0.0
    assert worth("cross_entropy", [[0.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]) == 0.0
    assert worth("cross_entropy", [[0.0, 1.0, -1.0]], [[0.0, 1.0, 0.0]]) == 0.0
    assert worth("logistic", [[0.0, 1.0]], [[1.0, 1.0]]) == worth("poisson", [[2.0, 0.0]], [[2.0, 0.0]]) == 0.0
    assert worth("absolute", [[1.0, -1.0]], [[2.0, 0.0]]) == pytest.approx(2.0, rel=1e-15)
    for name, outside, Y in (
        ("hinge", 1.0 + 2.0**-52, 1.0), ("hinge", -5e-324, 1.0), ("squared_hinge", -5e-324, 1.0),
        ("logistic", 1.0 + 2.0**-52, 1.0), ("poisson", 5e-324, 0.0), ("absolute", 1.0 + 2.0**-52, 3.0),
        ("huber", 1.0 + 2.0**-52, 3.0), ("quantile", 0.5 + 2.0**-53, 3.0),
    ):  # fmt: skip
        assert worth(name, [[outside]], [[Y]]) == -math.inf
    assert worth("cross_entropy", [[5e-324, -5e-324]], [[0.0, 1.0]]) == -math.inf


def test_targets_that_a_loss_is_not_defined_for_are_refused_in_one_sentence() -> None:
    for name, Y, said in [
        ("cross_entropy", [[1.0], [1.0]], "one column of Y per class"),
        ("cross_entropy", [[0.5, 0.5], [0.5, 0.4]], "row 1 of Y is no distribution"),
        ("cross_entropy", [[0.5, 0.5], [1.5, -0.5]], "row 1 of Y is no distribution"),
        ("logistic", [[0.0], [1.0]], "Y holds 0.0, and loss 'logistic' takes labels −1 and \\+1"),
        ("hinge", [[2.0], [1.0]], "Y holds 2.0, and loss 'hinge'"),
        ("squared_hinge", [[0.0], [1.0]], "for labels 0 and 1 write 2·Y − 1"),
        ("poisson", [[-1.0], [1.0]], "Y holds -1.0, and loss 'poisson' takes counts"),
    ]:
        with pytest.raises(InputError, match=said):
            Problem([[1.0], [2.0]], Y, 1.0, loss=name)
    with pytest.raises(InputError, match="greater than 0"):
        losses.create("quantile", {"level": 0.0})


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
