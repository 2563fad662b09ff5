"""Method ``lbfgs``: local training by a quasi-Newton method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Deadline
from sdprelax.methods import methods
from sdprelax.problem import Presolved, Problem
from sdprelax.training import (
    Incumbent,
    Outcome,
    Report,
    network_size,
    preconditioner,
    random_network,
    train,
    unreported,
)

__all__ = ["LBFGS"]


@methods.register("lbfgs")
@dataclass(frozen=True)
class LBFGS:
    """L-BFGS on p(U, V) from several random starts; an upper bound only.

    It works in the problem's units, and in coordinates of the hidden weights in which X's directions are of one length;
    an offset is trained with the weights. A loss with kinks is trained through its Moreau envelopes, smoother ones
    first (:func:`sdprelax.training.train`).

    Parameters
    ----------
    width: number of neurons at the start; those that meet are merged.
    restarts: number of random starts.
    tolerance: relative decrease of the objective in one iteration at which a start has converged; of a loss with kinks
        that of the last envelope's.
    max_iterations: most L-BFGS iterations per start; of a loss with kinks per envelope.
    init_scale: factor on the Gaussian initial weights, of standard deviation 1/√d and 1/√width in these coordinates.
    """

    proves: ClassVar[bool] = False
    version: ClassVar[int] = 2
    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    width: PositiveInt = 100
    restarts: PositiveInt = 5
    tolerance: PositiveFloat = 1e-11
    max_iterations: PositiveInt = 10_000
    init_scale: PositiveFloat = 1.0

    def size(self, problem: Problem) -> str:
        """Return the number of weights."""
        return network_size(problem, self.width)

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the best network of all starts."""
        best, objectives, converged = Incumbent(Presolved.of(problem), deadline, report), list[float](), 0
        best.offer_empty()
        scaled = best.presolved.problem
        coordinates = preconditioner(scaled)
        while len(objectives) < self.restarts and not deadline.expired:
            start = random_network(scaled, self.width, rng, self.init_scale)
            trained, ended = train(
                scaled, scaled.network(coordinates @ start.hidden, start.output), tolerance=self.tolerance,
                max_iterations=self.max_iterations, deadline=deadline,
            )  # fmt: skip
            objectives.append(best.offer(trained))
            converged += ended
        best.details = {"width": best.width, "objectives": objectives}
        return best.outcome(converged == self.restarts)
