"""Distiller ``gated_relu``: a gated ReLU student, the optimum of a convex program over fixed gates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import LATER, Floats
from sdprelax.certificate import Gates, residual_certificate
from sdprelax.distillation._layout import Layout
from sdprelax.distillation._metric import OutputMetric, jacobian_metric
from sdprelax.distillation._teacher_gates import teacher_gates
from sdprelax.distillation.distillers import Budget, Distilled, Task, View, distillers
from sdprelax.lasso import (
    MEMORY,
    GatedNeurons,
    MappedRows,
    Moments,
    Rows,
    Shape,
    Trained,
    exact_neurons,
    few_neurons,
    heaviest,
    moments_of,
    prove,
    require_budget,
    sampled_gates,
    steepest_gates,
    train_out_of_core,
)
from sdprelax.problem.norms import Penalty

__all__ = ["GatedReLUDistiller", "Shrinkage"]

JacobianShare = Annotated[float, pydantic.Field(ge=0.0, lt=1.0)]
# γ as a share of the largest at which gates are chosen, where it is cross-validated behind them.
CHOOSING = 1e-3
Shrinkage = Annotated[float, pydantic.Field(gt=0.0, lt=1.0)] | Literal["auto"]


@distillers.register("gated_relu")
@dataclass(frozen=True)
class GatedReLUDistiller:
    """A convex student: ½‖Σ_i D_iZW_i − F‖² + γΣ_i‖W_i‖ over fixed gates, out of core, its optimum proved.

    No labels, no fine-tuning. Within a ``budget`` the weights are cut to few neurons, which then descend on the same
    objective: what they lose against the convex optimum is known.

    Parameters
    ----------
    gates: fixed gates.
    draw: "covariance", "isotropic" or "whitened" Gaussian directions through the bulk of what enters, or "teacher":
        filters of the block's own first layer.
    penalty: a gate's norm: "nuclear" (neurons that feed all outputs), "frobenius" or "columns".
    shrinkage: γ as a share of the least γ at which the student is zero; "auto" for what predicts best in a
        cross-validation.
    budget: most parameters, gates included, as a share of the block's; None for the convex program's own solution.
    skip: whether a linear map stands beside the gates, as one that is always open.
    view: what a row is: "flat", "pooled" (over positions), "tokens", "patches", or "auto" by the activations' axes.
    kernel: side of the patches.
    bias: whether gates and neurons see a constant 1.
    tolerance: relative duality gap at which the convex program stops.
    memory: bytes for statistics and solver.
    jacobian: share of the following layers' Jacobian in the metric that outputs are fitted and weights penalised in,
        below 1; 0 for the squared error of the outputs themselves. It takes a PyTorch teacher, and no labels.
    candidates: gates drawn for each that is used; above 1 those along which the objective is steepest are taken, and a
        lower bound of the program over all candidates is proved.
    """

    version: ClassVar[int] = 2

    gates: PositiveInt = 8
    draw: Shape | Literal["teacher"] = "covariance"
    penalty: Penalty = "nuclear"
    shrinkage: Shrinkage = "auto"
    budget: Budget | None = None
    skip: bool = True
    view: View = "auto"
    kernel: PositiveInt = 3
    bias: bool = True
    tolerance: PositiveFloat = 5e-4
    memory: PositiveFloat = MEMORY
    jacobian: JacobianShare = field(default=0.0, metadata=LATER)
    candidates: PositiveInt = field(default=1, metadata=LATER)

    def fit(self, task: Task) -> Distilled:
        """Return the student and its proof.

        Raises
        ------
        InputError: a view that does not fit the activations, a budget below one neuron, no filters to take gates from.
        ProblemTooLarge: memory for not even one gate.
        """
        layout = task.layout(self.view, self.kernel, self.bias)
        budget = None if self.budget is None else task.parameters(self.budget)
        if budget is not None:
            require_budget(layout.width, layout.outputs, budget)
        metric = self._metric(task, layout)
        rows: Rows = task.rows(layout) if metric is None else MappedRows(task.rows(layout), metric.root)
        moments = moments_of(rows, task.stage("moments", rows.shape[0]))
        drawn = Gates(_distinct(self._directions(task, layout, moments)), self.skip)
        kept = self._kept(task, rows, drawn)
        gates = drawn if kept is None else drawn.over(kept)
        trained = train_out_of_core(
            rows, gates, self.penalty, share=self.shrinkage, tolerance=self.tolerance, memory=self.memory,
            folder=task.folder, stage=task.stage, deadline=task.deadline, spread=task.spread,
        )  # fmt: skip
        neurons = self._neurons(task, rows, gates, trained, budget)
        neurons = (neurons if metric is None else neurons.mapped(metric.inverse)).rounded()
        weights = neurons.weights(gates.count) if metric is None else neurons.weights(gates.count) @ metric.root
        n = rows.shape[0]
        proof = prove(rows, gates, weights, trained.gamma, self.penalty, task.stage("proof of the student", n))
        program = residual_certificate(trained.proof, gates, self.penalty, trained.gamma, trained.weights)
        found = Distilled(
            _student(layout, gates, neurons),
            {
                "gamma": trained.gamma, "shrinkage": trained.share, "steps": trained.iterations,
                "neurons": len(neurons.gate_of), "matrices": len(neurons.full_gate_of), "gates": len(neurons.used()),
                "fit_error": 2.0 * proof.loss / moments.spread if moments.spread > 0.0 else 0.0,
                "program_fit_error": 2.0 * trained.proof.loss / moments.spread if moments.spread > 0.0 else 0.0,
                "program_upper": program.value, "view": layout.kind, "rows": n,
            },
            program,
            residual_certificate(proof, gates, self.penalty, trained.gamma, weights),
            root=None if metric is None else metric.root,
        )  # fmt: skip
        return found if kept is None else self._among_candidates(found, task, rows, drawn, kept, trained)

    def _metric(self, task: Task, layout: Layout) -> OutputMetric | None:
        """Return the metric of the outputs; None where it is the usual one."""
        if not self.jacobian:
            return None
        count = task.store.samples if task.samples is None else len(task.samples)
        found = jacobian_metric(task.torch_teacher("jacobian"), task.input_batches(), layout, count, task.seed)
        return OutputMetric.mixed(found, self.jacobian)

    def _kept(self, task: Task, rows: Rows, drawn: Gates) -> NDArray[np.intp] | None:
        """Return which of the candidates are the gates; None where all are."""
        if self.candidates == 1:
            return None
        share = CHOOSING if self.shrinkage == "auto" else self.shrinkage
        return steepest_gates(
            rows, drawn, self.gates, self.penalty, share=share, memory=self.memory, stage=task.stage,
            deadline=task.deadline.fraction(0.5),
        )  # fmt: skip

    def _among_candidates(
        self, found: Distilled, task: Task, rows: Rows, drawn: Gates, kept: NDArray[np.intp], trained: Trained
    ) -> Distilled:
        """Return the student with the bound that the solution over the chosen gates proves over all candidates."""
        weights = np.zeros((drawn.count, *trained.weights.shape[1:]))
        weights[kept] = trained.weights
        advance = task.stage("proof over candidates", rows.shape[0])
        proof = prove(rows, drawn, weights, trained.gamma, self.penalty, advance)
        whole = replace(found, candidates=residual_certificate(proof, drawn, self.penalty, trained.gamma, weights))
        assert whole.candidates is not None
        said = {
            "candidates": drawn.directions.shape[1], "candidates_lower": whole.candidates.dual_value,
            "candidates_gap": whole.candidates_gap,
        }  # fmt: skip
        return replace(whole, details=whole.details | said)

    def _neurons(self, task: Task, rows: Rows, gates: Gates, trained: Trained, budget: int | None) -> GatedNeurons:
        """Return the program's own solution as neurons, or what a budget leaves of it."""
        if budget is None:
            return exact_neurons(trained.weights)
        kept, data = heaviest(rows, gates, trained, self.penalty, memory=self.memory, stage=task.stage)
        skip = self.skip and bool(kept[-1] == gates.count - 1)
        return few_neurons(data, trained.weights[kept], budget, trained.gamma, skip=skip).among(kept)

    def _directions(self, task: Task, layout: Layout, moments: Moments) -> Floats:
        count = self.gates * self.candidates
        if self.draw == "teacher":
            return teacher_gates(task.torch_teacher("draw: teacher").block_module, layout, moments, count)
        return sampled_gates(moments, count, np.random.default_rng(task.seed), bias=self.bias, shape=self.draw)


def _distinct(directions: Floats) -> Floats:
    """Return directions of length one, rounded to what a student holds, without zeros and repetitions."""
    lengths = np.linalg.norm(directions, axis=0)
    rounded = (directions[:, lengths > 0.0] / lengths[lengths > 0.0]).astype(np.float32)
    kept = {direction.tobytes(): k for k, direction in reversed(list(enumerate(rounded.T)))}
    return np.asarray(rounded[:, sorted(kept.values())], dtype=np.float64)


def _student(layout: Layout, gates: Gates, neurons: GatedNeurons) -> Any:
    """Return the student with no more gates than carry weights."""
    from sdprelax.distillation._students import GatedStudent

    drawn = gates.directions.shape[1]
    used = neurons.used()
    kept = used[used < drawn]
    # The gate that is always open is number −1 there.
    place = np.full(gates.count, -1)
    place[kept] = np.arange(len(kept))
    return GatedStudent(
        layout, gates.directions[:, kept], place[neurons.gate_of], neurons.inner, neurons.outer,
        place[neurons.full_gate_of], neurons.full,
    )  # fmt: skip
