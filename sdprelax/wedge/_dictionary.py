"""Which neurons can be optimal: null vectors of subsets of walls.

A ReLU network's dual constraint ‖Aᵀ(Xw)₊‖ ≤ γ is convex in w within each cell of the arrangement of the *walls*
{x_iᵀw = 0}, so over a cell's part of a polyhedral ball it is tight at an extreme point. For ‖w‖_1 these are null
vectors of D − 1 rows of the samples *and the coordinate vectors*; for ‖w‖_2 the cell's rays, null vectors of D − 1
samples, only nearly do (docs/mathematics/wedge.md). A null vector of D − 1 rows is their generalised cross
product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from sdprelax.base import Deadline, Floats, Integers, ProblemTooLarge
from sdprelax.cells import cross_products
from sdprelax.networks import ReLU, append_bias
from sdprelax.problem import Reduction, reduce_inputs

__all__ = ["LARGEST", "Features", "WedgeDictionary", "WedgeProblem"]

Features = Literal["all", "random", "oracle"]

# Entries of the largest matrix of features that is formed, and rows factored in one dictionary.
LARGEST = 40_000_000
# Standard deviation of the logarithm of walls' weights in random pivoting.
WEIGHT_SPREAD = 1.0
# A hidden weight this short against its bias is none.
SHORT = 1e-12


@dataclass(frozen=True, eq=False)
class WedgeDictionary:
    """Neurons in closed form.

    Attributes
    ----------
    directions: hidden weights w_k over the hidden layer's inputs, shape (D, K), of unit norm in the weights that are
        regularised; a neuron and its negative are two.
    subsets: the samples that each neuron's wall passes through, shape (K, s); −1 − k stands for coordinate vector k.
    degenerate: how many subsets were dropped because their rows were dependent.
    """

    directions: Floats
    subsets: Integers
    degenerate: int = 0

    @property
    def count(self) -> int:
        """Number of neurons K."""
        return int(self.directions.shape[1])

    def of(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> WedgeDictionary:
        """Return some of the neurons."""
        return WedgeDictionary(self.directions[:, chosen], self.subsets[chosen], self.degenerate)

    def joined(self, other: WedgeDictionary) -> WedgeDictionary:
        """Return these neurons, and behind them those of another dictionary of the same problem that are new."""
        directions = np.hstack([self.directions, other.directions])
        _, first = np.unique(np.round(directions, 12), axis=1, return_index=True)
        kept = np.append(np.arange(self.count), np.sort(first[first >= self.count]))
        subsets = np.vstack([self.subsets, other.subsets])
        return WedgeDictionary(directions[:, kept], subsets[kept], self.degenerate + other.degenerate)


@dataclass(frozen=True, eq=False)
class WedgeProblem:
    """Training a two-layer network with weight decay ½γ(‖w‖_p² + ‖v‖²) per neuron.

    Parameters
    ----------
    samples: shape (n, d), with a column for a bias that is regularised, if any.
    penalty: p, 1 or 2.
    free: whether every neuron, and the output, has a bias without penalty, besides the columns of ``samples``.
    """

    samples: Floats
    penalty: Literal[1, 2] = 2
    free: bool = False

    @cached_property
    def inputs(self) -> Floats:
        """What the hidden layer sees, shape (n, D): the samples, and a column of ones for a free bias."""
        return append_bias(self.samples) if self.free else self.samples

    @cached_property
    def _centre(self) -> Floats:
        """Where inputs are measured from: with a free bias any point will do, and the mean loses no digits."""
        return np.mean(self.samples, axis=0) if self.free else np.zeros(self.samples.shape[1])

    @cached_property
    def walls(self) -> Reduction:
        """The walls as unit rows, parallel ones merged, in coordinates of the space that they span."""
        rows = self.samples - self._centre
        if self.free:
            rows = append_bias(rows)
        if self.penalty == 1:
            d = self.samples.shape[1]
            rows = np.vstack([rows, np.eye(d, rows.shape[1]) * max(1.0, float(np.max(np.abs(rows), initial=0.0)))])
        return reduce_inputs(rows)

    @cached_property
    def owners(self) -> Integers:
        """The first sample of each wall, shape (g,); −1 − k for a wall of coordinate vector k alone."""
        n, found = len(self.samples), np.zeros(self.walls.generators, dtype=np.int64)
        alive = np.flatnonzero(self.walls.factor != 0.0)[::-1]
        found[self.walls.group[alive]] = np.where(alive < n, alive, n - 1 - alive)
        return found

    @property
    def subset_size(self) -> int:
        """Walls that a neuron lies on: one less than their rank."""
        return max(self.walls.rank - 1, 0)

    @property
    def subset_count(self) -> int:
        """Number of subsets of walls that there are."""
        return math.comb(self.walls.generators, self.subset_size) if self.walls.rank else 0

    def features(self, directions: Floats) -> Floats:
        """Return the activations (x_iᵀw_k)₊ of neurons, shape (n, K)."""
        return ReLU().apply(self.inputs @ directions)

    def lengths(self, directions: Floats) -> Floats:
        """Return ‖w‖_p of neurons' regularised weights, shape (K,)."""
        return np.asarray(np.linalg.norm(directions[:-1] if self.free else directions, ord=self.penalty, axis=0))

    def of_walls(self, normals: Floats, subsets: Integers, degenerate: int) -> WedgeDictionary:
        """Return the neurons ±w of vectors in the walls' coordinates, shape (K, r), those without weights dropped.

        Parameters
        ----------
        subsets: walls that each lies on, shape (K, s).
        degenerate: how many more were dropped already.
        """
        directions = self.walls.basis @ normals.T
        lengths = self.lengths(directions)
        kept = lengths > SHORT * np.linalg.norm(directions, axis=0)
        directions, names = directions[:, kept] / lengths[kept], self.owners[subsets[kept]]
        if self.free:
            directions[-1] -= self._centre @ directions[:-1]
        return WedgeDictionary(
            np.hstack([directions, -directions]), np.vstack([names, names]), degenerate + int(np.sum(~kept))
        )

    def _wedges(self, subsets: Integers) -> WedgeDictionary:
        normals, logs = cross_products(self.walls.rows[subsets])
        kept = np.isfinite(logs)
        return self.of_walls(normals[kept], subsets[kept], int(np.sum(~kept)))

    def none(self) -> WedgeDictionary:
        """Return the dictionary of no neuron."""
        size = self.subset_size
        return WedgeDictionary(np.zeros((self.inputs.shape[1], 0)), np.zeros((0, size), dtype=np.int64))

    def all_wedges(self) -> WedgeDictionary:
        """Return the neurons of all subsets of walls.

        Raises
        ------
        ProblemTooLarge: there are too many.
        """
        if self.walls.rank == 0:
            return self.none()
        self._require_room()
        subsets = np.array(list(combinations(range(self.walls.generators), self.subset_size)), dtype=np.int64)
        return self._wedges(subsets.reshape(self.subset_count, self.subset_size))

    def _require_room(self) -> None:
        """Refuse to enumerate more features than fit.

        Raises
        ------
        ProblemTooLarge: how many there are.
        """
        n, count = len(self.samples), self.subset_count
        if 2 * count * max(n, self.walls.rank**2) > LARGEST:
            amount = f"{2 * count:,}" if count < 10**9 else f"1e{len(str(2 * count)) - 1}"
            raise ProblemTooLarge(
                f"features: all would make {amount} wedge products ({self.walls.generators} distinct walls of rank "
                f"{self.walls.rank}), too many for {n} samples; take features: random or features: oracle."
            )

    def random_wedges(self, count: int, rng: np.random.Generator, sketch: int | None = None) -> WedgeDictionary:
        """Return the neurons of random subsets of walls, ``count`` pairs ±w; all of them where there are no more.

        Parameters
        ----------
        sketch: dimension k of a Gaussian projection, drawn for every neuron anew, in which the wedge is that of k − 1
            walls (Wang, Kim, Wollstadt and Pilanci 2024); the neuron's wall passes through those samples all the same.
            None, or k at least the rank: no projection.
        """
        g, r = self.walls.generators, self.walls.rank
        if r == 0:
            return self.none()
        if sketch is None or sketch >= r:
            if self.subset_count <= count:
                return self.all_wedges()
            return self._wedges(np.unique(self.random_subsets(count, rng), axis=0))
        # With projections of their own, two neurons of one subset differ.
        subsets = _random_subsets(g, sketch - 1, count, rng)
        normals = np.zeros((len(subsets), r))
        degenerate = 0
        step = max(1, LARGEST // (8 * r * sketch))
        for first in range(0, len(subsets), step):
            part = subsets[first : first + step]
            projection = rng.standard_normal((len(part), r, sketch))
            small, logs = cross_products(self.walls.rows[part] @ projection)
            normals[first : first + step] = np.einsum("krs,ks->kr", projection, small)
            degenerate += int(np.sum(~np.isfinite(logs)))
        kept = np.any(normals != 0.0, axis=1)
        return self.of_walls(normals[kept], subsets[kept], degenerate)

    def steepest_wedges(self, A: Floats, starts: Integers, deadline: Deadline) -> tuple[Floats, Integers]:
        """Return wedges of locally largest ‖Aᵀ(Xw)₊‖/‖w‖_p, by exchanging one wall at a time for the best other one.

        With one wall let go, w moves along the great circle of the plane orthogonal to the others, on which every wall
        marks a vertex: all of them are compared, and the best is taken.

        Parameters
        ----------
        A: dual point, shape (n, c).
        starts: subsets of walls to start from, shape (m, r − 1), r ≥ 2.
        deadline: ends the exchanges where they are.

        Returns
        -------
        normals in the walls' coordinates, one per start that could be used, shape (m', r), and their subsets.
        """
        rows, basis = self.walls.rows, self.walls.basis
        rank = rows.shape[1]
        inputs = self.inputs.copy()
        if self.free:
            inputs[:, :-1] -= self._centre
        seen = inputs @ basis
        found, subsets = [], []
        for start in starts:
            subset, reached, position, unchanged = start.copy(), -math.inf, 0, 0
            best = np.zeros(rank)
            while unchanged < len(subset) and not deadline.expired:
                plane = np.linalg.svd(rows[np.delete(subset, position)], full_matrices=True)[2][rank - 2 :]
                flat = rows @ plane.T
                candidates = np.stack([flat[:, 1], -flat[:, 0]], axis=1) @ plane
                directions = basis @ candidates.T
                lengths = self.lengths(directions)
                good = lengths > SHORT * np.linalg.norm(directions, axis=0)
                good &= np.linalg.norm(candidates, axis=1) > SHORT
                activations = seen @ candidates.T
                up = np.linalg.norm(A.T @ ReLU().apply(activations), axis=0)
                down = np.linalg.norm(A.T @ ReLU().apply(-activations), axis=0)
                steepness = np.where(good, np.maximum(up, down) / np.where(good, lengths, 1.0), -math.inf)
                top = int(np.argmax(steepness))
                if steepness[top] > reached * (1.0 + 1e-12) or not np.isfinite(reached):
                    reached, best, unchanged = float(steepness[top]), candidates[top], 0
                    subset[position] = top
                unchanged += 1
                position = (position + 1) % len(subset)
            if np.isfinite(reached):
                found.append(best)
                subsets.append(subset)
        if not found:
            return np.zeros((0, rank)), np.zeros((0, self.subset_size), dtype=np.int64)
        return np.array(found), np.array(subsets).reshape(len(found), self.subset_size)

    def random_subsets(self, count: int, rng: np.random.Generator) -> Integers:
        """Return random subsets of walls, shape (count, r − 1).

        Where r − 1 walls drawn evenly are dependent, as they are if few of them have a part in some dimension,
        independent ones are found by pivoting among walls of random weight.
        """
        subsets = _random_subsets(self.walls.generators, self.subset_size, count, rng)
        if self.subset_size > 1:
            for k in np.flatnonzero(np.isneginf(cross_products(self.walls.rows[subsets])[1])):
                weights = np.exp(WEIGHT_SPREAD * rng.standard_normal(self.walls.generators))
                order = scipy.linalg.qr((self.walls.rows * weights[:, None]).T, mode="r", pivoting=True)[1]
                subsets[k] = np.sort(rng.choice(order[: self.walls.rank], self.subset_size, replace=False))
        return subsets


def _random_subsets(walls: int, size: int, count: int, rng: np.random.Generator) -> Integers:
    """Return random subsets of ``size`` walls, shape (count, size)."""
    drawn = np.array([np.sort(rng.choice(walls, size, replace=False)) for _ in range(count)], dtype=np.int64)
    return drawn.reshape(count, size)
