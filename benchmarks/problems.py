"""Problems that several benchmarks measure, and what judges solutions; importing it does not import sdprelax."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from harness import Needs, Run

if TYPE_CHECKING:
    from sdprelax import Problem

ARRAYS = Path(__file__).resolve().parents[1] / "experiments" / "closing" / "p25.py"


def folder_of(run: Run) -> str | None:
    """Return the folder of the arrays of Prakhya, Birdal and Yurtsever (2025); a tiny run does without.

    Raises
    ------
    Needs: the option ``data`` names none.
    """
    folder: str | None = run.options["data"]
    if folder is None and not run.tiny:
        raise Needs("the arrays of Prakhya, Birdal and Yurtsever (2025): name their folder with --data")
    return folder


def problem(folder: str | None, name: str, gamma: float, *, number: int = 0, rows: int | None = None) -> Problem:
    """Return a training problem of these arrays, or without a folder the package's own of that name."""
    from sdprelax import Problem
    from sdprelax.datasets import datasets
    from sdprelax.laboratory import load_modules

    if folder is None:
        data = datasets.create(name, {"seed": number} if name == "random" else {}).load()
    else:
        load_modules([str(ARRAYS)])
        options = {"name": name, "number": number, "folder": folder}
        data = datasets.create("p25", options).load()
    return Problem(data.X[:rows], data.Y[:rows], gamma)


def dual_value(X: np.ndarray, masks: np.ndarray, y: np.ndarray, residual: np.ndarray, gamma: float) -> float:
    """Return the best lower bound of a gated program with one output that multiples of a residual prove.

    Parameters
    ----------
    X, masks: inputs (n, d), and which of them every gate lets through (n, m).
    y, residual: targets and what is left of them, (n,).
    """
    along, energy = residual @ y, residual @ residual
    steepest = np.max(np.linalg.norm(X.T @ (masks * residual[:, None]), axis=0))
    scale = max(0.0, min(along / energy, gamma / steepest))
    return float(scale * along - 0.5 * scale**2 * energy)


def by_cvxpy(problem: Problem, P: Any, penalty: Any, constraints: list[Any] | None = None) -> float:
    """Return the least ℓ(P + 1tᵀ; Y) + γ·penalty as Clarabel solves it, t the problem's offset where it has one.

    Parameters
    ----------
    P, penalty: expressions of CVXPY.
    """
    import cvxpy as cp

    t = cp.Variable((1, problem.Y.shape[1]))
    if problem.offset:
        P = P + np.ones((len(problem.Y), 1)) @ t
    cost = problem.loss.expression(P, problem.Y) + problem.gamma * penalty
    if problem.offset_decay:
        cost += 0.5 * problem.offset_decay * cp.sum_squares(t)
    program = cp.Problem(cp.Minimize(cost), constraints)
    # Clarabel's defaults leave programs with exponential cones at 1e-7.
    program.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    return float(program.value)


def over_all_patterns(problem: Problem) -> float:
    """Return the optimum of one output, without a bias, as the convex program over all activation patterns has it."""
    import cvxpy as cp

    from sdprelax.exact import activation_patterns

    signs, _ = activation_patterns(problem.X / np.linalg.norm(problem.X, axis=1)[:, None])
    up, down = problem.activation.slopes
    P: Any = np.zeros((len(problem.Y), 1))
    penalty: Any = 0.0
    constraints = []
    for pattern in signs:
        gates = np.where(pattern > 0, up, -down)[:, None] * problem.X
        for sign in (1.0, -1.0):
            u = cp.Variable((problem.X.shape[1], 1))
            P = P + sign * gates @ u
            penalty = penalty + cp.norm(u)
            constraints.append(cp.multiply(pattern[:, None].astype(float), problem.X @ u) >= 0.0)
    return by_cvxpy(problem, P, penalty, constraints)
