"""Convex programs over fixed directions or gates: group lasso, gated ReLU networks, dictionaries, out-of-core data."""

from __future__ import annotations

from sdprelax.lasso._augmented_lagrangian import directions_in_cones
from sdprelax.lasso._cross_validation import best_share, largest_gamma
from sdprelax.lasso._designs import Directions, Masked
from sdprelax.lasso._elimination import Profiled, profiled
from sdprelax.lasso._factorised import GatedNeurons, exact_neurons, few_neurons, require_budget
from sdprelax.lasso._gated_network import gated_network
from sdprelax.lasso._interior_point import interior_point
from sdprelax.lasso._on_directions import OnDirections, network_on_directions
from sdprelax.lasso._out_of_core import FOLDS, MEMORY, Stage, Trained, heaviest, silent, train_out_of_core
from sdprelax.lasso._program import Fit, Program, Stop
from sdprelax.lasso._reweighting import Reweighting
from sdprelax.lasso._rows import GROUP_PROOF_VERSION, ArrayRows, MappedRows, RowBlock, Rows, prove
from sdprelax.lasso._sampled_gates import Moments, Shape, moments_of, sampled_gates
from sdprelax.lasso._solve import DirectionSolver, GateSolver, require_norm_of_solver, require_solver, solve_program
from sdprelax.lasso._spread import Spread, spread_statistics
from sdprelax.lasso._statistics import statistics_of, total
from sdprelax.lasso._steepest_gates import steepest_gates

__all__ = [
    "FOLDS",
    "GROUP_PROOF_VERSION",
    "MEMORY",
    "ArrayRows",
    "DirectionSolver",
    "Directions",
    "Fit",
    "GateSolver",
    "GatedNeurons",
    "MappedRows",
    "Masked",
    "Moments",
    "OnDirections",
    "Profiled",
    "Program",
    "Reweighting",
    "RowBlock",
    "Rows",
    "Shape",
    "Spread",
    "Stage",
    "Stop",
    "Trained",
    "best_share",
    "directions_in_cones",
    "exact_neurons",
    "few_neurons",
    "gated_network",
    "heaviest",
    "interior_point",
    "largest_gamma",
    "moments_of",
    "network_on_directions",
    "profiled",
    "prove",
    "require_budget",
    "require_norm_of_solver",
    "require_solver",
    "sampled_gates",
    "silent",
    "solve_program",
    "spread_statistics",
    "statistics_of",
    "steepest_gates",
    "total",
    "train_out_of_core",
]
