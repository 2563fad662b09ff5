"""Proved bounds of a gated program's optimum in one pass over its samples, rounding errors included.

The certificate is the weights themselves. Whatever W, γ and multiples s ≥ 0 are given, the residual R = F − ΦW bounds
the optimum from both sides,

    s⟨R, F⟩ − ½s²‖R‖²  ≤  p*  ≤  ½‖R‖² + γΣ‖W_i‖      if s‖ZᵀD_iR‖° ≤ γ for every gate,

and every term is a sum over samples. So neither R nor anything else of their number is kept, and whoever has the
activations can prove the bounds again. They hold for these activations, as stored, and these masks, as computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdprelax.gated_training import norms
from sdprelax.gated_training.norms import Penalty
from sdprelax.out_of_core.gates import Gates
from sdprelax.out_of_core.program import flattened
from sdprelax.out_of_core.rows import Rows
from sdprelax.verified import Ball, Floats, bound_above, feasible_multiple, quadratic_below

__all__ = ["PROOF_VERSION", "Proof", "prove", "relative_gap"]

# Raised when the same weights prove other bounds: runs of studies that prove some are run once more.
PROOF_VERSION = 1
# Doubles of Φ formed at once.
FORMED = 4_000_000
# Upper bounds up to here are of an objective of zero.
NOTHING = 1e-280


@dataclass(frozen=True, eq=False)
class Proof:
    """Proved bounds.

    Attributes
    ----------
    lower, upper: of the optimum.
    steepness: ‖ZᵀD_iR‖° of every gate, in floating point, shape (m,): a gate without weights enters an optimum only
        if it exceeds γ.
    loss: a proved upper bound of ½‖R‖².
    """

    lower: float
    upper: float
    steepness: Floats
    loss: float

    @property
    def gap(self) -> float:
        """(upper − lower)/upper: :func:`relative_gap`."""
        return relative_gap(self.lower, self.upper)


def relative_gap(lower: float, upper: float) -> float:
    """Return (upper − lower)/upper; 0 where nothing but underflow is left of the upper bound."""
    return (upper - lower) / upper if upper > NOTHING else 0.0


def prove(
    rows: Rows,
    gates: Gates,
    weights: Floats,
    gamma: float,
    penalty: Penalty,
    advance: Callable[[int], None] = lambda _: None,
) -> Proof:
    """Return proved bounds of the optimum over all of ``gates``.

    Parameters
    ----------
    weights: W, shape (c, d, m).
    gamma: γ.
    penalty: the gates' norm.
    advance: called with the number of rows read after every block.
    """
    _, width, outputs = rows.shape
    flat = flattened(weights)
    # Gates without weights predict nothing, and are not multiplied.
    used = np.flatnonzero(np.any(weights != 0.0, axis=(0, 1)))
    predicting = slice(None) if len(used) == gates.count else (used[:, None] * width + np.arange(width)).ravel()
    kept = Ball.exact(flattened(weights[:, :, used]))
    slopes = Ball.exact(np.zeros(flat.shape))
    along, energy = np.zeros(outputs), np.zeros(outputs)
    step = max(1, FORMED // max(len(flat), 1))
    for block in rows.blocks():
        for start in range(0, len(block.inputs), step):
            inputs, targets = block.inputs[start : start + step], Ball.exact(block.targets[start : start + step])
            features = gates.features(inputs)
            residual = targets - Ball.exact(features[:, predicting]) @ kept
            slopes = slopes + Ball.exact(features.T) @ residual
            for k in range(outputs):
                along[k] = _added(along[k], residual[:, [k]].inner(targets[:, [k]])[0], down=True)
                energy[k] = _added(energy[k], residual[:, [k]].square_above())
        advance(len(block.inputs))
    norm: Penalty = "frobenius" if outputs == 1 else penalty
    # Output k's part of every gate's slope, shape (m, d).
    parts = [Ball(*(array[:, k].reshape(-1, width) for array in (slopes.mid, slopes.rad))) for k in range(outputs)]
    if norm == "columns":
        steepest = np.array([norms.steepest_above([part], norm) for part in parts])
        lower = sum(_dual_below(*terms, gamma) for terms in zip(along, energy, steepest, strict=True))
        lower = max(0.0, lower - 1e-15 * outputs * abs(lower))
    else:
        energies = bound_above(float(np.sum(energy)), outputs)
        # The terms may differ in sign, so their sum errs relative to their magnitudes.
        alongs = float(np.sum(along)) - 1e-15 * outputs * float(np.sum(np.abs(along)))
        lower = _dual_below(alongs, energies, norms.steepest_above(parts, norm), gamma)
    loss = bound_above(0.5 * float(np.sum(energy)), outputs + 1)
    size = norms.sizes_above(weights[:, :, used], norm) if len(used) else 0.0
    upper = bound_above(loss + bound_above(gamma * size, 2), 2)
    steepness = norms.steepness(np.stack([part.mid.T for part in parts]), norm)
    return Proof(lower, upper, steepness, loss)


def _dual_below(along: float, energy: float, steepest: float, gamma: float) -> float:
    """Return a proved lower bound of the dual value of the residual's best feasible multiple."""
    return quadratic_below(along, energy, float(feasible_multiple(along, energy, steepest, gamma)))


def _added(sum_: float, term: float, *, down: bool = False) -> float:
    """Return a sum of two numbers, rounded up, or down."""
    return math.nextafter(sum_ + term, -math.inf if down else math.inf)
