"""γ_max, the weight decay from which on the network without neurons is optimal (docs/mathematics/problem.md).

With A₀ the residual at the best constant prediction (at 0, without an offset), γ_max = ω(A₀) = max ‖A₀ᵀφ(Xu)‖ over
‖u‖ = 1. Search finds a direction u; a network along it that has a lower objective than the network without neurons
proves that γ_max is larger than the γ of that objective. A certificate of A₀ proves how large ω(A₀) is at most.

Where a loss has kinks, A₀ is a whole face of residuals, and γ_max the least ω over it: that is found with one second-
order cone program per round over the directions that the search has met.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import (
    Ball,
    CertificateError,
    Deadline,
    Floats,
    InputError,
    SolverFailed,
    bound_above,
    optional,
    ready,
)
from sdprelax.certificate import (
    Certificate,
    cone_certificate,
    proved_dual_norm,
    pulled_back,
    relaxation_certificate,
    tightest_cover,
    verify,
)
from sdprelax.exact._arcs import Arcs
from sdprelax.exact._ascent import climb
from sdprelax.exact._branch_and_bound import FOLLOWED, SEPARATION, BranchAndBound
from sdprelax.exact._column_generation import EXACT_KERNELS
from sdprelax.lifting import LiftedProgram
from sdprelax.networks import Network
from sdprelax.problem import Presolved, Problem, Units
from sdprelax.solvers import StructuredSolver, solve_with_cvxpy, solvers
from sdprelax.solvers.clarabel import Clarabel
from sdprelax.training import relative_gap

__all__ = ["GammaMax", "gamma_max", "relative_problem", "searched_gamma_max"]

# What the proof of the lower end gives away of the value searched for, tried in turn, and the digits that are kept of
# it: what is left does not depend on the order in which a machine sums.
GIVEN_AWAY, DIGITS = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5), 6
# Sizes of the network that are tried, powers of 1/4.
SIZES = 30
# How near to a kink predictions are that are at it, and the share of the largest jump that counts as one.
NEAR, JUMP = 1e-9, 1e-6
# Rounds of the search over a face, directions added in each, and the relative accuracy at which they end.
ROUNDS, ADDED, FLAT = 30, 20, 1e-7
# How often the upper end of an offset that costs γ is raised, and what a certificate claims less than it proves here.
RAISED, PORTABLE = 6, 1e-12
# Steps towards the γ that an offset of this γ has, and the relative distance of the last two.
STEPS, NEAR_ENOUGH = 20, 1e-6
# Ranks up to which the cover comes first, and up to which it is tried at all, with its share of the time beyond.
LOW_RANK, HIGH_RANK, COVERING = 5, 10, 0.2
# The share of the tolerance that a cover in low rank, which takes next to no time, ends at.
FINE = 0.01
# The relaxation's solver of a fixed dual point.
RELAXED_BY = ("native", {"phases": "alternating", "tolerance": 1e-6})


@dataclass(frozen=True, eq=False)
class GammaMax:
    """γ_max with its proved interval.

    Attributes
    ----------
    problem: whose γ_max it is; its own γ plays no part.
    lower: a γ at which ``network`` has a lower objective than every network without neurons, so that γ_max is larger:
        what search found, to six digits, and the same on every run. 0 where none was found, as where no neuron pays.
    upper: a γ at which no neuron pays by more than rounding: ω is at most that, proved, of a dual point that is A₀ but
        for rounding; infinite where nothing was proved in the time.
    network: the proof of ``lower``; None where that is 0.
    certificate: the proof of ``upper``: a lower bound of p* at γ = ``upper``, which is the objective of the network
        without neurons but for ``slack``; None where ``upper`` is infinite.
    """

    problem: Problem
    lower: float
    upper: float
    network: Network | None
    certificate: Certificate | None

    @property
    def slack(self) -> float | None:
        """The proved relative distance, at γ = ``upper``, of p* and the network without neurons; None without proof."""
        if self.certificate is None:
            return None
        problem = dataclasses.replace(self.problem, gamma=self.upper)
        # A free hidden bias makes constants as a free offset does.
        problem = dataclasses.replace(problem, offset=True) if problem.free_constant else problem
        return relative_gap(self.certificate.lower, problem.upper_bound(problem.empty_network()))

    def at(self, relative: float) -> Problem:
        """Return the problem with γ = relative·γ_max, where γ_max is taken to be ``lower``.

        Raises
        ------
        InputError: a number that is not positive, or γ_max is 0.
        """
        return _with_relative(self.problem, relative, self.lower)

    def __str__(self) -> str:
        return f"{self.lower:.7g} ≤ γ_max ≤ {self.upper:.7g}"


def gamma_max(problem: Problem, *, tolerance: float = 1e-3, time_limit: float | None = 10.0) -> GammaMax:
    """Return γ_max, from which on the network without neurons is optimal, with its proved interval.

    In low rank the upper end is proved by a cover of weight space, which takes no time worth speaking of up to rank 5;
    beyond, by multipliers of the relaxation, which need not come arbitrarily near.

    Parameters
    ----------
    problem: data, loss, activation, offset and biases; its own γ plays no part. Of an offset "penalised", which costs
        what γ says, γ_max is a γ that equals ω(A₀) of a problem with this very γ; below it there may be others.
    tolerance: relative width of the interval at which proofs end; one of 1e-5 is given away at the lower end.
    time_limit: seconds that proofs may take, None for no limit; with the best interval by then.

    Raises
    ------
    InputError: no problem, or a tolerance or time limit that is none.
    """
    if not (isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool) and 0.0 < tolerance < math.inf):
        raise InputError(f"tolerance is {tolerance!r}; it must be a positive finite number.")
    seconds = Deadline.of(time_limit).seconds
    searched = _Search.of(problem)
    lower, network = searched.lower()
    upper, certificate = _proved_above(searched, tolerance, Deadline(seconds))
    return GammaMax(problem, lower, upper, network, certificate)


def searched_gamma_max(problem: Problem) -> float:
    """Return the lower end of γ_max: proved, the same on every run, and what γ is relative to (:func:`gamma_max`)."""
    return _Search.of(problem).lower()[0]


def relative_problem(relative: float, X: ArrayLike, Y: ArrayLike, **options: Any) -> Problem:
    """Return the training problem with γ = relative·γ_max.

    γ_max is taken to be the lower end of its proved interval (:func:`gamma_max`): what search found, to six digits.

    Parameters
    ----------
    relative: γ/γ_max, a positive number; at 1 or more no neuron pays.
    X, Y, options: as for :class:`sdprelax.Problem`, without γ.

    Raises
    ------
    InputError: as for a Problem; a number that is not positive, or γ_max is 0.
    """
    if "gamma" in options:
        raise InputError("gamma is what relative says; leave it out, or write Problem(X, Y, gamma).")
    problem = Problem(X, Y, 1.0, **options)
    return _with_relative(problem, relative, searched_gamma_max(problem))


def _with_relative(problem: Problem, relative: Any, largest: float) -> Problem:
    if isinstance(relative, bool) or not isinstance(relative, (int, float, np.number)) or not 0.0 < relative < math.inf:
        raise InputError(f"relative is {relative!r}; γ/γ_max must be a positive finite number.")
    if not largest > 0.0:
        raise InputError(
            "γ_max is 0 as far as was found: no neuron pays, and no γ is relative to it; give gamma itself."
        )
    return problem.with_gamma(float(relative) * largest)


def _proved_above(searched: _Search, tolerance: float, deadline: Deadline) -> tuple[float, Certificate | None]:
    """Return the upper end, and the certificate of the bound that is proved there."""
    problem = searched.problem
    upper, certificate = searched.proved(tolerance, deadline)
    # The residual is another where an offset costs what γ says: above γ_max, its norm is less than γ.
    for _ in range(RAISED if problem.offset == "penalised" and upper < math.inf else 0):
        again = _searched(dataclasses.replace(problem, gamma=upper), searched.met)
        proved, certificate = again.proved(tolerance, deadline)
        if proved <= upper:
            break
        upper += 3.0 * (proved - upper)
    else:
        if problem.offset == "penalised":
            return math.inf, None
    if certificate is None or not 0.0 < upper < math.inf:
        return upper, certificate
    nothing = dataclasses.replace(certificate, lower=0.0 if problem.loss.degree else -sys.float_info.max)
    below = verify(dataclasses.replace(problem, gamma=upper), nothing)
    return upper, dataclasses.replace(certificate, lower=max(nothing.lower, below - PORTABLE * abs(below)))


class _Proved(Exception):
    """The tolerance is proved; a solver need not go on."""


@dataclass(frozen=True, eq=False)
class _Search:
    """What search has found of γ_max.

    Attributes
    ----------
    problem: the user's, of a γ near γ_max if an offset costs that.
    presolved: the same in units and generator rows.
    residual: A₀ of ``presolved.problem``, shape (n, c).
    hidden, output: a direction: reduced hidden weights (r, m), unit columns, and output weights (m, c).
    value: ω(A₀) as far as it was found, in the user's units.
    met: directions that decide over a face of residuals, unit columns (r, k); none where there is one residual.
    """

    problem: Problem
    presolved: Presolved
    residual: Floats
    hidden: Floats
    output: Floats
    value: float
    met: Floats

    @staticmethod
    def of(problem: Problem) -> _Search:
        """Return what is found for a problem."""
        if not isinstance(problem, Problem):
            raise InputError(f"γ_max is that of a Problem, not of a {type(problem).__name__}: Problem(X, Y, gamma=1).")
        ready(EXACT_KERNELS)
        if problem.offset != "penalised":
            return _searched(dataclasses.replace(problem, queries=None))
        # The γ that is ω(A₀) of an offset that costs γ, by secants; from above, where costs leave most to neurons.
        found = _searched(dataclasses.replace(problem, queries=None, offset=False))
        gamma, points = found.value, list[tuple[float, float]]()
        for _ in range(STEPS if gamma > 0.0 else 0):
            found = _searched(dataclasses.replace(problem, queries=None, gamma=gamma), found.met)
            points.append((gamma, found.value))
            if abs(found.value - gamma) <= NEAR_ENOUGH * gamma or not found.value > 0.0:
                break
            (x, f), (y, g) = points[-2:] if len(points) > 1 else (points[0], points[0])
            slope = (g - f) / (y - x) if y != x else 0.0
            gamma = (g - slope * y) / (1.0 - slope) if 0.0 <= slope < 0.9 else g
        return found

    def lower(self) -> tuple[float, Network | None]:
        """Return the lower end, and the network that proves it."""
        for given_away in GIVEN_AWAY if self.value > 0.0 else ():
            gamma = _rounded_down(self.value * (1.0 - given_away))
            problem = dataclasses.replace(self.problem, gamma=gamma)
            network = min(self._networks(), key=problem.objective)
            if problem.upper_bound(network) < _constants_below(problem):
                return gamma, network
        return 0.0, None

    def _networks(self) -> Iterator[Network]:
        """Yield networks along the direction, of the user's problem."""
        predicted = float(np.linalg.norm(self.presolved.reduction.features(self.hidden) @ self.output))
        size = float(np.linalg.norm(self.residual)) / predicted if predicted > 0.0 else 1.0
        for power in range(SIZES):
            root = math.sqrt(size) * 2.0**-power
            yield self.presolved.network(self.presolved.reduced_network(root * self.hidden, root * self.output))

    def proved(self, tolerance: float, deadline: Deadline) -> tuple[float, Certificate | None]:
        """Return a proved upper bound of ω(A₀), and the certificate that proves it."""
        best: tuple[float, Certificate | None] = (math.inf, None)
        reduction, problem = self.presolved.reduction, self.presolved.problem
        nothing = not (np.any(self.residual) and np.any(problem.inputs))
        enough = self.value * (1.0 + tolerance)

        def take(certificate: Certificate, until: Deadline) -> None:
            nonlocal best
            users = self.presolved.certificate(certificate)
            try:
                proved = self._in_users_units(proved_dual_norm(self.problem, users, until), users)
            except CertificateError:
                return
            if proved < best[0]:
                best = proved, users

        def cover(until: Deadline) -> None:
            dual = pulled_back(reduction, self.residual)
            aim = self._measured(self.value)
            fine = FINE if reduction.rank <= LOW_RANK else 0.9
            found = tightest_cover(reduction.rows, dual, aim, fine * tolerance, deadline=until.fraction(0.5))
            take(cone_certificate(problem, reduction, self.residual, cover=found), until)

        if self.value > 0.0 and 0 < reduction.rank <= LOW_RANK:
            cover(deadline)
        if best[0] > enough:
            g = reduction.generators
            # However little time there is, some end is proved.
            take(relaxation_certificate(problem, reduction, self.residual, [np.zeros((2 * g, 2 * g))]), Deadline())
        if self.value > 0.0 and LOW_RANK < reduction.rank <= HIGH_RANK and best[0] > enough:
            cover(deadline.fraction(COVERING))
        if self.value > 0.0 and best[0] > enough and not deadline.expired:

            def report(A: Floats, N: Sequence[Floats]) -> float:
                take(relaxation_certificate(problem, reduction, self.residual, N), deadline)
                if best[0] <= enough or deadline.expired:
                    raise _Proved
                return -math.inf

            self._relax(report, deadline)
        return (0.0, best[1]) if nothing else best

    def _relax(self, report: Any, deadline: Deadline) -> None:
        """Solve the relaxation whose multipliers prove ω(A₀): that of the squared loss with targets A₀."""
        problem = Problem(
            self.presolved.problem.inputs, self.residual, self._measured(self.value),
            activation=self.presolved.problem.activation,
        )  # fmt: skip
        name, options = RELAXED_BY
        solver = solvers.create(name, options)
        assert isinstance(solver, StructuredSolver)
        lifted = LiftedProgram(problem, self.presolved.reduction)
        try:
            solver.solve_blocks(lifted, lifted.over(), deadline, report)
        except (SolverFailed, _Proved):
            return

    def _in_users_units(self, proved: float, certificate: Certificate) -> float:
        """Return the norm of A₀ in the user's units, of that of a certificate's A, a multiple by a power of two."""
        largest = float(np.max(np.abs(certificate.multiplier), initial=0.0))
        if not largest > 0.0:
            return proved
        multiple = math.ldexp(1.0, round(math.log2(float(np.max(np.abs(self.residual))) / largest)))
        s = certificate.units[0] / self.presolved.units.inputs
        return bound_above(proved * s * multiple * (self.problem.gamma / self.presolved.problem.gamma), 4)

    def _measured(self, value: float) -> float:
        """Return a value of γ in the units of the presolved problem."""
        return value * (self.presolved.problem.gamma / self.problem.gamma)


