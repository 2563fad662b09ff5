"""The best that a run has found so far: every method offers its networks and proofs here, and gets its outcome."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from sdprelax.base import CertificateError, Deadline
from sdprelax.certificate import Certificate, empty_network_certificate, verify
from sdprelax.networks import Network
from sdprelax.problem import Presolved
from sdprelax.training._outcome import Bound, Outcome, Report, Status, relative_gap, unreported

__all__ = ["Incumbent"]


class Incumbent:
    """The best network and the best certificate of a run, in the user's units, and how they came about.

    Parameters
    ----------
    presolved: the problem that the method solves; what is offered are networks and certificates of it.
    deadline: whose time the trace is in.
    report: called with every improvement.

    Attributes
    ----------
    details: figures of the method's own, which go into every report and into the outcome.
    scaled: the best network as it was offered, of ``presolved.problem``; without neurons before the first.
    """

    def __init__(self, presolved: Presolved, deadline: Deadline, report: Report = unreported) -> None:
        self.presolved, self.deadline, self._report = presolved, deadline, report
        self.details: dict[str, Any] = {}
        self.scaled = presolved.problem.empty_network()
        self._best = Outcome()
        problem = presolved.original
        self._unproved = min(0.0, problem.loss.dual_value(np.zeros_like(problem.Y), problem.Y))
        self._trace: list[Bound] = []

    @property
    def upper(self) -> float:
        """The objective of the best network, proved; infinite before the first."""
        return math.inf if self._best.upper is None else self._best.upper

    @property
    def lower(self) -> float:
        """The best lower bound that is proved; without a proof inf ℓ, which is 0 or more for most losses."""
        return self._unproved if self._best.lower is None else self._best.lower

    @property
    def gap(self) -> float:
        """(upper − lower)/|upper|; 1 before there is a network."""
        gap = relative_gap(self.lower, self._best.upper)
        return 1.0 if gap is None else gap

    @property
    def network(self) -> Network | None:
        """The best network, of the user's problem."""
        return self._best.network

    @property
    def width(self) -> int:
        """How many neurons the best network has."""
        return self.scaled.width

    @property
    def certificate(self) -> Certificate | None:
        """The certificate of the best lower bound, of the user's problem."""
        return self._best.certificate

    def offer(self, network: Network, certificate: Certificate | None = None) -> float:
        """Take a network if it is better, and a certificate if it proves more.

        Returns
        -------
        The network's objective in the user's units, rounded up.
        """
        better, reached = self._better(network)
        self.tell(**better, **self._proving_more(certificate))
        return reached

    def _better(self, network: Network) -> tuple[dict[str, Any], float]:
        users = self.presolved.network(network)
        reached = self.presolved.original.upper_bound(users)
        if reached >= self.upper:
            return {}, reached
        self.scaled = network
        return {"upper": reached, "network": users}, reached

    def replace(self, network: Network, **parts: Any) -> None:
        """Take a network whether it is better or not, as one of fewer neurons that is nearly as good; and parts."""
        users = self.presolved.network(network)
        self.scaled = network
        self.tell(upper=self.presolved.original.upper_bound(users), network=users, **parts)

    def prove(self, certificate: Certificate | None) -> bool:
        """Take a certificate if it proves more than the one before, and say whether; None proves nothing."""
        more = self._proving_more(certificate)
        self.tell(**more)
        return bool(more)

    def go_on_from(self, certificate: Certificate) -> bool:
        """Take a certificate of the user's problem from a file if it holds and proves more, and say whether."""
        try:
            verify(self.presolved.original, certificate)
        except CertificateError:
            return False
        more = self._best.certificate is None or certificate.lower > self.lower
        self.tell(**({"lower": certificate.lower, "certificate": certificate} if more else {}))
        return more

    def _proving_more(self, certificate: Certificate | None) -> dict[str, Any]:
        if certificate is None:
            return {}
        users = self.presolved.certificate(certificate)
        proves_more = self._best.certificate is None or users.lower > self.lower
        return {"lower": users.lower, "certificate": users} if proves_more else {}

    def offer_empty(self) -> None:
        """Offer the network without neurons."""
        self.offer(self.presolved.problem.empty_network())

    def empty_is_optimal(self) -> bool:
        """Say whether the network without neurons is optimal, and prove and report it, where that is evident.

        Where it is not, that network is the best so far without being reported.
        """
        empty, _ = self._better(self.presolved.problem.empty_network())
        certificate = empty_network_certificate(self.presolved.problem, self.presolved.reduction)
        if certificate is None:
            self._best = dataclasses.replace(self._best, **empty)
            return False
        self.details["program"] = "empty network"
        self.tell(**empty, **self._proving_more(certificate))
        return True

    def tell(self, **parts: Any) -> None:
        """Take other parts of the outcome, such as ``program`` and ``predictors``, and report if there are any."""
        if parts:
            self._best = dataclasses.replace(self._best, **parts)
            self._mark()
            self._report(self._now())

    def solver_said(self, status: str, value: float | None, log: str) -> None:
        """Keep what a conic solver said: its word, the value of the problem that it claims, and its log."""
        claimed = self.presolved.claimed(value)
        self._best = dataclasses.replace(self._best, solver_status=status, solver_value=claimed, log=log)

    def _mark(self) -> None:
        best = self._best
        if best.lower is not None or best.upper is not None:
            self._trace.append(Bound(self.deadline.elapsed, best.lower, best.upper))

    def _now(self, **parts: Any) -> Outcome:
        return dataclasses.replace(self._best, trace=tuple(self._trace), details=dict(self.details), **parts)

    def outcome(
        self, attained: bool, expired: bool | None = None, *, network: Network | None = None,
        certificate: Certificate | None = None, **parts: Any,
    ) -> Outcome:  # fmt: skip
        """Return the outcome of the run.

        Parameters
        ----------
        attained: whether what the method calls solved is attained: its own tolerance, proved, or its own criterion.
        expired: whether time ended it otherwise; by default, whether the deadline has expired.
        network, certificate: last ones, taken if they are better; there is no report, as the outcome follows.
        parts: further parts of the outcome.
        """
        late = self.deadline.expired if expired is None else expired
        status: Status = "solved" if attained else "time limit" if late else "not converged"
        better = {} if network is None else self._better(network)[0]
        self._best = dataclasses.replace(self._best, **better, **self._proving_more(certificate))
        self._mark()
        return self._now(status=status, seconds=self.deadline.elapsed, **parts)
