"""Targets as each loss takes them, of what data have: numbers, or classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import Floats, target_matrix
from sdprelax.problem.losses import Loss, Weighted, losses

__all__ = ["targets_for"]


def targets_for(loss: str | Mapping[str, Any] | Loss, Y: ArrayLike) -> Floats:
    """Return targets as a loss takes them.

    Parameters
    ----------
    loss: an entry of ``sdprelax.problem.losses``: its name, {name: {option: value}}, or one itself.
    Y: targets, shape (n, c), or (n,) for one output: numbers, or classes as :func:`sdprelax.one_hot` gives them, a row
        per sample with a 1 in its class's column.

    Returns
    -------
    Y as they are, shape (n, c); but of classes, for a loss of signs such as the logistic one, ±1: of two classes one
    column, +1 for the second; of more a column for each, one against the rest.

    Raises
    ------
    InputError: the loss does not take them: numbers where it takes classes, or negative ones where it takes counts.
    """
    chosen = loss if isinstance(loss, Weighted) else losses.given(loss)
    targets = target_matrix("Y", Y)
    classes = np.all((targets == 0.0) | (targets == 1.0)) and np.all(np.sum(targets, axis=1) == 1.0)
    if chosen.targets == "signs" and classes and targets.shape[1] > 1:
        targets = targets[:, [1]] - targets[:, [0]] if targets.shape[1] == 2 else 2.0 * targets - 1.0
    chosen.check(targets)
    return targets
