"""Alternating directions for one cone at a fixed dual point B (docs/solver.md, "One cone").

Over z = (β, w), with D what ‖Bᵀa(w)‖² is a square of, the cone's local program is

    max ⟨DDᵀ, S⟩   s.t.   tr S_ww = 1,   S ⪰ 0,   (GSGᵀ)_pq ≥ 0 or = 0 as forms say,

and its value bounds ω_C². Over Λ = KSKᵀ, K the forms and w, what is asked is asked entry by entry but for the trace,
and the objective joins the projection on {KSKᵀ : S ⪰ 0}. ρ(x − z) is exactly a multiplier N ≥ 0 of the products.
"""

from __future__ import annotations

import numpy as np

from sdprelax.base import Deadline, Floats
from sdprelax.lifting.inequalities import Forms
from sdprelax.solvers.native.alternating import PENALTY, RELAXATION, balances, rebalanced
from sdprelax.solvers.native.factored import AskedProducts, Factored
from sdprelax.solvers.native.refining import direction

__all__ = ["LocalState", "LocalSteps"]

# Largest difference in length of forms that are the same.
SAME_LENGTH = 1e-9


class LocalState:
    """What the parts of a cone start from.

    Attributes
    ----------
    forms: of the cone.
    z, penalty: of the run; z in single precision, ρ in the units of DDᵀ.
    """

    def __init__(self, forms: Forms, z: Floats, penalty: float) -> None:
        self.forms, self.z, self.penalty = forms, z.astype(np.float32), penalty


class LocalSteps:
    """The iteration over one cone, and its state.

    Parameters
    ----------
    forms: of a cone without a sector.
    dual: B of the generator rows, shape (2g, c).
    start: the state of a cone that this one is a part of; None for zero.
    """

    def __init__(self, forms: Forms, dual: Floats, start: LocalState | None = None) -> None:
        self.forms, m, order = forms, forms.count, forms.matrix.shape[1]
        k = len(forms.cone.undetermined)
        K = np.vstack([forms.matrix.toarray(), np.eye(order)[k:]])
        self.factored, self.asked = Factored(K, k), AskedProducts(forms.pairs, forms.zeros, m)
        self.products, self.weights = slice(0, m), np.arange(m, len(K))
        D = forms.lift.T @ np.pad(dual, ((0, order - k), (0, 0)))
        wanted = D @ D.T
        # In units of the objective's own size the value is about 1.
        self.size = max(float(np.linalg.norm(wanted)), 1e-300)
        self.pull = self.factored.whitened(wanted / self.size)
        self.penalty, self.steps, self.z = PENALTY, 0, np.zeros((len(K), len(K)))
        if start is not None:
            self._begin(start)
        self.vectors = np.zeros((order, 0))
        self.x = self._proximal()

    def _begin(self, start: LocalState) -> None:
        """Take z from a cone's, of the forms that both have, and its ρ."""
        cone, whole = self.forms.cone, start.forms
        g, lift = len(cone.signs), self.forms.lift.toarray()
        # The whole's variables are linear in the part's.
        embedded = np.vstack([lift[g + whole.cone.undetermined], lift[2 * g :]])
        images = whole.matrix @ embedded
        lengths = np.linalg.norm(images, axis=1)
        places = {direction(image): p for p, image in reversed(list(enumerate(images)))}
        own = self.forms.matrix.toarray()
        found = np.array([places.get(direction(form), -1) for form in own], dtype=np.int64)
        close = np.abs(lengths[found] - np.linalg.norm(own, axis=1)) <= SAME_LENGTH * np.maximum(lengths[found], 1e-300)
        here = np.flatnonzero((found >= 0) & close)
        weights = np.arange(len(self.weights))
        own_places = np.concatenate([here, self.weights])
        their_places = np.concatenate([found[here], whole.count + weights])
        self.z[np.ix_(own_places, own_places)] = start.z[np.ix_(their_places, their_places)]
        # ρ is balanced anew, as often as at the start.
        self.penalty = start.penalty / self.size

    @property
    def state(self) -> LocalState:
        """What the cone's parts start from."""
        return LocalState(self.forms, self.z, self.size * self.penalty)

    def _proximal(self) -> Floats:
        """Return x: the nearest to z with products as asked and tr x_ww = 1."""
        x = self.z.copy()
        x[self.products, self.products] = self.asked.nearest(self.z[self.products, self.products])
        x[self.weights, self.weights] -= (np.sum(x[self.weights, self.weights]) - 1.0) / len(self.weights)
        return x

    def run(self, steps: int, deadline: Deadline) -> bool:
        """Take so many steps; say whether there was time for them."""
        for _ in range(steps):
            if deadline.expired:
                return False
            self._step()
        return True

    def _step(self) -> None:
        self.vectors = self.factored.nearest(2.0 * self.x - self.z, self.pull / self.penalty)
        image = self.factored.image(self.vectors)
        y = image @ image.T
        change, before = y - self.x, self.x
        self.z += RELAXATION * change
        self.x = self._proximal()
        self.steps += 1
        if not balances(self.steps):
            return
        parts = change, y, self.x - before, self.z - self.x
        factor = rebalanced(self.steps, *(float(np.vdot(part, part)) for part in parts))
        if factor is not None:
            # x stays, and with it ρ(x − z).
            self.penalty *= factor
            self.z = self.x + (self.z - self.x) / factor

    def multipliers(self) -> Floats:
        """Return N, shape (m, m)."""
        apart = (self.x - self.z)[self.products, self.products]
        return np.asarray(self.size * self.penalty * apart)

    def matrix(self) -> Floats:
        """Return S over (β, w), of y."""
        return np.asarray(self.vectors @ self.vectors.T)
