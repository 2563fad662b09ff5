"""Fewer neurons for the same optimum.

Interior-point solvers leave a little weight on every direction they were offered, and neighbouring
directions share what one neuron in between could carry. Without them, and solved anew, the network is usually
a hundredth as wide and slightly better. And n·c neurons always suffice (Carathéodory): predictions are linear in
the masses of neurons of fixed direction, so a basic solution of a nonnegative least-squares problem finds them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.optimize

from sdprelax.lasso import network_on_directions
from sdprelax.networks import Network
from sdprelax.problem import Problem, Reduction

__all__ = ["sparsified"]

# (share of the largest neuron below which one is dropped, distance of unit weights below which two are merged).
ATTEMPTS = ((1e-3, 1e-2), (1e-4, 1e-2), (1e-4, 1e-3), (1e-5, 1e-4), (1e-6, 0.0))


def sparsified(problem: Problem, reduction: Reduction, network: Network, tolerance: float) -> Network:
    """Return the narrowest network found whose objective is above the given one's by at most that share of it.

    Parameters
    ----------
    problem, reduction: the training problem and its generator rows.
    network: a nearly optimal network.
    tolerance: what fewer neurons may cost, relative to the objective.
    """
    reached = problem.objective(network)
    allowed = reached + tolerance * abs(reached)
    best = network.pruned(1e-9).merged()
    if problem.objective(best) > allowed:
        best = network
    attempts: list[Callable[[], Network]] = [
        *(partial(_thinned, network, share, distance) for share, distance in ATTEMPTS),
        lambda: _vertex(problem, best),
    ]
    for attempt in attempts:
        directions = reduction.basis.T @ attempt().hidden
        found = network_on_directions(problem, reduction, directions, tolerance=0.1 * tolerance)
        candidate = found.network.pruned(1e-6)
        if candidate.width < best.width and problem.objective(candidate) <= allowed:
            best = candidate
    return best


def _thinned(network: Network, share: float, distance: float) -> Network:
    return network.pruned(share).merged(distance)


def _vertex(problem: Problem, network: Network) -> Network:
    """Return at most n·c of a network's neurons that can give its predictions."""
    n, _, c = problem.shape
    if network.width <= n * c:
        return network
    activations = problem.activation.apply(problem.inputs @ network.hidden)
    predictions = np.einsum("nk,kc->nck", activations, network.output).reshape(n * c, -1)
    # Factor k is that on neuron k's mass; all ones fit. An optimal network's neurons of one prediction cost the same
    # in any combination, so fit is all that is asked for, and a basic solution has at most n·c factors.
    try:
        factors, _ = scipy.optimize.nnls(predictions, predictions.sum(axis=1))
    except RuntimeError:  # too many steps
        return network
    kept = factors > 1e-9
    return problem.network(network.hidden[:, kept], network.output[kept])
