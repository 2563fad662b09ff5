"""Training over gates of which memory may not hold all: statistics of a working set, proved over every gate.

A gate outside the working set has no weights, and the proof's pass tells how steep the objective is along it: one
whose steepness exceeds γ takes the place of one that carries none (docs/mathematics.md section 7.7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sdprelax.deadline import Deadline
from sdprelax.errors import ProblemTooLarge
from sdprelax.gated_training.norms import Penalty
from sdprelax.out_of_core.gates import Gates
from sdprelax.out_of_core.program import best_share, largest_gamma, solve
from sdprelax.out_of_core.proof import Proof, prove
from sdprelax.out_of_core.rows import Rows
from sdprelax.out_of_core.statistics import Statistics, collect, fits, total
from sdprelax.verified import Floats

__all__ = ["Stage", "Trained", "silent", "train_out_of_core"]

# Told what goes on and how many rows it will read; returns what is told of every block's rows.
Stage = Callable[[str, int], Callable[[int], None]]

# Passes over the data to exchange gates, at most; folds of the cross-validation.
ROUNDS, FOLDS = 20, 3
# Excess of a gate's steepness over γ, relative, from which it is worth entering.
ENTERS = 1e-3


@dataclass(frozen=True, eq=False)
class Trained:
    """Weights behind fixed gates, and what is proved of them.

    Attributes
    ----------
    weights: W, shape (c, d, m), over all gates.
    gamma: γ; ``share`` is its share of the least γ at which all weights are zero.
    proof: bounds of the optimum over all gates.
    active: indices of the working set's gates; ``parts`` its statistics, fold by fold.
    errors: cross-validation's squared error at every share tried; empty where γ was given.
    steps: of the solver, in all.
    """

    weights: Floats
    gamma: float
    share: float
    proof: Proof
    active: NDArray[np.intp]
    parts: list[Statistics]
    errors: list[float]
    steps: int


def silent(what: str, rows: int) -> Callable[[int], None]:
    """Tell nobody."""
    return lambda _: None


def train_out_of_core(
    rows: Rows,
    gates: Gates,
    penalty: Penalty = "frobenius",
    *,
    share: float | Literal["auto"] = "auto",
    tolerance: float = 1e-4,
    memory: float = 4e9,
    folder: Path | None = None,
    stage: Stage = silent,
    deadline: Deadline | None = None,
) -> Trained:
    """Train behind fixed gates on samples that need not fit in memory.

    Parameters
    ----------
    share: γ as a share of the least γ at which all weights are zero; "auto" takes what predicts best in a three-fold
        cross-validation of the (first) working set, whose folds depend on what the samples are, not on their order.
    tolerance: relative duality gap at which to stop.
    memory: bytes that statistics and their solver may take. Fewer folds come first, then working sets of gates.
    folder: where a checkpoint of the pass for statistics may be kept while it goes on.
    stage: told of every pass.
    deadline: stops exchanging gates, and the solver.

    Raises
    ------
    ProblemTooLarge: memory for not even one gate.
    """
    until = deadline or Deadline()
    n, width, outputs = rows.shape
    folds = FOLDS if share == "auto" else 1
    while folds > 2 and not fits(width, gates.count, outputs, folds, memory):
        folds -= 1
    size = gates.count
    while not fits(width, size, outputs, folds, memory):
        size -= max(1, size // 20)
        if size <= 0:
            raise ProblemTooLarge(
                f"one gate of {width} inputs and {outputs} outputs needs more than {memory / 1e9:.2g} GB for its "
                "statistics; allow more memory, or take fewer inputs."
            )
    active = np.arange(gates.count)
    whole = size == gates.count
    weights = np.zeros((outputs, width, gates.count))
    largest = 0.0
    if not whole:
        steepness = prove(rows, gates, weights, 1.0, penalty, stage("choosing gates", n)).steepness
        largest = float(np.max(steepness, initial=0.0))
        active = np.sort(np.argsort(-steepness, kind="stable")[:size])
    errors: list[float] = []
    chosen, gamma, steps = share if isinstance(share, float) else 0.0, 0.0, 0
    best: Trained | None = None
    for round_ in range(ROUNDS):
        checkpoint = None if folder is None else folder / "statistics.npz"
        parts = collect(
            rows, gates.over(active), folds=folds, checkpoint=checkpoint, advance=stage("statistics", n)
        )  # fmt: skip
        data = total(parts)
        if round_ == 0:
            largest = largest_gamma(data, penalty) if whole else largest
            if share == "auto":
                chosen, errors = best_share(parts, penalty, deadline=until)
            gamma = chosen * largest
        fit = solve(data, gamma, penalty, start=weights[:, :, active], tolerance=0.5 * tolerance, deadline=until)
        weights = np.zeros_like(weights)
        weights[:, :, active] = fit.weights
        steps += fit.steps
        proof = prove(rows, gates, weights, gamma, penalty, stage("proof", n))
        found = Trained(weights, gamma, chosen, proof, active, parts, errors, steps)
        best = found if best is None or proof.gap < best.proof.gap else best
        if whole or proof.gap <= tolerance or until.expired:
            break
        carrying = np.any(weights != 0.0, axis=(0, 1))
        entering = np.flatnonzero(~carrying & (proof.steepness > (1.0 + ENTERS) * gamma))
        entering = entering[np.argsort(-proof.steepness[entering], kind="stable")]
        # No room for what should enter: the proof says how far from the optimum this is.
        room = size - int(np.sum(carrying))
        if not room or not len(set(entering) - set(active)):
            break
        active = np.sort(np.concatenate([np.flatnonzero(carrying), entering[:room]]))
    assert best is not None
    return best
