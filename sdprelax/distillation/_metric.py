"""The metric of a block's outputs that what follows the block defines: M = E[JᵀJ], J the following layers' Jacobian.

To first order an error δ of a row of the block's outputs moves the network's output by Jδ, so that δᵀMδ is the mean
square of that: exactly so where what follows is linear and a sample is one row. M is symmetric and the same for all
rows, which is why a student fitted in it is the same convex program, of the targets F·M^½ (docs/mathematics/
distillation.md, "What follows the block"). Nothing but the teacher and its inputs is looked at: no labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdprelax.base import Floats, InputError, optional
from sdprelax.distillation._layout import Layout
from sdprelax.distillation._torch_teacher import TorchTeacher

__all__ = ["OutputMetric", "jacobian_metric"]

# Outputs of the network up to which every row of J is computed, and random combinations of them beyond.
ROWS, PROBES = 64, 8


@dataclass(frozen=True, eq=False)
class OutputMetric:
    """A metric ‖δ‖² = δᵀMδ of a row's outputs, as its root.

    Parameters
    ----------
    root: M^½, symmetric and regular, shape (c, c).
    """

    root: Floats

    @classmethod
    def mixed(cls, metric: Floats, share: float) -> OutputMetric:
        """Return (1 − share)·I + share·M, where M is scaled to the trace c of the identity.

        Parameters
        ----------
        metric: M, symmetric and positive semidefinite, shape (c, c).
        share: at least 0 and below 1, so that no direction of the outputs is free.

        Raises
        ------
        InputError: M is zero, because nothing that follows the block depends on it.
        """
        c, trace = len(metric), float(np.trace(metric))
        if not trace > 0.0 or not math.isfinite(trace):
            raise InputError(
                "the network's output does not depend on what leaves the block, as far as its Jacobian shows: set "
                "jacobian: 0."
            )
        values, vectors = np.linalg.eigh((1.0 - share) * np.eye(c) + (share * c / trace) * metric)
        # None is smaller than that of the identity's part.
        root = (vectors * np.sqrt(np.maximum(values, 1.0 - share))) @ vectors.T
        return cls(0.5 * (root + root.T))

    @property
    def inverse(self) -> Floats:
        """M^−½, shape (c, c)."""
        return np.asarray(np.linalg.inv(self.root))


def jacobian_metric(teacher: TorchTeacher, batches: Iterable[Any], layout: Layout, count: int, seed: int = 0) -> Floats:
    """Return the mean of JᵀJ over all rows, shape (c, c), where J is that of the network's output by a row's outputs.

    Of a network with more than 64 outputs E[vvᵀ] = I for signs v drawn at random takes the place of their sum, eight
    for every batch: JᵀJ = E[(Jᵀv)(Jᵀv)ᵀ] (Hutchinson 1990).

    Parameters
    ----------
    batches: of the network's inputs, shapes (B, ...).
    layout: how what leaves the block becomes rows.
    count: how many inputs there are.
    seed: of the signs.

    Raises
    ------
    InputError: fewer or more inputs; or a network that does not return one tensor, or is not differentiable behind the
        block.
    """
    torch, rng = optional("torch"), np.random.default_rng(seed)
    total, seen = np.zeros((layout.outputs, layout.outputs)), 0
    for batch in batches:
        left, output = teacher.from_block(batch[0] if isinstance(batch, tuple | list) else batch)
        flat = output.reshape(len(left), -1)
        seen += len(left)
        width = flat.shape[1]
        exact = width <= ROWS
        weights = np.eye(width) if exact else rng.choice((-1.0, 1.0), (PROBES, width)) / math.sqrt(PROBES)
        for weight in torch.from_numpy(weights).to(flat):
            (slope,) = torch.autograd.grad((flat @ weight).sum(), left, retain_graph=True)
            pulled = layout.pulled(slope.cpu().numpy())
            total += pulled.T @ pulled
    if seen != count:
        raise InputError(
            f"a Jacobian is taken at the {count} inputs whose activations there are, and {seen} were given once more: "
            "give batches that can be gone through again, such as a list."
        )
    return total / (count * layout.positions)
