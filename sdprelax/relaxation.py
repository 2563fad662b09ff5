"""P25's SDP relaxation of the lifted program, in two forms (docs/mathematics.md section 3).

The cone of completely positive matrices is replaced by the doubly nonnegative ones: Λ ⪰ 0 and Λ ≥ 0 on
the (α, β) block. ``lifted`` is that program as published; it has no interior, since MΛMᵀ = 0 forces
ΛMᵀ = 0. ``reduced`` writes Λ = TSTᵀ over the face (β, u, v): the same value, a smaller
semidefinite block, no linear equalities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import scipy.sparse as sp

from sdprelax.deadline import Deadline
from sdprelax.errors import InputError, nearest
from sdprelax.lifting import LiftedProgram
from sdprelax.solvers import Solved, Solver
from sdprelax.verified import Floats

__all__ = ["Form", "Relaxation", "RelaxationSolution", "relaxation"]

Form = Literal["lifted", "reduced"]


@dataclass(frozen=True, eq=False)
class RelaxationSolution:
    """What a solver returned for a relaxation; approximate in every respect.

    Attributes
    ----------
    lifted: Λ, shape (order, order), symmetric.
    multiplier: A = Y − predictions(Λ), shape (n, c).
    multipliers: N of the reduced slack γ²E_ww − (GᵀB)(GᵀB)ᵀ − GᵀNG, shape (2g, 2g).
    solved: the solver's own words.
    """

    lifted: Floats
    multiplier: Floats
    multipliers: Floats
    solved: Solved


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A relaxation as a CVXPY problem.

    Attributes
    ----------
    lifting: the program that is relaxed.
    program: the ``cvxpy.Problem``.
    matrix: its semidefinite variable: Λ (``lifted``) or S (``reduced``).
    nonnegative: the constraint P ≥ 0 on the entries ``pairs``; complementary: P_{α_iβ_i} = 0.
    pairs: the entries (k, 2), first < or = second, of the 2g×2g activation block that must be nonnegative.
    form: which form it is.
    """

    lifting: LiftedProgram
    program: Any
    matrix: Any
    nonnegative: Any
    complementary: Any
    pairs: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    form: Form

    def solve(self, solver: Solver, deadline: Deadline) -> RelaxationSolution:
        """Solve with a conic solver and read back Λ and the multipliers.

        Raises
        ------
        SolverUnavailable, SolverFailed: see :class:`sdprelax.solvers.Solver`.
        """
        solved = solver.solve(self.program, deadline)
        return self.read_back(solved)

    def read_back(self, solved: Solved) -> RelaxationSolution:
        """Return the solution that the program's variables and duals hold."""
        lifting = self.lifting
        matrix = np.array(self.matrix.value, dtype=np.float64)
        matrix = 0.5 * (matrix + matrix.T)
        lifted = matrix if self.form == "lifted" else lifting.face @ matrix @ lifting.face.T
        g = lifting.generators
        N = np.zeros((2 * g, 2 * g))
        # The Lagrangian carries −⟨M, P⟩ with M symmetric, so an off-diagonal multiplier is shared by two
        # entries; CVXPY adds the multipliers of equalities with the other sign. N = 2γM.
        dual = np.asarray(self.nonnegative.dual_value, dtype=np.float64).ravel()
        first, second = self.pairs.T
        N[first, second] = np.where(first == second, 2.0, 1.0) * dual
        free = -np.asarray(self.complementary.dual_value, dtype=np.float64).ravel()
        N[np.arange(g), np.arange(g) + g] = free
        N = lifting.problem.gamma * (N + np.triu(N, 1).T)
        return RelaxationSolution(lifted, lifting.problem.Y - lifting.predictions(lifted), N, solved)


def relaxation(lifting: LiftedProgram, form: Form) -> Relaxation:
    """Return the SDP relaxation of a lifted program in one of its forms.

    Parameters
    ----------
    lifting: the program, with at least one generator row.
    form: "lifted" (P25 as published, order 2g + r + c) or "reduced" (order g + r + c).
    """
    if form not in get_args(Form):
        raise InputError(f"unknown form '{form}': {nearest(form, get_args(Form))}.")
    g, (_, _, c) = lifting.generators, lifting.problem.shape
    order = lifting.order if form == "lifted" else lifting.order - g
    import cvxpy as cp  # half a second, which commands that solve nothing need not wait for

    matrix = cp.Variable((order, order), PSD=True, name="Lambda" if form == "lifted" else "S")
    face = sp.csr_array(np.eye(order) if form == "lifted" else lifting.face)
    activations = face[: 2 * g]
    first, second = np.triu_indices(2 * g)
    complementary = second - first == g
    pairs = np.stack([first[~complementary], second[~complementary]], axis=1)
    entries = cp.vec(matrix, order="F")
    nonnegative = _entries(activations, pairs) @ entries >= 0.0
    twins = np.stack([np.arange(g), np.arange(g) + g], axis=1)
    vanishing = _entries(activations, twins) @ entries == 0.0
    constraints = [nonnegative, vanishing]
    if form == "lifted":
        M = lifting.linear_map
        upper = np.stack(np.triu_indices(g), axis=1)
        constraints.append(_entries(sp.csr_array(M), upper) @ entries == 0.0)
    predictions = sp.csr_array(lifting.selection @ activations) @ matrix[:, order - c :]
    weights = cp.diag(matrix)[order - c - lifting.reduction.rank :]
    objective = 0.5 * cp.sum_squares(predictions - lifting.problem.Y) + 0.5 * lifting.problem.gamma * cp.sum(weights)
    program = cp.Problem(cp.Minimize(objective), constraints)
    return Relaxation(lifting, program, matrix, nonnegative, vanishing, pairs, form)


def _entries(left: sp.csr_array, pairs: np.ndarray[Any, np.dtype[np.int64]]) -> sp.csr_array:
    """Return the operator that maps vec(S) to the entries (a, b) in ``pairs`` of left·S·leftᵀ."""
    order = left.shape[1]
    a, b = left[pairs[:, 0]].tocsr(), left[pairs[:, 1]].tocsr()
    count_a, count_b = np.diff(a.indptr), np.diff(b.indptr)
    # Row k holds a_k ⊗ b_k: every nonzero of a_k meets every nonzero of b_k.
    repeats = np.repeat(count_b, count_a)
    from_a = np.repeat(np.arange(a.nnz), repeats)
    row_of_a = np.repeat(np.arange(len(pairs)), count_a)
    starts = np.repeat(b.indptr[:-1][row_of_a], repeats)
    within = np.arange(len(from_a)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    from_b = starts + within
    rows = row_of_a[from_a]
    columns = a.indices[from_a].astype(np.int64) + order * b.indices[from_b].astype(np.int64)
    return sp.csr_array((a.data[from_a] * b.data[from_b], (rows, columns)), shape=(len(pairs), order * order))