def _searched(problem: Problem, met: Floats | None = None) -> _Search:
    """Return what search finds for a problem whose offset, if it costs anything, costs what the problem says.

    Parameters
    ----------
    met: directions to start with, of a problem that differs in γ alone.
    """
    presolved = Presolved.of(problem)
    scaled, reduction = presolved.problem, presolved.reduction
    low, high, sums = _face(scaled)
    A, weights = _within(low, high, sums), np.zeros(0)
    met = np.zeros((reduction.rank, 0)) if met is None else met
    if not (reduction.generators and (np.any(low) or np.any(high))):
        return _Search(problem, presolved, A, np.zeros((reduction.rank, 0)), np.zeros((0, A.shape[1])), 0.0, met)
    search = BranchAndBound(reduction.rows, np.random.default_rng(0))
    arcs = Arcs(reduction.rows) if reduction.rank <= 2 else None
    found, flattest, several = None, A, bool(np.any(low != high))
    for _ in range(ROUNDS if several else 1):
        with contextlib.suppress(SolverFailed):
            if several and met.shape[1]:
                A, weights = _least_steep(reduction.features(met), low, high, sums, A)
        dual = pulled_back(reduction, A).mid
        peaks = search.candidates(dual, above=0.0, near=met)
        if arcs is not None:
            peaks = peaks.joined(arcs.candidates(dual, above=0.0, near=met))
        peaks = climb(reduction.rows, dual, peaks.directions, above=0.0, count=FOLLOWED, separation=SEPARATION)
        if found is None or peaks.best < found.best:
            found, flattest = peaks, A
        steepest = float(np.max(np.linalg.norm(A.T @ reduction.features(met), axis=0), initial=0.0))
        if peaks.best <= steepest * (1.0 + FLAT):
            break
        if several:
            met = np.hstack([met, peaks.distinct(ADDED, 1e-6).directions])
    assert found is not None
    weights = np.pad(weights, (0, met.shape[1] - len(weights)))
    chosen = weights > 1e-9 * np.max(weights, initial=0.0)
    hidden, weights = (met[:, chosen], weights[chosen]) if np.any(chosen) else (found.directions[:, :1], np.ones(1))
    lengths = np.sqrt(weights / np.sum(weights))
    pulled = A.T @ reduction.features(hidden)
    norms = np.linalg.norm(pulled, axis=0)
    output = (lengths * pulled / np.where(norms > 0.0, norms, 1.0)).T
    cost = float(np.sum(lengths**2 * _costs(presolved, hidden)))
    value = found.best * (problem.gamma / scaled.gamma) / cost if cost > 0.0 else 0.0
    return _Search(problem, presolved, flattest, hidden * lengths, output, value, met)


