"""From a relaxation's Λ to a real network: one file each, registered by name.

A rounding is a frozen dataclass with one call ``round(lifting, lifted, rng=...) -> Network``. Its network's
objective is an upper bound like any other's; whether Λ itself was tight is what ``extract`` measures.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sdprelax.group_lasso import group_lasso
from sdprelax.lifting import LiftedProgram
from sdprelax.network import Network
from sdprelax.registry import Registry
from sdprelax.verified import Floats

__all__ = ["Rounding", "network_on_directions", "register", "roundings"]


class Rounding(Protocol):
    """Turns an approximate solution of the relaxation into a network."""

    def round(self, lifting: LiftedProgram, lifted: Floats, *, rng: np.random.Generator) -> Network:
        """Return a network for the problem of ``lifting`` from its lifted variable, shape (order, order)."""
        ...


roundings: Registry[Rounding] = Registry("rounding", __name__)
register = roundings.register


def network_on_directions(lifting: LiftedProgram, directions: Floats) -> Network:
    """Return the best network whose hidden weights lie along given reduced directions, shape (r, k)."""
    problem, reduction = lifting.problem, lifting.reduction
    lengths = np.linalg.norm(directions, axis=0)
    unit = directions[:, lengths > 0.0] / lengths[lengths > 0.0]
    solution = group_lasso(reduction.features(unit), problem.Y, problem.gamma, tolerance=1e-7)
    return reduction.network(unit, solution.weights, problem).pruned(1e-9)
