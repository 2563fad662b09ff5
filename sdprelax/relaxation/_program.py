"""The SDP relaxation of the lifted program, in two forms, and its refinement by cones (docs/mathematics/relaxation.md).

The cone of completely positive matrices is replaced by the doubly nonnegative ones: Λ ⪰ 0 and Λ ≥ 0 on
the (α, β) block. ``lifted`` is that program as published; it has no interior, since MΛMᵀ = 0 forces
ΛMᵀ = 0. ``reduced`` writes Λ = TSTᵀ over the face (β, u, v): the same value, a smaller
semidefinite block, no linear equalities. Over a partition of weight space there is one reduced block S_C per cone C,
over the β of the rows that C leaves undetermined; Λ is the sum of their lifts, and refining never loosens.
``scaled_diagonally_dominant`` is the reduced form with S ⪰ 0 weakened to its minors of order two, so that its dual
slack is a sum of semidefinite matrices of order two.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Deadline, Floats, InputError, SolverFailed, nearest, optional
from sdprelax.cells import Cone, whole_space
from sdprelax.lifting import Block, LiftedProgram
from sdprelax.lifting.inequalities import Pairs
from sdprelax.problem import Squared
from sdprelax.relaxation._coordinates import Coordinates, entries_of
from sdprelax.solvers import Coarser, PointReport, Solved, Solver, StructuredSolver, solvers

__all__ = [
    "Form",
    "Modelled",
    "Relaxation",
    "RelaxationSolution",
    "is_structured",
    "relaxation",
    "solve_relaxation",
]

Form = Literal["lifted", "reduced", "scaled_diagonally_dominant"]


@dataclass(frozen=True, eq=False)
class RelaxationSolution:
    """What a solver returned for a relaxation; approximate in every respect.

    Attributes
    ----------
    lifted: Λ, shape (order, order), symmetric; the sum over the cones.
    parts: its part from every cone, each of the shape of Λ.
    multiplier: A, shape (n, c): Y − predictions(Λ) of the squared loss, else the residual that the solver found.
    multipliers: N of every cone's reduced slack, γ²E_ww − DDᵀ − GᵀNG without a sector, shape (m, m) for its m forms.
    solved: the solver's own words.
    matrices: S of every cone's block, as they were solved for.
    blocks: those blocks.
    """

    lifted: Floats
    parts: tuple[Floats, ...]
    multiplier: Floats
    multipliers: tuple[Floats, ...]
    solved: Solved
    matrices: tuple[Floats, ...]
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, eq=False)
class Modelled:
    """One block of a relaxation as CVXPY's objects.

    Attributes
    ----------
    block: its arrays; of the form ``lifted`` over (α, β, w, v).
    matrix: the semidefinite variable S.
    nonnegative: the constraint GSGᵀ ≥ 0 on the entries ``block.pairs``; None where there is none.
    vanishing: the constraint GSGᵀ = 0 on the entries ``zeros``; None where there is none.
    zeros: the products that it is about, shape (q, 2).
    coordinates: in which S = BYBᵀ, with ``semidefinite`` the constraint Y ⪰ 0; None where S is a variable.
    """

    block: Block
    matrix: Any
    nonnegative: Any
    vanishing: Any
    zeros: Pairs
    coordinates: Coordinates | None = None
    semidefinite: Any = None

    def constraints(self) -> list[Any]:
        """Return its constraints but S ⪰ 0."""
        cp = optional("cvxpy")

        norms = [cp.sum(cp.multiply(norm, cp.diag(self.matrix))) == 0.0 for norm in self.block.norms]
        return [each for each in (self.nonnegative, self.vanishing, self.semidefinite) if each is not None] + norms

    def save(self, S: Floats) -> None:
        """Take S as the value of ``matrix``."""
        if self.coordinates is None:
            self.matrix.save_value(S)
        else:
            (unknowns,) = self.matrix.variables()
            unknowns.save_value(self.coordinates.unknowns(S))

    def multipliers(self, gamma: float, A: Floats, others: Floats | float = 0.0) -> Floats:
        """Return N, shape (m, m), as the solver left the duals.

        Parameters
        ----------
        A: the dual point that they go with, shape (n, c).
        others: what the multipliers of further constraints take off the slack, over x.
        """
        M = np.zeros((self.block.forms.count, self.block.forms.count))
        # The Lagrangian carries −⟨M, GSGᵀ⟩ with M symmetric, so an off-diagonal multiplier is shared by two
        # entries; CVXPY adds the multipliers of equalities with the other sign.
        for constraint, pairs, sign in (
            (self.nonnegative, self.block.pairs, 0.5),
            (self.vanishing, self.zeros, -0.5),
        ):
            if constraint is not None:
                first, second = pairs.T
                dual = np.asarray(constraint.dual_value, dtype=np.float64).ravel()
                M[first, second] = M[second, first] = sign * np.where(first == second, 2.0, 1.0) * dual
        if self.coordinates is not None:
            left = self.coordinates.multipliers(self.block.slack(gamma, A, M) - others, self.semidefinite.dual_value)
            first, second = self.coordinates.left_out.T
            M[first, second] = M[second, first] = left
        return self.block.multipliers(gamma, M)


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A relaxation as a CVXPY problem.

    Attributes
    ----------
    lifting: the program that is relaxed.
    program: the ``cvxpy.Problem``.
    blocks: its semidefinite blocks, one per cone.
    outputs: the constraint that predictions are those of Λ, whose multiplier is A; None where A is the residual there.
    """

    lifting: LiftedProgram
    program: Any
    blocks: tuple[Modelled, ...]
    outputs: Any = None

    def solve(self, solver: Solver, deadline: Deadline) -> RelaxationSolution:
        """Solve with a conic solver and read back Λ and the multipliers.

        Raises
        ------
        SolverUnavailable, SolverFailed: see :class:`sdprelax.solvers.Solver`.
        """
        return self.left(solver.solve(self.program, deadline))

    def left(self, solved: Solved) -> RelaxationSolution:
        """Return what a solver left in the variables and constraints of the program.

        Raises
        ------
        SolverFailed: it is not finite.
        """
        problem = self.lifting.problem
        matrices = [np.array(modelled.matrix.value, dtype=np.float64) for modelled in self.blocks]
        matrices = [0.5 * (matrix + matrix.T) for matrix in matrices]
        blocks = [modelled.block for modelled in self.blocks]
        lifted, parts = _lifted(blocks, matrices, f"the solver returned a point that is not finite ({solved.status}).")
        if self.outputs is None:
            A = problem.residual(self.lifting.predictions(lifted))
        else:
            # CVXPY's Lagrangian has +⟨A, P − predictions(Λ)⟩.
            A = np.asarray(self.outputs.dual_value, dtype=np.float64).reshape(problem.Y.shape)
        multipliers = tuple(block.multipliers(problem.gamma, A) for block in self.blocks)
        return RelaxationSolution(lifted, parts, A, multipliers, solved, tuple(matrices), tuple(blocks))


