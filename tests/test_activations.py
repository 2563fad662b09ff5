"""What every registered activation keeps, and that of docs/how_to/activation.md."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cvxpy as cp
import mpmath
import numpy as np
import pytest

import sdprelax
from sdprelax import Network, Problem
from sdprelax.base import Ball, InputError
from sdprelax.certificate._verify import pulled_back
from sdprelax.methods import methods
from sdprelax.networks import Activation, activations, load_predictor, twins
from sdprelax.networks.activations.leaky import LeakyReLU
from sdprelax.problem import reduce
from sdprelax.solvers import solvers
from tests.how_to_pages import module_of

NAMES = list(activations)
ACTIVATIONS = {name: activations.create(name) for name in NAMES}
ACTIVATIONS |= {f"leaky {slope}": LeakyReLU(slope) for slope in (0.125, 0.0, 1.0, -1.0, -0.3, 1.7)}
ACTIVATIONS |= {"the page's": module_of("activation.md").Slanted()}
each = pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS.keys())
Z = np.array([-3.0, -0.5, -0.0, 0.0, 0.25, 7.0])


@each
def test_the_slopes_are_those_of_the_two_halves(activation: Activation) -> None:
    ahead, behind = activation.slopes
    assert np.array_equal(activation.apply(Z), np.where(Z > 0.0, ahead * Z, -behind * Z))
    assert np.array_equal(activation.apply(4.0 * Z), 4.0 * activation.apply(Z))
    steps = np.diff(activation.apply(Z)) / np.where(np.diff(Z) > 0.0, np.diff(Z), 1.0)
    assert np.max(np.abs(steps)) <= activation.lipschitz == max(abs(ahead), abs(behind))


@each
def test_the_gradient_is_the_derivative_off_the_kink(activation: Activation) -> None:
    off = Z[Z != 0.0]
    differences = (activation.apply(off + 2.0**-10) - activation.apply(off - 2.0**-10)) / 2.0**-9
    # Of slopes that are no powers of two the products are rounded, by at most half a unit of 14.
    assert np.max(np.abs(activation.gradient(off) - differences)) <= 2.0**-50 * 2.0**9
    assert np.array_equal(activation.gradient(np.zeros(2)), np.zeros(2))


@each
def test_intervals_hold_the_value_of_every_point(activation: Activation) -> None:
    rng = np.random.default_rng(0)
    mid, rad = rng.standard_normal(200), 0.5 * rng.random(200) * rng.integers(0, 2, 200)
    found = activation.enclosed(Ball(mid, rad))
    ahead, behind = (Fraction(slope) for slope in activation.slopes)
    for share in (Fraction(-1), Fraction(-1, 3), Fraction(0), Fraction(1)):
        for m, r, middle, spread in zip(mid, rad, found.mid, found.rad, strict=True):
            z = Fraction(m) + share * Fraction(r)
            assert abs((ahead * z if z > 0 else -behind * z) - Fraction(middle)) <= Fraction(spread)


@each
def test_what_the_certificate_pulls_back_holds_the_exact_product(activation: Activation) -> None:
    """Entries of L are slopes times lengths, which are rounded: LᵀA of the unrounded ones is inside all the same."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((9, 2))[rng.integers(0, 9, 12)] * rng.choice([1.0, -1.7, 0.0, 1e-5], (12, 1))
    problem = Problem(X, np.ones((12, 1)), 1.0, activation=activation)
    reduction, A = reduce(problem), rng.standard_normal((12, 3))
    found, g = pulled_back(reduction, A), reduction.generators
    with mpmath.workprec(400):
        exact = [[mpmath.mpf(0)] * 3 for _ in range(2 * g)]
        for i, (owner, length) in enumerate(zip(reduction.group, reduction.factor, strict=True)):
            halves = (owner, owner + g) if length > 0.0 else (owner + g, owner)
            for half, slope in zip(halves, activation.slopes, strict=True):
                for k in range(3):
                    exact[half][k] += mpmath.mpf(slope) * abs(mpmath.mpf(length)) * mpmath.mpf(A[i, k])
        for half in range(2 * g):
            for k in range(3):
                assert abs(mpmath.mpf(found.mid[half, k]) - exact[half][k]) <= mpmath.mpf(found.rad[half, k])
    assert np.max(found.rad) <= 1e-14


@each
def test_tensors_have_the_same_values_and_gradients(activation: Activation) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: torch)")
    z = torch.tensor(Z, requires_grad=True)
    found = activation.tensor(z)
    found.sum().backward()
    assert np.allclose(found.detach().numpy(), activation.apply(Z), rtol=1e-15)
    assert np.allclose(z.grad.numpy()[Z != 0.0], activation.gradient(Z[Z != 0.0]), rtol=1e-15)


