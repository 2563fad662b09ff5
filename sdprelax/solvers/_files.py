"""Conic programs as text files for other solvers, and their solutions back into CVXPY.

A ``cvxpy.Problem`` is brought to the standard form that CVXPY gives Clarabel,

    min cᵀx + d   s.t.   b − Ax = s,  s in {0} × nonnegative × second-order × semidefinite × exponential cones,

with dual points y in the dual cone and c + Aᵀy = 0. A semidefinite S is the vector of its upper triangle, column by
column, with off-diagonal entries times √2.

SDPA's sparse format (Yamashita, Fujisawa and Kojima 2003) has min cᵀx with F_0 and F_j of X = Σx_jF_j − F_0 ⪰ 0 and
Y ⪰ 0 for a dual point: no equations, and semidefinite cones alone. An equation with a variable that no other equation
has is solved for it, any other is two inequalities; a second-order cone (t, u) is the arrow matrix [t uᵀ; u tI], whose
multiplier is (tr Y, 2Y_01, ...). The Conic Benchmark Format (Friberg 2016) takes all cones as they are.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Floats, InputError, Integers, optional, storing, write_whole
from sdprelax.solvers._conic import rust_panics_fail

__all__ = ["SUFFIXES", "read_solution", "write_program"]

# The formats' usual suffixes.
SUFFIXES = (".dat-s", ".cbf")
ROOT = math.sqrt(2.0)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, eq=False)
class _Standard:
    """A program in standard form; ``kinds`` are the cones but {0} with their sizes, in the order of the rows."""

    program: Any
    chain: Any
    inverse: Any
    c: Floats
    A: sp.csc_array
    b: Floats
    constant: float
    equations: int
    kinds: tuple[tuple[str, int], ...]

    @staticmethod
    def of(program: Any) -> _Standard:
        """Return the standard form of a ``cvxpy.Problem``.

        Raises
        ------
        InputError: it is not convex by CVXPY's rules, or has cones that no format of ours takes.
        """
        cvxpy = optional("cvxpy")

        try:
            data, chain, inverse = program.get_problem_data("CLARABEL", solver_opts={"use_quad_obj": False})
        except cvxpy.error.DCPError:
            raise InputError("the program is not convex by CVXPY's rules, with which it is written.") from None
        dims = data["dims"]
        if dims.p3d or dims.pnd:
            raise InputError("the program has power cones, which are not written.")
        kinds = [("nonnegative", dims.nonneg)] if dims.nonneg else []
        kinds += [("second-order", size) for size in dims.soc] + [("semidefinite", order) for order in dims.psd]
        kinds += [("exponential", 3)] * dims.exp
        constant = float(np.sum(inverse[-1]["offset"]))
        A = sp.csc_array(data["A"])
        c, b = (np.asarray(data[name], dtype=np.float64).ravel() for name in ("c", "b"))
        return _Standard(program, chain, inverse, c, A, b, constant, int(dims.zero), tuple(kinds))

    def cones(self) -> Iterator[tuple[str, int, slice]]:
        """Yield kind, size and rows of every cone but {0}."""
        start = self.equations
        for kind, size in self.kinds:
            end = start + (size * (size + 1) // 2 if kind == "semidefinite" else size)
            yield kind, size, slice(start, end)
            start = end

    def unpack(self, x: Floats, y: Floats) -> float:
        """Leave a solution in the variables and constraints of the program and return its value."""
        point = SimpleNamespace(
            status="Solved", x=x, z=y, obj_val=float(self.c @ x), solve_time=None, iterations=None
        )  # fmt: skip
        with rust_panics_fail("clarabel"):
            self.program.unpack_results(point, self.chain, self.inverse)
        return float(self.program.value)


def write_program(program: Any, path: str | Path, comments: tuple[str, ...] = ()) -> None:
    """Write a ``cvxpy.Problem`` in the format of a file's suffix, SDPA's sparse one or the Conic Benchmark Format.

    Parameters
    ----------
    path: ``.dat-s`` (semidefinite, second-order and linear cones) or ``.cbf`` (exponential ones too).
    comments: lines for its head.

    Raises
    ------
    InputError: no path, another suffix, or cones that the format does not have.
    StorageError: the file cannot be written.
    """
    with storing(path) as target:
        if target.suffix not in SUFFIXES:
            raise InputError(
                f"{target} is no file of a conic program: write one that ends with {' or '.join(SUFFIXES)}."
            )
        lines = _lines(program, target.suffix, comments)
        write_whole(target, ("\n".join(lines) + "\n").encode())


def _lines(program: Any, suffix: str, comments: tuple[str, ...]) -> list[str]:
    """Return the lines of a program's file."""
    standard = _Standard.of(program)
    mark, file = ("# ", _Cbf(standard)) if suffix == ".cbf" else ('"', _Sdpa(standard))
    comments = (*comments, f"The value of the program is that of the file plus {standard.constant + file.constant!r}.")
    return [*(mark + line for line in comments), *file.lines()]


