"""Convex programs over patterns, Frank–Wolfe, wedges and cross-validation of every loss, with offsets and weights."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import CertificateError, InputError, Problem, verify, verify_group
from sdprelax.methods import methods
from sdprelax.problem import losses, what_is_taken
from tests.conftest import LOSSES
from tests.problem.test_losses import drawn

SMOOTH = [name for name in LOSSES if losses.create(name).smooth]
OFFSETS: list[Any] = [False, True, "penalised"]
ACTIVATIONS: list[Any] = ["relu", {"leaky": {"slope": 0.2}}, "absolute"]


def problem_of(name: str, n: int = 8, c: int = 1, offset: Any = False, weighted: bool = True, **more: Any) -> Problem:
    X = np.random.default_rng(1).standard_normal((n, 2))
    outputs = max(c, 2) if name == "cross_entropy" else c
    weights = np.linspace(0.5, 2.0, n) if weighted else None
    Y = drawn(losses.create(name), 3, n, outputs)[1]
    return Problem(X, Y, 0.3, loss=name, offset=offset, sample_weight=weights, **more)


@pytest.mark.parametrize("name", LOSSES)
def test_the_program_over_all_patterns_is_below_local_training_and_above_gated_networks(name: str) -> None:
    k = LOSSES.index(name)
    problem = problem_of(name, offset=OFFSETS[k % 3], activation=ACTIVATIONS[k // 3 % 3])
    outcome = sdprelax.solve(problem, "convex_relu", gates="all")
    trained = sdprelax.solve(problem, "lbfgs", width=10, restarts=2)
    assert outcome.details["conic"]
    if name != "cross_entropy":  # whose outputs have neurons of their own
        assert outcome.upper <= trained.upper + 1e-5 * (1.0 + abs(trained.upper))
    if problem.activation == type(problem).activation:
        gated = sdprelax.solve(problem, "gated_relu", gates="all", penalty="frobenius", decomposition="none",
                               tolerance=1e-3)  # fmt: skip
        assert gated.lower <= outcome.upper


@pytest.mark.parametrize("offset", [False, True])
def test_the_augmented_lagrangian_takes_differentiable_losses(offset: bool) -> None:
    problem = problem_of("logistic", offset=offset)
    conic, other = (sdprelax.solve(problem, "convex_relu", gates="all", solver=s)
                    for s in ("clarabel", "augmented_lagrangian"))  # fmt: skip
    assert conic.upper * (1.0 - 1e-6) <= other.upper <= 1.02 * conic.upper
    for name in ("hinge", "cross_entropy"):
        with pytest.raises(InputError, match="takes ReLU and losses that are differentiable and sums over outputs"):
            sdprelax.solve(problem_of(name), "convex_relu", solver="augmented_lagrangian")


@pytest.mark.parametrize("name", SMOOTH)
def test_frank_wolfe_comes_to_the_optimum_of_differentiable_losses(name: str) -> None:
    problem = problem_of(name, c=2, offset=OFFSETS[SMOOTH.index(name) % 3])
    outcome = sdprelax.solve(problem, "frank_wolfe", corrective=True, iterations=60, tolerance=1e-4)
    trained = sdprelax.solve(problem, "lbfgs", width=12, restarts=2)
    assert outcome.certificate is not None and verify(problem, outcome.certificate) >= outcome.lower
    scale = 1.0 + abs(trained.upper)
    assert outcome.lower <= outcome.upper <= trained.upper + 1e-2 * scale
    assert outcome.upper - outcome.lower <= 1e-2 * scale


@pytest.mark.parametrize("options", [{}, {"radius": 2.0}], ids=["penalised", "in a ball"])
def test_frank_wolfe_descends_for_any_loss_as_for_its_own(options: dict[str, float]) -> None:
    """Of the squared loss with weights 1 + ε, which is another class, it takes the steps of the squared loss."""
    plain = problem_of("squared", c=2, weighted=False)
    near = Problem(plain.X, plain.Y, plain.gamma, sample_weight=np.full(8, 1.0 + 1e-12))
    one, other = (sdprelax.solve(p, "frank_wolfe", iterations=20, certify=False, **options) for p in (plain, near))
    assert one.upper == pytest.approx(other.upper, rel=1e-5)


@pytest.mark.parametrize(("method", "solver", "refused"), [
    ("wedge", "skglm", {*LOSSES} - {"squared"}), ("wedge", "fista", {*LOSSES} - {*SMOOTH}),
    ("wedge", "splitting", set()), ("wedge", "interior_point", set()), ("gated_relu", "irls", {*LOSSES} - {"squared"}),
    ("gated_relu", "block_coordinate", {*LOSSES} - {"squared"}), ("gated_relu", "fista", {*LOSSES} - {*SMOOTH}),
    ("gated_relu", "auto", set()), ("convex_relu", "augmented_lagrangian", {*LOSSES} - {*SMOOTH} | {"cross_entropy"}),
])  # fmt: skip
def test_solvers_of_methods_refuse_losses_before_anything_runs(method: str, solver: str, refused: set[str]) -> None:
    chosen, found = methods.create(method, {"solver": solver}), set()
    for name in LOSSES:
        try:
            chosen.check(problem_of(name))
        except InputError as error:
            found.add(name)
            assert "take" in str(error)
    assert found == refused


@pytest.mark.parametrize("solver", ["irls", "block_coordinate"])
def test_behind_gates_an_offset_is_refused_by_solvers_of_the_squared_loss_alone(solver: str) -> None:
    chosen = methods.create("gated_relu", {"solver": solver})
    chosen.check(problem_of("squared"))
    with pytest.raises(InputError, match="'squared' with an offset; take fista or splitting, or auto"):
        chosen.check(problem_of("squared", offset=True))


class Bent(losses["absolute"]):  # type: ignore[misc]
    """A loss of one's own with kinks."""


