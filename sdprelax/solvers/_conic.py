"""Conic programs in standard form, without a modelling language: what is small, or solved many times over.

Clarabel solves them, which is always installed; nothing outside this room calls it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from sdprelax.base import Deadline, Floats, SolverFailed, first_line

__all__ = ["ConeOf", "rust_panics_fail", "solve_conic"]

# A cone: {0}, s ≥ 0, s_0 ≥ ‖(s_1, ...)‖, or S ⪰ 0, and its size: the length of s, or the order of S. A matrix S is
# given by its upper triangle column by column, entries off the diagonal times √2.
ConeOf = tuple[Literal["zero", "nonnegative", "second_order", "semidefinite"], int]
# Relative gap and residuals with which a program counts as solved.
ATTAINED = 1e-6


@contextlib.contextmanager
def rust_panics_fail(name: str) -> Iterator[None]:
    """Turn a panic of a solver written in Rust, which Python sees as a BaseException, into SolverFailed."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise SolverFailed(f"{name} failed: {first_line(error)}.") from None
        raise


def solve_conic(
    quadratic: Any, cost: Floats, constraints: Any, right: Floats, cones: Sequence[ConeOf], deadline: Deadline,
    tolerance: float = 1e-11,
) -> tuple[Floats, bool, Floats]:  # fmt: skip
    """Return the minimiser x of ½xᵀPx + qᵀx subject to b − Ax ∈ K, on one thread.

    Beside it: whether the solver's own gap and residuals are within 1e-6 of what they are relative to, and the
    multipliers of the constraints, of the shape of b and in the dual cone.

    Parameters
    ----------
    quadratic: P, sparse, shape (k, k); cost: q, shape (k,).
    constraints: A, sparse, shape (m, k); right: b, shape (m,).
    cones: whose product is K, in the order of the rows of A.
    tolerance: of the duality gap, absolute and relative, and of feasibility.

    Raises
    ------
    SolverFailed: the solver returned no point. An inaccurate one is returned: bounds are proved elsewhere.
    """
    import clarabel

    kinds = {
        "zero": clarabel.ZeroConeT, "nonnegative": clarabel.NonnegativeConeT,
        "second_order": clarabel.SecondOrderConeT, "semidefinite": clarabel.PSDTriangleConeT,
    }  # fmt: skip
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerance
    settings.time_limit = min(deadline.remaining, 1e9)
    product = [kinds[kind](size) for kind, size in cones]
    with rust_panics_fail("clarabel"):
        solution = clarabel.DefaultSolver(quadratic, cost, constraints, right, product, settings).solve()
    x = np.array(solution.x)
    if not np.all(np.isfinite(x)):
        raise SolverFailed(f"Clarabel returned no point of a conic program (status: {solution.status}).")
    gap = abs(solution.obj_val - solution.obj_val_dual)
    attained = gap <= ATTAINED * max(abs(solution.obj_val), np.finfo(float).tiny)
    return x, bool(attained and max(solution.r_prim, solution.r_dual) <= ATTAINED), np.array(solution.z)