def read_solution(program: Any, solution: str | Path | Mapping[str, Any]) -> float:
    """Leave a solution of a written program in the variables and constraints of it, and return its value.

    Parameters
    ----------
    program: the ``cvxpy.Problem`` as it was written.
    solution: a file of SDPA's (with xVec and yMat) or CSDP's (.sol) output for a ``.dat-s`` file; or for a ``.cbf``
        file, of whose solutions there is no common format, a mapping of "x", the variables, "y", the multipliers of the
        rows of CON, and "psd", those of every PSDCON, symmetric matrices, as it is or in a JSON file (``.json``).

    Raises
    ------
    InputError: it is no such solution, or one of another program.
    """
    standard = _Standard.of(program)
    if not isinstance(solution, Mapping):
        try:
            text = Path(solution).read_text(encoding="utf-8")
            found = json.loads(text) if Path(solution).suffix == ".json" else text
        except (OSError, TypeError, ValueError) as error:
            raise InputError(f"{solution} cannot be read: {error}.") from None
    else:
        found = solution
    x, y = _Sdpa(standard).point(found, str(solution)) if isinstance(found, str) else _Cbf(standard).point(found)
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        raise InputError("the solution has numbers that are not finite.")
    return standard.unpack(x, y)


def _triangle(order: int) -> tuple[Integers, Integers, Floats]:
    """Return row, column and weight of the entries of a symmetric matrix's vector: its upper triangle by columns."""
    j, i = np.tril_indices(order)
    return i, j, np.where(i == j, 1.0, ROOT)


