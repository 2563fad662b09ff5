"""The relaxation of a training problem by hand: look at it, add to it, solve it with anything, prove what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Deadline, Floats, InputError, SolverFailed, optional, ready
from sdprelax.cells import Cone
from sdprelax.certificate import Certificate, relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.problem import Presolved, Problem, require_taken
from sdprelax.relaxation._added_inequalities import stated_constraint, stated_forms, stated_product
from sdprelax.relaxation._arguments import Asked, lifting_of
from sdprelax.relaxation._certified import settled
from sdprelax.relaxation._dual_points import checked_dual_point, dual_units
from sdprelax.relaxation._named_blocks import NamedBlock, NamedInequality
from sdprelax.relaxation._program import Form, is_structured, relaxation, solve_relaxation
from sdprelax.solvers import Solved, Solver, StructuredSolver, by_default, read_solution, solvers, write_program

__all__ = ["RelaxationModel", "relax"]


@dataclass(frozen=True, eq=False)
class _Found:
    """What came out last, in the units of the presolved problem."""

    A: Floats
    multipliers: tuple[Floats, ...]
    solved: Solved
    certificate: Certificate


class RelaxationModel:
    """A semidefinite relaxation as a CVXPY problem that may be added to, solved with any solver, and proved.

    ``program``, ``blocks`` and ``inequalities`` are in the units of the presolved problem, where X and Y have moderate
    sizes; :meth:`value_in_units` takes a value of the program to the user's. ``value``, ``bound``, ``dual`` and
    certificates are in these already.

    Attributes
    ----------
    presolved: the user's problem, and the one in units and generator rows.
    lifting: the lifted program that is relaxed.
    form: see :func:`relax`.
    program: the ``cvxpy.Problem`` with everything that was added.
    blocks: its semidefinite blocks, one for each cone.
    inequalities: what it asks for, by name.
    """

    def __init__(self, presolved: Presolved, lifting: LiftedProgram, form: Form, cones: Sequence[Cone]) -> None:
        self.presolved, self.lifting, self.form = presolved, lifting, form
        self._plain = relaxation(lifting, form, cones)
        self.blocks = tuple(NamedBlock(modelled, lifting) for modelled in self._plain.blocks)
        self.inequalities: dict[str, NamedInequality] = {}
        names = {name: None for block in self._plain.blocks for name in [*block.block.forms.places, "complementary"]}
        for name in names:
            if name not in lifting.left_out:
                self.inequalities[name] = self._family(name)
        self._added: list[Any] = []
        self.program: Any = self._plain.program
        self._found: _Found | None = None

    def __repr__(self) -> str:
        orders = ", ".join(str(block.matrix.shape[0]) for block in self.blocks)
        unproved = f", unproved={list(self.unproved)}" if self.unproved else ""
        names = list(self.inequalities)
        return f"RelaxationModel(form={self.form!r}, orders=[{orders}], inequalities={names}{unproved})"

    def _family(self, name: str) -> NamedInequality:
        constraints, forms = [], []
        for modelled in self._plain.blocks:
            block = modelled.block
            place = block.forms.places.get(name, slice(0, 0))
            forms.append(block.matrix[place].toarray())
            if place.start < place.stop and modelled.nonnegative is not None:
                constraints.append(modelled.nonnegative)
            if name in block.forms.vanishing:
                # Some products vanish as entries of the semidefinite matrix that are left out.
                constraints += [each for each in (modelled.vanishing, modelled.semidefinite) if each is not None]
        return NamedInequality(name, tuple(constraints), tuple(forms))

    @property
    def rows(self) -> Floats:
        """The unit generator rows x̂ of the presolve, shape (g, r), with α = (x̂w)₊ and β = (−x̂w)₊."""
        return self.lifting.reduction.rows

    @property
    def unproved(self) -> tuple[str, ...]:
        """Names of what was added without a reason; while there are any, ``value`` is no claim about p*."""
        return tuple(name for name, each in self.inequalities.items() if not each.proved)

    def __getitem__(self, pair: tuple[str, str]) -> Any:
        """Return a block of Λ, summed over the cones, as a CVXPY expression: ``model["alpha", "v"]`` is Λ_αv."""
        parts = [block[pair] for block in self.blocks]
        return sum(parts[1:], parts[0])

    def value_in_units(self, value: float) -> float:
        """Return a value of the program, as it is, in the user's units."""
        return self.presolved.units.value(float(value))

    # Adding to it.

    def add(
        self, name: str, constraint: Any = None, *, form: Any = None, product: Any = None, reason: Any = None,
        block: int = 0,
    ) -> NamedInequality:  # fmt: skip
        """Ask for an inequality of your own: linear forms, a product matrix, or any convex constraint.

        Parameters
        ----------
        name: what it is called from now on.
        constraint: a CVXPY constraint, or a list of them, on the variables of the blocks and others. Nothing proves it.
        form: linear functions F of (α, β, w), shape (p, 2g + r), that are nonnegative for every neuron; their products
            with each other and with all forms that are asked for are then nonnegative.
        product: a symmetric Q over x of one block, shape (order, order), with ⟨Q, S⟩ ≥ 0.
        reason: why it holds. Of forms a :class:`sdprelax.cells.Cone` on which the data prove them (``whole_space(g)``
            for everywhere), stated in all blocks whose cones lie in it; or W ≥ 0, shape (p, m), such that the forms are
            W times those of one block, ``blocks[block].forms``. Of a product N, shape (m, m), with Q = GᵀNG and N ≥ 0
            but where products vanish. Without a reason it is solved with, and *unproved*: no certificate has its
            multipliers.
        block: which block W or a product is about.

        Raises
        ------
        InputError: a name that is taken, arrays of other shapes, a constraint that is not convex, a wrong reason.
        """
        if not isinstance(name, str) or not name or name in self.inequalities or name in self.lifting.left_out:
            raise InputError(f"an inequality cannot be called {name!r}: it needs a name, one that is not taken.")
        if sum(each is not None for each in (constraint, form, product)) != 1:
            raise InputError(f"'{name}' must be a CVXPY constraint, or form=..., or product=..., and one of these.")
        if isinstance(block, bool) or not isinstance(block, int) or not 0 <= block < len(self.blocks):
            raise InputError(f"'{name}': there is no block {block!r}; the blocks are 0 to {len(self.blocks) - 1}.")
        if constraint is not None:
            added = stated_constraint(name, constraint, reason)
        elif form is not None:
            added = stated_forms(self.lifting, self.form, self.blocks, name, form, reason, block)
        else:
            added = stated_product(name, product, reason, self.blocks[block])
        return self._enter(added)

    def _enter(self, added: NamedInequality) -> NamedInequality:
        cp = optional("cvxpy")

        self.inequalities[added.name] = added
        self._added += added.constraints
        plain = self._plain.program
        self.program, self._found = cp.Problem(plain.objective, [*plain.constraints, *self._added]), None
        return added

    def separate(self) -> int:
        """Add what the last solution violates, by the families that find forms where they are needed; say how many.

        Such a family, as ``sublinear`` beyond the plane, states none to begin with. Its forms enter under the family's
        name with a number; nothing that is there leaves.

        Raises
        ------
        InputError: it is not solved as it is now, or no solution of it is known.
        """
        _ = self._last
        if any(block.matrix.value is None for block in self.blocks):
            raise InputError("there is no solution whose violations could be found, only a dual point; call solve().")
        total = 0
        for name, family in self.lifting.more.items():
            found = []
            for block in self.blocks if family.rounds else ():
                forms = block.certified_forms(self.lifting)
                order = forms.matrix.shape[1]
                found.append(family.separated(self.rows, forms, np.asarray(block.matrix.value)[:order, :order]))
            if count := sum(map(len, found)):
                number = 1 + sum(other.startswith(f"{name} ") for other in self.inequalities)
                self._enter(self._separated(f"{name} {number}", found))
                total += count
        return total

    def _separated(self, name: str, found: Sequence[Floats]) -> NamedInequality:
        constraints, stated = [], []
        for block, own in zip(self.blocks, found, strict=True):
            known = block.state(self.lifting, name, own)
            # x goes on beyond z with the output weights, unless there is a sector.
            stated.append(np.hstack([own, np.zeros((len(own), len(block.labels) - own.shape[1]))]))
            if len(own):
                constraints.append(block.multiply(sp.csr_array(stated[-1]), known))
        return NamedInequality(name, tuple(constraints), tuple(stated))

    # Solving and proving it.

    def solve(
        self, solver: str | None = None, options: Mapping[str, Any] | None = None, time_limit: float | None = None
    ) -> float:
        """Solve it and prove what comes out; return ``value``.

        Parameters
        ----------
        solver: a name (``sdprelax solvers``); a structured one, such as "interior_point" or "native", takes the reduced
            form with nothing added, and leaves no duals in the program. Default: as method ``sdp`` chooses, for the
            reduced form with nothing added "interior_point" up to 150 generator rows and "native" beyond, and
            "clarabel" for anything else, or where the other one fails.
        options: of the solver, or of the first that is tried.
        time_limit: seconds for a solver that has a limit; None for none.

        Raises
        ------
        InputError: an unknown solver or option, or one that does not take this relaxation or problem.
        SolverUnavailable, SolverFailed: see :class:`sdprelax.solvers.Solver`.
        """
        if not isinstance(options, Mapping | None):
            raise InputError(f"options is {options!r}; it must be a mapping such as {{'tolerance': 1e-6}}.")
        problem, lifting = self.lifting.problem, self.lifting
        structured = is_structured(self.form, lifting.left_out) and not self._added
        names = (
            [solver] if solver is not None else by_default(structured, 0 if options else lifting.generators, problem)
        )
        chosen = {name: solvers.create(name, options if name == names[0] else None) for name in names}
        for name, each in chosen.items():
            require_taken(problem, solvers, name, each)
            if self._added and isinstance(each, StructuredSolver):
                raise InputError(
                    f"solver {name} takes none of what was added ({', '.join(self._own)}); take clarabel or scs."
                )
        seconds = Deadline.of(time_limit).seconds
        ready([kernel for name, each in chosen.items() for kernel in solvers.kernels(name, each)])
        found, deadline = list[_Found](), Deadline(seconds)
        for name, each in chosen.items():
            try:
                found.append(self._solved_by(each, deadline))
            except SolverFailed:
                if not found and name == names[-1]:
                    raise
                continue
            if settled(lifting, found[-1].A, found[-1].solved):
                break
        best = max((each.certificate for each in found), key=lambda proved: proved.lower)
        self._found = replace(found[-1], certificate=best)
        return self.value

    def _solved_by(self, solver: Solver | StructuredSolver, deadline: Deadline) -> _Found:
        if not isinstance(solver, StructuredSolver):
            return self._left(solver.solve(self.program, deadline))
        cones = [block.cone for block in self.blocks]
        best: list[Certificate] = []

        def report(A: Floats, N: Sequence[Floats]) -> float:
            best.append(self._certificate(A, N))
            best[:] = [max(best, key=lambda proved: proved.lower)]
            return best[0].lower

        found = solve_relaxation(self.lifting, self.form, cones, solver, deadline, report)
        report(found.multiplier, found.multipliers)
        for block, matrix in zip(self.blocks, found.matrices, strict=True):
            block.modelled.save(matrix)
        return _Found(found.multiplier, found.multipliers, found.solved, best[0])

    @property
    def _own(self) -> list[str]:
        return [name for name, each in self.inequalities.items() if set(each.constraints) & set(self._added)]

    def _left(self, solved: Solved) -> _Found:
        """Return what a solver left in the program."""
        A, gamma = self._plain.left(solved).multiplier, self.lifting.problem.gamma
        return self._proved(A, tuple(block.multipliers(gamma, A) for block in self.blocks), solved)

    def _proved(self, A: Floats, multipliers: tuple[Floats, ...], solved: Solved) -> _Found:
        return _Found(A, multipliers, solved, self._certificate(A, multipliers))

    def _certificate(self, A: Floats, multipliers: Sequence[Floats]) -> Certificate:
        lifting = self.lifting
        forms = [block.certified_forms(lifting) for block in self.blocks]
        return relaxation_certificate(lifting.problem, lifting.reduction, A, multipliers, forms=forms)

    @property
    def _last(self) -> _Found:
        if self._found is None:
            raise InputError("the relaxation is not solved as it is now; call solve() or read() first.")
        return self._found

    @property
    def status(self) -> str:
        """What the solver said of its last run."""
        return self._last.solved.status

    @property
    def value(self) -> float:
        """The value that the solver claims, in the user's units, nan if none; never a bound, and see ``unproved``."""
        claimed = self.presolved.claimed(self._last.solved.value)
        return float("nan") if claimed is None else claimed

    @property
    def bound(self) -> float:
        """The proved lower bound of p* in the user's units; what is unproved has no part in it."""
        return self.certificate().lower

    def certificate(self) -> Certificate:
        """Return the certificate of the last solve, which ``sdprelax.verify(problem, certificate)`` proves.

        Raises
        ------
        InputError: it was not solved since something was added.
        """
        return self.presolved.certificate(self._last.certificate)

    @property
    def dual(self) -> tuple[Floats, tuple[Floats, ...]]:
        """A, shape (n, c), and N of every block in the user's units, as :func:`certify_dual` takes them."""
        found, (s, t) = self._last, self._scale
        with np.errstate(over="ignore"):
            multipliers = tuple(
                N * t * s if block.cone.sector is not None else N * t * s * t * s
                for N, block in zip(found.multipliers, self.blocks, strict=True)
            )
            return found.A * t, multipliers

    @property
    def _scale(self) -> tuple[float, float]:
        return dual_units(self.presolved)

    # Files for other solvers.

    def write(self, path: str | Path) -> None:
        """Write the program in SDPA's sparse format (``.dat-s``) or the Conic Benchmark Format (``.cbf``).

        SDPA's has semidefinite and linear cones, with second-order ones as arrow matrices; the Conic Benchmark Format
        has exponential cones too, which cross-entropy, the logistic loss and Poisson's need. The file's first lines say
        how its value becomes that of the problem.

        Raises
        ------
        InputError: no path, another suffix, or a cone that the format does not have.
        StorageError: the file cannot be written.
        """
        times = self.value_in_units(1.0)
        write_program(
            self.program, path, (f"{self!r}", f"A value of the program times {times!r} is one of the user's.")
        )

    def read(self, solution: str | Path | Mapping[str, Any]) -> Certificate:
        """Take a solution that another solver found, as if :meth:`solve` had, and return its certificate.

        Parameters
        ----------
        solution: the output of SDPA or CSDP for the ``.dat-s`` file; a mapping, or a JSON file, with "x", "y" and "psd"
            for the ``.cbf`` file (:func:`sdprelax.solvers.read_solution`); or a mapping of a dual point in the units of
            the presolved problem, "A", shape (n, c), and "N", a matrix for each block.

        Raises
        ------
        InputError: it is none, or one of another program. Of a wrong solution of the right shape the bound is weak.
        """
        if isinstance(solution, Mapping) and "A" in solution:
            given = {name: solution.get(name) for name in ("A", "N")}
            if set(solution) != {"A", "N"}:
                raise InputError(f"a dual point has 'A' and 'N', and this mapping has {sorted(map(str, solution))}.")
            sizes = [block.certified_forms(self.lifting).count for block in self.blocks]
            A, N = checked_dual_point(given["A"], given["N"], self.lifting.problem.Y.shape, sizes)
            self._found = self._proved(A, N, Solved("read", None, "a dual point that was read\n"))
        else:
            value = read_solution(self.program, solution)
            self._found = self._left(Solved("read", value, "a solution that was read\n"))
        return self.certificate()


