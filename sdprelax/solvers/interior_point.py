"""Our interior point for the reduced relaxation, with constraints as they bind (docs/mathematics/solvers.md).

Over z = (β, w, v), of order g + r + c, the dual point (A, M) has the slack

    Z = [γE_ww − GᵀMG, −H(A); −H(A)ᵀ, γI] = C − Σ_p y_pF_p,     F_p = g_ag_bᵀ + g_bg_aᵀ,  or g_ag_aᵀ where a = b.

Every unknown y_p, an entry of A or of M, belongs to a pair (a, b) of the rows of one matrix: what is nonnegative, α
and β, then the samples' activations, then v. So the matrix of a primal-dual step consists of products of entries of two
matrices, and its order is the number of unknowns that are held, not that of the entries of Z. The loss adds −∇²D(A) to
it, the identity for the squared loss (:mod:`sdprelax.solvers._data_term`).

An entry of M that is not held is zero, which is feasible: Z ⪰ 0 at every step, so each one is a certificate. The primal
point keeps P = GXGᵀ > 0 for *all* entries: an entry that is not held and would end a step is held from then on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from sdprelax.base import Deadline, Floats, SolverFailed, positive_part
from sdprelax.cells import whole_space
from sdprelax.lifting import Block, LiftedProgram
from sdprelax.lifting.inequalities import Forms, Pairs
from sdprelax.solvers import Availability, PointReport, Solved, Sparing, StructuredSolution, installed, solvers
from sdprelax.solvers._data_term import DataTerm

__all__ = ["InteriorPoint", "dual_start", "primal_start"]

# Share of the way to the boundary that a step takes.
TO_BOUNDARY = 0.95
# An entry that is not held is, once a step takes this share of it away; at most so many per generator row at a time.
TAKEN, PER_ROW = 0.5, 3
# A constraint that has just come in is far off the central path: its product may grow by this factor in one step.
GROWTH = 2.0
# Corrections of every solution of the Newton system by conjugate gradients, with the factor as preconditioner.
CORRECTIONS = 3
# A run ends when its relative gap has not fallen by this factor within so many steps.
PROGRESS, PATIENCE = 0.95, 6
# Squared distance of unit rows from which on nearer pairs start no larger multipliers.
NEAREST = 1e-10
# Neighbours that rows start with where nobody says, up to so many generators and beyond.
FEW_ROWS, MANY_NEIGHBOURS, FEW_NEIGHBOURS = 100, 12, 3
# Halvings of the start's A.
SHRINKING = 60
# Directions per row that the first primal point is made of: towards the nearest rows, and towards any.
NEAR, ANY = 32, 32
# Pairs of rows whose neurons are made at a time.
CHUNK = 1000


@solvers.register("interior_point")
@dataclass(frozen=True)
class InteriorPoint:
    """Our own primal-dual interior point: the reduced relaxation only, constraints held as they bind, no licence.

    Parameters
    ----------
    tolerance: relative distance of primal and dual value at which it stops.
    max_iterations: interior-point steps.
    neighbours: nearest rows whose constraints every row starts with; None: 12 for up to 100 generators, 3 for more.
    max_constraints: most entrywise constraints that are held, m; memory is 8m² bytes, time m³ a step. Beyond them the
        bound is that of a looser relaxation.
    """

    kernels: ClassVar[tuple[str, ...]] = ("sdprelax.solvers._schur",)
    # Those that have ∇D and ∇²D.
    losses: ClassVar[tuple[str, ...]] = (
        "squared", "cross_entropy", "logistic", "hinge", "squared_hinge", "huber", "absolute", "quantile", "poisson",
    )  # fmt: skip
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True
    takes: ClassVar[frozenset[str]] = frozenset({"nonnegative", "complementary"})
    # Beyond, a step takes so long that a first-order solver is done before.
    default_up_to: ClassVar[float] = 150

    tolerance: PositiveFloat = 1e-6
    max_iterations: PositiveInt = 300
    neighbours: NonNegativeInt | None = None
    max_constraints: PositiveInt = 20_000

    def availability(self) -> Availability:
        """Say that it runs wherever this package does."""
        return installed("interior_point", "sdprelax", "pip install sdprelax")

    def solve_blocks(
        self, lifting: LiftedProgram, blocks: Sequence[Block], deadline: Deadline, report: PointReport
    ) -> StructuredSolution:
        """Solve the reduced relaxation of a presolved program over all of weight space.

        Parameters
        ----------
        report: called now and then with A, shape (n, c), and N, shape (2g, 2g), a strictly feasible dual point.

        Raises
        ------
        SolverFailed: no strictly feasible start, as without presolve, where rows may be parallel.
        """
        try:
            with np.errstate(all="ignore"):
                run = _Run(lifting, self)
        except np.linalg.LinAlgError:
            raise SolverFailed(
                "interior_point found no strictly feasible start: rows of X are too nearly parallel; clarabel may do."
            ) from None
        status, steps, tell = "iteration limit", 0, Sparing(report)
        best, least, since = run.y, math.inf, 0
        while steps < self.max_iterations:
            if deadline.expired:
                status = "time limit"
                break
            try:
                # Overflow ends in an infinite direction, which is refused.
                with np.errstate(all="ignore"):
                    run.step()
            except np.linalg.LinAlgError:
                status = "stalled"
                break
            steps += 1
            tell(run.A, [run.multipliers])
            if run.dual >= run.dual_at(best):
                best = run.y
            gap = run.gap
            if gap <= self.tolerance:
                status = "optimal"
                break
            since = 0 if gap < PROGRESS * least else since + 1
            least = min(least, gap)
            if since == PATIENCE:
                status = "stalled"
                break
        run.y = np.concatenate([best, np.zeros(len(run.y) - len(best))])
        log = (
            f"interior_point: {status}, {steps} steps, {run.held} of {run.entries} entrywise constraints held, "
            f"relative gap {run.gap:.1e}\n"
        )
        return StructuredSolution((2.0 * run.X,), run.A, (run.multipliers,), Solved(status, run.primal, log))


def primal_start(rows: Floats) -> Floats:
    """Return Σzzᵀ over true neurons z = (β, w), shape (g + r, g + r), with every entry of P but P_{α_iβ_i} positive.

    α_iβ_j of unit rows at angle θ is at most sin²(θ/2)‖w‖², attained at w ∝ x̂_i − x̂_j, and α_iα_j at most
    cos²(θ/2)‖w‖², attained at x̂_i + x̂_j. Those are the neurons: of every row with its nearest ones, a random choice
    of the others, and every pair that still has a zero entry.
    """
    g = len(rows)
    order = np.argsort(-np.abs(rows @ rows.T), axis=1)
    rng = np.random.default_rng(0)
    near = min(g, NEAR)
    chosen = [order[:, :near]]
    if g > near:
        any_others = [rng.choice(order[i, near:], min(ANY, g - near), replace=False) for i in range(g)]
        chosen.append(np.array(any_others))
    others = np.hstack(chosen)
    total, count = _neurons_between(rows, np.repeat(np.arange(g), others.shape[1]), others.ravel())
    forms = Forms.of(rows, whole_space(g))
    first, second = forms.pairs[(forms.matrix @ (forms.matrix @ total).T)[tuple(forms.pairs.T)] <= 0.0].T
    more, added = _neurons_between(rows, first % g, second % g)
    return (total + more) / (count + added)


def _neurons_between(rows: Floats, first: Pairs, second: Pairs) -> tuple[Floats, int]:
    """Return Σzzᵀ over the neurons at ±x̂_i ± x̂_j of pairs of rows, and their number."""
    g, r = rows.shape
    total, count = np.zeros((g + r, g + r)), 0
    for start in range(0, len(first), CHUNK):
        mine, other = rows[first[start : start + CHUNK]], rows[second[start : start + CHUNK]]
        w = np.concatenate([mine - other, other - mine, mine + other, -mine - other])
        w = w[np.linalg.norm(w, axis=1) > 0.0]
        w /= np.linalg.norm(w, axis=1)[:, None]
        z = np.hstack([positive_part(-w @ rows.T), w])
        total += z.T @ z
        count += len(z)
    return total, count


def dual_start(rows: Floats, gamma: float, neighbours: int) -> tuple[Floats, Pairs, Floats]:
    """Return (τ, pairs, M): multipliers with γE_ww − GᵀMG ≻ 0, of every row with its nearest ones.

    For unit rows at squared distance d the entries t of α_iβ_j and α_jβ_i and −t of the two twins α_iβ_i, α_jβ_j make
    the form −2t(α_i − α_j)(β_i − β_j), which is at most td‖w‖²/2: pairs may have t = κ/d. The same holds of x̂_i and
    −x̂_j, which swaps α_j and β_j, also for i = j.

    Returns
    -------
    τ, shape (g,): the entries of M at the twins (α_i, β_i), negative.
    pairs, shape (m, 2): the other entries, indices into (α, β), first ≤ second; M, shape (m,): theirs, positive.
    """
    g = len(rows)
    cosines = rows @ rows.T
    ranking = np.abs(cosines) - 3.0 * np.eye(g)
    nearest = np.argsort(-ranking, axis=1)[:, : min(neighbours, g - 1)]
    i = np.concatenate([np.repeat(np.arange(g), nearest.shape[1]), np.arange(g)])
    j = np.concatenate([nearest.ravel(), np.arange(g)])
    i, j = np.unique(np.sort(np.stack([i, j], axis=1), axis=1), axis=0).T
    acute = (cosines[i, j] > 0.0) & (i != j)
    difference = rows[i] - np.where(acute, 1.0, -1.0)[:, None] * rows[j]
    distance = np.maximum(np.sum(difference**2, axis=1), NEAREST)
    # Of γ the twins take at most 3/20 and the pairs 7/40; the rest is for A.
    spread = np.linalg.eigvalsh((difference / distance[:, None]).T @ difference)[-1]
    t = 0.7 * gamma / spread / distance
    twins = np.full(g, -0.3 * gamma / np.linalg.eigvalsh(rows.T @ rows)[-1])
    np.add.at(twins, i, -0.5 * t)
    np.add.at(twins, j, -0.5 * t)
    one = np.stack([i, np.where(acute, j + g, j)], axis=1)
    other = np.stack([np.where(acute, j, i + g), np.where(acute, i + g, j + g)], axis=1)
    pairs = np.sort(np.concatenate([one, other]), axis=1)
    values = np.where(pairs[:, 0] == pairs[:, 1], 1.0, 0.5) * np.concatenate([t, t])
    return twins, pairs, values


class _Run:
    """The iterate: X and x = P at the held entries, and the dual point y with its slack Z."""

    def __init__(self, lifting: LiftedProgram, options: InteriorPoint) -> None:
        problem, rows = lifting.problem, lifting.reduction.rows
        self.options, self.problem, self.gamma = options, problem, problem.gamma
        self.data = DataTerm(problem)
        g, r = rows.shape
        (n, c), k = problem.Y.shape, self.data.coordinates[1]
        self.g, self.nonnegative = g, 2 * g
        activations = lifting.face[: 2 * g, : g + r]
        samples = lifting.selection @ sp.csr_array(activations)
        outer = sp.block_diag([sp.vstack([sp.csr_array(activations), samples]), sp.csr_array(self.data.frame.T)])
        self.rows = sp.csr_array(outer)
        self.transposed = sp.csr_array(self.rows.T)
        self.samples, self.outputs = slice(2 * g, 2 * g + n), slice(2 * g + n, 2 * g + n + k)
        neighbours = options.neighbours
        if neighbours is None:
            neighbours = MANY_NEIGHBOURS if g <= FEW_ROWS else FEW_NEIGHBOURS
        twins, pairs, values = dual_start(rows, problem.gamma, neighbours)
        sample, output = np.divmod(np.arange(n * k), k)
        self.first = np.concatenate([sample + 2 * g, np.arange(g), pairs[:, 0]])
        self.second = np.concatenate([output + 2 * g + n, np.arange(g) + g, pairs[:, 1]])
        self.y = np.concatenate([self.data.start().ravel(), twins, values])
        self.linear, self.free = n * k, n * k + g
        self.C = np.zeros((g + r + c, g + r + c))
        self.C[g:, g:] = problem.gamma * np.eye(r + c)
        self.Z = self._feasible()
        self.X = np.zeros_like(self.C)
        self.X[: g + r, : g + r] = primal_start(rows)
        self.X[g + r :, g + r :] = np.eye(c) / r
        nothing = 2.0 * abs(self.data.value(np.zeros((n, k))))
        self.X *= 0.1 * nothing / float(np.sum(self.X * self.Z))
        P = self._images(self.X)
        self.open = np.triu(np.ones((2 * g, 2 * g), dtype=bool))
        self.open[np.arange(g), np.arange(g) + g] = False
        self.entries = int(np.sum(self.open))
        if np.min(P[: 2 * g, : 2 * g][self.open]) <= 0.0:
            raise np.linalg.LinAlgError
        self.open[pairs[:, 0], pairs[:, 1]] = False
        self.x = self._values(P)[self.free :]
        self.t = np.zeros(k)
        self.pressure = np.zeros_like(self.data.ends)
        self.pressure[self.data.walls] = self.mu / self.data.room(self.B)[self.data.walls]

    def _feasible(self) -> Floats:
        """Return the slack of the start, whose A shrinks until it is positive definite with room to spare.

        Raises
        ------
        LinAlgError: it is not for A = 0.
        """
        for _ in range(SHRINKING):
            Z = self.C - self._adjoint(self.y)
            if _positive(Z):
                break
            self.y[: self.linear] *= 0.5
        if np.any(self.y[: self.linear]):
            self.y[: self.linear] *= 0.5
            Z = self.C - self._adjoint(self.y)
        np.linalg.cholesky(Z)
        return Z

    @property
    def held(self) -> int:
        """Number of entrywise constraints that are held."""
        return len(self.x)

    @property
    def weight(self) -> Floats:
        """1, or ½ where a pair has one row twice: F_p = weight·(g_ag_bᵀ + g_bg_aᵀ)."""
        return np.where(self.first == self.second, 0.5, 1.0)

    @property
    def mu(self) -> float:
        """The mean complementarity product."""
        walls = self.data.walls
        products = float(np.sum(self.X * self.Z)) + float(self.x @ self.y[self.free :])
        if np.any(walls):
            products += float(np.sum((self.pressure * self.data.room(self.B))[walls]))
        return products / (len(self.Z) + self.held + int(np.sum(walls)))

    @property
    def B(self) -> Floats:
        """The coordinates of A, shape (n, k)."""
        return self.y[: self.linear].reshape(self.data.coordinates)

    @property
    def A(self) -> Floats:
        """A, shape (n, c)."""
        return self.data.point(self.B)

    @property
    def multipliers(self) -> Floats:
        """N = γM, shape (2g, 2g)."""
        N = np.zeros((self.nonnegative, self.nonnegative))
        first, second = self.first[self.linear :], self.second[self.linear :]
        N[first, second] = N[second, first] = self.gamma * self.y[self.linear :]
        return N

    @property
    def primal(self) -> float:
        """Objective of Λ = T(2X)Tᵀ."""
        loss = self.data.value(2.0 * self._images(self.X)[self.samples, self.outputs])
        return loss + self.gamma * float(np.trace(self.X[self.g :, self.g :]))

    def dual_at(self, y: Floats) -> float:
        """Return D(A) of a dual point."""
        return self.data.dual_value(y[: self.linear].reshape(self.data.coordinates))

    @property
    def dual(self) -> float:
        """The value of the dual point."""
        return self.dual_at(self.y)

    @property
    def gap(self) -> float:
        """Distance of primal and dual value, relative to the dual."""
        return abs(self.primal - self.dual) / max(abs(self.dual), 1e-300)

    def _adjoint(self, y: Floats) -> Floats:
        """Return Σ y_pF_p."""
        order = self.rows.shape[0]
        upper = sp.csr_array((self.weight * y, (self.first, self.second)), shape=(order, order))
        matrix = np.asarray((self.transposed @ upper @ self.rows).toarray())
        summed: Floats = matrix + matrix.T
        return summed

    def _images(self, matrix: Floats) -> Floats:
        """Return the matrix between all rows."""
        return np.asarray((self.rows @ (self.rows @ matrix).T).T)

    def _values(self, images: Floats) -> Floats:
        """Return ⟨F_p, ·⟩ from a matrix's images."""
        values: Floats = 2.0 * self.weight * images[self.first, self.second]
        return values

    def step(self) -> None:
        """Take one predictor-corrector step (HKM direction).

        Raises
        ------
        LinAlgError: rounding leaves no direction.
        """
        newton = _Newton(self)
        affine = newton.direction(0.0, None)
        primal, dual = newton.longest(affine)
        along = newton.mu_after(affine, min(1.0, primal), min(1.0, dual))
        centring = min(1.0, max(along / newton.mu, 1e-3))
        found = newton.direction(centring * newton.mu, affine)
        primal, dual = newton.longest(found)
        primal, dual = min(1.0, TO_BOUNDARY * primal), min(1.0, TO_BOUNDARY * dual)
        room = self.options.max_constraints - self.held
        taken = np.zeros_like(self.open, dtype=np.float64)
        if room > 0:
            # What is not held limits the step as well.
            change = self._images(found.X)[: self.nonnegative, : self.nonnegative]
            before = newton.P[: self.nonnegative, : self.nonnegative]
            taken[self.open] = -primal * change[self.open] / before[self.open]
            primal = min(primal, TO_BOUNDARY * primal / max(float(np.max(taken)), TO_BOUNDARY))
        self._move(found, primal, dual)
        if room > 0:
            wanted = np.flatnonzero(taken.ravel() > TAKEN)
            wanted = wanted[np.argsort(-taken.ravel()[wanted])[: min(room, PER_ROW * self.g)]]
            if len(wanted):
                self._hold(np.stack(np.unravel_index(wanted, taken.shape), axis=1))

    def _move(self, direction: _Direction, primal: float, dual: float) -> None:
        self.X = self.X + primal * direction.X
        self.x = self.x + primal * direction.x
        self.t = self.t + primal * direction.t
        self.pressure = self.pressure + primal * direction.pressure
        # Z is made anew, not updated: what is certified is y.
        for _ in range(40):
            y = self.y + dual * direction.y
            Z = self.C - self._adjoint(y)
            inside = self.data.inside(y[: self.linear].reshape(self.data.coordinates))
            if inside and np.all(y[self.free :] > 0.0) and _positive(Z):
                self.y, self.Z = y, Z
                return
            dual *= 0.5
        raise np.linalg.LinAlgError

    def _hold(self, pairs: Pairs) -> None:
        """Hold more entries, as near the central path as Z ⪰ 0 allows; the twins pay as in :func:`dual_start`."""
        first, second = pairs.T
        old, mu = len(self.y), self.mu
        self.first, self.second = np.concatenate([self.first, first]), np.concatenate([self.second, second])
        x = self._values(self._images(self.X))[old:]
        added = np.zeros(len(self.first))
        added[old:] = mu / x
        share = np.where(first == second, 0.25, 0.5) * added[old:]
        np.subtract.at(added, self.linear + first % self.g, share)
        np.subtract.at(added, self.linear + second % self.g, share)
        change = self._adjoint(added)
        lower: Floats = np.asarray(np.linalg.cholesky(self.Z))
        scale = min(1.0, 0.5 / max(-_least_eigenvalue(lower, -change), 1e-300))
        self.y = np.concatenate([self.y, np.zeros(len(first))]) + scale * added
        self.Z = self.Z - scale * change
        self.x = np.concatenate([self.x, x])
        self.open[first, second] = False


