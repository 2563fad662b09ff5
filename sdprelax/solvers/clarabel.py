"""Clarabel: interior point, no licence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import psutil
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Deadline, SolverFailed
from sdprelax.solvers import Availability, Solved, installed, solve_with_cvxpy, solvers

__all__ = ["Clarabel"]

# Without an interior (form "lifted") Clarabel stalls with a good point in hand, which CVXPY would throw away.
# It is kept as "optimal_inaccurate", for a certificate to judge.
STALLED = ("InsufficientProgress", "NumericalError")
# Step below which exponential cones are scaled from the dual alone: beside large semidefinite ones Clarabel's own 0.1
# comes early, and what follows stalls far from the optimum.
SWITCH = 0.01


@solvers.register("clarabel")
@dataclass(frozen=True)
class Clarabel:
    """Interior point, no licence: any form, with or without cones; orders up to 100-200.

    Parameters
    ----------
    tolerance: Clarabel's tol_gap_abs, tol_gap_rel and tol_feas.
    max_iterations: interior-point steps.
    """

    default_up_to: ClassVar[float] = math.inf
    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    tolerance: PositiveFloat = 1e-8
    max_iterations: PositiveInt = 200

    def availability(self) -> Availability:
        """Say whether Clarabel is installed."""
        return installed("clarabel", "clarabel")

    def solve(self, program: Any, deadline: Deadline) -> Solved:
        """Solve a ``cvxpy.Problem`` with Clarabel on one thread.

        Raises
        ------
        SolverFailed: it left no values, or its dense block for the semidefinite cone does not fit into memory.
        """
        order = max((variable.shape[0] for variable in program.variables() if variable.attributes["PSD"]), default=0)
        needed, there = 8.0 * (0.5 * order * (order + 1)) ** 2, psutil.virtual_memory().available
        if needed > there:
            # It would not fail but end the process.
            raise SolverFailed(
                f"clarabel needs {needed / 1e9:.0f} GB for a semidefinite matrix of order {order}, and "
                f"{there / 1e9:.0f} GB are free; interior_point takes more rows."
            )
        settings = {
            "tol_gap_abs": self.tolerance,
            "tol_gap_rel": self.tolerance,
            "tol_feas": self.tolerance,
            "max_iter": self.max_iterations,
            "max_threads": 1,
            "min_switch_step_length": SWITCH,
            "time_limit": min(deadline.remaining, 1e9),
        }

        def run() -> None:
            data, chain, inverse = program.get_problem_data("CLARABEL", solver_opts=settings)
            point = chain.solve_via_data(program, data, solver_opts=settings)
            if str(point.status) in STALLED:
                point = SimpleNamespace(
                    status="AlmostSolved",
                    x=point.x,
                    z=point.z,
                    obj_val=point.obj_val,
                    solve_time=point.solve_time,
                    iterations=point.iterations,
                )
            program.unpack_results(point, chain, inverse)

        return solve_with_cvxpy(self, run, program)
