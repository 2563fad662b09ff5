"""Inequality ``sublinear``: a neuron's activation is a convex, positively homogeneous function of the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import NonNegativeInt, PositiveInt

from sdprelax.base import Floats
from sdprelax.lifting.inequalities import Forms, Inequality, inequalities
from sdprelax.lifting.inequalities._separation import violated_forms

__all__ = ["Sublinear"]


@inequalities.register("sublinear")
@dataclass(frozen=True)
class Sublinear(Inequality):
    """Σ_iλ_i(v_iᵀw)₊ − (v_jᵀw)₊ ≥ 0 for v_j = Σ_iλ_iv_i, λ ≥ 0, where every v is a row ±x̂: what a solution violates.

    Beyond rank 2 there are too many of them: the relaxation is solved, the worst enter, and it is solved again.

    Parameters
    ----------
    rounds: how often forms are added, at most; 0 for none beyond the plane.
    most: forms that are added to a cone in one round, at most.
    """

    kernels: ClassVar[tuple[str, ...]] = ("sdprelax.lifting.inequalities._envelopes",)

    rounds: NonNegativeInt = 3
    most: PositiveInt = 50

    def separated(self, rows: Floats, forms: Forms, S: Floats) -> Floats:
        """Return what a solution violates most, of unit length, at most ``most``; nothing in the plane."""
        return violated_forms(rows, forms, S, self.most) if rows.shape[1] > 2 else super().separated(rows, forms, S)
