"""Which rows to split weight space at: partitions for the relaxation over cones (docs/mathematics/relaxation.md).

``coverage`` looks at the rows alone: it halves the largest cone, counting undetermined rows.
``violation`` looks at a solution of a coarser relaxation: activations of both signs of one row in one block are what
a split there would separate. ``strong`` looks at the dual: with the residual A of a good network, the relaxation on a
cone bounds ‖Aᵀ(Xu)₊‖ by ω_C, and the bound of p* suffers from the worst cone; that one is split where the worse of
its two parts becomes best. And before any of these, where one dual point is to be refined, at the row whose two sides
random neurons of a cone mix most: this finds the rows that matter, which coverage does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Deadline, Floats, SolverFailed, positive_part
from sdprelax.cells import Cone, whole_space
from sdprelax.lifting.inequalities import Forms, Inequality
from sdprelax.relaxation._coordinates import entries_of
from sdprelax.relaxation._program import RelaxationSolution
from sdprelax.solvers import solve_conic

__all__ = [
    "Splitting",
    "idle_cones",
    "local_certificate",
    "local_solution",
    "most_mixed_row",
    "split_by_coverage",
    "split_by_neurons",
    "split_by_strong_branching",
    "split_by_violation",
]

Splitting = Literal["coverage", "violation", "strong", "gap", "local"]
# Rows tried for one split: those next to the middle of the cone.
CANDIDATES = 8
# Neurons that are drawn in a cone, and steps of a walk that each takes in a new one.
NEURONS, STEPS = 256, 8
# Share of γ below which ω_C of an approximate residual says that the exact one's is below γ.
IDLE = 0.95


def split_by_coverage(rows: Floats, cones: Sequence[Cone], count: int) -> list[Cone]:
    """Return a refinement of at most ``count`` cones: the largest is split where its parts are most alike.

    Parameters
    ----------
    rows: generator rows, shape (g, r).
    cones: the partition to refine.
    """
    found = list(cones)
    while len(found) < count:
        index = max(range(len(found)), key=lambda i: len(found[i].undetermined))
        if len(found[index].undetermined) == 0:
            break
        found[index : index + 1] = min(_splits(rows, found[index]), key=lambda parts: _larger(*parts))
    return found


def split_by_neurons(
    rows: Floats, dual: Floats, count: int, undetermined: int, rng: np.random.Generator
) -> list[Cone]:  # fmt: skip
    """Return a partition into at most ``count`` cones, split where random neurons are mixed most, without any solve.

    The cone with most undetermined rows is next, until none has more than ``undetermined`` of them, or too thin a part
    beyond a row for any neuron to be there. It is split at the row for which ‖c_j‖√(Σα_j²·Σβ_j²) over unit neurons in
    it is largest.

    Parameters
    ----------
    dual: B = LᵀA of a nearly optimal dual point, shape (2g, c).
    """
    g, r = rows.shape
    jumps = np.linalg.norm(dual[:g] + dual[g:], axis=1)
    anywhere = rng.standard_normal((NEURONS, r))
    found = [(whole_space(g), anywhere / np.linalg.norm(anywhere, axis=1, keepdims=True))]
    thin: set[int] = set()
    while len(found) < count:
        wide = [
            i for i, (cone, _) in enumerate(found) if len(cone.undetermined) > undetermined and id(cone) not in thin
        ]
        if not wide:
            break
        index = max(wide, key=lambda i: len(found[i][0].undetermined))
        cone, neurons = found[index]
        free = cone.undetermined
        heights = neurons @ rows[free].T
        sides = [np.sum(positive_part(side * heights) ** 2, axis=0) for side in (1.0, -1.0)]
        scores = jumps[free] * np.sqrt(sides[0] * sides[1])
        if not np.max(scores) > 0.0:
            # No neuron is on the other side of a row with a jump: the cone stays as it is.
            thin.add(id(cone))
            continue
        best = int(np.argmax(scores))
        parts = cone.split(rows, int(free[best]))
        on_side = [neurons[side * heights[:, best] > 0.0] for side in (1.0, -1.0)]
        found[index : index + 1] = [
            (part, _walked(part.walls(rows), own, rng)) for part, own in zip(parts, on_side, strict=True)
        ]
    return [cone for cone, _ in found]


def _walked(walls: Floats, neurons: Floats, rng: np.random.Generator) -> Floats:
    """Return unit vectors inside a cone, shape (NEURONS, r), walked to from some along great circles."""
    w = neurons[rng.integers(len(neurons), size=NEURONS)]
    if w.shape[1] == 1:
        # A half-line has one of them.
        return w
    for _ in range(STEPS):
        d = rng.standard_normal(w.shape)
        d -= np.sum(d * w, axis=1, keepdims=True) * w
        d /= np.linalg.norm(d, axis=1, keepdims=True)
        # wᵀp·cos + dᵀp·sin stays positive between these angles.
        heights, slopes = positive_part(w @ walls.T), d @ walls.T
        angles = np.arctan2(heights, np.abs(slopes))
        most = np.min(np.where(slopes < 0.0, angles, np.pi - angles), axis=1, initial=np.pi)
        least = -np.min(np.where(slopes < 0.0, np.pi - angles, angles), axis=1, initial=np.pi)
        turn = rng.uniform(least, most)[:, None]
        w = w * np.cos(turn) + d * np.sin(turn)
        w /= np.linalg.norm(w, axis=1, keepdims=True)
    return w


def split_by_violation(
    rows: Floats, dual: Floats, cones: Sequence[Cone], solution: RelaxationSolution, count: int
) -> list[Cone]:
    """Return a refinement of at most ``count`` cones, split where the solution mixes both signs of a row most.

    Parameters
    ----------
    dual: B = LᵀA of the solution's residual, shape (2g, c).
    """
    found = [(cone, mixed_rows(cone, part, dual)) for cone, part in zip(cones, solution.parts, strict=True)]
    while len(found) < count:
        index = max(range(len(found)), key=lambda i: float(np.max(found[i][1], initial=-1.0)))
        cone, scores = found[index]
        if np.max(scores, initial=-1.0) <= 0.0:
            break
        # A part's share of the mass is not known; half of it is as good a guess as any.
        parts = cone.split(rows, int(np.argmax(scores)))
        found[index : index + 1] = [(part, np.where(part.signs == 0, 0.5 * scores, -1.0)) for part in parts]
    return [cone for cone, _ in found]


def mixed_rows(cone: Cone, part: Floats, dual: Floats) -> Floats:
    """Return how much a cone's part of Λ mixes both sides of each row, shape (g,); −1 of rows that have one side.

    Of row j that is ‖b_j + b_{j+g}‖·√(Λ_αα·Λ_ββ) at (j, j).
    """
    g = len(cone.signs)
    jumps, diagonal = np.linalg.norm(dual[:g] + dual[g:], axis=1), positive_part(np.diag(part))
    return np.where(cone.signs == 0, jumps * np.sqrt(diagonal[:g]) * np.sqrt(diagonal[g : 2 * g]), -1.0)


def most_mixed_row(cone: Cone, part: Floats, dual: Floats) -> tuple[int, float]:
    """Return the row that a cone's part of Λ mixes most, and its score; (-1, -1.0) where none is undetermined."""
    scores = mixed_rows(cone, part, dual)
    row = int(np.argmax(scores)) if len(cone.undetermined) else -1
    return row, float(scores[row]) if row >= 0 else -1.0


