"""The compiled inner loop of ``_cone_cover.py``: examine a cone, prove it or split it, next.

Plain loops over floats in IEEE binary64, compiled by Numba without ``fastmath``: no reordering, no contraction. The
mathematics, and the bound on every rounding here, are in ``_cone_cover.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sdprelax.base import Floats, compiled

__all__ = ["DONE", "FULL", "PAUSED", "advance", "plant"]

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_inner = compiled(**OPTIONS)
# Arrays of the stack, as ``_cone_cover.py`` makes them.
STACK = "Tuple((f8[:,:,::1], f8[:,:,::1], f8[:,:,::1], f8[:,:,::1], i4[:,::1], i8[::1], i8[::1]))"

# Why `advance` returned: every cone is proved or given up; the stack must grow; the budget is used.
DONE, FULL, PAUSED = 0, 1, 2
# An inner product below this is a hyperplane that was met, up to rounding.
SNAP = 2.0**-49
# A dip of this share of κ² is smoothness, not a hyperplane that matters.
SMOOTH = 1e-13


@_inner
def _note(ray: Floats, value: Floats, progress: Floats, peaks: Floats) -> None:
    """Keep a direction above the target, and raise κ above the largest value met."""
    height = 0.0
    for o in range(len(value)):
        height += value[o] * value[o]
    height = math.sqrt(height)
    if height > progress[6]:
        peaks[int(progress[3]) % len(peaks)] = ray
        progress[3] += 1.0
    if height > progress[1]:
        progress[1] = height
        # Nothing below this value can be proved; the little more lets proofs at the maximum close.
        progress[0] = max(progress[0], height * (1.0 + 1e-9) + progress[7])


@compiled(f"void(f8[:,::1], f8[:,::1], f8[:,::1], f8[::1], {STACK}, f8[::1], f8[:,::1])", **OPTIONS)
def plant(rows: Floats, jump: Floats, base: Floats, signs: Floats, stack: Any, progress: Floats, peaks: Floats) -> None:
    """Put the orthant of given signs, shape (r,), at the bottom of the stack."""
    rays, values, linear, inner, member, count, depth = stack
    g, r = rows.shape
    c = jump.shape[1]
    left = 0
    rays[0] = 0.0
    linear[0] = base
    for k in range(r):
        rays[0, k, k] = signs[k]
        for o in range(c):
            values[0, k, o] = base[o, k] * signs[k]
    for j in range(g):
        positive = negative = False
        for k in range(r):
            y = rows[j, k] * signs[k]
            inner[0, left, k] = y
            if y > 0.0:
                positive = True
                for o in range(c):
                    values[0, k, o] += jump[j, o] * y
            elif y < 0.0:
                negative = True
        if positive and negative:
            member[0, left] = j
            left += 1
        elif positive:
            for o in range(c):
                for i in range(r):
                    linear[0, o, i] += jump[j, o] * rows[j, i]
    count[0] = left
    depth[0] = 0
    progress[4] = 0.0
    for k in range(r):
        _note(rays[0, k], values[0, k], progress, peaks)


@_inner
def _form(
    rays: Floats, values: Floats, inner: Floats, member: Any, left: int, jump: Floats, kappa: float, inflate: float,
    gram: Floats, form: Floats, first: Floats, second: Floats, cost: Floats,
) -> tuple[float, float, float]:  # fmt: skip
    """Fill Q and G of a cone and the cost of its undetermined rows; return (error of Q, max size, max ‖h‖)."""
    r, c = values.shape
    ell = np.empty(r)
    low = np.empty((r, c))
    high = np.empty((r, c))
    first[:] = 0.0
    low[:] = 0.0
    high[:] = 0.0
    for u in range(left):
        j = member[u]
        top = bottom = 0.0
        for k in range(r):
            y = inner[u, k]
            if y > top:
                top = y
            elif -y > bottom:
                bottom = -y
        share = bottom / (top + bottom)
        worst = 0.0
        for k in range(r):
            y = inner[u, k]
            ell[k] = y * share if y > 0.0 else -y * (1.0 - share)
            for o in range(c):
                q = jump[j, o] * ell[k]
                if q > 0.0:
                    high[k, o] += q
                else:
                    low[k, o] -= q
        for k in range(r):
            against = 0.0
            for o in range(c):
                against -= jump[j, o] * values[k, o]
            if against > 0.0:
                worst = max(worst, against)
                for i in range(r):
                    first[k, i] += against * ell[i]
        cost[u] = worst
    largest = spread = total = longest = 0.0
    for k in range(r):
        size = bulge = both = 0.0
        for o in range(c):
            size += values[k, o] * values[k, o]
            both += high[k, o] + low[k, o]
            second[k, o] = max(high[k, o], low[k, o])
            bulge += second[k, o] * second[k, o]
        size, bulge = math.sqrt(size), math.sqrt(bulge)
        spread = max(spread, bulge)
        total = max(total, both)
        longest = max(longest, size)
        largest = max(largest, size + bulge)
    cross = 0.0
    for k in range(r):
        for m in range(k + 1):
            dot = product = bulge = 0.0
            for i in range(r):
                dot += rays[k, i] * rays[m, i]
            for o in range(c):
                product += values[k, o] * values[m, o]
                bulge += second[k, o] * second[m, o]
            penalty = (first[k, m] + first[m, k] + bulge) * inflate
            cross = max(cross, penalty)
            gram[k, m] = gram[m, k] = dot
            form[k, m] = form[m, k] = kappa * kappa * dot - product - penalty
    error = 32.0 * (r + c + 16) * 2.0**-53 * (kappa * kappa + largest * largest + cross + longest * total)
    return error, largest, spread


@_inner
def _copositive(form: Floats, error: float, work: Floats) -> bool:
    """Say whether Q, whose entries are off by at most ``error``, is proved copositive."""
    r = form.shape[0]
    nonnegative = True
    trace = biggest = 0.0
    for k in range(r):
        for m in range(k + 1):
            if not form[k, m] >= error:
                nonnegative = False
        trace += abs(form[k, k])
        biggest = max(biggest, abs(form[k, k]))
    if nonnegative:
        return True
    # Rump's bound as in proves_psd of sdprelax.base, with the error of every entry: ‖E‖ ≤ r·error.
    shift = (4.0 * (r + 4) * 2.0**-53 * trace + r * error) * (1.0 + 2.0**-48) + 2.0**-50 * biggest
    for clipped in (True, False):
        good = True
        for k in range(r):
            for m in range(k + 1):
                q = form[k, m]
                work[k, m] = 0.0 if clipped and m < k and q > 0.0 else q
            work[k, k] -= shift
        for k in range(r):
            pivot = work[k, k]
            for i in range(k):
                pivot -= work[k, i] * work[k, i]
            if not pivot > 0.0:
                good = False
                break
            root = math.sqrt(pivot)
            work[k, k] = root
            for m in range(k + 1, r):
                entry = work[m, k]
                for i in range(k):
                    entry -= work[m, i] * work[k, i]
                work[m, k] = entry / root
        if good:
            return True
    return False


@_inner
def _edge(inner: Floats, left: int, cost: Floats, form: Floats, gram: Floats, kappa: float) -> tuple[int, int, float]:
    """Return the edge (a, b) to split and the share of b in the new ray."""
    r = form.shape[0]
    best = 0.0
    a, b = 1, 0
    for k in range(r):
        for m in range(k):
            dip = 0.0
            for u in range(left):
                y, z = inner[u, k], inner[u, m]
                if y * z < 0.0:
                    y, z = abs(y), abs(z)
                    dip += cost[u] * (y * z / (y + z))
            if dip > best:
                best = dip
                a, b = k, m
    if best > SMOOTH * kappa * kappa:
        # On a hyperplane, so that in the end no hyperplane crosses the cone: the one nearest to their mean.
        weight = mean = 0.0
        for u in range(left):
            y, z = inner[u, a], inner[u, b]
            if y * z < 0.0:
                y, z = abs(y), abs(z)
                dip = cost[u] * (y * z / (y + z))
                weight += dip
                mean += dip * (y / (y + z))
        mean /= weight
        share, nearest = 0.5, 2.0
        for u in range(left):
            y, z = inner[u, a], inner[u, b]
            if y * z < 0.0 and cost[u] > 0.0:
                position = abs(y) / (abs(y) + abs(z))
                if abs(position - mean) < nearest:
                    nearest = abs(position - mean)
                    share = position
        return a, b, share
    # No hyperplane matters any more: the edge whose entry of Q is most negative, where Q/G dips, or halved.
    least = math.inf
    for k in range(r):
        for m in range(k):
            if form[k, m] < least:
                least = form[k, m]
                a, b = k, m
    qa, qb, q, overlap = form[a, a], form[b, b], form[a, b], gram[a, b]
    # Stationary points of q(1, t)/g(1, t):  (q − g·qa) + (qb − qa)t + (g·qb − q)t² = 0; the positive root.
    constant, slope, square = q - overlap * qa, qb - qa, overlap * qb - q
    root = math.sqrt(max(slope * slope - 4.0 * constant * square, 0.0))
    t = -1.0
    if slope >= 0.0:
        if slope + root > 0.0:
            t = -2.0 * constant / (slope + root)
    elif square != 0.0:
        t = (root - slope) / (2.0 * square)
    share = t / (1.0 + t) if t > 0.0 else 0.5
    return a, b, share if 0.15 < share < 0.85 else 0.5


@compiled(f"i8(f8[:,::1], f8[:,::1], f8[::1], f8, i8, {STACK}, f8[::1], f8[:,::1], i8)", **OPTIONS)
def advance(
    rows: Floats, jump: Floats, norms: Floats, inflate: float, deepest: int, stack: Any, progress: Floats,
    peaks: Floats, budget: int,
) -> int:  # fmt: skip
    """Work on the stack until it is empty, full, or ``budget`` cones were examined.

    ``progress`` holds κ, the largest value met, the largest crude bound of what was given up, the number of peaks,
    the top of the stack, the deepest level, the target, what κ exceeds a peak by, and the cones examined.
    """
    rays, values, linear, inner, member, count, depth = stack
    g, r = rows.shape
    c = jump.shape[1]
    gram, form, first, work = np.empty((r, r)), np.empty((r, r)), np.empty((r, r)), np.empty((r, r))
    second, point, value, cost = np.empty((r, c)), np.empty(r), np.empty(c), np.empty(g)
    top = int(progress[4])
    examined = 0
    while top >= 0:
        if top + 1 >= len(count) or examined >= budget:
            progress[4] = top
            return FULL if examined < budget else PAUSED
        examined += 1
        progress[8] += 1.0
        progress[5] = max(progress[5], depth[top])
        left = count[top]
        kappa = progress[0]
        error, largest, spread = _form(
            rays[top], values[top], inner[top], member[top], left, jump, kappa, inflate, gram, form, first, second, cost
        )
        if _copositive(form, error, work):
            top -= 1
            continue
        if depth[top] >= deepest or r == 1:
            closest = 1.0
            for k in range(r):
                for m in range(k):
                    closest = min(closest, gram[k, m])
            closest -= 1e-12
            crude = largest / math.sqrt(closest) if closest > 0.0 else math.inf
            progress[2] = max(progress[2], crude * (1.0 + 1e-12))
            top -= 1
            continue
        for u in range(left):
            cost[u] += 0.5 * min(spread, kappa) * norms[member[top, u]]
        a, b, share = _edge(inner[top], left, cost, form, gram, kappa)
        length = 0.0
        for i in range(r):
            point[i] = (1.0 - share) * rays[top, a, i] + share * rays[top, b, i]
            length += point[i] * point[i]
        length = math.sqrt(length)
        for i in range(r):
            point[i] /= length
        for o in range(c):
            value[o] = 0.0
            for i in range(r):
                value[o] += linear[top, o, i] * point[i]
        # The child that loses ray a goes on top; the one that loses b takes the parent's place.
        up = top + 1
        rays[up] = rays[top]
        values[up] = values[top]
        linear[up] = linear[top]
        depth[top] += 1
        depth[up] = depth[top]
        kept_up = kept = 0
        for u in range(left):
            j = member[top, u]
            y = 0.0
            for i in range(r):
                y += rows[j, i] * point[i]
            if abs(y) < SNAP:
                y = 0.0
            if y > 0.0:
                for o in range(c):
                    value[o] += jump[j, o] * y
            for child in range(2):
                lost = a if child == 0 else b
                positive, negative = y > 0.0, y < 0.0
                for k in range(r):
                    if k != lost:
                        z = inner[top, u, k]
                        if z > 0.0:
                            positive = True
                        elif z < 0.0:
                            negative = True
                if positive and negative:
                    if child == 0:
                        member[up, kept_up] = j
                        for k in range(r):
                            inner[up, kept_up, k] = inner[top, u, k]
                        inner[up, kept_up, a] = y
                        kept_up += 1
                    else:
                        # Rows only move down, so nothing unread is overwritten.
                        member[top, kept] = j
                        for k in range(r):
                            inner[top, kept, k] = inner[top, u, k]
                        inner[top, kept, b] = y
                        kept += 1
                elif positive:
                    where = up if child == 0 else top
                    for o in range(c):
                        for i in range(r):
                            linear[where, o, i] += jump[j, o] * rows[j, i]
        count[up], count[top] = kept_up, kept
        rays[up, a] = point
        rays[top, b] = point
        values[up, a] = value
        values[top, b] = value
        _note(point, value, progress, peaks)
        top = up
    progress[4] = -1.0
    return DONE
