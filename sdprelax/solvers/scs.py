"""SCS: first-order, no licence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Deadline
from sdprelax.solvers import Availability, Solved, installed, solve_with_cvxpy, solvers

__all__ = ["SCS"]


@solvers.register("scs")
@dataclass(frozen=True)
class SCS:
    """First-order operator splitting, no licence: large orders, low accuracy.

    Parameters
    ----------
    tolerance: SCS's eps_abs and eps_rel (Prakhya, Birdal and Yurtsever 2025: 1e-4).
    max_iterations: iterations after which the point at hand is taken.
    """

    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    tolerance: PositiveFloat = 1e-5
    max_iterations: PositiveInt = 50_000

    def availability(self) -> Availability:
        """Say whether SCS is installed."""
        return installed("scs", "scs")

    def solve(self, program: Any, deadline: Deadline) -> Solved:
        """Solve a ``cvxpy.Problem`` with SCS."""
        run = partial(
            program.solve,
            solver="SCS",
            eps_abs=self.tolerance,
            eps_rel=self.tolerance,
            max_iters=self.max_iterations,
            time_limit_secs=min(deadline.remaining, 1e9),
        )
        return solve_with_cvxpy(self, run, program)
