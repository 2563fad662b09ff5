"""Which cones, and which sectors of the outputs, a relaxation is first solved over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdprelax.base import Deadline, Floats
from sdprelax.cells import Cone, Sector, whole_space
from sdprelax.certificate import Certificate, cone_certificate
from sdprelax.exact import generate_columns
from sdprelax.lifting import LiftedProgram
from sdprelax.networks import Network
from sdprelax.problem import Problem, reduce
from sdprelax.relaxation import (
    CertifiedRelaxation,
    Splitting,
    idle_cones,
    split_by_coverage,
    split_by_strong_branching,
    split_by_violation,
)
from sdprelax.training import locally_trained, polish, random_network

__all__ = ["FEW_ROWS", "Guide", "guide", "partition", "trained_on", "within"]

# Share of the cones that the relaxation is first solved over, to see where the rest of the splits should go.
COARSE = 2 / 3
# Rows up to which cones by themselves are programs of a conic solver's.
FEW_ROWS = 100
# Most steps of the descent that ends a network whose columns were not generated to their end.
POLISHING = 20_000
# What guides strong branching: a network trained by column generation to this gap, in at most so many seconds.
GUIDE_GAP, GUIDE_WIDTH, GUIDE_SECONDS = 1e-7, 60, 30.0


@dataclass(frozen=True, eq=False)
class Guide:
    """A network trained so well that its residual can stand for the optimal one.

    Attributes
    ----------
    network: of the problem that is relaxed.
    multiplier: its dual point, shape (n, c).
    converged: whether its gap is proved to be at most GUIDE_GAP; where not, cones are judged by a dual point that may
        be farther from the optimal one.
    certificate: of the bound that was proved on the way, if one was.
    """

    network: Network
    multiplier: Floats
    converged: bool
    certificate: Certificate | None


def guide(lifting: LiftedProgram, rng: np.random.Generator, deadline: Deadline) -> Guide:
    """Train a network by column generation."""
    problem = lifting.problem
    # Its own: whatever rows are lifted, columns are generated over unit rows of which no two are parallel.
    reduction = reduce(problem)
    found = generate_columns(
        problem, reduction, start=random_network(problem, GUIDE_WIDTH, rng), tolerance=GUIDE_GAP,
        deadline=Deadline(min(GUIDE_SECONDS, 0.25 * deadline.remaining)), rng=rng,
        report=lambda best, lower, upper: None,
    )  # fmt: skip
    A, network = found.multiplier, reduction.network(found.hidden, found.output, problem)
    certificate = None if found.cover is None else cone_certificate(problem, reduction, A, cover=found.cover)
    return Guide(network, A, found.converged, certificate)


def trained_on(problem: Problem, network: Network, rng: np.random.Generator, deadline: Deadline) -> Network:
    """Return a network whose residual can be refined for, from one whose columns were not generated to their end.

    Directions that are not at their ends yet leave A above γ by as much as no split takes away. The better of what the
    network comes to by L-BFGS and of a start of its own is taken.
    """
    trained = (
        polish(problem, network, max_iterations=POLISHING, deadline=deadline), locally_trained(problem, rng, deadline),
    )  # fmt: skip
    return min(trained, key=problem.objective)


def partition(
    relaxed: CertifiedRelaxation, splitting: Splitting, count: int, sectors: Sequence[Sector], rng: np.random.Generator
) -> tuple[list[Cone], list[Cone]]:
    """Return the cones, and those that seem idle."""
    problem, reduction = relaxed.lifting.problem, relaxed.lifting.reduction
    rows, deadline, space = reduction.rows, relaxed.deadline, [whole_space(reduction.generators)]
    if count == 1 or splitting == "coverage":
        return within(split_by_coverage(rows, space, count), sectors), []
    if splitting == "violation":
        coarse = split_by_coverage(rows, space, max(1, math.ceil(COARSE * count)))
        solution, _ = relaxed.solve(coarse)
        dual = reduction.pull_back(solution.multiplier)
        cones = split_by_violation(rows, dual, coarse, solution, count)
    else:
        guided = guide(relaxed.lifting, rng, deadline)
        relaxed.best.details["guide_converged"] = guided.converged
        dual = reduction.pull_back(problem.residual(guided.network.predict(problem.X)))
        coarse = split_by_coverage(rows, space, min(4, count))
        target = problem.gamma * (1.0 + GUIDE_GAP)
        cones = split_by_strong_branching(rows, dual, coarse, count, target, deadline.fraction(0.5))
    cones = within(cones, sectors)
    return cones, idle_cones(rows, dual, cones, problem.gamma, deadline, relaxed.lifting.more)


def within(cones: list[Cone], sectors: Sequence[Sector]) -> list[Cone]:
    """Return every cone with every sector, or the cones themselves where there are no sectors."""
    return [cone.within(sector) for cone in cones for sector in sectors] or cones
