"""The Newton system of an iterate: an arrow, the unknowns of every block beside the entries of A, which all share.

    [M_1            C_1]
    [     ...       ...]      M_b, C_b, K_b:  tr(F_p X_b F_q W_b) over the block's own unknowns and the entries of A,
    [           M_k C_k]      W_b = Z_b⁻¹;   x_p/y_p is added to the diagonal of M_b, and −∇²D to ΣK_b.
    [C_1ᵀ ... C_kᵀ ΣK_b]

Each M_b is eliminated by itself, on a thread where there is one, and a system over the entries of A is left.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import scipy.linalg

from sdprelax.base import Floats
from sdprelax.solvers.interior_point.iterate import BlockIterate, Direction, Iterate, least_eigenvalue, symmetric

__all__ = ["Arm", "Newton"]

# The changes of the coordinates of A, and of every block's own unknowns.
_Solution = tuple[Floats, list[Floats]]

# A constraint that has just come in is far off the central path: its product may grow by this factor in one step.
GROWTH = 2.0
# Corrections of every solution of the Newton system by conjugate gradients, with the factor as preconditioner.
CORRECTIONS = 3
# Share of the diagonal that is added where a matrix has no factor otherwise: at first, and at most.
SHIFT, LARGEST_SHIFT = 1e-13, 1e-6


class Arm:
    """A block's part of the system, its own unknowns eliminated.

    Attributes
    ----------
    W: Z⁻¹.
    products: GXGᵀ over the block's forms, shape (m, m).
    s: the multipliers of what is held.
    corner: K_b and what its elimination subtracts, shape (nk, nk); upper triangles in Fortran's order.
    diagonal: that of K_b.
    """

    @np.errstate(all="ignore")  # threads do not inherit it
    def __init__(self, block: BlockIterate) -> None:
        from sdprelax.solvers._schur import schur_matrix  # kernels are loaded where they are called for

        self.block = block
        self.lower_Z: Floats = np.asarray(np.linalg.cholesky(block.Z))
        self.lower_X: Floats = np.asarray(np.linalg.cholesky(block.X + np.diag(1e-15 * np.diag(block.X))))
        inverse = scipy.linalg.solve_triangular(self.lower_Z, np.eye(block.order), lower=True)
        self.W = inverse.T @ inverse
        P, Q, q = block.images(block.X), block.images(self.W), len(block.norms)
        self.products, self.s = P[: block.forms, : block.forms], block.y[block.free :]
        own = block.first, block.second, block.weight
        shared = block.sample, block.output, np.ones(len(block.sample))
        count, common = len(block.y), len(block.sample)
        corner = np.zeros((common, common))
        schur_matrix(P, Q, *shared, *shared, True, corner)
        self.diagonal = np.diag(corner).copy()
        if not count:
            # No row is undetermined, and nothing is held.
            self.scale, self.factor = np.zeros(0), np.zeros((0, 0))
            self.arm, self.corner = np.zeros((0, common)), corner.T
            return
        # Of the norms, F = −diag(norm).
        turned = [block.values(-symmetric((block.X * norm) @ self.W)) for norm in block.norms]
        shift = SHIFT
        while True:
            matrix, arm = np.empty((count, count)), np.empty((common, count))
            if q:
                pairs = np.empty((count - q, count - q))
                schur_matrix(P, Q, *own, *own, True, pairs)
                matrix[q:, q:] = pairs
                coupling = np.empty((common, count - q))
                schur_matrix(P, Q, *shared, *own, False, coupling)
                arm[:, q:] = coupling
                for p, (with_shared, with_own) in enumerate(turned):
                    matrix[p:, p], arm[:, p] = with_own[p:], with_shared
            else:
                schur_matrix(P, Q, *own, *own, True, matrix)
                schur_matrix(P, Q, *shared, *own, False, arm)
            diagonal = np.einsum("ii->i", matrix)
            diagonal[block.free :] += block.x / self.s
            self.scale = 1.0 / np.sqrt(diagonal)
            matrix *= self.scale[:, None]
            matrix *= self.scale
            diagonal[:] = 1.0 + shift
            # Only the lower triangle of the rows is read, which is the upper one of LAPACK's columns.
            self.factor, info = scipy.linalg.lapack.dpotrf(matrix.T, lower=0, overwrite_a=1, clean=0)
            if info == 0:
                break
            # The factorisation was in place: the matrix is made anew.
            shift = _more(shift, self.scale)
        arm *= self.scale
        # What LAPACK calls the columns are the entries of A.
        self.arm = scipy.linalg.blas.dtrsm(1.0, self.factor, arm.T, trans_a=1, overwrite_b=1)
        self.corner = scipy.linalg.blas.dsyrk(-1.0, self.arm, beta=1.0, c=corner.T, trans=1, overwrite_c=1)

    def down(self, right: Floats) -> Floats:
        """Return what is left of the block's right-hand side."""
        if not len(right):
            return right
        return np.asarray(scipy.linalg.blas.dtrsv(self.factor, right * self.scale, trans=1))

    def up(self, left: Floats, B: Floats) -> Floats:
        """Return the block's own unknowns, once those of A are known."""
        if not len(left):
            return left
        return np.asarray(scipy.linalg.blas.dtrsv(self.factor, left - self.arm @ B) * self.scale)


