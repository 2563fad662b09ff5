"""What every method of local training shares: restarts, the best network, the trace."""

from __future__ import annotations

from collections.abc import Callable

from sdprelax.deadline import Deadline
from sdprelax.network import Network
from sdprelax.outcome import Bound, Outcome
from sdprelax.problem import Problem

__all__ = ["best_of_restarts"]


def best_of_restarts(
    problem: Problem, restarts: int, deadline: Deadline, train: Callable[[int], Network]
) -> Outcome:
    """Return the best network of several trainings, or of those that the deadline leaves time for.

    Parameters
    ----------
    train: returns the network of restart number k.
    """
    best = Network.empty(problem.X.shape[1], problem.Y.shape[1], problem.bias)
    upper = problem.upper_bound(best)
    trace, objectives = [Bound(deadline.elapsed, None, upper)], []
    for restart in range(restarts):
        if deadline.expired:
            break
        network = train(restart)
        value = problem.upper_bound(network)
        objectives.append(value)
        if value < upper:
            best, upper = network, value
        trace.append(Bound(deadline.elapsed, None, upper))
    return Outcome(
        upper=upper, network=best, status="time limit" if deadline.expired else "solved", seconds=deadline.elapsed,
        trace=tuple(trace), details={"objectives": objectives, "width": best.width},
    )  # fmt: skip
