"""The training problem: its data, units, reduction to distinct rays, kernels and group norms."""

from __future__ import annotations

from sdprelax.problem._kernels import KernelPredictor, Ridge, kernel_ridge
from sdprelax.problem._problem import Problem
from sdprelax.problem._reduction import PARALLEL, Reduction, reduce, reduce_inputs
from sdprelax.problem._units import Units, sizes
from sdprelax.problem.norms import Penalty

__all__ = [
    "PARALLEL",
    "KernelPredictor",
    "Penalty",
    "Problem",
    "Reduction",
    "Ridge",
    "Units",
    "kernel_ridge",
    "reduce",
    "reduce_inputs",
    "sizes",
]
