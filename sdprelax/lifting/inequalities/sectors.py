"""Inequality ``sectors``: where the output weights of a balanced neuron are, and how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Floats
from sdprelax.cells import Cone
from sdprelax.lifting.inequalities import Inequality, inequalities

__all__ = ["Sectors"]


@inequalities.register("sectors")
@dataclass(frozen=True)
class Sectors(Inequality):
    """Output weights v on the inner side of their sector's walls, near its middle m, and at most as long as t.

    pᵀv ≥ 0 of every wall, mᵀv ≥ cos(m, rays)·t, dᵀv ≤ t for m and the rays d, |x̂_iᵀw| = α_i + β_i ≤ ‖x̂_i‖t of the rows
    that the cone leaves undetermined, and ±x̂_iᵀw ≤ ‖x̂_i‖t of its facets. Without a sector it says nothing.
    """

    of_sectors: ClassVar[bool] = True

    def forms(self, rows: Floats, cone: Cone) -> sp.csr_array:
        """Return these forms, shape (m, len(λ))."""
        (g, r), sector = rows.shape, cone.sector
        if sector is None:
            return super().forms(rows, cone)
        c, free, facets = sector.outputs, cone.undetermined, cone.walls(rows)
        outputs = np.zeros((0, c + 1))
        if c > 1:
            cosine = float(np.min(sector.middle @ sector.directions))
            inside = np.vstack([sector.middle, sector.directions.T])
            outputs = np.vstack(
                [
                    np.hstack([sector.walls, np.zeros((c, 1))]),
                    np.append(sector.middle, -cosine)[None],
                    np.hstack([-inside, np.ones((c + 1, 1))]),
                ]
            )
        lengths = np.linalg.norm(rows[free], axis=1)
        place, count = np.arange(len(free)), len(free)
        short = sp.csr_array(
            (
                np.concatenate([-np.ones(2 * count), lengths]),
                (np.tile(place, 3), np.concatenate([free, g + free, np.full(count, 2 * g + r + c)])),
            ),
            shape=(count, 2 * g + r + c + 1),
        )
        walls = np.hstack(
            [
                np.zeros((len(facets), 2 * g)),
                -facets,
                np.zeros((len(facets), c)),
                np.linalg.norm(facets, axis=1)[:, None],
            ]
        )
        wide = np.hstack([np.zeros((len(outputs), 2 * g + r)), outputs])
        return sp.csr_array(sp.vstack([sp.csr_array(wide), short, sp.csr_array(walls)]))
