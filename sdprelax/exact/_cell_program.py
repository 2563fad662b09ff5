"""Exact training in rank ≤ 2: one small doubly nonnegative block per cell of the arrangement.

On a cell spanned by the rays R = [r_1 … r_k] (k = rank), hidden weights are w = Rs with s ≥ 0 and
activations are linear: (Xw)₊ = Φs, where the columns of Φ are the activations of the rays. The
moments of (s, v) form a completely positive matrix, and CP_k = DNN_k for k ≤ 4, so

    min ½‖Σ_j Φ_jW_j − Y‖² + (γ/2)Σ_j(⟨R_jᵀR_j, S_j⟩ + tr T_j)
    s.t. [S_j W_j; W_jᵀ T_j] ⪰ 0,  S_j ≥ 0

is exact (docs/mathematics/exact.md). In rank 2 the cells are the arcs between neighbouring rays on
the circle, and S_j = C_jC_jᵀ with C_j ≥ 0 is its Cholesky factorisation, which reads off the neurons.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Deadline, Floats
from sdprelax.problem import Problem, Reduction
from sdprelax.solvers import ConeOf, solve_conic

__all__ = ["cells", "solve_cell_program"]


def cells(rows: Floats) -> Floats:
    """Return the cells' rays, shape (cells, k, r) with k = r: unit, for generator rows of rank 1 or 2."""
    if rows.shape[1] == 1:
        return np.array([[[1.0]], [[-1.0]]])
    normal = np.stack([-rows[:, 1], rows[:, 0]], axis=1)
    rays = np.vstack([normal, -normal])
    rays = rays[np.argsort(np.arctan2(rays[:, 1], rays[:, 0]))]
    return np.stack([rays, np.roll(rays, -1, axis=0)], axis=1)


def solve_cell_program(problem: Problem, reduction: Reduction, deadline: Deadline) -> tuple[Floats, Floats]:
    """Solve the cell program of a problem of rank ≤ 2 with Clarabel.

    Returns
    -------
    Reduced hidden weights (r, m) and output weights (m, c) of an optimal network.

    Raises
    ------
    SolverFailed: the solver returned no point.
    """
    rays = cells(reduction.rows)
    count, k, r = rays.shape
    n, _, c = problem.shape
    order = k + c
    triangle = order * (order + 1) // 2
    position = {pair: index for index, pair in enumerate((i, j) for j in range(order) for i in range(j + 1))}
    features = reduction.features(rays.reshape(count * k, r).T).reshape(n, count, k)

    # Variables: the scaled upper triangles of the blocks, then the residual E = Σ Φ_jW_j − Y, column by column.
    blocks = count * triangle
    cost = np.zeros(blocks + n * c)
    gram = np.einsum("jkr,jlr->jkl", rays, rays)
    per_block = cost[:blocks].reshape(count, triangle)
    for i in range(k):
        for j in range(i, k):
            per_block[:, position[i, j]] = 0.5 * problem.gamma * gram[:, i, j] * (math.sqrt(2.0) if i < j else 1.0)
    for i in range(k, order):
        per_block[:, position[i, i]] = 0.5 * problem.gamma
    quadratic = sp.diags_array(np.concatenate([np.zeros(blocks), np.ones(n * c)])).tocsc()

    # Row (sample i, output o):  Σ_j Φ_jW_j − E = Y, with W_j the off-diagonal entries times 1/√2.
    offset = np.arange(count)[:, None] * triangle
    rows, columns, entries = [], [], []
    for output in range(c):
        where = offset + np.array([position[i, k + output] for i in range(k)])
        rows.append(np.repeat(np.arange(n) + output * n, count * k))
        columns.append(np.tile(where.ravel(), n))
        entries.append(features.reshape(n, -1).ravel() / math.sqrt(2.0))
    fit = sp.coo_array(
        (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))), shape=(n * c, blocks)
    )
    equality = sp.hstack([fit, -sp.eye_array(n * c)])
    crossing = [(i, j) for i in range(k) for j in range(i + 1, k)]
    selected = (offset + np.array([position[pair] for pair in crossing], dtype=int)).ravel()
    nonnegative = sp.coo_array(
        (-np.ones(len(selected)), (np.arange(len(selected)), selected)), shape=(len(selected), blocks + n * c)
    )
    semidefinite = sp.hstack([-sp.eye_array(blocks), sp.coo_array((blocks, n * c))])
    constraints = sp.vstack([equality, nonnegative, semidefinite]).tocsc()
    right = np.concatenate([problem.Y.T.ravel(), np.zeros(len(selected) + blocks)])
    block: ConeOf = ("semidefinite", order)
    cones: list[ConeOf] = [("zero", n * c), ("nonnegative", len(selected)), *[block] * count]
    x, _, _ = solve_conic(quadratic, cost, constraints, right, cones, deadline)
    return _neurons(x[:blocks].reshape(count, triangle), rays, c, position)


def _neurons(triangles: Floats, rays: Floats, c: int, position: dict[tuple[int, int], int]) -> tuple[Floats, Floats]:
    """Factor every S_j = CCᵀ with C ≥ 0 and return the neurons RC with output weights C⁺W_j."""
    k = rays.shape[1]
    hidden, output = [], []
    for block, directions in zip(triangles, rays, strict=True):
        W = np.array([[block[position[i, k + o]] for o in range(c)] for i in range(k)]) / math.sqrt(2.0)
        if k == 1:
            factor = np.array([[math.sqrt(max(block[0], 0.0))]])
        else:
            a, d = max(block[position[0, 0]], 0.0), max(block[position[1, 1]], 0.0)
            b = min(max(block[position[0, 1]] / math.sqrt(2.0), 0.0), math.sqrt(a * d))
            # The factor with its zero on the smaller side, so that nothing is divided by a small number.
            if a >= d:
                factor = np.array([[math.sqrt(a), 0.0], [b / math.sqrt(a) if a else 0.0, 0.0]])
                factor[1, 1] = math.sqrt(max(d - factor[1, 0] ** 2, 0.0))
            else:
                factor = np.array([[0.0, b / math.sqrt(d)], [0.0, math.sqrt(d)]])
                factor[0, 0] = math.sqrt(max(a - factor[0, 1] ** 2, 0.0))
        hidden.append(directions.T @ factor)
        output.append(np.linalg.pinv(factor, rcond=1e-7) @ W)
    return np.hstack(hidden), np.vstack(output)