def test_frank_wolfe_names_the_losses_it_takes_and_asks_others_whether_they_are_differentiable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = re.split(r" or |, ", what_is_taken(methods, "frank_wolfe").removeprefix("loss "))
    assert {*SMOOTH} < {*said} and not ({*LOSSES} - {*SMOOTH}) & {*said}
    monkeypatch.setitem(losses._entries, "bent", Bent)
    with pytest.raises(InputError, match="takes losses that are differentiable, and 'bent' is not"):
        sdprelax.solve(Problem([[1.0], [2.0]], [1.0, 2.0], 0.1, loss=Bent()), "frank_wolfe")


def test_frank_wolfe_refuses_kinks() -> None:
    with pytest.raises(InputError, match="'frank_wolfe' takes losses that are differentiable, and 'hinge' is not"):
        sdprelax.solve(problem_of("hinge"), "frank_wolfe")


@pytest.mark.parametrize("name", LOSSES)
def test_wedges_are_proved_for_every_loss(name: str) -> None:
    k = LOSSES.index(name)
    problem = problem_of(name, 6, c=2, offset=OFFSETS[k % 3])
    outcome = sdprelax.solve(problem, "wedge", tolerance=1e-4)
    assert outcome.status == "solved" and outcome.program is not None and outcome.certificate is not None
    lower, upper = verify_group(problem, outcome.program)
    assert outcome.lower <= verify(problem, outcome.certificate) <= lower + 1e-9 <= upper + 2e-9
    # ‖z_k‖ is the cost of a balanced neuron of unit hidden weights, so the network costs what the program says.
    assert outcome.upper <= upper + 1e-3 * (1.0 + abs(upper))
    others = [other for other in ("squared", "huber", "absolute") if other != name]
    for other in others if losses.create(name).targets == "numbers" else ():
        with pytest.raises(CertificateError):
            verify_group(problem_of(other, 6, c=2, offset=problem.offset), outcome.program)


@pytest.mark.parametrize("name", ["squared", "logistic"])
def test_wedges_with_free_biases_cost_a_network_what_they_cost_where_its_biases_are_free(name: str) -> None:
    problem = problem_of(name, 6, offset=True, bias=True, penalise_bias=False)
    outcome = sdprelax.solve(problem, "wedge", bias="free", tolerance=1e-4)
    assert outcome.program is not None
    lower, upper = verify_group(problem, outcome.program)
    assert lower <= outcome.upper <= upper + 1e-3
    paying = problem_of(name, 6, bias=True)
    assert sdprelax.solve(paying, "wedge", bias="free", tolerance=1e-4).upper > outcome.upper


def test_cross_validation_scores_by_the_loss() -> None:
    options = {"of": "lbfgs", "options": {"width": 4, "restarts": 1}, "gammas": [0.3, 3.0], "folds": 2}
    signs, counts = problem_of("logistic", 12), problem_of("poisson", 12)
    classes = sdprelax.solve(signs, "cross_validated", **options)
    assert classes.details["score"] == "accuracy"
    assert all({"accuracy", "loss"} <= set(row) for row in classes.details["validation"])
    rates = sdprelax.solve(counts, "cross_validated", **options)
    assert rates.details["score"] == "loss" and all("accuracy" not in row for row in rates.details["validation"])
    best = min(rates.details["validation"], key=lambda row: row["loss"])
    assert rates.details["gamma"]["network"] == best["gamma"]
    squared = sdprelax.solve(problem_of("squared", 12), "cross_validated", **options)
    assert all("squared_error" in row for row in squared.details["validation"])


def test_kernels_are_of_the_squared_loss() -> None:
    for method in ("mkl", "ntk", "nngp"):
        with pytest.raises(InputError, match=f"method '{method}' takes the loss 'squared'"):
            sdprelax.solve(problem_of("logistic", weighted=False), method)
