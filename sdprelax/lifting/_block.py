"""A block of the reduced relaxation in plain arrays, which every solver is given (docs/mathematics/relaxation.md).

Over x = (β, w, v), or (β, w, v, t) with a sector, a block S ⪰ 0 stands for Σxxᵀ over the neurons of a cone:

    min  ℓ(Σ_C L_CS_CV_Cᵀ + 1tᵀ; Y) + (γ/2)Σ_C⟨cost_C, diag S_C⟩
    s.t. (GSGᵀ)_pq ≥ 0 and = 0 as the forms say,     ⟨norm_q, diag S⟩ = 0,     in every block.

Its dual point is A, common to all blocks, with M and ν of each; the slack that has to be positive semidefinite is

    Z = (γ/2)diag(cost) + Σ_qν_q diag(norm_q) − ½(LᵀAV + VᵀAᵀL) − GᵀMG,      M ≥ 0 but where products vanish.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Floats
from sdprelax.cells import Cone
from sdprelax.lifting.inequalities import Forms, Pairs

if TYPE_CHECKING:
    from sdprelax.lifting._lifting import LiftedProgram

__all__ = ["Block"]


@dataclass(frozen=True, eq=False)
class Block:
    """One block of the reduced relaxation.

    Attributes
    ----------
    forms: what is nonnegative for every neuron of the block's cone, over z.
    matrix: G over x, shape (m, len(x)).
    lift: T, shape (2g + r + c, len(x)): (α, β, w, v) = Tx for a neuron of the cone.
    inputs: L, shape (n, len(x)): the samples' activations.
    outputs: V, shape (c, len(x)): the output weights v.
    cost: shape (len(x),): (γ/2)⟨cost, diag S⟩ is what the block costs.
    norms: shape (q, len(x)): ⟨norms_q, diag S⟩ = 0. Without a sector there are none; with one, t² = ‖w‖² and t² = ‖v‖².
    """

    forms: Forms
    matrix: sp.csr_array
    lift: sp.csr_array
    inputs: sp.csr_array
    outputs: sp.csr_array
    cost: Floats
    norms: Floats

    @staticmethod
    def of(lifting: LiftedProgram, forms: Forms) -> Block:
        """Return the block of a lifted program with these forms."""
        cone, c = forms.cone, lifting.problem.shape[2]
        g, r, k = lifting.generators, lifting.reduction.rank, len(cone.undetermined)
        if cone.sector is None:
            matrix = sp.csr_array(sp.hstack([forms.matrix, sp.csr_array((forms.count, c))]))
            lift = sp.csr_array(sp.block_diag([forms.lift, sp.eye_array(c)]))
            cost = np.concatenate([np.zeros(k), np.ones(r + c)])
            norms = np.zeros((0, k + r + c))
        else:
            # λ ends with t, which nothing but the forms and the norms speaks of.
            matrix, lift = forms.matrix, sp.csr_array(forms.lift[: 2 * g + r + c])
            w, t = np.zeros(matrix.shape[1]), np.zeros(matrix.shape[1])
            w[k : k + r], t[-1] = 1.0, 1.0
            v = np.zeros_like(t)
            v[k + r : -1] = 1.0
            cost = w + (v if c > 1 else t)
            norms = np.stack([t - w, t - v]) if c > 1 else (t - w)[None]
        activations, outputs = lift[: 2 * g], lift[2 * g + r :]
        return Block(
            forms, matrix, lift, sp.csr_array(lifting.selection @ activations), sp.csr_array(outputs), cost, norms
        )

    @property
    def cone(self) -> Cone:
        """The cone whose neurons it stands for."""
        return self.forms.cone

    @property
    def order(self) -> int:
        """Length of x, the order of S."""
        return len(self.cost)

    @property
    def pairs(self) -> Pairs:
        """Products of forms that are nonnegative, shape (p, 2), first ≤ second."""
        return self.forms.pairs

    @property
    def zeros(self) -> Pairs:
        """Products of forms that vanish, shape (p, 2)."""
        return self.forms.zeros

    @cached_property
    def twins(self) -> Pairs:
        """The vanishing products α_iβ_i of the undetermined rows, shape (k, 2), in the order of β in x.

        A negative multiplier there adds a positive multiple of β_i² to Z, without which Z has no interior.
        """
        return self.forms.vanishing.get("complementary", np.zeros((0, 2), dtype=np.int64))

    def part(self, S: Floats) -> Floats:
        """Return the block's part of Λ, shape (2g + r + c, 2g + r + c)."""
        return np.asarray(self.lift @ (self.lift @ S).T)

    def slack(self, gamma: float, A: Floats, M: Floats, balance: Floats | None = None) -> Floats:
        """Return Z of a dual point, shape (len(x), len(x)).

        Parameters
        ----------
        A: shape (n, c).
        M: shape (m, m), symmetric.
        balance: ν of the norms, shape (q,); default 0.
        """
        pulled = np.asarray((self.inputs.T @ A) @ self.outputs.toarray())
        diagonal = 0.5 * gamma * self.cost
        if balance is not None:
            diagonal = diagonal + balance @ self.norms
        folded = np.asarray(self.matrix.T @ (self.matrix.T @ M).T)
        return np.asarray(np.diag(diagonal) - 0.5 * (pulled + pulled.T) - folded)

    def multipliers(self, gamma: float, M: Floats) -> Floats:
        """Return N of the certificate: 2γM, or M with a sector, where Z itself is what is certified."""
        return (2.0 * gamma if self.cone.sector is None else 1.0) * M
