"""The compiled inner loop of our interior point: the matrix of a primal-dual step."""

from __future__ import annotations

from sdprelax.base import Floats, Integers, compiled

__all__ = ["schur_matrix"]


@compiled("void(f8[::1,:], f8[::1,:], i8[::1], i8[::1], f8[::1], f8[:,::1])", fastmath=True)
def schur_matrix(P: Floats, Q: Floats, first: Integers, second: Integers, weight: Floats, out: Floats) -> None:
    """Fill the lower triangle of tr(F_p X F_q W), from P = GXGᵀ and Q = GWGᵀ.

    Parameters
    ----------
    P, Q: shape (k, k), symmetric, in Fortran's order.
    first, second: the pairs (a, b) of the unknowns, shape (m,).
    weight: 1, or ½ where a = b; shape (m,).
    out: shape (m, m); only its lower triangle is written.
    """
    for p in range(len(first)):
        a, b = first[p], second[p]
        Pa, Pb, Qa, Qb = P[a], P[b], Q[a], Q[b]
        row = out[p]
        for q in range(p + 1):
            c, d = first[q], second[q]
            row[q] = weight[p] * weight[q] * (Pb[c] * Qa[d] + Pb[d] * Qa[c] + Pa[c] * Qb[d] + Pa[d] * Qb[c])