@each
def test_the_presolve_selects_the_activation_of_every_sample(activation: Activation) -> None:
    """Parallel and antiparallel rows, zero rows: L·(α, β) of the generators is φ(Xu), whatever the slopes."""
    X = np.array([[1.0, 2.0], [2.0, 4.0], [-3.0, -6.0], [0.0, 0.0], [0.5, -1.0]])
    problem = Problem(X, np.ones((5, 1)), 1.0, activation=activation)
    reduction, u = reduce(problem), np.random.default_rng(1).standard_normal((2, 9))
    w = reduction.basis.T @ u
    assert reduction.features(w) == pytest.approx(activation.apply(X @ u), abs=1e-12)
    assert reduction.selection() @ twins(reduction.rows @ w) == pytest.approx(activation.apply(X @ u), abs=1e-12)
    network = Network(u, np.ones((9, 1)), activation=activation)
    assert network.predict(X) == pytest.approx(activation.apply(X @ u).sum(axis=1, keepdims=True))
    assert network.balanced().predict(X) == pytest.approx(network.predict(X))
    exact = problem.attained(network)
    assert problem.objective(network) <= exact <= problem.objective(network) * (1.0 + 1e-12)


@pytest.mark.parametrize("name", [*NAMES, "slanted"])
def test_a_networks_file_has_its_activation(name: str, tmp_path: Path) -> None:
    network = Network(np.eye(2), np.ones((2, 1)), activation=activations.create(name))
    network.save(tmp_path / "network.npz")
    loaded = load_predictor(tmp_path / "network.npz")
    assert isinstance(loaded, Network) and loaded.activation == network.activation
    with np.load(tmp_path / "network.npz") as stored:
        assert ("activation" in stored.files) == (name != "relu")


@pytest.mark.parametrize("slope", [float("nan"), float("inf"), "0.1", True, [0.1, 0.2]])
def test_a_slope_is_a_finite_number(slope: object) -> None:
    with pytest.raises(InputError, match="slope"):
        LeakyReLU(slope)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="slope"):
        Problem(np.eye(2), np.eye(2), 1.0, activation={"leaky": {"slope": slope}})


def programs() -> list[tuple[str, dict[str, object]]]:
    """The methods that prove bounds and say that they take every activation, and the conic solvers that do."""
    named = [(name, {}) for name in methods if name != "sdp"]
    taking = [(name, options) for name, options in named if getattr(methods[name], "activations", ()) is None]
    open_to_all = [name for name in solvers if getattr(solvers[name], "activations", ()) is None and name != "mosek"]
    return [
        *((name, options) for name, options in taking if getattr(methods[name], "proves", True)),
        *(("sdp", {"solver": name}) for name in open_to_all),
        ("sdp", {"solver": "clarabel", "cones": 4}),
    ]


def small(activation: Activation) -> Problem:
    """Six samples in the plane, two of them antiparallel and two parallel to others."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((6, 2))
    X[4], X[5] = -0.7 * X[0], 2.0 * X[1]
    return Problem(X, rng.standard_normal((6, 2)), 0.3, activation=activation)


@pytest.mark.parametrize("activation", [LeakyReLU(), LeakyReLU(-2.0), activations.create("absolute")], ids=str)
def test_proofs_and_networks_of_all_methods_meet(activation: Activation) -> None:
    problem = small(activation)
    found = [sdprelax.solve(problem, name, **options) for name, options in programs()]
    found.append(sdprelax.solve(problem, "lbfgs", width=12, restarts=3))
    best = min(outcome.upper for outcome in found if outcome.upper is not None)
    for outcome in found:
        if outcome.certificate is not None:
            assert outcome.lower is not None and outcome.lower <= best
            assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
        if outcome.status == "solved" and outcome.gap is not None:
            assert outcome.gap <= 0.2


def test_bounds_of_linear_networks_are_those_of_the_nuclear_norm() -> None:
    """With the slope 1 p* is min ½‖XM − Y‖² + γ‖M‖_*, and the relaxation is exact."""
    problem = small(LeakyReLU(1.0))
    M = cp.Variable((2, 2))
    cost = 0.5 * cp.sum_squares(problem.X @ M - problem.Y) + problem.gamma * cp.normNuc(M)
    optimum = cp.Problem(cp.Minimize(cost)).solve(solver="CLARABEL")
    proved = 0
    for name, options in programs():
        outcome = sdprelax.solve(problem, name, **options)
        assert outcome.upper is not None and optimum <= outcome.upper * (1.0 + 1e-8), name
        if outcome.lower is not None:  # a convex program of each output has no bound of all of them
            proved += 1
            assert outcome.lower <= optimum * (1.0 + 1e-8), name
            assert outcome.gap is not None and outcome.gap <= 2e-3, name
    assert proved >= 4
