"""Neurons of one chamber: how far a dictionary of rays is from exact, and the neuron that several of them are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sdprelax.base import Floats
from sdprelax.networks import Network

__all__ = ["largest_angle", "merged_in_chambers"]

# An activation this small against ‖x‖‖w‖ is on the wall.
ON_THE_WALL = 1e-9
# Output weights whose unit vectors differ by at most this are parallel.
PARALLEL = 1e-7


def largest_angle(rows: Floats) -> float:
    """Return the largest angle θ, in radians, between neighbouring rays of the arrangement of rows in the plane.

    Over the wedges of p = 2 the Lasso's optimum p̂ then satisfies p* ≤ p̂ ≤ p*/cos(θ/2): a unit vector between
    neighbouring rays is a combination of them with coefficients that sum to at most 1/cos(θ/2)
    (docs/mathematics/wedge.md). At θ = π there is a single line, whose chambers are half-planes.

    Parameters
    ----------
    rows: shape (g, 2), none of them zero.
    """
    angles = np.unique(np.mod(np.arctan2(rows[:, 1], rows[:, 0]), np.pi))
    return float(np.max(np.diff(np.append(angles, angles[0] + np.pi))))


def merged_in_chambers(inputs: Floats, network: Network) -> Network:
    """Return the network with neurons of one closed chamber and parallel output weights added up.

    On the samples the function stays the same and the penalty falls: Σ_k(Xw_k)₊ = (XΣ_kw_k)₊ where no sample sees two
    of the w_k on different sides, and ‖Σ_kw_k‖ ≤ Σ_k‖w_k‖. A planted neuron that lies between two wedges is found so.

    Parameters
    ----------
    inputs: what the hidden layer sees, shape (n, d).
    """
    balanced = network.balanced()
    inner = inputs @ balanced.hidden
    sizes = np.linalg.norm(inputs, axis=1)[:, None] * np.linalg.norm(balanced.hidden, axis=0)
    signs = np.where(np.abs(inner) > ON_THE_WALL * sizes, np.sign(inner), 0.0)
    lengths = np.linalg.norm(balanced.output, axis=1)
    outward = balanced.output / lengths[:, None] if balanced.width else balanced.output
    free = np.ones(balanced.width, dtype=bool)
    hidden, output = [np.zeros((inputs.shape[1], 0))], [np.zeros((0, outward.shape[1]))]
    order = np.argsort(-lengths, kind="stable")
    for k in order:
        if not free[k]:
            continue
        chamber, members = signs[:, k].copy(), [k]
        free[k] = False
        alike = free & (np.linalg.norm(outward - outward[k], axis=1) <= PARALLEL)
        # Of the two chambers beside a wall the one with the larger neuron is theirs.
        for j in order[alike[order]]:
            if np.all(chamber * signs[:, j] >= 0.0):
                chamber = np.where(chamber != 0.0, chamber, signs[:, j])
                members.append(j)
                free[j] = False
        # Weight k is √‖z‖ on either side: its share of the function is ‖v_k‖·w_k on a unit output.
        hidden.append((balanced.hidden[:, members] @ lengths[members])[:, None])
        output.append(outward[[k]])
    return replace(network, hidden=np.hstack(hidden), output=np.vstack(output)).balanced()
