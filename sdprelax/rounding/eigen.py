"""Eigenvector rounding: the principal directions of the lifted variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import PositiveFloat

from sdprelax.base import Floats
from sdprelax.lasso import OnDirections, network_on_directions
from sdprelax.lifting import LiftedProgram
from sdprelax.rounding import roundings

__all__ = ["Eigen"]


@roundings.register("eigen")
@dataclass(frozen=True)
class Eigen:
    """Hidden parts of the eigenvectors of Λ, and its pivoted columns, then the group lasso over them.

    If Λ has rank one per neuron, its eigenvectors (or its columns, each of which mixes few neurons)
    point along the neurons.

    Parameters
    ----------
    tolerance: eigenvalues below this share of the largest are left out.
    """

    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    tolerance: PositiveFloat = 1e-9

    def round(self, lifting: LiftedProgram, lifted: Floats, *, rng: np.random.Generator) -> OnDirections:
        """Return the best network on the eigenvectors and columns of Λ, shape (order, order)."""
        u = lifting.blocks["u"]
        eigenvalues, vectors = np.linalg.eigh(lifted)
        kept = vectors[u][:, eigenvalues > self.tolerance * eigenvalues[-1]]
        columns = lifted[u]
        lengths = np.linalg.norm(columns, axis=0)
        columns = columns[:, lengths > self.tolerance * np.max(lengths, initial=0.0)]
        directions = np.hstack([kept, columns])
        return network_on_directions(lifting.problem, lifting.reduction, np.hstack([directions, -directions]))
