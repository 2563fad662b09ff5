"""Conic solvers behind one protocol: one file each, registered by name.

A solver is a frozen dataclass whose fields are its options. It says whether it can run here, and it solves a CVXPY
problem, or the blocks of the reduced relaxation (:class:`StructuredSolver`); what it returns is never trusted.
"""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from sdprelax.base import (
    Deadline,
    Floats,
    Registry,
    SolverFailed,
    SolverUnavailable,
    first_line,
    has_optional,
    install_hint,
    optional,
)
from sdprelax.lifting import Block, LiftedProgram
from sdprelax.problem import Problem, untaken
from sdprelax.solvers._conic import ConeOf, rust_panics_fail, solve_conic
from sdprelax.solvers._files import read_solution, write_program

__all__ = [
    "NO_START",
    "Availability",
    "Coarser",
    "ConeOf",
    "PointReport",
    "Solved",
    "Solver",
    "Sparing",
    "StructuredSolution",
    "StructuredSolver",
    "available",
    "by_default",
    "read_solution",
    "solve_conic",
    "solve_with_cvxpy",
    "solvers",
    "write_program",
]


# Status of a solution that a second phase was to improve and could not: rows are too nearly parallel for it.
NO_START = "no start"


@dataclass(frozen=True)
class Availability:
    """Whether a solver runs on this machine, its version, and why not."""

    name: str
    runs: bool
    version: str | None
    reason: str = ""


@dataclass(frozen=True)
class Solved:
    """What the solver said: its status, the value it claims (never a bound), and a short log."""

    status: str
    value: float | None
    log: str


class Solver(Protocol):
    """A conic solver."""

    def availability(self) -> Availability:
        """Say whether the solver runs here."""
        ...

    def solve(self, program: Any, deadline: Deadline) -> Solved:
        """Solve a ``cvxpy.Problem``, leaving values in its variables and constraints.

        Raises
        ------
        SolverUnavailable: it cannot run here.
        SolverFailed: it ran and left no values.
        """
        ...


@dataclass(frozen=True, eq=False)
class StructuredSolution:
    """What a structured solver returned; approximate in every respect.

    Attributes
    ----------
    matrices: S of every block, shape (order, order) each.
    multiplier: A, shape (n, c).
    multipliers: N of every block, shape (m, m) each for its m forms; see :meth:`sdprelax.lifting.Block.multipliers`.
    solved: its own words.
    state: what a later run of this solver can start from; None where it has no use for one.
    """

    matrices: tuple[Floats, ...]
    multiplier: Floats
    multipliers: tuple[Floats, ...]
    solved: Solved
    state: Any = None


@dataclass(frozen=True, eq=False)
class Coarser:
    """An approximate solution over a partition that blocks are parts of, to start from.

    Attributes
    ----------
    blocks: of the partition.
    matrices: S of every block, shape (order, order) each.
    multiplier: A, shape (n, c).
    multipliers: N of every block, shape (m, m) each for its m forms.
    """

    blocks: Sequence[Block]
    matrices: Sequence[Floats]
    multiplier: Floats
    multipliers: Sequence[Floats]


PointReport = Callable[[Floats, Sequence[Floats]], float]


class Sparing:
    """A report that passes a dual point on, unless proving them would take more than a share of all time.

    Parameters
    ----------
    report: what proves a point.
    share: of the time since construction.
    """

    def __init__(self, report: PointReport, share: float = 0.05) -> None:
        self._report, self._share = report, share
        self._clock, self._ready = Deadline(), 0.0

    def __call__(self, A: Floats, N: Sequence[Floats]) -> None:
        """Report a dual point, if it is time."""
        started = self._clock.elapsed
        if started >= self._ready:
            self._report(A, N)
            self._ready = self._clock.elapsed + (self._clock.elapsed - started) / self._share


