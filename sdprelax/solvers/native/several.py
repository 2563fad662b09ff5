"""Alternating directions over blocks with a common A: cones, sectors, any inequalities (docs/solver.md, "Blocks").

A block S stands for Σxxᵀ over the neurons of a cone. What is asked of it is asked of a few linear functions of x, the
rows of K: the forms, what samples read, and the weights. Over Λ = KSKᵀ the relaxation is min f(Λ_1, Λ_2, …) + Σh(Λ_b).
h is the indicator of {KSKᵀ : S ⪰ 0}, onto which one projects by an eigenvalue decomposition of order len(x), and f is
a sum over entries but for the loss, which the blocks share, and the norms: a sample's prediction is

    P_i = Σ_b f_bi·Λ_b(read_i, v) + t,

and the proximal map is the loss's own with the sum of the blocks' steps. Douglas and Rachford's splitting alternates
the two as for a single block (:mod:`sdprelax.solvers.native.alternating`). What is certified is again ρ(z − x), exactly
a subgradient of f at x: N ≥ 0 of every block, and one A.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from sdprelax.base import Floats, Integers
from sdprelax.lifting import Block, LiftedProgram
from sdprelax.problem import Problem
from sdprelax.solvers import Coarser
from sdprelax.solvers.native.alternating import PENALTY, RELAXATION, Estimates, balances, rebalanced
from sdprelax.solvers.native.copies import nearest_offset, proximal
from sdprelax.solvers.native.factored import AskedProducts, Factored
from sdprelax.solvers.native.refining import Refined, direction, refined

__all__ = ["SeveralBlocks"]


class _Part:
    """One block: its K, and its z, x and y.

    Attributes
    ----------
    scale: what the block's forms are multiplied by in K, shape (m,).
    owner, factor: the row of K that a sample reads, shape (n,), and its multiple, shape (n, 1); 0 where it reads none.
    """

    def __init__(self, block: Block) -> None:
        self.block, k, m = block, len(block.cone.undetermined), block.forms.count
        count = block.order - k
        self.scale = _scales(block)
        forms = block.matrix.toarray() * self.scale[:, None]
        self.owner, self.factor, more = _readings(forms, block.inputs.toarray())
        weights = np.eye(block.order)[k:]
        K = np.vstack([forms, more, weights])
        self.forms, self.weights = slice(0, m), len(K) - count + np.arange(count)
        self.factored, self.asked = Factored(K, k), AskedProducts(block.pairs, block.zeros, m)
        # Every output weight is a weight or its negative.
        outputs = block.outputs.toarray()[:, k:]
        self.column = self.weights[np.argmax(np.abs(outputs), axis=1)]
        self.sign = outputs.sum(axis=1)
        self.cost, self.norms = block.cost[k:], block.norms[:, k:]
        self.inverse = np.linalg.pinv(self.norms @ self.norms.T) if len(self.norms) else np.zeros((0, 0))
        self.read = np.flatnonzero(self.factor)
        self.z, self.x, self.y = np.zeros((3, len(K), len(K)))
        self.vectors = np.zeros((block.order, 0))

    def begin(self, start: Refined, gamma: float, A: Floats) -> None:
        """Set x to a start's S, and y to ρ(z − x) of its multipliers and A."""
        image = self.factored.image(start.factors)
        self.x = image @ image.T
        self.y = np.zeros_like(self.x)
        self.y[self.forms, self.forms] = -start.M / self.scale[:, None] / self.scale
        rows, columns = self.owner[self.read][:, None], self.column[None]
        self.y[rows, columns] = self.y[columns, rows] = 0.0
        pulled = (-0.5 * self.factor * self.sign * A)[self.read]
        self.y[rows, columns] += pulled
        self.y[columns, rows] += pulled
        self.y[self.weights, self.weights] = 0.5 * gamma * self.cost + start.balance @ self.norms[:, : len(self.cost)]

    def reading(self, matrix: Floats) -> Floats:
        """Return the block's part of the predictions, shape (n, c), of a matrix over the rows of K."""
        return np.asarray(self.factor * self.sign * matrix[self.owner][:, self.column])

    def proximal(self, gamma: float, penalty: float, A: Floats) -> None:
        """Set x to prox(z), where the loss's residual is A."""
        self.x = self.z.copy()
        self.x[self.forms, self.forms] = self.asked.nearest(self.z[self.forms, self.forms])
        # The matrix has every entry of these twice.
        pulled = (self.factor * self.sign * A / (2.0 * penalty))[self.read]
        rows, columns = self.owner[self.read][:, None], self.column[None]
        self.x[rows, columns] += pulled
        self.x[columns, rows] = self.x[rows, columns]
        self.x[self.weights, self.weights] -= gamma / (2.0 * penalty) * self.cost
        diagonal = self.x[self.weights, self.weights]
        self.x[self.weights, self.weights] -= self.norms.T @ (self.inverse @ (self.norms @ diagonal))

    def project(self) -> None:
        """Set y to the nearest KSKᵀ, S ⪰ 0, to 2x − z."""
        self.vectors = self.factored.nearest(2.0 * self.x - self.z)
        image = self.factored.image(self.vectors)
        self.y = image @ image.T

    def multipliers(self, gamma: float, penalty: float) -> Floats:
        """Return N of the certificate, shape (m, m)."""
        apart = (self.x - self.z)[self.forms, self.forms]
        return self.block.multipliers(gamma, penalty * self.scale[:, None] * apart * self.scale)


