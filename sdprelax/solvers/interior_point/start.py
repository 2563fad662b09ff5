"""Strictly feasible starts of our interior point, block by block.

docs/mathematics/solvers.md, "Interior point: constraints enter as they bind".

Primal: true neurons in directions where activations of neighbouring rows are as large as they can be at a time. Dual:
multipliers of neighbouring rows that their twins pay for.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse as sp

from sdprelax.base import Floats, positive_part
from sdprelax.lifting import Block
from sdprelax.lifting.inequalities import Pairs

__all__ = ["balance_start", "dual_start", "independent", "primal_start"]

# Squared distance of unit rows from which on nearer pairs start no larger multipliers.
NEAREST = 1e-10
# Squared distance of unit rows up to which nothing that tells them apart survives rounding.
SAME = 1e-14
# Directions per row that the first primal point is made of: towards the nearest rows, and towards any.
NEAR, ANY = 32, 32
# Pairs of rows whose neurons are made at a time.
CHUNK = 1000
# Twins come first among products that vanish.
FIRST = 100.0
# Relative size below which a vanishing product is a combination of the others.
DEPENDENT = 1e-9


def primal_start(block: Block, rows: Floats) -> Floats:
    """Return Σxxᵀ over true neurons, shape (order, order), definite and with P_{α_iα_j}, P_{β_iβ_j}, P_{α_iβ_j} > 0.

    α_iβ_j of unit rows at angle θ is at most sin²(θ/2)‖w‖², attained at w ∝ x̂_i − x̂_j, and α_iα_j at most
    cos²(θ/2)‖w‖², attained at x̂_i + x̂_j. Those are the neurons, wherever the block's cone is, with output weights
    anywhere in its sector: of every row with its nearest ones, a random choice of the others, and every pair that still
    has a zero entry.

    Parameters
    ----------
    rows: the generator rows, shape (g, r).

    Raises
    ------
    LinAlgError: two rows are as good as parallel.
    """
    free, G, r = rows[block.cone.undetermined], block.matrix[: 2 * len(block.twins)], rows.shape[1]
    g = len(free)
    if g and _nearest(free) <= SAME:
        raise np.linalg.LinAlgError
    rng = np.random.default_rng(0)
    neurons = _Neurons(block, free)
    neurons.add(np.vstack([rows, -rows, np.eye(r), -np.eye(r)]) if block.cone.sector or not g else np.zeros((0, r)))
    if g:
        order = np.argsort(-np.abs(free @ free.T), axis=1)
        near = min(g, NEAR)
        chosen = [order[:, :near]]
        if g > near:
            any_others = [rng.choice(order[i, near:], min(ANY, g - near), replace=False) for i in range(g)]
            chosen.append(np.array(any_others))
        others = np.hstack(chosen)
        neurons.add_between(np.repeat(np.arange(g), others.shape[1]), others.ravel())
        products = (G @ (G @ neurons.total).T) <= 0.0
        products[np.arange(g), np.arange(g) + g] = False
        first, second = np.nonzero(np.triu(products))
        neurons.add_between(first % g, second % g)
    X: Floats = neurons.total / neurons.count
    if block.cone.sector is None:
        X[g + r :, g + r :] = np.eye(block.order - g - r) / r
    return X


class _Neurons:
    """Sums xxᵀ over true neurons."""

    def __init__(self, block: Block, free: Floats) -> None:
        self.sector, self.free = block.cone.sector, free
        self.total, self.count = np.zeros((block.order, block.order)), 0
        self.rng = np.random.default_rng(1)

    def add_between(self, first: Pairs, second: Pairs) -> None:
        """Add the neurons at ±x̂_i ± x̂_j of pairs of rows."""
        for start in range(0, len(first), CHUNK):
            mine, other = self.free[first[start : start + CHUNK]], self.free[second[start : start + CHUNK]]
            self.add(np.concatenate([mine - other, other - mine, mine + other, -mine - other]))

    def add(self, w: Floats) -> None:
        """Add the neurons in directions w, shape (m, r)."""
        w = w[np.linalg.norm(w, axis=1) > 0.0]
        w = w / np.linalg.norm(w, axis=1)[:, None]
        parts = [positive_part(-w @ self.free.T), w]
        if self.sector is not None:
            # Balanced neurons of length t = 1.
            c = self.sector.outputs
            if c > 1:
                v = self.rng.exponential(size=(len(w), c)) @ self.sector.directions.T
                parts.append(v / np.linalg.norm(v, axis=1)[:, None])
            parts.append(np.ones((len(w), 1)))
        x = np.hstack(parts)
        known = slice(0, x.shape[1])
        self.total[known, known] += x.T @ x
        self.count += len(x)


def _nearest(rows: Floats) -> float:
    """Return the least squared distance of two unit rows, up to their signs."""
    cosines = np.abs(rows @ rows.T) - 2.0 * np.eye(len(rows))
    i, j = np.unravel_index(int(np.argmax(cosines)), cosines.shape) if len(rows) > 1 else (0, 0)
    return 2.0 if i == j else float(min(np.sum((rows[i] - rows[j]) ** 2), np.sum((rows[i] + rows[j]) ** 2)))


def dual_start(rows: Floats, gamma: float, neighbours: int) -> tuple[Floats, Pairs, Floats]:
    """Return (τ, pairs, M): multipliers with γE_ww − GᵀMG ≻ 0, of every row with its nearest ones.

    For unit rows at squared distance d the entries t of α_iβ_j and α_jβ_i and −t of the two twins α_iβ_i, α_jβ_j make
    the form −2t(α_i − α_j)(β_i − β_j), which is at most td‖w‖²/2: pairs may have t = κ/d. The same holds of x̂_i and
    −x̂_j, which swaps α_j and β_j, also for i = j.

    Returns
    -------
    τ, shape (g,): the entries of M at the twins (α_i, β_i), negative.
    pairs, shape (m, 2): the other entries, indices into (α, β), first ≤ second; M, shape (m,): theirs, positive.
    """
    g = len(rows)
    if g == 0:
        return np.zeros(0), np.zeros((0, 2), dtype=np.int64), np.zeros(0)
    cosines = rows @ rows.T
    ranking = np.abs(cosines) - 3.0 * np.eye(g)
    nearest = np.argsort(-ranking, axis=1)[:, : min(neighbours, g - 1)]
    i = np.concatenate([np.repeat(np.arange(g), nearest.shape[1]), np.arange(g)])
    j = np.concatenate([nearest.ravel(), np.arange(g)])
    i, j = np.unique(np.sort(np.stack([i, j], axis=1), axis=1), axis=0).T
    acute = (cosines[i, j] > 0.0) & (i != j)
    difference = rows[i] - np.where(acute, 1.0, -1.0)[:, None] * rows[j]
    distance = np.maximum(np.sum(difference**2, axis=1), NEAREST)
    # Of γ the twins take at most 3/20 and the pairs 7/40; the rest is for A.
    spread = np.linalg.eigvalsh((difference / distance[:, None]).T @ difference)[-1]
    t = 0.7 * gamma / spread / distance
    twins = np.full(g, -0.3 * gamma / np.linalg.eigvalsh(rows.T @ rows)[-1])
    np.add.at(twins, i, -0.5 * t)
    np.add.at(twins, j, -0.5 * t)
    one = np.stack([i, np.where(acute, j + g, j)], axis=1)
    other = np.stack([np.where(acute, j, i + g), np.where(acute, i + g, j + g)], axis=1)
    pairs = np.sort(np.concatenate([one, other]), axis=1)
    values = np.where(pairs[:, 0] == pairs[:, 1], 1.0, 0.5) * np.concatenate([t, t])
    return twins, pairs, values


def balance_start(block: Block) -> Floats:
    """Return ν of the norms, shape (q,), for which cost + νᵀnorms is as large as it can be on all but β.

    Raises
    ------
    LinAlgError: it is positive for none.
    """
    q, k = len(block.norms), len(block.cone.undetermined)
    if q == 0:
        return np.zeros(0)
    norms, cost = block.norms[:, k:], block.cost[k:]
    found = scipy.optimize.linprog(
        np.append(np.zeros(q), -1.0), A_ub=np.column_stack([-norms.T, np.ones(len(cost))]), b_ub=cost,
        bounds=[(None, None)] * q + [(None, 1.0)],
    )  # fmt: skip
    if found.x is None or found.x[-1] <= 0.0:
        raise np.linalg.LinAlgError
    return np.asarray(found.x[:-1])


def independent(G: sp.csr_array, twins: Pairs, others: Pairs) -> Pairs:
    """Return the twins and those of the other vanishing products that are no combinations of these, shape (p, 2).

    Parameters
    ----------
    G: forms over x, shape (m, order).
    twins: shape (k, 2), kept in their order.
    others: shape (p, 2).
    """
    if len(others) == 0:
        return twins
    from sdprelax.solvers._schur import schur_matrix  # kernels are loaded where they are called for

    pairs = np.unique(np.sort(np.concatenate([twins, others]), axis=1), axis=0)
    twin = (pairs[:, None] == np.sort(twins, axis=1)).all(axis=2).any(axis=1)
    pairs = np.concatenate([twins, pairs[~twin]])
    first, second = np.ascontiguousarray(pairs.T)
    weight = np.where(first == second, 0.5, 1.0)
    products = np.ascontiguousarray((G @ G.T).toarray())
    gram = np.zeros((len(pairs), len(pairs)))
    schur_matrix(products, products, first, second, weight, first, second, weight, True, gram)
    scale = np.where(np.arange(len(pairs)) < len(twins), FIRST, 1.0) / np.sqrt(np.maximum(np.diag(gram), 1e-300))
    gram *= np.outer(scale, scale)
    _, order, rank, _ = scipy.linalg.lapack.dpstrf(gram, tol=DEPENDENT, lower=1)
    kept = np.sort(order[:rank] - 1)
    return np.concatenate([twins, pairs[kept[kept >= len(twins)]]])
