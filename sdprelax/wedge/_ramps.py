"""Three layers: ramps between two samples.

A chain (s(xᵀw + b)₊ + a)₊ with free biases is, up to a constant and a sign, a ramp: with levels p ≤ q it rises from 0
to q − p as xᵀw goes from p to q. Over parallel chains with weight decay (γ/3)(‖w‖_p³ + |s|³ + ‖v‖³) each, training is a
Lasso over ramps of ‖w‖_p = 1, and with 1ᵀA = 0 the dual constraint is convex in (w, p, q) between the walls xᵢᵀw = p,
xᵢᵀw = q and, for ‖w‖_1, w_k = 0. So it suffices to look at null vectors of d + 1 such walls: pairs of samples in one
dimension (the reflection features of Zeger et al. 2024, arXiv 2403.01046), exact in any dimension for ‖w‖_1 (proof:
docs/mathematics/wedge.md, "Three layers").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from sdprelax.base import Floats, ProblemTooLarge
from sdprelax.cells import cross_products
from sdprelax.certificate import Ramps
from sdprelax.networks import ReLU, ThreeLayerNetwork
from sdprelax.wedge._dictionary import LARGEST, SHORT

__all__ = ["RampDictionary", "ramp_count", "ramp_dictionary"]


@dataclass(frozen=True, eq=False)
class RampDictionary:
    """Ramps, each falling from q − p to 0 as xᵀw goes from p to q.

    Attributes
    ----------
    directions: w of unit norm, shape (d, K).
    lower, upper: p < q, shape (K,).
    degenerate: how many subsets of walls were dropped: dependent ones, and those of no ramp.
    """

    directions: Floats
    lower: Floats
    upper: Floats
    degenerate: int

    def features(self, X: Floats) -> Floats:
        """Return (q − p − (Xw − p)₊)₊, shape (n, K)."""
        rise = self.upper - self.lower
        return np.asarray(ReLU().apply(rise - ReLU().apply(X @ self.directions - self.lower)))

    @property
    def design(self) -> Ramps:
        """The ramps as they stand in a certificate."""
        return Ramps(self.directions, self.lower, self.upper)

    def network(self, weights: Floats, offset: Floats) -> ThreeLayerNetwork:
        """Return the network of output weights z, shape (K, c), and t, shape (c,), every chain balanced.

        With ζ = ‖z‖^⅓ the weights are ζw, −ζ, and z/ζ²; the penalty is then Σ‖z‖, the least there is for this function.
        """
        sizes = np.linalg.norm(weights, axis=1)
        used = sizes > 0.0
        zeta = np.cbrt(sizes[used])
        low, high = self.lower[used], self.upper[used]
        return ThreeLayerNetwork(
            self.directions[:, used] * zeta, -low * zeta, -zeta, (high - low) * zeta**2,
            weights[used] / (zeta**2)[:, None], offset,
        )  # fmt: skip


def ramp_count(n: int, d: int, penalty: int) -> int:
    """Return how many subsets of walls there are."""
    return math.comb(2 * n + (d if penalty == 1 and d > 1 else 0), d + 1)


def ramp_dictionary(X: Floats, penalty: Literal[1, 2]) -> RampDictionary:
    """Return the ramps of all subsets of walls.

    Parameters
    ----------
    X: samples, shape (n, d).
    penalty: p of ‖w‖_p; in one dimension they are the same.

    Raises
    ------
    ProblemTooLarge: there are too many.
    """
    points = np.unique(X, axis=0)
    centre = np.mean(points, axis=0)
    points = points - centre
    n, d = points.shape
    count = ramp_count(n, d, penalty)
    if count * max(len(X), (d + 2) ** 2) > LARGEST:
        amount = f"{count:,}" if count < 10**9 else f"1e{len(str(count)) - 1}"
        raise ProblemTooLarge(
            f"layers: 3 would enumerate {amount} ramps ({n} distinct samples of {d} inputs), which is too many."
        )
    zero, one = np.zeros((n, 1)), np.ones((n, 1))
    walls = [np.hstack([points, -one, zero]), np.hstack([points, zero, -one])]
    if penalty == 1 and d > 1:
        walls.append(np.eye(d, d + 2))
    rows = np.vstack(walls)
    subsets = np.array(list(combinations(range(len(rows)), d + 1)), dtype=np.int64)
    # One level of neither kind is a direction without weights.
    lows, highs = np.sum(subsets < n, axis=1), np.sum((subsets >= n) & (subsets < 2 * n), axis=1)
    subsets = subsets[(lows > 0) & (highs > 0)]
    normals, _ = cross_products(rows[subsets])
    lengths = np.linalg.norm(normals[:, :d], ord=penalty, axis=1)
    kept = (lengths > SHORT) & (np.abs(normals[:, d + 1] - normals[:, d]) > SHORT * lengths)
    normals = normals[kept] / lengths[kept, None]
    # A ramp and that of −w are the same up to a constant and a sign: take the one with p < q.
    normals *= np.where(normals[:, d] < normals[:, d + 1], 1.0, -1.0)[:, None]
    lead = normals[np.arange(len(normals)), np.argmax(np.abs(normals[:, :d]) > 0.5 / d, axis=1)]
    turned = np.hstack([-normals[:, :d], -normals[:, [d + 1]], -normals[:, [d]]])
    _, first = np.unique(np.round(np.where(lead[:, None] > 0.0, normals, turned), 10), axis=0, return_index=True)
    normals = normals[np.sort(first)]
    shift = normals[:, :d] @ centre
    return RampDictionary(normals[:, :d].T, normals[:, d] + shift, normals[:, d + 1] + shift, count - len(normals))
