"""Training for one output: the group lasso over activation patterns with their cones; exact over all of them.

With every pattern D_i of the arrangement, training equals (Pilanci and Ergen 2020; docs/mathematics/exact.md)

    min ½‖Σ_i Φ_i(v_i − w_i) − y‖² + γΣ_i(‖v_i‖ + ‖w_i‖)
    s.t. v_i and w_i in the cone of pattern i:  s_ij·x̂_jᵀv_i ≥ 0 for every generator j,

where Φ_iw are the activations of any w in cell i. Each nonzero v_i is a neuron with positive output
weight, each w_i one with negative output weight.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sdprelax.base import Deadline, Floats
from sdprelax.exact._arrangement import activation_patterns
from sdprelax.problem import Problem, Reduction
from sdprelax.solvers import ConeOf, solve_conic

__all__ = ["attained_convex_relu", "solve_convex_relu"]


def solve_convex_relu(
    problem: Problem, reduction: Reduction, deadline: Deadline, signs: NDArray[np.int8] | None = None
) -> tuple[Floats, Floats]:
    """Return the network of :func:`attained_convex_relu`, whether the solver attained its tolerance or not."""
    hidden, output, _ = attained_convex_relu(problem, reduction, deadline, signs)
    return hidden, output


def attained_convex_relu(
    problem: Problem, reduction: Reduction, deadline: Deadline, signs: NDArray[np.int8] | None = None
) -> tuple[Floats, Floats, bool]:
    """Solve the convex program of a problem with one output with Clarabel.

    Parameters
    ----------
    signs: patterns to train over, shape (m, g), of ±1; all of them by default.

    Returns
    -------
    Reduced hidden weights (r, 2m) and output weights (2m, 1) of a network that is optimal over these patterns, and
    whether the solver attained its tolerance.

    Raises
    ------
    SolverFailed: the solver returned no point.
    """
    if signs is None:
        signs, _ = activation_patterns(reduction.rows)
    count, (g, r), n = len(signs), reduction.rows.shape, problem.shape[0]
    selection = reduction.selection()
    active = np.hstack([signs > 0, signs < 0])
    halves = np.vstack([reduction.rows, -reduction.rows])
    maps = np.hstack([selection @ (mask[:, None] * halves) for mask in active])

    # Variables: v (count·r), w (count·r), the norms of all of them (2·count), the residual (n).
    size, norms = count * r, 2 * count
    cost = np.concatenate([np.zeros(2 * size), np.full(norms, problem.gamma), np.zeros(n)])
    quadratic = sp.diags_array(np.concatenate([np.zeros(2 * size + norms), np.ones(n)])).tocsc()
    fit = sp.hstack([sp.csr_array(maps), sp.csr_array(-maps), sp.csr_array((n, norms)), -sp.eye_array(n)])
    walls = sp.block_diag([-(pattern[:, None] * reduction.rows) for pattern in signs])
    inside = sp.hstack([sp.block_diag([walls, walls]), sp.csr_array((2 * count * g, norms + n))])
    # Second-order cones (norm, vector), one after another.
    order = np.arange(norms)[:, None] * (r + 1)
    rows = np.concatenate([order.ravel(), (order + 1 + np.arange(r)).ravel()])
    columns = np.concatenate([2 * size + np.arange(norms), np.arange(2 * size)])
    lorentz = sp.coo_array((-np.ones(len(rows)), (rows, columns)), shape=(norms * (r + 1), len(cost)))
    constraints = sp.vstack([fit, inside, lorentz]).tocsc()
    right = np.concatenate([problem.Y[:, 0], np.zeros(2 * count * g + norms * (r + 1))])
    lorentz_cone: ConeOf = ("second_order", r + 1)
    cones: list[ConeOf] = [("zero", n), ("nonnegative", 2 * count * g), *[lorentz_cone] * norms]
    x, solved = solve_conic(quadratic, cost, constraints, right, cones, deadline)
    hidden = x[: 2 * size].reshape(norms, r).T
    return hidden, np.concatenate([np.ones(count), -np.ones(count)])[:, None], solved
