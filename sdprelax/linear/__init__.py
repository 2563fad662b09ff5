"""Deep linear networks with a bottleneck: closed forms, a semidefinite relaxation, descent and dual points."""

from __future__ import annotations

from sdprelax.linear._closed_form import (
    WHITE,
    LinearOptimum,
    decayed_singular_value,
    reduced_rank_regression,
    white_optimum,
)
from sdprelax.linear._complementarity import complementarity_relaxation
from sdprelax.linear._dual import DualPoint, LinearDual
from sdprelax.linear._primal_dual import largest_squares_shrunk, primal_dual
from sdprelax.linear._relaxation import LinearRelaxation, RelaxedLinear, linear_relaxation
from sdprelax.linear._spectrum import Spectrum, checked_width
from sdprelax.linear._training import LinearTraining, balanced_layers

__all__ = [
    "WHITE",
    "DualPoint",
    "LinearDual",
    "LinearOptimum",
    "LinearRelaxation",
    "LinearTraining",
    "RelaxedLinear",
    "Spectrum",
    "balanced_layers",
    "checked_width",
    "complementarity_relaxation",
    "decayed_singular_value",
    "largest_squares_shrunk",
    "linear_relaxation",
    "primal_dual",
    "reduced_rank_regression",
    "white_optimum",
]
