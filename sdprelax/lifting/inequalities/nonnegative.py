"""Inequality ``nonnegative``: activations are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Floats
from sdprelax.cells import Cone
from sdprelax.lifting.inequalities import Inequality, inequalities

__all__ = ["Nonnegative"]


@inequalities.register("nonnegative")
@dataclass(frozen=True)
class Nonnegative(Inequality):
    """α_i ≥ 0 and β_i ≥ 0 of every row that the cone leaves undetermined: first the k of α, then the k of β."""

    def forms(self, rows: Floats, cone: Cone) -> sp.csr_array:
        """Return the unit vectors of these α_i and β_i, shape (2k, len(λ))."""
        (g, r), free = rows.shape, cone.undetermined
        place, width = np.concatenate([free, free + g]), 2 * g + r + cone.balanced
        return sp.csr_array((np.ones(len(place)), (np.arange(len(place)), place)), shape=(len(place), width))
