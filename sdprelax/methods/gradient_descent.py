"""Methods ``sgd`` and ``adam``: local training by full-batch steps, as in the comparison of
Prakhya, Birdal and Yurtsever 2025 ("P25")."""

from __future__ import annotations

import json
import math
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pydantic
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Checkpoint, Deadline, Floats
from sdprelax.methods import methods
from sdprelax.networks import Network
from sdprelax.problem import Presolved, Problem, Squared, Units
from sdprelax.training import (
    Incumbent,
    Outcome,
    Report,
    network_size,
    objective_and_gradient,
    random_network,
    unreported,
)

__all__ = ["SGD", "Adam", "Plateau"]

# How often on the way the best networks so far are looked at.
LOOKS = 20
# Most epochs of a run before the next one has its turn.
STRETCH = 100


class Plateau:
    """P25's schedule: PyTorch's ``ReduceLROnPlateau(factor=0.5, patience=100)``.

    Parameters
    ----------
    rate: learning rate to start with.
    best, bad: the least objective so far, and the number of epochs since.
    """

    FACTOR, PATIENCE, THRESHOLD, LEAST_CHANGE = 0.5, 100, 1e-4, 1e-8

    def __init__(self, rate: float, best: float = math.inf, bad: int = 0) -> None:
        self.rate, self.best, self.bad = rate, best, bad

    def step(self, value: float) -> None:
        """Take in the objective after an epoch."""
        if value < self.best * (1.0 - self.THRESHOLD):
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.bad > self.PATIENCE:
            self.bad = 0
            lower = self.FACTOR * self.rate
            if self.rate - lower > self.LEAST_CHANGE:
                self.rate = lower