def relax(
    problem: Problem,
    form: Form = "reduced",
    cones: int | Sequence[Cone] = 1,
    sectors: int = 1,
    inequalities: Asked = None,
) -> RelaxationModel:
    """Return the semidefinite relaxation of a training problem, to look at, add to, solve and prove.

    Parameters
    ----------
    problem: the training problem.
    form: "reduced" (order g + r + c for g generator rows of rank r), "lifted" (as published; order 2g + r + c) or
        "scaled_diagonally_dominant" (reduced, with 2×2 minors in place of S ⪰ 0).
    cones: most cones that weight space is split into by :func:`sdprelax.relaxation.split_by_coverage`, or cones of your
        own that are the leaves of one tree.
    sectors: most sectors that the space of output weights is split into, 1 for none, else at least 2^c.
    inequalities: families of inequalities (``sdprelax list inequalities``), each a name or {name: {option: value}};
        default: those of the relaxation as published, over cones, and with sectors theirs.

    Raises
    ------
    InputError: a wrong argument, or a problem whose inputs are all zero.
    """
    presolved, lifting, parts = lifting_of(problem, "relax", cones, sectors, inequalities)
    if not lifting.generators:
        raise InputError("all inputs are zero, and there is nothing to relax: the network without neurons is optimal.")
    return RelaxationModel(presolved, lifting, form, parts)
