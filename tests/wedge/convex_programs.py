"""Training as a convex program over activation patterns, by a conic solver: what the Lasso must agree with."""

from __future__ import annotations

import cvxpy as cp
import numpy as np

from sdprelax.base import Floats


def exact_value(inputs: Floats, y: Floats, gamma: float, patterns: Floats, p: int, free: bool) -> float:
    """Return min over ReLU networks of one output of ½‖f − y‖² + γΣ‖w‖_p|v|, a cone of weights per pattern and sign.

    Parameters
    ----------
    patterns: signs ±1, shape (cells, n).
    free: whether the last input is ones whose weight has no penalty, and the output has an offset.
    """
    count, d = len(patterns), inputs.shape[1]
    up, down = cp.Variable((count, d)), cp.Variable((count, d))
    offset = cp.Variable() if free else 0.0
    prediction, constraints, penalty = offset + np.zeros(len(y)), [], 0.0
    for k, signs in enumerate(patterns):
        gate = np.diag(signs > 0) @ inputs
        prediction = prediction + gate @ (up[k] - down[k])
        for weights in (up[k], down[k]):
            constraints.append((signs[:, None] * inputs) @ weights >= 0.0)
            penalty = penalty + cp.norm(weights[:-1] if free else weights, p)
    program = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(prediction - y) + gamma * penalty), constraints)
    tight = {f"tol_{name}": 1e-12 for name in ("gap_abs", "gap_rel", "feas")}
    return float(program.solve(solver="CLARABEL", max_iter=200, **tight))