def _lifted(
    blocks: Sequence[Block], matrices: Sequence[Floats], failure: str
) -> tuple[Floats, tuple[Floats, ...]]:  # fmt: skip
    """Return Λ and its parts.

    Raises
    ------
    SolverFailed: they are not finite, with the given words.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        parts = tuple(block.part(matrix) for block, matrix in zip(blocks, matrices, strict=True))
        lifted: Floats = np.sum(parts, axis=0)
    if not np.all(np.isfinite(lifted)):
        raise SolverFailed(failure)
    return lifted, parts


def is_structured(form: Form, left_out: Collection[str]) -> bool:
    """Say whether every structured solver takes a presolved relaxation of a form without some families."""
    needed = {family for name in solvers for family in getattr(solvers[name], "needs", ())}
    return form == "reduced" and not needed.intersection(left_out)


def solve_relaxation(
    lifting: LiftedProgram,
    form: Form,
    cones: Sequence[Cone],
    solver: Solver | StructuredSolver,
    deadline: Deadline,
    report: PointReport,
    start: Coarser | None = None,
) -> RelaxationSolution:
    """Solve a relaxation with any solver.

    Parameters
    ----------
    report: called with dual points (A, N) on the way by solvers that have them; see
        :class:`sdprelax.solvers.StructuredSolver`.
    start: what solvers that take one start from.

    Raises
    ------
    InputError: a structured solver is asked for another form, or to do without inequalities that it needs.
    SolverUnavailable, SolverFailed: see :class:`sdprelax.solvers.Solver`.
    """
    if not isinstance(solver, StructuredSolver):
        return relaxation(lifting, form, cones).solve(solver, deadline)
    name = solver.availability().name
    blocks = lifting.over(cones)
    if form != "reduced" or solver.needs & lifting.left_out:
        families = f" with the inequalities {', '.join(sorted(solver.needs))}" if solver.needs else ""
        raise InputError(f"solver {name} solves the reduced form{families}; take clarabel for anything else.")
    found = solver.solve_blocks(lifting, blocks, deadline, report, **({"start": start} if solver.starts else {}))
    lifted, parts = _lifted(
        blocks, found.matrices, f"{name} returned a point that is not finite ({found.solved.status})."
    )
    return RelaxationSolution(
        lifted, parts, found.multiplier, found.multipliers, found.solved, found.matrices, tuple(blocks)
    )


def relaxation(lifting: LiftedProgram, form: Form, cones: Sequence[Cone] | None = None) -> Relaxation:
    """Return the SDP relaxation of a lifted program in one of its forms.

    Parameters
    ----------
    lifting: the program, with at least one generator row.
    form: "lifted" (Prakhya, Birdal and Yurtsever 2025, as published; order 2g + r + c), "reduced" (order g + r + c), or
        "scaled_diagonally_dominant" (the reduced form with 2×2 minors in place of S ⪰ 0; Ahmadi and Majumdar 2019).
    cones: a partition of weight space, one block each (not in form "lifted"); default: all of it.

    Raises
    ------
    InputError: no such form, or cones or more inequalities than the standard ones in the lifted form.
    """
    if form not in get_args(Form):
        raise InputError(f"unknown form '{form}': {nearest(form, get_args(Form))}.")
    cp = optional("cvxpy")  # half a second, which commands that solve nothing need not wait for

    g, gamma = lifting.generators, lifting.problem.gamma
    if cones is None:
        cones = [whole_space(g)]
    if form == "lifted" and (len(cones) > 1 or lifting.more or cones[0].sector is not None):
        raise InputError(
            "form: lifted is the single block as published; a relaxation over cones or with more inequalities has "
            "form: reduced."
        )
    blocks, constraints, predictions, weights = [], [], [], []
    for index, block in enumerate([_as_published(lifting)] if form == "lifted" else lifting.over(cones)):
        kind = "symmetric" if form == "scaled_diagonally_dominant" else "PSD"
        coordinates = Coordinates.of(block) if form == "reduced" else None
        if coordinates is None:
            matrix = cp.Variable(
                (block.order, block.order), name="Lambda" if form == "lifted" else f"S_{index}", **{kind: True}
            )
            modelled = _modelled(block, matrix, block.matrix, cp.vec(matrix, order="F"), block.zeros)
        else:
            modelled = _in_coordinates(coordinates, f"Y_{index}")
            matrix = modelled.matrix
        blocks.append(modelled)
        constraints += modelled.constraints()
        if kind == "symmetric":
            constraints += _minors(matrix)
        if form == "lifted":
            upper = np.stack(np.triu_indices(g), axis=1)
            constraints.append(entries_of(sp.csr_array(lifting.linear_map), upper) @ cp.vec(matrix, order="F") == 0.0)
        predictions.append(block.inputs @ (matrix @ block.outputs.T))
        weights.append(block.cost @ cp.diag(matrix))
    problem, predicted, weight = lifting.problem, sum(predictions[1:], predictions[0]), sum(weights[1:], weights[0])
    if problem.offset:
        offset = cp.Variable((1, problem.shape[2]), name="t")
        predicted = predicted + np.ones((len(problem.Y), 1)) @ offset
        if problem.offset_decay:
            weight = weight + problem.offset_decay / gamma * cp.sum(cp.square(offset))
    outputs = None
    if problem.loss != Squared():
        # The solver's own A fits its N; the residual at its approximate predictions would be farther off, or arbitrary.
        stated = cp.Variable(problem.Y.shape, name="P")
        outputs, predicted = stated == predicted, stated
        constraints.append(outputs)
    objective = problem.loss.expression(predicted, problem.Y) + 0.5 * gamma * weight
    return Relaxation(lifting, cp.Problem(cp.Minimize(objective), constraints), tuple(blocks), outputs)


def _modelled(block: Block, matrix: Any, forms: sp.csr_array, entries: Any, zeros: Pairs, **more: Any) -> Modelled:
    """Return a block whose products (p, q) are rows p and q of ``forms`` on a semidefinite matrix's entries."""
    return Modelled(
        block,
        matrix,
        entries_of(forms, block.pairs) @ entries >= 0.0 if len(block.pairs) else None,
        entries_of(forms, zeros) @ entries == 0.0 if len(zeros) else None,
        zeros,
        **more,
    )