def split_by_strong_branching(
    rows: Floats, dual: Floats, cones: Sequence[Cone], count: int, target: float, deadline: Deadline
) -> list[Cone]:
    """Return a refinement of at most ``count`` cones, the worst of them split where its parts become best.

    Parameters
    ----------
    dual: B = LᵀA of the residual of a good network, shape (2g, c).
    target: the value of ω_C below which a cone needs no splitting.
    """
    found = [(cone, local_certificate(rows, dual, cone, deadline)[0]) for cone in cones]
    while len(found) < count and not deadline.expired:
        index = max(range(len(found)), key=lambda i: found[i][1] if len(found[i][0].undetermined) else -1.0)
        cone, worst = found[index]
        if len(cone.undetermined) == 0 or worst <= target:
            break
        tried = [
            [(part, local_certificate(rows, dual, part, deadline)[0]) for part in parts]
            for parts in _splits(rows, cone)
        ]
        found[index : index + 1] = min(tried, key=lambda parts: max(value for _, value in parts))
    return [cone for cone, _ in found]


def idle_cones(
    rows: Floats, dual: Floats, cones: Sequence[Cone], gamma: float, deadline: Deadline,
    more: Mapping[str, Inequality] | None = None,
) -> list[Cone]:  # fmt: skip
    """Return the cones that no neuron of an optimum lies in, if the residual of ``dual`` is near the optimal one.

    By complementary slackness a cone with ω_C < γ carries no mass.
    """
    return [cone for cone in cones if local_certificate(rows, dual, cone, deadline, more)[0] < IDLE * gamma]


def _larger(one: Cone, other: Cone) -> int:
    return max(len(one.undetermined), len(other.undetermined))


def _splits(rows: Floats, cone: Cone) -> list[tuple[Cone, Cone]]:
    """Return the parts of a cone split by each undetermined row, by those next to its middle if they are many."""
    free = cone.undetermined
    # The row that halves the cone passes near its middle, so rows are ranked before any is tried.
    near = free[np.argsort(np.abs(rows[free] @ _middle(rows, cone)))][:CANDIDATES]
    return [cone.split(rows, int(row)) for row in near]


