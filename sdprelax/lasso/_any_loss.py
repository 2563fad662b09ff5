"""The interior point of :mod:`sdprelax.lasso._interior_point` for any loss, weighted samples and offset.

    min over W (K×c), t (c)  ℓ(ΦW + 1tᵀ; Y) + γΣ_k‖W_k‖ + ½δ‖t‖²,      dual: max D(A) − ‖1ᵀA‖²/(2δ)  s.t. ‖Aᵀφ_k‖ ≤ γ

(δ = 0, a free offset: 1ᵀA = 0; without an offset neither.) −∇²D stands where the squared loss has the identity. At an
end of D's domain where ∇D is finite, as of the hinge loss, a barrier with a multiplier of its own keeps A off; at other
ends, as of entropies, distances shrink as exponentials do. Of rows of A that add up to 0 one entry follows from the
others. The offset is the multiplier of 1ᵀA = 0, or 1ᵀA/δ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from sdprelax.base import Floats
from sdprelax.lasso._cone_steps import hessian, largest_step, room
from sdprelax.lasso._designs import Directions
from sdprelax.lasso._program import Fit, Program, Stop
from sdprelax.problem import DualDomain, tilt_of

__all__ = ["of_any_loss"]

Mask = NDArray[np.bool_]

# Share of the way to the boundary that a step goes, least length of one, and steps after which the best pair is
# returned in any case.
BOUNDARY, SHORTEST, STEPS = 0.99, 1e-8, 100
# Share of γ that a start is brought to.
FEASIBLE = 0.95
# Least distance from an end that entropies guard.
NEAREST, LINEAR = 1e-290, 0.99
# Shares by which the diagonal of a matrix is raised until it has a Cholesky factor.
RIDGES = (0.0, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10)
# Multiple of a start's predictions that its multipliers stand for at most.
PLAUSIBLE = 3.0
# Columns' sums, relative to those of absolute values, up to which they count as 0, and can be made 0 at little cost.
BALANCED, NEARLY_BALANCED = 1e-13, 1e-4


@dataclass(frozen=True, eq=False)
class _Setting:
    """What stays the same in all steps.

    Attributes
    ----------
    program: whose features and γ are in a unit of their own; the offset's δ is not.
    features: Φ, shape (n, K).
    frame: shape (c, k): orthonormal, of the offsets that are not in vain.
    domain: of D.
    """

    program: Program
    features: Floats
    frame: Floats
    domain: DualDomain

    @staticmethod
    def of(program: Program) -> _Setting:
        """Return the setting of a program along directions."""
        assert isinstance(program.design, Directions)
        loss, c = program.loss, program.outputs
        frame = scipy.linalg.helmert(c).T if loss.shift_invariant else np.eye(c)
        return _Setting(program, program.design.features, frame, DualDomain.of(loss, program.targets))

    @property
    def free(self) -> bool:
        """Whether columns of A add up to 0."""
        return self.program.intercept and self.program.decay == 0.0

    def inside(self, A: Floats) -> Floats:
        """Return a point near A that is inside of the domain and of the atoms' constraints."""
        A, gamma = self.domain.inward(A), self.program.gamma
        steepest = self.program.steepest(A)
        return A * (FEASIBLE * gamma / steepest) if steepest >= FEASIBLE * gamma else A

    def moved(self, A: Floats, change: Floats) -> Floats:
        """Return A after a change that brings no entry to a guarded end: it shrinks distances as exponentials do."""
        found, (ends, guarded) = A + change, (self.domain.ends, self.domain.finite & ~self.domain.walls)
        for side, sign in ((0, 1.0), (1, -1.0)):
            distance = sign * (A - ends[side])
            nearing = guarded[side] & (sign * change < -LINEAR * distance)
            share = (1.0 - LINEAR) * np.exp(sign * change[nearing] / distance[nearing] + LINEAR)
            kept = distance[nearing] * share
            found[nearing] = ends[side][nearing] + sign * np.maximum(kept, NEAREST)
        if self.program.loss.shift_invariant:
            high = ends[1]
            q = high - found
            found = high - q * (np.sum(high, axis=1, keepdims=True) / np.sum(q, axis=1, keepdims=True))
            _balance(found, _largest(high - found))
        return found

    def objective(self, weights: Floats, offset: Floats) -> float:
        """Return the program's objective."""
        program = self.program
        value = program.value(weights, program.predict(weights) + offset)
        return value + 0.5 * program.decay * float(offset @ offset)

    def bound(self, A: Floats) -> tuple[Floats, float]:
        """Return a feasible dual point, A where it is, and its dual value; −∞ where columns' sums are far from 0."""
        loss, Y, decay = self.program.loss, self.program.targets, self.program.decay
        excess = float(np.max(np.abs(np.sum(A, axis=0)))) / max(float(np.sum(np.abs(A))), 1e-300)
        if self.free and excess > NEARLY_BALANCED:
            return A, -np.inf
        if self.free and excess > BALANCED:
            A = loss.admissible(A, Y, True)
            A = A * min(1.0, self.program.gamma / max(self.program.steepest(A), 1e-300))
        return A, loss.dual_value(A, Y) - 0.5 * tilt_of(A, decay)


