"""Methods ``nngp`` and ``ntk``: kernel ridge regression with the kernels of infinitely wide networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from sdprelax.base import Deadline
from sdprelax.methods import methods
from sdprelax.problem import Problem, Ridge, kernel_ridge
from sdprelax.training import Outcome, Report, unreported

__all__ = ["NNGP", "NTK"]


@dataclass(frozen=True)
class _KernelRidge:
    proves: ClassVar[bool] = False
    # Only of the squared loss is the optimum in closed form.
    losses: ClassVar[tuple[str, ...] | None] = ("squared",)
    sample_weight: ClassVar[bool] = True

    ridge: Ridge = "absolute"

    @property
    def kernel(self) -> str:
        """Name in the table of kernels of ``sdprelax.problem``."""
        raise NotImplementedError

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the predictor."""
        predictor, value = kernel_ridge(problem, self.kernel, self.ridge)
        return Outcome(predictors={"kernel": predictor}, seconds=deadline.elapsed, details={"ridge_value": value})


@methods.register("nngp")
@dataclass(frozen=True)
class NNGP(_KernelRidge):
    """Kernel ridge regression with the NNGP kernel in closed form: only the output layer is trained; no bounds.

    Squared loss alone.

    Parameters
    ----------
    ridge: "absolute" puts γ on the kernel's diagonal; "relative" γ times its mean, as neural-tangents and
        Prakhya, Birdal and Yurtsever 2025 ("P25") do.
    """

    @property
    def kernel(self) -> str:
        """The one kernel."""
        return "nngp"


@methods.register("ntk")
@dataclass(frozen=True)
class NTK(_KernelRidge):
    """Kernel ridge regression with the NTK kernel in closed form: training linearised at random weights; no bounds.

    Squared loss alone.

    Parameters
    ----------
    ridge: "absolute" puts γ on the kernel's diagonal; "relative" γ times its mean, as neural-tangents and P25 do.
    network: "relu", or "gated": neurons x ↦ 1{gᵀx > 0}·wᵀx with random gates g, whose kernel is xᵀz·(π − θ)/2π. It is
        what ``mkl`` repairs, and, but for a factor d, what training the hidden layer alone adds to the first.
    """

    network: Literal["relu", "gated"] = "relu"

    @property
    def kernel(self) -> str:
        """The kernel of the network."""
        return "ntk" if self.network == "relu" else "gated_ntk"