def _middle(rows: Floats, cone: Cone) -> Floats:
    """Return a direction inside a cone: the mean of its walls' normals and of the rows it is on one side of."""
    said = np.flatnonzero(cone.signs)
    if said.size == 0:
        direction: Floats = np.linalg.svd(rows, full_matrices=True)[2][0]
        return direction
    inward = rows[said] * cone.signs[said][:, None]
    mean: Floats = np.mean(inward, axis=0)
    return mean


def local_certificate(
    rows: Floats, dual: Floats, cone: Cone, deadline: Deadline, more: Mapping[str, Inequality] | None = None
) -> tuple[float, Floats]:
    """Return (ω_C, N) of :func:`local_solution`."""
    omega, N, _ = local_solution(rows, dual, cone, deadline, more)
    return omega, N


def local_solution(
    rows: Floats, dual: Floats, cone: Cone, deadline: Deadline, more: Mapping[str, Inequality] | None = None
) -> tuple[float, Floats, Floats]:
    """Return (ω_C, N, S): the bound of ‖Bᵀa(w)‖/‖w‖ on a cone by its own multipliers, in floating point.

        min κ  s.t.  κE_ww − DDᵀ − GᵀNG ⪰ 0,  N ≥ 0 but where products of forms vanish

    With a sector of outputs v it is the bound of vᵀBᵀa(w)/(‖v‖‖w‖), min κ + κ_v + κ_t of
    κE_ww + κ_vE_vv + κ_tE_tt − ½(Dvᵀ + vDᵀ) − GᵀNG ⪰ 0. Infinite, with N = 0, where the solver fails.
    S is the program's dual solution, a matrix over z that attains the bound; it too is 0 then. Where time is up nothing
    is solved, and it is so too.
    """
    forms = Forms.of(rows, cone, more)
    r, k, order = rows.shape[1], len(cone.undetermined), forms.matrix.shape[1]
    products = np.concatenate([forms.pairs, forms.zeros])
    m, free = len(forms.pairs), len(forms.zeros)
    N, S = np.zeros((forms.count, forms.count)), np.zeros((order, order))
    if deadline.expired:
        return math.inf, N, S
    D = forms.lift.T @ np.pad(dual, ((0, r + cone.balanced), (0, 0)))
    if cone.sector is None:
        wanted, corners = D @ D.T, [slice(k, order)]
    else:
        # (α, β, w, v, t) = Tz has v at its end, before t.
        V = forms.lift[-cone.balanced : -1].toarray()
        wanted = 0.5 * (D @ V + (D @ V).T)
        corners = [slice(k, k + r), slice(k + r, order - 1), slice(order - 1, order)]
        corners = [corner for corner in corners if corner.start < corner.stop]
    i, j = np.triu_indices(order)
    # Clarabel's triangle goes down the columns: sort by column, then row.
    place = np.lexsort((i, j))
    i, j = i[place], j[place]
    root = np.where(i == j, 1.0, math.sqrt(2.0))
    operator = entries_of(forms.matrix, products).tocsc()
    twice = np.where(products[:, 0] == products[:, 1], 1.0, 2.0)
    symmetric = 0.5 * (operator[:, i + order * j] + operator[:, j + order * i])
    spread = sp.diags_array(root) @ symmetric.T @ sp.diags_array(twice)
    places = np.arange(order)
    diagonals = np.array([(i == j) & np.isin(i, places[corner]) for corner in corners], dtype=np.float64).T
    size, kinds = max(float(np.linalg.norm(wanted)), 1e-300), len(corners)
    semidefinite = sp.hstack([sp.csc_array(-diagonals), spread])
    nonnegative = sp.hstack([sp.csc_array((m, kinds)), -sp.eye_array(m), sp.csc_array((m, free))])
    right = np.concatenate([-wanted[i, j] * root / size, np.zeros(m)])
    try:
        x, _, multipliers = solve_conic(
            sp.csc_array((kinds + m + free, kinds + m + free)), np.concatenate([np.ones(kinds), np.zeros(m + free)]),
            sp.vstack([semidefinite, nonnegative]).tocsc(), right,
            [("semidefinite", order), ("nonnegative", m)], deadline, 1e-8,
        )  # fmt: skip
    except SolverFailed:
        return math.inf, N, S
    first, second = products.T
    N[first, second] = N[second, first] = x[kinds:] * size
    S[i, j] = S[j, i] = multipliers[: len(i)] / root
    bound = max(float(np.sum(x[:kinds])), 0.0) * size
    return math.sqrt(bound) if cone.sector is None else bound, N, S
