"""The compiled inner loop of our interior point: the matrix of a primal-dual step."""

from __future__ import annotations

from sdprelax.base import Floats, Integers, compiled

__all__ = ["schur_matrix"]


@compiled(
    "void(f8[:,::1], f8[:,::1], i8[::1], i8[::1], f8[::1], i8[::1], i8[::1], f8[::1], b1, f8[:,::1])",
    fastmath=True, nogil=True,
)  # fmt: skip
def schur_matrix(
    P: Floats, Q: Floats, first: Integers, second: Integers, weight: Floats,
    other_first: Integers, other_second: Integers, other_weight: Floats, lower: bool, out: Floats,
) -> None:  # fmt: skip
    """Fill tr(F_p X F_q W) for two lists of unknowns, from P = GXGᵀ and Q = GWGᵀ.

    Parameters
    ----------
    P, Q: shape (k, k), symmetric, row after row.
    first, second: the pairs (a, b) of the unknowns p, shape (m,).
    weight: 1, or ½ where a = b; shape (m,).
    other_first, other_second, other_weight: those of the unknowns q, shape (l,) each.
    lower: whether both lists are the same, and only the lower triangle is written.
    out: shape (m, l).
    """
    for p in range(len(first)):
        a, b = first[p], second[p]
        Pa, Pb, Qa, Qb = P[a], P[b], Q[a], Q[b]
        row = out[p]
        for q in range(p + 1 if lower else len(other_first)):
            c, d = other_first[q], other_second[q]
            row[q] = weight[p] * other_weight[q] * (Pb[c] * Qa[d] + Pb[d] * Qa[c] + Pa[c] * Qb[d] + Pa[d] * Qb[c])
