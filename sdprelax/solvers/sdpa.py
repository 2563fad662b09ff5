"""SDPA in multiple precision: the referee for a handful of tiny problems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import PositiveFloat, PositiveInt

from sdprelax.deadline import Deadline
from sdprelax.solvers import Availability, Solved, installed, register, solve_with_cvxpy

__all__ = ["SDPA"]


@register("sdpa")
@dataclass(frozen=True)
class SDPA:
    """Interior point in multiple precision (sdpa-multiprecision, GPL): a referee for tiny problems.

    Parameters
    ----------
    tolerance: SDPA's epsilonStar and epsilonDash.
    bits: precision of its floating-point numbers.
    """

    tolerance: PositiveFloat = 1e-15
    bits: PositiveInt = 256

    def availability(self) -> Availability:
        """Say whether sdpa-multiprecision is installed."""
        return installed("sdpa", "sdpa-multiprecision", 'pip install "sdprelax[referee]"')

    def solve(self, program: Any, deadline: Deadline) -> Solved:
        """Solve a ``cvxpy.Problem`` with SDPA, which has no time limit of its own."""
        run = partial(
            program.solve,
            solver="SDPA",
            epsilonStar=self.tolerance,
            epsilonDash=self.tolerance,
            mpfPrecision=self.bits,
            numThreads=1,
        )
        return solve_with_cvxpy(self, run, program)
