"""Method ``gated_relu``: convex training behind fixed gates, then cone decomposition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import LATER, Deadline, Floats, Use
from sdprelax.cells import Patterns
from sdprelax.certificate import COVER_KERNELS, GroupCertificate, cone_certificate
from sdprelax.exact import Selection, gated_optima
from sdprelax.lasso import Fit, GateSolver, Masked, Program, Stop, require_norm_of_solver, require_solver, solve_program
from sdprelax.methods import methods
from sdprelax.methods._gates import WITHIN, GateChoice, Gated, gate_count, proposing
from sdprelax.problem import Problem, Reduction, reduce
from sdprelax.problem.norms import Penalty
from sdprelax.relaxation import Decomposition, decompose
from sdprelax.training import Incumbent, Outcome, Report, unreported

__all__ = ["GatedReLU"]

# Share of the time for the gated program, and of what is left for the lower bound; the rest is the decomposition's.
TRAINING, PROVING = 0.7, 0.5
# Singular values of a gate's weights below this share of the largest are rounding errors.
RANK = 1e-10
# Share of the tolerance that training aims at where the rest is for choosing among optimal networks.
SELECTING = 0.1


@methods.register("gated_relu")
@dataclass(frozen=True)
class GatedReLU:
    """Gated ReLU: training behind fixed gates, then a ReLU network by cone decomposition (Mishkin et al. 2022).

    Minimises ℓ(Σ_i D_iXW_i; Y) + γΣ_i‖W_i‖ over one weight matrix per gate, with the loss ℓ (½‖· − Y‖²) of the problem.
    The gated network is offered as predictor ``gated``; the upper bound is that of the ReLU network it is decomposed
    into. With ``gates: all`` and the penalty nuclear or frobenius the program is a relaxation of training, and the
    lower bound is what its dual point proves.

    Parameters
    ----------
    patterns: most gates, one per distinct activation pattern.
    gates: "gaussian" (random), "all" (every pattern; small ranks) or "sdp" (patterns of the relaxation's rounding).
    penalty: a gate's norm: "columns" (Σ_k‖w_ik‖: neurons that feed one output each), "frobenius" (multiple kernel
        learning) or "nuclear" (neurons that feed all outputs, as the weight decay of ReLU networks has it).
    solver: "irls", "fista", "block_coordinate", or "auto": irls up to 2,000 samples unless the penalty is nuclear. Of
        other losses than the squared one, or with an offset, "splitting" (alternating directions) or, of those that are
        differentiable, "fista".
    tolerance: relative duality gap at which the gated program stops.
    max_iterations: most steps of its solver, per output where they are independent.
    decomposition: "least_squares" (the shortest second neuron, theirs for ρ → 0), "exact" (least ‖v‖ + ‖z‖, a
        second-order cone program per gate and output), or "none" for no network and no upper bound.
    selection: which of the gated networks that are proved optimal to within the tolerance, where one is: "as_found",
        "least_norm", or "sparsest", one of few gates none of which can be left out; ``sdprelax.optimal_set`` chooses by
        validation data too.
    """

    version: ClassVar[int] = 2
    closes: ClassVar[str] = "program_gap"
    losses: ClassVar[tuple[str, ...] | None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    patterns: PositiveInt = 100
    gates: GateChoice = "gaussian"
    penalty: Penalty = "columns"
    solver: GateSolver = "auto"
    tolerance: PositiveFloat = 1e-6
    max_iterations: PositiveInt = 100_000
    decomposition: Literal["least_squares", "exact", "none"] = "least_squares"
    selection: Selection = field(default="as_found", metadata=LATER)

    def __post_init__(self) -> None:
        require_norm_of_solver(self.solver, self.penalty)

    def check(self, problem: Problem) -> None:
        """Refuse a loss or an offset that the solver does not take.

        Raises
        ------
        InputError: what it takes.
        """
        nothing = Masked(problem.inputs, np.zeros((len(problem.Y), 0)))
        require_solver(self.solver, Program.of(problem, nothing, self.penalty))

    def size(self, problem: Problem) -> str:
        """Return the number of weights."""
        reduction, outputs = reduce(problem), problem.shape[2]
        return f"{gate_count(self.gates, self.patterns, reduction)} gates of {reduction.rank}×{outputs} weights"

    @property
    def kernels(self) -> Iterable[str]:
        """Modules of compiled functions that it computes with."""
        return COVER_KERNELS if self.gates == "all" else ()

    def uses(self) -> Iterable[Use]:
        """Return what proposes gates."""
        return proposing(self.gates)

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the gated network, and the ReLU network that it is decomposed into with its upper bound.

        Raises
        ------
        InputError: see :meth:`check`.
        ProblemTooLarge: gates: all, and there are too many.
        SolverFailed: solver: irls with a γ too small for its kernel matrix in floating point.
        """
        self.check(problem)
        gated = Gated.of(problem, self.gates, self.patterns, self.penalty, rng, deadline)
        best = Incumbent(gated.presolved, deadline, report)
        fit, program, best.details = self._trained(gated, deadline.fraction(TRAINING))
        best.tell(program=program, predictors={"gated": gated.network(fit)})
        if self.gates == "all" and self.penalty != "columns":
            # Feasible for whole half-spaces, so for the cones in them.
            proving = deadline.fraction(PROVING)
            best.prove(cone_certificate(gated.problem, gated.reduction, fit.multiplier, deadline=proving))
        network = None
        if self.decomposition != "none":
            hidden, output = _neurons(
                gated.reduction, gated.patterns, gated.reduced(fit), self.penalty, self.decomposition, deadline
            )
            lengths = np.linalg.norm(hidden, axis=0) * np.linalg.norm(output, axis=1)
            size = float(np.sum(gated.program.sizes(fit.weights)))
            network = gated.presolved.reduced_network(hidden, output)
            best.details |= {"price": float(np.sum(lengths)) / size if size > 0.0 else 1.0, "width": network.width}
        late, attained = deadline.expired, program.gap(problem) <= self.tolerance
        return best.outcome(attained and not late, late or fit.expired, network=network)

    def _trained(self, gated: Gated, deadline: Deadline) -> tuple[Fit, GroupCertificate, dict[str, Any]]:
        """Return weights behind the gates, what proves them, and details: as found, or as they are selected."""
        chosen = self.selection != "as_found"
        stop = Stop((SELECTING if chosen else WITHIN) * self.tolerance, steps=self.max_iterations, deadline=deadline)
        fit = solve_program(gated.program, self.solver, stop)
        program, more = gated.certificate(fit), dict[str, Any]()
        if chosen and program.gap(gated.presolved.original) <= self.tolerance:
            optima = gated_optima(gated.presolved.original, program, self.tolerance)
            point = optima.select(self.selection, deadline).point
            fit = gated.changed(fit, optima.masses.weights(point.masses), point.offset)
            program = gated.certificate(fit)
            more = {"directions": len(optima.masses), "dimension": optima.dimension, "unique": optima.unique}
        return fit, program, gated.details(program, fit) | more