def _costs(presolved: Presolved, hidden: Floats) -> Floats:
    """Return what hidden weights, unit columns (r, m), cost: less than 1 where a bias costs nothing."""
    if presolved.original.penalise_bias:
        return np.ones(hidden.shape[1])
    return np.asarray(np.linalg.norm((presolved.reduction.basis @ hidden)[:-1], axis=0))


def _face(problem: Problem) -> tuple[Floats, Floats, Floats | None]:
    """Return the ends of the residuals at the best constant, each (n, c), and what their columns add up to, if told."""
    empty = problem.empty_network()
    constant, Y = empty.predict(problem.X), problem.Y
    sums = None
    if problem.free_constant:
        sums = np.zeros(Y.shape[1])
    elif problem.offset_decay and empty.offset is not None:
        sums = problem.offset_decay * empty.offset
    if problem.loss.smooth:
        A = problem.admissible(problem.residual(constant))
        return A, A, sums
    step = NEAR * (1.0 + np.abs(constant))
    low, high = problem.residual(constant + step), problem.residual(constant - step)
    kinks = high - low > JUMP * np.max(np.abs([low, high]), initial=0.0)
    middle = problem.residual(constant)
    return np.where(kinks, low, middle), np.where(kinks, high, middle), sums


def _within(low: Floats, high: Floats, sums: Floats | None) -> Floats:
    """Return a residual between two whose columns add up to what they must, as far as the ends allow."""
    if sums is None:
        return np.asarray(0.5 * (low + high))
    room, missing = np.sum(high - low, axis=0), sums - np.sum(low, axis=0)
    share = np.where(room > 0.0, missing / np.where(room > 0.0, room, 1.0), 0.0)
    return np.clip(low + share * (high - low), low, high)


