"""A rigorous upper bound of the oracle max ‖Bᵀ[(x̂ᵀw)₊; (−x̂ᵀw)₊]‖ over ‖w‖ = 1, by covering space with cones.

The proof starts from the 2^r orthants and splits simplicial cones {R·s : s ≥ 0} until each one
carries an elementary proof. It enumerates no arrangement, shares nothing with the methods
that find the maximum, and is rigorous against rounding.

**One cone.** With c_j = b_j + b_{j+g}, the function is f(w) = L₀w + Σ_j c_j(x̂_jᵀw)₊, L₀ = −Σ_j b_{j+g}x̂_jᵀ. Let F_k
= f(r_k) be its value at ray k and P_jk = (x̂_jᵀr_k)₊, M_jk = (−x̂_jᵀr_k)₊. At w = Σ s_k r_k, f(w) = Σ_k s_kF_k − Σ_j
c_je_j, where the activation of row j falls short of its linear interpolation by

    0 ≤ e_j ≤ min(Σ s_kP_jk, Σ s_kM_jk) ≤ ℓ_j·s,    ℓ_jk = τ_jP_jk + (1 − τ_j)M_jk for any τ_j in [0, 1],

and by nothing where all rays are on one side of the hyperplane. Expanding the square, and keeping the sign of what a
falling short does to the outputs,

    ‖f(w)‖² = ‖Σ s_kF_k‖² − 2Σ_j(c_jᵀΣ_k s_kF_k)e_j + ‖Σ c_je_j‖²  ≤  sᵀ(FFᵀ + H + Hᵀ + Σ_o h_oh_oᵀ)s,

    H_kl = Σ_j (−c_jᵀF_k)₊ ℓ_jl,     h_ok = max(Σ_j (c_jo)₊ℓ_jk, Σ_j (−c_jo)₊ℓ_jk)  for output o.

So ‖f(w)‖ ≤ κ‖w‖ on the cone as soon as Q = κ²RRᵀ − FFᵀ − H − Hᵀ − Σ_o h_oh_oᵀ (rays in rows) is copositive, and it is
when Q − N is positive semidefinite for some N ≥ 0. The bound is exact where no hyperplane crosses the cone.

**The cover.** A split replaces ray k by a point p of an edge, rounded to p̃ with |p − p̃| ≤ δ = (3r + 12)u: all
rays stay in one closed orthant, so p̃ is componentwise accurate. By induction over the depth D every w of the
orthant is within D·δ·Σ s ≤ D·δ·√r·‖w‖·(1 + o(1)) of a point of some leaf; f is Lipschitz with constant
T = Σ_j max(‖b_j‖, ‖b_{j+g}‖), which turns this into an addition to κ of the order of 1e-13·T.

**Rounding.** A leaf speaks of floats: of values F̃_k, inner products ỹ_jk, and of rows that an ancestor found on one
side and that are linear from there on. With unit rows, ỹ_jk is off by at most ε = γ_{r+2} + 2⁻⁴⁹ (what is smaller
than 2⁻⁴⁹ is set to 0), and a row that was on one side of an ancestor is off by at most ε + Dδ on the leaf. Every such
error enters f(w) with at most ‖c_j‖Σ s, the sums of g terms in F̃ add γ_{2g+r+c}(‖c_j‖ + 2‖b_{j+g}‖), and Σ s ≤ √r‖w‖
in an orthant. Together an addition of at most √r·(4γ_{2g+2r+c+64} + 2⁻⁴⁷ + 2Dδ)·Σ_j(‖b_j‖ + 2‖b_{j+g}‖) + √r·(error
of B) to κ. The entries of Q itself err by a few units of κ² + the squares of what enters it, which the copositivity
test takes off the diagonal.
"""

from __future__ import annotations

import contextlib
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import (
    UNIT,
    Ball,
    Deadline,
    Floats,
    bound_above,
    gamma,
    require_ieee_arithmetic,
    threads_allowed,
)

__all__ = ["COVER_KERNELS", "Cover", "cover_sphere", "most_cones", "tightest_cover"]

# Modules of compiled functions that a cover is computed with.
COVER_KERNELS = ("sdprelax.certificate._cone_search",)

