"""Method ``lbfgs``: local training by L-BFGS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdprelax.deadline import Deadline
from sdprelax.local_training import polish, random_network
from sdprelax.methods import register
from sdprelax.methods.restarts import best_of_restarts
from sdprelax.network import Network
from sdprelax.outcome import Outcome
from sdprelax.problem import Problem

__all__ = ["LBFGS"]


@register("lbfgs")
@dataclass(frozen=True)
class LBFGS:
    """Local training of p(U, V) by L-BFGS (SciPy), the best of several random starts.

    Parameters
    ----------
    width: neurons.
    restarts: random starts.
    max_iterations: L-BFGS iterations of each.
    scale: standard deviation of the initial weights, times 1/√fan-in.
    """

    width: int = 100
    restarts: int = 5
    max_iterations: int = 2_000
    scale: float = 1.0

    def run(self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline) -> Outcome:
        """Return the best network found."""

        def train(restart: int) -> Network:
            start = random_network(problem, self.width, self.scale, rng)
            return polish(problem, start, max_iterations=self.max_iterations)

        return best_of_restarts(problem, self.restarts, deadline, train)
