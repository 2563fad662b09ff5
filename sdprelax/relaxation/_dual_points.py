"""Dual points (A, N) of a relaxation in the user's units, from anywhere, and what they prove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sdprelax.base import Deadline, Floats, InputError
from sdprelax.cells import Cone
from sdprelax.certificate import Certificate, relaxation_certificate
from sdprelax.problem import Presolved, Problem
from sdprelax.relaxation._arguments import Asked, lifting_of, matrix_of
from sdprelax.relaxation._splitting import local_certificate

__all__ = ["certify_dual", "checked_dual_point", "dual_units"]


def certify_dual(
    problem: Problem,
    A: Any,
    N: Any = None,
    cones: int | Sequence[Cone] = 1,
    sectors: int = 1,
    inequalities: Asked = None,
    time_limit: float | None = None,
) -> Certificate:
    """Return the certificate of a dual point from anywhere, in the user's units: the best bound that it gives.

    Parameters
    ----------
    A: the dual point, shape (n, c), such as the residual Y − P of good predictions P; any multiple of it serves.
    N: the multipliers of the products of forms, shape (m, m), of every cone (:attr:`RelaxationModel.dual`): with D the
        outputs that LᵀA makes of z, κE_ww − DDᵀ − GᵀNG should be positive semidefinite for a small κ; with a sector
        κE_ww + κ_vE_vv + κ_tE_tt − ½(Dvᵀ + vDᵀ) − GᵀNG. What is missing is repaired; None for the best ones, a
        semidefinite program for each cone.
    cones, sectors, inequalities: see :func:`relax`.
    time_limit: seconds for finding N.

    Raises
    ------
    InputError: a wrong argument, or arrays of other shapes.
    """
    presolved, lifting, parts = lifting_of(problem, "certify_dual", cones, sectors, inequalities)
    reduction, (s, t) = lifting.reduction, dual_units(presolved)
    forms = [lifting.forms(cone) for cone in parts]
    A, given = checked_dual_point(A, N, problem.Y.shape, [each.count for each in forms])
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        A = A / t
        multipliers = [
            each / t / s if cone.sector is not None else each / t / s / t / s
            for each, cone in zip(given, parts, strict=True)
        ]
    if N is None:
        dual, deadline = reduction.pull_back(lifting.problem.admissible(A)), Deadline.of(time_limit)
        multipliers = [local_certificate(reduction.rows, dual, cone, deadline, lifting.more)[1] for cone in parts]
    found = relaxation_certificate(lifting.problem, reduction, A, multipliers, forms=forms)
    return presolved.certificate(found)


def dual_units(presolved: Presolved) -> tuple[float, float]:
    """Return the units of X and of A that the presolved problem is in."""
    units, degree = presolved.units, presolved.original.loss.degree or 1
    return units.inputs, units.targets ** (degree - 1)


def checked_dual_point(
    A: Any, N: Any, shape: tuple[int, ...], sizes: Sequence[int]
) -> tuple[Floats, tuple[Floats, ...]]:  # fmt: skip
    """Return A and N as arrays of the shapes that they must have; N = 0 where it is None."""
    A = matrix_of("A", A, shape)
    if N is None:
        return A, tuple(np.zeros((size, size)) for size in sizes)
    listed = [N] if isinstance(N, np.ndarray) and N.ndim == 2 else list(N) if isinstance(N, list | tuple) else None
    if listed is None or len(listed) != len(sizes):
        raise InputError(f"N must have a matrix for each of the {len(sizes)} blocks, in a list.")
    return A, tuple(
        matrix_of(f"N of block {k}", each, (size, size))
        for k, (each, size) in enumerate(zip(listed, sizes, strict=True))
    )