# Directions above the target that are kept, and stacks of cones at most; together they take no more memory than one
# stack may.
PEAKS, LANES = 4096, 16
# Cones that a stack holds at first, and that a lane examines before lanes meet for the first time, twice as many then.
WAITING, FIRST_SHARE = 64, 32
# A cone split this often is a sliver, whose crude bound is as good as a proof.
DEEPEST = 500
# Cones between two looks at the clock, at most.
BUDGET = 20_000
# With more dimensions than this the orthants alone are too many.
LARGEST_RANK = 16
SMALLEST, LARGEST = 1e-140, 1e140
# Places of κ and the largest value met in what the kernels report.
KAPPA, REACHED = 0, 1
# Multiplications that a cover may take at most, about an hour, and between two looks at the clock.
MOST_WORK, LOOK = 10**12, 10**8
# Entries g·r of the rows beyond which the cones that wait would not fit into memory.
MOST_ENTRIES = 500_000


def _work(generators: int, rank: int, outputs: int) -> int:
    """Return about how many multiplications a cone takes."""
    return generators * rank * (outputs + 1) + rank**3 + 1_000


def most_cones(generators: int, rank: int, outputs: int) -> int:
    """Return how many cones a cover of a function of this size may take at most: no certificate may ask for more."""
    return MOST_WORK // _work(generators, rank, outputs)


