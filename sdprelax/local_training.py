"""Local training of finite-width networks: descent on p(U, V), which only ever gives upper bounds."""

from __future__ import annotations

import contextlib

import numpy as np
import scipy.optimize

from sdprelax.deadline import Deadline
from sdprelax.network import Network
from sdprelax.outcome import Bound, Outcome, Report, unreported
from sdprelax.problem import Problem
from sdprelax.verified import Floats

__all__ = ["BestNetwork", "network_size", "objective_and_gradient", "polish", "random_network"]

# Neurons whose unit hidden weights differ by less than these are tried as one.
MERGE_TOLERANCES = (0.0, 1e-6, 1e-4, 1e-2)


def objective_and_gradient(
    inputs: Floats, targets: Floats, gamma: float, hidden: Floats, output: Floats
) -> tuple[float, Floats, Floats]:
    """Return p(U, V) and its gradients in U and V (the ReLU's slope at 0 counts as 0).

    Parameters
    ----------
    inputs: shape (n, d), the column of ones included where there is a bias.
    targets: shape (n, c).
    gamma: weight decay.
    hidden: U, shape (d, m).
    output: V, shape (m, c).
    """
    activations = np.maximum(inputs @ hidden, 0.0)
    residual = activations @ output - targets
    value = 0.5 * float(np.sum(residual**2)) + 0.5 * gamma * float(np.sum(hidden**2) + np.sum(output**2))
    backward = (residual @ output.T) * (activations > 0.0)
    return value, inputs.T @ backward + gamma * hidden, activations.T @ residual + gamma * output


def polish(
    problem: Problem, network: Network, *, max_iterations: int = 2000, deadline: Deadline | None = None
) -> Network:
    """Return a network at least as good as the given one, by L-BFGS on p(U, V) from its weights.

    The result is balanced, and neurons that have met are merged where that does not raise the objective.

    Parameters
    ----------
    problem: the training problem.
    network: where to start; its width is never exceeded.
    max_iterations: most L-BFGS iterations.
    deadline: when to stop and keep the best so far.
    """
    until = deadline or Deadline()
    start = network.balanced()
    if start.width == 0 or max_iterations < 1 or until.expired:
        return _best(problem, [network, start])
    found = _descend(problem, start, max_iterations, until)
    merged = [found.merged(tolerance) for tolerance in MERGE_TOLERANCES]
    return _best(problem, [network, start, found.balanced(), *merged])


def random_network(problem: Problem, width: int, rng: np.random.Generator, scale: float = 1.0) -> Network:
    """Return Gaussian weights of standard deviation scale/√d (hidden) and scale/√width (output)."""
    _, d, c = problem.shape
    hidden = rng.standard_normal((d, width)) * (scale / np.sqrt(d))
    output = rng.standard_normal((width, c)) * (scale / np.sqrt(width))
    return Network(hidden, output, problem.bias)


def network_size(problem: Problem, width: int) -> str:
    """Return the number of weights of a network of some width, in words."""
    _, d, c = problem.shape
    return f"{width * (d + c):,} weights"


class BestNetwork:
    """The best network of several local trainings, the one without neurons among the candidates.

    Parameters
    ----------
    problem: the training problem.
    deadline: whose time the trace is in.
    report: called with every improvement.
    """

    def __init__(self, problem: Problem, deadline: Deadline, report: Report = unreported) -> None:
        self.problem, self.deadline, self.report = problem, deadline, report
        self.network = Network.empty(problem.X.shape[1], problem.Y.shape[1], problem.bias)
        self.upper = problem.upper_bound(self.network)
        self.trace: list[Bound] = []
        self._tell()

    def _tell(self) -> None:
        self.trace.append(Bound(self.deadline.elapsed, None, self.upper))
        self.report(Outcome(upper=self.upper, network=self.network, trace=tuple(self.trace)))

    def offer(self, network: Network) -> float:
        """Take a network if it is better; return its objective, rounded up."""
        reached = self.problem.upper_bound(network)
        if reached < self.upper:
            self.network, self.upper = network, reached
            self._tell()
        return reached

    def outcome(self, objectives: list[float]) -> Outcome:
        """Return the outcome of a method that trained to these objectives, one per start."""
        self._tell()
        return Outcome(
            upper=self.upper, network=self.network, status="time limit" if self.deadline.expired else "solved",
            seconds=self.deadline.elapsed, trace=tuple(self.trace),
            details={"width": self.network.width, "objectives": objectives},
        )  # fmt: skip


class _TimeIsUp(Exception):
    pass


def _descend(problem: Problem, start: Network, max_iterations: int, deadline: Deadline) -> Network:
    """Return the best network that L-BFGS visits from ``start``."""
    inputs, targets, gamma = problem.inputs, problem.Y, problem.gamma
    (d, m), c = start.hidden.shape, targets.shape[1]
    best_value, best_weights = np.inf, np.concatenate([start.hidden.ravel(), start.output.ravel()])

    def evaluate(weights: Floats) -> tuple[float, Floats]:
        nonlocal best_value, best_weights
        if deadline.expired:
            raise _TimeIsUp
        hidden, output = weights[: d * m].reshape(d, m), weights[d * m :].reshape(m, c)
        value, in_hidden, in_output = objective_and_gradient(inputs, targets, gamma, hidden, output)
        if value < best_value:
            best_value, best_weights = value, weights.copy()
        return value, np.concatenate([in_hidden.ravel(), in_output.ravel()])

    options = {
        "maxiter": max_iterations,
        "maxfun": 2 * max_iterations,
        "maxcor": 20,
        "ftol": 1e-14,
        "gtol": 1e-10,
    }
    # A step too far may overflow; the line search turns back from it.
    with np.errstate(over="ignore", invalid="ignore"), contextlib.suppress(_TimeIsUp):
        scipy.optimize.minimize(evaluate, best_weights, jac=True, method="L-BFGS-B", options=options)
    return Network(best_weights[: d * m].reshape(d, m), best_weights[d * m :].reshape(m, c), problem.bias)


def _best(problem: Problem, candidates: list[Network]) -> Network:
    """Return the candidate of least objective; the first of equals."""
    return min(candidates, key=problem.upper_bound)