def _neurons(
    reduction: Reduction, patterns: Patterns, weights: Floats, penalty: Penalty, method: Decomposition,
    deadline: Deadline,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return hidden weights (r, m) and output weights (m, c): v and z for every rank-one term w⊗o of every W_i."""
    _, rank, outputs = weights.shape
    hidden, output = [np.zeros((rank, 0))], [np.zeros((0, outputs))]
    for i in np.flatnonzero(np.any(weights != 0.0, axis=(1, 2))):
        walls = patterns.signs[i][:, None] * reduction.rows
        for w, direction in _terms(weights[i], penalty):
            v, z = decompose(walls, patterns.directions[:, i], w, method, deadline)
            hidden += [v[:, None], z[:, None]]
            output.append(np.outer([1.0, -1.0], direction))
    return np.hstack(hidden), np.vstack(output)


def _terms(weights: Floats, penalty: Penalty) -> list[tuple[Floats, Floats]]:
    """Return pairs (w, unit o) with Σ w⊗o = W of shape (r, c): its columns, or its singular vectors."""
    if penalty == "columns":
        units = np.eye(weights.shape[1])
        return [(w, unit) for w, unit in zip(weights.T, units, strict=True) if np.any(w)]
    left, singular, right = np.linalg.svd(weights, full_matrices=False)
    return [(s * u, v) for u, s, v in zip(left.T, singular, right, strict=True) if s > RANK * singular[0]]
