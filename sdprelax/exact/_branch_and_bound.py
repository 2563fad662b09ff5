"""Branch and bound for the oracle: the global maximum of ‖Bᵀ[(x̂ᵀw)₊; (−x̂ᵀw)₊]‖ over the sphere, in any small rank.

Branching is over simplicial cones of weight space, split at the hyperplanes that matter most; the bound of a cone is
the copositivity proof of ``sdprelax.certificate._cone_cover``, best first by levels. The incumbent comes from local
ascents, whose starts are rays of the arrangement, drawn at random: they lie where the hyperplanes do, which for data
in a narrow bundle is nowhere near where Gaussian directions go (docs/mathematics/exact.md).
"""

from __future__ import annotations

import math

import numpy as np

from sdprelax.base import Ball, Deadline, Floats
from sdprelax.certificate import Cover, tightest_cover
from sdprelax.exact._ascent import climb
from sdprelax.exact._oracle import Candidates

__all__ = ["BranchAndBound", "maximise"]

# Random starts of each kind for one search, and how many ascents are followed into the faces.
STARTS, FOLLOWED = 300, 300
# Ascents that end closer than this are taken for one.
SEPARATION = 1e-3


class BranchAndBound:
    """Searches and bounds one function after another, each warm-started from the one before.

    Parameters
    ----------
    rows: generator rows X̂, shape (g, r), of rank r.
    rng: draws the starts of local ascents.
    """

    def __init__(self, rows: Floats, rng: np.random.Generator) -> None:
        self.rows, self._rng = rows, rng
        self._slack = math.inf

    def candidates(self, dual: Floats, *, above: float, near: Floats) -> Candidates:
        """Return local maxima with value > ``above``; see :class:`sdprelax.exact._oracle.Oracle`."""
        starts = np.hstack([self._random_rays(), self._rng.standard_normal((self.rows.shape[1], STARTS)), near])
        starts = starts / np.linalg.norm(starts, axis=0)
        return climb(self.rows, dual, starts, above=above, count=FOLLOWED, separation=SEPARATION)

    def bound(self, dual: Ball, reached: float, accuracy: float, deadline: Deadline) -> Cover:
        """Return a proved upper bound of the maximum, within ``accuracy`` of ``reached`` if the time allows.

        What was within reach for the function before is aimed at straight away for this one.
        """
        cover = tightest_cover(self.rows, dual, reached, accuracy, deadline=deadline, first=self._slack)
        within = cover.level / max(reached, cover.reached) - 1.0
        self._slack = 0.0 if within <= 1.01 * accuracy else within
        return cover

    def _random_rays(self) -> Floats:
        """Return both signs of the rays in which random r − 1 hyperplanes meet, shape (r, 2·STARTS)."""
        g, r = self.rows.shape
        subsets = np.argsort(self._rng.random((STARTS, g)), axis=1)[:, : r - 1]
        rays = np.linalg.svd(self.rows[subsets], full_matrices=True)[2][:, -1, :].T if r > 1 else np.ones((1, 1))
        return np.hstack([rays, -rays])


def maximise(
    rows: Floats, dual: Ball, *, accuracy: float, rng: np.random.Generator, deadline: Deadline | None = None
) -> tuple[Candidates, Cover]:
    """Return the best directions found and a proved bound of the maximum.

    Parameters
    ----------
    rows: generator rows X̂, shape (g, r).
    dual: B, shape (2g, c).
    accuracy: relative distance of bound and value at which to stop.
    """
    search = BranchAndBound(rows, rng)
    found = search.candidates(dual.mid, above=0.0, near=np.zeros((rows.shape[1], 0)))
    cover = search.bound(dual, found.best, accuracy, deadline or Deadline())
    if cover.peaks.shape[1]:
        found = found.joined(climb(rows, dual.mid, cover.peaks, above=0.0, count=FOLLOWED, separation=SEPARATION))
    return found, cover