def _in_coordinates(coordinates: Coordinates, name: str) -> Modelled:
    """Return a block as BYBᵀ without the entries of Y that vanish."""
    cp = optional("cvxpy")

    entries = coordinates.spread @ cp.Variable(coordinates.spread.shape[1], name=name)
    Y = cp.reshape(entries, (len(coordinates.basis),) * 2, order="F")
    S = coordinates.basis @ Y @ coordinates.basis.T
    return _modelled(
        coordinates.block,
        S,
        coordinates.matrix,
        entries,
        coordinates.zeros,
        coordinates=coordinates,
        semidefinite=Y >> 0,
    )


def _minors(matrix: Any) -> list[Any]:
    """Return the constraints that a symmetric variable's diagonal and its minors of order two are nonnegative."""
    cp = optional("cvxpy")

    i, j = np.triu_indices(matrix.shape[0], 1)
    diagonal = cp.diag(matrix)
    if not len(i):
        return [diagonal >= 0.0]
    # s_ij² ≤ s_iis_jj, for one cone per pair.
    sides = cp.vstack([2.0 * matrix[i, j], diagonal[i] - diagonal[j]])
    return [cp.SOC(diagonal[i] + diagonal[j], sides, axis=0)]


def _as_published(lifting: LiftedProgram) -> Block:
    """Return the block over (α, β, w, v) itself."""
    forms = lifting.forms(whole_space(lifting.generators))
    (_, _, c), r = lifting.problem.shape, lifting.reduction.rank
    matrix = sp.csr_array(sp.hstack([forms.over, sp.csr_array((forms.count, c))]))
    everything = sp.csr_array(sp.eye_array(lifting.order))
    inputs = sp.csr_array(lifting.selection @ everything[: 2 * lifting.generators])
    cost = np.concatenate([np.zeros(2 * lifting.generators), np.ones(r + c)])
    return Block(
        forms, matrix, everything, inputs, sp.csr_array(everything[-c:]), cost, np.zeros((0, lifting.order))
    )  # fmt: skip
