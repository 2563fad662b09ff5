"""Methods ``sgd`` and ``adam``: local training with PyTorch, as in the comparison of
Prakhya, Birdal and Yurtsever 2025 ("P25")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import pydantic
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Deadline, Floats, optional
from sdprelax.methods import methods
from sdprelax.networks import Network
from sdprelax.problem import Presolved, Problem, Units
from sdprelax.training import Incumbent, Outcome, Report, network_size, random_network, unreported

__all__ = ["SGD", "Adam", "Plateau"]

# How often on the way the best networks so far are looked at.
LOOKS = 20


class Plateau:
    """P25's schedule for several runs at once: PyTorch's ``ReduceLROnPlateau(factor=0.5, patience=100)`` for each.

    Parameters
    ----------
    rate: learning rate that every run starts with.
    runs: how many.
    """

    FACTOR, PATIENCE, THRESHOLD, LEAST_CHANGE = 0.5, 100, 1e-4, 1e-8

    def __init__(self, rate: float, runs: int) -> None:
        self.rates: Floats = np.full(runs, rate)
        self._best, self._bad = np.full(runs, np.inf), np.zeros(runs, dtype=np.int64)

    def step(self, values: Floats) -> bool:
        """Take in every run's objective after an epoch; say whether some rate has changed."""
        better = values < self._best * (1.0 - self.THRESHOLD)
        self._best = np.where(better, values, self._best)
        self._bad = np.where(better, 0, self._bad + 1)
        tired = self._bad > self.PATIENCE
        self._bad[tired] = 0
        lower = np.where(tired, self.FACTOR * self.rates, self.rates)
        changed = self.rates - lower > self.LEAST_CHANGE
        self.rates = np.where(changed, lower, self.rates)
        return bool(np.any(changed))


