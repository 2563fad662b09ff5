"""The semidefinite relaxation, over all of weight space or over cones, and its path in γ."""

from __future__ import annotations

from sdprelax.relaxation._cone_decomposition import Decomposition, decompose
from sdprelax.relaxation._program import Form, RelaxationSolution, relaxation, solve_relaxation
from sdprelax.relaxation._regularisation_path import regularisation_path
from sdprelax.relaxation._splitting import (
    Splitting,
    idle_cones,
    local_certificate,
    split_by_coverage,
    split_by_strong_branching,
    split_by_violation,
)

__all__ = [
    "Decomposition",
    "Form",
    "RelaxationSolution",
    "Splitting",
    "decompose",
    "idle_cones",
    "local_certificate",
    "regularisation_path",
    "relaxation",
    "solve_relaxation",
    "split_by_coverage",
    "split_by_strong_branching",
    "split_by_violation",
]
