"""The one call of Clarabel that the exact programs share."""

from __future__ import annotations

from typing import Any

import clarabel
import numpy as np

from sdprelax.deadline import Deadline
from sdprelax.errors import SolverFailed
from sdprelax.solvers import rust_panics_fail
from sdprelax.verified import Floats

__all__ = ["solve_conic"]


def solve_conic(
    quadratic: Any, cost: Floats, constraints: Any, right: Floats, cones: list[Any], deadline: Deadline
) -> Floats:
    """Return the minimiser x of ½xᵀPx + qᵀx subject to b − Ax ∈ K, on one thread and as accurately as Clarabel can.

    Parameters
    ----------
    quadratic: P, sparse, shape (k, k); cost: q, shape (k,).
    constraints: A, sparse, shape (m, k); right: b, shape (m,).
    cones: Clarabel's cones, whose product is K.

    Raises
    ------
    SolverFailed: the solver returned no point. An inaccurate one is returned: bounds are proved elsewhere.
    """
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
    settings.time_limit = min(deadline.remaining, 1e9)
    with rust_panics_fail("clarabel"):
        solution = clarabel.DefaultSolver(quadratic, cost, constraints, right, cones, settings).solve()
    x = np.array(solution.x)
    if not np.all(np.isfinite(x)):
        raise SolverFailed(f"Clarabel returned no point of an exact program (status: {solution.status}).")
    return x