def _train(
    problem: Problem,
    starts: list[Network],
    optimiser: Callable[[list[Any]], Any],
    rate: float,
    epochs: int,
    deadline: Deadline,
    free: bool = False,
) -> Iterator[tuple[list[Network], bool]]:
    """Yield the best iterates of full-batch training from several starts now and then, and at the end.

    Beside them: whether all epochs were run and no run has diverged.

    With ``free`` the last row of the hidden weights, biases, costs nothing. Of a loss with kinks a step follows some
    subgradient, so that runs come near a minimum and do not settle in it. The runs are independent and go side by side
    in one tensor: at these sizes most of an epoch is the overhead of calling PyTorch. A step of ``optimiser`` at
    learning rate 1 is scaled by each run's own rate.
    """  # fmt: skip
    torch = optional("torch")
    inputs, targets = torch.tensor(problem.inputs), torch.tensor(problem.Y)
    weights = [torch.tensor(np.stack(part)) for part in ([s.hidden for s in starts], [s.output for s in starts])]
    if problem.offset:
        weights.append(torch.tensor(np.array([start.offset for start in starts]))[:, None])
    hidden, output, *offset = weights
    costly = hidden[:, :-1] if free else hidden
    steps, schedule = optimiser(weights), Plateau(rate, len(starts))
    rates = torch.tensor(schedule.rates)[:, None, None]
    best, best_values, values = [part.clone() for part in weights], np.full(len(starts), np.inf), np.zeros(len(starts))

    def networks() -> list[Network]:
        parts = zip(*(part.numpy() for part in best), strict=True)
        return [problem.network(U, V, *(t[0] for t in rest)).balanced() for U, V, *rest in parts]

    with torch.no_grad():
        for epoch in range(epochs):
            if epoch % 100 == 0 and deadline.expired:
                break
            if epoch % max(1, epochs // LOOKS) == 0 and epoch:
                yield networks(), False
            inner = inputs @ hidden
            active = problem.activation.tensor(inner)
            predictions = sum(offset, active @ output)
            loss, A = problem.loss.tensor_and_residual(predictions, targets)
            penalty = 0.5 * problem.gamma * sum((part**2).sum(dim=(1, 2)) for part in (costly, output))
            if problem.offset_decay:
                penalty = penalty + 0.5 * problem.offset_decay * (offset[0] ** 2).sum(dim=(1, 2))
            values = (loss + penalty).numpy()
            improved = values < best_values  # not where a run has diverged
            if improved.any():
                chosen = torch.from_numpy(improved)[:, None, None]
                best = [torch.where(chosen, now, old) for now, old in zip(weights, best, strict=True)]
                best_values = np.where(improved, values, best_values)
            hidden.grad = problem.gamma * hidden - inputs.T @ ((A @ output.mT) * problem.activation.gradient(inner))
            if free:
                hidden.grad[:, -1] -= problem.gamma * hidden[:, -1]
            output.grad = problem.gamma * output - active.mT @ A
            for t in offset:
                t.grad = problem.offset_decay * t - A.sum(dim=1, keepdim=True)
            before = [part.clone() for part in weights]
            steps.step()
            for part, old in zip(weights, before, strict=True):
                torch.lerp(old, part, rates, out=part)
            if schedule.step(values):
                rates = torch.tensor(schedule.rates)[:, None, None]
        else:
            yield networks(), bool(np.all(np.isfinite(values)))
            return
    yield networks(), False


@dataclass(frozen=True)
class _FullBatch:
    """What full-batch training has in common, whichever optimiser makes the steps."""

    proves: ClassVar[bool] = False
    # The second is what PyTorch imports, for seconds, when its first optimiser is made.
    libraries: ClassVar[tuple[str, ...]] = ("torch", "torch._dynamo")
    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    width: PositiveInt = 100
    restarts: PositiveInt = 5
    epochs: PositiveInt = 10_000
    learning_rate: PositiveFloat = 1e-3
    init_scale: PositiveFloat = 1.0

    def _presolved(self, problem: Problem) -> Presolved:
        # The units of free biases are such that they cost next to nothing; here they cost nothing.
        return Presolved.of(problem) if problem.penalise_bias else Presolved(Units(problem))

    def _optimiser(self, weights: list[Any]) -> Any:
        """Return PyTorch's optimiser of the weights, at learning rate 1."""
        raise NotImplementedError

    def size(self, problem: Problem) -> str:
        """Return the number of weights."""
        return network_size(problem, self.width)

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the best network found."""
        best, objectives, converged = Incumbent(self._presolved(problem), deadline, report), list[float](), False
        best.offer_empty()
        scaled = best.presolved.problem
        starts = [random_network(scaled, self.width, rng, self.init_scale) for _ in range(self.restarts)]
        free = not problem.penalise_bias
        for networks, ended in _train(scaled, starts, self._optimiser, self.learning_rate, self.epochs, deadline, free):
            objectives, converged = [best.offer(network) for network in networks], ended
        best.details = {"width": best.width, "objectives": objectives}
        return best.outcome(converged)


@methods.register("sgd")
@dataclass(frozen=True)
class SGD(_FullBatch):
    """Local training by full-batch gradient descent with momentum and a plateau schedule (P25's rival).

    Parameters
    ----------
    width: neurons; P25 used 5, 10, 100, 200 and 300, and 300 on real data.
    restarts: random starts.
    epochs: steps of each; P25 used 500,000 (random), 8,000 (spiral), 2,000,000 (Iris) and 3,000,000 (Pima).
    learning_rate: P25 used 1e-5 (random), 1e-2 (spiral), 1e-6 (Iris, Pima).
    init_scale: factor on the Gaussian initial weights, of standard deviation 1/√d and 1/√width.
    momentum: P25 used 0.95.
    """

    momentum: Annotated[float, pydantic.Field(ge=0.0, lt=1.0)] = 0.95

    def _presolved(self, problem: Problem) -> Presolved:
        # P25's learning rates are those of the data as given.
        return Presolved(Units(problem))

    def _optimiser(self, weights: list[Any]) -> Any:
        return optional("torch").optim.SGD(weights, lr=1.0, momentum=self.momentum)


@methods.register("adam")
@dataclass(frozen=True)
class Adam(_FullBatch):
    """Local training by full-batch Adam with a plateau schedule, in the problem's units.

    Parameters
    ----------
    width: neurons.
    restarts: random starts.
    epochs: steps of each.
    learning_rate: initial step, in the units.
    init_scale: factor on the Gaussian initial weights, of standard deviation 1/√d and 1/√width.
    """

    version: ClassVar[int] = 2

    learning_rate: PositiveFloat = 1e-2

    def _optimiser(self, weights: list[Any]) -> Any:
        return optional("torch").optim.Adam(weights, lr=1.0)
