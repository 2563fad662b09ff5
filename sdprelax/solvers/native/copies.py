"""The data term of any loss: every sample has its own copy of what it reads (docs/solver.md, "Any loss").

Sample i's prediction is P_i = a_iα + b_iβ + t, of a row α of Λ_αv, a row β of Λ_βv and the offset t, if there is one.
As rows are read by several samples (parallel ones) and t by all, x has a copy of them per sample, and y's copies are
equal. Then x separates over samples, and its proximal map is the loss's own: with the squares of distances of copies
weighted by w_i for rows and by ω for t, and penalty ρ,

    P = prox_ℓ(M) with steps (a_i² + b_i²)/(ρw_i) + 1/(ρω),    M_i = a_iz_α + b_iz_β + z_t,    A_i = (P_i − M_i)/step_i,
    x_α = z_α + a_iA_i/(ρw_i),    x_β = z_β + b_iA_i/(ρw_i),    x_t = z_t + A_i/(ρω);

A is *exactly* a subgradient's negative at P, also where the loss has kinks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Floats
from sdprelax.lifting import LiftedProgram
from sdprelax.problem import Problem
from sdprelax.solvers.native.arrays import Arrays

__all__ = ["Copies", "Parts", "nearest_offset", "proximal"]


@dataclass(frozen=True, eq=False)
class Parts:
    """Copies of what samples read.

    Attributes
    ----------
    rows: of the rows of Λ_αv and Λ_βv, shape (2, k, c); a generator that no sample reads has one all the same.
    offset: of t, shape (n, c); zero without an offset.
    """

    rows: Floats
    offset: Floats

    def plus(self, factor: float, other: Parts) -> Parts:
        """Return self + factor·other."""
        return Parts(self.rows + factor * other.rows, self.offset + factor * other.offset)


def proximal(problem: Problem, M: Floats, step: Floats) -> tuple[Floats, Floats]:
    """Return P = prox_ℓ(M) and A = (P − M)/step, which is exactly a residual at P, both of shape (n, c).

    Parameters
    ----------
    step: of every sample, shape (n, 1).
    """
    loss, Y = problem.loss, problem.Y
    # A sample of zeros reads nothing; any step will do for what it does not use.
    moves = step > 0.0
    P = np.where(moves, loss.proximal(M, Y, np.where(moves, step, 1.0)), M)
    return P, np.where(moves, (P - M) / np.where(moves, step, 1.0), loss.residual(M, Y))


def nearest_offset(problem: Problem, loose: float, penalty: float, mirrored: Floats) -> Floats:
    """Return y's offset t, shape (c,): of least (decay/2)‖t‖² + (ρω/2)Σ_i‖t − (2x − z)_i‖².

    Parameters
    ----------
    loose: 1/ω; 0 without an offset.
    mirrored: 2x − z, shape (n, c).
    """
    if not loose:
        return np.zeros(mirrored.shape[1])
    held = penalty / loose
    return np.asarray(held * np.sum(mirrored, axis=0) / (held * len(mirrored) + problem.offset_decay))


class Copies:
    """The copies' z, and x and y at it.

    Parameters
    ----------
    lifting: a presolved program with at least one generator.
    arrays: where the splitting computes; the loss is NumPy's.
    start: z of an earlier run over the same rows; None for zero.
    """

    def __init__(self, lifting: LiftedProgram, arrays: Arrays, start: Parts | None = None) -> None:
        self.problem, self.arrays = lifting.problem, arrays
        (n, _, c), g, reduction = lifting.problem.shape, lifting.generators, lifting.reduction
        self.selection = lifting.selection
        self.alive = np.flatnonzero(reduction.factor)
        owner = reduction.group[self.alive]
        # A generator without samples keeps one copy, which nothing pulls at.
        self.owner = np.concatenate([owner, np.setdiff1d(np.arange(g), owner)])
        read, unread = len(owner), len(self.owner) - len(owner)
        halves = [np.asarray(self.selection[self.alive, owner + shift]).ravel() for shift in (0, g)]
        self.slopes = np.array([np.concatenate([half, np.zeros(unread)]) for half in halves])[:, :, None]
        count = np.bincount(self.owner, minlength=g)
        self.average = sp.csr_array((1.0 / count[self.owner], (self.owner, np.arange(len(self.owner)))))
        # The matrix has every entry of these blocks twice.
        self.weight = (2.0 / count[self.owner])[:, None]
        self.reach = np.zeros((n, 1))
        self.reach[self.alive] = (np.sum(self.slopes**2, axis=0) / self.weight)[:read]
        # t is to move as much as activations do.
        self.loose = float(np.mean(self.reach)) if self.problem.offset else 0.0
        self.z = start or Parts(np.zeros((2, len(self.owner), c)), np.zeros((n, c)))
        self.y: Parts = self.z
        self._found: tuple[float, Parts, Floats, Floats] | None = None

    def at(self, penalty: float) -> tuple[Parts, Floats, Floats]:
        """Return x, its predictions, shape (n, c), and A, shape (n, c)."""
        if self._found is None or self._found[0] != penalty:
            self._found = (penalty, *self._proximal(penalty))
        return self._found[1:]

    def _proximal(self, penalty: float) -> tuple[Parts, Floats, Floats]:
        read = slice(len(self.alive))
        M = self.z.offset.copy()
        M[self.alive] += np.sum(self.slopes * self.z.rows, axis=0)[read]
        P, A = proximal(self.problem, M, (self.reach + self.loose) / penalty)
        pulled = np.zeros(self.z.rows.shape[1:])
        pulled[read] = A[self.alive]
        rows = self.z.rows + self.slopes * pulled / (penalty * self.weight)
        return Parts(rows, self.z.offset + self.loose / penalty * A), P, A

    def mirrored(self, name: str, penalty: float) -> Any:
        """Return the mean of the copies of 2x − z of block "av" or "bv", shape (g, c)."""
        half = 0 if name == "av" else 1
        x = self.at(penalty)[0]
        return self.arrays.of(np.asarray(self.average @ (2.0 * x.rows[half] - self.z.rows[half])))

    def step(self, penalty: float, relaxation: float, nearest: dict[str, Any]) -> tuple[float, float]:
        """Take a step towards the blocks "av" and "bv" of y; return ‖y − x‖² and ‖y‖²."""
        x = self.at(penalty)[0]
        rows = np.array([self.arrays.back(nearest[name])[self.owner] for name in ("av", "bv")])
        constant = nearest_offset(self.problem, self.loose, penalty, 2.0 * x.offset - self.z.offset)
        self.y = Parts(rows, np.broadcast_to(constant, x.offset.shape))
        change = self.y.plus(-1.0, x)
        self.z, self._found = self.z.plus(relaxation, change), None
        return self.square(change), self.square(self.y)

    def square(self, parts: Parts) -> float:
        """Return the square of the copies' weighted norm."""
        offset = float(np.sum(parts.offset**2)) / self.loose if self.loose else 0.0
        return float(np.sum(self.weight * parts.rows**2)) + offset

    def rescale(self, penalty: float, ratio: float) -> None:
        """Let x stay where it is at the old penalty while ρ changes by 1/ratio."""
        x = self.at(penalty)[0]
        self.z, self._found = x.plus(ratio, self.z.plus(-1.0, x)), None

    def values(self, penalty: float, alpha: Any, beta: Any) -> tuple[float, float]:
        """Return the loss, with what an offset costs, of x and of y, whose blocks "av" and "bv" are given."""
        x, P, _ = self.at(penalty)
        mean, t = np.mean(x.offset, axis=0), self.y.offset[0]
        there = self.selection @ np.vstack([self.arrays.back(alpha), self.arrays.back(beta)]) + t
        return self._value(P, mean), self._value(there, t)

    def _value(self, predictions: Floats, offset: Floats) -> float:
        loss, decay = self.problem.loss.value(predictions, self.problem.Y), self.problem.offset_decay
        return loss + 0.5 * decay * float(offset @ offset)
