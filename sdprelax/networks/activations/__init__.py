"""What hidden neurons compute: positively homogeneous activations with two slopes, one file each.

    φ(z) = s₊·z₊ + s₋·(−z)₊                       ReLU has (s₊, s₋) = (1, 0)

A neuron of any of them is lifted as (α, β, u, v) with α = (Xu)₊ and β = (−Xu)₊, so that its activations are
s₊α + s₋β: the slopes enter the selection of :class:`sdprelax.problem.Reduction` and nothing else
(docs/mathematics/lifting.md).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from sdprelax.base import Ball, Floats, Registry, positive_part

__all__ = ["Activation", "activations", "twins"]


class Activation(Protocol):
    """An activation; a subclass says its slopes and inherits the rest.

    Attributes
    ----------
    slopes: (s₊, s₋), of z₊ and of (−z)₊.
    """

    @property
    def slopes(self) -> tuple[float, float]:
        """(s₊, s₋); a class whose slopes hang on no option has them as a class attribute."""
        ...

    def apply(self, z: Floats, out: Floats | None = None) -> Floats:
        """Return φ(z), entry by entry; in ``out``, another array of z's shape, where that is given."""
        ahead, behind = self.slopes
        return np.asarray(np.add(ahead * positive_part(z), behind * positive_part(-z), out=out))

    def gradient(self, z: Any) -> Any:
        """Return φ'(z), entry by entry, of an array or a tensor: s₊ where z > 0, −s₋ where z < 0, 0 at the kink."""
        ahead, behind = self.slopes
        if isinstance(z, np.ndarray):
            return np.where(z > 0.0, ahead, np.where(z < 0.0, -behind, 0.0))
        return z.new_zeros(z.shape).masked_fill(z > 0.0, ahead).masked_fill(z < 0.0, -behind)

    def enclosed(self, z: Ball) -> Ball:
        """Return intervals that hold φ of every point of the given ones."""
        ahead, behind = self.slopes
        up, down = Ball(positive_part(z.mid), z.rad), Ball(positive_part(-z.mid), z.rad)
        return up * ahead + down * behind

    @property
    def lipschitz(self) -> float:
        """The largest |φ(y) − φ(z)|/|y − z|."""
        return max(abs(slope) for slope in self.slopes)

    def tensor(self, z: Any) -> Any:
        """Return φ(z) of a PyTorch tensor, through which gradients flow."""
        ahead, behind = self.slopes
        return ahead * z.clamp(min=0.0) + behind * (-z).clamp(min=0.0)


activations: Registry[Activation] = Registry("activation", __name__)


def twins(inner: Floats) -> Floats:
    """Return [z₊; (−z)₊] of inner products z, shape (g, ...): the pair (α, β) of every neuron, shape (2g, ...)."""
    return np.concatenate([positive_part(inner), positive_part(-inner)])
