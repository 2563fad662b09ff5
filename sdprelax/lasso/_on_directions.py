"""The best network along fixed hidden directions: the group lasso, by an interior point or by kernel reweighting.

An atom's activations φ_k are a gate with the entries of φ_k in place of zeros and ones, over an input of ones, so the
program is one of :mod:`sdprelax.lasso._gated_program`. Its interior point (:mod:`sdprelax.lasso._group_lasso`) factors
matrices of order n·c, reweighting those of order n, or of the number of atoms where that is less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdprelax.base import Deadline, Floats, SolverFailed
from sdprelax.lasso._fista import fista
from sdprelax.lasso._gated_program import GatedProgram
from sdprelax.lasso._group_lasso import group_lasso, in_span
from sdprelax.lasso._reweighting import reweighting
from sdprelax.lasso._working_set import by_working_sets
from sdprelax.networks import Network
from sdprelax.problem import Problem, Reduction

__all__ = ["OnDirections", "network_on_directions", "reweighted_group_lasso"]

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
    tolerance: relative gap of the group lasso over them, where n·c is below some thousands; 1e-6 beyond.
    """
    lengths = np.linalg.norm(directions, axis=0)
    unit = directions[:, lengths > 0.0] / lengths[lengths > 0.0]
    features = reduction.features(unit)
    if problem.Y.size >= MANY and features.shape[1]:
        weights, gap = reweighted_group_lasso(features, problem.Y, problem.gamma)
    else:
        solution = group_lasso(features, problem.Y, problem.gamma, tolerance=tolerance)
        weights, gap = solution.weights, solution.gap
    return OnDirections(reduction.network(unit, weights, problem).pruned(1e-9), gap)


def reweighted_group_lasso(
    features: Floats, Y: Floats, gamma: float, tolerance: float = TOLERANCE
) -> tuple[Floats, float]:
    """Return W, shape (K, c), of least ½‖ΦW − Y‖² + γΣ_k‖W_k‖ and its relative duality gap.

    Parameters
    ----------
    features: activations Φ, shape (n, K), K ≥ 1; Y: targets, shape (n, c).
    """
    atoms, beyond = features.shape[1], 0.0
    if atoms < len(features):
        _, features, Y, rest = in_span(features, Y)
        beyond = 0.5 * float(np.sum(rest**2))
    program = GatedProgram(np.ones((len(Y), 1)), features, Y, gamma)
    try:
        fit = reweighting(
            program, np.full(atoms, 1.0 / atoms), tolerance=tolerance, max_iterations=STEPS, deadline=Deadline()
        )
    except SolverFailed:
        fit = by_working_sets(program, fista, tolerance=tolerance, max_iterations=PROXIMAL, deadline=Deadline())
    return fit.weights[:, 0, :].T, (fit.value - fit.dual_value) / max(fit.value + beyond, np.finfo(float).tiny)
