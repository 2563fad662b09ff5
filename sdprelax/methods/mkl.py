"""Method ``mkl``: multiple kernel learning over the kernels of gates, which repairs the NTK."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Deadline, Use
from sdprelax.lasso import Fit, GateSolver, Reweighting, Stop, solve_program
from sdprelax.methods import methods
from sdprelax.methods._gates import WITHIN, GateChoice, Gated, gate_count, proposing
from sdprelax.networks import Predictor
from sdprelax.problem import Problem, reduce
from sdprelax.training import Incumbent, Outcome, Report, unreported

__all__ = ["MKL"]


@methods.register("mkl")
@dataclass(frozen=True)
class MKL:
    """Multiple kernel learning over gates' kernels D_iXXᵀD_i: the repaired NTK (Dwaraknath, Ergen, Pilanci 2023).

    The kernel Σ_iη_iD_iXXᵀD_i at η_i = P(gate falls in cell i) is the NTK of a gated ReLU network, which does not look
    at Y. Here η minimises the value of kernel ridge regression plus (γ/2)Σ_iη_i, which is the group lasso
    min ½‖Σ_iD_iXW_i − Y‖² + γΣ_i‖W_i‖_F of the gated network at η_i = ‖W_i‖ (docs/mathematics/lasso.md, "The NTK and
    its repair"). Predictor ``mkl`` is the result; ``ntk`` is where irls starts: the same gates weighted by the
    frequency of their cells, exact for ``gates: all`` up to rank 3. No bounds of p*. The squared loss alone: only for
    it is the minimum over weights kernel ridge regression.

    Parameters
    ----------
    patterns: most gates, one per distinct activation pattern.
    gates: "gaussian" (random), "all" (every pattern; small ranks) or "sdp" (patterns of the relaxation's rounding).
    solver: "irls" (iterative reweighting from the NTK's weights), "fista", "block_coordinate" (these two without
        predictor ``ntk``), or "auto": irls up to 2,000 samples.
    newton: whether irls may take Newton steps; without them it is the paper's iteration, and slow at the end.
    tolerance: relative duality gap at which to stop.
    max_iterations: most steps of the solver.
    """

    version: ClassVar[int] = 2
    closes: ClassVar[str] = "program_gap"
    losses: ClassVar[tuple[str, ...] | None] = ("squared",)

    patterns: PositiveInt = 100
    gates: GateChoice = "gaussian"
    solver: GateSolver = "irls"
    newton: bool = True
    tolerance: PositiveFloat = 1e-6
    max_iterations: PositiveInt = 100_000

    def size(self, problem: Problem) -> str:
        """Return the number of kernels."""
        n, count = problem.shape[0], gate_count(self.gates, self.patterns, reduce(problem))
        return f"{count} kernels of order {n}"

    def uses(self) -> Iterable[Use]:
        """Return what proposes gates."""
        return proposing(self.gates)

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the gated networks of the learned kernel and of the NTK.

        Raises
        ------
        ProblemTooLarge: gates: all, and there are too many.
        SolverFailed: solver: irls with a γ too small for its kernel matrix in floating point.
        """
        gated = Gated.of(problem, self.gates, self.patterns, "frobenius", rng, deadline)
        best, units = Incumbent(gated.presolved, deadline, report), gated.presolved.units
        start: list[Fit] = []
        # The NTK's weights η sum to one in the user's units: X/s, Y/t make η·s/t of them.
        eta = gated.patterns.frequencies * units.inputs / units.targets
        fit = solve_program(
            gated.program, self.solver, Stop(WITHIN * self.tolerance, steps=self.max_iterations, deadline=deadline),
            irls=Reweighting(eta, self.newton, start.append),
        )  # fmt: skip
        predictors: dict[str, Predictor] = {"mkl": gated.network(fit)}
        program = gated.certificate(fit)
        best.details = gated.details(program, fit)
        if start:
            predictors["ntk"] = gated.network(start[0])
            trace = [[units.value_above(value), units.value(max(dual, 0.0))] for value, dual in fit.trace]
            best.details |= {"ntk_value": units.value_above(start[0].value), "trace": trace}
        return best.outcome(program.gap(problem) <= self.tolerance, fit.expired, program=program, predictors=predictors)
