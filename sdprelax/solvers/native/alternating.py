"""Alternating directions for the reduced relaxation: one projection, the rest entrywise (docs/solver.md).

The relaxation is min f(Λ) + h(Λ): h is the indicator of {TSTᵀ : S ⪰ 0}, onto which one projects by an eigenvalue
decomposition of order g + r + c, and f, the loss, the penalty and Λ ≥ 0 with Λ_{α_iβ_i} = 0, is a sum over entries.
Douglas and Rachford's splitting (ADMM, in the variable z) alternates the two:

    x = prox_{f/ρ}(z),    y = proj(2x − z),    z ← z + θ(y − x).

ρ(z − x) is a subgradient of f at x: *exact* multipliers N ≥ 0, and A, the residual at x, goes with them. That is the
point that is certified. The squared loss of ReLUs is a division on the rows of Λ_αv and Λ_βv; what else there is goes
through the loss's proximal map (:class:`sdprelax.solvers.native.copies.Copies`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdprelax.base import Floats
from sdprelax.lifting import LiftedProgram
from sdprelax.problem import Squared
from sdprelax.solvers.native.arrays import Arrays
from sdprelax.solvers.native.copies import Copies, Parts
from sdprelax.solvers.native.face import Blocks, Face
from sdprelax.solvers.native.subspace import PositivePart

__all__ = ["AlternatingDirections", "Estimates", "Start"]

# θ: over-relaxation, which must be below 2.
RELAXATION = 1.7
# First ρ over γ; it is balanced at once.
PENALTY = 0.1
# ρ is balanced every so many steps at first and later, by at most so large a factor.
EARLY, EARLY_EVERY, EARLY_FACTOR = 100, 10, 3.0
LATE_EVERY, LATE_FACTOR = 50, 1.25
# Primal over dual residual that is aimed at: certificates want multipliers that move fast.
BALANCE = 3.0
# Error of the projection relative to ‖y − x‖/‖y‖.
PROJECTED = 0.1
# The blocks, and how often the whole matrix has their entries.
WEIGHTS = {"aa": 1.0, "ab": 2.0, "bb": 1.0, "aw": 2.0, "bw": 2.0, "av": 2.0, "bv": 2.0, "ww": 1.0, "wv": 2.0, "vv": 1.0}


@dataclass(frozen=True, eq=False)
class Start:
    """What a run can start from: z and ρ of an earlier one over the same generator rows, and its γ."""

    z: Blocks
    penalty: float
    gamma: float
    copies: Parts | None = None


@dataclass(frozen=True)
class Estimates:
    """Three values that agree with the relaxation's at the solution, in the problem's units; none is a bound.

    Attributes
    ----------
    entrywise: objective of x, whose entries are feasible.
    semidefinite: objective of y, which is positive semidefinite and in the face.
    dual: D(A) of x's residual A.
    """

    entrywise: float
    semidefinite: float
    dual: float

    def spread(self, before: Estimates, certified: float) -> float:
        """Return the largest difference among these, an earlier check's and a certified bound, relative to the bound.

        Early in a run the three can cross in one point by chance; they do not stay there.
        """
        values = [certified]
        for one in (self, before):
            values += [one.entrywise, one.semidefinite, one.dual]
        return (max(values) - min(values)) / max(abs(certified), 1e-300)


def balances(step: int) -> bool:
    """Say whether ρ is balanced after a step."""
    return step % (EARLY_EVERY if step <= EARLY else LATE_EVERY) == 0


def rebalanced(step: int, distance: float, size: float, moved: float, dual: float) -> float | None:
    """Return the factor by which ρ is to change after a step, so that both residuals come to the ratio aimed at.

    Parameters
    ----------
    distance, size: ‖y − x‖² and ‖y‖².
    moved, dual: ‖x − x before‖² and ‖z − x‖².
    """
    if not (moved > 0.0 and size > 0.0 and dual > 0.0):
        return None
    ratio = math.sqrt(distance / size) / (BALANCE * math.sqrt(moved / dual))
    most = EARLY_FACTOR if step <= EARLY else LATE_FACTOR
    return min(max(math.sqrt(ratio), 1.0 / most), most)


class AlternatingDirections:
    """The iteration and its state z.

    Parameters
    ----------
    lifting: a presolved program with at least one generator.
    arrays: where to compute.
    start: a state to go on from; None for zero.
    follows: whether the positive eigenspace of large matrices is followed from step to step.
    """

    def __init__(
        self, lifting: LiftedProgram, arrays: Arrays, start: Start | None = None, follows: bool = True
    ) -> None:
        problem, reduction = lifting.problem, lifting.reduction
        self.lifting, self.problem, self.arrays, self.gamma = lifting, problem, arrays, problem.gamma
        self.face = Face(reduction.rows, problem.shape[2], arrays)
        g = reduction.generators
        # ½Σ_i‖f_iΛ_{a(i),v} − y_i‖² is separable over the rows a of (α, β): weights Σf_i² and pulls Σf_iy_i.
        selection = lifting.selection
        weight, pull = np.asarray(selection.power(2).sum(axis=0)), np.asarray(selection.T @ problem.Y)
        divided = problem.loss == Squared() and not problem.offset and int(np.max(np.diff(selection.indptr))) <= 1
        self.copies = None if divided else Copies(lifting, arrays, None if start is None else start.copies)
        self._blocks = {name: weight for name, weight in WEIGHTS.items() if divided or name not in ("av", "bv")}
        self._weight = {"av": arrays.of(weight[:g, None]), "bv": arrays.of(weight[g:, None])}
        self._pull = {"av": arrays.of(pull[:g]), "bv": arrays.of(pull[g:])}
        # Loops over entries are compiled for NumPy; other libraries, on devices of theirs, take array by array.
        self._entries = arrays.entries
        self._twins = None if self._entries else arrays.identity(g)
        self.steps, self.rank = 0, 0
        self.nearest: Any = None
        self.positive_part, self._accuracy = PositivePart(arrays, follows), math.inf
        if start is None:
            self.z, self.penalty = Blocks.zeros(arrays, g, reduction.rank, problem.shape[2]), PENALTY * self.gamma
        else:
            self.z, self.penalty = start.z.copied(arrays), start.penalty
            # Λ stays; multipliers are in units of γ.
            self._rescale(start.penalty, self.gamma / start.gamma, start.gamma)

    @property
    def state(self) -> Start:
        """What another run can start from."""
        return Start(self.z, self.penalty, self.gamma, None if self.copies is None else self.copies.z)

    def _entry(self, name: str, gamma: float | None = None) -> Any:
        """Return a block of x = prox(z)."""
        z = getattr(self.z, name)
        if name in ("aa", "bb"):
            return self.arrays.nonnegative_part(z)
        if name == "ab":
            x = self.arrays.nonnegative_part(z)
            if self._twins is None:
                np.fill_diagonal(x, 0.0)
                return x
            return x * (1.0 - self._twins)
        if name in ("av", "bv"):
            # The squared loss of all samples on a generator; the matrix has every entry of these blocks twice.
            return (self._pull[name] + 2.0 * self.penalty * z) / (self._weight[name] + 2.0 * self.penalty)
        if name in ("ww", "vv"):
            return z - (gamma or self.gamma) / (2.0 * self.penalty) * self.arrays.identity(z.shape[0])
        return z

    def _mirrored(self, name: str) -> Any:
        """Return a block of 2x − z, a new array."""
        if name not in self._blocks:
            assert self.copies is not None
            return self.copies.mirrored(name, self.penalty)
        xp, z = self.arrays.xp, getattr(self.z, name)
        if name in ("aa", "bb", "ab"):
            # 2·max(z, 0) − z is |z|; at the twins, where x = 0, it is −z.
            mirrored = xp.abs(z)
            if name == "ab":
                if self._twins is None:
                    np.fill_diagonal(mirrored, -np.diag(z))
                else:
                    mirrored -= self._twins * (mirrored + z)
            return mirrored
        return 2.0 * self._entry(name) - z

    def step(self) -> None:
        """Take one step."""
        balancing = balances(self.steps + 1)
        parts = self.copies.at(self.penalty)[0] if self.copies is not None and balancing else None
        self.nearest, self.rank = self.positive_part(self._compressed(), self._accuracy)
        others = self.face.others(self.nearest)
        squares = self._move_activations(balancing)
        for name, weight in self._blocks.items():
            if name in others:
                squares += weight * self._move(name, others[name], balancing)
        if self.copies is not None:
            squares[:2] += self.copies.step(self.penalty, RELAXATION, others)
        self.steps += 1
        if not balancing:
            return
        if self.copies is not None and parts is not None:
            x = self.copies.at(self.penalty)[0]
            squares[2:] += self.copies.square(x.plus(-1.0, parts)), self.copies.square(self.copies.z.plus(-1.0, x))
        self._balance(*squares)

    def _compressed(self) -> Any:
        """Return 2x − z in the face's coordinates."""
        if self._entries is None:
            return self.face.compress(self._mirrored)
        z, face = self.z, self.face
        g, R = face.generators, np.zeros((face.order, face.order))
        st, tt = np.empty_like(face.E), np.empty_like(face.E)
        self._entries.fold(z.aa, z.ab, z.bb, face.E, R[:g, :g], st, tt)
        return face.completed(R, st, tt, self._mirrored)

    def _move_activations(self, measures: bool) -> Floats:
        """Move z between activations; return the four squares of :meth:`_move`."""
        if self._entries is None:
            squares = np.zeros(4)
            for name, y in self.face.activations(self.nearest):
                squares += WEIGHTS[name] * self._move(name, y, measures)
            return squares
        z, R, g, E = self.z, self.nearest, self.face.generators, self.face.E
        of_y = slice(g, g + self.face.rank)
        st, tt = np.ascontiguousarray(R[:g, of_y]), E @ R[of_y, of_y]
        return np.array(self._entries.move(z.aa, z.ab, z.bb, E, R[:g, :g], st, tt, RELAXATION))

    def _move(self, name: str, y: Any, measures: bool) -> Floats:
        """Move a block of z; return ‖y − x‖², ‖y‖², ‖x − x before‖² and ‖z − x‖² if they are to be measured, else 0."""
        x, z = self._entry(name), getattr(self.z, name)
        change = y - x
        setattr(self.z, name, z + RELAXATION * change)
        if not measures:
            return np.zeros(4)
        now = self._entry(name)
        parts = change, y, now - x, getattr(self.z, name) - now
        return np.array([float(self.arrays.xp.sum(part * part)) for part in parts])

    def _balance(self, distance: float, size: float, moved: float, dual: float) -> None:
        """Change ρ so that the relative residuals ‖y − x‖ and ρ‖x − x before‖ come to the ratio that is aimed at.

        Parameters
        ----------
        distance, size: ‖y − x‖² and ‖y‖²; x was that before the step.
        moved, dual: ‖x − x before‖² and ‖z − x‖².
        """
        if size > 0.0:
            self._accuracy = PROJECTED * math.sqrt(distance / size)
        factor = rebalanced(self.steps, distance, size, moved, dual)
        if factor is not None:
            self._rescale(self.penalty * factor)

    def _rescale(self, penalty: float, grown: float = 1.0, gamma: float | None = None) -> None:
        """Change ρ; x stays, and the multipliers ρ(z − x) grow by a factor."""
        if self.copies is not None:
            self.copies.rescale(self.penalty, self.penalty / penalty)
        for name in self._blocks:
            # x at the old ρ and γ; what the loss pulls with is given by x, whatever γ.
            near = self._entry(name, gamma)
            ratio = self.penalty / penalty * (1.0 if name in ("av", "bv") else grown)
            setattr(self.z, name, near + ratio * (getattr(self.z, name) - near))
        self.penalty = penalty

    def certified_point(self) -> tuple[Floats, list[Floats]]:
        """Return A, shape (n, c), and the one block's N, shape (2g, 2g), nonnegative but at the twins."""
        g, back, scale = self.face.generators, self.arrays.back, -2.0 * self.gamma * self.penalty
        N = np.empty((2 * g, 2 * g))
        for name, first, second in (("aa", 0, 0), ("ab", 0, g), ("bb", g, g)):
            N[first : first + g, second : second + g] = scale * back(getattr(self.z, name) - self._entry(name))
        N[g:, :g] = N[:g, g:].T
        return self._residual(), [N]

    def _residual(self) -> Floats:
        """Return A at x, shape (n, c)."""
        if self.copies is not None:
            return self.copies.at(self.penalty)[2]
        return self.problem.residual(self._predictions(self._entry("av"), self._entry("bv")))

    def _predictions(self, alpha: Any, beta: Any) -> Floats:
        """Return the training predictions, shape (n, c), of the blocks αv and βv."""
        return np.asarray(self.lifting.selection @ np.vstack([self.arrays.back(alpha), self.arrays.back(beta)]))

    def _decay(self, ww: Any, vv: Any) -> float:
        trace = float(np.trace(self.arrays.back(ww))) + float(np.trace(self.arrays.back(vv)))
        return 0.5 * self.gamma * trace

    def _losses(self, alpha: Any, beta: Any) -> tuple[float, float]:
        """Return the loss at x and at y, whose blocks αv and βv are given."""
        if self.copies is not None:
            return self.copies.values(self.penalty, alpha, beta)
        near, there = self._predictions(self._entry("av"), self._entry("bv")), self._predictions(alpha, beta)
        return self.problem.loss.value(near, self.problem.Y), self.problem.loss.value(there, self.problem.Y)

    def estimates(self) -> Estimates:
        """Return the three estimates of the value."""
        y = self.face.others(self.nearest)
        near, there = self._losses(y["av"], y["bv"])
        return Estimates(
            near + self._decay(self._entry("ww"), self._entry("vv")),
            there + self._decay(y["ww"], y["vv"]),
            self.problem.dual_value(self.problem.admissible(self._residual())),
        )

    def matrices(self) -> tuple[Floats]:
        """Return the one block's S over (β, w, v), shape (g + r + c, g + r + c), of y."""
        activations = dict(self.face.activations(self.nearest))
        y = {name: self.arrays.back(block) for name, block in self.face.others(self.nearest).items()}
        y["bb"] = self.arrays.back(activations["bb"])
        S = np.block([[y["bb"], y["bw"], y["bv"]], [y["bw"].T, y["ww"], y["wv"]], [y["bv"].T, y["wv"].T, y["vv"]]])
        return (S,)
