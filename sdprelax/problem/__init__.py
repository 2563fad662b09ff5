"""The training problem: its data and loss, units, reduction to distinct rays, kernels and group norms."""

from __future__ import annotations

from sdprelax.problem._kernels import KernelPredictor, Ridge, kernel_ridge
from sdprelax.problem._presolved import Presolved
from sdprelax.problem._problem import Problem
from sdprelax.problem._reduction import PARALLEL, Reduction, reduce, reduce_inputs
from sdprelax.problem._taken import require_taken, untaken, what_is_taken
from sdprelax.problem._targets import targets_for
from sdprelax.problem._units import Units, freedom, units_of
from sdprelax.problem.losses import Loss, ProvedRay, Ray, Weighted, largest_multiple, losses, tilt_of
from sdprelax.problem.losses._domain import DualDomain
from sdprelax.problem.losses._entrywise import Entrywise
from sdprelax.problem.losses.squared import QuadraticRay, Squared
from sdprelax.problem.norms import Penalty

__all__ = [
    "PARALLEL",
    "DualDomain",
    "Entrywise",
    "KernelPredictor",
    "Loss",
    "Penalty",
    "Presolved",
    "Problem",
    "ProvedRay",
    "QuadraticRay",
    "Ray",
    "Reduction",
    "Ridge",
    "Squared",
    "Units",
    "Weighted",
    "freedom",
    "kernel_ridge",
    "largest_multiple",
    "losses",
    "reduce",
    "reduce_inputs",
    "require_taken",
    "targets_for",
    "tilt_of",
    "units_of",
    "untaken",
    "what_is_taken",
]