def _least_steep(
    features: Floats, low: Floats, high: Floats, sums: Floats | None, A: Floats
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return the residual of a face whose ‖Aᵀa‖ over some directions' activations, (n, k), is least, and multipliers.

    Raises
    ------
    SolverFailed: no point was returned.
    """
    cp = optional("cvxpy")  # half a second, which smooth losses need not wait for

    columns = [np.flatnonzero(high[:, k] > low[:, k]) for k in range(A.shape[1])]
    moved = [cp.Variable(len(rows)) if len(rows) else None for rows in columns]
    size = max(float(np.max(np.abs(A))), 1e-300)
    tops, constraints = [], []
    for k, (rows, variable) in enumerate(zip(columns, moved, strict=True)):
        fixed = np.where(high[:, k] > low[:, k], 0.0, A[:, k])
        entry: Any = features.T @ fixed / size
        if variable is not None:
            entry = entry + features[rows].T @ variable
            constraints += [variable >= low[rows, k] / size, variable <= high[rows, k] / size]
            if sums is not None:
                constraints.append(cp.sum(variable) == (sums[k] - np.sum(fixed)) / size)
        tops.append(entry)
    top = cp.Variable()
    stacked = cp.vstack(tops)
    steep = [cp.norm(stacked[:, k]) <= top for k in range(features.shape[1])]
    program = cp.Problem(cp.Minimize(top), [*steep, *constraints])
    solve_with_cvxpy(Clarabel(), partial(program.solve, solver="CLARABEL"), program)
    found = A.copy()
    for k, (rows, variable) in enumerate(zip(columns, moved, strict=True)):
        if variable is not None:
            found[rows, k] = np.clip(variable.value * size, low[rows, k], high[rows, k])
    if sums is not None:
        # What the solver left of the sums is made up where there is room.
        found = np.where(sums > np.sum(found, axis=0), _within(found, high, sums), _within(low, found, sums))
    return found, np.array([float(constraint.dual_value) for constraint in steep])


def _constants_below(problem: Problem) -> float:
    """Return a proved lower bound of the objective of every network without neurons."""
    units = Units.of(problem)
    scaled = units.problem
    A = _within(*_face(scaled))
    point, tilt = scaled.loss.exact_point(A, scaled.Y, scaled.free_constant), 0.0
    if scaled.offset_decay:
        tilt = bound_above((Ball.exact(np.ones((1, len(A)))) @ point).square_above() / scaled.offset_decay, 2)
    # Constants have no other constraint than that of columns' sums: any multiple will do.
    return units.value(scaled.loss.dual_bound(point, Ball.exact(scaled.Y), 2.0, 1.0, tilt))


def _rounded_down(value: float) -> float:
    """Return a number with its first digits, rounded down."""
    unit = 10.0 ** (math.floor(math.log10(value)) - DIGITS + 1)
    down = float(f"{math.floor(value / unit) * unit:.{DIGITS - 1}e}")
    return down if 0.0 < down <= value else value
