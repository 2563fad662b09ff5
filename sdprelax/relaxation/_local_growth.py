"""Branch and bound on the relaxation for a fixed dual point: every cone is a small program of its own.

A certificate of the relaxation over cones has one A for all of them, and nothing else in common. With the dual point A
of a network that is nearly optimal, the least κ of a cone C is the ω_C² of its local solution, and the bound of p* is
that of A scaled into max_C ω_C ≤ γ. So the cone of largest ω_C is split, at the row that its solution mixes most, and
its parts are solved, without any program over all cones (docs/mathematics/relaxation.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from sdprelax.base import Floats
from sdprelax.cells import Cone
from sdprelax.networks import Network
from sdprelax.relaxation._certified import CertifiedRelaxation
from sdprelax.relaxation._program import RelaxationSolution
from sdprelax.relaxation._splitting import local_solution, most_mixed_row
from sdprelax.solvers import Solved

__all__ = ["LocalGrowth"]

# Share of the tolerance that the bound may take in floating point; its proof takes a little more.
IN_FLOATS = 0.99


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
    rounds: of every split the number of cones and the largest ω_C/γ before it, and at the end.
    """

    relaxed: CertifiedRelaxation
    network: Network
    multiplier: Floats
    cones: list[Cone]
    most: int
    tolerance: float
    rounds: list[tuple[int, float]] = field(default_factory=list)

    @property
    def solved(self) -> bool:
        """Whether every cone has multipliers at the end; without them little is proved of it."""
        return bool(self.rounds) and math.isfinite(self.rounds[-1][1])

    def run(self) -> RelaxationSolution:
        """Split until the gap is closed, the time is up or nothing is left to split; prove the bound.

        Returns
        -------
        Λ of the network, and A with the multipliers of every cone.
        """
        lifting, deadline = self.relaxed.lifting, self.relaxed.deadline
        problem, reduction = lifting.problem, lifting.reduction
        A = self.multiplier
        dual, upper = reduction.pull_back(A), problem.objective(self.network)

        def solved(cone: Cone) -> tuple[float, Floats, Floats]:
            return local_solution(reduction.rows, dual, cone, deadline, lifting.more)

        found = [solved(cone) for cone in self.cones]
        while True:
            worst = int(np.argmax([omega for omega, _, _ in found]))
            omega, _, S = found[worst]
            self.rounds.append((len(found), omega / problem.gamma))
            value = problem.dual_value(A * min(1.0, problem.gamma / max(omega, problem.gamma)))
            if upper - value <= IN_FLOATS * self.tolerance * abs(upper) or len(found) >= self.most:
                break
            cone = self.cones[worst]
            T = lifting.forms(cone).lift
            row, _ = most_mixed_row(cone, np.asarray(T @ (T @ S).T), dual)
            if row < 0:
                break
            parts = cone.split(reduction.rows, row)
            finer = [solved(part) for part in parts]
            # Out of time a part has no multipliers: the cone's own stay.
            if deadline.expired:
                break
            self.cones[worst : worst + 1], found[worst : worst + 1] = parts, finer
        multipliers = tuple(N for _, N, _ in found)
        self.relaxed.prove(A, multipliers, self.cones)
        lifted = lifting.lift(self.network)
        said = Solved("optimal", None, f"{len(found)} cones, the largest ω/γ {self.rounds[-1][1]:.6f}\n")
        return RelaxationSolution(lifted, (lifted,), A, multipliers, said, ())
