"""Local training of finite-width networks: upper bounds without any guarantee of being low."""

from __future__ import annotations

import numpy as np
import scipy.optimize

from sdprelax.network import Network
from sdprelax.problem import Problem
from sdprelax.verified import Floats

__all__ = ["polish", "random_network"]


def random_network(problem: Problem, width: int, scale: float, rng: np.random.Generator) -> Network:
    """Return a network with Gaussian weights of standard deviation scale/√d and scale/√width."""
    _, d, c = problem.shape
    hidden = rng.standard_normal((d, width)) * (scale / np.sqrt(d))
    output = rng.standard_normal((width, c)) * (scale / np.sqrt(width))
    return Network(hidden, output, problem.bias)


def _objective_and_gradient(weights: Floats, problem: Problem, width: int) -> tuple[float, Floats]:
    _, d, c = problem.shape
    hidden = weights[: d * width].reshape(d, width)
    output = weights[d * width :].reshape(width, c)
    inner = problem.inputs @ hidden
    active = np.maximum(inner, 0.0)
    residual = active @ output - problem.Y
    value = 0.5 * float(np.sum(residual**2)) + 0.5 * problem.gamma * float(weights @ weights)
    hidden_gradient = problem.inputs.T @ ((residual @ output.T) * (inner > 0.0))
    output_gradient = active.T @ residual
    return value, np.concatenate([hidden_gradient.ravel(), output_gradient.ravel()]) + problem.gamma * weights


def polish(problem: Problem, network: Network, *, max_iterations: int = 2_000) -> Network:
    """Return a network at a local minimum of p(U, V) near the given one, by L-BFGS.

    It is never worse than ``network``: of the two, balanced, the better one is returned.
    """
    start = network.balanced()
    if start.width == 0:
        return start
    d, width = start.hidden.shape
    found = scipy.optimize.minimize(
        _objective_and_gradient,
        np.concatenate([start.hidden.ravel(), start.output.ravel()]),
        args=(problem, width),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iterations, "maxfun": 2 * max_iterations, "ftol": 1e-14, "gtol": 1e-9},
    )
    weights = np.asarray(found.x)
    ended = Network(weights[: d * width].reshape(d, width), weights[d * width :].reshape(width, -1), problem.bias)
    ended = ended.balanced()
    return min((start, ended), key=problem.objective)
