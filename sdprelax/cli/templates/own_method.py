"""Method ``own_method``: random neurons, each as long as its output weights; change ``run`` to your own training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import PositiveInt

import sdprelax
from sdprelax.methods import methods


@methods.register("own_method")
@dataclass(frozen=True)
class OwnMethod:
    """Random neurons whose output weights are fitted by ridge regression.

    Parameters
    ----------
    neurons: how many are drawn.
    """

    neurons: PositiveInt = 20

    # There is never a lower bound.
    proves: ClassVar[bool] = False

    def run(
        self, problem: sdprelax.Problem, *, rng: np.random.Generator, deadline: sdprelax.Deadline, report: object = None
    ) -> sdprelax.Outcome:
        """Return the network and its objective, which is an upper bound."""
        hidden = rng.standard_normal((problem.X.shape[1], self.neurons))
        features = problem.activation.apply(problem.X @ hidden)
        normal = features.T @ features + problem.gamma * np.eye(self.neurons)
        output = np.linalg.solve(normal, features.T @ problem.Y)
        # max(t·x, 0)/t is the same for all t > 0: the penalty is least where both sides are equally long.
        factor = np.sqrt(np.linalg.norm(output, axis=1) / np.linalg.norm(hidden, axis=0))
        network = problem.network(hidden * factor, output / factor[:, None])
        return sdprelax.Outcome(upper=problem.upper_bound(network), network=network, seconds=deadline.elapsed)
