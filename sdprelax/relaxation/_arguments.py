"""Arguments that give a relaxation by hand, as they are taken: partitions, families of inequalities and matrices."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sdprelax.base import Floats, InputError, finite_matrix
from sdprelax.cells import Cone, checked_cone, covers_space, sectors_of, whole_space
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import chosen_families
from sdprelax.problem import Presolved, Problem
from sdprelax.relaxation._splitting import split_by_coverage

__all__ = ["Asked", "lifting_of", "matrix_of"]

Asked = Sequence[str | Mapping[str, Mapping[str, Any]]] | None


def lifting_of(
    problem: Problem, caller: str, cones: Any, sectors: Any, inequalities: Any
) -> tuple[Presolved, LiftedProgram, list[Cone]]:
    """Return the presolved problem, its lifted program, and the partition that is asked for."""
    if not isinstance(problem, Problem):
        raise InputError(f"{caller}() takes a Problem first, not {type(problem).__name__}; write Problem(X, Y, gamma).")
    presolved = Presolved.of(problem)
    reduction, c = presolved.reduction, problem.shape[2]
    space, sectors = [whole_space(reduction.generators)], _count("sectors", sectors)
    if not isinstance(cones, list | tuple):
        count = _count("cones", cones, " or a list of cones")
        parts = split_by_coverage(reduction.rows, space, count) if reduction.generators else space
    else:
        if not all(isinstance(cone, Cone) for cone in cones):
            raise InputError(
                f"cones is {cones!r}; they must be cones of the problem's {reduction.generators} generator rows."
            )
        parts = [checked_cone(cone, reduction.rows, c) for cone in cones]
        if not parts or not covers_space(parts):
            raise InputError("the cones do not cover weight space: take all leaves of one tree (Cone.split).")
    if sectors > 1:
        found = sectors_of(c, sectors)
        if not found or any(cone.sector is not None for cone in parts):
            raise InputError(
                f"sectors is {sectors}; {c} outputs have {2**c} orthants at least, and cones no sectors yet."
            )
        parts = [cone.within(sector) for cone in parts for sector in found]
    more, left_out = chosen_families(inequalities)
    if inequalities is None and any(cone.sector is not None for cone in parts):
        more = chosen_families(["sectors"])[0]
    return presolved, LiftedProgram(presolved.problem, reduction, more, left_out), parts


def _count(name: str, said: Any, otherwise: str = "") -> int:
    """Return a whole number of 1 or more."""
    try:
        count = 0 if isinstance(said, bool | np.bool_) else operator.index(said)
    except TypeError:
        count = 0
    if count < 1:
        raise InputError(f"{name} is {said!r}; it must be a whole number of 1 or more{otherwise}.")
    return count


def matrix_of(name: str, values: Any, shape: tuple[int | None, ...]) -> Floats:
    """Return finite numbers as a matrix of a shape, in which None stands for any number."""
    found = finite_matrix(name, values)
    wanted = tuple(there if size is None else size for size, there in zip(shape, found.shape, strict=True))
    if found.shape != wanted:
        raise InputError(
            f"{name} has the shape {found.shape}; it must be {tuple('p' if s is None else s for s in shape)}."
        )
    return found
