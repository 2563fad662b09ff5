"""The completely positive lifted program of Prakhya, Birdal and Yurtsever 2025 ("P25") (docs/mathematics/lifting.md).

Per neuron, λ = (α, β, u, v) with α = (Xu)₊ and β = (−Xu)₊; the lifted variable is Λ = Σ_k λ_kλ_kᵀ of order
2n + d + c, and training is

    min  ℓ(Λ_αv + 1tᵀ; Y) + (γ/2)(tr Λ_uu + tr Λ_vv)        (squared loss: ½‖Λ_αv − Y‖²_F; t = 0 without an offset)
    s.t. MΛMᵀ = 0 with M = [−I I X 0],   diag(Λ_αβ) = 0,   Λ in conv{λλᵀ : α, β ≥ 0}.

After presolve the rows are generators and the loss reads ℓ(L·(Λ_αv; Λ_βv); Y), where L gives each sample's activation
and carries the slopes of the activation function; without presolve, for ReLUs, L = [I 0] and this is P25's program to
the letter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Floats
from sdprelax.cells import Cone, whole_space
from sdprelax.lifting._block import Block
from sdprelax.lifting.inequalities import Forms, Inequality
from sdprelax.networks import Network, twins
from sdprelax.problem import Problem, Reduction

__all__ = ["LiftedProgram"]


@dataclass(frozen=True, eq=False)
class LiftedProgram:
    """Blocks, operators, objective and constraints of the lifted program of a problem.

    Parameters
    ----------
    problem: the training problem.
    reduction: the generator rows to lift over; ``Reduction.identity(problem.inputs)`` lifts the data as given.
    more: families of inequalities beyond the standard ones, by name, which its relaxations have too.
    left_out: standard families that its relaxations do not have.
    """

    problem: Problem
    reduction: Reduction
    more: Mapping[str, Inequality] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    @property
    def generators(self) -> int:
        """Number g of generator rows, hence of entries of α and of β."""
        return self.reduction.generators

    @property
    def order(self) -> int:
        """Order 2g + r + c of Λ."""
        return 2 * self.generators + self.reduction.rank + self.problem.shape[2]

    @cached_property
    def blocks(self) -> dict[str, slice]:
        """Index ranges of α, β, u and v in λ."""
        g, r = self.generators, self.reduction.rank
        ends = np.cumsum([0, g, g, r, self.problem.shape[2]])
        return {name: slice(int(ends[k]), int(ends[k + 1])) for k, name in enumerate(("alpha", "beta", "u", "v"))}

    @cached_property
    def selection(self) -> sp.csr_array:
        """L, shape (n, 2g): each sample's activation from (α, β)."""
        return self.reduction.selection()

    @cached_property
    def linear_map(self) -> Floats:
        """M = [−I I X̂ 0], shape (g, order): Mλ = 0 says α − β = X̂u."""
        identity = np.eye(self.generators)
        return np.hstack([-identity, identity, self.reduction.rows, np.zeros((self.generators, self.problem.shape[2]))])

    @cached_property
    def face(self) -> Floats:
        """T, shape (order, g + r + c): λ = T·(β, u, v), so that Λ = TSTᵀ solves MΛMᵀ = 0 identically."""
        g, r, c = self.generators, self.reduction.rank, self.problem.shape[2]
        T = np.zeros((self.order, g + r + c))
        T[:g, :g] = np.eye(g)
        T[:g, g : g + r] = self.reduction.rows
        T[g:, :] = np.eye(g + r + c)
        return T

    def forms(self, cone: Cone) -> Forms:
        """Return what is nonnegative for every neuron in a cone, by the standard families and ``more``."""
        return Forms.of(self.reduction.rows, cone, self.more, self.left_out)

    def over(self, cones: Sequence[Cone] | None = None) -> list[Block]:
        """Return the blocks of the reduced relaxation over a partition of weight space; default: all of it is one."""
        return [Block.of(self, self.forms(cone)) for cone in cones or [whole_space(self.generators)]]

    def neurons(self, network: Network) -> Floats:
        """Return λ_k of every neuron as columns, shape (order, m)."""
        w = self.reduction.basis.T @ network.hidden
        return np.vstack([twins(self.reduction.rows @ w), w, network.output.T])

    def lift(self, network: Network) -> Floats:
        """Return Λ = Σ_k λ_kλ_kᵀ of a network: feasible, with the network's objective."""
        columns = self.neurons(network)
        return columns @ columns.T

    def predictions(self, lifted: Floats, offset: Floats | None = None) -> Floats:
        """Return the training predictions, shape (n, c), that Λ and an offset stand for.

        Parameters
        ----------
        offset: t, shape (c,); by default, where the problem has one, the best for Λ.
        """
        P = np.asarray(self.selection @ lifted[: 2 * self.generators, self.blocks["v"]])
        if offset is None and self.problem.offset:
            offset = self.problem.best_offset(P)
        return P if offset is None else P + offset

    def objective(self, lifted: Floats) -> float:
        """Return ℓ(predictions; Y) + (γ/2)(tr Λ_uu + tr Λ_vv), with the best offset where the problem has one."""
        problem, diagonal, none = self.problem, np.diag(lifted), np.zeros(self.problem.shape[2])
        penalty = float(diagonal[self.blocks["u"]].sum() + diagonal[self.blocks["v"]].sum())
        P = self.predictions(lifted, none)
        if problem.offset:
            t = problem.best_offset(P)
            P, penalty = P + t, penalty + problem.offset_decay / problem.gamma * float(t @ t)
        return problem.loss.value(P, problem.Y) + 0.5 * problem.gamma * penalty

    def residuals(self, lifted: Floats) -> dict[str, float]:
        """Return the violation of every constraint but complete positivity, which is NP-hard to measure.

        Absolute, in the units of Λ: max |MΛMᵀ| ("linear"), −λ_min(Λ) ("semidefinite"), and under the name of each
        family of inequalities, ``left_out`` or not, how far products of its forms are below 0, or those that vanish
        from it.
        """
        M, forms = self.linear_map, Forms.of(self.reduction.rows, whole_space(self.generators), self.more)
        part = lifted[: self.blocks["v"].start, : self.blocks["v"].start]
        products = forms.over @ (forms.over @ part).T
        found = {
            "linear": float(np.max(np.abs(M @ lifted @ M.T), initial=0.0)),
            "semidefinite": max(0.0, -float(np.min(np.linalg.eigvalsh(lifted), initial=0.0))),
        }
        for name, multiplied in forms.multipliers(products).items():
            apart = np.abs(multiplied) if name in forms.vanishing else -multiplied
            found[name] = float(np.max(apart, initial=0.0))
        return found
