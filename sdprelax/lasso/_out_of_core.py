"""Training over gates of which memory may not hold all: block after block of gates, proved over every gate.

A round minimises over the gates of a block with the others' weights fixed, whose predictions are taken off the targets
as the rows go by. The proof's pass over all gates ends a round and says which should carry weight: those that do, and
those along which the objective is steeper than γ. Of these the ones that waited longest make the next block
(docs/mathematics/lasso.md, "Statistics: more samples than memory holds").

Where the samples are fewer than what the gates let through of them, gates times inputs, statistics are larger than the
samples: then these are read once, and the program is solved by reweighting kernels of n×n in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Deadline, ProblemTooLarge, SolverFailed
from sdprelax.certificate import Gates, GroupBounds
from sdprelax.lasso._alternating import StatisticsProgram, alternating
from sdprelax.lasso._cross_validation import best_share, largest_gamma
from sdprelax.lasso._designs import Masked
from sdprelax.lasso._program import Fit, Program, Stop
from sdprelax.lasso._rows import ResidualRows, Rows, prove
from sdprelax.lasso._solve import solve_program
from sdprelax.lasso._spread import Spread, spread_statistics
from sdprelax.lasso._statistics import Statistics, fits, statistics_of, total
from sdprelax.problem import norms
from sdprelax.problem.norms import Penalty

__all__ = ["MEMORY", "Stage", "Trained", "heaviest", "silent", "train_out_of_core"]

# ``stage(name, rows)`` is called when a pass over so many rows starts, and returns ``advance(rows_read)``.
Stage = Callable[[str, int], Callable[[int], None]]

# Blocks of gates, one after the other, at most; folds of the cross-validation.
ROUNDS, FOLDS = 100, 3
# Bytes for statistics and their solver where nothing else is said.
MEMORY = 6e9
# Excess of a gate's steepness over γ, relative, from which it is worth entering.
ENTERS = 1e-3
# Factorisations that reweighting takes, about; and matrices of n×n that it holds at once.
REGRESSIONS, KERNELS = 12, 5


@dataclass(frozen=True, eq=False, kw_only=True)
class Trained(Fit):
    """A fit behind fixed gates, whose values are proved, and how it was come by.

    Attributes
    ----------
    gamma: γ; ``share`` is its share of the least γ at which all weights are zero.
    proof: bounds of the optimum over all gates.
    active: indices of the last block's gates.
    statistics: of that block, where they were formed and no other gate carries weight; else None.
    errors: cross-validation's squared error at every share tried; empty where γ was given.
    """

    gamma: float
    share: float
    proof: GroupBounds
    active: NDArray[np.intp]
    statistics: Statistics | None
    errors: list[float]


def silent(what: str, rows: int) -> Callable[[int], None]:
    """Return a callback that does nothing."""
    return lambda _: None


def train_out_of_core(
    rows: Rows,
    gates: Gates,
    penalty: Penalty = "frobenius",
    *,
    share: float | Literal["auto"] = "auto",
    tolerance: float = 1e-4,
    memory: float = MEMORY,
    folder: Path | None = None,
    stage: Stage = silent,
    deadline: Deadline | None = None,
    spread: Spread | None = None,
) -> Trained:
    """Train behind fixed gates on samples that need not fit in memory.

    Parameters
    ----------
    share: γ as a share of the least γ at which all weights are zero; "auto" takes what predicts best in a three-fold
        cross-validation of the (first) block of gates, whose folds depend on what the samples are, not on their order.
    tolerance: relative duality gap at which to stop.
    memory: bytes that statistics and their solver may take. Fewer folds come first, then blocks of gates.
    folder: where a checkpoint of the pass for statistics may be kept while it goes on.
    stage: called at the start of every pass.
    deadline: stops the exchange of blocks, and the solver.
    spread: where the passes for statistics are computed; None for this process. Spread passes have no checkpoint.

    Raises
    ------
    ProblemTooLarge: memory for not even one gate.
    """
    until = deadline or Deadline()
    n, width, outputs = rows.shape
    few: Trained | None = None
    if isinstance(share, float) and _fewer(rows.shape, gates.count, penalty, memory):
        few = _in_memory(rows, gates, penalty, share, tolerance, stage, until)
        if few is not None and (few.proof.gap <= tolerance or until.expired):
            return few
    folds, size = _sizes(rows.shape, gates.count, FOLDS if share == "auto" else 1, memory)
    # Of the first block alone: it is of the targets themselves, and so the same whenever training begins anew.
    checkpoint = None if folder is None else folder / "statistics.npz"
    weights, samples = np.zeros((gates.count, width, outputs)), np.zeros((0, outputs))
    active, largest = np.arange(gates.count), 0.0
    whole = size == gates.count
    if not whole:
        steepness = prove(rows, gates, weights, 1.0, penalty, stage("choosing gates", n)).steepness
        largest = float(np.max(steepness, initial=0.0))
        active = np.sort(np.argsort(-steepness, kind="stable")[:size])
    chosen, gamma, steps = share if isinstance(share, float) else 0.0, 0.0, 0
    errors: list[float] = []
    best: Trained | None = None
    solved = np.zeros(gates.count, dtype=np.int64)
    for round_ in range(1, ROUNDS + 1):
        fixed = weights.copy()
        fixed[active] = 0.0
        left, used, parted = ResidualRows(rows, gates, fixed), gates.over(active), folds if round_ == 1 else 1
        if spread is None:
            kept_at = checkpoint if round_ == 1 else None
            parts = statistics_of(left, used, folds=parted, checkpoint=kept_at, advance=stage("statistics", n))
        else:
            parts = spread_statistics(left, used, spread, folds=parted, advance=stage("statistics", n))
        if round_ == 1:
            if share == "auto":
                chosen, errors = best_share(parts, penalty, deadline=until)
            largest = largest_gamma(total(parts), penalty) if whole else largest
            # Where nothing can be fitted every γ has the same optimum, which is no weights.
            gamma = chosen * (largest or 1.0)
        data = total(parts)
        del parts
        start = Fit(weights[active], samples, np.inf, 0.0)
        fit = alternating(StatisticsProgram(gamma, penalty, data), start, Stop(0.5 * tolerance, deadline=until))
        weights = fixed
        weights[active] = fit.weights
        steps, solved[active] = steps + fit.iterations, round_
        proof = prove(rows, gates, weights, gamma, penalty, stage("proof", n))
        carrying = np.any(weights != 0.0, axis=(1, 2))
        kept = data if not np.any(np.delete(carrying, active)) else None
        del data
        found = Trained(
            weights, samples, proof.upper, proof.lower, steps, gamma=gamma, share=chosen, proof=proof, active=active,
            statistics=kept, errors=errors,
        )  # fmt: skip
        best = found if best is None or proof.gap < best.proof.gap else replace(best, iterations=steps)
        wanted = carrying | (proof.steepness > (1.0 + ENTERS) * gamma)
        if whole or proof.gap <= tolerance or until.expired:
            break
        # Whoever waited longest comes first, and among these the steepest.
        order = np.lexsort((-proof.steepness, solved, ~wanted))
        following = np.sort(order[: min(size, int(np.sum(wanted)))])
        if np.array_equal(following, active):
            break
        active, best = following, replace(best, statistics=None)
        del found, kept
    assert best is not None
    return few if few is not None and few.proof.gap < best.proof.gap else best


def _fewer(shape: tuple[int, int, int], gates: int, penalty: Penalty, memory: float) -> bool:
    """Say whether reweighting kernels of n×n is less work than statistics and their solver, and memory holds them."""
    n, width, outputs = shape
    order, programs = gates * width, outputs if penalty == "columns" else 1
    work = programs * REGRESSIONS * (n**3 / 3.0 + 2.0 * n**2 * gates) + 2.0 * n**2 * width
    held = 8.0 * (KERNELS * n**2 + n * (width + gates + outputs) + 2.0 * order * outputs)
    return penalty != "nuclear" and held <= memory and work <= float(n) * order**2 + float(order) ** 3


def _in_memory(
    rows: Rows, gates: Gates, penalty: Penalty, share: float, tolerance: float, stage: Stage, until: Deadline
) -> Trained | None:
    """Return what reweighting makes of few samples, all in memory; None where γ is too small for it.

    The parameters are those of :func:`train_out_of_core`.
    """
    advance, parts = stage("samples", rows.shape[0]), []
    for block in rows.blocks():
        inputs = np.asarray(block.inputs, dtype=np.float64)
        parts.append((inputs, np.asarray(block.targets, dtype=np.float64), gates.masks(inputs)))
        advance(len(inputs))
    inputs, targets, masks = (np.concatenate(side) for side in zip(*parts, strict=True))
    program = Program(1.0, penalty, Masked(inputs, np.asarray(masks, dtype=np.float64)), targets)
    gamma = share * (float(np.max(program.steepness(program.correlate(targets)), initial=0.0)) or 1.0)
    try:
        fit = solve_program(replace(program, gamma=gamma), "irls", Stop(0.5 * tolerance, deadline=until))
    except SolverFailed:
        return None
    proof = prove(rows, gates, fit.weights, gamma, penalty, stage("proof", rows.shape[0]))
    none = np.zeros((0, targets.shape[1]))
    return Trained(
        fit.weights, none, proof.upper, proof.lower, fit.iterations, gamma=gamma, share=share, proof=proof,
        active=np.arange(gates.count), statistics=None, errors=[],
    )  # fmt: skip


def _sizes(shape: tuple[int, int, int], gates: int, folds: int, memory: float) -> tuple[int, int]:
    """Return the folds and the gates of a block that memory holds."""
    _, width, outputs = shape
    while folds > 2 and not fits(width, gates, outputs, folds, memory):
        folds -= 1
    size = gates
    while size and not fits(width, size, outputs, folds, memory):
        size -= max(1, size // 20)
    if not size:
        raise ProblemTooLarge(
            f"one gate of {width} inputs and {outputs} outputs needs more than {memory / 1e9:.2g} GB for its "
            "statistics and what is formed on the way; allow more memory."
        )
    return folds, size


def heaviest(
    rows: Rows, gates: Gates, trained: Trained, penalty: Penalty, *, memory: float = MEMORY, stage: Stage = silent
) -> tuple[NDArray[np.intp], Statistics]:
    """Return gates that carry weight, the heaviest that memory holds, and their statistics."""
    if trained.statistics is not None:
        return trained.active, trained.statistics
    _, size = _sizes(rows.shape, gates.count, 1, memory)
    lengths = norms.sizes(trained.weights, penalty)
    chosen = np.argsort(-lengths, kind="stable")[: min(size, max(1, int(np.sum(lengths > 0.0))))]
    chosen = np.sort(chosen)
    return chosen, statistics_of(rows, gates.over(chosen), advance=stage("statistics", rows.shape[0]))[0]
