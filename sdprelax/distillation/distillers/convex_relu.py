"""Distiller ``convex_relu``: a ReLU student from the convex program over sampled patterns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import PositiveInt

from sdprelax.base import Floats, ProblemTooLarge
from sdprelax.cells import sampled_patterns
from sdprelax.certificate import Gates
from sdprelax.distillation.distillers import Distilled, Task, View, distillers
from sdprelax.distillation.distillers.gated_relu import Shrinkage
from sdprelax.lasso import FOLDS, ArrayRows, best_share, largest_gamma, statistics_of, total
from sdprelax.methods import methods
from sdprelax.networks import Network
from sdprelax.problem import Presolved, Problem

__all__ = ["ConvexReLUDistiller"]

# Numbers of inputs and targets in double precision that are read into memory.
LARGEST = 50_000_000
# A ridge on the linear skip, relative to the mean square of the inputs: single precision's worth.
RIDGE = 1e-6


@distillers.register("convex_relu")
@dataclass(frozen=True)
class ConvexReLUDistiller:
    """A ReLU student: the convex program over sampled patterns and their cones (method ``convex_relu``), in memory.

    Every neuron feeds one output. The details hold the student's objective, and as ``gated_lower`` the dual value of
    the gated program, which is the same program without its cones and so below it. A skip is the least-squares linear
    map, fitted first.

    Parameters
    ----------
    patterns: most activation patterns per output.
    shrinkage: γ as a share of the least γ at which the gated program is zero; "auto" for what predicts best behind
        these gates in a cross-validation.
    skip: whether a linear map stands beside the neurons.
    view: what a row is: "flat", "pooled" (over positions), "tokens", "patches", or "auto" by the activations' axes.
    kernel: side of the patches.
    bias: whether neurons see a constant 1.
    """

    patterns: PositiveInt = 4
    shrinkage: Shrinkage = "auto"
    skip: bool = True
    view: View = "auto"
    kernel: PositiveInt = 3
    bias: bool = True

    def fit(self, task: Task) -> Distilled:
        """Return the student and its bounds.

        Raises
        ------
        ProblemTooLarge: activations that do not fit in memory.
        """
        from sdprelax.distillation._students import ReLUStudent

        layout = task.layout(self.view, self.kernel, self.bias)
        rows = task.rows(layout)
        n, width, outputs = rows.shape
        if n * (width + outputs) > LARGEST:
            raise ProblemTooLarge(
                f"convex_relu reads all rows into memory, and {n:,} of {width} inputs and {outputs} outputs are more "
                f"than its {LARGEST:,} numbers; take a smaller fraction, or gated_relu."
            )
        blocks = list(rows.blocks())
        inputs = np.vstack([block.inputs for block in blocks])
        targets = np.vstack([block.targets for block in blocks])
        skip = None
        if self.skip:
            gram = inputs.T @ inputs
            ridge = RIDGE * np.trace(gram) / width * np.eye(width)
            skip = np.linalg.solve(gram + ridge, inputs.T @ targets).astype(np.float32)
            targets = targets - inputs @ skip
        gamma, share = self._gamma(inputs, targets, task)
        problem = Problem(inputs[:, : width - self.bias], targets, gamma, bias=self.bias)
        gated = methods.create("gated_relu", {"patterns": self.patterns, "penalty": "columns", "decomposition": "none"})
        # The same seed draws the same patterns.
        relaxed = gated.run(problem, rng=np.random.default_rng(task.seed), deadline=task.deadline.fraction(0.3))
        found = methods.create("convex_relu", {"patterns": self.patterns}).run(
            problem, rng=np.random.default_rng(task.seed), deadline=task.deadline
        )
        assert found.network is not None
        student = ReLUStudent(layout, found.network.hidden, found.network.output, skip)
        network = Network(student.to_arrays()["hidden"], student.to_arrays()["output"], self.bias)
        # The two are of the targets less the skip, which nothing but this call has: no certificate goes with them.
        return Distilled(
            student,
            details={
                "gamma": gamma, "shrinkage": share, "neurons": network.width, "view": layout.kind, "rows": n,
                "objective": problem.upper_bound(network), "gated_lower": relaxed.details["dual_value"],
            },
        )  # fmt: skip

    def _gamma(self, inputs: Floats, targets: Floats, task: Task) -> tuple[float, float]:
        """Return γ, and its share of the least one at which the gated program is zero."""
        problem = Problem(inputs[:, : inputs.shape[1] - self.bias], targets, 1.0, bias=self.bias)
        reduction = Presolved.of(problem).reduction
        drawn = sampled_patterns(reduction.rows, self.patterns, np.random.default_rng(task.seed))
        folds = FOLDS if self.shrinkage == "auto" else 1
        parts = statistics_of(ArrayRows(inputs, targets), Gates(reduction.basis @ drawn.directions), folds=folds)
        share = best_share(parts, "columns")[0] if self.shrinkage == "auto" else self.shrinkage
        return share * largest_gamma(total(parts), "columns"), share
