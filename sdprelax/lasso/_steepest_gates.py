"""A few of many candidate gates, chosen as a working set grows: those along which the objective is steepest.

The program over the gates that were chosen so far is solved out of core, and the pass that proves it over *all*
candidates gives the steepness ‖ZᵀD_iR‖° of each: a candidate that is steeper than γ would lower the optimum, and the
steepest enter (docs/mathematics/distillation.md, "Gates from many candidates"). So what a choice costs is known: the
same pass bounds the optimum over all candidates from below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Deadline, ProblemTooLarge
from sdprelax.certificate import Gates
from sdprelax.lasso._out_of_core import ENTERS, MEMORY, Stage, silent, train_out_of_core
from sdprelax.lasso._rows import Rows, prove
from sdprelax.problem.norms import Penalty

__all__ = ["steepest_gates"]

# Programs that are solved on the way, at most, and the relative duality gap at which each stops.
ROUNDS, ROUGH = 8, 1e-2
# Matrices of slopes that a pass over all candidates takes, about.
HELD = 4


def steepest_gates(
    rows: Rows,
    candidates: Gates,
    count: int,
    penalty: Penalty,
    *,
    share: float,
    memory: float = MEMORY,
    stage: Stage = silent,
    deadline: Deadline | None = None,
) -> NDArray[np.intp]:
    """Return at most ``count`` of the candidates, ascending, and the gate that is always open where they have one.

    Fewer are returned where no other candidate would lower the optimum, or at the deadline.

    Parameters
    ----------
    count: gates wanted, beside the one that is always open.
    share: γ as a share of the least γ at which all candidates carry no weight.
    memory: bytes that slopes of all candidates, or statistics of those that were chosen, may take.
    stage: called at the start of every pass.
    deadline: after which no more gates are looked for.

    Raises
    ------
    ProblemTooLarge: candidates whose slopes memory does not hold.
    """
    until, (n, width, outputs) = deadline or Deadline(), rows.shape
    if 8.0 * HELD * candidates.count * width * outputs > memory:
        raise ProblemTooLarge(
            f"{candidates.count} candidates of {width} inputs and {outputs} outputs need more than {memory / 1e9:.2g} "
            "GB for their slopes; take fewer candidates, or allow more memory."
        )
    weights = np.zeros((candidates.count, width, outputs))
    flat = prove(rows, candidates, weights, 1.0, penalty, stage("candidates", n)).steepness
    largest = float(np.max(flat, initial=0.0))
    opened = np.array([candidates.count - 1] if candidates.skip else [], dtype=np.intp)
    if not largest > 0.0:  # nothing can be fitted, whatever the gates
        return np.union1d(np.arange(min(count, candidates.directions.shape[1])), opened)
    gamma, steepness, chosen, step = share * largest, flat, opened, max(1, -(-count // ROUNDS))
    while len(chosen) < min(count + len(opened), candidates.count) and not until.expired:
        if len(chosen):
            trained = train_out_of_core(
                rows, candidates.over(chosen), penalty, share=gamma / float(np.max(flat[chosen])), tolerance=ROUGH,
                memory=memory, stage=stage, deadline=until,
            )  # fmt: skip
            weights[chosen] = trained.weights
            steepness = prove(rows, candidates, weights, gamma, penalty, stage("candidates", n)).steepness
        outside = steepness.copy()
        outside[chosen] = -np.inf
        entering = np.argsort(-outside, kind="stable")[: min(step, count + len(opened) - len(chosen))]
        entering = entering[outside[entering] > (1.0 + ENTERS) * gamma]
        if not len(entering):
            break
        chosen = np.sort(np.append(chosen, entering))
    return chosen
