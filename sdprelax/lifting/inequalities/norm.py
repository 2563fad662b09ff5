"""Inequality ``norm``: a balanced neuron's weights are no longer than t in any direction, by separation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from sdprelax.base import Floats
from sdprelax.lifting.inequalities import Forms, Inequality, inequalities

__all__ = ["Norm"]

# Violations, relative to the largest S_gt of a form g, below which a direction is not worth a form.
WORTH = 1e-4
# Cosine beyond which two directions are one.
SAME = 0.99


@inequalities.register("norm")
@dataclass(frozen=True)
class Norm(Inequality):
    """t − dᵀw ≥ 0 and t − dᵀv ≥ 0 for unit vectors d, in blocks of sectors.

    Their products with a form g, for all d together, are ‖S_gw‖ ≤ S_gt: the second-order cone constraints of
    reformulation-linearisation (Sherali and Adams 1999; Burer and Anstreicher 2013, section 3). The directions S_gw and
    S_gv that violate them most in a solution enter.

    Parameters
    ----------
    rounds: how often directions enter, at most.
    most: directions of w, and of v, that enter a block at a time.
    """

    of_sectors: ClassVar[bool] = True

    rounds: NonNegativeInt = 3
    most: PositiveInt = 5

    def separated(self, rows: Floats, forms: Forms, S: Floats) -> Floats:
        """Return forms over z of the directions that a solution violates most."""
        sector, k, r = forms.cone.sector, len(forms.cone.undetermined), rows.shape[1]
        if sector is None:
            return super().separated(rows, forms, S)
        images = np.asarray(forms.matrix @ S)
        found: list[Floats] = []
        for place in (slice(k, k + r), slice(k + r, len(S) - 1)):
            length = np.linalg.norm(images[:, place], axis=1)
            excess = length - images[:, -1]
            taken: list[Floats] = []
            for g in np.argsort(-excess):
                if excess[g] <= WORTH * np.max(images[:, -1]) or len(taken) == self.most:
                    break
                direction = images[g, place] / length[g]
                if all(direction @ other < SAME for other in taken):
                    taken.append(direction)
            for direction in taken:
                form = np.zeros(len(S))
                form[place], form[-1] = -direction, 1.0
                found.append(form)
        return np.array(found).reshape(-1, len(S))
