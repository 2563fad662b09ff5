"""The Lasso over closed-form neurons: a convex program and its dual.

    min over z (K×c), t (c)  ½‖Φz + 1tᵀ − Y‖² + γΣ_k‖z_k‖,      dual: max ⟨A, Y⟩ − ½‖A‖²  s.t. ‖Aᵀφ_k‖ ≤ γ, 1ᵀA = 0

(t and 1ᵀA = 0 with a free output bias only; of one output this is the Lasso, of several the group Lasso).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sdprelax.base import Floats

__all__ = ["LassoFit", "LassoProgram"]


@dataclass(frozen=True, eq=False)
class LassoProgram:
    """Data of the program.

    Parameters
    ----------
    features: Φ, shape (n, K).
    targets: Y, shape (n, c).
    gamma: weight of the norms.
    intercept: whether there is a free output bias t.
    """

    features: Floats
    targets: Floats
    gamma: float
    intercept: bool = False

    def centred(self) -> LassoProgram:
        """Return the same program without t, which is eliminated: columns and targets minus their means."""
        if not self.intercept:
            return self
        return LassoProgram(
            self.features - np.mean(self.features, axis=0), self.targets - np.mean(self.targets, axis=0), self.gamma
        )

    def offset(self, weights: Floats) -> Floats:
        """Return the best t, shape (c,), for weights z; zeros without one."""
        if not self.intercept:
            return np.zeros(self.targets.shape[1])
        return np.asarray(np.mean(self.targets - self.features @ weights, axis=0))


@dataclass(frozen=True, eq=False)
class LassoFit:
    """A primal-dual pair.

    Attributes
    ----------
    weights: z, shape (K, c).
    offset: t, shape (c,).
    multiplier: A, shape (n, c), feasible up to rounding.
    value, dual_value: of the two, in floating point; ``sdprelax.certificate.group_bounds`` bounds them.
    expired: whether the deadline ended the solver.
    """

    weights: Floats
    offset: Floats
    multiplier: Floats
    value: float
    dual_value: float
    expired: bool = False

    @property
    def gap(self) -> float:
        """Duality gap relative to the value."""
        return (self.value - self.dual_value) / self.value if self.value > 0.0 else 0.0

    @property
    def used(self) -> Any:
        """Whether each atom carries weight, shape (K,)."""
        return np.any(self.weights != 0.0, axis=1)