def _largest(room: Floats) -> Mask:
    """Return a mask of the largest entry of every row."""
    found = np.zeros(room.shape, dtype=bool)
    found[np.arange(len(room)), np.argmax(room, axis=1)] = True
    return found


def _balance(A: Floats, pivots: Mask) -> None:
    """Set one entry of every row so that the row adds up to 0."""
    A[pivots] = -np.sum(np.where(pivots, 0.0, A), axis=1)


@dataclass(frozen=True, eq=False)
class _Step:
    A: Floats
    slopes: Floats
    multipliers: Floats
    forces: Floats
    offset: Floats


def _factored(matrix: Floats) -> Any:
    """Return the Cholesky factor; of a nearly singular matrix, as losses without curvature have, of one a little above.

    Raises
    ------
    LinAlgError: the matrix is far from positive definite.
    """
    for share in RIDGES:
        ridged = matrix.copy()
        ridged[np.diag_indices(len(matrix))] *= 1.0 + share
        try:
            return scipy.linalg.cho_factor(ridged, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            continue
    raise np.linalg.LinAlgError


@dataclass(frozen=True, eq=False)
class _Equations:
    """The factored Hessian in A; of rows that add up to 0, in all entries but the largest distance of every row.

    Small distances of entropies are so stiff that no basis may mix them with others.
    """

    factor: Any
    rest: Any
    pivots: Any
    shape: tuple[int, int]

    @staticmethod
    def of(matrix: Floats, shape: tuple[int, int], pivots: Mask | None) -> _Equations:
        """Return the equations of a matrix ordered by (output, sample)."""
        rest, own = np.arange(len(matrix)), None
        if pivots is not None:
            place = np.broadcast_to(np.argmax(pivots, axis=1) * shape[0] + np.arange(shape[0]), shape[::-1])
            rest, own = np.flatnonzero(~pivots.T), place[~pivots.T]
            matrix = matrix[:, rest] - matrix[:, own]
            matrix = matrix[rest] - matrix[own]
        return _Equations(_factored(matrix), rest, own, shape)

    def solve(self, right: Floats) -> Floats:
        """Return the solutions for right-hand sides, shape (m, n, c), in that shape."""
        n, c = self.shape
        flat = np.swapaxes(right, 1, 2).reshape(len(right), n * c).T
        part = flat if self.pivots is None else flat[self.rest] - flat[self.pivots]
        solved = scipy.linalg.cho_solve(self.factor, part, check_finite=False)
        whole = solved
        if self.pivots is not None:
            whole = np.zeros_like(flat)
            whole[self.rest] = solved
            np.subtract.at(whole, self.pivots, solved)
        return np.swapaxes(whole.T.reshape(len(right), c, n), 1, 2)


@dataclass(frozen=True, eq=False)
class _Iterate:
    """A point of the method.

    Attributes
    ----------
    A: the dual point, shape (n, c); slopes: ΦᵀA, shape (K, c); slack: γ² − ‖slope‖² of every atom.
    multipliers: λ of the atoms, shape (K,).
    room: distances of A from the ends, shape (2, n, c).
    forces: the walls' multipliers, of that shape; 0 where there is none.
    offset: t in the frame, shape (k,).
    """

    setting: _Setting
    A: Floats
    multipliers: Floats
    forces: Floats
    offset: Floats
    slopes: Floats
    slack: Floats
    room: Floats

    @staticmethod
    def at(setting: _Setting, A: Floats, multipliers: Floats, forces: Floats, offset: Floats) -> _Iterate:
        """Return the iterate of A and all multipliers."""
        slopes = setting.features.T @ A
        slack = setting.program.gamma**2 - np.sum(slopes**2, axis=1)
        return _Iterate(setting, A, multipliers, forces, offset, slopes, slack, setting.domain.room(A))

    @property
    def weights(self) -> Floats:
        """Output weights, shape (K, 1, c)."""
        return np.asarray(2.0 * self.multipliers[:, None] * self.slopes)[:, None]

    @property
    def turned(self) -> Floats:
        """The offset that belongs to it, shape (c,)."""
        decay = self.setting.program.decay
        return np.asarray(np.sum(self.A, axis=0) / decay if decay else self.setting.frame @ self.offset)

    @property
    def barrier(self) -> float:
        """Mean complementarity."""
        walls = self.setting.domain.walls
        total = np.sum(self.multipliers * self.slack) + np.sum(self.forces[walls] * self.room[walls])
        return float(total) / (len(self.slack) + int(np.sum(walls)))

    @property
    def inside(self) -> bool:
        """Whether all that is to be positive is."""
        finite = np.all(np.isfinite(self.multipliers)) and np.all(np.isfinite(self.forces))
        return bool(np.all(self.slack > 0.0) and np.all(self.room[self.setting.domain.walls] > 0.0) and finite)

    def moved(self, length: float, step: _Step) -> _Iterate:
        """Return the iterate a step away."""
        return _Iterate.at(
            self.setting, self.setting.moved(self.A, length * step.A), self.multipliers + length * step.multipliers,
            self.forces + length * step.forces, self.offset + length * step.offset,
        )  # fmt: skip

    def longest(self, step: _Step) -> float:
        """Return the largest length ≤ 1 that keeps positive what is to be, but for guarded ends."""
        walls = self.setting.domain.walls
        away = np.stack([step.A, -step.A])
        return min(
            1.0, largest_step(self.slack, self.slopes, step.slopes), room(self.multipliers, step.multipliers),
            room(self.room[walls], away[walls]), room(self.forces, step.forces),
        )  # fmt: skip

    @property
    def stiffness(self) -> Floats:
        """What the walls add to the Hessian's diagonal, shape (2, n, c)."""
        return np.divide(self.forces, self.room, out=np.zeros_like(self.forces), where=self.setting.domain.walls)

    def equations(self) -> _Equations:
        """Return the Hessian, factored."""
        program, c = self.setting.program, self.A.shape[1]
        local = np.array(program.loss.dual_hessian(self.A, program.targets))
        local[:, np.arange(c), np.arange(c)] += np.sum(self.stiffness, axis=0)
        tied = 1.0 / program.decay if program.decay else 0.0
        curvature = self.multipliers / self.slack
        matrix = hessian(self.setting.features, self.multipliers, self.slopes, curvature, local, tied)
        pivots = _largest(self.room[1]) if program.loss.shift_invariant else None
        return _Equations.of(matrix, self.A.shape, pivots)

    def newton(self, equations: _Equations, complementarity: Floats, forces: Floats) -> _Step:
        """Return the Newton step towards stationarity, λ_k = complementarity_k and walls' multipliers of ``forces``."""
        setting, program = self.setting, self.setting.program
        gradient = forces[1] - forces[0] - program.loss.dual_gradient(self.A, program.targets)
        gradient += 2.0 * setting.features @ (complementarity[:, None] * self.slopes) + self.turned
        change, turn = equations.solve(-gradient[None])[0], np.zeros_like(self.offset)
        if setting.free:
            frame = np.broadcast_to(setting.frame.T[:, None, :], (len(turn), *self.A.shape))
            along = equations.solve(frame)
            sums = np.sum(along, axis=1) @ setting.frame
            turn = np.linalg.solve(sums.T, np.sum(change + self.A, axis=0) @ setting.frame)
            change = change - np.tensordot(turn, along, axes=1)
        slopes = setting.features.T @ change
        ratio = 2.0 * self.multipliers / self.slack
        multipliers = complementarity - self.multipliers + ratio * np.sum(self.slopes * slopes, axis=1)
        pushed = forces - self.forces - self.stiffness * np.stack([change, -change])
        return _Step(change, slopes, multipliers, pushed, turn)

    def predicted_and_corrected(self) -> _Step:
        """Return Mehrotra's step: the affine one sets the centring and the second-order term."""
        equations, walls = self.equations(), self.setting.domain.walls
        affine = self.newton(equations, np.zeros_like(self.slack), np.zeros_like(self.forces))
        reached = self.moved(self.longest(affine), affine).barrier
        centring = min(1.0, max(reached / self.barrier, 0.0)) ** 3 * self.barrier
        slack_change = -2.0 * np.sum(self.slopes * affine.slopes, axis=1)
        curvature = self.multipliers * np.sum(affine.slopes**2, axis=1)
        correction = (centring - affine.multipliers * slack_change + curvature) / self.slack
        pushed = centring - affine.forces * np.stack([affine.A, -affine.A])
        forces = np.divide(pushed, self.room, out=np.zeros_like(pushed), where=walls)
        return self.newton(equations, correction, forces)


def of_any_loss(program: Program, start: Floats | None, stop: Stop) -> Fit:
    """Return the pair that some twenty steps end at.

    Parameters
    ----------
    start: a dual point to start near; by default the residual of the best constant output.
    """
    setting, loss, Y = _Setting.of(program), program.loss, program.targets
    weights = program.zero()
    offset = loss.constant(Y, decay=program.decay) if program.intercept else np.zeros(program.outputs)
    value = setting.objective(weights, offset)
    constant = loss.residual(np.zeros_like(Y) + offset, Y)
    best, dual = setting.bound(np.zeros_like(Y))
    if loss.smooth and program.steepest(constant) <= program.gamma:
        # No atom pays.
        best, dual = setting.bound(constant)
        return Fit(weights, best, value, dual, 0, offset if program.intercept else np.zeros(1))
    at = _started(setting, constant if start is None else start, value)
    steps = 0
    while not stop.reached(value, dual, steps) and steps < STEPS and at.barrier > 0.0:
        steps += 1
        try:
            step = at.predicted_and_corrected()
        except np.linalg.LinAlgError:
            break
        length = min(1.0, BOUNDARY * at.longest(step))
        ahead = at.moved(length, step)
        while not ahead.inside and length > SHORTEST:
            length *= 0.5
            ahead = at.moved(length, step)
        if not ahead.inside:
            break
        at = ahead
        found, turned = at.weights, at.turned
        reached = setting.objective(found, turned)
        if reached < value:
            weights, offset, value = found, turned, reached
        point, bound = setting.bound(at.A)
        if bound > dual:
            best, dual = point, bound
    return Fit(weights, best, value, dual, steps, offset if program.intercept else np.zeros(1))


def _started(setting: _Setting, near: Floats, value: float) -> _Iterate:
    """Return the first iterate."""
    A, program = setting.inside(near), setting.program
    forces = np.zeros_like(setting.domain.ends)
    at = _Iterate.at(setting, A, np.ones(program.groups), forces, np.zeros(setting.frame.shape[1]))
    gap = max(value - program.loss.dual_value(A, program.targets), 1e-12 * abs(value))
    gap /= len(at.slack) + int(np.sum(setting.domain.walls))
    at = replace(at, multipliers=gap / at.slack)
    # Predictions are some multiple of those that A is the residual at; for a tiny γ centring would ask for far more.
    plausible = PLAUSIBLE * (1.0 + float(np.max(np.abs(program.loss.dual_gradient(A, program.targets)))))
    largest = float(np.max(np.abs(program.predict(at.weights)), initial=0.0))
    share = min(1.0, plausible / max(largest, 1e-300))
    forces[setting.domain.walls] = share * gap / at.room[setting.domain.walls]
    return replace(at, multipliers=share * at.multipliers, forces=forces)
