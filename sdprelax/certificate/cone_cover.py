"""A rigorous upper bound of the oracle max ‖Bᵀ[(x̂ᵀw)₊; (−x̂ᵀw)₊]‖ over ‖w‖ = 1, by covering space with cones.

The proof starts from the 2^r orthants and splits simplicial cones {R·s : s ≥ 0} until each one
carries an elementary proof. It enumerates no arrangement, shares nothing with the methods
that find the maximum, and is rigorous against rounding:

**One cone.** Let F_k = f(r_k) be the vector value at ray k. With P_jk = (x̂_jᵀr_k)₊ and
M_jk = (−x̂_jᵀr_k)₊, the activation of row j at w = Σ s_k r_k falls short of its linear interpolation by
min(Σ s_kP_jk, Σ s_kM_jk) ≤ Σ s_k(τ_jP_jk + (1 − τ_j)M_jk) for every τ_j in [0, 1]; hence
‖f(w)‖ ≤ ‖Σ s_kF_k‖ + Σ s_kη_k with η_k = Σ_j ‖b_j + b_{j+g}‖(τ_jP_jk + (1 − τ_j)M_jk). So ‖f(w)‖ ≤ κ‖w‖ on the
cone as soon as

    Q = κ²·RRᵀ − FFᵀ − η|F|ᵀ − |F|ηᵀ − ηηᵀ      (rays in rows)

is copositive, and it is when Q − N is positive semidefinite for some N ≥ 0. Rows whose
sign is the same on all rays contribute nothing to η: the bound is exact where no hyperplane
crosses the cone.

**The cover.** A split replaces ray k by a point p of a face, rounded to p̃ with |p − p̃| ≤ δ = (3r + 12)u: all
rays stay in one closed orthant, so p̃ is componentwise accurate. By induction over the depth D every w of the
orthant is within D·δ·Σ s ≤ D·δ·√r·‖w‖·(1 + o(1)) of a point of some leaf; f is Lipschitz with constant
T = Σ_j max(‖b_j‖, ‖b_{j+g}‖), which turns this into an addition to κ of the order of 1e-13·T.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.deadline import Deadline
from sdprelax.verified import UNIT, Ball, Floats, bound_above, gamma

__all__ = ["Cover", "cover_sphere"]

BATCH = 4096
# Directions above the target kept of one batch.
PEAKS = 64
# A cone split this often is a sliver, whose crude bound is as good as a proof.
DEEPEST = 500
SMALLEST, LARGEST = 1e-140, 1e140


@dataclass(frozen=True, eq=False)
class Cover:
    """What a cover of weight space by cones proves.

    Attributes
    ----------
    bound: a proved upper bound of the maximum over the unit sphere.
    level: what the bound was before rounding errors were added: the value all cones were proved below.
    peaks: unit directions (r, k) met on the way whose value exceeds the target.
    reached: the largest value met, in floating point.
    cones: cones examined.
    depth: deepest level of splitting.
    complete: whether every cone was proved below max(target, reached); otherwise the
        bound is whatever the remaining cones allow.
    """

    bound: float
    level: float
    peaks: Floats
    reached: float
    cones: int
    depth: int
    complete: bool


@dataclass(eq=False)
class _Function:
    """f(w) = Bᵀ[(X̂w)₊; (−X̂w)₊] with bounds on the error of evaluating it."""

    rows: Floats
    up: Floats
    down: Floats

    def __init__(self, rows: Floats, dual: Ball) -> None:
        g, r = rows.shape
        self.rows = rows
        self.up, self.down = dual.mid[:g], dual.mid[g:]
        norms = dual.row_norms()
        lengths = Ball.exact(rows).row_norms()
        # ‖x̂_j‖ is 1 up to rounding; one factor for all of them keeps what follows simple.
        longest = float(np.max(lengths, initial=1.0))
        largest = np.maximum(norms[:g], norms[g:])
        self.lipschitz = bound_above(float(largest.sum()) * longest, g + 2)
        self.jump = (dual[:g] + dual[g:]).row_norms() * (1.0 + 4 * UNIT)
        slip = float(np.sqrt((dual.rad**2).sum(axis=1)).sum()) * longest
        # Rounding of the inner products (γ_r each, twice in F and in η) and of the two sums over rows.
        relative = 6 * gamma(r + 3) + 4 * gamma(g + 6)
        self.error = bound_above(1.01 * (relative * self.lipschitz + 2 * slip), 2 * g + 8)


def _psd(matrices: Floats, margin: Floats) -> NDArray[Any]:
    """Say which of the symmetric (m, r, r) matrices are proved to have λ_min ≥ margin.

    Cholesky factorisation written out over the batch; Rump's bound as in ``verified.proves_psd``.
    """
    r = matrices.shape[1]
    diagonal = np.einsum("mkk->mk", matrices)
    growth = 2 * gamma(r + 2)
    shift = (growth * np.abs(diagonal).sum(axis=1) + margin) * (1 + 16 * UNIT) + 4 * UNIT * np.abs(diagonal).max(axis=1)
    work = matrices.copy()
    good = np.all(diagonal > 0.0, axis=1)
    for k in range(r):
        work[:, k, k] -= shift
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for k in range(r):
            pivot = work[:, k, k]
            good &= pivot > 0.0
            root = np.sqrt(np.where(good, pivot, 1.0))
            column = work[:, k + 1 :, k] / root[:, None]
            work[:, k + 1 :, k + 1 :] -= column[:, :, None] * column[:, None, :]
    result: NDArray[np.bool_] = good
    return result


class _Search:
    """Depth-first refinement of the cover, in batches."""

    def __init__(self, function: _Function, target: float) -> None:
        self.f = function
        self.r = function.rows.shape[1]
        self.target = self.kappa = target
        self.reached = 0.0
        self.peaks: list[Floats] = []
        self.cones = 0
        self.deepest = 0

    def examine(self, rays: Floats) -> tuple[NDArray[Any], NDArray[Any], Floats, Floats]:
        """Return what is not proved among cones of shape (m, r, r), rays in rows.

        Returns their indices, the edges (k, 2) to split them at with the weights of the two rays, and
        crude bounds of the function on them.
        """
        f, r = self.f, self.r
        inner = rays @ f.rows.T
        positive, negative = np.maximum(inner, 0.0), np.maximum(-inner, 0.0)
        values = positive @ f.up + negative @ f.down
        norms = np.sqrt(np.einsum("mkc,mkc->mk", values, values))
        self._note(rays, norms)
        top, bottom = positive.max(axis=1), negative.max(axis=1)
        both = top + bottom
        share = np.divide(bottom, both, out=np.zeros_like(both), where=both > 0.0)
        np.multiply(positive, share[:, None, :], out=positive)
        np.multiply(negative, (1.0 - share)[:, None, :], out=negative)
        positive += negative
        eta = (positive @ f.jump) * (1 + 2 * gamma(f.rows.shape[0] + 8)) + f.error
        gram = rays @ np.swapaxes(rays, 1, 2)
        size = norms + eta
        # |F_k·F_l| is kept signed; the cross terms with η are bounds and enter with their worst sign.
        quadratic = (
            self.kappa**2 * gram
            - values @ np.swapaxes(values, 1, 2)
            - (size[:, :, None] * size[:, None, :] - norms[:, :, None] * norms[:, None, :])
        )
        largest = size.max(axis=1)
        error = 4 * gamma(r + f.up.shape[1] + 12) * (self.kappa**2 + largest**2)
        rest = np.flatnonzero(~self._copositive(quadratic, error))
        if rest.size == 0:
            return rest, np.zeros((0, 2), dtype=np.int64), np.zeros((0, 2)), np.zeros(0)
        edges, weights = self._splits(inner[rest], top[rest], bottom[rest], quadratic[rest], gram[rest])
        closest = gram[rest].reshape(len(rest), -1).min(axis=1) - 1e-12
        crude = np.where(closest > 0.0, largest[rest] / np.sqrt(np.maximum(closest, 1e-300)), np.inf)
        return rest, edges, weights, np.minimum(crude * (1 + 1e-12), f.lipschitz)

    def _note(self, rays: Floats, norms: Floats) -> None:
        """Keep what exceeds the target, and raise the aim above the largest value met."""
        best = float(norms.max())
        if best > self.target:
            high = np.argwhere(norms > max(self.target, 0.5 * best))
            high = high[np.argsort(-norms[high[:, 0], high[:, 1]])][:PEAKS]
            self.peaks.append(rays[high[:, 0], high[:, 1]])
        if best > self.reached:
            self.reached = best
            # Nothing below this value can be proved; the little more lets proofs at the maximum close.
            self.kappa = max(self.kappa, best * (1 + 1e-9) + 40 * self.f.error)

    def _copositive(self, quadratic: Floats, error: Floats) -> NDArray[Any]:
        margin = self.r * error
        off = ~np.eye(self.r, dtype=bool)
        nonnegative = np.all(quadratic >= error[:, None, None], axis=(1, 2))
        proved: NDArray[Any] = nonnegative
        rest = np.flatnonzero(~proved)
        if rest.size:
            part = quadratic[rest]
            clipped = np.where(off & (part > 0.0), 0.0, part)
            proved[rest] = _psd(clipped, margin[rest]) | _psd(part, margin[rest])
        return proved

    def _splits(
        self, inner: Floats, top: Floats, bottom: Floats, quadratic: Floats, gram: Floats
    ) -> tuple[NDArray[Any], Floats]:
        """Return for each cone the edge (a, b) to split and the weights of its two rays."""
        index = np.arange(len(inner))
        both = top + bottom
        depth = np.divide(top * bottom, both, out=np.zeros_like(both), where=both > 0.0)
        cost = depth * self.f.jump
        row = np.argmax(cost, axis=1)
        crossing = inner[index, :, row]
        a, b = np.argmax(crossing, axis=1), np.argmin(crossing, axis=1)
        weights = np.stack([-crossing[index, b], crossing[index, a]], axis=1)
        # Where no hyperplane matters any more, split the edge that is furthest from a proof.
        smooth = cost[index, row] <= 8 * self.f.error / max(1, self.f.rows.shape[0])
        if np.any(smooth):
            a[smooth], b[smooth], share = _smooth_split(quadratic[smooth], gram[smooth])
            weights[smooth] = np.stack([1.0 - share, share], axis=1)
        return np.stack([a, b], axis=1), weights

    def split(self, rays: Floats, edges: NDArray[Any], weights: Floats) -> Floats:
        """Return the two children of every cone, stacked."""
        index = np.arange(len(rays))
        # Only the ratio counts; of tiny weights the point itself would be lost to underflow.
        largest = weights.max(axis=1, keepdims=True)
        weights = np.divide(weights, largest, out=np.full_like(weights, 0.5), where=largest > 0.0)
        point = weights[:, :1] * rays[index, edges[:, 0]] + weights[:, 1:] * rays[index, edges[:, 1]]
        point /= np.sqrt(np.einsum("mk,mk->m", point, point))[:, None]
        left, right = rays.copy(), rays.copy()
        left[index, edges[:, 0]] = point
        right[index, edges[:, 1]] = point
        return np.concatenate([left, right])


def _smooth_split(quadratic: Floats, gram: Floats) -> tuple[NDArray[Any], NDArray[Any], Floats]:
    """Return (a, b, share of b) of the edge with the most negative entry of Q, for cones (m, r, r).

    The edge is cut where s ↦ q(s)/g(s) dips if that is well inside, otherwise halved: exact maxima end
    up on rays, where proofs close without slack.
    """
    r = quadratic.shape[1]
    first, second = np.triu_indices(r, 1)
    pair = np.argmin(quadratic[:, first, second], axis=1)
    a, b = first[pair], second[pair]
    index = np.arange(len(quadratic))
    q11, q12, q22 = quadratic[index, a, a], quadratic[index, a, b], quadratic[index, b, b]
    # Rays are unit, so the generalised eigenproblem on the edge is [q11 q12; q12 q22] against [1 g; g 1].
    g12 = gram[index, a, b]
    # Stationary points of q(1, t)/g(1, t):  (q12 − g12·q11) + (q22 − q11)t + (g12·q22 − q12)t² = 0.
    c0, c1, c2 = q12 - g12 * q11, q22 - q11, g12 * q22 - q12
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.maximum(c1 * c1 - 4 * c0 * c2, 0.0))
        # With c0 < 0 < c2 the minimum is the positive root.
        t = np.where(c1 >= 0.0, -2.0 * c0 / (c1 + root), (root - c1) / (2.0 * c2))
        share = t / (1.0 + t)
    inside = np.isfinite(share) & (share > 0.15) & (share < 0.85)
    return a, b, np.where(inside, share, 0.5)


def cover_sphere(
    rows: Floats, dual: Ball, target: float, *, max_cones: int = 10**12, deadline: Deadline | None = None
) -> Cover:
    """Bound max ‖Bᵀ[(x̂ᵀw)₊; (−x̂ᵀw)₊]‖ over the unit sphere from above, rigorously.

    Parameters
    ----------
    rows: generator rows X̂, shape (g, r), with r ≥ 1.
    dual: B, shape (2g, c), as a ball.
    target: the bound aimed at. Where a larger value is met, the aim rises to just above it, so a target below
        the maximum gives the maximum to nine digits, and the points where it is met. Outside of 1e-140 to
        1e140 nothing is proved, and the bound is infinite.
    max_cones: cones examined before the cover settles for crude bounds of what is left.
    deadline: the same by time.
    """
    r = rows.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        function = _Function(rows, dual)
    # Squares must neither overflow nor come near underflow, or nothing could be proved, however long the search.
    if not (SMALLEST < target < LARGEST and function.lipschitz < LARGEST and function.error < LARGEST):
        return Cover(math.inf, math.inf, np.zeros((r, 0)), 0.0, 0, 0, complete=False)
    search = _Search(function, target)
    signs = np.array(list(product((1.0, -1.0), repeat=r)))
    stack: list[tuple[int, Floats]] = [(0, signs[:, :, None] * np.eye(r))]
    left_over = 0.0
    complete = True
    while stack:
        depth, rays = stack.pop()
        if len(rays) > BATCH:
            stack.append((depth, rays[BATCH:]))
            rays = rays[:BATCH]
        search.cones += len(rays)
        search.deepest = max(search.deepest, depth)
        rest, edges, weights, crude = search.examine(rays)
        if rest.size == 0:
            continue
        crude = np.where(np.isnan(crude), np.inf, crude)
        if depth >= DEEPEST or r == 1:
            left_over = max(left_over, float(crude.max()))
            continue
        if search.cones >= max_cones or (deadline is not None and deadline.expired):
            left_over = max(left_over, float(crude.max()))
            complete = False
            continue
        stack.append((depth + 1, search.split(rays[rest], edges, weights)))
    level = max(search.kappa, left_over)
    # Rounded up, so that a path one split longer on another machine proves the same bound.
    deepest = 64 * (search.deepest // 64 + 1)
    drift = deepest * (3 * r + 12) * UNIT * math.sqrt(r) * 1.1
    bound = bound_above(level * (1 + drift) + function.lipschitz * drift + function.error, 8)
    peaks = np.concatenate(search.peaks) if search.peaks else np.zeros((0, r))
    return Cover(bound, level, peaks.T, search.reached, search.cones, search.deepest, complete)
