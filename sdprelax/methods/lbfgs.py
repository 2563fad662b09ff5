"""Method ``lbfgs``: local training by a quasi-Newton method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from sdprelax.deadline import Deadline
from sdprelax.local_training import BestNetwork, network_size, polish, random_network
from sdprelax.methods import register
from sdprelax.outcome import Outcome, Report, unreported
from sdprelax.problem import Problem

__all__ = ["LBFGS"]


@register("lbfgs")
@dataclass(frozen=True)
class LBFGS:
    """L-BFGS on p(U, V) from several random starts; an upper bound only.

    Parameters
    ----------
    width: number of neurons at the start; those that meet are merged.
    restarts: number of random starts.
    max_iterations: most L-BFGS iterations per start.
    init_scale: factor on the Gaussian initial weights, of standard deviation 1/√d and 1/√width.
    """

    proves: ClassVar[bool] = False

    width: PositiveInt = 100
    restarts: PositiveInt = 5
    max_iterations: PositiveInt = 2000
    init_scale: PositiveFloat = 1.0

    def size(self, problem: Problem) -> str:
        """Return the number of weights."""
        return network_size(problem, self.width)

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the best network of all starts."""

        best, objectives = BestNetwork(problem, deadline, report), list[float]()
        while len(objectives) < self.restarts and not deadline.expired:
            start = random_network(problem, self.width, rng, self.init_scale)
            trained = polish(problem, start, max_iterations=self.max_iterations, deadline=deadline)
            objectives.append(best.offer(trained))
        return best.outcome(objectives)
