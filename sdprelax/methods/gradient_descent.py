"""Methods ``sgd`` and ``adam``: local training with PyTorch, as P25's comparison runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pydantic
from pydantic import PositiveFloat, PositiveInt

from sdprelax.deadline import Deadline
from sdprelax.errors import SolverUnavailable
from sdprelax.local_training import network_size, random_network, train_with_restarts
from sdprelax.methods import register
from sdprelax.network import Network
from sdprelax.outcome import Outcome, Report, unreported
from sdprelax.problem import Problem

__all__ = ["SGD", "Adam"]


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise SolverUnavailable('PyTorch is not installed: pip install "sdprelax[torch]".') from None
    return torch


def _train(
    problem: Problem, start: Network, optimiser: Callable[[list[Any]], Any], epochs: int, deadline: Deadline
) -> Network:
    """Return the best iterate of full-batch training with P25's plateau schedule."""
    torch = _torch()
    inputs, targets = torch.tensor(problem.inputs), torch.tensor(problem.Y)
    hidden = torch.tensor(start.hidden, requires_grad=True)
    output = torch.tensor(start.output, requires_grad=True)
    steps = optimiser([hidden, output])
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(steps, factor=0.5, patience=100)
    best, best_value = start, problem.objective(start)
    for epoch in range(epochs):
        if epoch % 100 == 0 and deadline.expired:
            break
        steps.zero_grad()
        residual = torch.relu(inputs @ hidden) @ output - targets
        loss = 0.5 * (residual**2).sum() + 0.5 * problem.gamma * ((hidden**2).sum() + (output**2).sum())
        value = float(loss.detach())
        if not np.isfinite(value):
            break
        if value < best_value:
            best_value = value
            best = Network(hidden.detach().numpy(), output.detach().numpy(), problem.bias)
        loss.backward()
        steps.step()
        schedule.step(value)
    return best.balanced()


@register("sgd")
@dataclass(frozen=True)
class SGD:
    """Local training by full-batch gradient descent with momentum and a plateau schedule (P25's rival).

    Parameters
    ----------
    width: neurons.
    restarts: random starts.
    epochs: steps of each.
    learning_rate: P25 used 1e-5 (random), 1e-2 (spiral), 1e-6 (Iris).
    momentum: P25 used 0.95.
    init_scale: factor on the Gaussian initial weights, of standard deviation 1/√d and 1/√width.
    """

    width: PositiveInt = 100
    restarts: PositiveInt = 5
    epochs: PositiveInt = 10_000
    learning_rate: PositiveFloat = 1e-3
    momentum: Annotated[float, pydantic.Field(ge=0.0, lt=1.0)] = 0.95
    init_scale: PositiveFloat = 1.0

    def size(self, problem: Problem) -> str:
        """Return the number of weights."""
        return network_size(problem, self.width)

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the best network found."""
        torch = _torch()

        def optimiser(weights: list[Any]) -> Any:
            return torch.optim.SGD(weights, lr=self.learning_rate, momentum=self.momentum)

        def train() -> Network:
            start = random_network(problem, self.width, rng, self.init_scale)
            return _train(problem, start, optimiser, self.epochs, deadline)

        return train_with_restarts(problem, self.restarts, deadline, train, report)


@register("adam")
@dataclass(frozen=True)
class Adam:
    """Local training by full-batch Adam with a plateau schedule.

    Parameters
    ----------
    width: neurons.
    restarts: random starts.
    epochs: steps of each.
    learning_rate: initial step.
    init_scale: factor on the Gaussian initial weights, of standard deviation 1/√d and 1/√width.
    """

    width: PositiveInt = 100
    restarts: PositiveInt = 5
    epochs: PositiveInt = 10_000
    learning_rate: PositiveFloat = 1e-2
    init_scale: PositiveFloat = 1.0

    def size(self, problem: Problem) -> str:
        """Return the number of weights."""
        return network_size(problem, self.width)

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the best network found."""
        torch = _torch()

        def optimiser(weights: list[Any]) -> Any:
            return torch.optim.Adam(weights, lr=self.learning_rate)

        def train() -> Network:
            start = random_network(problem, self.width, rng, self.init_scale)
            return _train(problem, start, optimiser, self.epochs, deadline)

        return train_with_restarts(problem, self.restarts, deadline, train, report)
