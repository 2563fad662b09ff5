"""The relaxation's own predictions, in kernel form (docs/mathematics/relaxation.md)."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from sdprelax.base import Floats
from sdprelax.lifting import LiftedProgram
from sdprelax.networks import Tabulated
from sdprelax.problem import Problem, Reduction

__all__ = ["tabulated", "transduced"]


def transduced(lifting: LiftedProgram, asked: Reduction, lifted: Floats) -> tuple[Floats, float]:
    """Return the relaxation's own predictions in kernel form, K_q(K + γI)⁻¹Y, at training inputs and queries.

    Also returned: their largest distance from Λ_{α_q,v}, relative to the largest prediction; 0 at an exact optimum.
    """
    g, problem = lifting.generators, lifting.problem
    rows = sp.vstack([lifting.selection, asked.selection()]).tocsr()
    cross = np.asarray(lifting.selection @ (rows @ lifted[: 2 * g, : 2 * g]).T).T
    kernel = cross[: len(problem.Y)]
    ridge = 0.5 * (kernel + kernel.T) + problem.gamma * np.eye(len(kernel))
    predicted: Floats = cross @ scipy.linalg.solve(ridge, problem.Y, assume_a="sym")
    direct = rows @ lifted[: 2 * g, lifting.blocks["v"]]
    return predicted, float(np.max(np.abs(predicted - direct)) / max(np.max(np.abs(predicted)), 1e-300))


def tabulated(problem: Problem, predicted: Floats) -> Tabulated:
    """Return predictions, shape (n + t, c) or (c,), at the problem's inputs and queries."""
    assert problem.queries is not None
    inputs = np.vstack([problem.X, problem.queries])
    return Tabulated(inputs, np.broadcast_to(predicted, (len(inputs), problem.Y.shape[1])).copy())
