"""The best network along fixed hidden directions: an interior point, or iterative reweighting of the atoms' kernels.

The interior point factors matrices of order n·c, reweighting those of order n, or of the number of atoms where that is
less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sdprelax.base import Floats, SolverFailed
from sdprelax.lasso._designs import Directions
from sdprelax.lasso._interior_point import in_span, interior_point
from sdprelax.lasso._program import Fit, Program, Stop
from sdprelax.lasso._solve import solve_program
from sdprelax.networks import Network
from sdprelax.problem import Problem, Reduction

__all__ = ["OnDirections", "network_on_directions", "reweighted"]

# Dual variables n·c from which on kernels are reweighted, and the relative gap that they then end at.
MANY, TOLERANCE = 4_000, 1e-6
# Most kernel ridge regressions, and proximal steps where γ is too small for them.
STEPS, PROXIMAL = 500, 3_000


@dataclass(frozen=True, eq=False)
class OnDirections:
    """A network along given hidden directions.

    Parameters
    ----------
    network: the network.
    gap: relative duality gap, in floating point, of the program that chose its output weights.
    """

    network: Network
    gap: float


def network_on_directions(
    problem: Problem, reduction: Reduction, directions: Floats, *, tolerance: float = 1e-7
) -> OnDirections:
    """Return the best network whose hidden weights lie along given directions.

    Parameters
    ----------
    directions: reduced hidden weights of any length, shape (r, k); zero ones are left out.
    tolerance: relative gap of the program over them; of the squared loss 1e-6 where n·c is beyond some thousands.
    """
    lengths = np.linalg.norm(directions, axis=0)
    unit = directions[:, lengths > 0.0] / lengths[lengths > 0.0]
    program = Program.of(problem, Directions(reduction.features(unit)))
    if problem.Y.size >= MANY and program.groups and program.plain:
        fit = reweighted(program)
    else:
        fit = interior_point(program, None, Stop(tolerance))
    return OnDirections(reduction.network(unit, fit.weights[:, 0], problem).pruned(1e-9), fit.gap)


def reweighted(program: Program, tolerance: float = TOLERANCE) -> Fit:
    """Return the pair of a program along directions, one at least, that reweighting ends at.

    Its multiplier is that of the program in the atoms' span, where that is smaller.
    """
    assert isinstance(program.design, Directions)
    features, beyond = program.design.features, 0.0
    if program.groups < len(features):
        _, features, targets, rest = in_span(features, program.targets)
        program = replace(program, design=Directions(features), targets=targets)
        beyond = program.loss.value(rest, np.zeros_like(rest))
    try:
        fit = solve_program(program, "irls", Stop(tolerance, steps=STEPS))
    except SolverFailed:
        fit = solve_program(program, "fista", Stop(tolerance, steps=PROXIMAL))
    return replace(fit, value=fit.value + beyond, dual_value=fit.dual_value + beyond)
