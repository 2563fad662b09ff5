"""Solving a program in memory: its solvers, what each needs, and which is taken.

A program with an offset or weights of samples is solved without them (:mod:`sdprelax.lasso._elimination`), and one
whose outputs are independent output by output. A solver sees a working set of groups or all of them, as it says.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sdprelax.base import InputError, SolverFailed
from sdprelax.lasso._block_coordinate import block_coordinate
from sdprelax.lasso._coordinate_descent import CoordinateDescent
from sdprelax.lasso._designs import Directions, Masked
from sdprelax.lasso._elimination import Profiled, eliminated
from sdprelax.lasso._fista import fista
from sdprelax.lasso._interior_point import interior_point, polished
from sdprelax.lasso._program import SQUARED, Fit, InnerSolver, Program, Stop
from sdprelax.lasso._reweighting import Reweighting
from sdprelax.lasso._splitting import splitting
from sdprelax.lasso._working_set import Polish, by_working_sets
from sdprelax.problem import Loss, losses
from sdprelax.problem.norms import Penalty

__all__ = ["DirectionSolver", "GateSolver", "require_norm_of_solver", "require_solver", "solve_program"]

# Solvers behind gates, and along directions.
GateSolver = Literal["auto", "fista", "block_coordinate", "irls", "splitting"]
DirectionSolver = Literal["auto", "interior_point", "skglm", "sklearn", "fista", "splitting"]

# Where nobody says when to stop.
DEFAULT = Stop(1e-6)
# Most samples for which "auto" factors a matrix of n×n in every iteration, and dual variables n·c for which one of
# n·c×n·c.
DENSE, INTERIOR = 2_000, 3_000
# A gap at which the interior point has stalled, and the factor of γ to retreat by.
STALLED, LARGER = 1e-6, 10.0
# Share of the γ from which on no atom has weight, down to which the interior point rarely stalls.
RELIABLE = 1e-11


@dataclass(frozen=True)
class Offer:
    """A solver, and what it needs.

    Parameters
    ----------
    made: returns the solver.
    designs, norms: those that it takes.
    parts: whether it sees working sets of groups (:mod:`sdprelax.lasso._working_set`), and not all at once.
    polish: of an exact solver, what makes its pairs better; its working sets grow.
    losses: those that it takes: the squared one alone, those that are differentiable, or all.
    """

    made: Callable[[], InnerSolver]
    designs: tuple[type[Directions] | type[Masked], ...]
    norms: tuple[Penalty, ...] = ("frobenius",)
    parts: bool = False
    polish: Polish | None = None
    losses: Literal["squared", "smooth", "all"] = "squared"

    def takes(self, loss: Loss) -> bool:
        """Say whether the solver is for a loss."""
        return self.losses == "all" or loss == SQUARED or (self.losses == "smooth" and loss.smooth)


# The same in words.
TAKEN = {"squared": "the squared loss, behind gates without an offset", "smooth": "losses that are differentiable"}
NORMS: tuple[Penalty, ...] = ("frobenius", "nuclear", "columns")
OFFERS = {
    # Of all losses but the squared one it is called from elsewhere.
    "interior_point": Offer(lambda: interior_point, (Directions,), parts=True, polish=polished, losses="all"),
    "fista": Offer(lambda: fista, (Directions, Masked), NORMS, parts=True, losses="smooth"),
    "block_coordinate": Offer(lambda: block_coordinate, (Masked,), ("frobenius", "nuclear"), parts=True),
    "irls": Offer(Reweighting, (Directions, Masked)),
    "splitting": Offer(lambda: splitting, (Directions, Masked), NORMS, parts=True, losses="all"),
    "sklearn": Offer(lambda: CoordinateDescent("sklearn"), (Directions,)),
    "skglm": Offer(lambda: CoordinateDescent("skglm"), (Directions,)),
}


def require_norm_of_solver(solver: str, penalty: Penalty) -> None:
    """Refuse a solver that cannot handle a penalty: that by columns is of one output at a time, where all are the same.

    Raises
    ------
    InputError: nuclear norms, and the solver weighs whole groups.
    """
    if solver != "auto" and penalty != "columns" and penalty not in OFFERS[solver].norms:
        able = [name for name, offer in OFFERS.items() if penalty in offer.norms]
        raise InputError(
            f"solver: {solver} weighs whole groups, so it takes the penalty frobenius or columns; a {penalty} one "
            f"takes {' or '.join(able)}."
        )


def require_solver(solver: str, program: Program) -> None:
    """Refuse a solver that does not take a program's loss or offset; a program of no groups says enough.

    Raises
    ------
    InputError: what it takes, and which solvers take the program.
    """
    if solver != "auto":
        _require_loss(solver, eliminated(program).program)


def _require_loss(solver: str, program: Program) -> None:
    """Refuse a solver that does not take the loss of a program without weights and offset."""
    offset, loss = isinstance(program.loss, Profiled), program.loss
    if not OFFERS[solver].takes(loss):
        able = [name for name, offer in OFFERS.items() if isinstance(program.design, offer.designs)
                and offer.takes(loss) and program.norm in (*offer.norms, "columns")]  # fmt: skip
        has = losses.called((loss.loss if isinstance(loss, Profiled) else loss).unweighted)
        raise InputError(
            f"solver: {solver} takes {TAKEN[OFFERS[solver].losses]}, and this problem has loss '{has}'"
            f"{' with an offset' if offset else ''}; take {' or '.join(able)}, or auto."
        )


def solve_program(
    program: Program, solver: str = "auto", stop: Stop = DEFAULT, *, start: Fit | None = None,
    irls: Reweighting | None = None,
) -> Fit:  # fmt: skip
    """Solve a program.

    Parameters
    ----------
    solver: behind gates "fista" (accelerated proximal gradient) or "block_coordinate" (one gate after the other), both
        over working sets, "irls" (iterative reweighting of kernels; no nuclear norm), or "auto": irls up to 2,000
        samples unless the penalty is nuclear, and fista elsewhere and where irls fails. Along directions
        "interior_point" (over a growing set of atoms), "skglm" or "sklearn" (coordinate descent), or "auto": the first
        up to 3,000 dual variables n·c, else the last; fista and irls too. Of losses but the squared one, and behind
        gates with an offset, fista takes those that are differentiable, and "splitting" (alternating directions) all;
        "auto" is then interior_point where it would be, else splitting, and fista beyond 2,000 samples.
    stop: when to stop; its steps are per output where outputs are independent.
    start: a pair of the same program at another γ.
    irls: how irls goes.

    Raises
    ------
    InputError: a solver for another design or norm, or masks that are not of zeros and ones.
    SolverFailed: "irls" where γ is too small for its kernel matrix in floating point.
    SolverUnavailable: skglm, when it is not installed.
    """
    program = _with_masks(program)
    without = eliminated(program)
    small = solver == "auto" and program.targets.size <= INTERIOR
    along = isinstance(program.design, Directions) and program.groups > 0 and (small or solver == "interior_point")
    if along and not without.program.plain:
        return _inside(program, without.program, start, stop)
    if without.program is not program:
        return without.fit(solve_program(without.program, solver, stop, start=without.start(start), irls=irls))
    if program.norm == "columns" and program.loss.separable:
        return _by_outputs(program, solver, stop, irls or Reweighting())
    nothing = np.zeros_like(program.targets)
    first = Fit(program.zero(), program.loss.residual(nothing, program.targets), program.value(program.zero(), nothing),
                program.nothing)  # fmt: skip
    if start is not None:
        given = program.pair(start.weights, start.multiplier)
        first = given if given.value < first.value else replace(first, multiplier=given.multiplier)
    if solver != "auto":
        return _solved(program, solver, first, stop, irls)
    if not program.plain:
        many = program.loss.smooth and len(program.targets) > DENSE
        return _solved(program, "fista" if many else "splitting", first, stop, irls)
    if isinstance(program.design, Directions):
        return _solved(program, "interior_point" if program.targets.size <= INTERIOR else "sklearn", first, stop, irls)
    if program.norm != "nuclear" and len(program.targets) <= DENSE:
        with contextlib.suppress(SolverFailed):
            return _solved(program, "irls", first, stop, irls)
    return _solved(program, "fista", first, stop, irls)


def _inside(program: Program, profiled: Program, start: Fit | None, stop: Stop) -> Fit:
    """Return what the interior point makes of a program of any loss; where it stalls, what splitting makes of that.

    Parameters
    ----------
    profiled: the same program with the offset in its loss.
    """
    found = interior_point(program, start, stop)
    found = profiled.pair(found.weights, found.multiplier)
    if found.gap > max(stop.tolerance, STALLED) and not stop.deadline.expired:
        found = found.better(solve_program(profiled, "splitting", stop, start=found))
    fit = polished(profiled, found, stop)
    expired = not stop.within(fit.value, fit.dual_value) and stop.deadline.expired
    return replace(fit, offset=program.offset(fit.weights), expired=expired)


def _solved(program: Program, name: str, start: Fit, stop: Stop, irls: Reweighting | None) -> Fit:
    """Return what one solver makes of a program.

    Raises
    ------
    InputError: it does not take it.
    """
    offer = OFFERS[name]
    _require_loss(name, program)
    require_norm_of_solver(name, program.norm)
    if not isinstance(program.design, offer.designs):
        raise InputError(
            f"solver: {name} takes programs over {' or '.join(kind.__name__.lower() for kind in offer.designs)}, and "
            f"this one is over {type(program.design).__name__.lower()}."
        )
    inner = irls if name == "irls" and irls is not None else offer.made()
    if not program.groups:
        return program.pair(program.zero())
    if not offer.parts:
        return inner(program, start, stop)
    fit = by_working_sets(program, inner, start, stop, offer.polish)
    return fit if name != "interior_point" else _rescued(program, fit, stop)


def _rescued(program: Program, fit: Fit, stop: Stop) -> Fit:
    """Return a better pair where the interior point has stalled."""
    if fit.gap > max(stop.tolerance, STALLED) and not stop.deadline.expired:
        largest = float(np.max(np.abs(program.targets)))
        if program.gamma < LARGER * largest:
            # Near interpolation a tiny γ breaks it down; the pair of a larger one is nearly optimal.
            larger = max(LARGER * program.gamma, RELIABLE * program.steepest(program.targets))
            found = solve_program(replace(program, gamma=larger), "interior_point", stop)
            fit = fit.better(program.pair(found.weights, found.multiplier))
    if fit.gap > max(stop.tolerance, STALLED) and not stop.deadline.expired:
        # Atoms of very different lengths stall it as well, and coordinate descent not at all.
        fit = fit.better(CoordinateDescent("sklearn")(program, fit, stop))
    return fit


def _by_outputs(program: Program, solver: str, stop: Stop, irls: Reweighting) -> Fit:
    """Return the pair of independent outputs, each solved by itself."""
    first: list[Fit] = []
    observing = irls if irls.observe is None else replace(irls, observe=first.append)
    parts, outputs = [], program.outputs
    for k in range(outputs):
        share = replace(stop, deadline=stop.deadline.fraction(1.0 / (outputs - k)))
        parts.append(solve_program(program.of_output(k), solver, share, irls=observing))
    if irls.observe is not None and len(first) == outputs:
        irls.observe(_joined(first))
    return _joined(parts)


def _joined(parts: list[Fit]) -> Fit:
    """Return the pair of all outputs from those of each."""
    return Fit(
        np.concatenate([part.weights for part in parts], axis=2),
        np.hstack([part.multiplier for part in parts]),
        sum(part.value for part in parts),
        sum(part.dual_value for part in parts),
        sum(part.iterations for part in parts),
        expired=any(part.expired for part in parts),
    )


def _with_masks(program: Program) -> Program:
    """Return the program with masks as numbers; screening is safe for zeros and ones alone.

    Raises
    ------
    InputError: other masks.
    """
    if not isinstance(program.design, Masked):
        return program
    masks = np.asarray(program.design.masks)
    if masks.dtype == np.bool_:
        return replace(program, design=replace(program.design, masks=masks.astype(np.float64)))
    wrong = masks[(masks != 0.0) & (masks != 1.0)]
    if wrong.size:
        raise InputError(f"masks hold {wrong.flat[0]}; they must hold 0 (closed) and 1 (open) alone, or truth values.")
    return program
