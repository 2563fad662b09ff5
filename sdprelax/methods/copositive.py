"""Method ``copositive``: Sahiner et al.'s copositive program over sampled patterns, doubly nonnegative."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from pydantic import PositiveInt

from sdprelax.base import Deadline, Floats, InputError, ProblemTooLarge, SolverFailed, Use
from sdprelax.cells import Cone, pattern_cone, sampled_patterns
from sdprelax.certificate import COVER_KERNELS, cover_certificate, proving_seconds
from sdprelax.exact import sparsified
from sdprelax.lasso import network_on_directions
from sdprelax.lifting import LiftedProgram
from sdprelax.methods import methods
from sdprelax.problem import Presolved, Problem, Reduction, reduce
from sdprelax.relaxation import RelaxationSolution, relaxation
from sdprelax.solvers import StructuredSolver, solvers
from sdprelax.training import Incumbent, Outcome, Report, status_of, unreported

__all__ = ["Copositive"]

# Nonzeros of the entrywise constraints that a conic solver is given at most.
LARGEST_PROGRAM = 10_000_000
# Doubly nonnegative matrices of this order are completely positive (Maxfield and Minc 1962), those of larger order need
# not be.
COMPLETELY_POSITIVE = 4
# Directions that the group lasso of the rounding is given at most.
LARGEST_ROUNDING = 2_000
# Share of the trace below which a block is rounded to nothing, and of a singular value of S to be a direction.
NEGLIGIBLE = 1e-8
# Share of the remaining time that the solver may take.
SOLVING = 0.75
# What fewer neurons may cost, relative to the objective.
SPARSE = 1e-7


@methods.register("copositive")
@dataclass(frozen=True)
class Copositive:
    """Sahiner et al.'s copositive program over sampled patterns (2021), relaxed to an SDP and rounded.

    Sahiner, Ergen, Pauly and Pilanci, *Vector-output ReLU neural network problems are copositive programs* (ICLR 2021):
    with D_i over the activation patterns, training is

        min ½‖Σ D_iXW_i − Y‖² + (γ/2)Σ(tr S_i + tr T_i)
        s.t. [S_i W_i; W_iᵀ T_i] ⪰ 0,  S_i ∈ conv{uuᵀ : (2D_i − I)Xu ≥ 0}

    for the squared loss; any other loss, with or without weights and an offset, stands in its place.

    Here as in their code, patterns are sampled by Gaussian gates and the last constraint is relaxed to FS_iFᵀ ≥ 0
    entrywise for the walls F = (2D_i − I)X. A row that the facets imply is a nonnegative combination of them, and so
    are products of such rows: the facets' entries alone say the same. One block of order r + c per pattern.

    Of the squared loss, eliminating W and T leaves (γ/2)tr Yᵀ(γI + ΣD_iXS_iXᵀD_i)⁻¹Y + (γ/2)Σ tr S_i. Their code writes
    ½yᵀ(I + 2ΣD_iXU_iXᵀD_i)⁻¹y + β²Σ tr U_i: the same program, with β = γ and S_i = 2γU_i.

    ``solver_value`` is the program's value and no bound of p*: leaving patterns out raises it, and relaxing the cone
    lowers it, but for cones of at most four facets (as all are in rank 2), where doubly nonnegative is completely
    positive. If ``cones_beyond_four_facets`` in the details is 0, the exact value of the program is at least p*, and p*
    itself with all patterns. The network is rounded: neurons along directions of the S_i inside their cones (as far as
    the solver's accuracy goes), output weights by group lasso.

    Parameters
    ----------
    patterns: distinct activation patterns sampled by Gaussian gates; fewer where no more turn up.
    solver: conic solver; ``sdprelax list solvers`` says which run here.
    solver_options: options of that solver; their code ran SCS with ``tolerance: 1e-4``.
    samples: directions u ~ N(0, S_i), projected onto the cone, that each pattern adds to the rounding.
    certify: prove a lower bound from the solution's residual where the rank is at most 5, in half of the time and at
        most 30 s.
    """

    version: ClassVar[int] = 2
    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    patterns: PositiveInt = 50
    solver: str = "clarabel"
    solver_options: dict[str, Any] = field(default_factory=dict)
    samples: PositiveInt = 20
    certify: bool = True

    def __post_init__(self) -> None:
        name = solvers.canonical(self.solver)
        solver = solvers.create(name, self.solver_options)
        if isinstance(solver, StructuredSolver):
            raise InputError(
                f"solver: {name} solves sdp's single block; copositive needs a conic one: clarabel or scs."
            )
        object.__setattr__(self, "solver", name)
        object.__setattr__(self, "solver_options", solvers.typed(name, self.solver_options))

    @property
    def kernels(self) -> Iterable[str]:
        """Modules of compiled functions that it computes with."""
        return COVER_KERNELS if self.certify else ()

    def uses(self) -> Iterable[Use]:
        """Return the solver."""
        return ((solvers, self.solver, self.solver_options),)

    def size(self, problem: Problem) -> str:
        """Return the number of blocks and their order."""
        return f"at most {self.patterns} blocks of order {reduce(problem).rank + problem.shape[2]}"

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the program's value, the rounded network, and the bound that the residual proves."""
        best = Incumbent(Presolved.of(problem), deadline, report)
        best.offer_empty()
        if best.empty_is_optimal():
            return best.outcome(True)
        reduction = best.presolved.reduction
        proving = proving_seconds(reduction, deadline) if self.certify else 0.0
        solving = Deadline(SOLVING * (deadline.remaining - proving))
        signs, gates, _ = sampled_patterns(reduction.rows, self.patterns, rng)
        rank = reduction.rank
        best.details = {"rank": rank, "patterns": len(signs), "order": rank + problem.shape[2]}
        cones = self._cones(reduction, signs, gates, solving)
        if cones is None:
            return best.outcome(False, True)
        best.details |= _facets(cones)
        # The gates alone make a network to fall back on, should the solver take all of the time.
        _round(best, gates)
        lifting = LiftedProgram(best.presolved.problem, reduction)
        solution = self._solution(lifting, cones, solving)
        if solution is None:
            return best.outcome(False, True)
        moments = [part[lifting.blocks["u"], lifting.blocks["u"]] for part in solution.parts]
        found = _directions(reduction.rows, cones, moments, self.samples, rng)
        _round(best, _promising(reduction, found, solution.multiplier))
        proof = cover_certificate(best.presolved, solution.multiplier, deadline) if self.certify else None
        solved, late = solution.solved, deadline.expired or solving.expired
        best.solver_said(solved.status, solved.value, solved.log)
        return best.outcome(status_of(solved.status) == "solved" and not late, late, certificate=proof)

    def _cones(
        self, reduction: Reduction, signs: NDArray[np.int8], gates: Floats, deadline: Deadline
    ) -> list[Cone] | None:
        """Return the cones of the patterns; None if they take too long.

        Raises
        ------
        ProblemTooLarge: their entrywise constraints are too many.
        """
        cones: list[Cone] = []
        for pattern, gate in zip(signs, gates.T, strict=True):
            cones.append(pattern_cone(reduction.rows, pattern, gate))
            self._check(cones, reduction.rank)
            if deadline.expired:
                return None
        return cones

    def _solution(self, lifting: LiftedProgram, cones: Sequence[Cone], deadline: Deadline) -> RelaxationSolution | None:
        """Return the program's solution; None if time was up before the solver had one.

        Raises
        ------
        SolverFailed: it had none for another reason.
        """
        solver = solvers.create(self.solver, self.solver_options)
        assert not isinstance(solver, StructuredSolver)
        try:
            return relaxation(lifting, "reduced", cones).solve(solver, deadline)
        except SolverFailed:
            if not deadline.expired:
                raise
            return None

    def _check(self, cones: Sequence[Cone], rank: int) -> None:
        """Refuse what no solver here can hold, as soon as the cones known so far are too much."""
        pairs = sum(len(cone.facets) * (len(cone.facets) + 1) // 2 for cone in cones)
        nonzeros = pairs * rank * (rank + 1) // 2
        if nonzeros > LARGEST_PROGRAM:
            raise ProblemTooLarge(
                f"copositive cannot hold this problem: {len(cones)} patterns of up to "
                f"{max(len(cone.facets) for cone in cones)} facets in rank {rank} already make entrywise constraints "
                f"of {nonzeros:,} nonzeros and it takes at most {LARGEST_PROGRAM:,}; take fewer patterns."
            )


def _facets(cones: Sequence[Cone]) -> dict[str, Any]:
    """Return how many facets the cones have, and how many have too many for the relaxation to be exact on them."""
    counts = sorted(len(cone.facets) for cone in cones)
    return {
        "facets": {"least": counts[0], "median": counts[len(counts) // 2], "most": counts[-1]},
        "cones_beyond_four_facets": sum(count > COMPLETELY_POSITIVE for count in counts),
    }


def _round(best: Incumbent, directions: Floats) -> None:
    """Offer the best network along directions, of few neurons."""
    problem, reduction = best.presolved.problem, best.presolved.reduction
    found = network_on_directions(problem, reduction, directions)
    best.details["rounding_gap"] = found.gap
    late = best.deadline.expired
    best.offer(found.network if late else sparsified(problem, reduction, found.network, SPARSE))


def _directions(
    rows: Floats, cones: Sequence[Cone], moments: Sequence[Floats], samples: int, rng: np.random.Generator
) -> Floats:
    """Return directions inside the cones that the moments S_i = Σuuᵀ suggest, shape (r, k).

    For every cone S's columns along the facets, Sf, which are in the cone as FSFᵀ ≥ 0; what is left of S on each facet,
    S − SffᵀS/(fᵀSf), by its top eigenvector; S's eigenvectors; samples of N(0, S). All but the first are projected onto
    the cone. In rank 2 the first two factorise S.
    """
    total = sum(float(np.trace(S)) for S in moments)
    found: list[Floats] = []
    for cone, S in zip(cones, moments, strict=True):
        if float(np.trace(S)) <= NEGLIGIBLE * total:
            continue
        walls = cone.walls(rows)
        eigenvalues, vectors = np.linalg.eigh(S)
        alive = eigenvalues > NEGLIGIBLE * eigenvalues[-1]
        root = vectors[:, alive] * np.sqrt(eigenvalues[alive])
        columns = S @ walls.T
        heights = np.einsum("fr,rf->f", walls, columns)
        outside = [*root.T, *(root @ rng.standard_normal((root.shape[1], samples))).T]
        for column, height in zip(columns.T, heights, strict=True):
            if height > 0.0:
                outside.append(np.linalg.eigh(S - np.outer(column, column) / height)[1][:, -1])
        found += [*columns.T[heights > 0.0], *(_projected(walls, u) for u in outside)]
    return np.array(found).reshape(-1, rows.shape[1]).T


def _promising(reduction: Reduction, directions: Floats, A: Floats) -> Floats:
    """Return the directions of largest ‖Aᵀ(Xu)₊‖/‖u‖, which is γ at an optimum's neurons and less elsewhere."""
    lengths = np.linalg.norm(directions, axis=0)
    alive = directions[:, lengths > 0.0] / lengths[lengths > 0.0]
    slopes = np.linalg.norm(A.T @ reduction.features(alive), axis=0)
    chosen: Floats = alive[:, np.argsort(-slopes)[:LARGEST_ROUNDING]]
    return chosen


def _projected(walls: Floats, u: Floats) -> Floats:
    """Return the longer of the projections of u and −u onto {w : walls·w ≥ 0} (Moreau), or u where there is none."""
    projections = []
    for z in (u, -u):
        try:
            projections.append(z + walls.T @ scipy.optimize.nnls(walls.T, -z)[0])
        except RuntimeError:  # out of iterations
            projections.append(z)
    return max(projections, key=lambda w: float(np.linalg.norm(w)))
