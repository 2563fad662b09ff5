"""A few of many candidate gates: the choice of a working set, and what it proves of all of them."""

from __future__ import annotations

import numpy as np
import pytest

from sdprelax.base import Deadline, ProblemTooLarge
from sdprelax.certificate import Gates
from sdprelax.lasso import ArrayRows, prove, steepest_gates, train_out_of_core
from sdprelax.problem.norms import Penalty


@pytest.fixture
def gated() -> tuple[ArrayRows, Gates, list[int]]:
    """Targets behind two of thirty gates, and of the open one."""
    rng = np.random.default_rng(0)
    inputs, directions = np.hstack([rng.standard_normal((300, 4)), np.ones((300, 1))]), rng.standard_normal((5, 30))
    behind = [7, 19]
    targets = inputs @ rng.standard_normal((5, 3))
    for gate in behind:
        targets = targets + (inputs @ directions[:, [gate]] >= 0.0) * (inputs @ (3.0 * rng.standard_normal((5, 3))))
    return ArrayRows(inputs, targets), Gates(directions, True), behind


@pytest.mark.parametrize("penalty", ["frobenius", "nuclear", "columns"])
def test_gates_that_made_the_targets_are_found_among_many(
    gated: tuple[ArrayRows, Gates, list[int]], penalty: Penalty
) -> None:
    rows, candidates, behind = gated
    chosen = steepest_gates(rows, candidates, 6, penalty, share=1e-3)
    assert set(behind) <= set(chosen.tolist()) and chosen[-1] == 30 and len(chosen) <= 7
    assert np.all(np.diff(chosen) > 0)


def test_a_choice_bounds_the_optimum_over_all_candidates(gated: tuple[ArrayRows, Gates, list[int]]) -> None:
    rows, candidates, _ = gated
    whole = train_out_of_core(rows, candidates, "frobenius", share=1e-2, tolerance=1e-8)
    chosen, first = steepest_gates(rows, candidates, 4, "frobenius", share=1e-2), np.array([0, 1, 2, 3, 30])
    optima = []
    for kept in (chosen, first):
        gates = candidates.over(kept)
        # At one γ, that of all candidates.
        largest = float(np.max(prove(rows, gates, np.zeros((gates.count, 5, 3)), 1.0, "frobenius").steepness))
        part = train_out_of_core(rows, gates, "frobenius", share=whole.gamma / largest, tolerance=1e-8)
        assert part.gamma == pytest.approx(whole.gamma, rel=1e-9)
        optima.append(part.proof)
        weights = np.zeros((31, 5, 3))
        weights[kept] = part.weights
        over_all = prove(rows, candidates, weights, part.gamma, "frobenius")
        # A solution over some gates bounds the optimum over all of them from both sides.
        assert over_all.lower <= whole.proof.upper and whole.proof.lower <= over_all.upper * (1.0 + 1e-9)
    # What was chosen is better than as many gates that were not.
    assert optima[0].upper < optima[1].lower


def test_where_no_candidate_lowers_the_optimum_none_is_taken(gated: tuple[ArrayRows, Gates, list[int]]) -> None:
    rows, candidates, _ = gated
    inputs = np.vstack([block.inputs for block in rows.blocks()])
    linear = ArrayRows(inputs, inputs @ np.random.default_rng(1).standard_normal((5, 2)))
    assert len(steepest_gates(linear, candidates, 30, "frobenius", share=0.9)) < 31
    nothing = ArrayRows(inputs, np.zeros((300, 2)))
    assert steepest_gates(nothing, candidates, 4, "nuclear", share=0.1).tolist() == [0, 1, 2, 3, 30]
    closed = steepest_gates(rows, Gates(candidates.directions), 4, "frobenius", share=1e-2)
    assert len(closed) == 4 and closed.max() < 30


def test_time_and_memory_are_kept(gated: tuple[ArrayRows, Gates, list[int]]) -> None:
    rows, candidates, _ = gated
    assert steepest_gates(rows, candidates, 4, "frobenius", share=0.1, deadline=Deadline(0.0)).tolist() == [30]
    with pytest.raises(ProblemTooLarge, match="31 candidates of 5 inputs and 3 outputs need more than 1e-05 GB"):
        steepest_gates(rows, candidates, 4, "frobenius", share=0.1, memory=1e4)
