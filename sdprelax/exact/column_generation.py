"""Exact training for vector outputs in small rank: column generation with an oracle.

The dual max ⟨A, Y⟩ − ½‖A‖² subject to ‖Aᵀ(Xu)₊‖ ≤ γ‖u‖ has one constraint per direction. The master
problem keeps some directions (a group lasso, solved to the accuracy that the gap deserves); the oracle adds
those that A violates most. Two oracles: faces around the rays of the arrangement, fast and
unproved, supply directions in bulk; the cover of weight space by cones proves how far A is from
feasible, and so gives a rigorous bound, and finds what the first one missed
(docs/mathematics.md section 4.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdprelax.certificate.cone_cover import Cover, cover_sphere
from sdprelax.certificate.verify import pulled_back
from sdprelax.deadline import Deadline
from sdprelax.exact.arrangement import Arrangement, Candidates, value
from sdprelax.group_lasso import group_lasso
from sdprelax.problem import Problem
from sdprelax.reduction import Reduction
from sdprelax.verified import Floats

__all__ = ["ColumnGeneration", "generate_columns"]

# Rays looked around in one call of the fast oracle, directions added from it, and their least distance.
RAYS, ADDED, SEPARATION = 3000, 200, 1e-3
# The cover is called once the fast oracle's own estimate of the gap is below this.
PROVE_BELOW = 1e-3


@dataclass(frozen=True, eq=False)
class ColumnGeneration:
    """The best pair found.

    Attributes
    ----------
    hidden: reduced hidden weights, unit columns (r, m); output: output weights (m, c).
    multiplier: the dual point A of the best lower bound, shape (n, c).
    cover: the complete cover of ``multiplier``, or None when the time was up before one was made.
    iterations: master problems solved; atoms: directions in the last of them.
    converged: whether the tolerance was reached.
    """

    hidden: Floats
    output: Floats
    multiplier: Floats
    cover: Cover | None
    iterations: int
    atoms: int
    converged: bool


def generate_columns(
    problem: Problem,
    reduction: Reduction,
    *,
    tolerance: float,
    deadline: Deadline,
    rng: np.random.Generator,
    report: Callable[[ColumnGeneration, float, float], None],
) -> ColumnGeneration:
    """Train to a relative duality gap of ``tolerance``, or until the deadline.

    Parameters
    ----------
    report: called after every iteration with the best pair so far and floating-point estimates of (lower, upper).
    """
    arrangement = Arrangement(reduction.rows)
    gamma, Y = problem.gamma, problem.Y
    atoms = rng.standard_normal((reduction.rank, 100))
    atoms /= np.linalg.norm(atoms, axis=0)
    A: Floats | None = None
    gap = 1.0
    best_upper, best_lower = np.inf, 0.0
    best_estimate = -np.inf
    network = (atoms[:, :0], np.zeros((0, Y.shape[1])))
    proved: tuple[Floats, Cover | None] = (np.zeros_like(Y), None)
    iteration = 0
    while True:
        iteration += 1
        # Once the atoms stop improving the bound, the master's own accuracy must not be what is left.
        accuracy = max(min(1e-4, gap / 20.0), 0.05 * tolerance)
        master = group_lasso(reduction.features(atoms), Y, gamma, tolerance=accuracy, start=A, deadline=deadline)
        A = master.multiplier
        used = np.linalg.norm(master.weights, axis=1)
        live = used > 1e-9 * np.max(used, initial=0.0)
        if master.value < best_upper:
            best_upper = master.value
            network = (atoms[:, live], master.weights[live])
        atoms = atoms[:, live]
        dual = reduction.pull_back(A)
        fast = arrangement.candidates(dual, above=gamma * (1.0 + 0.1 * tolerance), rays=RAYS)
        reached = max(gamma, float(np.max(fast.values, initial=0.0)))
        estimate = problem.dual_value(A * (gamma / reached))
        found = [fast.distinct(ADDED, SEPARATION)]
        if best_upper - estimate <= max(PROVE_BELOW * best_upper, 0.1 * tolerance) or len(fast.values) == 0:
            slack = 0.05 * max(tolerance, min(gap, 1e-3))
            cover = cover_sphere(
                reduction.rows,
                pulled_back(reduction, A),
                reached * (1.0 + slack),
                deadline=deadline.fraction(0.5),
            )
            lower = problem.dual_value(A * min(1.0, gamma / cover.bound))
            if cover.complete and lower > best_lower:
                best_lower, proved = lower, (A, cover)
            found.append(_peaks(reduction, dual, cover, gamma * (1.0 + 0.1 * tolerance)))
        elif proved[1] is None and estimate > best_estimate:
            best_estimate, proved = estimate, (A, None)
        gap = (best_upper - (best_lower or estimate)) / best_upper
        converged = bool(best_lower > 0.0 and gap <= tolerance)
        best = ColumnGeneration(*network, proved[0], proved[1], iteration, atoms.shape[1], converged)
        report(best, best_lower or estimate, best_upper)
        new = [candidates.directions for candidates in found if len(candidates.values)]
        if converged or deadline.expired:
            break
        if not new and accuracy <= 0.05 * tolerance:
            break
        if not new:
            gap = min(gap, tolerance)
        atoms = np.hstack([atoms, *new])
    return best


def _peaks(reduction: Reduction, dual: Floats, cover: Cover, above: float) -> Candidates:
    """Return the directions above γ that the cover met, best first and apart from each other."""
    heights = value(reduction.rows, dual, cover.peaks)
    order = np.argsort(-heights)
    order = order[heights[order] > above][:2000]
    return Candidates(cover.peaks[:, order], heights[order]).distinct(ADDED, SEPARATION)
