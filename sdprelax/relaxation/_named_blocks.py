"""Blocks and inequalities of a relaxation under names, and the multipliers of everything that is asked of a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Floats, InputError, optional
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import Forms, Pairs
from sdprelax.relaxation._coordinates import entries_of
from sdprelax.relaxation._program import Modelled

__all__ = ["NamedBlock", "NamedInequality"]


@dataclass(frozen=True, eq=False)
class NamedInequality:
    """What a relaxation asks for under a name.

    Attributes
    ----------
    name: of the family, or as it was added.
    constraints: CVXPY's constraints that it is part of.
    forms: what it says is nonnegative, over x of every block, shape (m, order) each; empty where it states no forms.
    proved: whether its multipliers enter the certificate.
    """

    name: str
    constraints: tuple[Any, ...]
    forms: tuple[Floats, ...] = ()
    proved: bool = True


class NamedBlock:
    """One semidefinite block of a relaxation, in the units of the presolved problem.

    Attributes
    ----------
    matrix: S, a CVXPY variable or an expression of one, shape (order, order), which stands for Σxxᵀ over the neurons of
        ``cone``.
    cone: the part of weight space.
    labels: what each entry of x is: "beta[3]" belongs to generator row 3 (rows with one sign in the cone have none),
        "u[0]" and "v[0]" to the hidden and output weights.
    """

    def __init__(self, modelled: Modelled, lifting: LiftedProgram) -> None:
        self.modelled, self._places, block = modelled, lifting.blocks, modelled.block
        self.matrix, self.cone = modelled.matrix, block.cone
        (_, _, c), as_published = lifting.problem.shape, self.cone.sector is None and block.order == lifting.order
        names = [f"alpha[{row}]" for row in range(lifting.generators)] if as_published else []
        names += [f"beta[{row}]" for row in self.cone.undetermined]
        names += [f"u[{k}]" for k in range(lifting.reduction.rank)]
        names += [f"v[{k}]" for k in range(c)] if block.order >= len(names) + c + (self.cone.sector is not None) else []
        self.labels = tuple(names if self.cone.sector is None else [*names, "t"])
        # All forms over x that were asked for, known as combinations of a certificate's, or not known: rows of zeros.
        self._stacked, self._known = block.matrix, sp.csr_array(sp.eye_array(block.forms.count))
        self._asked = np.ones(block.forms.count, dtype=bool)
        for name in block.forms.left_out:
            self._asked[block.forms.places[name]] = False
        self._products: list[tuple[Any, Pairs]] = []
        self._sums: list[tuple[Any, Floats]] = []
        self.stated: dict[str, Floats] = {}

    @property
    def forms(self) -> Floats:
        """G over x, shape (m, order): what the named families say is nonnegative for every neuron of the cone."""
        return np.asarray(self.modelled.block.matrix.toarray())

    def __getitem__(self, pair: tuple[str, str]) -> Any:
        """Return a block of the cone's part of Λ as a CVXPY expression: ``block["alpha", "v"]`` is Λ_αv."""
        try:
            first, second = (self._lift(name) for name in pair)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"Λ has no block {pair!r}; ask for a pair of {', '.join(self._places)}.") from None
        return first @ self.matrix @ second.T

    def _lift(self, name: str) -> sp.csr_array:
        return sp.csr_array(self.modelled.block.lift[self._places[name]])

    def state(self, lifting: LiftedProgram, name: str, forms: Floats) -> sp.csr_array:
        """Enter forms over z, shape (p, len(z)), into the certificate's; return which they are, shape (p, m)."""
        before, p = self.certified_forms(lifting).count, len(forms)
        self.stated[name] = forms
        return sp.csr_array(sp.hstack([sp.csr_array((p, before)), sp.eye_array(p)]))

    def multiply(self, own: sp.csr_array, known: sp.csr_array | None) -> Any:
        """Return CVXPY's constraint that products of forms over x with each other, and with all others, are ≥ 0.

        Parameters
        ----------
        own: the forms, shape (p, order), p > 0.
        known: which combinations of the certificate's forms, those of ``stated`` among them, they are, shape (p, m);
            None where nobody knows.
        """
        cp = optional("cvxpy")

        p, start = own.shape[0], self._stacked.shape[0]
        width = max(self._known.shape[1], 0 if known is None else known.shape[1])
        self._stacked = sp.csr_array(sp.vstack([self._stacked, own]))
        parts = [self._known, sp.csr_array((p, width)) if known is None else known]
        self._known = sp.csr_array(sp.vstack([_widened(part, width) for part in parts]))
        first, second = (
            index.ravel() for index in np.meshgrid(np.flatnonzero(self._asked), np.arange(start, start + p))
        )
        i, j = np.triu_indices(p)
        pairs = np.stack([np.concatenate([first, start + i]), np.concatenate([second, start + j])], axis=1)
        self._asked = np.concatenate([self._asked, np.ones(p, dtype=bool)])
        constraint = entries_of(self._stacked, pairs) @ cp.vec(self.matrix, order="F") >= 0.0
        self._products.append((constraint, pairs))
        return constraint

    def sum_up(self, Q: Floats, N: Floats | None) -> Any:
        """Return CVXPY's constraint ⟨Q, S⟩ ≥ 0, where Q = GᵀNG, or nobody knows."""
        cp = optional("cvxpy")

        constraint = cp.sum(cp.multiply(Q, self.matrix)) >= 0.0
        if N is not None:
            self._sums.append((constraint, N))
        return constraint

    def multipliers(self, gamma: float, A: Floats) -> Floats:
        """Return N over the certificate's forms, as the solver left the duals of everything that is proved, with A."""
        block, size = self.modelled.block, self._known.shape[1]
        count = block.forms.count
        M = np.zeros((len(self._asked), len(self._asked)))
        for constraint, pairs in self._products:
            # An entry off the diagonal shares its multiplier with its mirror image.
            np.add.at(M, tuple(pairs.T), 0.5 * np.asarray(constraint.dual_value, dtype=np.float64).ravel())
        M = M + M.T
        others = np.asarray(self._stacked.T @ (self._stacked.T @ M).T)
        M = np.asarray(self._known.T @ (self._known.T @ M).T)
        for constraint, N in self._sums:
            weighed = float(constraint.dual_value) * N
            M[:count, :count] += weighed
            others = others + np.asarray(block.matrix.T @ (block.matrix.T @ weighed).T)
        total = np.zeros((size, size))
        total[:count, :count] = self.modelled.multipliers(gamma, A, others)
        return total + block.multipliers(gamma, M)

    def certified_forms(self, lifting: LiftedProgram) -> Forms:
        """Return the forms of the certificate: those of the families, and what was added with a cone as its reason."""
        if not self.stated and not lifting.left_out:
            return self.modelled.block.forms
        return Forms.of(lifting.reduction.rows, self.cone, {**lifting.more, **self.stated})


def _widened(matrix: sp.csr_array, width: int) -> sp.csr_array:
    return sp.csr_array(sp.hstack([matrix, sp.csr_array((matrix.shape[0], width - matrix.shape[1]))]))