@dataclass(frozen=True, eq=False)
class _Direction:
    """A change of y, Z, X, x, of the offset t, and of the walls' multipliers."""

    y: Floats
    Z: Floats
    X: Floats
    x: Floats
    t: Floats
    pressure: Floats


class _Newton:
    """The Newton system of an iterate, factored."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        order = len(run.Z)
        self.lower_Z: Floats = np.asarray(np.linalg.cholesky(run.Z))
        self.lower_X: Floats = np.asarray(np.linalg.cholesky(run.X + np.diag(1e-15 * np.diag(run.X))))
        inverse = scipy.linalg.solve_triangular(self.lower_Z, np.eye(order), lower=True)
        self.W = inverse.T @ inverse
        self.P = run._images(run.X)
        self.s = run.y[run.free :]
        self.mu = run.mu
        self.room = run.data.room(run.B)
        self.stiff = np.where(run.data.walls, run.pressure / self.room, 0.0)
        self.curved = run.data.hessian(run.B, np.sum(self.stiff, axis=0))
        from sdprelax.solvers._schur import schur_matrix  # kernels are loaded where they are called for

        unknowns = len(run.y)
        matrix, Q, weight = np.empty((unknowns, unknowns)), run._images(self.W), run.weight
        shift = 1e-13
        while True:
            schur_matrix(np.asfortranarray(self.P), np.asfortranarray(Q), run.first, run.second, weight, matrix)
            diagonal = np.einsum("ii->i", matrix)
            places = np.arange(run.linear).reshape(run.data.coordinates)
            matrix[places[:, :, None], places[:, None, :]] += self.curved
            diagonal[run.free :] += run.x / self.s
            self.scale = 1.0 / np.sqrt(diagonal)
            matrix *= self.scale[:, None]
            matrix *= self.scale
            diagonal[:] = 1.0 + shift
            # Only the lower triangle of the rows is read, which is the upper one of LAPACK's columns.
            self.factor, info = scipy.linalg.lapack.dpotrf(matrix.T, lower=0, overwrite_a=1, clean=0)
            if info == 0:
                break
            # The factorisation was in place: the matrix is made anew.
            shift *= 100.0
            if shift > 1e-6 or not np.all(np.isfinite(self.scale)):
                raise np.linalg.LinAlgError

    def mu_after(self, direction: _Direction, primal: float, dual: float) -> float:
        """Return the mean complementarity product after a step."""
        run, walls = self.run, self.run.data.walls
        X, x = run.X + primal * direction.X, run.x + primal * direction.x
        Z, s = run.Z + dual * direction.Z, self.s + dual * direction.y[run.free :]
        products = float(np.sum(X * Z)) + float(x @ s)
        if np.any(walls):
            pressure, room = run.pressure + primal * direction.pressure, self.room + dual * self._nearing(direction.y)
            products += float(np.sum((pressure * room)[walls]))
        return products / (len(Z) + len(x) + int(np.sum(walls)))

    def _nearing(self, y: Floats) -> Floats:
        """Return the change of A's distances from the lower and upper ends, shape (2, n, c)."""
        A = self.run.data.point(y[: self.run.linear].reshape(self.run.data.coordinates))
        return np.stack([A, -A])

    def direction(self, target: float, affine: _Direction | None) -> _Direction:
        """Return the direction towards complementarity products ``target``, with the affine one's second order."""
        run, s, data = self.run, self.s, self.run.data
        curvature: Floats = np.zeros_like(self.W)
        products: Floats = np.zeros_like(s)
        pushed: Floats = np.zeros_like(run.pressure)
        wanted = np.minimum(target, GROWTH * target / self.mu * run.x * s)
        if affine is not None:
            curvature = _symmetric(affine.X @ affine.Z @ self.W)
            products = affine.x * affine.y[run.free :] / s
            pushed = affine.pressure * self._nearing(affine.y) / self.room
        matrix = target * self.W - curvature
        vector = wanted / s - products
        force = np.where(data.walls, target / self.room - pushed, 0.0)
        right = -run._values(run._images(matrix))
        right[: run.linear] += data.gradient(run.B).ravel()
        if np.any(data.walls):
            right[: run.linear] += ((force[0] - force[1]) @ data.frame).ravel()
        right[run.free :] += vector
        y, t = self._with_offset(right)
        Z = -run._adjoint(y)
        X = matrix - run.X - _symmetric(run.X @ Z @ self.W)
        x = vector - run.x - run.x * y[run.free :] / s
        pressure = np.where(data.walls, force - run.pressure - self.stiff * self._nearing(y), 0.0)
        return _Direction(y, Z, X, x, t, pressure)

    @cached_property
    def _of_offset(self) -> tuple[Floats, Floats]:
        """The columns that a constant output has in the system, shape (unknowns, k), and their solutions."""
        n, k = self.run.data.coordinates
        columns = np.zeros((len(self.run.y), k))
        columns[: self.run.linear] = np.tile(np.eye(k), (n, 1))
        return columns, np.stack([self._solved(column) for column in columns.T], axis=1)

    def _with_offset(self, right: Floats) -> tuple[Floats, Floats]:
        """Return the changes of y and of the offset t: with P + t for P, and Σ_iA_i = δt, where it costs (δ/2)‖t‖²."""
        run, y = self.run, self._solved(right)
        if not run.problem.offset:
            return y, np.zeros_like(run.t)
        decay, (columns, solutions) = run.problem.offset_decay, self._of_offset
        missing = np.sum(run.B, axis=0) + columns.T @ y - decay * run.t
        whole = columns.T @ solutions + decay * np.eye(len(run.t))
        offset = np.linalg.solve(whole, missing - columns.T @ solutions @ run.t)
        return y - solutions @ (run.t + offset), offset

    def longest(self, direction: _Direction) -> tuple[float, float]:
        """Return the primal and dual step to the boundary."""
        run, data, s = self.run, self.run.data, direction.y[self.run.free :]
        primal = min(_longest(self.lower_X, direction.X), _ratio(run.x, direction.x))
        dual = min(_longest(self.lower_Z, direction.Z), _ratio(self.s, s))
        if np.any(data.finite):
            primal = min(primal, _ratio(run.pressure[data.walls], direction.pressure[data.walls]))
            dual = min(dual, _ratio(self.room[data.finite], self._nearing(direction.y)[data.finite]))
        return primal, dual

    def _applied(self, y: Floats) -> Floats:
        run = self.run
        image = run._values(run._images(_symmetric(run.X @ run._adjoint(y) @ self.W)))
        image[: run.linear] += np.einsum(
            "iab,ib->ia", self.curved, y[: run.linear].reshape(run.data.coordinates)
        ).ravel()
        image[run.free :] += run.x / self.s * y[run.free :]
        return image

    def _preconditioned(self, right: Floats) -> Floats:
        solved, _ = scipy.linalg.lapack.dpotrs(self.factor, right * self.scale, lower=0)
        return np.asarray(solved * self.scale)

    def _solved(self, right: Floats) -> Floats:
        """Return the solution of the Newton system, corrected by a few steps of conjugate gradients."""
        y = self._preconditioned(right)
        if not np.all(np.isfinite(y)):
            raise np.linalg.LinAlgError
        residual = right - self._applied(y)
        best, least = y, float(np.linalg.norm(residual * self.scale))
        p, previous = np.zeros_like(y), 1.0
        for _ in range(CORRECTIONS):
            z = self._preconditioned(residual)
            rho = float(residual @ z)
            p, previous = z + rho / previous * p, rho
            image = self._applied(p)
            length = float(p @ image)
            if not (rho > 0.0 and length > 0.0):
                break
            y, residual = y + rho / length * p, residual - rho / length * image
            size = float(np.linalg.norm(residual * self.scale))
            if size < least:
                best, least = y, size
        return best


def _symmetric(matrix: Floats) -> Floats:
    return 0.5 * (matrix + matrix.T)


def _positive(matrix: Floats) -> bool:
    if not np.all(np.isfinite(matrix)):
        return False
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def _least_eigenvalue(lower: Floats, matrix: Floats) -> float:
    """Return the least eigenvalue of L⁻¹ matrix L⁻ᵀ."""
    half = scipy.linalg.solve_triangular(lower, matrix, lower=True)
    whole = scipy.linalg.solve_triangular(lower, half.T, lower=True)
    if not np.all(np.isfinite(whole)):
        raise np.linalg.LinAlgError
    return float(scipy.linalg.eigvalsh(whole, subset_by_index=[0, 0])[0])


def _longest(lower: Floats, change: Floats) -> float:
    """Return the step at which LLᵀ + step·change stops being positive definite."""
    least = _least_eigenvalue(lower, change)
    return math.inf if least >= 0.0 else -1.0 / least


def _ratio(values: Floats, change: Floats) -> float:
    """Return the step at which an entry of values + step·change vanishes."""
    falling = change < 0.0
    return float(np.min(-values[falling] / change[falling], initial=math.inf))
