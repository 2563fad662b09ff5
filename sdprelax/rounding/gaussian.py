"""Gaussian rounding: sample hidden weights from the relaxation's own covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import PositiveInt

from sdprelax.base import Floats, positive_part
from sdprelax.lasso import OnDirections, network_on_directions
from sdprelax.lifting import LiftedProgram
from sdprelax.rounding import roundings

__all__ = ["Gaussian"]


@roundings.register("gaussian")
@dataclass(frozen=True)
class Gaussian:
    """Directions u ~ N(0, Λ_uu), then the group lasso over them.

    Parameters
    ----------
    samples: directions drawn; each is used with both signs.
    """

    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    samples: PositiveInt = 300

    def round(self, lifting: LiftedProgram, lifted: Floats, *, rng: np.random.Generator) -> OnDirections:
        """Return the best network on directions sampled from Λ, shape (order, order)."""
        u = lifting.blocks["u"]
        eigenvalues, vectors = np.linalg.eigh(lifted[u, u])
        root = vectors * np.sqrt(positive_part(eigenvalues))
        directions = root @ rng.standard_normal((root.shape[1], self.samples))
        return network_on_directions(lifting.problem, lifting.reduction, np.hstack([directions, -directions]))
