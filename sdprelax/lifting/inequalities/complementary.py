"""Inequality ``complementary``: a row's activation is on one side of its hyperplane only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdprelax.lifting.inequalities import Forms, Inequality, Pairs, inequalities

__all__ = ["Complementary"]


@inequalities.register("complementary")
@dataclass(frozen=True)
class Complementary(Inequality):
    """α_iβ_i = 0 of every row that the cone leaves undetermined; their multipliers are free."""

    def vanishing(self, forms: Forms) -> Pairs:
        """Return the twins (α_i, β_i), shape (k, 2)."""
        k, start = len(forms.cone.undetermined), forms.places["nonnegative"].start
        return np.stack([np.arange(k), np.arange(k) + k], axis=1) + np.int64(start)
