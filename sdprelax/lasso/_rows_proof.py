"""Proved bounds of a gated program's optimum in one pass over its samples, rounding errors included.

The certificate is the weights themselves. Whatever W, γ and multiples s ≥ 0 are given, the residual R = F − ΦW bounds
the optimum from both sides,

    s⟨R, F⟩ − ½s²‖R‖²  ≤  p*  ≤  ½‖R‖² + γΣ‖W_i‖      if s‖ZᵀD_iR‖° ≤ γ for every gate,

and every term is a sum over samples. So neither R nor anything else of their number is kept, and whoever has the
activations can prove the bounds again. They hold for these activations, as stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sdprelax.base import Floats
from sdprelax.certificate import Gates, GroupBounds, group_bounds, group_rows
from sdprelax.lasso._rows import Rows
from sdprelax.problem.norms import Penalty

__all__ = ["GROUP_PROOF_VERSION", "prove"]

# Raised when the same weights prove other bounds: runs of studies that prove some are run once more.
GROUP_PROOF_VERSION = 2


def prove(
    rows: Rows,
    gates: Gates,
    weights: Floats,
    gamma: float,
    penalty: Penalty,
    advance: Callable[[int], None] = lambda _: None,
) -> GroupBounds:
    """Return proved bounds of the optimum over all of ``gates``.

    Parameters
    ----------
    weights: W, shape (c, d, m).
    gamma: γ.
    penalty: the gates' norm.
    advance: called with the number of rows read after every block.
    """

    def blocks() -> Iterator[tuple[Floats, Floats]]:
        for block in rows.blocks():
            yield block.inputs, block.targets
            advance(len(block.inputs))

    return group_bounds(group_rows(gates, blocks()), weights, gamma, penalty)