def _scales(block: Block) -> Floats:
    """Return what every form is multiplied by.

    Forms are at most about 1 for a neuron with ‖w‖ = ‖v‖ = t = 1. But in many dimensions the k forms t − α_i − β_i of a
    sector are all nearly t; together they are to count as one.
    """
    scale, place = np.ones(block.forms.count), block.forms.places.get("sectors")
    if place is not None and block.cone.sector is not None:
        c = block.cone.sector.outputs
        long = np.arange(place.start + (2 * c + 2 if c > 1 else 0), place.stop)
        scale[long] = 1.0 / np.sqrt(max(len(long), 1))
    return scale


def _readings(forms: Floats, inputs: Floats) -> tuple[Integers, Floats, Floats]:
    """Return which row of K a sample reads, shape (n,), its multiple, shape (n, 1), and the rows that are no form.

    A sample that reads a multiple of a form which no other reads has that form; any other has a row of its own.
    """
    owner, factor, more = np.zeros(len(inputs), dtype=np.int64), np.zeros((len(inputs), 1)), list[Floats]()
    unread = {direction(form): p for p, form in reversed(list(enumerate(forms)))}
    for i in np.flatnonzero(np.any(inputs != 0.0, axis=1)):
        length = float(np.linalg.norm(inputs[i]))
        place = unread.pop(direction(inputs[i]), None)
        if place is None:
            owner[i], factor[i] = len(forms) + len(more), length
            more.append(inputs[i] / length)
        else:
            owner[i], factor[i] = place, length / float(np.linalg.norm(forms[place]))
    return owner, factor, np.array(more).reshape(len(more), inputs.shape[1])


class _Offsets:
    """A copy of the offset t for every sample, shape (n, c), whose squares of distances are weighted by 1/loose."""

    def __init__(self, problem: Problem, loose: float) -> None:
        self.problem, self.loose = problem, loose if problem.offset else 0.0
        self.z, self.x, self.y = np.zeros((3, *problem.Y.shape))

    def proximal(self, penalty: float, A: Floats) -> None:
        """Set x."""
        self.x = self.z + self.loose / penalty * A

    def step(self, penalty: float) -> tuple[float, float]:
        """Set y, whose copies are equal, and z; return ‖y − x‖² and ‖y‖²."""
        constant = nearest_offset(self.problem, self.loose, penalty, 2.0 * self.x - self.z)
        self.y = np.broadcast_to(constant, self.x.shape)
        change = self.y - self.x
        self.z = self.z + RELAXATION * change
        return self.square(change), self.square(self.y)

    def square(self, copies: Floats) -> float:
        """Return the square of the copies' weighted norm."""
        return _square(copies) / self.loose if self.loose else 0.0


