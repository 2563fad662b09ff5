"""Optimal weights of a group program, by the masses that they put on fixed directions.

At a dual optimum A every optimal W_i is a nonnegative multiple of one direction, that of Φ_iᵀA, and is 0 where
‖Φ_iᵀA‖° < γ. So optimal weights are W_k = α_kΘ_k with masses α ≥ 0 whose predictions are the optimal ones
(docs/mathematics/optima.md; Mishkin and Pilanci 2023). In floating point the set is that of the masses, and of the
offset t, whose objective is within a budget b of the one that they start from:

    S = {α ≥ 0, t :  sᵀz + (L/2)‖Fz‖² + (δ/2)‖Δt‖² ≤ b},     z = (α − α⁰, t − t⁰),  s_k = γ − ⟨A⁰, F_k⟩,

with the predictions F_k of unit masses and the residual A⁰ at the start; exact for the squared loss (L = 1), and within
the set of all that the budget allows for another loss whose gradient has the Lipschitz constant L. Where there is no
such constant predictions stay: Fz = 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

from sdprelax.base import Deadline, Floats, SolverFailed, positive_part
from sdprelax.lasso import Fit, Program
from sdprelax.problem import Squared
from sdprelax.problem.losses.logistic import Logistic
from sdprelax.problem.norms import Penalty
from sdprelax.solvers import ConeOf, solve_conic

__all__ = ["Aim", "Masses", "Point", "masses_of", "single_optimum"]

# Clarabel's tolerance, in shares of the budget and of the total mass.
TOLERANCE = 1e-9
# What a direction's mass must be able to reach within the budget, as a share of all mass, to be among them, and most
# directions.
REACHED, MOST = 1e-3, 500
# Singular values of F below this share of the largest are zeros.
RANK = 1e-9
# Share of the budget that selections leave, so that rounding does not take them out of it.
KEPT = 0.98
# Rounds of reweighting, what a mass counts as at least in it, and the share of all mass below which one is none.
ROUNDS, LEAST, NONE = 6, 1e-4, 1e-9
# How many times what is left of the budget a direction costs at least that is not tried, and what is added to RᵀR.
HOPELESS, RIDGE = 2.0, 1e-13
# Up to how many directions random costs are tried too, and how often.
FEW, RESTARTS = 60, 5
# Shares of the way to a point that are tried where rounding takes it out of the budget.
WAY = (1.0, 0.99, 0.9, 0.5, 0.1, 0.01)
# Slack, as a share of γ, up to which a direction counts as one at γ.
ATTAINED = 1e-5


@dataclass(frozen=True, eq=False)
class Point:
    """Weights of a program: masses along the directions, shape (K,), and the offset, shape (c,)."""

    masses: Floats
    offset: Floats


@dataclass(frozen=True, eq=False)
class Aim:
    """What is made least: gᵀx + ½‖Mx − h‖² − Σ min(1, Bx + e), of x: masses in shares of all mass, then Δt likewise.

    Parameters
    ----------
    linear: g, shape (K + c,), or (K,) where there is no offset.
    squares, target: M and h, shapes (q, K + c) and (q,).
    ramps, heights: B and e, shapes (k, K + c) and (k,).
    """

    linear: Floats
    squares: Floats
    target: Floats
    ramps: Floats
    heights: Floats

    @staticmethod
    def of(
        masses: Masses, *, linear: Floats | None = None, squares: Floats | None = None, target: Floats | None = None,
        ramps: Floats | None = None, heights: Floats | None = None,
    ) -> Aim:  # fmt: skip
        """Return an aim with zeros for what is not given; ``linear`` may leave out the offset."""
        size = len(masses) + (masses.program.outputs if masses.program.intercept else 0)
        whole = np.zeros(size)
        if linear is not None:
            whole[: len(linear)] = linear
        M = np.zeros((0, size)) if squares is None else squares
        B = np.zeros((0, size)) if ramps is None else ramps
        h = np.zeros(len(M)) if target is None else target
        if len(M) > size:
            # The same but for a constant, with as many rows as unknowns.
            reduced = np.asarray(scipy.linalg.qr(np.column_stack([M, h]), mode="r")[0][:size])
            M, h = reduced[:, :-1], reduced[:, -1]
        return Aim(whole, M, h, B, np.zeros(len(B)) if heights is None else heights)


@dataclass(frozen=True, eq=False)
class Masses:
    """Weights that are optimal to within a budget: S of this module's first lines.

    Parameters
    ----------
    program: the program.
    groups: the group of every direction, shape (K,).
    directions: Θ, of norm 1 in the program's penalty, shape (K, p, c).
    start: α⁰ and t⁰.
    budget: b, what an objective may exceed that of the start by.
    """

    program: Program
    groups: NDArray[np.intp]
    directions: Floats
    start: Point
    budget: float

    def weights(self, masses: Floats) -> Floats:
        """Return W, shape (m, p, c), of masses of shape (K,)."""
        found = self.program.zero()
        np.add.at(found, self.groups, masses[:, None, None] * self.directions)
        return found

    def value(self, point: Point) -> float:
        """Return the objective of a point in floating point."""
        weights, t = self.weights(point.masses), point.offset
        decayed = 0.5 * self.program.decay * float(t @ t)
        return self.program.value(weights, self.program.predict(weights) + t) + decayed

    @cached_property
    def features(self) -> Floats:
        """F, the predictions of unit masses on the samples, shape (n, c, K)."""
        design = self.program.design
        parts = [design.over(np.array([i])).predict(D[None]) for i, D in zip(self.groups, self.directions, strict=True)]
        return np.stack(parts, axis=2) if parts else np.zeros((*self.program.targets.shape, 0))

    @cached_property
    def slack(self) -> Floats:
        """γ − ⟨A⁰, F_k⟩, what a unit of mass costs more than it fits, shape (K,); 0 at an optimum where mass is."""
        return np.asarray(self.program.gamma - np.einsum("nc,nck->k", self._residual, self.features))

    @cached_property
    def _residual(self) -> Floats:
        predicted = np.einsum("nck,k->nc", self.features, self.start.masses) + self.start.offset
        return self.program.loss.residual(predicted, self.program.targets)

    @cached_property
    def null_space(self) -> Floats:
        """Directions in which masses can change at equal predictions on the samples, orthonormal columns, shape (K, q).

        Of masses at γ alone: those whose slack is all but 0.
        """
        attained = np.flatnonzero(np.abs(self.slack) <= ATTAINED * self.program.gamma)
        if not len(attained):
            return np.zeros((len(self), 0))
        _, singular, right = np.linalg.svd(self._flat[:, attained])
        rank = int(np.sum(singular > RANK * singular[0]))
        found = np.zeros((len(self), len(attained) - rank))
        found[attained] = right[rank:].T
        return found

    @property
    def _flat(self) -> Floats:
        return np.asarray(self.features.reshape(-1, len(self.groups)))

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def mass(self) -> float:
        """Σα⁰, or 1 where that is 0."""
        return float(np.sum(self.start.masses)) or 1.0

    # Points of S.

    def least_norm(self, deadline: Deadline) -> Point:
        """Return the point of least Σα²."""
        count = len(self)
        return self.best(Aim.of(self, squares=np.eye(count, count + self._free)), deadline)

    def best(self, aim: Aim, deadline: Deadline) -> Point:
        """Return the point at which an aim is least; the start, where none is found."""
        if not len(self) or self.budget <= 0.0:
            return self.start
        found = self._solved(np.arange(len(self)), aim, deadline, bounded=True)
        return self.start if found is None else self.within(found)

    @property
    def _free(self) -> int:
        """How many unknowns the offset has."""
        return self.program.outputs if self.program.intercept else 0

    def _solved(self, kept: NDArray[np.intp], aim: Aim, deadline: Deadline, *, bounded: bool) -> Point | None:
        """Return the point at which an aim is least along some directions, ``bounded``: within S; None on failure.

        In shares of all mass the unknowns are α of those kept and Δt, then y = Rz and w = Mx − h, and the ramps. S is
        ‖y‖² ≤ τ = 1 − sᵀz/b with y and b scaled so, a second-order cone: (τ + 1, τ − 1, 2y).
        """
        cost, root = self._quadratic
        columns = np.concatenate([kept, np.arange(len(self), len(cost))])
        origin = np.concatenate([self.start.masses / self.mass, np.zeros(self._free)])
        budget = KEPT * self.budget / self.mass
        prices, root = cost / budget, root * math.sqrt(0.5 * self.mass / budget)
        rows, squares, ramps, count = len(root), len(aim.squares), len(aim.ramps), len(columns)
        size = count + rows + squares + ramps
        y, w, m = (sp.eye_array(length, size, k=first) for length, first in (
            (rows, count), (squares, count + rows), (ramps, count + rows + squares)))  # fmt: skip

        def of_unknowns(matrix: Floats) -> Any:
            kept_columns = sp.csr_array(matrix[:, columns])
            return sp.hstack([kept_columns, sp.csr_array((len(matrix), size - count))])

        along = of_unknowns(prices[None])
        parts = [of_unknowns(root) - y, of_unknowns(aim.squares) - w, -sp.eye_array(len(kept), size)]
        right = [root @ origin, aim.target, np.zeros(len(kept))]
        cones: list[ConeOf] = [("zero", rows + squares), ("nonnegative", len(kept))]
        if ramps:
            parts += [m, m - of_unknowns(aim.ramps)]
            right += [np.ones(ramps), aim.heights]
            cones.append(("nonnegative", 2 * ramps))
        spare = 1.0 + float(prices @ origin)
        if not math.isfinite(self._curvature):
            parts += [y, along]
            right += [np.zeros(rows), np.array([spare])]
            cones += [("zero", rows), ("nonnegative", 1)]
        elif bounded:
            parts += [along, along, -2.0 * y]
            right += [np.array([spare + 1.0, spare - 1.0]), np.zeros(rows)]
            cones.append(("second_order", rows + 2))
        quadratic = sp.diags_array(np.concatenate([np.zeros(count + rows), np.ones(squares), np.zeros(ramps)])).tocsc()
        linear = np.concatenate([aim.linear[columns], np.zeros(rows + squares), -np.ones(ramps)])
        try:
            found, _, _ = solve_conic(
                quadratic, linear, sp.vstack(parts).tocsc(), np.concatenate(right), cones, deadline, TOLERANCE
            )  # fmt: skip
        except SolverFailed:
            return None
        masses = np.zeros(len(self))
        masses[kept] = positive_part(found[: len(kept)]) * self.mass
        masses[masses < NONE * self.mass] = 0.0
        return Point(masses, self.start.offset + (self.mass * found[len(kept) : count] if self._free else 0.0))

    def within(self, point: Point) -> Point:
        """Return the point, or one on the way to it from the start whose objective is within the budget."""
        allowed = self.value(self.start) + self.budget
        for share in WAY:
            there = self.between(self.start, point, share)
            if self.value(there) <= allowed:
                return there
        return self.start

    def between(self, first: Point, last: Point, share: float) -> Point:
        """Return the point at a share of the way from one to another, both of S; it is in S as well."""
        if share in (0.0, 1.0):
            return last if share else first
        masses = first.masses + share * (last.masses - first.masses)
        return Point(masses, first.offset + share * (last.offset - first.offset))

    @property
    def _curvature(self) -> float:
        return float(self.program.loss.unweighted.curvature)

    @cached_property
    def _quadratic(self) -> tuple[Floats, Floats]:
        """Return (s, R): the change of the objective is at most sᵀz + ½‖Rz‖², z of α and, where one is, of t."""
        loss, (n, outputs) = self.program.loss, self.program.targets.shape
        curvature = self._curvature if math.isfinite(self._curvature) else 1.0
        rows = np.sqrt(curvature * (np.ones(n) if loss.weights is None else loss.weights))
        flat, cost = (self.features * rows[:, None, None]).reshape(n * outputs, -1), self.slack
        if self.program.intercept:
            constant = (np.eye(outputs)[None] * rows[:, None, None]).reshape(n * outputs, outputs)
            decay = self.program.decay
            decayed = np.hstack([np.zeros((outputs, len(self))), math.sqrt(decay) * np.eye(outputs)])
            flat = np.vstack([np.hstack([flat, constant]), decayed])
            cost = np.concatenate([cost, decay * self.start.offset - np.sum(self._residual, axis=0)])
        if len(flat) > flat.shape[1]:
            flat = np.asarray(scipy.linalg.qr(flat, mode="r")[0][: flat.shape[1]])
        return cost, flat

    # Few directions.

    def sparsest(self, deadline: Deadline) -> Point:
        """Return a point of few directions, of which none can be left out within the budget, as far as there is time.

        Masses are made few by reweighting (Σα_k/(α_k + ε), round after round), of few directions also by random costs;
        then those of least cost are left out, several at once and at last one by one, with the masses of the others
        refitted. None of the rest can be left out: a *minimal* point. That of fewest directions of all is NP-hard to
        find in general.
        """
        if not len(self) or self.budget <= 0.0:
            return self.start
        best = self._minimal(min([self.start, *self._reweighted(deadline)], key=_count), deadline)
        rng = np.random.default_rng(0)
        for _ in range(RESTARTS if len(self) <= FEW else 0):
            if deadline.expired or _count(best) <= 1:
                break
            prices = rng.exponential(size=len(self))
            point = self.best(Aim.of(self, linear=prices), deadline)
            best = min(best, self._minimal(point, deadline), key=_count)
        return best

    def _minimal(self, point: Point, deadline: Deadline) -> Point:
        """Return a point along some of the directions of another, none of which can be left out."""
        # The masses of least objective along them, of which the costs below speak.
        point = self._refitted(np.flatnonzero(point.masses), deadline) or point
        kept, tried = np.flatnonzero(point.masses), set[int]()
        count = len(kept) // 2
        while not deadline.expired:
            costs = self._costs(point, kept)
            allowed = HOPELESS * (self.value(self.start) + self.budget - self.value(point))
            order = [int(kept[k]) for k in np.argsort(costs) if costs[k] <= allowed and int(kept[k]) not in tried]
            if not order:
                break
            count = max(1, min(count, len(order)))
            found = self._refitted(np.setdiff1d(kept, order[:count]), deadline)
            if found is not None:
                point, kept = found, np.flatnonzero(found.masses)
            elif count == 1:
                tried.add(order[0])
            else:
                count //= 2
        return point

    def _reweighted(self, deadline: Deadline) -> Iterator[Point]:
        point = self.start
        for _ in range(ROUNDS):
            if deadline.expired:
                return
            prices = 1.0 / (point.masses / self.mass + LEAST)
            point = self.best(Aim.of(self, linear=prices), deadline)
            yield point

    def _costs(self, point: Point, kept: NDArray[np.intp]) -> Floats:
        """Return the least that leaving out each of some directions costs, ½α_k²/(RᵀR)⁻¹_kk, shape (len(kept),).

        That is what it costs where the others' masses may change without a sign; dependent directions cost nothing.
        """
        root = self._quadratic[1][:, kept]
        gram = root.T @ root
        gram[np.diag_indices(len(kept))] += RIDGE * max(float(np.trace(gram)), np.finfo(float).tiny) / max(len(kept), 1)
        inverse = scipy.linalg.cho_solve(scipy.linalg.cho_factor(gram), np.eye(len(kept)))
        return np.asarray(0.5 * point.masses[kept] ** 2 / np.diag(inverse))

    def _refitted(self, kept: NDArray[np.intp], deadline: Deadline) -> Point | None:
        """Return a point along some directions alone whose objective is within the budget, if one is found."""
        cost, root = self._quadratic
        origin = np.concatenate([self.start.masses / self.mass, np.zeros(self._free)])
        budget = self.budget / self.mass
        squares = root * math.sqrt(self.mass / budget)
        aim = Aim(cost / budget, squares, squares @ origin, np.zeros((0, len(cost))), np.zeros(0))
        point = self._solved(kept, aim, deadline, bounded=False)
        inside = point is not None and self.value(point) <= self.value(self.start) + KEPT * self.budget
        return point if inside else None


def masses_of(program: Program, fit: Fit, budget: float) -> Masses:
    """Return the set of masses around a nearly optimal pair.

    Directions are those of the weights that there are, and of Φ_iᵀA where mass may come within the budget.

    Parameters
    ----------
    fit: weights with the dual point A; the set's start.
    budget: what an objective may exceed that of the weights by.
    """
    slopes, gamma = program.correlate(fit.multiplier), program.gamma
    groups, directions, masses = list[int](), list[Floats](), list[float]()
    for i in np.flatnonzero(fit.used):
        for size, direction in _parts(fit.weights[i], program.norm):
            groups.append(int(i))
            directions.append(direction)
            masses.append(size)
    total = sum(masses) or 1.0
    near = gamma - budget / (REACHED * total)
    unused = [(i, program.norm) for i in np.flatnonzero(~fit.used & (program.steepness(slopes) >= near))]
    more = [(size, int(i), direction) for i, norm in unused for size, direction in _parts(slopes[i], norm)]
    more = sorted((one for one in more if one[0] >= near), key=lambda one: -one[0])
    for _, group, direction in more[: max(0, MOST - len(groups))]:
        groups.append(group)
        directions.append(direction)
        masses.append(0.0)
    shape = (len(groups), program.design.width, program.outputs)
    start = Point(np.array(masses), np.asarray(fit.offset) if program.intercept else np.zeros(program.outputs))
    return Masses(program, np.array(groups, dtype=np.intp), np.reshape(directions, shape), start, budget)


def _count(point: Point) -> int:
    return int(np.count_nonzero(point.masses))


def single_optimum(program: Program, A: Floats, gap: float) -> bool:
    """Say whether a program has a single optimum, as far as floating point tells.

    Of the squared and the logistic loss the optimal A* lies within ρ = √(2L·gap) of A, and optimal predictions are
    unique. Weights of a group are α_iG*_i with G*_i = Φ_iᵀA*, within ‖Φ_i‖ρ of G_i = Φ_iᵀA, and 0 where ‖G*_i‖ < γ. So
    where the columns Φ_iG_i of all other groups, of length 1, are independent by more than they may be wrong, masses
    are unique. Of several outputs the norms "frobenius" and "columns" alone.

    Parameters
    ----------
    A: dual point, feasible up to rounding, shape (n, c).
    gap: of A and some weights, absolute.
    """
    loss, norm, n = program.loss, program.norm, len(program.targets)
    if not isinstance(loss.unweighted, (Squared, Logistic)) or norm == "nuclear" or gap < 0.0:
        return False
    radius = math.sqrt(2.0 * loss.curvature * gap)
    steepest = program.steepest(A)
    # The gap is that of the feasible multiple.
    A = A * min(1.0, program.gamma / steepest) if steepest > 0.0 else A
    slopes, lengths = program.correlate(A), program.lengths
    columns, wrong = [], 0.0
    for i in np.flatnonzero(program.steepness(slopes) + lengths * radius >= program.gamma):
        for size, direction in _parts(slopes[i], norm):
            if size + lengths[i] * radius >= program.gamma:
                column = program.design.over(np.array([i])).predict(size * direction[None]).ravel()
                length = float(np.linalg.norm(column))
                if length == 0.0:
                    return False
                columns.append(column / length)
                wrong += (lengths[i] ** 2 * radius / length) ** 2
    if program.intercept:
        columns += [np.tile(unit, n) / math.sqrt(n) for unit in np.eye(program.outputs)]
    if not columns:
        return True
    if len(columns) > n * program.outputs:
        return False
    least = float(np.linalg.svd(np.stack(columns, axis=1), compute_uv=False)[-1])
    return least > math.sqrt(wrong) + RANK


def _parts(weights: Floats, norm: Penalty) -> list[tuple[float, Floats]]:
    """Return (size, direction of norm 1) of what one group's weights, shape (p, c), add up from."""
    if norm == "columns":
        lengths = np.linalg.norm(weights, axis=0)
        units = np.eye(weights.shape[1])
        return [(float(s), np.outer(weights[:, k] / s, units[k])) for k, s in enumerate(lengths) if s > 0.0]
    if norm == "nuclear":
        left, singular, right = np.linalg.svd(weights, full_matrices=False)
        terms = zip(singular, left.T, right, strict=True)
        return [(float(s), np.outer(u, v)) for s, u, v in terms if s > RANK * singular[0]]
    size = float(np.linalg.norm(weights))
    return [(size, weights / size)] if size > 0.0 else []
