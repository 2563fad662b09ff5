"""Convex programs over fixed directions or gates: group lasso, gated ReLU networks, dictionaries, out-of-core data."""

from __future__ import annotations

from sdprelax.lasso._augmented_lagrangian import directions_in_cones
from sdprelax.lasso._dictionary_lasso import LassoSolver, lasso, lasso_path
from sdprelax.lasso._dictionary_program import LassoFit, LassoProgram
from sdprelax.lasso._factorised import Neurons, exact_neurons, few_neurons, require_budget
from sdprelax.lasso._gated_program import GatedFit, GatedProgram
from sdprelax.lasso._group_lasso import GroupLasso, group_lasso
from sdprelax.lasso._on_directions import OnDirections, network_on_directions
from sdprelax.lasso._out_of_core import FOLDS, MEMORY, Stage, heaviest, silent, train_out_of_core
from sdprelax.lasso._rows import ArrayRows, Block
from sdprelax.lasso._rows_proof import GROUP_PROOF_VERSION, prove
from sdprelax.lasso._sampled_gates import Moments, Shape, moments_of, sampled_gates
from sdprelax.lasso._statistics import collect, total
from sdprelax.lasso._statistics_program import best_share, largest_gamma
from sdprelax.lasso._train import Solver, require_norm_of_solver, train

__all__ = [
    "FOLDS",
    "GROUP_PROOF_VERSION",
    "MEMORY",
    "ArrayRows",
    "Block",
    "GatedFit",
    "GatedProgram",
    "GroupLasso",
    "LassoFit",
    "LassoProgram",
    "LassoSolver",
    "Moments",
    "Neurons",
    "OnDirections",
    "Shape",
    "Solver",
    "Stage",
    "best_share",
    "collect",
    "directions_in_cones",
    "exact_neurons",
    "few_neurons",
    "group_lasso",
    "heaviest",
    "largest_gamma",
    "lasso",
    "lasso_path",
    "moments_of",
    "network_on_directions",
    "prove",
    "require_budget",
    "require_norm_of_solver",
    "sampled_gates",
    "silent",
    "total",
    "train",
    "train_out_of_core",
]