class _Sdpa:
    """A program in SDPA's form.

    Attributes
    ----------
    kept: the variables that are left, indices into x; the others are those of ``solved`` equations.
    split: the equations that are two inequalities each, first all of one sense, then all of the other.
    """

    def __init__(self, standard: _Standard) -> None:
        self.standard = standard
        if any(kind == "exponential" for kind, _ in standard.kinds):
            raise InputError(
                "SDPA's format has no exponential cones, which this loss needs: write a file that ends with .cbf."
            )
        A, count = standard.A.tocsr(), standard.equations
        equations = A[:count].tocoo()
        often = np.bincount(equations.col, minlength=A.shape[1])
        # Of every equation the variable that it has alone, with the largest coefficient.
        pivot, coefficient = np.full(count, -1), np.zeros(count)
        for row, column, value in zip(equations.row, equations.col, equations.data, strict=True):
            if often[column] == 1 and abs(value) > abs(coefficient[row]):
                pivot[row], coefficient[row] = column, value
        self.solved, self.split = np.flatnonzero(pivot >= 0), np.flatnonzero(pivot < 0)
        self.pivot = pivot[self.solved]
        self.kept = np.setdiff1d(np.arange(A.shape[1]), self.pivot)
        self.coefficient = coefficient[self.solved]
        # x_pivot = shift − R·x_kept
        R = A[self.solved][:, self.kept].multiply(1.0 / self.coefficient[:, None])
        self.relation, self.shift = sp.csr_array(R), standard.b[self.solved] / self.coefficient
        rest = np.concatenate([self.split, self.split, np.arange(count, A.shape[0])])
        sense = np.ones(len(rest))
        sense[len(self.split) : 2 * len(self.split)] = -1.0
        signed = sp.csr_array(A[rest].multiply(sense[:, None]))
        self.A = sp.csc_array(signed[:, self.kept] - signed[:, self.pivot] @ self.relation)
        self.b = sense * standard.b[rest] - signed[:, self.pivot] @ self.shift
        self.c = standard.c[self.kept] - self.relation.T @ standard.c[self.pivot]
        self.constant = float(standard.c[self.pivot] @ self.shift)
        linear = sum(size for kind, size in standard.kinds if kind == "nonnegative") + 2 * len(self.split)
        # Diagonal blocks have negative sizes.
        self.blocks = ([-linear] if linear else []) + [
            size for kind, size in standard.kinds if kind != "nonnegative"
        ]  # fmt: skip

    def places(self) -> tuple[Integers, Integers, Integers, Integers, Floats]:
        """Return (row of A, block, i, j, weight): entry (i, j), i ≤ j, of a block is the row's over the weight."""
        parts = []
        linear = -self.blocks[0] if self.blocks and self.blocks[0] < 0 else 0
        if linear:
            own = np.arange(linear)
            parts.append((own, np.zeros(linear, dtype=np.int64), own, own, np.ones(linear)))
        start, block = linear, len(parts)
        for kind, size in self.standard.kinds:
            if kind == "second-order":
                own = np.arange(size)
                rows = np.concatenate([np.full(size, start), start + own[1:]])
                i, j = np.concatenate([own, np.zeros(size - 1, dtype=np.int64)]), np.concatenate([own, own[1:]])
                parts.append((rows, np.full(len(rows), block), i, j, np.ones(len(rows))))
                start, block = start + size, block + 1
            elif kind == "semidefinite":
                i, j, weight = _triangle(size)
                parts.append((start + np.arange(len(i)), np.full(len(i), block), i, j, weight))
                start, block = start + len(i), block + 1
        rows, blocks, i, j, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
        return rows, blocks, i, j, weight

    def lines(self) -> Iterator[str]:
        """Yield the lines of the file."""
        yield f"{len(self.c)} = mDIM"
        yield f"{len(self.blocks)} = nBLOCK"
        yield " ".join(map(str, self.blocks))
        yield " ".join(repr(float(value)) for value in self.c)
        rows, block, i, j, weight = self.places()
        # F_0 = −b and F_j = −A_j.
        for index, column in enumerate([-self.b, *(None for _ in self.c)]):
            values = column if index == 0 else -self.A[:, [index - 1]].toarray().ravel()
            assert values is not None
            entries = values[rows] / weight
            for k in np.flatnonzero(entries):
                yield f"{index} {block[k] + 1} {i[k] + 1} {j[k] + 1} {float(entries[k])!r}"

    def point(self, text: str, name: str) -> tuple[Floats, Floats]:
        """Return x and y of the standard form, from the output of SDPA or CSDP."""
        x, matrices = self._sdpa_output(text, name) if "yMat" in text else self._csdp_output(text, name)
        rows, block, i, j, weight = self.places()
        y = np.zeros(self.A.shape[0])
        entries = np.array([matrices[b][p, q] for b, p, q in zip(block, i, j, strict=True)])
        semidefinite = np.array([size > 0 for size in self.blocks])[block]
        # ⟨F, Y⟩ counts entries off the diagonal twice, which for a semidefinite block √2 has half of already.
        np.add.at(y, rows, np.where(semidefinite & (i != j), 2.0, 1.0) / weight * entries)
        whole = np.zeros(len(self.standard.c))
        whole[self.kept], whole[self.pivot] = x, self.shift - self.relation @ x
        count, equations = len(self.split), self.standard.equations
        multipliers = np.zeros(len(self.standard.b))
        multipliers[self.split] = y[:count] - y[count : 2 * count]
        multipliers[equations:] = y[2 * count :]
        # c + Aᵀy = 0 at the variables that equations were solved for.
        missing = self.standard.c + self.standard.A.T @ multipliers
        multipliers[self.solved] = -missing[self.pivot] / self.coefficient
        return whole, multipliers

    def _sdpa_output(self, text: str, name: str) -> tuple[Floats, list[Floats]]:
        if "xVec" not in text:
            raise InputError(f"{name} has yMat and no xVec: it is no whole output of SDPA.")
        head, tail = text.split("yMat", 1)
        x = _numbers(re.split(r"xMat", head.split("xVec", 1)[1])[0])
        # What SDPA says after the matrices are words with times.
        flat = _numbers(re.split(r"[A-Za-z]{3,}", tail)[0])
        sizes = [-size if size < 0 else size**2 for size in self.blocks]
        if len(x) != len(self.c) or len(flat) != sum(sizes):
            raise InputError(
                f"{name} is a solution of another program: it has {len(x)} numbers in xVec and {len(flat)} in yMat, "
                f"not {len(self.c)} and {sum(sizes)}."
            )
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        return x, [
            np.diag(p) if size < 0 else p.reshape(size, size) for p, size in zip(parts, self.blocks, strict=True)
        ]

    def _csdp_output(self, text: str, name: str) -> tuple[Floats, list[Floats]]:
        first, _, rest = text.partition("\n")
        x, entries = _numbers(first), _numbers(rest)
        matrices = [np.zeros((abs(size), abs(size))) for size in self.blocks]
        if len(x) != len(self.c) or len(entries) % 5:
            raise InputError(
                f"{name} is neither the output of SDPA, with xVec and yMat, nor of CSDP for this program, with "
                f"{len(self.c)} numbers in its first line."
            )
        for which, block, i, j, value in entries.reshape(-1, 5):
            if which == 2.0:
                size = abs(self.blocks[int(block) - 1]) if 1 <= block <= len(self.blocks) else 0
                if not (1 <= i <= size and 1 <= j <= size):
                    raise InputError(f"{name} is a solution of another program: it has more or larger blocks.")
                matrix = matrices[int(block) - 1]
                matrix[int(i) - 1, int(j) - 1] = matrix[int(j) - 1, int(i) - 1] = value
        return x, matrices


