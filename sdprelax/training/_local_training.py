"""Local training of finite-width networks: descent on p(U, V), which only ever gives upper bounds."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import scipy.optimize

from sdprelax.base import Deadline, Floats
from sdprelax.networks import Network
from sdprelax.problem import Problem, Squared

__all__ = [
    "network_size",
    "objective_and_gradient",
    "polish",
    "preconditioner",
    "random_network",
    "train",
]

# Steps of the Moreau envelopes that stand for a loss with kinks, one after the other, as shares of the targets' size.
SMOOTHINGS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
# Least share of the longest direction's square that a direction of X counts with as a scale of hidden weights.
LEAST_RIDGE = 1e-12
# Most descents from where the one before has ended, which may be a line search at a kink of the activation; and the
# relative decrease of one that is worth no other.
ROUNDS, SETTLED = 10, 1e-4
# Neurons whose unit hidden weights differ by less than these are tried as one.
MERGE_TOLERANCES = (0.0, 1e-6, 1e-4, 1e-2)
# Trainings from random networks that give a first upper bound, their width and steps, and their share of the time.
TRAININGS, WIDTH, STEPS, TIME = 3, 60, 500, 0.1


def objective_and_gradient(
    problem: Problem, hidden: Floats, output: Floats, offset: Floats | None = None, smoothing: float = 0.0,
    room: Floats | None = None,
) -> tuple[float, Floats, Floats, Floats | None]:  # fmt: skip
    """Return p(U, V, t) and its gradients in U, V and, unless it is None, t.

    The activation's slope at its kink counts as 0; of a loss with kinks it is some subgradient.

    Parameters
    ----------
    hidden: U, shape (d, m), of all of ``problem.inputs``.
    output: V, shape (m, c).
    offset: t, shape (c,); None for a network without.
    smoothing: the step μ of the Moreau envelope, min over Q of ℓ(Q; Y) + ‖Q − P‖²/(2μ), that stands for ℓ; 0 for ℓ.
    room: shape (3, n, m), overwritten; by default a new one, whose pages cost more than the arithmetic where they are
        asked of the operating system in every call.
    """
    inputs, gamma = problem.inputs, problem.gamma
    inner, activations, backward = np.empty((3, len(inputs), hidden.shape[1])) if room is None else room
    np.matmul(inputs, hidden, out=inner)
    problem.activation.apply(inner, activations)
    predictions = activations @ output if offset is None else activations @ output + offset
    penalty = 0.5 * gamma * float(np.sum(hidden**2) + np.sum(output**2))
    if smoothing:
        near = problem.loss.proximal(predictions, problem.Y, smoothing)
        A = (near - predictions) / smoothing
        loss = problem.loss.value(near, problem.Y) + 0.5 * float(np.vdot(A, near - predictions))
    else:
        A, loss = problem.residual(predictions), problem.loss.value(predictions, problem.Y)
    np.matmul(A, output.T, out=backward)
    backward *= problem.activation.gradient(inner)
    in_offset = None
    if offset is not None:
        penalty += 0.5 * problem.offset_decay * float(offset @ offset)
        in_offset = problem.offset_decay * offset - np.sum(A, axis=0)
    return loss + penalty, gamma * hidden - inputs.T @ backward, gamma * output - activations.T @ A, in_offset


def preconditioner(problem: Problem) -> Floats:
    """Return P, shape (d, d), symmetric, such that L-BFGS takes P⁻¹U for its unknowns.

    The Hessian of p in a neuron's hidden weights is about ‖v‖²XᵀX + γI; with ‖v‖² = ‖A‖/‖X‖, that of a neuron which
    fits the residual A of the empty network (squared loss: Y) along the longest direction of X, P²'s inverse is
    proportional to it. The penalty is that of U as ever.
    """
    X = problem.inputs
    _, lengths, directions = np.linalg.svd(X)
    squares = np.zeros(X.shape[1])
    squares[: len(lengths)] = lengths**2
    # Neither squares nor quotients of numbers at the ends of floating point may leave it.
    longest = max(float(lengths[0]), 1e-150)
    A = problem.residual(problem.empty_network().predict(problem.X))
    size = longest * max(float(np.linalg.norm(A)), 1e-150)
    ridge = min(max(problem.gamma / size, LEAST_RIDGE), 1.0 / LEAST_RIDGE**2)
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
    """Return a network at least as good as the given one, by L-BFGS on p(U, V, t), and whether L-BFGS has converged.

    The result is balanced, and neurons that have met are merged where that does not raise the objective. At a kink of
    the loss no gradient tells that it is a minimum, so a loss that is not smooth is trained through its Moreau
    envelopes, smoother ones first; it has converged where L-BFGS has on the last of them, which is below the loss by
    its step times half a squared subgradient at most. A smooth loss is descended on again from there until that hardly
    lowers it: a line search may end at a kink of the activation.

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
    if problem.offset and (network.offset is None or network.width == 0):
        start = problem.with_best_offset(start)
    if start.width == 0 or max_iterations < 1 or until.expired:
        return _best(problem, [network, start]), start.width == 0
    # What was found for the squared loss before there were others is found as it was.
    rounds = ROUNDS if problem.loss.smooth and (problem.loss != Squared() or problem.offset) else 1
    candidates = [network, start]
    for _ in range(rounds):
        found, converged = _descend(problem, start, max_iterations, tolerance, until)
        best = _best(problem, [*candidates, found.balanced(), *(found.merged(near) for near in MERGE_TOLERANCES)])
        reached = problem.objective(best)
        settled = problem.objective(start) - reached <= SETTLED * abs(reached)
        if settled or until.expired or best.width == 0:
            break
        candidates, start = [best], best
    converged = converged and (settled or rounds == 1)
    return (_best(problem, [best, problem.with_best_offset(best)]) if problem.offset else best), converged


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
    parts = [first.ravel(), start.output.ravel(), *([] if start.offset is None else [start.offset])]
    best_value, best_weights, converged, smoothing = np.inf, np.concatenate(parts), False, 0.0
    size, found = float(np.sqrt(np.mean(problem.Y**2))) or 1.0, list[Network]()
    room = np.empty((3, len(problem.inputs), m))

    def split(weights: Floats) -> tuple[Floats, Floats, Floats | None]:
        output = weights[d * m : (d + c) * m].reshape(m, c)
        return scaling @ weights[: d * m].reshape(d, m), output, weights[(d + c) * m :] if problem.offset else None

    def evaluate(weights: Floats) -> tuple[float, Floats]:
        nonlocal best_value, best_weights
        if deadline.expired:
            raise _TimeIsUp
        value, in_hidden, in_output, in_offset = objective_and_gradient(problem, *split(weights), smoothing, room)
        if value < best_value:
            best_value, best_weights = value, weights.copy()
        gradients = [(scaling @ in_hidden).ravel(), in_output.ravel()]
        return value, np.concatenate(gradients if in_offset is None else [*gradients, in_offset])

    options = {
        "maxiter": max_iterations,
        "maxfun": 2 * max_iterations,
        "maxcor": 20,
        "ftol": tolerance,
        "gtol": 1e-10,
    }
    for share in (0.0,) if problem.loss.smooth else SMOOTHINGS:
        smoothing, best_value, converged = size * share, np.inf, False
        # A step too far may overflow; the line search turns back from it.
        with np.errstate(over="ignore", invalid="ignore"), contextlib.suppress(_TimeIsUp):
            ended = scipy.optimize.minimize(evaluate, best_weights, jac=True, method="L-BFGS-B", options=options)
            # Status 1 is the end of iterations; 2, a line search without progress, is no criterion but an end.
            converged = ended.status == 0
        found.append(problem.network(*split(best_weights)))
    return min(found, key=problem.objective), converged


def _best(problem: Problem, candidates: list[Network]) -> Network:
    """Return the candidate of least objective; the first of equals."""
    return min(candidates, key=problem.upper_bound)


def locally_trained(problem: Problem, rng: np.random.Generator, deadline: Deadline) -> Network:
    """Return the best of a few local trainings: an upper bound, and atoms, from the first second."""
    allowed = deadline.fraction(TIME) if deadline.seconds < math.inf else deadline
    networks: list[Network] = []
    while len(networks) < TRAININGS and (not networks or not allowed.expired):
        networks.append(polish(problem, random_network(problem, WIDTH, rng), max_iterations=STEPS, deadline=allowed))
    return min(networks, key=problem.upper_bound)
