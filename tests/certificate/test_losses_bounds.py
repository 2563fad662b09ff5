"""Certificates of every loss, activation, offset and weight: bounds that hold, two verifiers that agree, forgeries."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from soundness import LOSSES, degenerate_targets, judged, random_problem

from sdprelax import Certificate, Problem
from sdprelax.certificate import relaxation_certificate
from sdprelax.problem import losses, reduce
from tests.certificate.verifiers import proved_by_both, refused_by_both


@pytest.mark.parametrize("block", range(4))
def test_no_bound_is_false_and_both_verifiers_agree(block: int, tmp_path: Path) -> None:
    """On degenerate problems: no lower bound above an upper one, with no tolerance, and no forgery believed."""
    for seed in range(1000 + 9 * block, 1000 + 9 * (block + 1)):
        counts = judged(random_problem(seed), seed, tmp_path, "exact" if seed % 4 == 0 else None)
        assert counts["certificates"] >= 6 and counts["forgeries"] >= 5
        assert not (counts["false_bounds"] or counts["disagreements"] or counts["forged_accepted"]), (seed, counts)


def empty_optimum(loss: str, offset: bool) -> tuple[Problem, Certificate]:
    """Return a problem whose γ is so large that the domain of the dual alone limits its value, with its certificate."""
    rng = np.random.default_rng(7)
    Y = degenerate_targets(rng, losses[loss].targets, 6, 3)
    problem = Problem(
        rng.standard_normal((6, 2)), Y, 1e4, loss=loss, offset=offset, sample_weight=rng.uniform(0.5, 2, 6)
    )
    reduction = reduce(problem)
    A = problem.residual(problem.empty_network().predict(problem.X))
    return problem, relaxation_certificate(problem, reduction, A, [np.zeros((2 * reduction.generators,) * 2)])


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_what_leaves_the_domain_of_the_dual_is_refused(loss: str, offset: bool, tmp_path: Path) -> None:
    problem, honest = empty_optimum(loss, offset)
    upper, path = problem.upper_bound(problem.empty_network()), tmp_path / "c.npz"
    proved = proved_by_both(problem, honest, path)
    # Of a loss with kinks and an offset the residual is one of many.
    assert proved >= upper - 1e-9 * abs(upper) or (offset and not problem.loss.smooth and proved <= upper)
    claim = upper + 1e-9 * abs(upper)
    A = honest.multiplier
    turned = np.where(problem.Y < 0.0, -1.0, 1.0) * np.max(np.abs(A))
    forged = [A, 10.0 * A, A + turned, A - turned]
    if problem.loss.shift_invariant or offset:
        # Rows, or columns, that do not add up.
        forged += [A + np.max(np.abs(A)), A * np.linspace(1.0, 2.0, 6)[:, None] + 0.1 * turned]
    for multiplier in forged:
        refused_by_both(problem, dataclasses.replace(honest, lower=claim, multiplier=multiplier), path)