def _numbers(text: str) -> Floats:
    return np.array([float(number) for number in NUMBER.findall(text)])


# Names of the cones in the Conic Benchmark Format.
CBF = {"nonnegative": "L+", "second-order": "Q", "exponential": "EXP"}


class _Cbf:
    """A program in the Conic Benchmark Format.

    Attributes
    ----------
    rows: the rows of the standard form in the order of CON; an exponential cone's are (z, y, x) there.
    matrices: order and rows of every PSDCON.
    """

    constant = 0.0

    def __init__(self, standard: _Standard) -> None:
        self.standard = standard
        order, self.matrices = [np.arange(standard.equations)], list[tuple[int, slice]]()
        for kind, size, where in standard.cones():
            if kind == "semidefinite":
                self.matrices.append((size, where))
            else:
                own = np.arange(where.start, where.stop)
                order.append(own[::-1] if kind == "exponential" else own)
        self.rows = np.concatenate(order)

    def lines(self) -> Iterator[str]:
        """Yield the lines of the file."""
        standard, rows = self.standard, self.rows
        cones = [("L=", standard.equations)] if standard.equations else []
        cones += [(CBF[kind], size) for kind, size in standard.kinds if kind != "semidefinite"]
        A, n = standard.A.tocsr(), len(standard.c)
        yield from ("VER", "3", "", "OBJSENSE", "MIN", "", "VAR", f"{n} 1", f"F {n}", "")
        if self.matrices:
            yield from ("PSDCON", str(len(self.matrices)), *(str(size) for size, _ in self.matrices), "")
        yield from ("CON", f"{len(rows)} {len(cones)}", *(f"{name} {size}" for name, size in cones))
        yield from _section("OBJACOORD", [f"{j} {float(standard.c[j])!r}" for j in np.flatnonzero(standard.c)])
        sides, constants = [], []
        for block, (size, where) in enumerate(self.matrices):
            i, j, weight = _triangle(size)
            part, right = A[where].tocoo(), standard.b[where] / weight
            # The lower triangle.
            sides += [
                f"{block} {x} {j[row]} {i[row]} {float(-value / weight[row])!r}"
                for x, row, value in zip(part.col, part.row, part.data, strict=True)
            ]
            constants += [f"{block} {j[row]} {i[row]} {float(right[row])!r}" for row in np.flatnonzero(right)]
        yield from _section("HCOORD", sides)
        yield from _section("DCOORD", constants)
        part = A[rows].tocoo()
        entries = zip(part.row, part.col, part.data, strict=True)
        yield from _section("ACOORD", [f"{i} {j} {-float(value)!r}" for i, j, value in entries])
        right = standard.b[rows]
        yield from _section("BCOORD", [f"{i} {float(right[i])!r}" for i in np.flatnonzero(right)])

    def point(self, solution: Any) -> tuple[Floats, Floats]:
        """Return x and y of the standard form."""
        try:
            x, y = (np.asarray(solution[name], dtype=np.float64) for name in ("x", "y"))
            parts = [np.asarray(matrix, dtype=np.float64) for matrix in solution.get("psd", ())]
        except (KeyError, TypeError, ValueError):
            raise InputError(
                "a solution of a .cbf file is a mapping of numbers: 'x', 'y' of the rows of CON, and 'psd', a matrix "
                "for each PSDCON."
            ) from None
        shapes = [x.shape, y.shape, *(part.shape for part in parts)]
        right: list[tuple[int, ...]] = [
            (len(self.standard.c),),
            (len(self.rows),),
            *((size, size) for size, _ in self.matrices),
        ]
        if shapes != right:
            raise InputError(f"it is a solution of another program: its arrays have the shapes {shapes}, not {right}.")
        multipliers = np.zeros(len(self.standard.b))
        multipliers[self.rows] = y
        for part, (size, where) in zip(parts, self.matrices, strict=True):
            i, j, weight = _triangle(size)
            multipliers[where] = weight * 0.5 * (part + part.T)[i, j]
        return x, multipliers


def _section(name: str, lines: Sequence[str]) -> Iterator[str]:
    """Yield a section of entries, if it has any."""
    if lines:
        yield from ("", name, str(len(lines)), *lines)
