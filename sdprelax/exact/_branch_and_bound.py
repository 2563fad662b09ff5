"""Branch and bound for the oracle: the global maximum of ‖Bᵀ[(x̂ᵀw)₊; (−x̂ᵀw)₊]‖ over the sphere, in any small rank.

Branching is over simplicial cones of weight space, split at the hyperplanes that matter most; the bound of a cone is
the copositivity proof of ``sdprelax.certificate._cone_cover``, best first by levels. The incumbent comes from local
ascents, whose starts are next to what was good before and at rays of the arrangement, drawn at random: they lie where
the hyperplanes do, which for data in a narrow bundle is nowhere near where Gaussian directions go
(docs/mathematics/exact.md).
"""

from __future__ import annotations

import math

import numpy as np

from sdprelax.base import Ball, Deadline, Floats
from sdprelax.certificate import Cover, tightest_cover
from sdprelax.exact._ascent import climb
from sdprelax.exact._oracle import Candidates

__all__ = ["BranchAndBound", "maximise"]

# Random starts of each kind for one search (rays: of either sign), and how many ascents are followed into the faces.
STARTS, FOLLOWED = 150, 300
# Copies of every direction that was good before, and the standard deviation by which their components are moved: next
# to atoms lie most of the maxima that are missed.
COPIES, SPREAD = 4, 0.1
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
        r = self.rows.shape[1]
        around = np.repeat(near, COPIES, axis=1)
        around = around + SPREAD * self._rng.standard_normal(around.shape)
        gaussian = self._rng.standard_normal((r, STARTS))
        starts = np.hstack([self._random_rays(dual), gaussian, near, around])
        starts = starts / np.linalg.norm(starts, axis=0)
        return climb(self.rows, dual, starts, above=above, count=FOLLOWED, separation=SEPARATION)

    def bound(self, dual: Ball, reached: float, accuracy: float, deadline: Deadline, above: float = math.inf) -> Cover:
        """Return a proved upper bound of the maximum, within ``accuracy`` of ``reached`` if the time allows.

        What was within reach for the function before is aimed at straight away for this one. Peaks are directions of
        larger value than ``above``, or than what is aimed at.
        """
        cover = tightest_cover(self.rows, dual, reached, accuracy, deadline=deadline, first=self._slack, above=above)
        within = cover.level / max(reached, cover.reached) - 1.0
        self._slack = 0.0 if within <= 1.01 * accuracy else within
        return cover

    def _random_rays(self, dual: Floats) -> Floats:
        """Return both signs of rays in which random r − 1 hyperplanes meet, shape (r, 2·STARTS).

        Those at which the gradient jumps most are drawn most often.
        """
        g, r = self.rows.shape
        if r == 1:
            return np.array([[1.0, -1.0]])
        # Squares of tiny numbers underflow; where there is no jump any hyperplane is as good as another.
        size = float(np.max(np.abs(dual), initial=0.0))
        jumps = np.linalg.norm((dual[:g] + dual[g:]) / (size or 1.0), axis=1)
        jumps = jumps if np.any(jumps > 0.0) else np.ones(g)
        # The largest of log p + Gumbel noise are drawn with probabilities p, without replacement.
        keys = 2.0 * np.log(jumps + 1e-3 * np.max(jumps)) + self._rng.gumbel(size=(STARTS, g))
        subsets = np.argpartition(-keys, r - 2, axis=1)[:, : r - 1]
        rays = np.linalg.svd(self.rows[subsets], full_matrices=True)[2][:, -1, :].T
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