class _Run:
    """One run: where it is, the least objective that it has met and where, and what its optimiser remembers.

    Of a loss with kinks a step follows some subgradient, so that runs come near a minimum and do not settle in it.

    Parameters
    ----------
    problem: the training problem; where its biases are free, the last row of the hidden weights costs nothing.
    start: the network to start from.
    method: whose steps are taken.
    """

    # What a checkpoint holds of it.
    ARRAYS = ("weights", "memory", "best", "numbers")

    def __init__(self, problem: Problem, start: Network, method: _FullBatch) -> None:
        parts = [start.hidden, start.output]
        if start.offset is not None and problem.offset:
            parts.append(start.offset)
        self.problem, self.method, self.shapes = problem, method, [part.shape for part in parts]
        self.weights = np.concatenate([part.ravel() for part in parts])
        self.memory = np.zeros((method.remembered, len(self.weights)))
        self.best, self.best_value, self.value = self.weights.copy(), math.inf, math.inf
        self.epoch, self.schedule = 0, Plateau(method.learning_rate)

    def split(self, weights: Floats) -> list[Floats]:
        """Return the views U, V and, where there is one, t."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(weights, ends), self.shapes, strict=True)]

    def go(self, until: int, room: Floats, deadline: Deadline) -> bool:
        """Run up to an epoch, and say whether it came so far before the deadline."""
        problem, weights, step = self.problem, self.weights, np.empty_like(self.weights)
        (hidden, output, *offset), free = self.split(weights), not problem.penalise_bias
        t, biases, in_biases = offset[0] if offset else None, hidden[-1], self.split(step)[0][-1]
        while self.epoch < until:
            if deadline.expired:
                return False
            self.value, *gradients = objective_and_gradient(problem, hidden, output, t, room=room)
            np.concatenate([part.ravel() for part in gradients if part is not None], out=step)
            if free:
                self.value -= problem.gamma * Squared.of_sums(biases @ biases)
                in_biases -= problem.gamma * biases
            if self.value < self.best_value:  # not where the run has diverged
                self.best[:], self.best_value = weights, self.value
            self.epoch += 1
            self.method.step(step, self.memory, self.epoch)
            step *= self.schedule.rate
            weights -= step
            self.schedule.step(self.value)
        return True

    @property
    def network(self) -> Network:
        """The best network so far."""
        return self.problem.network(*self.split(self.best.copy())).balanced()

    @property
    def numbers(self) -> Floats:
        """The numbers among what a checkpoint holds."""
        schedule = self.schedule
        return np.array([self.epoch, self.value, self.best_value, schedule.rate, schedule.best, schedule.bad])

    def restore(self, kept: dict[str, Floats]) -> None:
        """Go back to where a checkpoint was written."""
        self.weights[:], self.memory[:], self.best[:] = kept["weights"], kept["memory"], kept["best"]
        epoch, self.value, self.best_value, rate, best, bad = map(float, kept["numbers"])
        self.epoch, self.schedule = int(epoch), Plateau(rate, best, int(bad))


@dataclass(frozen=True)
class _FullBatch:
    """What full-batch training has in common, whichever optimiser makes the steps."""

    proves: ClassVar[bool] = False
    resumes: ClassVar[bool] = True
    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True
    # How many vectors of the weights' size the optimiser remembers.
    remembered: ClassVar[int]

    width: PositiveInt = 100
    restarts: PositiveInt = 5
    epochs: PositiveInt = 10_000
    learning_rate: PositiveFloat = 1e-3
    init_scale: PositiveFloat = 1.0

    def _presolved(self, problem: Problem) -> Presolved:
        # The units of free biases are such that they cost next to nothing; here they cost nothing.
        return Presolved.of(problem) if problem.penalise_bias else Presolved(Units(problem))

    def step(self, gradient: Floats, memory: Floats, epoch: int) -> None:
        """Put a step at learning rate 1 in place of the gradient, in an epoch counted from 1."""
        raise NotImplementedError

    def size(self, problem: Problem) -> str:
        """Return the number of weights."""
        return network_size(problem, self.width)

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported,
        checkpoint: Path | None = None,
    ) -> Outcome:  # fmt: skip
        """Return the best network found."""
        best, objectives, converged = Incumbent(self._presolved(problem), deadline, report), list[float](), False
        best.offer_empty()
        scaled = best.presolved.problem
        starts = [random_network(scaled, self.width, rng, self.init_scale) for _ in range(self.restarts)]
        runs = [_Run(scaled, start, self) for start in starts]
        for ended, spent in self._stretches(runs, deadline, self._kept(runs, checkpoint)):
            objectives, converged = [best.offer(run.network) for run in runs], ended
            best.details |= {"processor_seconds": spent, "epochs_run": min(run.epoch for run in runs)}
        best.details |= {"width": best.width, "objectives": objectives}
        return best.outcome(converged)

    def _kept(self, runs: list[_Run], path: Path | None) -> Checkpoint:
        """Return the checkpoint of runs that are about to start; options, data and starts are its identity."""
        problem = runs[0].problem
        arrays = [problem.inputs, problem.Y, getattr(problem.loss, "sample_weight", np.ones(1))]
        sums = [zlib.crc32(np.ascontiguousarray(part).tobytes()) for part in (*arrays, *(run.weights for run in runs))]
        return Checkpoint(path, json.dumps([repr(self), repr(problem), *sums]))

    def _stretches(self, runs: list[_Run], deadline: Deadline, checkpoint: Checkpoint) -> Iterator[tuple[bool, float]]:
        """Run all epochs of all runs, in turns, and come back now and then and at the end.

        Yields whether all is run and no run has diverged, and the processor seconds spent, with those of the processes
        that wrote the checkpoint.
        """
        started = time.process_time()
        if (kept := checkpoint.arrays()) is not None:
            for k, run in enumerate(runs):
                run.restore({name: kept[name][k] for name in run.ARRAYS})
            started -= float(kept["spent"])

        def state() -> dict[str, Any]:
            arrays = {name: np.stack([getattr(run, name) for run in runs]) for name in _Run.ARRAYS}
            return {**arrays, "spent": time.process_time() - started}

        room = np.empty((3, len(runs[0].problem.inputs), self.width))
        look = max(1, self.epochs // LOOKS)
        epoch = runs[0].epoch
        with np.errstate(over="ignore", invalid="ignore"):  # of runs that diverge
            while epoch < self.epochs:
                epoch = min(epoch + STRETCH, self.epochs, (epoch // look + 1) * look)
                if not all([run.go(epoch, room, deadline) for run in runs]):
                    break
                checkpoint.save(state)
                if epoch % look == 0 and epoch < self.epochs:
                    yield False, time.process_time() - started
        checkpoint.remove()
        yield all(run.epoch == self.epochs and math.isfinite(run.value) for run in runs), time.process_time() - started


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

    version: ClassVar[int] = 2
    remembered: ClassVar[int] = 1

    momentum: Annotated[float, pydantic.Field(ge=0.0, lt=1.0)] = 0.95

    def _presolved(self, problem: Problem) -> Presolved:
        # P25's learning rates are those of the data as given.
        return Presolved(Units(problem))

    def step(self, gradient: Floats, memory: Floats, epoch: int) -> None:
        """Put PyTorch's step with momentum in place of the gradient."""
        memory[0] *= self.momentum
        memory[0] += gradient
        gradient[:] = memory[0]


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

    version: ClassVar[int] = 3
    remembered: ClassVar[int] = 2
    # Kingma and Ba 2015, and PyTorch's defaults: how much of the means is kept, and what keeps steps finite.
    FIRST, SECOND, LEAST = 0.9, 0.999, 1e-8

    learning_rate: PositiveFloat = 1e-2

    def step(self, gradient: Floats, memory: Floats, epoch: int) -> None:
        """Put PyTorch's step of Adam in place of the gradient."""
        mean, square = memory
        mean += (1.0 - self.FIRST) * (gradient - mean)
        square *= self.SECOND
        square += (1.0 - self.SECOND) * gradient**2
        scale = np.sqrt(square) / math.sqrt(1.0 - self.SECOND**epoch)
        np.divide(mean, scale + self.LEAST, out=gradient)
        gradient /= 1.0 - self.FIRST**epoch
