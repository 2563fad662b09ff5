"""Local training of finite-width networks: descent on p(U, V), which only ever gives upper bounds."""

from __future__ import annotations

import contextlib

import numpy as np
import scipy.optimize

from sdprelax.base import Deadline, Floats
from sdprelax.networks import Network
from sdprelax.problem import Problem

__all__ = [
    "network_size",
    "objective_and_gradient",
    "polish",
    "preconditioner",
    "random_network",
    "train",
]

# Least share of the longest direction's square that a direction of X counts with as a scale of hidden weights.
LEAST_RIDGE = 1e-12
# Neurons whose unit hidden weights differ by less than these are tried as one.
MERGE_TOLERANCES = (0.0, 1e-6, 1e-4, 1e-2)


def objective_and_gradient(problem: Problem, hidden: Floats, output: Floats) -> tuple[float, Floats, Floats]:
    """Return p(U, V) and its gradients in U and V (the activation's slope at its kink counts as 0).

    Parameters
    ----------
    hidden: U, shape (d, m), of all of ``problem.inputs``.
    output: V, shape (m, c).
    """
    inputs, gamma, inner = problem.inputs, problem.gamma, problem.inputs @ hidden
    activations = problem.activation.apply(inner)
    predictions = activations @ output
    A = problem.residual(predictions)
    penalty = 0.5 * gamma * float(np.sum(hidden**2) + np.sum(output**2))
    backward = (A @ output.T) * problem.activation.gradient(inner)
    value = problem.loss.value(predictions, problem.Y) + penalty
    return value, gamma * hidden - inputs.T @ backward, gamma * output - activations.T @ A


def preconditioner(problem: Problem) -> Floats:
    """Return P, shape (d, d), symmetric, such that L-BFGS takes P⁻¹U for its unknowns.

    The Hessian of p in a neuron's hidden weights is about ‖v‖²XᵀX + γI; with ‖v‖² = ‖A‖/‖X‖, that of a neuron which
    fits the residual A at 0 (squared loss: Y) along the longest direction of X, P²'s inverse is proportional to it. The
    penalty is that of U as ever.
    """
    X = problem.inputs
    _, lengths, directions = np.linalg.svd(X)
    squares = np.zeros(X.shape[1])
    squares[: len(lengths)] = lengths**2
    longest = max(float(lengths[0]), np.finfo(float).tiny)
    size = longest * max(float(np.linalg.norm(problem.residual(np.zeros_like(problem.Y)))), np.finfo(float).tiny)
    ridge = max(problem.gamma / size, LEAST_RIDGE)
    scales = np.sqrt((1.0 + ridge) / (squares / longest**2 + ridge))
    return np.asarray((directions.T * scales) @ directions)


def polish(
    problem: Problem, network: Network, *, max_iterations: int = 2000, deadline: Deadline | None = None
) -> Network:
    """Return a network at least as good as the given one, by L-BFGS on p(U, V); see :func:`train`."""
    return train(problem, network, max_iterations=max_iterations, deadline=deadline)[0]


def train(
    problem: Problem, network: Network, *, max_iterations: int = 2000, tolerance: float = 1e-14,
    deadline: Deadline | None = None,
) -> tuple[Network, bool]:  # fmt: skip
    """Return a network at least as good as the given one, by L-BFGS on p(U, V), and whether L-BFGS has converged.

    The result is balanced, and neurons that have met are merged where that does not raise the objective.

    Parameters
    ----------
    problem: the training problem, in its units (:class:`sdprelax.problem.Units`).
    network: where to start; its width is never exceeded.
    max_iterations: most L-BFGS iterations.
    tolerance: decrease of the objective in one iteration, relative to the objective (to 1 where it is less), at which
        L-BFGS has converged.
    deadline: when to stop and keep the best so far.
    """
    until = deadline or Deadline()
    start = network.balanced()
    if start.width == 0 or max_iterations < 1 or until.expired:
        return _best(problem, [network, start]), start.width == 0
    found, converged = _descend(problem, start, max_iterations, tolerance, until)
    merged = [found.merged(distance) for distance in MERGE_TOLERANCES]
    return _best(problem, [network, start, found.balanced(), *merged]), converged


def random_network(problem: Problem, width: int, rng: np.random.Generator, scale: float = 1.0) -> Network:
    """Return Gaussian weights of standard deviation scale/√d (hidden) and scale/√width (output)."""
    _, d, c = problem.shape
    hidden = rng.standard_normal((d, width)) * (scale / np.sqrt(d))
    output = rng.standard_normal((width, c)) * (scale / np.sqrt(width))
    return problem.network(hidden, output)


def network_size(problem: Problem, width: int) -> str:
    """Return the number of weights of a network of some width, in words."""
    _, d, c = problem.shape
    return f"{width * (d + c):,} weights"


class _TimeIsUp(Exception):
    pass


def _descend(
    problem: Problem, start: Network, max_iterations: int, tolerance: float, deadline: Deadline
) -> tuple[Network, bool]:
    """Return the best network that L-BFGS visits from ``start``, and whether it has converged."""
    (d, m), c = start.hidden.shape, start.output.shape[1]
    scaling = preconditioner(problem)
    first = np.linalg.solve(scaling, start.hidden)
    best_value, best_weights, converged = np.inf, np.concatenate([first.ravel(), start.output.ravel()]), False

    def evaluate(weights: Floats) -> tuple[float, Floats]:
        nonlocal best_value, best_weights
        if deadline.expired:
            raise _TimeIsUp
        hidden, output = scaling @ weights[: d * m].reshape(d, m), weights[d * m :].reshape(m, c)
        value, in_hidden, in_output = objective_and_gradient(problem, hidden, output)
        if value < best_value:
            best_value, best_weights = value, weights.copy()
        return value, np.concatenate([(scaling @ in_hidden).ravel(), in_output.ravel()])

    options = {
        "maxiter": max_iterations,
        "maxfun": 2 * max_iterations,
        "maxcor": 20,
        "ftol": tolerance,
        "gtol": 1e-10,
    }
    # A step too far may overflow; the line search turns back from it.
    with np.errstate(over="ignore", invalid="ignore"), contextlib.suppress(_TimeIsUp):
        found = scipy.optimize.minimize(evaluate, best_weights, jac=True, method="L-BFGS-B", options=options)
        # Status 1 is the end of iterations; 2, a line search without progress, is no criterion but an end all the same.
        converged = found.status == 0
    hidden = scaling @ best_weights[: d * m].reshape(d, m)
    return problem.network(hidden, best_weights[d * m :].reshape(m, c)), converged


def _best(problem: Problem, candidates: list[Network]) -> Network:
    """Return the candidate of least objective; the first of equals."""
    return min(candidates, key=problem.upper_bound)
