"""Programs behind gates of every loss, with weights of samples and offsets: their value, their proof, their network."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import sdprelax
from sdprelax import CertificateError, GroupCertificate, Problem, verify, verify_group
from sdprelax.lasso import Masked, Program, Stop, solve_program
from sdprelax.problem import Weighted, losses
from tests.conftest import LOSSES
from tests.group_programs import proved_gated
from tests.problem.test_losses import drawn

OPTIONS: dict[str, dict[str, float]] = {"huber": {"delta": 0.5}, "quantile": {"level": 0.3}}
# Every loss with one norm, offset and choice of weights, such that all of them meet.
KINDS = [("columns", False, 0.0, True), ("frobenius", True, 0.0, False), ("nuclear", True, 0.8, True)]
CASES = [(name, *KINDS[k % 3]) for k, name in enumerate(LOSSES)] + [("squared", *kind) for kind in KINDS]
each = pytest.mark.parametrize("name", LOSSES)


def targets(name: str, n: int, c: int = 2) -> np.ndarray:
    return drawn(losses.create(name, OPTIONS.get(name, {})), 3, n, c)[1]


def program(name: str, penalty: Any, offset: bool, decay: float, weighted: bool) -> Program:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((14, 2))
    loss = losses.create(name, OPTIONS.get(name, {}))
    effective = Weighted(loss, rng.uniform(0.5, 2.0, 14)) if weighted else loss
    masks = np.asarray(X @ rng.standard_normal((2, 6)) >= 0.0, dtype=np.float64)
    return Program(0.6, penalty, Masked(X, masks), targets(name, 14), offset, effective, decay)


def by_cvxpy(given: Program) -> float:
    weights = [cp.Variable((2, 2)) for _ in given.design.masks.T]
    t = cp.Variable((1, 2)) if given.intercept else np.zeros((1, 2))
    seen = zip(given.design.masks.T, weights, strict=True)
    fit = sum((np.diag(mask) @ given.design.inputs @ W for mask, W in seen), np.ones((14, 1)) @ t)
    norm = {"columns": lambda W: cp.sum(cp.norm(W, axis=0)), "frobenius": lambda W: cp.norm(W, "fro"),
            "nuclear": lambda W: cp.normNuc(W)}[given.penalty]  # fmt: skip
    cost = given.loss.expression(fit, given.targets) + given.gamma * sum(norm(W) for W in weights)
    return float(cp.Problem(cp.Minimize(cost + 0.5 * given.decay * cp.sum_squares(t))).solve(solver="CLARABEL"))


@pytest.mark.parametrize("case", CASES, ids=["-".join(map(str, case)) for case in CASES])
def test_every_solver_finds_the_value_of_a_conic_solver_and_it_is_proved(case: Any) -> None:
    given = program(*case)
    expected = by_cvxpy(given)
    for solver in ("fista", "splitting") if given.loss.smooth else ("splitting",):
        fit = solve_program(given, solver, Stop(1e-6, steps=20_000))
        lower, upper = proved_gated(given, fit)
        scale = 1.0 + abs(expected)
        assert fit.gap <= 1e-6 and upper - lower <= 2e-6 * scale, solver
        assert lower <= expected + 1e-6 * scale and upper >= expected - 1e-6 * scale, solver
        assert fit.value == pytest.approx(upper, rel=1e-9, abs=1e-9)


@each
def test_a_sample_of_weight_two_is_two_samples(name: str) -> None:
    once = program(name, "frobenius", True, 0.0, False)
    Y, design = once.targets, once.design
    assert isinstance(design, Masked)
    weights = np.ones(14)
    weights[:3] = 2.0
    weighted = dataclasses.replace(once, loss=Weighted(once.loss, weights))
    rows = np.append(np.arange(14), np.arange(3))
    twice = dataclasses.replace(once, targets=Y[rows], design=Masked(design.inputs[rows], design.masks[rows]))
    one, other = solve_program(weighted, stop=Stop(1e-5)), solve_program(twice, stop=Stop(1e-5))
    assert one.value == pytest.approx(other.value, rel=2e-5, abs=2e-5)
    # A sample's dual variable is that of all of its copies.
    assert one.value >= other.dual_value - 1e-9 and other.value >= one.dual_value - 1e-9


def problem_of(name: str, offset: Any = False, **more: Any) -> Problem:
    X = np.random.default_rng(1).standard_normal((6, 2))
    return Problem(X, targets(name, 6), 0.4, loss={name: OPTIONS.get(name, {})}, offset=offset, **more)


@each
def test_over_all_patterns_the_bound_is_below_every_network(name: str, tmp_path: Path) -> None:
    weights = np.linspace(0.5, 2.0, 6)
    problem = problem_of(name, True, sample_weight=weights)
    outcome = sdprelax.solve(problem, "gated_relu", gates="all", penalty="nuclear", tolerance=1e-5)
    trained = sdprelax.solve(problem, "lbfgs", width=8, restarts=1)
    assert outcome.status == "solved" and outcome.certificate is not None and outcome.program is not None
    assert outcome.lower == pytest.approx(outcome.program.dual_value, rel=1e-4, abs=1e-4)
    assert verify(problem, outcome.certificate) >= outcome.lower
    assert outcome.lower <= min(outcome.upper, trained.upper)
    outcome.program.save(tmp_path / "program.npz")
    loaded = GroupCertificate.load(tmp_path / "program.npz")
    assert verify_group(problem, loaded) == verify_group(problem, outcome.program)
    # Its own network has the value that is proved: predictions with the offset, and the norms of the weights.
    gated = outcome.predictors["gated"]
    loss = problem.loss.value(gated.predict(problem.X), problem.Y)
    assert loss + problem.gamma * outcome.details["weights"] == pytest.approx(outcome.program.value, rel=1e-9, abs=1e-9)
    for other in forged(outcome.program):
        with pytest.raises(CertificateError):
            verify_group(problem, other)


def forged(program: GroupCertificate) -> list[GroupCertificate]:
    assert program.multiplier is not None and program.offset is not None
    more = 1e-4 * (1.0 + abs(program.value))
    return [
        dataclasses.replace(program, dual_value=program.value + more),
        dataclasses.replace(program, value=program.dual_value - more),
        dataclasses.replace(program, multiplier=-program.multiplier),
        dataclasses.replace(program, weights=1.5 * program.weights),
        dataclasses.replace(program, offset=program.offset + np.array([1.0, -1.0])),
        dataclasses.replace(program, offset=None),
        dataclasses.replace(program, column=64.0),
    ]


def test_of_another_loss_offset_or_weights_a_certificate_proves_nothing() -> None:
    problem = problem_of("logistic", "penalised")
    program = sdprelax.solve(problem, "gated_relu", gates="all", penalty="frobenius", decomposition="none").program
    assert program is not None and verify_group(problem, program)[0] >= program.dual_value
    others = [
        problem_of("squared_hinge", "penalised"), problem_of("hinge", "penalised"), problem_of("logistic", True),
        problem_of("logistic", 4.0), problem_of("logistic"),
        problem_of("logistic", "penalised", sample_weight=np.linspace(0.9, 1.1, 6)),
    ]  # fmt: skip
    for other in others:
        with pytest.raises(CertificateError):
            verify_group(other, program)


def test_free_biases_are_a_large_column() -> None:
    problem = problem_of("logistic", bias=True, penalise_bias=False)
    outcome = sdprelax.solve(problem, "gated_relu", patterns=2, decomposition="none", tolerance=1e-2)
    assert outcome.status == "solved" and outcome.program is not None and outcome.program.column > 1.0
    lower, upper = verify_group(problem, outcome.program)
    assert outcome.program.dual_value <= lower <= upper <= outcome.program.value
    gated = outcome.predictors["gated"]
    loss = problem.loss.value(gated.predict(problem.X), problem.Y)
    assert loss + problem.gamma * outcome.details["weights"] == pytest.approx(outcome.program.value, rel=1e-9)
