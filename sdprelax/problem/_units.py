"""Units in which a training problem is neither huge nor tiny.

Training is equivariant to scale: with a loss of degree k, ℓ(tP; tY) = t^k·ℓ(P; Y), p*(sX, tY, s·t^(k−1)·γ) is
t^k·p*(X, Y, γ); dual points scale with t^(k−1), networks with √(t/s). Of a loss without a degree targets keep t = 1.
Floating point and conic solvers are not, so methods and proofs work in units that are powers of two, in
which every problem has the same digits as before (docs/mathematics/problem.md, "Units").

A hidden bias that costs nothing is solved for as one that costs next to nothing: the column of ones becomes one of B,
so that a bias b costs (b/B)² (docs/mathematics/problem.md, "Free biases").
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from sdprelax.base import Ball, Floats, bound_above
from sdprelax.networks import Network
from sdprelax.problem._problem import Problem

__all__ = ["Units", "freedom", "units_of"]

# Sizes at which interior-point solvers stall last, by measurement (docs/performance/relaxation.md).
LONGEST_ROW, TARGET_NORM = 16.0, 100.0
# How many times the longest row a free bias's unit is at least: in few inputs, where gaps close, and beyond, where a
# large one costs the relaxation more than it is worth by measurement; and the bias of a neuron that is a constant.
FREE, FREE_BEYOND, FEW, LARGE = 64.0, 4.0, 5, 2.0**26
LARGEST_COLUMN = 2.0**1000


def units_of(problem: Problem) -> tuple[float, float]:
    """Return the powers of two (s, t) for which the longest row of X/s is about 16 and ‖Y/t‖ about 100.

    t is 1 where the loss has no degree.
    """
    longest = max(_log_norm(row) for row in _with_column(problem, free_column(problem)))
    s = _power_of_two(longest - math.log2(LONGEST_ROW))
    if problem.loss.degree is None:
        return s, 1.0
    return s, _power_of_two(_log_norm(problem.Y) - math.log2(TARGET_NORM))


def free_column(problem: Problem) -> float:
    """Return B, the power of two that a free hidden bias is measured in; 1 where the bias is penalised."""
    if problem.penalise_bias:
        return 1.0
    longest = max(_log_norm(row) for row in problem.X)
    times = FREE if min(problem.X.shape) <= FEW else FREE_BEYOND
    return min(2.0 * times * _power_of_two(longest), LARGEST_COLUMN) if math.isfinite(longest) else 1.0


def _with_column(problem: Problem, column: float) -> Floats:
    """Return what the hidden layer sees, with ``column`` in place of the ones of a free bias."""
    return problem.inputs if problem.penalise_bias else np.hstack([problem.X, np.full((len(problem.X), 1), column)])


@dataclass(frozen=True, eq=False)
class Units:
    """A problem, and the powers of two in which its inputs and targets are measured.

    Parameters
    ----------
    original: the user's problem.
    inputs: s, the unit of X.
    targets: t, the unit of Y.
    column: B, what a free hidden bias is measured in; 1 where the bias is penalised or there is none.
    """

    original: Problem
    inputs: float = 1.0
    targets: float = 1.0
    column: float = 1.0

    @staticmethod
    def of(problem: Problem) -> Units:
        """Return the problem's units; 1 where those would lose digits."""
        column = free_column(problem)
        found = Units(problem, *units_of(problem), column)
        return found if found.exact else Units(problem, column=column)

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
            and self.offset_decay <= sys.float_info.max
            and float(self.offset_decay) == self.offset_decay
            and np.array_equal(self.measured / s * s, self.measured)
            and np.array_equal(problem.Y / t * t, problem.Y)
        )

    @property
    def measured(self) -> Floats:
        """X as the hidden layer sees it, in the user's unit, with B in place of the ones of a free bias."""
        return _with_column(self.original, self.column)

    @property
    def _degree(self) -> int:
        """The k of the loss; where there is none t is 1, and any will do."""
        return self.original.loss.degree or 1

    @property
    def gamma(self) -> float:
        """γ in these units, γ/(s·t^(k−1)); squared loss: γ/(st)."""
        return _over(self.original.gamma / self.inputs, self.targets, self._degree - 1)

    @property
    def offset_decay(self) -> Fraction:
        """What half a squared offset costs in these units, δ·t^(2−k), where it costs δ: of a squared loss δ itself."""
        return Fraction(self.original.offset_decay) * Fraction(self.targets) ** (2 - self._degree)

    @cached_property
    def problem(self) -> Problem:
        """The problem in these units: X/s, Y/t and its γ; a bias is a column of X like any other."""
        if self.inputs == self.targets == 1.0 and not self.original.bias:
            return self.original
        queries = None if self.original.queries is None else self.original.query_inputs / self.inputs
        if queries is not None and not self.original.penalise_bias:
            queries[:, -1] *= self.column
        return replace(
            self.original, X=self.measured / self.inputs, Y=self.original.Y / self.targets, gamma=self.gamma,
            bias=False, queries=queries, offset=self.original.free_constant or float(self.offset_decay) or False,
            penalise_bias=True,
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

    def measured_value(self, value: float) -> float:
        """Return an objective value of the user's in these units, in floating point."""
        return _over(value, self.targets, self._degree)

    def network(self, network: Network) -> Network:
        """Return a network of the scaled problem as one of the user's problem."""
        scale = math.sqrt(self.targets) / math.sqrt(self.inputs)
        offset = None if network.offset is None else network.offset * self.targets
        hidden, output = network.hidden * scale, network.output * scale
        if self.original.penalise_bias:
            return self.original.network(hidden, output, offset)
        return _free(self.original, hidden, output, offset, self.column)

    def scaled_network(self, network: Network) -> Network:
        """Return a network of the user's problem as one of the scaled problem."""
        scale = math.sqrt(self.inputs) / math.sqrt(self.targets)
        hidden, output = network.hidden * scale, network.output * scale
        if not self.original.penalise_bias:
            hidden = np.vstack([hidden[:-1], hidden[-1:] / self.column])
        offset = None if network.offset is None else network.offset / self.targets
        return self.problem.network(hidden, output, offset)

    def lower(self, proved: float) -> float:
        """Return a lower bound of the user's problem, given one of :attr:`problem`.

        Where the hidden bias is free, what is proved for biases that cost (b/B)² loses a factor: D(τsA) is at least
        τD(sA) + (1 − τ)D(0), with 1/τ² = 1 + R²/B² for the longest row R of X.
        """
        value = self.value(proved)
        if self.original.penalise_bias:
            return value
        Y = self.original.Y
        nothing = self.original.loss.dual_value_below(Ball.exact(np.zeros_like(Y)), Ball.exact(Y))
        lost = (1.0 - 1.0 / freedom(Ball.exact(self.original.X), self.column)) * (1.0 + 1e-6) + 1e-12
        if value <= nothing:
            return value
        # What A = 0 proves is proved in any case; of a loss with a degree that is 0.
        least = nothing if self.original.loss.degree is None else 0.0
        return max(least, value - lost * (value - nothing) - 1e-15 * abs(value))


def freedom(X: Ball, column: float) -> float:
    """Return a proved upper bound of √(1 + R²/B²), R the longest row of X: what a free bias multiplies ω by."""
    longest = float(np.max(X.over(column).row_norms(), initial=0.0))
    return bound_above(math.sqrt(1.0 + bound_above(longest**2, 3)), 3)


def _free(problem: Problem, hidden: Floats, output: Floats, offset: Floats | None, column: float) -> Network:
    """Return the network whose biases, the last row of the hidden weights, are in units of B and cost nothing.

    Neurons are balanced without their biases. What is constant, neurons that have nothing but a bias among it, is the
    offset; where the problem has none, or one that costs, it is one neuron of a large bias.
    """
    hidden = np.vstack([hidden[:-1], hidden[-1:] * column])
    sizes, lengths = np.linalg.norm(hidden[:-1], axis=0), np.linalg.norm(output, axis=1)
    constant = sizes <= 1e-12 * np.abs(hidden[-1])
    moved = problem.activation.apply(hidden[-1, constant]) @ output[constant]
    offset = moved if offset is None else offset + moved
    alive = ~constant & (sizes > 0.0) & (lengths > 0.0)
    balance = np.sqrt(lengths[alive] / sizes[alive])
    hidden, output = hidden[:, alive] * balance, output[alive] / balance[:, None]
    if problem.offset is True:
        return problem.network(hidden, output, offset)
    ahead, behind = problem.activation.slopes
    bias, slope = (LARGE, ahead) if ahead else (-LARGE, behind)
    alone = np.concatenate([np.zeros(len(hidden) - 1), [bias]])
    hidden, output = np.column_stack([hidden, alone]), np.vstack([output, offset / (LARGE * slope)])
    return problem.network(hidden, output, np.zeros_like(offset) if problem.offset else None)


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
