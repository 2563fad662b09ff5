"""Distiller ``adam``: the rival of the same size, trained locally on the same activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from sdprelax.distillation._layout import Layout
from sdprelax.distillation._rivals import relu_start, relu_width, train_adam
from sdprelax.distillation.distillers import Distilled, Task, View, distillers
from sdprelax.distillation.distillers.gated_relu import Budget
from sdprelax.lasso import moments_of, require_budget, sampled_gates

__all__ = ["AdamDistiller"]


@distillers.register("adam")
@dataclass(frozen=True)
class AdamDistiller:
    """A student of two layers trained by Adam on the block's activations: the convex student's rival of equal size.

    Parameters
    ----------
    budget: most parameters as a share of the block's.
    neurons: "relu" (gates are the neurons' own weights, and are trained) or "gated" (one fixed random gate per neuron,
        counted: the convex student's function, trained without convexity).
    epochs, learning_rate, batch: of Adam with a cosine schedule; the best iterate on a tenth held out is kept.
    view, kernel: what a row is, as for ``gated_relu``.
    """

    proves: ClassVar[bool] = False

    budget: Budget = 0.25
    neurons: Literal["relu", "gated"] = "relu"
    epochs: PositiveInt = 200
    learning_rate: PositiveFloat = 3e-3
    batch: PositiveInt = 32
    view: View = "auto"
    kernel: PositiveInt = 3

    def fit(self, task: Task) -> Distilled:
        """Return the student.

        Raises
        ------
        InputError: a budget below one neuron, or too few samples to hold some out.
        """
        layout, budget = task.layout(self.view, self.kernel), task.parameters(self.budget)
        if self.neurons == "relu":
            student = relu_start(layout, relu_width(layout, budget), task.seed)
        else:
            student = _gated_start(task, layout, budget)
        entering, leaving = task.taken(task.store.entering), task.taken(task.store.leaving)
        train_adam(
            student, entering, leaving, epochs=self.epochs, learning_rate=self.learning_rate, batch=self.batch,
            seed=task.seed, deadline=task.deadline,
        )  # fmt: skip
        return Distilled(student, details={"neurons": self.neurons, "view": layout.kind})


def _gated_start(task: Task, layout: Layout, budget: int) -> Any:
    """Return a student of random neurons with a random gate each, of as many as the budget holds."""
    from sdprelax.distillation._students import GatedStudent

    require_budget(layout.width, layout.outputs, budget)
    rng, width = np.random.default_rng(task.seed), layout.width
    neurons = budget // (2 * width + layout.outputs)
    gates = sampled_gates(moments_of(task.rows(layout)), neurons, rng, bias=layout.bias)
    inner = rng.normal(0.0, np.sqrt(2.0 / width), (width, neurons))
    outer = rng.normal(0.0, np.sqrt(2.0 / neurons), (neurons, layout.outputs))
    none = np.zeros((0, width, layout.outputs))
    return GatedStudent(layout, gates, np.arange(neurons), inner, outer, np.zeros(0), none)
