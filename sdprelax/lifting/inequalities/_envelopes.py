"""The compiled simplex method of separation: lower sublinear envelopes of many functions on the same few vectors."""

from __future__ import annotations

import numpy as np

from sdprelax.base import Floats, Integers, compiled

__all__ = ["lower_envelopes"]


@compiled("void(f8[:, ::1], f8[:, ::1], f8, i8[:, :, ::1], f8[:, ::1])")
def lower_envelopes(vectors: Floats, costs: Floats, tolerance: float, bases: Integers, below: Floats) -> None:
    """Minimise Σ_iλ_iC_ki over λ ≥ 0 with Σ_iλ_iv_i = v_j, for every j and k, by the simplex method.

    Parameters
    ----------
    vectors: v_i, shape (m, r), of rank r.
    costs: C ≥ 0, shape (q, m).
    tolerance: reduced costs above minus this are taken for nonnegative.
    bases: shape (m, q, r); the r vectors of a best solution, all j where C_kj is not improved on.
    below: shape (m, q); by how much the minimum is below C_kj.
    """
    m, r = vectors.shape
    basis, x, prices, column = np.zeros(r, np.int64), np.zeros(r), np.zeros(r), np.zeros(r)
    matrix = np.zeros((r, r))
    for j in range(m):
        bases[j] = j
        below[j] = 0.0
        # The basis to start with has v_j, and at zero what is farthest from the span of those before.
        rest = vectors.copy()
        basis[0], count = j, 0
        while True:
            taken = rest[basis[count]].copy()
            length = np.sum(taken * taken)
            count += 1
            if count == r or length < 1e-16:
                break
            farthest = -1.0
            for i in range(m):
                share = np.sum(rest[i] * taken) / length
                rest[i] -= share * taken
                size = np.sum(rest[i] * rest[i])
                if size > farthest:
                    farthest, basis[count] = size, i
        if length < 1e-16:
            continue
        for k in range(costs.shape[0]):
            cost = costs[k]
            if cost[j] <= tolerance:
                continue
            for p in range(r):
                matrix[:, p] = vectors[basis[p]]
            inverse = np.linalg.inv(matrix)
            for p in range(r):
                # No vertex is degenerate once the right-hand side is a little off.
                x[p] = max(np.sum(inverse[p] * vectors[j]), 0.0) + 1e-7 * (1.0 + 0.37 * p)
            for _ in range(50 * r):
                for p in range(r):
                    prices[p] = 0.0
                    for q in range(r):
                        prices[p] += cost[basis[q]] * inverse[q, p]
                least, entering = -tolerance, -1
                for i in range(m):
                    reduced = cost[i]
                    for p in range(r):
                        reduced -= prices[p] * vectors[i, p]
                    if reduced < least:
                        least, entering = reduced, i
                if entering < 0:
                    break
                leaving, step = -1, np.inf
                for p in range(r):
                    column[p] = np.sum(inverse[p] * vectors[entering])
                    if column[p] > 1e-6 and x[p] < step * column[p]:
                        leaving, step = p, x[p] / column[p]
                if leaving < 0:
                    break
                for p in range(r):
                    x[p] -= step * column[p]
                x[leaving], basis[leaving] = step, entering
                inverse[leaving] /= column[leaving]
                for p in range(r):
                    if p != leaving:
                        inverse[p] -= column[p] * inverse[leaving]
            value = 0.0
            for p in range(r):
                value += cost[basis[p]] * np.sum(inverse[p] * vectors[j])
            if value < cost[j] - tolerance:
                below[j, k] = cost[j] - value
                for p in range(r):
                    bases[j, k, p] = basis[p]