class SeveralBlocks:
    """The iteration over blocks, and its state.

    Parameters
    ----------
    lifting: a presolved program with at least one generator.
    blocks: of it.
    threads: how many blocks are worked on at a time; the results are the same to the last bit.
    start: a solution over a coarser partition; None for zero.
    """

    def __init__(
        self, lifting: LiftedProgram, blocks: Sequence[Block], threads: int = 1, start: Coarser | None = None
    ) -> None:
        self.problem, self.gamma = lifting.problem, lifting.problem.gamma
        self.parts = [_Part(block) for block in blocks]
        self.penalty, self.steps, self.rank = PENALTY * self.gamma, 0, 0
        # What a prediction moves by at ρ = 1 if its residual does by one.
        self.reach = np.sum([0.5 * part.factor**2 for part in self.parts], axis=0)
        self.offsets = _Offsets(self.problem, float(np.mean(self.reach)))
        self._pool = ThreadPoolExecutor(min(threads, len(self.parts)))
        if start is not None:
            self._begin(refined(blocks, start, self.gamma), start.multiplier)
        self._at()

    def _begin(self, starts: Sequence[Refined], A: Floats) -> None:
        """Set z and ρ to those of a start."""
        for part, start in zip(self.parts, starts, strict=True):
            part.begin(start, self.gamma, A)
        primal, dual = (sum(_square(getattr(part, name)) for part in self.parts) for name in ("x", "y"))
        self.penalty = float(np.sqrt(dual / primal)) if primal > 0.0 < dual else self.penalty
        for part in self.parts:
            part.z = part.x + part.y / self.penalty
        self.offsets.z = -self.offsets.loose / self.penalty * A

    @property
    def state(self) -> None:
        """There is nothing that another run would start from."""

    def close(self) -> None:
        """End its threads."""
        self._pool.shutdown()

    def _each(self, work: Callable[[_Part], Any]) -> list[Any]:
        return list(self._pool.map(work, self.parts))

    def _at(self) -> None:
        """Set x, its predictions and A from z and ρ."""
        M = np.sum([part.reading(part.z) for part in self.parts], axis=0) + self.offsets.z
        self.predictions, self.A = proximal(self.problem, M, (self.reach + self.offsets.loose) / self.penalty)
        self._each(lambda part: part.proximal(self.gamma, self.penalty, self.A))
        self.offsets.proximal(self.penalty, self.A)

    def step(self) -> None:
        """Take one step."""
        balancing = balances(self.steps + 1)

        def move(part: _Part) -> tuple[float, float]:
            part.project()
            change = part.y - part.x
            squares = (_square(change), _square(part.y)) if balancing else (0.0, 0.0)
            change *= RELAXATION
            part.z += change
            return squares

        before = [part.x for part in self.parts], self.offsets.x
        squares = np.array([*self._each(move), self.offsets.step(self.penalty)])
        self.rank = max(part.vectors.shape[1] for part in self.parts)
        self._at()
        self.steps += 1
        if not balancing:
            return
        moved = sum(_square(part.x - x) for part, x in zip(self.parts, before[0], strict=True))
        dual = sum(_square(part.z - part.x) for part in self.parts)
        moved += self.offsets.square(self.offsets.x - before[1])
        dual += self.offsets.square(self.offsets.z - self.offsets.x)
        factor = rebalanced(self.steps, float(squares[:, 0].sum()), float(squares[:, 1].sum()), moved, dual)
        if factor is None:
            return
        self.penalty *= factor
        # x stays, and with it ρ(z − x).
        for part in self.parts:
            part.z = part.x + (part.z - part.x) / factor
        self.offsets.z = self.offsets.x + (self.offsets.z - self.offsets.x) / factor

    def certified_point(self) -> tuple[Floats, list[Floats]]:
        """Return A, shape (n, c), and N of every block, nonnegative but where products vanish."""
        return self.A, self._each(lambda part: part.multipliers(self.gamma, self.penalty))

    def estimates(self) -> Estimates:
        """Return the three estimates of the value."""
        there = np.sum([part.reading(part.y) for part in self.parts], axis=0) + self.offsets.y
        return Estimates(
            self._objective(self.predictions, [part.x for part in self.parts], np.mean(self.offsets.x, axis=0)),
            self._objective(there, [part.y for part in self.parts], self.offsets.y[0]),
            self.problem.dual_value(self.problem.admissible(self.A)),
        )

    def _objective(self, predictions: Floats, matrices: Sequence[Floats], offset: Floats) -> float:
        diagonals = [matrix[part.weights, part.weights] for part, matrix in zip(self.parts, matrices, strict=True)]
        cost = sum(part.cost @ diagonal for part, diagonal in zip(self.parts, diagonals, strict=True))
        loss = self.problem.loss.value(predictions, self.problem.Y)
        return loss + 0.5 * self.gamma * float(cost) + 0.5 * self.problem.offset_decay * float(offset @ offset)

    def matrices(self) -> tuple[Floats, ...]:
        """Return S of every block, of y."""
        return tuple(part.vectors @ part.vectors.T for part in self.parts)


def _square(matrix: Floats) -> float:
    return float(np.vdot(matrix, matrix))
