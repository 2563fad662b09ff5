"""Units in which a training problem is neither huge nor tiny.

Training is equivariant to scale: p*(sX, tY, stγ) = t²·p*(X, Y, γ); dual points scale with t, networks with √(t/s).
Floating point and conic solvers are not, so methods and proofs work in units that are powers of two, in
which every problem has the same digits as before (docs/mathematics/problem.md, "Units").
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sdprelax.base import Floats
from sdprelax.networks import Network
from sdprelax.problem._problem import Problem

__all__ = ["Units", "sizes"]

# Sizes at which interior-point solvers stall last, by measurement (docs/performance.md).
LONGEST_ROW, TARGET_NORM = 16.0, 100.0


def sizes(problem: Problem) -> tuple[float, float]:
    """Return the powers of two (s, t) for which the longest row of X/s is about 16 and ‖Y/t‖ about 100."""
    longest = max(_log_norm(row) for row in problem.inputs)
    return _power_of_two(longest - math.log2(LONGEST_ROW)), _power_of_two(_log_norm(problem.Y) - math.log2(TARGET_NORM))


@dataclass(frozen=True, eq=False)
class Units:
    """A problem, and the powers of two in which its inputs and targets are measured.

    Parameters
    ----------
    original: the user's problem.
    inputs: s, the unit of X.
    targets: t, the unit of Y.
    """

    original: Problem
    inputs: float = 1.0
    targets: float = 1.0

    @staticmethod
    def of(problem: Problem) -> Units:
        """Return the problem's units; 1 where those would lose digits."""
        found = Units(problem, *sizes(problem))
        return found if found.exact else Units(problem)

    @property
    def exact(self) -> bool:
        """Whether these are powers of two in which data and γ keep all of their digits."""
        s, t, problem = self.inputs, self.targets, self.original
        if not all(0.0 < unit < math.inf and math.frexp(unit)[0] == 0.5 for unit in (s, t)):
            return False
        gamma = problem.gamma / s / t
        return (
            0.0 < gamma < math.inf
            and gamma * s * t == problem.gamma
            and np.array_equal(problem.inputs / s * s, problem.inputs)
            and np.array_equal(problem.Y / t * t, problem.Y)
        )

    @cached_property
    def problem(self) -> Problem:
        """The problem in these units: X/s, Y/t and γ/(st); a bias is a column of X like any other."""
        if self.inputs == self.targets == 1.0 and not self.original.bias:
            return self.original
        gamma = self.original.gamma / self.inputs / self.targets
        queries = None if self.original.queries is None else self.original.query_inputs / self.inputs
        return Problem(self.original.inputs / self.inputs, self.original.Y / self.targets, gamma, queries=queries)

    def value(self, value: float) -> float:
        """Return an objective value, ≥ 0, in the user's units, rounded down should that not be exact."""
        scaled = value * self.targets * self.targets
        if not math.isfinite(scaled):
            return sys.float_info.max if math.isfinite(value) else scaled
        exact = scaled / self.targets / self.targets == value
        return scaled if exact else max(0.0, math.nextafter(scaled, -math.inf))

    def value_above(self, value: float) -> float:
        """Return an objective value, ≥ 0, in the user's units, rounded up should that not be exact."""
        scaled = value * self.targets * self.targets
        exact = math.isfinite(scaled) and scaled / self.targets / self.targets == value
        return scaled if exact else math.nextafter(scaled, math.inf)

    def network(self, network: Network) -> Network:
        """Return a network of the scaled problem as one of the user's problem."""
        scale = math.sqrt(self.targets) / math.sqrt(self.inputs)
        return Network(network.hidden * scale, network.output * scale, self.original.bias)


def _power_of_two(exponent: float) -> float:
    """Return the power of two of the nearest whole exponent that a float has; 1 for that of zero, −∞."""
    return math.ldexp(1.0, min(max(round(exponent), -1074), 1023)) if math.isfinite(exponent) else 1.0


def _log_norm(values: Floats) -> float:
    """Return log₂ of the Euclidean norm of all entries, which may exceed every float; −∞ for zeros."""
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest == 0.0:
        return -math.inf
    return math.log2(largest) + math.log2(float(np.linalg.norm(values / largest)))