def _more(shift: float, scale: Floats) -> float:
    """Return the next shift to try.

    Raises
    ------
    LinAlgError: it would be too large, or the matrix is not finite.
    """
    if 100.0 * shift > LARGEST_SHIFT or not np.all(np.isfinite(scale)):
        raise np.linalg.LinAlgError
    return 100.0 * shift


class Newton:
    """The Newton system of an iterate, factored.

    Parameters
    ----------
    run: the iterate, which is not to change meanwhile.

    Raises
    ------
    LinAlgError: rounding leaves no factor.
    """

    def __init__(self, run: Iterate) -> None:
        self.run, data = run, run.data
        self.arms = list(map(Arm, run.blocks) if run.pool is None else run.pool.map(Arm, run.blocks))
        self.mu = run.mu
        self.room = data.room(run.coordinates)
        self.stiff = np.where(data.walls, run.pressure / self.room, 0.0)
        self.curved = data.hessian(run.coordinates, np.sum(self.stiff, axis=0))
        n, k = data.coordinates
        places = np.arange(n * k).reshape(n, k)
        whole = np.zeros((n * k, n * k))
        whole[places[:, :, None], places[:, None, :]] = self.curved
        self.scale = 1.0 / np.sqrt(np.diag(whole) + sum(arm.diagonal for arm in self.arms))
        for arm in self.arms:
            whole += arm.corner
        whole *= self.scale[:, None]
        whole *= self.scale
        shift = SHIFT
        while True:
            self.factor, info = scipy.linalg.lapack.dpotrf(whole + shift * np.eye(n * k), lower=0, clean=0)
            if info == 0:
                break
            shift = _more(shift, self.scale)

    def mu_after(self, direction: Direction, primal: float, dual: float) -> float:
        """Return the mean complementarity product after a step."""
        run, walls = self.run, self.run.data.walls
        total, count = 0.0, int(np.sum(walls))
        for arm, X, x, Z, y in zip(self.arms, direction.X, direction.x, direction.Z, direction.y, strict=True):
            block = arm.block
            total += float(np.sum((block.X + primal * X) * (block.Z + dual * Z)))
            total += float((block.x + primal * x) @ (arm.s + dual * y[block.free :]))
            count += block.order + len(x)
        if np.any(walls):
            pressure, room = run.pressure + primal * direction.pressure, self.room + dual * self._nearing(direction.B)
            total += float(np.sum((pressure * room)[walls]))
        return total / count

    def _nearing(self, B: Floats) -> Floats:
        """Return the change of A's distances from the lower and upper ends, shape (2, n, c)."""
        A = self.run.data.point(B.reshape(self.run.data.coordinates))
        return np.stack([A, -A])

    def direction(self, target: float, affine: Direction | None) -> Direction:
        """Return the direction towards complementarity products ``target``, with the affine one's second order."""
        run, data = self.run, self.run.data
        pushed: Floats = np.zeros_like(run.pressure)
        if affine is not None:
            pushed = affine.pressure * self._nearing(affine.B) / self.room
        force = np.where(data.walls, target / self.room - pushed, 0.0)
        right = data.gradient(run.coordinates).ravel()
        if np.any(data.walls):
            right = right + ((force[0] - force[1]) @ data.frame).ravel()
        matrices, vectors, own = [], [], []
        for index, arm in enumerate(self.arms):
            block = arm.block
            matrix = target * arm.W
            vector = np.minimum(target, GROWTH * target / self.mu * block.x * arm.s) / arm.s
            if affine is not None:
                matrix = matrix - symmetric(affine.X[index] @ affine.Z[index] @ arm.W)
                vector = vector - affine.x[index] * affine.y[index][block.free :] / arm.s
            shared, mine = block.values(matrix)
            right = right - shared
            mine = -mine
            mine[block.free :] += vector
            matrices.append(matrix)
            vectors.append(vector)
            own.append(mine)
        (B, y), offset = self._with_offset(right, own)
        Zs, Xs, xs = [], [], []
        for arm, matrix, vector, change in zip(self.arms, matrices, vectors, y, strict=True):
            block = arm.block
            Z = -block.adjoint(B, change)
            Zs.append(Z)
            Xs.append(matrix - block.X - symmetric(block.X @ Z @ arm.W))
            xs.append(vector - block.x - block.x * change[block.free :] / arm.s)
        pressure = np.where(data.walls, force - run.pressure - self.stiff * self._nearing(B), 0.0)
        return Direction(B, tuple(y), tuple(Zs), tuple(Xs), tuple(xs), offset, pressure)

    def longest(self, direction: Direction) -> tuple[float, float]:
        """Return the primal and dual step to the boundary."""
        run, data, primal, dual = self.run, self.run.data, math.inf, math.inf
        for arm, X, x, Z, y in zip(self.arms, direction.X, direction.x, direction.Z, direction.y, strict=True):
            block = arm.block
            primal = min(primal, _longest(arm.lower_X, X), _ratio(block.x, x))
            dual = min(dual, _longest(arm.lower_Z, Z), _ratio(arm.s, y[block.free :]))
        if np.any(data.finite):
            primal = min(primal, _ratio(run.pressure[data.walls], direction.pressure[data.walls]))
            dual = min(dual, _ratio(self.room[data.finite], self._nearing(direction.B)[data.finite]))
        return primal, dual

    @cached_property
    def _of_offset(self) -> tuple[Floats, list[_Solution]]:
        """The columns that a constant output has in the system, shape (nk, k), and their solutions."""
        n, k = self.run.data.coordinates
        columns = np.tile(np.eye(k), (n, 1))
        nothing = [np.zeros(len(block.y)) for block in self.run.blocks]
        return columns, [self._solved(column, nothing) for column in columns.T]

    def _with_offset(self, right: Floats, own: list[Floats]) -> tuple[_Solution, Floats]:
        """Return the changes of A and y, and of the offset t: P + t for P, Σ_iA_i = δt, where it costs (δ/2)‖t‖²."""
        run, (B, y) = self.run, self._solved(right, own)
        if not run.problem.offset:
            return (B, y), np.zeros_like(run.offset)
        decay, (columns, solutions) = run.problem.offset_decay, self._of_offset
        inverse = np.stack([solution[0] for solution in solutions], axis=1)
        missing = np.sum(run.coordinates, axis=0) + columns.T @ B - decay * run.offset
        whole = columns.T @ inverse + decay * np.eye(len(run.offset))
        offset = np.linalg.solve(whole, missing - columns.T @ inverse @ run.offset)
        moved = run.offset + offset
        y = [
            mine - np.stack([solution[1][index] for solution in solutions], axis=1) @ moved
            for index, mine in enumerate(y)
        ]
        return (B - inverse @ moved, y), offset

    def _applied(self, B: Floats, y: list[Floats]) -> _Solution:
        """Return the system's matrix times a vector."""
        shape = self.run.data.coordinates
        total: Floats = np.einsum("iab,ib->ia", self.curved, B.reshape(shape)).ravel()
        own = []
        for arm, change in zip(self.arms, y, strict=True):
            block = arm.block
            shared, mine = block.values(symmetric(block.X @ block.adjoint(B, change) @ arm.W))
            mine[block.free :] += block.x / arm.s * change[block.free :]
            total = total + shared
            own.append(mine)
        return total, own

    def _preconditioned(self, right: Floats, own: list[Floats]) -> _Solution:
        left = [arm.down(mine) for arm, mine in zip(self.arms, own, strict=True)]
        for arm, mine in zip(self.arms, left, strict=True):
            right = right - arm.arm.T @ mine
        solved, _ = scipy.linalg.lapack.dpotrs(self.factor, right * self.scale, lower=0)
        B = np.asarray(solved * self.scale)
        return B, [arm.up(mine, B) for arm, mine in zip(self.arms, left, strict=True)]

    def _solved(self, right: Floats, own: list[Floats]) -> _Solution:
        """Return the solution of the system, corrected by a few steps of conjugate gradients.

        Raises
        ------
        LinAlgError: rounding leaves none.
        """
        ends = np.cumsum([len(right), *(len(mine) for mine in own)])[:-1]
        scale = np.concatenate([self.scale, *(arm.scale for arm in self.arms)])

        def apart(whole: Floats) -> _Solution:
            B, *y = np.split(whole, ends)
            return B, y

        def joined(solution: _Solution) -> Floats:
            return np.concatenate([solution[0], *solution[1]])

        y = joined(self._preconditioned(right, own))
        if not np.all(np.isfinite(y)):
            raise np.linalg.LinAlgError
        residual = joined((right, own)) - joined(self._applied(*apart(y)))
        best, least = y, float(np.linalg.norm(residual * scale))
        p, previous = np.zeros_like(y), 1.0
        for _ in range(CORRECTIONS):
            z = joined(self._preconditioned(*apart(residual)))
            rho = float(residual @ z)
            p, previous = z + rho / previous * p, rho
            image = joined(self._applied(*apart(p)))
            length = float(p @ image)
            if not (rho > 0.0 and length > 0.0):
                break
            y, residual = y + rho / length * p, residual - rho / length * image
            size = float(np.linalg.norm(residual * scale))
            if size < least:
                best, least = y, size
        return apart(best)


def _longest(lower: Floats, change: Floats) -> float:
    """Return the step at which LLᵀ + step·change stops being positive definite."""
    least = least_eigenvalue(lower, change)
    return math.inf if least >= 0.0 else -1.0 / least


def _ratio(values: Floats, change: Floats) -> float:
    """Return the step at which an entry of values + step·change vanishes."""
    falling = change < 0.0
    return float(np.min(-values[falling] / change[falling], initial=math.inf))
