"""The iterate of our interior point: X and x = P at the held entries of every block, A, M, and the slacks Z."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from sdprelax.base import Floats, Integers
from sdprelax.lifting import Block, LiftedProgram
from sdprelax.problem import Problem
from sdprelax.solvers._data_term import DataTerm
from sdprelax.solvers.interior_point.start import balance_start, dual_start, independent, primal_start

__all__ = ["BlockIterate", "Direction", "Iterate", "least_eigenvalue", "symmetric"]

# Neighbours that rows start with where nobody says, up to so many rows of all of weight space, and else.
FEW_ROWS, MANY_NEIGHBOURS, FEW_NEIGHBOURS = 100, 12, 3
# Share of the mean complementarity product that a product which comes to be held starts with at least.
CENTRED = 0.1
# Halvings of the start's A, and of a step that rounding leaves outside.
SHRINKING, SHORTENING = 60, 40


class BlockIterate:
    """The iterate of one block.

    Its dual point y has ν of the norms first, then the multipliers of products that vanish, all of them free, then
    those of the products that are held.

    Parameters
    ----------
    block: the block.
    rows: the generator rows.
    problem: in the units of the run.
    data: its loss.
    neighbours: nearest rows that every row starts with.

    Raises
    ------
    LinAlgError: there is no strictly feasible start.
    """

    def __init__(
        self, block: Block, rows: Floats, problem: Problem, data: DataTerm, neighbours: int | None
    ) -> None:  # fmt: skip
        self.block, self.gamma = block, problem.gamma
        self.forms, (n, k) = block.forms.count, data.coordinates
        outputs = sp.csr_array(data.frame.T) @ block.outputs
        self.rows = sp.csr_array(sp.vstack([block.matrix, block.inputs, outputs]))
        self.transposed = sp.csr_array(self.rows.T)
        self.samples = slice(self.forms, self.forms + n)
        self.outputs = slice(self.forms + n, self.forms + n + k)
        sample, output = np.divmod(np.arange(n * k), k)
        self.sample, self.output = sample + self.samples.start, output + self.outputs.start
        # The norms add to Z what they add to cost, of which Z has γ.
        self.norms = block.norms
        self.cost = problem.gamma * block.cost
        nu = problem.gamma * balance_start(block)
        free = rows[block.cone.undetermined]
        if neighbours is None:
            few = len(free) <= FEW_ROWS and not block.cone.path
            neighbours = MANY_NEIGHBOURS if few else FEW_NEIGHBOURS
        of_w = slice(len(free), len(free) + rows.shape[1])
        gamma = float(np.min((self.cost + nu @ self.norms)[of_w]))
        twins, pairs, values = dual_start(free, gamma, neighbours)
        # Where α and β of the rows are among the forms.
        places = block.twins.T.ravel()
        held = np.sort(places[pairs], axis=1)
        zeros = independent(block.matrix, block.twins, block.zeros)
        self.free = len(nu) + len(zeros)
        self.first, self.second = np.ascontiguousarray(np.concatenate([zeros, held]).T)
        self.y = np.concatenate([nu, twins, np.zeros(len(zeros) - len(twins)), values])
        self.X = primal_start(block, rows)
        self.open = np.zeros((self.forms, self.forms), dtype=bool)
        self.open[tuple(block.pairs.T)] = True
        self.open[held[:, 0], held[:, 1]] = False
        # The start may hold products that follow from those that are asked for.
        self.entries = int(np.sum(self.open)) + len(held)
        # Set once A is.
        self.Z = np.zeros_like(self.X)
        self.x = np.zeros(len(held))

    @property
    def places(self) -> Integers:
        """Where the pairs of A's entries and the block's own ones are in a matrix between all rows, row after row."""
        first, second = np.concatenate([self.sample, self.first]), np.concatenate([self.output, self.second])
        return np.asarray(first * self.rows.shape[0] + second)

    @property
    def order(self) -> int:
        """Order of S."""
        return len(self.X)

    @property
    def held(self) -> int:
        """Number of entrywise constraints that are held."""
        return len(self.x)

    @property
    def products(self) -> float:
        """Sum of the complementarity products."""
        return float(np.sum(self.X * self.Z)) + float(self.x @ self.y[self.free :])

    @property
    def infeasibility(self) -> float:
        """What x differs from P, in units of the objective; not a number where both overflow."""
        with np.errstate(over="ignore", invalid="ignore"):
            P = self.values(self.X)[1][self.free :]
            return float(self.y[self.free :] @ np.abs(P - self.x))

    @property
    def violation(self) -> float:
        """How far a product that is not held is below zero, as a share of the largest one."""
        products = self.images(self.X)[: self.forms, : self.forms]
        below = -float(np.min(products[self.open], initial=0.0))
        return below / float(np.max(np.diag(products), initial=1e-300))

    @property
    def weight(self) -> Floats:
        """1, or ½ where a pair has one form twice: F_p = weight·(g_ag_bᵀ + g_bg_aᵀ)."""
        return np.where(self.first == self.second, 0.5, 1.0)

    @property
    def multipliers(self) -> Floats:
        """N of the certificate, shape (m, m) for m forms."""
        M = np.zeros((self.forms, self.forms))
        # Z is twice the block's own; a product that vanishes may be held too.
        np.add.at(M, (self.first, self.second), 0.5 * self.y[len(self.norms) :])
        return self.block.multipliers(self.gamma, M + np.triu(M, 1).T)

    def predictions(self) -> Floats:
        """Return the block's part of the predictions in the coordinates of A, shape (n, k)."""
        return 2.0 * np.asarray(self.rows[self.samples] @ (self.rows[self.outputs] @ self.X).T)

    def penalty(self) -> float:
        """Return what the block costs."""
        costs = self.cost != 0.0
        return float(np.sum(self.cost[costs] * np.diag(self.X)[costs]))

    def slack(self, B: Floats, y: Floats) -> Floats:
        """Return Z."""
        return np.diag(self.cost) - self.adjoint(B, y)

    def adjoint(self, B: Floats, y: Floats) -> Floats:
        """Return Σ y_pF_p over the entries of A and the block's own unknowns."""
        q, count = len(self.norms), self.rows.shape[0]
        # Sums where a pair stands twice. Dense, as images are: a sparse matrix costs more to set up than to multiply.
        values = np.concatenate([B, self.weight * y[q:]])
        between = np.bincount(self.places, values, count * count).reshape(count, count)
        matrix = np.asarray(self.transposed @ (self.transposed @ between).T)
        summed: Floats = matrix + matrix.T
        if q:
            summed -= np.diag(y[:q] @ self.norms)
        return summed

    def images(self, matrix: Floats) -> Floats:
        """Return a symmetric matrix between all rows: forms, samples, outputs; row after row."""
        return np.asarray(self.rows @ (self.rows @ matrix).T)

    def values(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return ⟨F_p, matrix⟩ of the entries of A, and of the block's own unknowns."""
        images = self.images(matrix)
        shared: Floats = 2.0 * images[self.sample, self.output]
        own = 2.0 * self.weight * images[self.first, self.second]
        return shared, np.concatenate([-self.norms @ np.diag(matrix), own])

    def hold(self, pairs: Integers, mu: float) -> None:
        """Hold more products, as near the central path as Z ⪰ 0 allows; the twins pay as in :func:`dual_start`.

        Parameters
        ----------
        pairs: of forms, shape (p, 2).
        mu: what their complementarity products should be.
        """
        first, second = pairs.T
        old, q, k = len(self.first), len(self.norms), len(self.block.twins)
        self.first, self.second = np.concatenate([self.first, first]), np.concatenate([self.second, second])
        x = self.values(self.X)[1][q + old :]
        added = np.zeros(q + old + len(first))
        lower: Floats = np.asarray(np.linalg.cholesky(self.Z))
        half = scipy.linalg.solve_triangular(lower, self.block.matrix.T.toarray(), lower=True)
        size = np.linalg.norm(half, axis=0)
        # One that is far off the central path is not to keep all others small.
        most = 0.5 / (self.weight[old:] * size[first] * size[second])
        added[q + old :] = np.where(x * most > mu, mu / x, most)
        # g_ag_bᵀ + g_bg_aᵀ takes from the diagonal of ββ no more than the absolute entries of its rows.
        parts = abs(self.block.matrix[:, :k])
        sums = np.asarray(parts.sum(axis=1)).ravel()
        share = 0.5 * (self.weight[old:] * added[q + old :])
        added[q : q + k] -= parts[first].T @ (share * sums[second]) + parts[second].T @ (share * sums[first])
        change = self.adjoint(np.zeros(len(self.sample)), added)
        scale = min(1.0, 0.5 / max(-least_eigenvalue(lower, -change), 1e-300))
        self.y = np.concatenate([self.y, np.zeros(len(first))]) + scale * added
        self.Z = self.Z - scale * change
        # Where P is negative, or far below the central path, x starts above it, and both meet as steps are taken.
        self.x = np.concatenate([self.x, np.maximum(x, CENTRED * mu / self.y[q + old :])])
        self.open[first, second] = False


@dataclass(frozen=True, eq=False)
class Direction:
    """A change of the coordinates of A, of y, Z, X, x of every block, of the offset, and of the walls' multipliers."""

    B: Floats
    y: tuple[Floats, ...]
    Z: tuple[Floats, ...]
    X: tuple[Floats, ...]
    x: tuple[Floats, ...]
    offset: Floats
    pressure: Floats


class Iterate:
    """The iterate of all blocks and of what they have in common.

    Parameters
    ----------
    lifting, blocks: the program and its blocks.
    neighbours: nearest rows that every row starts with.
    pool: works on blocks at a time; None for one after the other.

    Raises
    ------
    LinAlgError: there is no strictly feasible start.
    """

    def __init__(
        self, lifting: LiftedProgram, blocks: Sequence[Block], neighbours: int | None, pool: Executor | None
    ) -> None:  # fmt: skip
        self.problem, self.pool = lifting.problem, pool
        self.data = DataTerm(lifting.problem)
        rows = lifting.reduction.rows
        made = (lambda block: BlockIterate(block, rows, self.problem, self.data, neighbours)), blocks
        self.blocks = list(map(*made) if pool is None else pool.map(*made))
        self.B = self.data.start().ravel()
        self._shrink()
        # No neuron costs this much, of which the start's products add up to a tenth.
        nothing = 2.0 * abs(self.data.value(np.zeros(self.data.coordinates)))
        for block in self.blocks:
            block.X *= 0.1 * nothing / (len(self.blocks) * float(np.sum(block.X * block.Z)))
            block.x = block.values(block.X)[1][block.free :]
        self.offset = np.zeros(self.data.coordinates[1])
        self.pressure = np.zeros_like(self.data.ends)
        self.pressure[self.data.walls] = self.mu / self.data.room(self.coordinates)[self.data.walls]

    def _shrink(self) -> None:
        """Halve A until every slack is positive definite with room to spare.

        Raises
        ------
        LinAlgError: one is not for A = 0.
        """
        for _ in range(SHRINKING):
            if all(_positive(block.slack(self.B, block.y)) for block in self.blocks):
                break
            self.B = 0.5 * self.B
        self.B = 0.5 * self.B
        for block in self.blocks:
            block.Z = block.slack(self.B, block.y)
            np.linalg.cholesky(block.Z)

    @property
    def coordinates(self) -> Floats:
        """The coordinates of A, shape (n, k)."""
        return self.B.reshape(self.data.coordinates)

    @property
    def A(self) -> Floats:
        """A, shape (n, c)."""
        return self.data.point(self.coordinates)

    @property
    def held(self) -> int:
        """Number of entrywise constraints that are held."""
        return sum(block.held for block in self.blocks)

    @property
    def infeasibility(self) -> float:
        """What x differs from P in all blocks, in units of the objective."""
        return sum(block.infeasibility for block in self.blocks)

    @property
    def violation(self) -> float:
        """How far a product that is not held is below zero, as a share of its block's largest one."""
        return max(block.violation for block in self.blocks)

    @property
    def mu(self) -> float:
        """The mean complementarity product."""
        walls = self.data.walls
        total = sum(block.products for block in self.blocks)
        count = sum(block.order + block.held for block in self.blocks)
        if np.any(walls):
            total += float(np.sum((self.pressure * self.data.room(self.coordinates))[walls]))
        return total / (count + int(np.sum(walls)))

    @property
    def primal(self) -> float:
        """Objective of S = 2X."""
        with np.errstate(over="ignore", invalid="ignore"):
            predictions = np.sum([block.predictions() for block in self.blocks], axis=0)
            return self.data.value(predictions) + sum(block.penalty() for block in self.blocks)

    @property
    def dual(self) -> float:
        """The value of the dual point."""
        return self.data.dual_value(self.coordinates)

    @property
    def gap(self) -> float:
        """Distance of primal and dual value, relative to the dual."""
        return abs(self.primal - self.dual) / max(abs(self.dual), 1e-300)

    def point(self) -> tuple[Floats, tuple[Floats, ...]]:
        """Return the dual point: A, shape (n, c), and N of every block."""
        return self.A, tuple(block.multipliers for block in self.blocks)

    def move(self, direction: Direction, primal: float, dual: float) -> None:
        """Take a step, a shorter one of the dual point where rounding would leave it outside.

        Raises
        ------
        LinAlgError: there is none.
        """
        for block, X, x in zip(self.blocks, direction.X, direction.x, strict=True):
            block.X = block.X + primal * X
            block.x = block.x + primal * x
        self.offset = self.offset + primal * direction.offset
        self.pressure = self.pressure + primal * direction.pressure
        # Z is made anew, not updated: what is certified is A and y.
        for _ in range(SHORTENING):
            B = self.B + dual * direction.B
            if self.data.inside(B.reshape(self.data.coordinates)):
                points = [block.y + dual * y for block, y in zip(self.blocks, direction.y, strict=True)]
                slacks = list(self._slacks(B, points))
                if len(slacks) == len(self.blocks):
                    self.B = B
                    for block, y, Z in zip(self.blocks, points, slacks, strict=True):
                        block.y, block.Z = y, Z
                    return
            dual *= 0.5
        raise np.linalg.LinAlgError

    def _slacks(self, B: Floats, points: Sequence[Floats]) -> Iterator[Floats]:
        """Yield the slack of every block, up to the first one that is not inside."""
        for block, y in zip(self.blocks, points, strict=True):
            Z = block.slack(B, y)
            if not (np.all(y[block.free :] > 0.0) and _positive(Z)):
                return
            yield Z


def symmetric(matrix: Floats) -> Floats:
    """Return the symmetric part."""
    return 0.5 * (matrix + matrix.T)


def _positive(matrix: Floats) -> bool:
    if not np.all(np.isfinite(matrix)):
        return False
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def least_eigenvalue(lower: Floats, matrix: Floats) -> float:
    """Return the least eigenvalue of L⁻¹ matrix L⁻ᵀ.

    Raises
    ------
    LinAlgError: rounding leaves none.
    """
    half = scipy.linalg.solve_triangular(lower, matrix, lower=True)
    whole = scipy.linalg.solve_triangular(lower, half.T, lower=True)
    if not np.all(np.isfinite(whole)):
        raise np.linalg.LinAlgError
    return float(scipy.linalg.eigvalsh(whole, subset_by_index=[0, 0])[0])
