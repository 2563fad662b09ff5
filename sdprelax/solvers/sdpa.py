"""SDPA in multiple precision: the referee for a handful of tiny problems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Deadline
from sdprelax.solvers import Availability, Solved, installed, solve_with_cvxpy, solvers

__all__ = ["SDPA"]

# The first point is this multiple of the identity; what lies far beyond is taken for a proof of infeasibility.
START = 1e6
# Share of the way to the boundary that a step takes. SDPA estimates that way, and at its own 0.9, on our programs, it
# often steps over it and ends there, with whatever point it has.
TO_BOUNDARY, STEPS = 0.5, 500


@solvers.register("sdpa")
@dataclass(frozen=True)
class SDPA:
    """Interior point in multiple precision (sdpa-multiprecision, GPL): a referee for tiny problems of form: reduced.

    Parameters
    ----------
    tolerance: SDPA's epsilonStar and epsilonDash.
    bits: precision of its floating-point numbers.
    """

    # In multiple precision equations rounded to doubles that leave no interior have no solution at all.
    needs_interior: ClassVar[bool] = True
    version: ClassVar[int] = 2

    tolerance: PositiveFloat = 1e-15
    bits: PositiveInt = 256

    def availability(self) -> Availability:
        """Say whether sdpa-multiprecision is installed."""
        return installed("sdpa", "sdpap", "sdpa-multiprecision")

    def solve(self, program: Any, deadline: Deadline) -> Solved:
        """Solve a ``cvxpy.Problem`` with SDPA, which has no time limit of its own."""
        run = partial(
            program.solve,
            solver="SDPA",
            epsilonStar=self.tolerance,
            epsilonDash=self.tolerance,
            mpfPrecision=self.bits,
            lambdaStar=START,
            gammaStar=TO_BOUNDARY,
            maxIteration=STEPS,
            numThreads=1,
        )
        return solve_with_cvxpy(self, run, program)