@runtime_checkable
class StructuredSolver(Protocol):
    """A solver of the presolved reduced relaxation's blocks, which needs no modelling language.

    Attributes
    ----------
    needs: the families of inequalities without which it has nothing to start from.
    starts: whether ``solve_blocks`` takes a ``start``, a :class:`Coarser` solution or None.
    """

    needs: ClassVar[frozenset[str]]
    starts: ClassVar[bool]

    def availability(self) -> Availability:
        """Say whether the solver runs here."""
        ...

    def solve_blocks(
        self, lifting: LiftedProgram, blocks: Sequence[Block], deadline: Deadline, report: PointReport
    ) -> StructuredSolution:
        """Solve the reduced relaxation of a program over blocks with a common A.

        Parameters
        ----------
        blocks: of ``lifting``, one for every cone of a partition; all of weight space is one.
        report: called with dual points on the way: A, shape (n, c), and N of every block; returns the lower bound, in
            the problem's units, that they prove.

        Raises
        ------
        SolverFailed: it has no point.
        """
        ...


solvers: Registry[Solver | StructuredSolver] = Registry("solver", __name__)


def by_default(structured: bool, generators: int | None = None, problem: Problem | None = None) -> list[str]:
    """Return the names of the solvers to try, one after the other, where the user names none.

    A class says with ``default_up_to`` up to how many generator rows it may be chosen; if not at all, it has none. The
    structured one of least reach that suffices comes first, then the other one.

    Parameters
    ----------
    structured: whether the program is one that every structured solver takes.
    generators: number of generator rows; None for all that may be chosen, whatever the number.
    problem: whose loss, activation, offset and weights they are to take; None for any that are taken.
    """
    found: list[str] = []
    for among in (True, False) if structured else (False,):
        reach = {
            name: float(getattr(solvers[name], "default_up_to", -1.0))
            for name in solvers
            if hasattr(solvers[name], "solve_blocks") is among
            and (problem is None or untaken(problem, solvers, name, solvers[name]) is None)
        }
        enough = sorted((name for name in reach if reach[name] >= (generators or 0)), key=lambda name: reach[name])
        found += enough if generators is None else enough[:1]
    return found


def available() -> list[Availability]:
    """Return what every registered solver says of itself on this machine."""
    return [solvers.create(name).availability() for name in solvers]


def installed(name: str, module: str, distribution: str | None = None) -> Availability:
    """Return the availability of a solver that CVXPY calls, and that needs nothing but an installed package.

    Parameters
    ----------
    module: the package as Python imports it; distribution: as pip installs it, where that differs.
    """
    for package in ("cvxpy", module):
        if not has_optional(package):
            return Availability(name, False, None, f"{package} is not installed: {install_hint(package)}")
    return Availability(name, True, importlib.metadata.version(distribution or module))


def built_in(name: str) -> Availability:
    """Return the availability of a solver that is part of this package."""
    return Availability(name, True, importlib.metadata.version("sdprelax"))


def solve_with_cvxpy(solver: Solver, run: Callable[[], object], program: Any) -> Solved:
    """Let ``run`` solve a ``cvxpy.Problem`` and return what the solver said.

    ``run`` names its solver: left to itself CVXPY picks whatever is installed, licensed or not.
    """
    cvxpy = optional("cvxpy")

    state = solver.availability()
    if not state.runs:
        raise SolverUnavailable(f"{state.name} cannot run here: {state.reason}.")
    try:
        with warnings.catch_warnings(), rust_panics_fail(state.name):
            # "Solution may be inaccurate": certificates judge that, not a warning.
            warnings.simplefilter("ignore", UserWarning)
            run()
    except cvxpy.error.SolverError as error:
        raise SolverFailed(f"{state.name} failed: {first_line(error)}.") from None
    if any(variable.value is None for variable in program.variables()):
        raise SolverFailed(f"{state.name} returned no point (status: {program.status}).")
    stats = program.solver_stats
    log = f"{state.name} {state.version}: {program.status}"
    if stats is not None:
        log += f", {stats.num_iters} iterations, {stats.solve_time} s in the solver"
    return Solved(str(program.status), None if program.value is None else float(program.value), log + "\n")
