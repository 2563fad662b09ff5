"""Units in which a training problem is neither huge nor tiny.

Training is equivariant to scale: with a loss of degree k, ℓ(tP; tY) = t^k·ℓ(P; Y), p*(sX, tY, s·t^(k−1)·γ) is
t^k·p*(X, Y, γ); dual points scale with t^(k−1), networks with √(t/s). Of a loss without a degree targets keep t = 1.
Floating point and conic solvers are not, so methods and proofs work in units that are powers of two, in
which every problem has the same digits as before (docs/mathematics/problem.md, "Units").
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sdprelax.base import Floats
from sdprelax.networks import Network
from sdprelax.problem._problem import Problem

__all__ = ["Units", "units_of"]

# Sizes at which interior-point solvers stall last, by measurement (docs/performance.md).
LONGEST_ROW, TARGET_NORM = 16.0, 100.0


def units_of(problem: Problem) -> tuple[float, float]:
    """Return the powers of two (s, t) for which the longest row of X/s is about 16 and ‖Y/t‖ about 100.

    t is 1 where the loss has no degree.
    """
    longest = max(_log_norm(row) for row in problem.inputs)
    s = _power_of_two(longest - math.log2(LONGEST_ROW))
    if problem.loss.degree is None:
        return s, 1.0
    return s, _power_of_two(_log_norm(problem.Y) - math.log2(TARGET_NORM))


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
        found = Units(problem, *units_of(problem))
        return found if found.exact else Units(problem)

    @property
    def exact(self) -> bool:
        """Whether these are powers of two in which data and γ keep all of their digits."""
        s, t, problem = self.inputs, self.targets, self.original
        if not all(0.0 < unit < math.inf and math.frexp(unit)[0] == 0.5 for unit in (s, t)):
            return False
        return (
            (t == 1.0 or problem.loss.degree is not None)
            and 0.0 < self.gamma < math.inf
            and _times(self.gamma * s, t, self._degree - 1) == problem.gamma
            and np.array_equal(problem.inputs / s * s, problem.inputs)
            and np.array_equal(problem.Y / t * t, problem.Y)
        )

    @property
    def _degree(self) -> int:
        """The k of the loss; where there is none t is 1, and any will do."""
        return self.original.loss.degree or 1

    @property
    def gamma(self) -> float:
        """γ in these units, γ/(s·t^(k−1)); squared loss: γ/(st)."""
        return _over(self.original.gamma / self.inputs, self.targets, self._degree - 1)

    @cached_property
    def problem(self) -> Problem:
        """The problem in these units: X/s, Y/t and its γ; a bias is a column of X like any other."""
        if self.inputs == self.targets == 1.0 and not self.original.bias:
            return self.original
        queries = None if self.original.queries is None else self.original.query_inputs / self.inputs
        return replace(
            self.original, X=self.original.inputs / self.inputs, Y=self.original.Y / self.targets, gamma=self.gamma,
            bias=False, queries=queries,
        )  # fmt: skip

    def value(self, value: float) -> float:
        """Return an objective value in the user's units, rounded down should that not be exact; one ≥ 0 stays so."""
        scaled = _times(value, self.targets, self._degree)
        if not math.isfinite(scaled):
            return sys.float_info.max if scaled > 0.0 and math.isfinite(value) else scaled
        exact = _over(scaled, self.targets, self._degree) == value
        below = scaled if exact else math.nextafter(scaled, -math.inf)
        return max(0.0, below) if value >= 0.0 else below

    def value_above(self, value: float) -> float:
        """Return an objective value in the user's units, rounded up should that not be exact."""
        scaled = _times(value, self.targets, self._degree)
        exact = math.isfinite(scaled) and _over(scaled, self.targets, self._degree) == value
        return scaled if exact else math.nextafter(scaled, math.inf)

    def network(self, network: Network) -> Network:
        """Return a network of the scaled problem as one of the user's problem."""
        scale = math.sqrt(self.targets) / math.sqrt(self.inputs)
        offset = None if network.offset is None else network.offset * self.targets
        return self.original.network(network.hidden * scale, network.output * scale, offset)


def _times(value: float, unit: float, power: int) -> float:
    """Return value·unit^power, multiplied one by one: a power of the unit might overflow."""
    for _ in range(power):
        value = value * unit
    return value


def _over(value: float, unit: float, power: int) -> float:
    """Return value/unit^power, divided one by one."""
    for _ in range(power):
        value = value / unit
    return value


def _power_of_two(exponent: float) -> float:
    """Return the power of two of the nearest whole exponent that a float has; 1 for that of zero, −∞."""
    return math.ldexp(1.0, min(max(round(exponent), -1074), 1023)) if math.isfinite(exponent) else 1.0


def _log_norm(values: Floats) -> float:
    """Return log₂ of the Euclidean norm of all entries, which may exceed every float; −∞ for zeros."""
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest == 0.0:
        return -math.inf
    return math.log2(largest) + math.log2(float(np.linalg.norm(values / largest)))
