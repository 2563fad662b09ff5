"""Optimal sets that are known: a segment of ReLU networks, a simplex behind equal gates, and single optima."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Network, OptimalSet, Outcome, Problem, optimal_set
from sdprelax.base import Floats
from sdprelax.certificate import Gates, group_certificate
from sdprelax.exact import gated_optima
from sdprelax.lasso import Masked, Program, Stop, solve_program
from sdprelax.methods import methods
from sdprelax.problem import Units

ANGLES = np.deg2rad([30.0, 150.0])
TWO = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
GAMMA = 0.25
# What networks of the segment disagree about: one of its ends is 0 here, the other (1 − γ)·√3/2.
ASIDE = np.array([[1.0, 0.0]])


@pytest.fixture(scope="module")
def segment() -> OptimalSet:
    """Optima α = (s, 2(1 − γ − s), s) at 30°, 90° and 150° (docs/mathematics/optima.md)."""
    problem = Problem(TWO, np.ones((2, 1)), GAMMA)
    return optimal_set(problem, sdprelax.solve(problem, "exact", tolerance=1e-9), tolerance=1e-7)


def masses(network: Any) -> dict[int, float]:
    """Return the mass of every neuron by its angle."""
    sizes = np.linalg.norm(network.hidden, axis=0) * np.linalg.norm(network.output, axis=1)
    degrees = np.rad2deg(np.arctan2(network.hidden[1], network.hidden[0]))
    return {round(float(angle)): float(size) for angle, size in zip(degrees, sizes, strict=True)}


def test_all_maximal_directions_are_known(segment: OptimalSet) -> None:
    assert len(segment.masses) == 3 and segment.dimension == segment.functions == 1
    assert segment.masses.slack == pytest.approx(np.zeros(3), abs=1e-6)
    assert segment.problem.upper_bound(segment.found().network) == segment.found().upper
    # ½·2γ² of the loss, and γ times all mass.
    assert segment.found().upper == pytest.approx(GAMMA**2 + GAMMA * 2.0 * (1.0 - GAMMA), rel=1e-6)


def test_least_norm_is_even(segment: OptimalSet) -> None:
    """Of α₁ + α₂ + α₃ = 2(1 − γ), α₁ = α₃, the least Σα² is that of equal ones."""
    found = segment.least_norm()
    assert found.gap <= segment.tolerance
    assert masses(found.network) == pytest.approx(dict.fromkeys((30, 90, 150), 2.0 / 3.0 * (1.0 - GAMMA)), abs=1e-3)


def test_sparsest_is_the_end_of_one_neuron(segment: OptimalSet) -> None:
    found = segment.sparsest()
    assert found.gap <= segment.tolerance and found.neurons == 1
    assert masses(found.network) == pytest.approx({90: 2.0 * (1.0 - GAMMA)}, abs=1e-3)
    assert found.network.predict(ASIDE) == pytest.approx(np.zeros((1, 1)), abs=1e-3)


@pytest.mark.parametrize("wanted", [0.0, 0.3, 10.0])
def test_validation_takes_the_nearest_point(segment: OptimalSet, wanted: float) -> None:
    found = segment.validated(ASIDE, [[wanted]])
    assert found.gap <= segment.tolerance
    nearest = min(wanted, np.sqrt(0.75) * (1.0 - GAMMA))
    assert found.network.predict(ASIDE)[0, 0] == pytest.approx(nearest, abs=1e-3)
    assert found.network.predict(TWO) == pytest.approx(np.full((2, 1), 1.0 - GAMMA), abs=1e-3)


def test_extremes_are_the_ends(segment: OptimalSet) -> None:
    """Below the axis one end says yes on the sides, and the other nowhere."""
    below = np.array([[1.0, -0.1], [-1.0, -0.1], [0.0, -1.0]])
    worst, best = segment.extremes(below, [[1.0], [1.0], [-1.0]])
    # Zero is a no: a single neuron is right about the third alone.
    assert worst.accuracy is not None and worst.accuracy <= 1.0 / 3.0 + 1e-9
    assert best.accuracy == 1.0
    assert max(worst.gap, best.gap) <= segment.tolerance


def test_a_hexagon_has_two_triangles_of_one_function() -> None:
    """Six samples at equal angles: masses α_k = c ± d, for (xᵀu)₊ − (−xᵀu)₊ = xᵀu and opposite corners add up to 0."""
    corners = np.arange(6) * np.pi / 3.0
    X = np.stack([np.cos(corners), np.sin(corners)], axis=1)
    problem = Problem(X, np.ones((6, 1)), 0.3)
    found = optimal_set(problem, sdprelax.solve(problem, "exact", tolerance=1e-9), tolerance=1e-7)
    assert (len(found.masses), found.dimension, found.functions) == (6, 1, 0)
    assert found.sparsest().neurons == 3 and found.least_norm().neurons == 6
    turned = np.stack([np.cos(corners + 0.4), np.sin(corners + 0.4)], axis=1)
    first, last = (one.network.predict(turned) for one in (found.sparsest(), found.least_norm()))
    assert first == pytest.approx(last, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_opposite_neurons(seed: int) -> None:
    """With neurons whose u_kv_kᵀ span all matrices positively, XᵀA = 0: opposites attain γ, and functions are one."""
    rng = np.random.default_rng(seed)
    problem = Problem(rng.standard_normal((20, 2)), rng.standard_normal((20, 1)), 0.05)
    outcome = sdprelax.solve(problem, "exact", tolerance=1e-9)
    assert outcome.network is not None
    A = problem.residual(outcome.network.predict(problem.X))
    U = outcome.network.hidden / np.linalg.norm(outcome.network.hidden, axis=0)
    assert np.linalg.norm(problem.X.T @ A) <= 1e-4 * problem.gamma
    for sign in (1.0, -1.0):
        reached = np.linalg.norm(A.T @ np.maximum(problem.X @ (sign * U), 0.0), axis=0)
        assert reached == pytest.approx(np.full(U.shape[1], problem.gamma), rel=1e-4)
    found = optimal_set(problem, outcome, tolerance=1e-8)
    # One for every pair of opposites, less the two dimensions of linear functions; some may be missed in rounding.
    assert found.functions == 0 and 0 < found.dimension <= len(found.masses) / 2 - 2
    fewest = found.sparsest()
    assert isinstance(fewest.network, Network)
    new = rng.standard_normal((50, 2))
    assert fewest.network.predict(new) == pytest.approx(outcome.network.predict(new), abs=1e-3)


def behind(directions: Floats, problem: Problem, tolerance: float, penalty: Any = "frobenius") -> OptimalSet:
    """Return the optima of a program behind gates."""
    gates, units = Gates(directions), Units(problem)
    program = Program.of(problem, Masked(problem.inputs, gates.masks(problem.inputs)), penalty)
    fit = solve_program(program, "fista", Stop(1e-11))
    return gated_optima(problem, group_certificate(units, gates, penalty, fit.weights, fit.multiplier), tolerance)


def test_equal_gates_share_a_simplex() -> None:
    """Of a gate that stands there k times, masses are any that add up: all of its weight or a k-th each."""
    rng = np.random.default_rng(4)
    problem = Problem(rng.standard_normal((12, 3)), rng.standard_normal((12, 1)), 0.3)
    once = rng.standard_normal((3, 4))
    assert len(np.unique(problem.X @ once >= 0.0, axis=1).T) == 4
    alone = behind(once, problem, 1e-8)
    twice = behind(np.hstack([once, once, once]), problem, 1e-8)
    used = alone.found().neurons
    assert used >= 2 and alone.dimension == 0 and twice.dimension == 2 * used
    even, few = twice.least_norm(), twice.sparsest()
    # Equal columns are more than there are samples, or dependent in any case.
    assert alone.unique and not twice.unique
    assert (even.neurons, few.neurons) == (3 * used, used)
    for part in np.split(even.point.masses.reshape(-1)[np.argsort(twice.masses.groups % 4, kind="stable")], used):
        assert part == pytest.approx(np.full(3, np.mean(part)), rel=1e-2)
    X = rng.standard_normal((20, 3))
    assert even.network.predict(X) == pytest.approx(few.network.predict(X), abs=1e-2)
    assert max(even.gap, few.gap) <= 1e-8


@pytest.mark.parametrize("method", ["gated_relu", "mkl"])
def test_generic_data_have_one_optimum(method: str) -> None:
    rng = np.random.default_rng(1)
    problem = Problem(rng.standard_normal((40, 4)), rng.standard_normal((40, 2)), 2.0)
    outcome = sdprelax.solve(problem, method, tolerance=1e-10)
    found = optimal_set(problem, outcome, tolerance=1e-9)
    assert found.unique and found.dimension == 0
    # The optimum of another run is the same network.
    other = sdprelax.solve(problem, method, tolerance=1e-10, solver="fista")
    X = rng.standard_normal((30, 4))
    assert outcome.program is not None and other.program is not None
    first = next(iter(outcome.predictors.values())).predict(X)
    assert next(iter(other.predictors.values())).predict(X) == pytest.approx(first, abs=1e-3 * np.abs(first).max())


def test_any_method_with_a_certificate_will_do() -> None:
    rng = np.random.default_rng(9)
    problem = Problem(rng.standard_normal((12, 2)), rng.standard_normal((12, 1)), 0.5)
    outcome = sdprelax.solve(problem, "sdp", cones=8)
    assert outcome.gap is not None and outcome.gap < 0.05
    found = optimal_set(problem, outcome, tolerance=0.05)
    for one in (found.least_norm(), found.sparsest()):
        assert isinstance(one.network, Network) and one.upper == problem.upper_bound(one.network)
        assert outcome.lower is not None and (one.upper - outcome.lower) / one.upper <= 0.05


@pytest.mark.parametrize("seed", range(3))
def test_what_the_gap_leaves(seed: int) -> None:
    """Σ‖v‖(γ‖u‖ − ‖Aᵀφ(Xu)‖) and ½‖P − (Y − A)‖² are at most p − D(A), of any network and any feasible A."""
    rng = np.random.default_rng(seed)
    problem = Problem(rng.standard_normal((15, 2)), rng.standard_normal((15, 2)), 0.4)
    exact = sdprelax.solve(problem, "exact", tolerance=1e-4)
    assert exact.network is not None
    # Maxima are smooth, or at a kink, where a neuron turns off at a sample.
    kinks = np.arctan2(problem.X[:, 1], problem.X[:, 0])[:, None] + np.array([-0.5, 0.5]) * np.pi
    angles = np.concatenate([np.linspace(0.0, 2.0 * np.pi, 200_001), kinks.ravel()])
    circle = np.maximum(problem.X @ np.stack([np.cos(angles), np.sin(angles)]), 0.0)
    A = problem.Y - exact.network.predict(problem.X)
    A = A * problem.gamma / (np.max(np.linalg.norm(A.T @ circle, axis=0)) * (1.0 + 1e-6))
    width = 10
    network = Network(rng.standard_normal((2, width)), 0.1 * rng.standard_normal((width, 2)))
    for trained in (network, exact.network):
        assert trained is not None
        values = np.linalg.norm(A.T @ np.maximum(problem.X @ trained.hidden, 0.0), axis=0)
        lengths, sizes = np.linalg.norm(trained.hidden, axis=0), np.linalg.norm(trained.output, axis=1)
        spare = problem.objective(trained) - problem.dual_value(A)
        missed = sizes * (problem.gamma * lengths - values)
        fit = 0.5 * np.sum((trained.predict(problem.X) - problem.Y + A) ** 2)
        assert np.all(missed >= 0.0)
        assert np.sum(missed) + fit <= spare * (1.0 + 1e-6) + 1e-9


@pytest.mark.parametrize(
    ("loss", "offset"),
    [("squared", True), ("logistic", False), ("logistic", True), ("hinge", False), ("huber", "penalised")],
)
@pytest.mark.parametrize("method", ["exact", "gated_relu"])
def test_every_choice_is_within_the_tolerance(loss: str, offset: Any, method: str) -> None:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((24, 2))
    Y = np.where(X[:, :1] * X[:, 1:] > 0.0, 1.0, -1.0)
    problem = Problem(X, Y, 0.3, loss=loss, offset=offset)
    outcome = sdprelax.solve(problem, method, tolerance=1e-5)
    found = optimal_set(problem, outcome, tolerance=1e-2)
    new = rng.standard_normal((30, 2))
    truth = np.where(new[:, :1] * new[:, 1:] > 0.0, 1.0, -1.0)
    worst, best = found.extremes(new, truth)
    validated = found.validated(new, truth) if problem.loss.smooth else found.found()
    chosen = [found.found(), found.least_norm(), found.sparsest(), validated, worst, best]
    for one in chosen:
        assert one.gap <= 1e-2
        if isinstance(one.network, Network):
            assert problem.upper_bound(one.network) == one.upper
    norms = [np.linalg.norm(one.point.masses) for one in chosen]
    assert norms[1] <= min(norms) * (1.0 + 1e-6)
    assert chosen[2].neurons == min(one.neurons for one in chosen)
    costs = [problem.loss.value(one.network.predict(new), truth) for one in chosen]
    assert not problem.loss.smooth or costs[3] <= min(costs) * (1.0 + 1e-3)
    assert worst.accuracy is not None and best.accuracy is not None and worst.accuracy <= best.accuracy


def test_several_outputs_and_free_biases() -> None:
    rng = np.random.default_rng(3)
    X, labels = rng.standard_normal((30, 2)), rng.integers(0, 3, 30)
    problem = Problem(X, np.eye(3)[labels], 0.5, bias=True, penalise_bias=False)
    found = optimal_set(problem, sdprelax.solve(problem, "exact", tolerance=1e-3), tolerance=0.05)
    worst, best = found.extremes(X, np.eye(3)[labels])
    assert worst.accuracy is not None and best.accuracy is not None
    assert worst.accuracy < best.accuracy
    for one in (worst, best, found.sparsest(), found.least_norm()):
        assert one.gap <= 0.05
        assert isinstance(one.network, Network) and problem.upper_bound(one.network) == one.upper


def test_a_network_without_neurons_is_alone() -> None:
    problem = Problem(TWO, np.ones((2, 1)), 5.0)
    found = optimal_set(problem, sdprelax.solve(problem, "exact"))
    for one in (found.least_norm(), found.sparsest(), *found.extremes(ASIDE, [[1.0]])):
        assert one.neurons == 0 and one.upper == pytest.approx(1.0)


@pytest.mark.parametrize("method", ["exact", "gated_relu"])
@pytest.mark.parametrize(
    ("X", "Y"),
    [
        (0.0 * TWO, np.ones((2, 1))),
        (TWO, np.zeros((2, 1))),
        (1e-150 * TWO, np.ones((2, 1))),
        (TWO[:1], np.ones((1, 1))),
    ],
)
def test_degenerate_problems(method: str, X: Floats, Y: Floats) -> None:
    problem = Problem(X, Y, 0.1)
    for selection in ("least_norm", "sparsest"):
        outcome = sdprelax.solve(problem, method, selection=selection, tolerance=1e-3)
        assert outcome.status == "solved"
    found = optimal_set(problem, outcome, tolerance=0.1)
    assert found.functions == 0
    for one in (found.least_norm(), found.sparsest(), found.validated(X, Y)):
        assert one.gap <= 0.1


def test_wrong_input_is_one_sentence(segment: OptimalSet) -> None:
    problem = segment.problem
    with pytest.raises(sdprelax.InputError, match="proves no network optimal"):
        optimal_set(problem, sdprelax.solve(problem, "lbfgs"))
    rough = Outcome(lower=0.1, upper=0.2, network=segment.found().network, certificate=sdprelax.solve(
        problem, "exact").certificate)  # fmt: skip
    with pytest.raises(sdprelax.InputError, match=r"proved optimal to within 0\.5"):
        optimal_set(problem, rough)
    with pytest.raises(sdprelax.InputError, match="between 0 and 1"):
        optimal_set(problem, rough, tolerance=0.0)
    for method in ("exact", "gated_relu"):
        other = sdprelax.solve(Problem(TWO, 2.0 * np.ones((2, 1)), GAMMA), method)
        with pytest.raises(sdprelax.InputError, match="of another problem"):
            optimal_set(problem, other)
    kinked = Problem(TWO, np.ones((2, 1)), GAMMA, loss="hinge")
    with pytest.raises(sdprelax.InputError, match="differentiable"):
        optimal_set(kinked, sdprelax.solve(kinked, "exact")).validated(ASIDE, [[1.0]])
    with pytest.raises(sdprelax.InputError, match="targets of classes"):
        segment.extremes(ASIDE, [[0.3]])
    with pytest.raises(sdprelax.InputError, match="takes 2 inputs and 1 outputs"):
        segment.validated(np.ones((2, 3)), np.ones((2, 1)))


@pytest.mark.parametrize("selection", ["least_norm", "sparsest"])
def test_exact_selects(selection: str) -> None:
    problem = Problem(TWO, np.ones((2, 1)), GAMMA)
    outcome = sdprelax.solve(problem, "exact", tolerance=1e-7, selection=selection)
    assert outcome.status == "solved" and outcome.gap is not None and outcome.gap <= 1e-7
    assert outcome.network is not None and problem.upper_bound(outcome.network) == outcome.upper
    assert (outcome.details["directions"], outcome.details["dimension"]) == (3, 1)
    assert outcome.details["width"] == outcome.network.width == (3 if selection == "least_norm" else 1)


@pytest.mark.parametrize("offset", [False, True])
def test_exact_selects_in_higher_rank(offset: bool) -> None:
    rng = np.random.default_rng(5)
    problem = Problem(rng.standard_normal((15, 3)), rng.standard_normal((15, 2)), 0.3, offset=offset)
    widths = {}
    for selection in ("least_norm", "sparsest"):
        outcome = sdprelax.solve(problem, "exact", tolerance=1e-3, selection=selection)
        assert outcome.status == "solved" and outcome.gap is not None and outcome.gap <= 1e-3
        assert outcome.network is not None and outcome.certificate is not None and outcome.lower is not None
        assert problem.upper_bound(outcome.network) == outcome.upper
        assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
        widths[selection] = outcome.network.width
    assert widths["sparsest"] < widths["least_norm"]


@pytest.mark.parametrize("penalty", ["columns", "frobenius", "nuclear"])
@pytest.mark.parametrize("columns", [3, 8])
def test_gated_relu_selects(penalty: str, columns: int) -> None:
    """Also where inputs are more than their rank."""
    rng = np.random.default_rng(6)
    X = (
        rng.standard_normal((20, 3)) @ rng.standard_normal((3, columns))
        if columns > 3
        else rng.standard_normal((20, 3))
    )
    problem = Problem(X, rng.standard_normal((20, 2)), 0.5, offset=True)
    options = {"penalty": penalty, "patterns": 30, "tolerance": 1e-2}
    used = {}
    for selection in ("as_found", "least_norm", "sparsest"):
        outcome = sdprelax.solve(problem, "gated_relu", selection=selection, **options)
        assert outcome.status == "solved" and outcome.program is not None
        lower, upper = sdprelax.verify_group(problem, outcome.program)
        assert (upper - lower) / upper <= 1e-2
        used[selection] = outcome.details["gates_used"]
        gated = outcome.predictors["gated"]
        assert isinstance(gated, sdprelax.GatedNetwork) and gated.gates.shape[1] == used[selection]
    assert used["sparsest"] < used["as_found"] <= used["least_norm"]


def test_the_default_is_what_it_was() -> None:
    rng = np.random.default_rng(7)
    problem = Problem(rng.standard_normal((15, 2)), rng.standard_normal((15, 1)), 0.3)
    plain, told = (sdprelax.solve(problem, "gated_relu", **options) for options in ({}, {"selection": "as_found"}))
    assert (plain.lower, plain.upper, plain.details) == (told.lower, told.upper, told.details)
    for name in ("exact", "gated_relu"):
        # Trials of before keep their hashes.
        assert methods.options(name)[-1].default == "as_found"
        assert "selection" not in methods.identified(methods.create(name, {}))
        assert methods.identified(methods.create(name, {"selection": "sparsest"}))["selection"] == "sparsest"


def test_what_is_not_solved_stays_as_found() -> None:
    rng = np.random.default_rng(8)
    problem = Problem(rng.standard_normal((30, 3)), rng.standard_normal((30, 2)), 0.01)
    outcome = sdprelax.solve(problem, "gated_relu", selection="sparsest", max_iterations=3, solver="fista")
    assert outcome.status == "not converged" and "dimension" not in outcome.details


@pytest.mark.parametrize("method", ["exact", "gated_relu"])
def test_an_outcome_of_another_problem_with_the_same_objective_is_refused(method: str) -> None:
    """Targets 2P − Y leave the residual its length, so that the network has the same objective there."""
    X = np.array([[0.0, 1.0], [1.0, 0.5], [-1.0, 0.2], [0.3, -1.0]])
    Y = np.array([[1.0], [2.0], [-0.5], [0.7]])
    outcome = sdprelax.solve(Problem(X, Y, 0.3), method)
    network = outcome.network if method == "exact" else outcome.predictors["gated"]
    assert network is not None
    other = Problem(X, 2.0 * network.predict(X) - Y, 0.3)
    with pytest.raises(InputError, match="this outcome is of another problem"):
        sdprelax.optimal_set(other, outcome, tolerance=1e-4)
