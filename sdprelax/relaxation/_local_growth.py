"""Branch and bound on the relaxation for a fixed dual point: every cone is a small program of its own.

A certificate of the relaxation over cones has one A for all of them, and nothing else in common. With the dual point A
of a network that is nearly optimal, the least κ of a cone C is the ω_C² of its local solution, and the bound of p* is
that of A scaled into max_C ω_C ≤ γ. So the cones of largest ω_C are split, each at the row that its solution mixes
most, and the parts are solved by themselves, without any program over all cones (docs/mathematics/relaxation.md). Cones
of few undetermined rows are Clarabel's; larger ones take steps of our own, which go on from the whole's in its parts.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field

import numpy as np

from sdprelax.base import Floats, pooled
from sdprelax.cells import Cone
from sdprelax.certificate import Certificate, joined_certificate, relaxation_certificate
from sdprelax.networks import Network
from sdprelax.relaxation._certified import CertifiedRelaxation
from sdprelax.relaxation._program import RelaxationSolution
from sdprelax.relaxation._splitting import local_solution, most_mixed_row
from sdprelax.solvers import Solved
from sdprelax.solvers.native import LocalState, LocalSteps

__all__ = ["LocalGrowth"]

# Share of the tolerance that the bound may take; the units of the user's problem take a little more.
CLOSED = 0.99
# Undetermined rows up to which a cone's program is a conic solver's.
CONIC = 40
# Steps that a cone takes, how often at most while it has less than the whole proved, and the first cones' steps.
STEPS, TURNS, FIRST_STEPS = 200, 3, 600
# Cones that are split at a time, whatever the number of threads.
BATCH = 4


@dataclass(frozen=True, eq=False)
class _Node:
    """A cone and what is known of it.

    Attributes
    ----------
    certificate: of the bound that there would be if no other cone were worse; None without multipliers.
    row: where it is to be split; −1 for nowhere.
    multipliers: N, shape (m, m).
    state: what its parts start from.
    """

    cone: Cone
    certificate: Certificate | None
    row: int
    multipliers: Floats
    state: LocalState | None

    @property
    def lower(self) -> float:
        """The bound that there would be if no other cone were worse."""
        return -math.inf if self.certificate is None else self.certificate.lower


@dataclass(eq=False)
class LocalGrowth:
    """A partition that is refined where the certificate of one dual point is worst.

    Parameters
    ----------
    relaxed: the relaxation; what is proved is offered to its ``best``.
    network: a nearly optimal network of its problem.
    multiplier: its dual point A, shape (n, c), of the squared loss its residual. An error ε shows as √ε in ω_C.
    cones: the partition to start from.
    most: cones beyond which it does not grow.
    tolerance: relative gap between the network and the bound at which it ends.

    Attributes
    ----------
    rounds: at every look the number of cones and the relative gap of network and bound; ∞ while a cone is unsolved.
    """

    relaxed: CertifiedRelaxation
    network: Network
    multiplier: Floats
    cones: list[Cone]
    most: int
    tolerance: float
    rounds: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        lifting = self.relaxed.lifting
        self._dual = lifting.reduction.pull_back(self.multiplier)
        self._upper = lifting.problem.objective(self.network)
        self._first: list[_Node] | None = None

    def first_gap(self) -> float:
        """Return the relative gap over the partition to start from."""
        with pooled(2 * BATCH) as pool:
            self._first = list(pool.map(lambda cone: self._solved(cone, None), self.cones))
        return self._gap(min(node.lower for node in self._first))

    def _gap(self, lower: float) -> float:
        return (self._upper - lower) / max(abs(self._upper), 1e-300)

    @property
    def solved(self) -> bool:
        """Whether every cone has multipliers at the end; without them little is proved of it."""
        return bool(self.rounds) and math.isfinite(self.rounds[-1][1])

    def run(self) -> RelaxationSolution:
        """Split until the gap is closed, the time is up or nothing is left to split; whatever is reached is proved.

        Returns
        -------
        Λ of the network, and A with the multipliers of every cone.
        """
        lifting = self.relaxed.lifting
        with pooled(2 * BATCH) as pool:
            found = self._first or list(pool.map(lambda cone: self._solved(cone, None), self.cones))
            # The worst first; numbers decide between equal ones.
            heap = [(node.lower, number, node) for number, node in enumerate(found)]
            heapq.heapify(heap)
            proved, number = 0, len(heap)
            while True:
                enough = self._look(heap)
                if enough:
                    break
                if len(heap) >= 2 * proved:
                    self._prove(heap)
                    proved = len(heap)
                worst = heapq.nsmallest(min(BATCH, self.most - len(heap)), heap)
                # Once the worst cannot be split the bound is what it is; others may be split with it.
                worst = [entry for entry in worst if entry[2].row >= 0]
                if not worst or heap[0][2].row < 0:
                    break
                split = [(node, part) for _, _, node in worst for part in self._parts(node)]
                parts = list(pool.map(lambda task: self._solved(task[1], task[0]), split))
                # Out of time a part has no multipliers of its own: the whole cone's stay.
                if self.relaxed.deadline.expired:
                    break
                gone = {number for _, number, _ in worst}
                heap = [entry for entry in heap if entry[1] not in gone]
                heap += [(node.lower, number + i, node) for i, node in enumerate(parts)]
                number += len(parts)
                heapq.heapify(heap)
            self._prove(heap)
        nodes = [node for _, _, node in heap]
        self.cones = [node.cone for node in nodes]
        lifted = lifting.lift(self.network)
        said = Solved("optimal", None, f"{len(nodes)} cones, relative gap {self.rounds[-1][1]:.2e}\n")
        multipliers = tuple(node.multipliers for node in nodes)
        return RelaxationSolution(lifted, (lifted,), self.multiplier, multipliers, said, ())

    def _look(self, heap: list[tuple[float, int, _Node]]) -> bool:
        """Note where it stands; say whether that is enough, or as far as it goes."""
        gap = self._gap(heap[0][0])
        self.rounds.append((len(heap), gap))
        return gap <= CLOSED * self.tolerance or len(heap) >= self.most or self.relaxed.deadline.expired

    def _prove(self, heap: list[tuple[float, int, _Node]]) -> None:
        parts = [node.certificate for _, _, node in heap]
        if all(parts):
            self.relaxed.best.prove(joined_certificate([part for part in parts if part is not None]))

    def _parts(self, node: _Node) -> tuple[Cone, ...]:
        return tuple(node.cone.split(self.relaxed.lifting.reduction.rows, node.row))

    def _solved(self, cone: Cone, whole: _Node | None) -> _Node:
        """Return what is known of a cone, with what is known of one that it is a part of."""
        lifting, deadline = self.relaxed.lifting, self.relaxed.deadline
        rows = lifting.reduction.rows
        if cone.sector is not None or len(cone.undetermined) <= CONIC:
            omega, N, S = local_solution(rows, self._dual, cone, deadline, lifting.more)
            return self._node(cone, N, S, math.isfinite(omega), None)
        run = LocalSteps(lifting.forms(cone), self._dual, None if whole is None else whole.state)
        carried = run.multipliers()
        enough = -math.inf if whole is None else whole.lower
        for _ in range(TURNS):
            run.run(FIRST_STEPS if whole is None else STEPS, deadline)
            node = self._node(cone, run.multipliers(), run.matrix(), True, run.state)
            if node.lower >= enough or deadline.expired:
                return node
        # What the whole has proved its multipliers prove here too.
        instead = self._node(cone, carried, run.matrix(), True, run.state)
        return max(node, instead, key=lambda one: one.lower)

    def _node(self, cone: Cone, N: Floats, S: Floats, solved: bool, state: LocalState | None) -> _Node:
        lifting = self.relaxed.lifting
        T = lifting.forms(cone).lift
        row, _ = most_mixed_row(cone, np.asarray(T @ (T @ S).T), self._dual)
        if not solved:
            return _Node(cone, None, row, N, state)
        certificate = relaxation_certificate(
            lifting.problem, lifting.reduction, self.multiplier, [N], [cone], lifting.more
        )
        # Multipliers that prove nothing leave the dual point 0.
        proves = bool(np.any(certificate.multiplier))
        return _Node(cone, certificate if proves else None, row, N, state)
