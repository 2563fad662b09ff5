"""The lifted program of Prakhya and Yurtsever 2026, its generalised completely positive cone replaced by outer ones."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import InputError, ProblemTooLarge, optional
from sdprelax.linear._spectrum import Spectrum, checked_width

__all__ = ["complementarity_relaxation"]

# Largest d + c: the moment matrix is of order 1 + (d + c)(d + c + 1).
LARGEST = 6


def complementarity_relaxation(
    X: ArrayLike, Y: ArrayLike, width: int, outer: Literal["semidefinite", "products"] = "semidefinite"
) -> Any:
    """Return a relaxation of min ½‖XW − Y‖² over matrices W of rank k as a ``cvxpy.Problem``.

    A matrix W has rank k at most exactly if it is the off-diagonal block of a Z ⪰ 0 of order N = d + c for which there
    is a U with 0 ⪯ U ⪯ I, tr U = N − k and ⟨Z, U⟩ = 0. With x = (1, Z, U) and M = E xxᵀ all of that is linear in M, and
    M is in the convex hull of xxᵀ over cones of matrices. That hull is replaced by a larger cone. Both are blind to k,
    or nearly: docs/mathematics/deep_linear.md, "The lifted program". For a program that is exact, see
    :func:`linear_relaxation`; this one is for looking at.

    Parameters
    ----------
    X: inputs, shape (n, d).
    Y: targets, shape (n, c).
    width: k.
    outer: "semidefinite" asks for M ⪰ 0 and for the first moments of Z, U and I − U to be semidefinite; "products" for
        those of the Kronecker products Z ⊗ U and Z ⊗ (I − U) too, as the doubly nonnegative cone asks for the products
        of numbers.

    Raises
    ------
    InputError: data that are no finite numbers or do not fit, or a width that is no positive integer.
    ProblemTooLarge: d + c is above six.
    """
    cp, energy = optional("cvxpy"), Spectrum.of(X, Y).energy
    inputs, targets = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64).reshape(len(np.asarray(X)), -1)
    d, c = inputs.shape[1], targets.shape[1]
    if outer not in ("semidefinite", "products"):
        raise InputError(f"outer is {outer!r}; it must be 'semidefinite' or 'products'.")
    order, k = d + c, checked_width(width, min(d, c))
    if order > LARGEST:
        raise ProblemTooLarge(
            f"the moments of Z and U of order d + c = {order} are a matrix of order {1 + order * (order + 1)}; this "
            f"relaxation is built up to d + c = {LARGEST}."
        )
    pairs = [(i, j) for i in range(order) for j in range(i, order)]
    place = {pair: index for index, pair in enumerate(pairs)}
    count = len(pairs)
    M = cp.Variable((1 + 2 * count, 1 + 2 * count), PSD=True)

    def of(matrix: int, i: int, j: int) -> int:
        """Return where an entry of Z (0) or of U (1) stands in x."""
        return 1 + matrix * count + place[min(i, j), max(i, j)]

    def first(matrix: int) -> Any:
        return cp.bmat([[M[0, of(matrix, i, j)] for j in range(order)] for i in range(order)])

    G, B, span = inputs.T @ inputs, inputs.T @ targets, range(order)
    objective = energy - sum(B[i, j] * M[0, of(0, i, d + j)] for i in range(d) for j in range(c))
    objective += 0.5 * sum(
        G[i, p] * M[of(0, i, d + j), of(0, p, d + j)] for i in range(d) for p in range(d) for j in range(c)
    )
    Z, U = first(0), first(1)
    constraints = [M[0, 0] == 1.0, Z >> 0, U >> 0, np.eye(order) - U >> 0]
    constraints.append(sum(M[of(0, i, j), of(1, i, j)] for i in span for j in span) == 0.0)
    constraints += [sum(M[a, of(1, i, i)] for i in span) == (order - k) * M[0, a] for a in range(1 + 2 * count)]
    if outer == "products":
        corners = [(i, p) for i in span for p in span]
        both = cp.bmat([[M[of(0, i, j), of(1, p, q)] for j, q in corners] for i, p in corners])
        alone = cp.bmat([[(M[0, of(0, i, j)] if p == q else 0.0) for j, q in corners] for i, p in corners])
        constraints += [both >> 0, alone - both >> 0]
    return cp.Problem(cp.Minimize(objective), constraints)