@dataclass(frozen=True, eq=False)
class Cover:
    """What a cover of weight space by cones proves.

    Attributes
    ----------
    bound: a proved upper bound of the maximum over the unit sphere.
    level: what the bound was before rounding errors were added: the value all cones were proved below.
    peaks: unit directions (r, k) met on the way whose value exceeds the target, or what is asked for.
    reached: the largest value met, in floating point.
    cones: cones examined.
    depth: deepest level of splitting.
    complete: whether every cone was proved below max(target, reached); otherwise the
        bound is the trivial one, T.
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
    """f(w) = L₀w + Σ_j c_j(x̂_jᵀw)₊ with bounds on the error of evaluating it."""

    rows: Floats
    jump: Floats
    linear: Floats
    norms: Floats
    lipschitz: float
    weight: float
    slip: float
    arrays: tuple[Floats, ...]

    def __init__(self, rows: Floats, dual: Ball) -> None:
        g = len(rows)
        self.rows = np.ascontiguousarray(rows)
        up, down = dual.mid[:g], dual.mid[g:]
        self.jump = np.ascontiguousarray(up + down)
        self.linear = np.ascontiguousarray(-(down.T @ rows))
        norms = dual.row_norms()
        lengths = Ball.exact(rows).row_norms()
        # ‖x̂_j‖ is 1 up to rounding; one factor for all of them keeps what follows simple.
        longest = float(np.max(lengths, initial=1.0))
        self.norms = norms[:g] + norms[g:]
        self.lipschitz = bound_above(float(np.maximum(norms[:g], norms[g:]).sum()) * longest, g + 2)
        self.weight = bound_above(float((norms[:g] + 2.0 * norms[g:]).sum()) * longest, g + 4)
        self.slip = 2.0 * bound_above(float(np.sqrt((dual.rad**2).sum(axis=1)).sum()) * longest, g + 4)
        # What the kernels take.
        parts = (self.rows, self.jump, self.linear, self.norms)
        self.arrays = tuple(np.require(part, np.float64, ["C", "W"]) for part in parts)

    def error(self, drift: float) -> float:
        """Return how far f may be from what the leaves speak of, per unit ‖w‖, for a drift Dδ of the rays."""
        g, r = self.rows.shape
        relative = 4.0 * gamma(2 * g + 2 * r + self.jump.shape[1] + 64) + 2.0**-47 + 2.0 * drift
        return bound_above(1.01 * math.sqrt(r) * (relative * self.weight + self.slip), 8)


class _Lane:
    """Cones that wait, deepest on top, orthants that have not begun, and what was met on the way.

    Lanes work independently of each other between two meetings, so that nothing depends on how many threads there are.
    """

    def __init__(self, function: _Function, inflate: float, target: float, peaks: int, above: float) -> None:
        (g, r), c = function.rows.shape, function.jump.shape[1]
        shapes = ((r, r), (r, c), (c, r), (g, r))
        self.stack: tuple[NDArray[Any], ...] = (
            *(np.zeros((WAITING, *shape)) for shape in shapes), np.zeros((WAITING, g), dtype=np.int32),
            np.zeros(WAITING, dtype=np.int64), np.zeros(WAITING, dtype=np.int64),
        )  # fmt: skip
        self.orthants: list[tuple[float, ...]] = []
        self.peaks = np.zeros((peaks, r))
        # As `advance` of the kernels has it; nothing is on the stack.
        self.progress = np.array([target, 0.0, 0.0, 0.0, -1.0, 0.0, min(target, above), 2.0 * function.error(0.0), 0.0])
        self._function, self._inflate = function, inflate

    @property
    def waiting(self) -> int:
        """How many cones are on the stack."""
        return int(self.progress[4]) + 1

    @property
    def least_depth(self) -> int:
        """How often the cone that has waited longest was split."""
        return int(self.stack[-1][0])

    def work(self, budget: int) -> None:
        """Examine so many cones, if there are."""
        # Kernels are loaded where they are called for.
        from sdprelax.certificate import _cone_search as cone_search

        # Rounding and subnormal numbers are modes of a thread.
        require_ieee_arithmetic()
        rows, jump, linear, norms = self._function.arrays
        end = self.progress[8] + budget
        while self.progress[8] < end and (self.waiting or self.orthants):
            if not self.waiting:
                signs = np.array(self.orthants.pop())
                cone_search.plant(rows, jump, linear, signs, self.stack, self.progress, self.peaks)
            ended = cone_search.advance(
                rows, jump, norms, self._inflate, DEEPEST, self.stack, self.progress, self.peaks,
                int(end - self.progress[8]),
            )  # fmt: skip
            if ended == cone_search.FULL:
                self.stack = tuple(np.concatenate([array, np.zeros_like(array)]) for array in self.stack)

    def take_from(self, other: _Lane) -> None:
        """Take over the cone that has waited longest, which is among the largest."""
        for mine, theirs in zip(self.stack, other.stack, strict=True):
            mine[0] = theirs[0]
            theirs[: other.waiting - 1] = theirs[1 : other.waiting].copy()
        self.progress[4], other.progress[4] = 0.0, other.progress[4] - 1.0

    def found(self) -> Floats:
        """Return the directions above the target that are kept, shape (k, r)."""
        return self.peaks[: int(min(self.progress[3], len(self.peaks)))]


def cover_sphere(
    rows: Floats, dual: Ball, target: float, *, max_cones: int | None = None, deadline: Deadline | None = None,
    threads: int | None = None, above: float = math.inf,
) -> Cover:  # fmt: skip
    """Bound max ‖Bᵀ[(x̂ᵀw)₊; (−x̂ᵀw)₊]‖ over the unit sphere from above, rigorously.

    Parameters
    ----------
    rows: generator rows X̂, shape (g, r), with r ≥ 1.
    dual: B, shape (2g, c), as a ball.
    target: the bound aimed at. Where a larger value is met, the aim rises to just above it, so a target below
        the maximum gives the maximum to nine digits, and the points where it is met. One that is 1e-140 times the
        largest entry of B, or less, is no aim, and the bound is infinite.
    max_cones: cones examined before the cover gives up and returns the trivial bound T; :func:`most_cones` by default.
    deadline: the same by time.
    threads: how many examine cones; :func:`sdprelax.base.threads_allowed` by default. A cover that no deadline
        cuts short is the same, bit by bit, whatever their number.
    above: peaks are directions of larger value than this, too, where it is below the target.
    """
    # A power of two changes no digit: it is done where the largest weight is about 1.
    largest = float(np.max(np.abs(dual.mid), initial=0.0))
    if not 0.0 < largest < math.inf:
        largest = 1.0
    unit = math.ldexp(1.0, min(max(math.frexp(largest)[1], -1021), 1023))
    threads = threads or threads_allowed()
    cover = _cover_sphere(rows, dual.over(unit), target / unit, max_cones, deadline, threads, above / unit)
    return replace(cover, bound=_multiplied(cover.bound, unit), level=cover.level * unit, reached=cover.reached * unit)


def _multiplied(bound: float, unit: float) -> float:
    """Return a bound times a power of two, rounded up where the product is subnormal."""
    product = bound * unit
    return product if product / unit == bound or math.isinf(product) else math.nextafter(product, math.inf)


def _cover_sphere(
    rows: Floats, dual: Ball, target: float, max_cones: int | None, deadline: Deadline | None, threads: int,
    above: float,
) -> Cover:  # fmt: skip
    """Return the cover for a function whose weights are at most about 1."""
    g, r = rows.shape
    nothing = np.zeros((r, 0))
    outputs = dual.mid.shape[1]
    if max_cones is None:
        max_cones = most_cones(g, r, outputs)
    with np.errstate(over="ignore", invalid="ignore"):
        function = _Function(rows, dual)
    # Squares must neither overflow nor come near underflow, or nothing could be proved, however long the search.
    impossible = Cover(math.inf, math.inf, nothing, 0.0, 0, 0, complete=False)
    if not (function.weight < LARGEST and function.slip < LARGEST):
        return impossible
    trivial = bound_above(function.lipschitz + function.slip, 2)
    if target >= trivial:
        return Cover(trivial, trivial, nothing, 0.0, 0, 0, complete=True)
    if not target > SMALLEST:
        return impossible
    if r > LARGEST_RANK or g * r > MOST_ENTRIES:
        return Cover(trivial, trivial, nothing, 0.0, 0, 0, complete=False)
    inflate = 1.0 + 4.0 * gamma(g + r + outputs + 64)
    count = max(1, min(LANES, MOST_ENTRIES // (g * r)))
    lanes = [_Lane(function, inflate, target, PEAKS // count, above) for _ in range(count)]
    pause = min(BUDGET, LOOK // _work(g, r, outputs)) // count
    complete = _worked_off(lanes, list(product((1.0, -1.0), repeat=r)), max(1, pause), max_cones, deadline, threads)
    kappa, reached, given_up, _, _, deepest, *_ = np.max([lane.progress for lane in lanes], axis=0).tolist()
    cones = int(sum(lane.progress[8] for lane in lanes))
    found = np.concatenate([lane.found() for lane in lanes]).T
    if not complete:
        return Cover(trivial, trivial, found, reached, cones, int(deepest), complete=False)
    level = max(kappa, given_up)
    # Rounded up, so that a path one split longer on another machine proves the same bound.
    drift = 16 * (deepest // 16 + 1) * (3 * r + 12) * UNIT
    moved = 1.1 * math.sqrt(r) * drift
    bound = bound_above(level * (1 + moved) + function.lipschitz * moved + function.error(drift), 8)
    return Cover(min(bound, trivial), level, found, reached, cones, int(deepest), complete=True)


def _worked_off(
    lanes: list[_Lane], orthants: list[tuple[float, ...]], pause: int, max_cones: int, deadline: Deadline | None,
    threads: int,
) -> bool:  # fmt: skip
    """Prove every cone of the orthants, and say whether neither cones nor time ran out before that.

    All lanes meet after so many cones of each, whichever threads examined them: one that has nothing left gets
    orthants, or a cone that waits elsewhere, and the largest value met becomes everyone's.
    """
    orthants, share, threads = orthants[::-1], FIRST_SHARE, min(threads, len(lanes))
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(threads)) if threads > 1 else None
        while True:
            for lane in lanes:
                if not (lane.waiting or lane.orthants):
                    if orthants:
                        # Where there are thousands of them, of a few cones each, several at a time.
                        lane.orthants = [orthants.pop() for _ in range(max(1, len(orthants) // (2 * len(lanes))))]
                    elif others := [other for other in lanes if other.waiting > 1]:
                        lane.take_from(min(others, key=lambda other: other.least_depth))
            busy = [lane for lane in lanes if lane.waiting or lane.orthants]
            left = max_cones - int(sum(lane.progress[8] for lane in lanes))
            if not busy or left <= 0 or (deadline is not None and deadline.expired):
                return not busy
            work = partial(_Lane.work, budget=max(1, min(share, pause, left // len(busy))))
            list((map if pool is None else pool.map)(work, busy[:left]))
            share *= 2
            for place in (KAPPA, REACHED):
                highest = max(lane.progress[place] for lane in lanes)
                for lane in lanes:
                    lane.progress[place] = highest


def tightest_cover(
    rows: Floats, dual: Ball, reached: float, accuracy: float, *, deadline: Deadline, first: float = math.inf,
    above: float = math.inf,
) -> Cover:  # fmt: skip
    """Return the best complete cover found by the deadline: best first, by levels.

    Every level proves all cones below (1 + slack)·(largest value met); the slack falls eightfold from level to level,
    so the cones with the largest bounds are always the ones worked on, and whenever the time is up a complete level
    is there. A level takes several times as long as the one before, so starting each from the orthants costs a
    fraction.

    Parameters
    ----------
    rows, dual: as for :func:`cover_sphere`.
    reached: a value of the function at some unit direction, the larger the better.
    accuracy: the relative slack to end at.
    first: the slack to start at, if a cover like this one was within reach before.
    above: peaks are directions of larger value than this, too, where it is below the target.
    """
    slack = max(accuracy, min(first, 4.0))
    best = cover_sphere(rows, dual, math.inf) if slack > accuracy else None
    while True:
        cover = cover_sphere(rows, dual, reached * (1.0 + slack), deadline=deadline, above=above)
        if best is not None and not cover.complete:
            return best
        best = cover
        reached = max(reached, cover.reached)
        if slack <= accuracy or not cover.complete:
            return best
        slack = max(accuracy, slack / 8.0)
