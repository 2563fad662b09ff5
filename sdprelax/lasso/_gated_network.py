"""From the weights of a program behind gates to the gated network of the user's problem."""

from __future__ import annotations

import numpy as np

from sdprelax.base import Floats
from sdprelax.networks import GatedNetwork
from sdprelax.problem import Units

__all__ = ["gated_network"]


def gated_network(units: Units, gates: Floats, weights: Floats, offset: Floats | None) -> GatedNetwork:
    """Return the gated network in the user's units, without the gates that carry no weight.

    Parameters
    ----------
    units: of the problem that the program is of.
    gates: g, on the problem's inputs, shape (d, m).
    weights: W, on the same, shape (m, d, c).
    offset: t, shape (c,), in the units; used where the problem has an offset in them.
    """
    problem = units.original
    used = np.any(weights != 0.0, axis=(1, 2))
    gates, weights = gates[:, used], weights[used] * (units.targets / units.inputs)
    if units.column != 1.0:
        measured = np.where(np.arange(len(gates)) == len(gates) - 1, units.column, 1.0)
        gates, weights = gates * measured[:, None], weights * measured[:, None]
    if units.problem.offset is False or offset is None:
        return GatedNetwork(gates, weights, problem.bias)
    return GatedNetwork(gates, weights, problem.bias, offset * units.targets)
