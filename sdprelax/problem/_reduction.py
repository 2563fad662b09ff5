"""Presolve: fewer and better scaled generator rows for the same training problem.

Without it even the facially reduced relaxation has no interior (docs/mathematics/problem.md, "Presolve").
Every ReLU is written through unit *generator* rows x̂_g in the row space of X:

    (x_iᵀu)₊ = f_i·(x̂_gᵀw)₊   for f_i ≥ 0,      |f_i|·(−x̂_gᵀw)₊   for f_i < 0,      w = Qᵀu,

so zero rows (f_i = 0) vanish, parallel rows share a generator, antiparallel ones use its other
half, and directions outside the row space are gone. An activation φ(z) = s₊z₊ + s₋(−z)₊ weighs both halves by its
slopes. In floating point this holds up to
rounding; the certificate bounds what is missing instead of trusting this file.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.spatial import KDTree

from sdprelax.base import Floats, Integers
from sdprelax.networks import Activation, Network, ReLU, twins
from sdprelax.problem._problem import Problem

__all__ = ["PARALLEL", "Reduction", "reduce", "reduce_inputs"]

# Unit rows that differ by less than this are one generator; the difference goes into the certificate.
PARALLEL = 1e-13
# A row this much shorter than the longest one is dropped; it goes into the certificate as well.
NEGLIGIBLE = 1e-14


@dataclass(frozen=True, eq=False)
class Reduction:
    """The data of a problem in generator rows.

    Parameters
    ----------
    rows: unit generator rows x̂, shape (g, r).
    basis: Q, shape (d, r), orthonormal columns that span the row space of the inputs.
    group: generator of each sample, shape (n,).
    factor: signed length f_i of each sample along its generator, shape (n,); 0 drops the sample.
    activation: φ, whose slopes (s₊, s₋) the selection carries; ReLU by default.
    """

    rows: Floats
    basis: Floats
    group: Integers
    factor: Floats
    activation: Activation = ReLU()  # noqa: RUF009 (frozen)

    @property
    def rank(self) -> int:
        """Dimension r of the reduced weight space."""
        return int(self.rows.shape[1])

    @property
    def generators(self) -> int:
        """Number g of generator rows."""
        return int(self.rows.shape[0])

    def selection(self) -> sp.csr_array:
        """Return L, shape (n, 2g): sample activations = L · (generators' α = (X̂w)₊, then β = (−X̂w)₊).

        Row i has |f_i|s₊ at the half of its generator that f_i's sign names and |f_i|s₋ at the other one.
        """
        n, g = len(self.group), self.generators
        alive = np.flatnonzero(self.factor != 0.0)
        owner, length, ahead = self.group[alive], np.abs(self.factor[alive]), self.factor[alive] > 0.0
        halves = (np.where(ahead, owner, owner + g), np.where(ahead, owner + g, owner))
        used = [
            (slope * length, columns) for slope, columns in zip(self.activation.slopes, halves, strict=True) if slope
        ]
        rows = np.tile(alive, len(used))
        entries, columns = (np.concatenate(parts) for parts in zip(*used, strict=True))
        return sp.csr_array((entries, (rows, columns)), shape=(n, 2 * g))

    def pull_back(self, A: Floats) -> Floats:
        """Return B = LᵀA, shape (2g, c): dual weights of the generators for residuals A of shape (n, c)."""
        return np.asarray(self.selection().T @ A)

    def features(self, directions: Floats) -> Floats:
        """Return the samples' activations, shape (n, k), of reduced hidden weights w, shape (r, k)."""
        return np.asarray(self.selection() @ twins(self.rows @ directions))

    def network(self, hidden: Floats, output: Floats, problem: Problem) -> Network:
        """Return the network of reduced hidden weights, shape (r, m), and output weights, shape (m, c)."""
        return problem.network(self.basis @ hidden, output).balanced()

    def of_samples(self, chosen: slice) -> Reduction:
        """Return the reduction of some of the samples, with the generators of all of them."""
        return dataclasses.replace(self, group=self.group[chosen], factor=self.factor[chosen])

    @staticmethod
    def identity(X: Floats, activation: Activation = ReLU()) -> Reduction:  # noqa: B008 (frozen)
        """Return the reduction of inputs, shape (n, d), that changes nothing: every sample is its own generator."""
        n, d = X.shape
        return Reduction(X.copy(), np.eye(d), np.arange(n), np.ones(n), activation)


def reduce(problem: Problem) -> Reduction:
    """Return the presolved form of a problem: unit rows, parallel rows merged, in the row space."""
    return reduce_inputs(problem.inputs, activation=problem.activation)


def reduce_inputs(
    X: Floats, parallel: float = PARALLEL, activation: Activation = ReLU()  # noqa: B008 (frozen)
) -> Reduction:  # fmt: skip
    """Return the presolved form of inputs, shape (n, d).

    Parameters
    ----------
    parallel: distance of unit rows below which they are one generator; what that neglects goes into the certificate.
    activation: φ, for the selection.
    """
    n, d = X.shape
    # Powers of two scale exactly and keep squares of extreme entries representable.
    largest = np.max(np.abs(X), axis=1)
    exponent = np.where(largest > 0.0, np.frexp(largest)[1], 0)
    scaled = np.ldexp(X, -exponent[:, None])
    lengths = np.ldexp(np.linalg.norm(scaled, axis=1), exponent)
    alive = np.flatnonzero(lengths > NEGLIGIBLE * np.max(lengths, initial=0.0))
    group, factor = np.zeros(n, dtype=np.int64), np.zeros(n)
    if alive.size == 0:
        return Reduction(np.zeros((0, 0)), np.zeros((d, 0)), group, factor, activation)
    unit = scaled[alive] / np.linalg.norm(scaled[alive], axis=1)[:, None]
    basis = np.eye(d)
    while True:
        # Rows that are merged or projected may leave fewer dimensions than before: until nothing changes.
        owner, sign, chosen = _merge_parallel(unit, parallel)
        _, singular, right = np.linalg.svd(unit[chosen], full_matrices=False)
        rank = int(np.sum(singular > singular[0] * max(unit.shape) * np.finfo(float).eps))
        if rank == unit.shape[1]:
            break
        basis = basis @ right[:rank].T
        unit = unit @ right[:rank].T
        unit /= np.linalg.norm(unit, axis=1)[:, None]
    group[alive] = owner
    factor[alive] = sign * np.einsum("ij,ij->i", X[alive] @ basis, unit[chosen][owner] * sign[:, None])
    return Reduction(unit[chosen], basis, group, factor, activation)


def _merge_parallel(unit: Floats, parallel: float) -> tuple[Integers, Floats, Integers]:
    """Return (generator of each row, sign of each row along it, rows that are the generators)."""
    count = len(unit)
    tree = KDTree(np.vstack([unit, -unit]))
    owner = np.full(count, -1, dtype=np.int64)
    sign = np.ones(count)
    chosen: list[int] = []
    for i in range(count):
        if owner[i] >= 0:
            continue
        for j in tree.query_ball_point(unit[i], parallel):
            row, flip = j % count, -1.0 if j >= count else 1.0
            if owner[row] < 0:
                owner[row], sign[row] = len(chosen), flip
        chosen.append(i)
    return owner, sign, np.array(chosen, dtype=np.int64)
