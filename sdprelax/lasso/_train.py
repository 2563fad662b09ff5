"""Training behind fixed gates: the convex program, its solvers, and the choice of gates that can matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np

from sdprelax.base import Deadline, Floats, InputError, SolverFailed
from sdprelax.lasso._block_coordinate import block_coordinate
from sdprelax.lasso._fista import fista
from sdprelax.lasso._gated_program import GatedFit, GatedProgram
from sdprelax.lasso._reweighting import ignored, reweighting
from sdprelax.lasso._working_set import by_working_sets
from sdprelax.problem.norms import Penalty

__all__ = ["GatedFit", "GatedProgram", "Penalty", "Solver", "require_norm_of_solver", "train"]

Solver = Literal["auto", "fista", "block_coordinate", "irls"]

INNER = {"fista": fista, "block_coordinate": block_coordinate}
# Most samples for which "auto" factors a matrix of n×n in every iteration.
DENSE = 2_000


def require_norm_of_solver(solver: Solver, penalty: Penalty) -> None:
    """Refuse a solver that cannot handle a penalty.

    Raises
    ------
    InputError: irls with nuclear norms.
    """
    if solver == "irls" and penalty == "nuclear":
        raise InputError(
            "solver: irls weighs whole kernels, one weight per gate, so it takes the penalty frobenius or columns; a "
            "nuclear one takes fista or block_coordinate."
        )


def train(
    program: GatedProgram,
    solver: Solver = "auto",
    *,
    start: Floats | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 100_000,
    newton: bool = True,
    deadline: Deadline | None = None,
    observe: Callable[[GatedFit], None] = ignored,
) -> GatedFit:
    """Solve a gated program.

    Parameters
    ----------
    solver: "fista" (accelerated proximal gradient) or "block_coordinate" (one gate after the other), both over working
        sets of gates; "irls" (iterative reweighting of kernels; no nuclear norm); or "auto": irls up to 2,000 samples
        unless the penalty is nuclear, and fista elsewhere and where irls fails.
    start: IRLS's first weights of the kernels, shape (m,), ≥ 0; equal ones by default.
    tolerance: duality gap relative to the value at which to stop.
    max_iterations: steps of the solver after which the best pair is returned in any case (per output where outputs are
        independent).
    newton: whether IRLS may take Newton steps.
    deadline: stops early with the pair at hand.
    observe: called with the first pair of IRLS.

    Raises
    ------
    InputError: "irls" for a nuclear norm, or masks that are not of zeros and ones.
    SolverFailed: "irls" where γ is too small for its kernel matrix in floating point.
    """
    until = deadline or Deadline()
    program = _with_masks(program)
    outputs = program.targets.shape[1]
    if program.norm == "columns":
        first: list[GatedFit] = []
        parts = [
            train(
                program.of_output(k), solver, start=start, tolerance=tolerance, max_iterations=max_iterations,
                newton=newton, deadline=until.fraction(1.0 / (outputs - k)), observe=first.append,
            )
            for k in range(outputs)
        ]  # fmt: skip
        if len(first) == outputs:
            observe(_joined(first))
        return _joined(parts)
    require_norm_of_solver(solver, program.norm)
    chosen = solver
    if solver == "auto":
        chosen = "irls" if program.norm != "nuclear" and len(program.inputs) <= DENSE else "fista"
    gates = program.masks.shape[1]
    if chosen == "irls" and gates:
        eta = np.full(gates, 1.0 / gates) if start is None else start
        try:
            return reweighting(
                program, eta, tolerance=tolerance, max_iterations=max_iterations, newton=newton, deadline=until,
                observe=observe,
            )  # fmt: skip
        except SolverFailed:
            if solver != "auto":
                raise
    inner = INNER.get(chosen, fista)
    return by_working_sets(program, inner, tolerance=tolerance, max_iterations=max_iterations, deadline=until)


def _with_masks(program: GatedProgram) -> GatedProgram:
    """Return the program with masks as numbers; screening is safe for zeros and ones alone.

    Raises
    ------
    InputError: other masks.
    """
    masks = np.asarray(program.masks)
    if masks.dtype == np.bool_:
        return replace(program, masks=masks.astype(np.float64))
    wrong = masks[(masks != 0.0) & (masks != 1.0)]
    if wrong.size:
        raise InputError(f"masks hold {wrong.flat[0]}; they must hold 0 (closed) and 1 (open) alone, or truth values.")
    return program


def _joined(parts: list[GatedFit]) -> GatedFit:
    """Return the pair of all outputs from those of each."""
    return GatedFit(
        np.concatenate([part.weights for part in parts]),
        np.hstack([part.multiplier for part in parts]),
        sum(part.value for part in parts),
        sum(part.dual_value for part in parts),
        sum(part.iterations for part in parts),
        expired=any(part.expired for part in parts),
    )
