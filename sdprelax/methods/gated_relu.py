"""Method ``gated_relu``: convex training behind fixed gates, then cone decomposition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt

from sdprelax.cone_decomposition import Decomposition, decompose
from sdprelax.deadline import Deadline
from sdprelax.gated import GatedNetwork
from sdprelax.gated_lasso import GatedLasso, gated_lasso
from sdprelax.methods import register
from sdprelax.outcome import Outcome, Report, unreported
from sdprelax.patterns import sampled_patterns
from sdprelax.problem import Problem
from sdprelax.reduction import Reduction, reduce
from sdprelax.units import Units
from sdprelax.verified import Floats

__all__ = ["GatedReLU"]

# Share of the time for the gated program; the rest is the decomposition's.
TRAINING = 0.8


@register("gated_relu")
@dataclass(frozen=True)
class GatedReLU:
    """Gated ReLU over sampled patterns by R-FISTA, then a ReLU network by cone decomposition (Mishkin et al. 2022).

    Minimises ½‖Σ_i D_iXW_i − Y‖² + γΣ_iΣ_k‖w_ik‖ over one weight matrix per gate, whose column w_ik serves output k.
    The penalty is the weight decay γΣ‖u‖‖v‖ of neurons that feed one output each: the value is below that of every such
    ReLU network with these patterns; neurons that feed several outputs may be cheaper. The gated network is offered as
    predictor ``gated``; the upper bound is that of the ReLU network it is decomposed into.

    Parameters
    ----------
    patterns: gates, Gaussian, one per distinct activation pattern.
    tolerance: relative duality gap at which the gated program stops.
    max_iterations: most R-FISTA steps per output.
    decomposition: "least_squares" (the shortest second neuron, theirs for ρ → 0), "exact" (least ‖v‖ + ‖z‖, a
        second-order cone program per gate and output), or "none" for no network and no bound.
    """

    patterns: PositiveInt = 100
    tolerance: PositiveFloat = 1e-6
    max_iterations: PositiveInt = 100_000
    decomposition: Literal["least_squares", "exact", "none"] = "least_squares"

    def size(self, problem: Problem) -> str:
        """Return the number of weights."""
        reduction, outputs = reduce(problem), problem.shape[2]
        return f"{self.patterns} gates of {reduction.rank}×{outputs} weights"

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the gated network, and the ReLU network that it is decomposed into with its upper bound."""
        units = Units.of(problem)
        scaled = units.problem
        reduction = reduce(scaled)
        signs, directions = np.zeros((0, 0), dtype=np.int8), np.zeros((0, 0))
        if reduction.rank:
            signs, directions = sampled_patterns(reduction.rows, self.patterns, rng)
        found = self._train(scaled, reduction, signs, deadline)
        weights = np.stack([part.weights for part in found], axis=2)
        value, dual = sum(part.value for part in found), sum(part.dual_value for part in found)
        gap = (value - dual) / value if value > 0.0 else 0.0
        size = float(np.sum(np.linalg.norm(weights, axis=0)))
        used = np.any(weights != 0.0, axis=(0, 2))
        gated = GatedNetwork(
            reduction.basis @ directions[:, used],
            np.einsum("dr,rmc->mdc", reduction.basis, weights[:, used]) * (units.targets / units.inputs),
            problem.bias,
        )
        details: dict[str, Any] = {
            "value": units.value(value), "dual_value": units.value(max(dual, 0.0)), "gated_gap": gap,
            "iterations": sum(part.iterations for part in found), "gates": len(signs), "gates_used": int(np.sum(used)),
            "weights": size * units.targets / units.inputs,
        }  # fmt: skip
        stopped = any(
            part.value - part.dual_value > self.tolerance * part.value and part.iterations < self.max_iterations
            for part in found
        )
        if self.decomposition == "none":
            return Outcome(
                predictors={"gated": gated}, status="time limit" if stopped else "solved", seconds=deadline.elapsed,
                details=details,
            )  # fmt: skip
        report(Outcome(predictors={"gated": gated}, details=details))
        hidden, output = _neurons(reduction, signs, directions, weights, self.decomposition, deadline)
        spent = float(np.sum(np.linalg.norm(hidden, axis=0)))
        details["price"] = spent / size if size > 0.0 else 1.0
        network = units.network(reduction.network(hidden, output, scaled))
        details["width"] = network.width
        return Outcome(
            upper=problem.upper_bound(network), network=network, predictors={"gated": gated},
            status="time limit" if stopped or deadline.expired else "solved", seconds=deadline.elapsed, details=details,
        )  # fmt: skip

    def _train(
        self, problem: Problem, reduction: Reduction, signs: NDArray[np.int8], deadline: Deadline
    ) -> list[GatedLasso]:
        """Return one solution per output, between which the loss separates."""
        if reduction.rank == 0:
            inputs, masks = np.zeros((problem.shape[0], 0)), np.zeros((problem.shape[0], 0))
        else:
            inputs = reduction.factor[:, None] * reduction.rows[reduction.group]
            # A sample of negative factor has its generator's other side.
            masks = np.asarray(reduction.factor[:, None] * signs.T[reduction.group] > 0.0, dtype=np.float64)
        until = deadline.fraction(TRAINING)
        outputs = problem.Y.T
        return [
            gated_lasso(
                inputs, masks, y, problem.gamma, tolerance=self.tolerance, max_iterations=self.max_iterations,
                deadline=until.fraction(1.0 / (len(outputs) - k)),
            )
            for k, y in enumerate(outputs)
        ]  # fmt: skip


def _neurons(
    reduction: Reduction, signs: NDArray[np.int8], directions: Floats, weights: Floats, method: Decomposition,
    deadline: Deadline,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return hidden weights (r, m) and output weights (m, c): v with +e_k and z with −e_k for every nonzero w_ik."""
    rank, _, outputs = weights.shape
    hidden, output = [np.zeros((rank, 0))], [np.zeros((0, outputs))]
    for i, k in np.argwhere(np.any(weights != 0.0, axis=0)):
        walls = signs[i][:, None] * reduction.rows
        v, z = decompose(walls, directions[:, i], weights[:, i, k], method, deadline)
        hidden += [v[:, None], z[:, None]]
        output.append(np.outer([1.0, -1.0], np.eye(outputs)[k]))
    return np.hstack(hidden), np.vstack(output)
