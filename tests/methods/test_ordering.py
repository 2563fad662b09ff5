"""On every problem of the tightness sweep: gated programs over all patterns ≤ the optimum ≤ every network."""

from __future__ import annotations

from pathlib import Path

import pytest

import sdprelax
from sdprelax.laboratory import load_sweep
from sdprelax.laboratory.training import TrainingTrial, load_problem

SWEEP = Path(__file__).resolve().parents[2] / "experiments" / "tightness.yaml"


def problems() -> list[TrainingTrial]:
    """One trial of every problem, whatever its method."""
    found = {(trial.dataset_label, trial.gamma, trial.bias): trial for trial in load_sweep(SWEEP).plan()}
    return list(found.values())


@pytest.mark.parametrize("trial", problems(), ids=lambda trial: f"{trial.dataset_label}-{trial.gamma}")
def test_gated_optimum_is_at_most_the_optimum_is_at_most_any_network(trial: TrainingTrial) -> None:
    _, problem = load_problem(trial)
    exact = sdprelax.solve(problem, "exact")
    assert exact.lower is not None and exact.upper is not None and exact.upper - exact.lower <= 1e-6 * exact.upper
    nuclear, frobenius, columns = (
        # Of the nuclear norm, which first-order steps alone can do, whatever gap some thousands of them leave.
        sdprelax.solve(problem, "gated_relu", gates="all", penalty=penalty, max_iterations=5_000)
        for penalty in ("nuclear", "frobenius", "columns")
    )
    # Without cones: Frobenius's norm is at most the nuclear one, and that is what neurons of one pattern pay at least.
    assert frobenius.details["dual_value"] <= nuclear.details["value"] and nuclear.details["dual_value"] <= exact.upper
    for outcome in (nuclear, frobenius):
        assert (
            outcome.lower is not None and outcome.details["dual_value"] * (1.0 - 1e-6) <= outcome.lower <= exact.upper
        )
    # Neurons that feed one output each are dearer: this value may be on either side of the optimum, its networks not.
    assert columns.details["value"] >= nuclear.details["dual_value"]
    networks = [nuclear, frobenius, columns, sdprelax.solve(problem, "convex_relu", gates="all")]
    networks += [sdprelax.solve(problem, "lbfgs", restarts=1, width=20), sdprelax.solve(problem, "sdp")]
    for outcome in networks:
        assert outcome.upper is not None and outcome.upper >= exact.lower
    learned = sdprelax.solve(problem, "mkl", gates="all")
    assert learned.details["value"] == pytest.approx(frobenius.details["value"], rel=1e-5)
    assert (
        learned.details["dual_value"] <= exact.upper and learned.details["ntk_value"] >= learned.details["dual_value"]
    )
