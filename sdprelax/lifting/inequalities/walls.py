"""Inequality ``walls``: a neuron in a cone is on the inner side of its walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Floats
from sdprelax.cells import Cone
from sdprelax.lifting.inequalities import Inequality, inequalities

__all__ = ["Walls"]


@inequalities.register("walls")
@dataclass(frozen=True)
class Walls(Inequality):
    """σ_ix̂_iᵀw ≥ 0 of every facet of the cone; all of weight space has none."""

    def forms(self, rows: Floats, cone: Cone) -> sp.csr_array:
        """Return the inward normals of the facets, shape (f, len(λ))."""
        walls = cone.walls(rows)
        facet, column = np.nonzero(walls)
        shape = (len(walls), 2 * len(rows) + rows.shape[1] + cone.balanced)
        return sp.csr_array((walls[facet, column], (facet, 2 * len(rows) + column)), shape=shape)
