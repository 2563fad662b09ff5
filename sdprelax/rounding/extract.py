"""Rounding ``extract``: the network whose lift Λ is if the relaxation is tight, and how nearly it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sdprelax.base import Floats
from sdprelax.lasso import OnDirections, network_on_directions
from sdprelax.lifting import LiftedProgram
from sdprelax.networks import Network
from sdprelax.rounding import roundings

__all__ = ["Extract", "Tightness", "tightness"]


@dataclass(frozen=True)
class Tightness:
    """How nearly Λ is Σ λ_kλ_kᵀ of a network.

    Attributes
    ----------
    rank: eigenvalues of Λ above 1e-6 of the largest.
    linear, complementarity: residuals of MΛMᵀ = 0 and diag(Λ_αβ) = 0, relative to the largest entry of Λ.
    mismatch: ‖Λ − Σ λ_kλ_kᵀ‖_F/‖Λ‖_F for the network extracted.
    excess: (objective of the network − objective of Λ)/objective of the network.
    """

    rank: int
    linear: float
    complementarity: float
    mismatch: float
    excess: float

    def tight(self, tolerance: float = 1e-4) -> bool:
        """Say whether Λ factors into the network within ``tolerance``, in matrix and objective."""
        return max(self.linear, self.complementarity, self.mismatch, self.excess) <= tolerance


def tightness(lifting: LiftedProgram, lifted: Floats, network: Network) -> Tightness:
    """Return how nearly Λ, ``lifted`` of shape (order, order), is the lift of ``network``."""
    eigenvalues = np.linalg.eigvalsh(lifted)
    scale = max(float(np.max(np.abs(lifted), initial=0.0)), np.finfo(float).tiny)
    residuals = lifting.residuals(lifted)
    upper = lifting.problem.objective(network)
    return Tightness(
        rank=int(np.sum(eigenvalues > 1e-6 * max(eigenvalues[-1], np.finfo(float).tiny))),
        linear=residuals["linear"] / scale,
        complementarity=residuals["complementary"] / scale,
        mismatch=float(np.linalg.norm(lifted - lifting.lift(network))) / max(float(np.linalg.norm(lifted)), 1e-300),
        excess=(upper - lifting.objective(lifted)) / max(abs(upper), np.finfo(float).tiny),
    )


@roundings.register("extract")
@dataclass(frozen=True)
class Extract:
    """The network that Λ is the lift of, if it is one: the group lasso over neurons split off its columns.

    Column j of Λ's activation rows is Σ_k λ_kλ_kj: the neurons active on generator j, mixed. Their signed
    combinations over generators, and the mean direction of each activation pattern that the
    columns show, are the candidates; a tight Λ is reproduced, any other gives an upper bound.
    """

    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    def round(self, lifting: LiftedProgram, lifted: Floats, *, rng: np.random.Generator) -> OnDirections:
        """Return the best network on the candidate neurons of Λ, shape (order, order)."""
        u, g = lifting.blocks["u"], lifting.generators
        columns = lifted[u][:, : 2 * g]
        differences = (columns[:, :, None] - columns[:, None, :]).reshape(columns.shape[0], -1)
        directions = np.hstack([columns, differences])
        lengths = np.linalg.norm(directions, axis=0)
        directions = directions[:, lengths > 1e-9 * np.max(lengths, initial=0.0)]
        if directions.shape[1] > 2000:
            directions = directions[:, rng.choice(directions.shape[1], 2000, replace=False)]
        return network_on_directions(lifting.problem, lifting.reduction, np.hstack([directions, -directions]))
