"""Training for one output: the group lasso over activation patterns with their cones; exact over all of them.

With every pattern D_i of the arrangement, training equals (Pilanci and Ergen 2020; docs/mathematics/exact.md)

    min ½‖Σ_i Φ_i(v_i − w_i) − y‖² + γΣ_i(‖v_i‖ + ‖w_i‖)
    s.t. v_i and w_i in the cone of pattern i:  s_ij·x̂_jᵀv_i ≥ 0 for every generator j,

where Φ_iw are the activations of any w in cell i. Each nonzero v_i is a neuron with positive output
weight, each w_i one with negative output weight. Of any other loss, or with an offset, the same program goes to
Clarabel through CVXPY; of outputs that a loss couples each has neurons of its own in it, which bounds p* from above.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sdprelax.base import Deadline, Floats, optional
from sdprelax.exact._arrangement import activation_patterns
from sdprelax.problem import Problem, Reduction, Squared
from sdprelax.solvers import ConeOf, solve_conic
from sdprelax.solvers.clarabel import Clarabel

__all__ = ["attained_convex_relu", "solve_convex_relu"]

# Clarabel's tolerance where a loss needs exponential cones.
TOLERANCE = 1e-9


def solve_convex_relu(
    problem: Problem, reduction: Reduction, deadline: Deadline, signs: NDArray[np.int8] | None = None
) -> tuple[Floats, Floats]:
    """Return the network of :func:`attained_convex_relu`, whether the solver attained its tolerance or not."""
    hidden, output, _ = attained_convex_relu(problem, reduction, deadline, signs)
    return hidden, output


def attained_convex_relu(
    problem: Problem, reduction: Reduction, deadline: Deadline, signs: NDArray[np.int8] | None = None
) -> tuple[Floats, Floats, bool]:
    """Solve the convex program of a problem with Clarabel; of the squared loss the problem has one output.

    Parameters
    ----------
    signs: patterns to train over, shape (m, g), of ±1; all of them by default.

    Returns
    -------
    Reduced hidden weights (r, 2mc) and output weights (2mc, c) of a network that is optimal over these patterns, and
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
    if problem.loss != Squared() or problem.offset:
        return _through_cvxpy(problem, reduction, deadline, signs, maps)

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
    x, solved, _ = solve_conic(quadratic, cost, constraints, right, cones, deadline)
    hidden = x[: 2 * size].reshape(norms, r).T
    return hidden, np.concatenate([np.ones(count), -np.ones(count)])[:, None], solved


def _through_cvxpy(
    problem: Problem, reduction: Reduction, deadline: Deadline, signs: NDArray[np.int8], maps: Floats
) -> tuple[Floats, Floats, bool]:
    """Return what :func:`attained_convex_relu` does, for any loss and offset.

    Parameters
    ----------
    maps: Φ_i side by side, shape (n, m·r).
    """
    cp = optional("cvxpy")

    count, r, (n, _, outputs) = len(signs), reduction.rank, problem.shape
    # Of every output the neurons of positive output weight, one column per pattern, then those of negative.
    weights = [cp.Variable((r, 2 * count)) for _ in range(outputs)]
    t = cp.Variable((1, outputs)) if problem.offset else None
    columns = [maps @ cp.vec(W[:, :count] - W[:, count:], order="F") for W in weights]
    predictions = cp.vstack(columns).T + (np.ones((n, 1)) @ t if t is not None else 0.0)
    cost = problem.loss.expression(predictions, problem.Y) + problem.gamma * sum(
        cp.sum(cp.norm(W, axis=0)) for W in weights
    )
    if t is not None and problem.offset_decay:
        cost = cost + 0.5 * problem.offset_decay * cp.sum(cp.square(t))
    walls = np.hstack([signs.T, signs.T]).astype(np.float64)
    inside = [cp.multiply(walls, reduction.rows @ W) >= 0.0 for W in weights]
    solved = Clarabel(TOLERANCE).solve(cp.Problem(cp.Minimize(cost), inside), deadline)
    hidden = np.hstack([W.value for W in weights])
    side = np.repeat([1.0, -1.0], count)[:, None]
    return hidden, np.vstack([side * np.eye(outputs)[k] for k in range(outputs)]), solved.status == "optimal"
