"""γ by cross-validation, on sufficient statistics of folds: no pass over the samples beyond the first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sdprelax.base import Deadline
from sdprelax.lasso._alternating import StatisticsProgram, alternating
from sdprelax.lasso._program import Fit, Stop
from sdprelax.lasso._statistics import Statistics, total
from sdprelax.problem.norms import Penalty

__all__ = ["best_share", "largest_gamma"]

# Shares of the largest γ that are tried, and the gap and steps at which each fit stops.
SHARES, ROUGH, MOST = tuple(10.0 ** (-k / 2) for k in range(2, 13)), 1e-3, 200
# Errors that differ by less, relatively, are the same.
SAME = 0.01


def largest_gamma(statistics: Statistics, penalty: Penalty) -> float:
    """Return the least γ at which all weights are zero."""
    return StatisticsProgram(1.0, penalty, statistics).largest_gamma


def best_share(
    parts: list[Statistics], penalty: Penalty, *, deadline: Deadline | None = None, shares: Sequence[float] = SHARES
) -> tuple[float, list[float]]:
    """Return γ as a share of the largest that predicts held-out parts best, and the squared error at every share tried.

    A path of every fold begins at the largest share, each solution starting the next, and ends where the error of all
    folds has not fallen twice. Of shares with the same error, to a hundredth, the largest is taken.

    Parameters
    ----------
    parts: statistics of the folds, at least two of them with samples.
    """
    filled = [part for part in parts if part.count]
    everything, stop = total(filled), Stop(ROUGH, steps=MOST, deadline=deadline or Deadline())
    gamma = largest_gamma(everything, penalty)
    rests = [everything.without(part) for part in filled]
    fits: list[Fit | None] = [None] * len(filled)
    errors: list[float] = []
    for share in shares:
        error = 0.0
        for k, (part, rest) in enumerate(zip(filled, rests, strict=True)):
            # What is lost by having fewer samples is no reason for more shrinkage.
            program = StatisticsProgram(share * gamma * rest.count / everything.count, penalty, rest)
            fits[k] = fit = alternating(program, fits[k], stop)
            error += 2.0 * part.loss(fit.weights)
        errors.append(error)
        if len(errors) > 2 and all(later > (1.0 - SAME) * sooner for sooner, later in pairwise(errors[-3:])):
            break
    return shares[int(np.argmax(np.array(errors) <= (1.0 + SAME) * min(errors)))], errors
