"""What every method returns: a rigorous pair of bounds and their witnesses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sdprelax.certificate import Certificate, GroupCertificate, LinearCertificate
from sdprelax.networks import Network, Predictor

__all__ = ["Bound", "Outcome", "Report", "Status", "relative_gap", "status_of", "unreported"]

Status = Literal["solved", "time limit", "not converged"]


def relative_gap(lower: float | None, upper: float | None) -> float | None:
    """Return (upper − lower)/|upper|, the duality gap relative to the upper bound; None without both, 0 where equal."""
    if lower is None or upper is None:
        return None
    size = abs(upper) or abs(lower)
    return (upper - lower) / size if size > 0.0 else 0.0


def status_of(word: str) -> Status:
    """Return the status for a conic solver's own word: what is inaccurate, stalled or out of iterations is not solved.

    Parameters
    ----------
    word: "optimal" for a program solved to the solver's tolerance; "time limit"; or any other.
    """
    if word == "optimal":
        return "solved"
    return "time limit" if word == "time limit" else "not converged"


@dataclass(frozen=True)
class Bound:
    """A point of a bound-against-time trace.

    ``lower`` may be an estimate while a method runs (its oracle in floating point); only the
    outcome's own ``lower`` is rigorous.
    """

    seconds: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class Outcome:
    """The result of one method on one problem.

    Attributes
    ----------
    lower: rigorous lower bound of p*, proved by ``certificate``; None if the method has none.
    upper: rigorous upper bound of p*, the objective of ``network`` rounded up; None without a network.
    network: the network that attains ``upper``.
    certificate: what proves ``lower``; ``sdprelax.verify(problem, certificate)`` checks it anew.
    program: what proves the optimum of the program that the method solved in place of training, if it claims one:
        ``value``, ``dual_value`` and ``program_gap`` in the details. ``sdprelax.verify_group`` checks it anew, that of
        ``deep_linear`` ``sdprelax.verify_linear``.
    predictors: what else the method predicts with, by name: other networks, and models that are not ReLU networks.
        Accuracies of a trial are those of ``network``, or of the first of these (:attr:`judged_by_network`).
    candidates: networks that the method chose among by the training objective, for protocols
        that choose otherwise.
    solver_value: what the conic solver claimed, never a bound.
    solver_status: the solver's own word for how it ended.
    status: "solved" where the method's own tolerance is attained: the gap of ``exact`` is proved to be within it, as is
        that of the program of ``deep_linear``, ``gated_relu``, ``mkl`` and ``wedge``; the solver of ``sdp``,
        ``copositive`` and ``convex_relu`` ended by its own criterion (and what ``sdp`` certifies is within a hundredth
        of what the solver claims); the sampled gap of ``frank_wolfe`` is within its tolerance; every start of ``lbfgs``
        has converged; all epochs of ``sgd`` and ``adam`` were run and none diverged; the equations of ``ntk`` and
        ``nngp`` were solved; every run of ``cross_validated`` is solved; what ``validated`` chooses among is proved
        to be within its tolerance. "time limit" when the deadline cut the method short; "not converged" when it ended
        for another reason, such as its own limit of iterations.
    trace: bounds against seconds since the start.
    details: further figures of this method (widths, iterations, tightness residuals, ...).
    log: what the solver printed.
    """

    lower: float | None = None
    upper: float | None = None
    network: Network | None = None
    certificate: Certificate | None = None
    program: GroupCertificate | LinearCertificate | None = None
    predictors: Mapping[str, Predictor] = field(default_factory=dict)
    candidates: tuple[Network, ...] = field(default=(), repr=False)
    solver_value: float | None = None
    solver_status: str | None = None
    status: Status = "solved"
    seconds: float = math.nan
    trace: tuple[Bound, ...] = field(default=(), repr=False)
    details: dict[str, Any] = field(default_factory=dict)
    log: str = field(default="", repr=False)

    @property
    def gap(self) -> float | None:
        """(upper − lower)/upper, or None when either bound is missing."""
        return relative_gap(self.lower, self.upper)

    @property
    def judged_by_network(self) -> bool:
        """Whether the method is judged by ``network``, and not by the first of ``predictors``.

        It is, unless the network has no neurons (it is there for the upper bound only) and something else predicts.
        """
        return self.network is not None and (self.network.width > 0 or not self.predictors)


# What a method calls with its best pair of bounds and their witnesses while it runs: should it be
# stopped from outside, the last report is what remains of it. Both bounds must already be rigorous.
Report = Callable[[Outcome], None]


def unreported(outcome: Outcome) -> None:
    """Do nothing with a report: for callers that need the final outcome alone."""
