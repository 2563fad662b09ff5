"""The oracle of exact training: where is ‖Bᵀ[(x̂ᵀw)₊; (−x̂ᵀw)₊]‖ large on the unit sphere?

An oracle proposes directions, in floating point; how large the function can be at most is proved by
``sdprelax.certificate._cone_cover``, which shares nothing with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.spatial import KDTree

from sdprelax.base import Floats
from sdprelax.networks import twins

__all__ = ["Candidates", "Oracle", "value"]


def value(rows: Floats, dual: Floats, directions: Floats) -> Floats:
    """Return ‖Bᵀ[(x̂ᵀw)₊; (−x̂ᵀw)₊]‖, shape (k,), for directions w, shape (r, k), and B, shape (2g, c)."""
    norms: Floats = np.linalg.norm(dual.T @ twins(rows @ directions), axis=0)
    return norms


@dataclass(frozen=True, eq=False)
class Candidates:
    """Directions of large oracle value, best first: unit columns (r, k) and their values (k,)."""

    directions: Floats
    values: Floats

    @staticmethod
    def ranked(directions: Floats, values: Floats, above: float = 0.0) -> Candidates:
        """Return those of the given directions with value > ``above``, best first."""
        order = np.argsort(-values)
        order = order[values[order] > above]
        return Candidates(directions[:, order], values[order])

    @property
    def best(self) -> float:
        """The largest value, 0 if there is none."""
        return float(np.max(self.values, initial=0.0))

    def joined(self, other: Candidates) -> Candidates:
        """Return both sets as one."""
        return Candidates.ranked(
            np.hstack([self.directions, other.directions]), np.concatenate([self.values, other.values])
        )

    def distinct(self, count: int, separation: float) -> Candidates:
        """Return at most ``count`` of them, no two within the Euclidean distance ``separation``."""
        if len(self.values) == 0:
            return self
        tree = KDTree(self.directions.T)
        free = np.ones(len(self.values), dtype=bool)
        kept: list[int] = []
        for k in range(len(self.values)):
            if len(kept) == count:
                break
            if free[k]:
                kept.append(k)
                free[tree.query_ball_point(self.directions[:, k], separation)] = False
        return Candidates(self.directions[:, kept], self.values[kept])


class Oracle(Protocol):
    """Finds directions of large value."""

    def candidates(self, dual: Floats, *, above: float, near: Floats) -> Candidates:
        """Return local maxima of ‖Bᵀa(w)‖ with value > ``above``, best first.

        Parameters
        ----------
        dual: B, shape (2g, c).
        above: what a candidate's value must exceed.
        near: unit directions (r, k) that were good for a similar B.
        """
        ...
