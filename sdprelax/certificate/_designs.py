"""Designs of group programs: what stands before the weights of each group, from the inputs and a few numbers.

A design with m groups of p inputs turns rows of inputs into features, shape (b, m·p), group after group: exact real
numbers, whatever machine looks, which :meth:`features` encloses.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Ball, Floats
from sdprelax.networks import ReLU, append_bias

__all__ = ["Design", "Gates", "Neurons", "Ramps", "masks_of"]


def masks_of(inputs: Floats, directions: Floats) -> Floats:
    """Return 1{xᵀg ≥ 0}, exactly: the same on every machine, shape (b, m).

    Parameters
    ----------
    inputs: x as rows, shape (b, d).
    directions: g as columns, shape (d, m).
    """
    products = Ball.exact(inputs) @ Ball.exact(directions)
    opened = products.mid >= 0.0
    for i, j in doubtful(inputs, directions, products):
        terms = (Fraction(float(x)) * Fraction(float(g)) for x, g in zip(inputs[i], directions[:, j], strict=True))
        opened[i, j] = sum(terms) >= 0
    return opened.astype(np.float64)


def doubtful(inputs: Floats, directions: Floats, products: Ball) -> NDArray[np.intp]:
    """Return pairs (row, column), shape (k, 2), whose product's sign rounding hides; a sum of zeros is no doubt."""
    unsure = ~(np.abs(products.mid) > products.rad)
    if np.any(unsure):
        unsure &= (inputs != 0.0).astype(np.float64) @ (directions != 0.0).astype(np.float64) > 0.0
    return np.argwhere(unsure)


@dataclass(frozen=True, eq=False)
class Gates:
    """D_iX: the inputs behind gates 1{x·g ≥ 0}, and whether one more is always open.

    Parameters
    ----------
    directions: g, shape (d, m).
    skip: whether a last gate is open for every sample: a linear map beside the gated ones.
    """

    directions: Floats
    skip: bool = False

    @property
    def count(self) -> int:
        """How many gates there are, the open one included."""
        return int(self.directions.shape[1]) + self.skip

    @property
    def width(self) -> int:
        """Inputs of a gate."""
        return int(self.directions.shape[0])

    @property
    def free(self) -> bool:
        """Whether an offset of the outputs is free: not here."""
        return False

    def masks(self, inputs: Floats) -> Floats:
        """Return 1{x·g ≥ 0} for inputs of shape (b, d), shape (b, count), in exact arithmetic."""
        opened = masks_of(inputs, self.directions)
        return np.hstack([opened, np.ones((len(inputs), 1))]) if self.skip else opened

    def features(self, inputs: Floats) -> Floats:
        """Return [D_1X, ..., D_mX], shape (b, m·d)."""
        masks = self.masks(inputs)
        return np.asarray((masks[:, :, None] * inputs[:, None, :]).reshape(len(inputs), -1))

    def enclosed(self, inputs: Floats) -> Ball:
        """Return the features as balls: masking is exact."""
        return Ball.exact(self.features(inputs))

    def over(self, chosen: NDArray[np.intp]) -> Gates:
        """Return some of the gates: indices in increasing order."""
        drawn = self.directions.shape[1]
        return Gates(self.directions[:, chosen[chosen < drawn]], bool(self.skip and np.any(chosen == drawn)))


@dataclass(frozen=True, eq=False)
class Neurons:
    """(Xw_k)₊: activations of fixed neurons.

    Parameters
    ----------
    directions: hidden weights w_k as columns, shape (d, K); with ``free`` their last row is a bias.
    free: whether neurons have a bias of their own, and the outputs an offset, without penalty.
    """

    directions: Floats
    free: bool = False

    @property
    def count(self) -> int:
        """K."""
        return int(self.directions.shape[1])

    @property
    def width(self) -> int:
        """Inputs of a group: its activation."""
        return 1

    def enclosed(self, inputs: Floats) -> Ball:
        """Return balls around the activations, shape (b, K)."""
        seen = append_bias(inputs) if self.free else inputs
        return ReLU().enclosed(Ball.exact(seen) @ Ball.exact(self.directions))


@dataclass(frozen=True, eq=False)
class Ramps:
    """(q − p − (Xw − p)₊)₊: ramps that fall from q − p to 0 as xᵀw goes from p to q.

    Parameters
    ----------
    directions: w, shape (d, K).
    lower, upper: p < q, shape (K,).
    """

    directions: Floats
    lower: Floats
    upper: Floats

    @property
    def count(self) -> int:
        """K."""
        return int(self.directions.shape[1])

    @property
    def width(self) -> int:
        """Inputs of a group: its ramp."""
        return 1

    @property
    def free(self) -> bool:
        """Whether an offset of the outputs is free: always."""
        return True

    def enclosed(self, inputs: Floats) -> Ball:
        """Return balls around the ramps, shape (b, K)."""
        ones = Ball.exact(np.ones((len(inputs), 1)))
        start, end = ones @ Ball.exact(self.lower[None]), ones @ Ball.exact(self.upper[None])
        inner = ReLU().enclosed(Ball.exact(inputs) @ Ball.exact(self.directions) - start)
        return ReLU().enclosed((end - start) - inner)


Design = Gates | Neurons | Ramps
