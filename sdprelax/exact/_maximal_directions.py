"""Where a dual point attains γ: the directions of an optimal network's neurons."""

from __future__ import annotations

import numpy as np

from sdprelax.base import Floats
from sdprelax.exact._arcs import Arcs
from sdprelax.exact._branch_and_bound import BranchAndBound
from sdprelax.exact._oracle import Candidates, Oracle, value
from sdprelax.problem import Reduction

__all__ = ["maximal_directions"]

# Distance below which two directions are one.
SEPARATION = 1e-3


def maximal_directions(
    reduction: Reduction, A: Floats, above: float, near: Floats, most: int, rng: np.random.Generator
) -> Floats:
    """Return unit directions at local maxima of ‖Aᵀφ(Xu)‖ with values above a bound, the largest first, shape (r, k).

    In rank ≤ 2 all of them. Beyond that those that a local search finds, which may miss some.

    Parameters
    ----------
    reduction: generator rows of the problem, of rank r.
    A: dual point, shape (n, c).
    above: what a value must exceed.
    near: directions that are among them if they are no local maxima too, shape (r, k); none of them is returned.
    most: how many at most.
    rng: draws the starts of local ascents.
    """
    dual = reduction.pull_back(A)
    oracle: Oracle = Arcs(reduction.rows) if reduction.rank <= 2 else BranchAndBound(reduction.rows, rng)
    found = oracle.candidates(dual, above=above, near=near)
    first = Candidates(near, np.full(near.shape[1], np.inf))
    kept = first.joined(found).distinct(near.shape[1] + most, SEPARATION)
    new = kept.directions[:, np.isfinite(kept.values)]
    return Candidates.ranked(new, value(reduction.rows, dual, new), above).directions
