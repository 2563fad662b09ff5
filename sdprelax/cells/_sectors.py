"""Sectors of the outputs' space: simplicial cones of a neuron's output weights v (docs/mathematics/relaxation.md).

A partition is a binary tree. Its first levels split at v_1 = 0, v_2 = 0, ..., and give the orthants, the cones of the
rays ±e_j. Then a simplicial cone with rays p_a and p_b is cone(.., p_a, .., p_a + p_b, ..) together with
cone(.., p_a + p_b, .., p_b, ..). Rays are vectors of small integers, so that the parts are the whole exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from sdprelax.base import Floats, Integers

__all__ = ["MOST_EDGES", "Sector", "orthants", "sectors_of"]

# Splits of an edge on a path: the largest entry of a ray is a Fibonacci number of them, and exact as a float.
MOST_EDGES = 60


@dataclass(frozen=True)
class Sector:
    """A simplicial cone of the outputs' space.

    Parameters
    ----------
    path: (a, b, side) of the splits that lead to it: (j, j, ±1) for the sign of v_j, for every output in order, then
        (a, b, +1) where ray b, or (a, b, −1) where ray a, becomes the sum of the two.
    outputs: number c of outputs.
    """

    path: tuple[tuple[int, int, int], ...]
    outputs: int

    @cached_property
    def rays(self) -> Integers:
        """The rays as columns, shape (c, c), integers.

        Raises
        ------
        ValueError: the path is none.
        """
        c = self.outputs
        signs, edges = self.path[:c], self.path[c:]
        if [(a, b) for a, b, _ in signs] != [(j, j) for j in range(c)] or len(edges) > MOST_EDGES:
            raise ValueError(f"the path of a sector does not begin with the signs of {c} outputs, or is too long")
        rays = np.diag([side for _, _, side in signs]).astype(np.int64).reshape(c, c)
        for a, b, side in edges:
            if not (0 <= a < b < c and side in (1, -1)):
                raise ValueError(f"a sector's path splits the edge ({a}, {b}) of {c} rays")
            rays[:, b if side > 0 else a] = rays[:, a] + rays[:, b]
        if any(side not in (1, -1) for *_, side in signs):
            raise ValueError("a sign on a sector's path is not 1 or −1")
        return rays

    @cached_property
    def directions(self) -> Floats:
        """The rays at unit length as columns, shape (c, c), up to rounding."""
        rays = self.rays.astype(np.float64)
        return np.asarray(rays / np.linalg.norm(rays, axis=0))

    @cached_property
    def middle(self) -> Floats:
        """The direction that makes the same angle with every ray, shape (c,), of unit length."""
        direction = np.linalg.solve(self.directions.T, np.ones(self.outputs))
        return np.asarray(direction / np.linalg.norm(direction))

    @cached_property
    def walls(self) -> Floats:
        """Inward normals of its facets, shape (c, c), of unit length."""
        normals = np.linalg.inv(self.directions)
        return np.asarray(normals / np.linalg.norm(normals, axis=1)[:, None])

    def split(self, a: int, b: int) -> tuple[Sector, Sector]:
        """Return its two parts, split at the sum of two rays, a < b."""
        return Sector((*self.path, (a, b, 1)), self.outputs), Sector((*self.path, (a, b, -1)), self.outputs)

    def widest(self) -> tuple[int, int]:
        """Return the two rays that are farthest apart."""
        cosines = self.directions.T @ self.directions + 2.0 * np.tri(self.outputs)
        a, b = np.unravel_index(int(np.argmin(cosines)), cosines.shape)
        return int(a), int(b)

    @property
    def least_cosine(self) -> float:
        """Least cosine between two of its rays; 1 for one output."""
        return float(np.min(self.directions.T @ self.directions))


def orthants(outputs: int) -> list[Sector]:
    """Return the 2^c orthants of the outputs' space."""
    return [
        Sector(tuple((j, j, side) for j, side in enumerate(signs)), outputs)
        for signs in product((1, -1), repeat=outputs)
    ]


def sectors_of(outputs: int, count: int) -> list[Sector]:
    """Return a partition of the outputs' space into at most ``count`` sectors, the widest split first; [] below 2^c."""
    if count < 2**outputs:
        return []
    found = orthants(outputs)
    while len(found) < count and outputs > 1:
        index = min(range(len(found)), key=lambda i: found[i].least_cosine)
        found[index : index + 1] = found[index].split(*found[index].widest())
    return found
