"""The relaxation of a training problem by hand: look at it, add to it, solve it with anything, prove what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from sdprelax.base import CertificateError, Deadline, Floats, InputError, finite_matrix, ready
from sdprelax.cells import Cone, covers_space, sectors_of, whole_space
from sdprelax.certificate import Certificate, relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import Forms, Pairs, chosen_families
from sdprelax.problem import Presolved, Problem, require_taken
from sdprelax.relaxation._coordinates import entries_of
from sdprelax.relaxation._program import Form, Modelled, relaxation, solve_relaxation
from sdprelax.relaxation._splitting import local_certificate, split_by_coverage
from sdprelax.solvers import Solved, StructuredSolver, read_solution, solvers, write_program

__all__ = ["NamedBlock", "NamedInequality", "RelaxationModel", "certify_dual", "relax"]

# Relative distance of what is stated from what its reason gives that is taken for rounding.
ROUNDING = 1e-9
Asked = Sequence[str | Mapping[str, Mapping[str, Any]]] | None


@dataclass(frozen=True, eq=False)
class NamedInequality:
    """What a relaxation asks for under a name.

    Attributes
    ----------
    name: of the family, or as it was added.
    constraints: CVXPY's constraints that it is part of.
    forms: what it says is nonnegative, over x of every block, shape (m, order) each; empty where it states no forms.
    proved: whether its multipliers enter the certificate.
    """

    name: str
    constraints: tuple[Any, ...]
    forms: tuple[Floats, ...] = ()
    proved: bool = True


class NamedBlock:
    """One semidefinite block of a relaxation, in the units of the presolved problem.

    Attributes
    ----------
    matrix: S, a CVXPY variable or an expression of one, shape (order, order), which stands for Σxxᵀ over the neurons of
        ``cone``.
    cone: the part of weight space.
    labels: what each entry of x is: "beta[3]" belongs to generator row 3 (rows with one sign in the cone have none),
        "u[0]" and "v[0]" to the hidden and output weights.
    """

    def __init__(self, modelled: Modelled, lifting: LiftedProgram) -> None:
        self.modelled, self._places, block = modelled, lifting.blocks, modelled.block
        self.matrix, self.cone = modelled.matrix, block.cone
        (_, _, c), as_published = lifting.problem.shape, self.cone.sector is None and block.order == lifting.order
        names = [f"alpha[{row}]" for row in range(lifting.generators)] if as_published else []
        names += [f"beta[{row}]" for row in self.cone.undetermined]
        names += [f"u[{k}]" for k in range(lifting.reduction.rank)]
        names += [f"v[{k}]" for k in range(c)] if block.order >= len(names) + c + (self.cone.sector is not None) else []
        self.labels = tuple(names if self.cone.sector is None else [*names, "t"])
        # All forms over x that were asked for, known as combinations of a certificate's, or not known: rows of zeros.
        self._stacked, self._known = block.matrix, sp.csr_array(sp.eye_array(block.forms.count))
        self._asked = np.ones(block.forms.count, dtype=bool)
        for name in block.forms.left_out:
            self._asked[block.forms.places[name]] = False
        self._products: list[tuple[Any, Pairs]] = []
        self._sums: list[tuple[Any, Floats]] = []
        self.stated: dict[str, Floats] = {}

    @property
    def forms(self) -> Floats:
        """G over x, shape (m, order): what the named families say is nonnegative for every neuron of the cone."""
        return np.asarray(self.modelled.block.matrix.toarray())

    def __getitem__(self, pair: tuple[str, str]) -> Any:
        """Return a block of the cone's part of Λ as a CVXPY expression: ``block["alpha", "v"]`` is Λ_αv."""
        try:
            first, second = (self._lift(name) for name in pair)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"Λ has no block {pair!r}; ask for a pair of {', '.join(self._places)}.") from None
        return first @ self.matrix @ second.T

    def _lift(self, name: str) -> sp.csr_array:
        return sp.csr_array(self.modelled.block.lift[self._places[name]])

    def state(self, lifting: LiftedProgram, name: str, forms: Floats) -> sp.csr_array:
        """Enter forms over z, shape (p, len(z)), into the certificate's; return which they are, shape (p, m)."""
        before, p = self.certified_forms(lifting).count, len(forms)
        self.stated[name] = forms
        return sp.csr_array(sp.hstack([sp.csr_array((p, before)), sp.eye_array(p)]))

    def multiply(self, own: sp.csr_array, known: sp.csr_array | None) -> Any:
        """Return CVXPY's constraint that products of forms over x with each other, and with all others, are ≥ 0.

        Parameters
        ----------
        own: the forms, shape (p, order), p > 0.
        known: which combinations of the certificate's forms, those of ``stated`` among them, they are, shape (p, m);
            None where nobody knows.
        """
        import cvxpy as cp

        p, start = own.shape[0], self._stacked.shape[0]
        width = max(self._known.shape[1], 0 if known is None else known.shape[1])
        self._stacked = sp.csr_array(sp.vstack([self._stacked, own]))
        parts = [self._known, sp.csr_array((p, width)) if known is None else known]
        self._known = sp.csr_array(sp.vstack([_widened(part, width) for part in parts]))
        first, second = (
            index.ravel() for index in np.meshgrid(np.flatnonzero(self._asked), np.arange(start, start + p))
        )
        i, j = np.triu_indices(p)
        pairs = np.stack([np.concatenate([first, start + i]), np.concatenate([second, start + j])], axis=1)
        self._asked = np.concatenate([self._asked, np.ones(p, dtype=bool)])
        constraint = entries_of(self._stacked, pairs) @ cp.vec(self.matrix, order="F") >= 0.0
        self._products.append((constraint, pairs))
        return constraint

    def sum_up(self, Q: Floats, N: Floats | None) -> Any:
        """Return CVXPY's constraint ⟨Q, S⟩ ≥ 0, where Q = GᵀNG, or nobody knows."""
        import cvxpy as cp

        constraint = cp.sum(cp.multiply(Q, self.matrix)) >= 0.0
        if N is not None:
            self._sums.append((constraint, N))
        return constraint

    def multipliers(self, gamma: float, A: Floats) -> Floats:
        """Return N over the certificate's forms, as the solver left the duals of everything that is proved, with A."""
        block, size = self.modelled.block, self._known.shape[1]
        count = block.forms.count
        M = np.zeros((len(self._asked), len(self._asked)))
        for constraint, pairs in self._products:
            # An entry off the diagonal shares its multiplier with its mirror image.
            np.add.at(M, tuple(pairs.T), 0.5 * np.asarray(constraint.dual_value, dtype=np.float64).ravel())
        M = M + M.T
        others = np.asarray(self._stacked.T @ (self._stacked.T @ M).T)
        M = np.asarray(self._known.T @ (self._known.T @ M).T)
        for constraint, N in self._sums:
            weighed = float(constraint.dual_value) * N
            M[:count, :count] += weighed
            others = others + np.asarray(block.matrix.T @ (block.matrix.T @ weighed).T)
        total = np.zeros((size, size))
        total[:count, :count] = self.modelled.multipliers(gamma, A, others)
        return total + block.multipliers(gamma, M)

    def certified_forms(self, lifting: LiftedProgram) -> Forms:
        """Return the forms of the certificate: those of the families, and what was added with a cone as its reason."""
        if not self.stated and not lifting.left_out:
            return self.modelled.block.forms
        return Forms.of(lifting.reduction.rows, self.cone, {**lifting.more, **self.stated})


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
            added = self._constraint(name, constraint, reason)
        elif form is not None:
            added = self._forms(name, form, reason, block)
        else:
            added = self._product(name, product, reason, self.blocks[block])
        return self._enter(added)

    def _enter(self, added: NamedInequality) -> NamedInequality:
        import cvxpy as cp

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

    def _constraint(self, name: str, constraint: Any, reason: Any) -> NamedInequality:
        from cvxpy.constraints.constraint import Constraint

        if reason is not None:
            raise InputError(
                f"'{name}': nothing proves a CVXPY constraint; with a reason it is form=... or product=...."
            )
        listed = list(constraint) if isinstance(constraint, list | tuple) else [constraint]
        if not listed or not all(isinstance(each, Constraint) for each in listed):
            raise InputError(f"'{name}' is {constraint!r}, which is neither a CVXPY constraint nor a list of them.")
        if not all(each.is_dcp() for each in listed):
            raise InputError(f"'{name}' is not convex by CVXPY's rules.")
        return NamedInequality(name, tuple(listed), proved=False)

    def _forms(self, name: str, form: Any, reason: Any, index: int) -> NamedInequality:
        g, r = self.rows.shape
        F, W = _matrix(f"'{name}': form", form, (None, 2 * g + r)), None
        concerned = list(self.blocks)
        if isinstance(reason, Cone):
            if self.form == "lifted":
                raise InputError(f"'{name}': form: lifted is the relaxation as published; more has form: reduced.")
            concerned = [block for block in self.blocks if set(reason.path) <= set(block.cone.path)]
            if not concerned:
                raise InputError(f"'{name}': no block's cone lies in the cone that is its reason.")
        elif reason is not None:
            concerned, forms = [self.blocks[index]], self.blocks[index].modelled.block.forms
            W = _matrix(f"'{name}': the reason W", reason, (len(F), forms.count))
            if np.any(W < 0.0):
                raise InputError(f"'{name}': the reason W has a negative entry; forms are combined with weights ≥ 0.")
            said = f"'{name}': its forms are not W times those of block {index}"
            _require_same(said, F @ forms.lift[: 2 * g + r], W @ forms.matrix)
        rows = []
        for block in self.blocks:
            lift = block.modelled.block.forms.lift[: 2 * g + r]
            # What is nothing but rounding in a cone says nothing there.
            there = np.abs(F @ lift).max(axis=1) > ROUNDING * (np.abs(F) @ abs(lift)).max(axis=1)
            rows.append(np.flatnonzero(there & (block in concerned)))
            if isinstance(reason, Cone):
                self._require_proved(name, F[rows[-1]] @ lift, block.cone)
        constraints, stated = [], []
        for block, chosen in zip(self.blocks, rows, strict=True):
            own, known = F[chosen], None if W is None else sp.csr_array(W[chosen])
            if isinstance(reason, Cone):
                known = block.state(self.lifting, name, own @ block.modelled.block.forms.lift[: 2 * g + r])
            stated.append(np.asarray(own @ block.modelled.block.lift[: 2 * g + r]))
            if len(own):
                constraints.append(block.multiply(sp.csr_array(stated[-1]), known))
        return NamedInequality(name, tuple(constraints), tuple(stated), proved=reason is not None)

    def _require_proved(self, name: str, stated: Floats, cone: Cone) -> None:
        """Refuse forms over z that the data do not prove in a cone."""
        lifting = self.lifting
        forms = Forms.of(lifting.reduction.rows, cone, {name: stated})
        nothing, A = np.zeros((forms.count, forms.count)), np.zeros_like(lifting.problem.Y)
        try:
            relaxation_certificate(lifting.problem, lifting.reduction, A, [nothing], forms=[forms])
        except CertificateError as error:
            raise InputError(str(error).removeprefix("the certificate does not hold: its ")) from None

    def _product(self, name: str, product: Any, reason: Any, block: NamedBlock) -> NamedInequality:
        forms, G = block.modelled.block.forms, block.modelled.block.matrix
        Q = _matrix(f"'{name}': product", product, (G.shape[1], G.shape[1]))
        _require_same(f"'{name}': its product is not symmetric", Q, Q.T)
        N = None
        if reason is not None:
            N = _matrix(f"'{name}': the reason N", reason, (forms.count, forms.count))
            N = 0.5 * (N + N.T)
            signed, (first, second) = N.copy(), forms.zeros.T
            signed[first, second] = signed[second, first] = 0.0
            if np.any(signed < 0.0):
                p, q = (int(k) for k in np.unravel_index(np.argmin(signed), signed.shape))
                raise InputError(f"'{name}': the reason N is negative at ({p}, {q}), where products need not vanish.")
            _require_same(f"'{name}': its product is not GᵀNG", Q, G.T @ (G.T @ N).T)
        return NamedInequality(name, (block.sum_up(0.5 * (Q + Q.T), N),), proved=N is not None)

    # Solving and proving it.

    def solve(
        self, solver: str = "clarabel", options: Mapping[str, Any] | None = None, time_limit: float | None = None
    ) -> float:
        """Solve it and prove what comes out; return ``value``.

        Parameters
        ----------
        solver: a name (``sdprelax solvers``); a structured one, such as "interior_point" or "native", takes the reduced
            form with nothing added, and leaves no duals in the program.
        options: of the solver.
        time_limit: seconds for a solver that has a limit; None for none.

        Raises
        ------
        InputError: an unknown solver or option, or one that does not take this relaxation or problem.
        SolverUnavailable, SolverFailed: see :class:`sdprelax.solvers.Solver`.
        """
        if not isinstance(options, Mapping | None):
            raise InputError(f"options is {options!r}; it must be a mapping such as {{'tolerance': 1e-6}}.")
        chosen = solvers.create(solver, options)
        require_taken(self.lifting.problem, solvers, solver, chosen)
        seconds = Deadline.of(time_limit).seconds
        ready(solvers.kernels(solver, chosen))
        deadline = Deadline(seconds)
        if not isinstance(chosen, StructuredSolver):
            self._accept(chosen.solve(self.program, deadline))
        else:
            if self._added:
                raise InputError(
                    f"solver {solver} takes none of what was added ({', '.join(self._own)}); take clarabel or scs."
                )
            cones = [block.cone for block in self.blocks]
            best: list[Certificate] = []

            def report(A: Floats, N: Sequence[Floats]) -> float:
                best.append(self._certificate(A, N))
                best[:] = [max(best, key=lambda proved: proved.lower)]
                return best[0].lower

            found = solve_relaxation(self.lifting, self.form, cones, chosen, deadline, report)
            report(found.multiplier, found.multipliers)
            for block, matrix in zip(self.blocks, found.matrices, strict=True):
                block.modelled.save(matrix)
            self._found = _Found(found.multiplier, found.multipliers, found.solved, best[0])
        return self.value

    @property
    def _own(self) -> list[str]:
        return [name for name, each in self.inequalities.items() if set(each.constraints) & set(self._added)]

    def _accept(self, solved: Solved) -> None:
        """Take what a solver left in the program."""
        A, gamma = self._plain.left(solved).multiplier, self.lifting.problem.gamma
        self._prove(A, tuple(block.multipliers(gamma, A) for block in self.blocks), solved)

    def _prove(self, A: Floats, multipliers: tuple[Floats, ...], solved: Solved) -> None:
        self._found = _Found(A, multipliers, solved, self._certificate(A, multipliers))

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
        return _dual_units(self.presolved)

    # Files for other solvers.

    def write(self, path: str | Path) -> None:
        """Write the program in SDPA's sparse format (``.dat-s``) or the Conic Benchmark Format (``.cbf``).

        SDPA's has semidefinite and linear cones, with second-order ones as arrow matrices; the Conic Benchmark Format
        has exponential cones too, which cross-entropy, the logistic loss and Poisson's need. The file's first lines say
        how its value becomes that of the problem.

        Raises
        ------
        InputError: another suffix, or a cone that the format does not have.
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
            A, N = _dual_point(given["A"], given["N"], self.lifting.problem.Y.shape, sizes)
            self._prove(A, N, Solved("read", None, "a dual point that was read\n"))
        else:
            value = read_solution(self.program, solution)
            self._accept(Solved("read", value, "a solution that was read\n"))
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
    presolved, lifting, parts = _lifting(problem, "relax", cones, sectors, inequalities)
    if not lifting.generators:
        raise InputError("all inputs are zero, and there is nothing to relax: the network without neurons is optimal.")
    return RelaxationModel(presolved, lifting, form, parts)


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
    presolved, lifting, parts = _lifting(problem, "certify_dual", cones, sectors, inequalities)
    reduction, (s, t) = lifting.reduction, _dual_units(presolved)
    forms = [lifting.forms(cone) for cone in parts]
    A, given = _dual_point(A, N, problem.Y.shape, [each.count for each in forms])
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


def _lifting(
    problem: Problem, caller: str, cones: Any, sectors: Any, inequalities: Any
) -> tuple[Presolved, LiftedProgram, list[Cone]]:
    """Return the presolved problem, its lifted program, and the partition that is asked for."""
    if not isinstance(problem, Problem):
        raise InputError(f"{caller}() takes a Problem first, not {type(problem).__name__}; write Problem(X, Y, gamma).")
    presolved = Presolved.of(problem)
    reduction, c = presolved.reduction, problem.shape[2]
    for name, count in (("cones", cones), ("sectors", sectors)):
        if isinstance(count, bool | float | str) or (isinstance(count, int) and count < 1):
            raise InputError(f"{name} is {count!r}; it must be a whole number of 1 or more.")
    space = [whole_space(reduction.generators)]
    if isinstance(cones, int):
        parts = split_by_coverage(reduction.rows, space, cones) if reduction.generators else space
    else:
        parts = list(cones)
        if not all(isinstance(cone, Cone) and len(cone.signs) == reduction.generators for cone in parts):
            raise InputError(
                f"cones is {cones!r}; they must be cones of the problem's {reduction.generators} generator rows."
            )
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


def _dual_units(presolved: Presolved) -> tuple[float, float]:
    """Return the units of X and of A that the presolved problem is in."""
    units, degree = presolved.units, presolved.original.loss.degree or 1
    return units.inputs, units.targets ** (degree - 1)


def _dual_point(
    A: Any, N: Any, shape: tuple[int, ...], sizes: Sequence[int]
) -> tuple[Floats, tuple[Floats, ...]]:  # fmt: skip
    """Return A and N as arrays of the shapes that they must have; N = 0 where it is None."""
    A = _matrix("A", A, shape)
    if N is None:
        return A, tuple(np.zeros((size, size)) for size in sizes)
    listed = [N] if isinstance(N, np.ndarray) and N.ndim == 2 else list(N) if isinstance(N, list | tuple) else None
    if listed is None or len(listed) != len(sizes):
        raise InputError(f"N must have a matrix for each of the {len(sizes)} blocks, in a list.")
    return A, tuple(
        _matrix(f"N of block {k}", each, (size, size)) for k, (each, size) in enumerate(zip(listed, sizes, strict=True))
    )


def _matrix(name: str, values: Any, shape: tuple[int | None, ...]) -> Floats:
    """Return finite numbers as a matrix of a shape, in which None stands for any number."""
    found = finite_matrix(name, values)
    wanted = tuple(there if size is None else size for size, there in zip(shape, found.shape, strict=True))
    if found.shape != wanted:
        raise InputError(
            f"{name} has the shape {found.shape}; it must be {tuple('p' if s is None else s for s in shape)}."
        )
    return found


def _require_same(words: str, said: Any, found: Any) -> None:
    """Refuse what differs from what its reason gives, by more than rounding."""
    said, found = np.asarray(said), np.asarray(found)
    size = max(float(np.max(np.abs(found), initial=0.0)), float(np.max(np.abs(said), initial=0.0)))
    apart = float(np.max(np.abs(said - found), initial=0.0))
    if apart > ROUNDING * size:
        raise InputError(f"{words}: they differ by {apart:.1e}.")


def _widened(matrix: sp.csr_array, width: int) -> sp.csr_array:
    return sp.csr_array(sp.hstack([matrix, sp.csr_array((matrix.shape[0], width - matrix.shape[1]))]))
