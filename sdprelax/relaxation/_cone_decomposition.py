"""Gated weights as differences of two ReLU neurons (Mishkin, Sahiner and Pilanci, ICML 2022, section 4).

Inside the cone K = {u : s_j·x̂_jᵀu ≥ 0 for every j} of a pattern s a neuron is linear on the training data, so any
w = v − z with v, z in K gives DXw = (Xv)₊ − (Xz)₊. With v = w + z the two cones are one system of inequalities,

    Sz ≥ b = max(−Sw, 0),        S = diag(s)·X̂.

A direction g inside K has Sg > 0, so z = τg solves it for every τ ≥ max b_j/(Sg)_j: there always is a decomposition.
It costs ‖v‖ + ‖z‖ ≥ ‖w‖, little more in wide cones and any multiple in narrow ones.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from sdprelax.base import Deadline, Floats, SolverFailed, positive_part
from sdprelax.solvers import ConeOf, solve_conic

__all__ = ["Decomposition", "decompose"]

Decomposition = Literal["least_squares", "exact"]

# Lengths beyond which nothing is decomposed better than along the direction inside: squares would under- or overflow.
LEAST = 1e-140


def decompose(
    walls: Floats, inside: Floats, w: Floats, method: Decomposition, deadline: Deadline | None = None
) -> tuple[Floats, Floats]:
    """Return v and z with w = v − z, both in the cone {u : Su ≥ 0} up to rounding.

    Parameters
    ----------
    walls: S, shape (g, r).
    inside: a direction with S·inside > 0, shape (r,): what is left where a solver fails or the deadline has passed.
    w: what to decompose, shape (r,).
    method: "exact" minimises ‖v‖ + ‖z‖ (a second-order cone program); "least_squares" minimises ‖z‖, the limit ρ → 0
        of the published min ½‖(b − Sz)₊‖² + ρ‖z‖².
    deadline: after it the direction inside is all that is tried.
    """
    until = deadline or Deadline()
    missing = positive_part(-walls @ w)
    if not np.any(missing):
        return w, np.zeros_like(w)
    far = inside * float(np.max(missing / (walls @ inside)))
    # In units in which the answer is at most about 1.
    with np.errstate(over="ignore"):
        unit = float(np.linalg.norm(far))
    if until.expired or not LEAST < unit < 1.0 / LEAST:
        return w + far, far
    try:
        solve = _shortest if method == "least_squares" else _cheapest
        z = unit * solve(walls, w / unit, missing / unit, until)
    except (SolverFailed, RuntimeError):
        z = far
    # Time may have run out inside the solver, and what it had then may be outside the cones or longer.
    if np.linalg.norm(w + z) + np.linalg.norm(z) > np.linalg.norm(w + far) + np.linalg.norm(far):
        z = far
    return w + z, z


def _shortest(walls: Floats, w: Floats, missing: Floats, deadline: Deadline) -> Floats:
    """Return the shortest z with Sz ≥ b: least-distance programming (Lawson and Hanson 1974, chapter 23).

    It reads z off the residual of min ‖(Sᵀ; bᵀ)λ − (0; 1)‖ over λ ≥ 0.
    """
    system = np.vstack([walls.T, missing])
    target = np.append(np.zeros(walls.shape[1]), 1.0)
    multipliers, _ = scipy.optimize.nnls(system, target)
    residual = system @ multipliers - target
    if not residual[-1] < 0.0:
        raise SolverFailed("the least-distance program was solved to no digit.")
    return np.asarray(-residual[:-1] / residual[-1])


def _cheapest(walls: Floats, w: Floats, missing: Floats, deadline: Deadline) -> Floats:
    """Return the z with Sz ≥ b of least ‖w + z‖ + ‖z‖."""
    g, r = walls.shape
    # Variables: z, then the two norms.
    inequality = np.hstack([-walls, np.zeros((g, 2))])
    lorentz = np.zeros((2 * (r + 1), r + 2))
    for block in range(2):
        lorentz[block * (r + 1), r + block] = -1.0
        lorentz[block * (r + 1) + 1 : (block + 1) * (r + 1), :r] = -np.eye(r)
    right = np.concatenate([-missing, [0.0], w, [0.0], np.zeros(r)])
    cost, constraints = np.append(np.zeros(r), [1.0, 1.0]), sp.csc_array(np.vstack([inequality, lorentz]))
    cones: list[ConeOf] = [("nonnegative", g), ("second_order", r + 1), ("second_order", r + 1)]
    return solve_conic(sp.csc_array((r + 2, r + 2)), cost, constraints, right, cones, deadline)[0][:r]
