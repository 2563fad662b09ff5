"""The semidefinite relaxation, over all of weight space or over cones, and its path in γ."""

from __future__ import annotations

from sdprelax.relaxation._certified import CertifiedRelaxation
from sdprelax.relaxation._cone_decomposition import Decomposition, decompose
from sdprelax.relaxation._dual_points import certify_dual
from sdprelax.relaxation._front_door import RelaxationModel, relax
from sdprelax.relaxation._growth import MOST_PARTS, Growth, partition_of
from sdprelax.relaxation._local_growth import LocalGrowth
from sdprelax.relaxation._named_blocks import NamedBlock, NamedInequality
from sdprelax.relaxation._program import Form, RelaxationSolution, is_structured, relaxation
from sdprelax.relaxation._regularisation_path import regularisation_path
from sdprelax.relaxation._splitting import (
    Splitting,
    idle_cones,
    split_by_coverage,
    split_by_neurons,
    split_by_strong_branching,
    split_by_violation,
)

__all__ = [
    "MOST_PARTS",
    "CertifiedRelaxation",
    "Decomposition",
    "Form",
    "Growth",
    "LocalGrowth",
    "NamedBlock",
    "NamedInequality",
    "RelaxationModel",
    "RelaxationSolution",
    "Splitting",
    "certify_dual",
    "decompose",
    "idle_cones",
    "is_structured",
    "partition_of",
    "regularisation_path",
    "relax",
    "relaxation",
    "split_by_coverage",
    "split_by_neurons",
    "split_by_strong_branching",
    "split_by_violation",
]
