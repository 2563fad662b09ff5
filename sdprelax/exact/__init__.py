"""Exact convex training: column generation, branch and bound, programs over cells."""

from __future__ import annotations

from sdprelax.exact._arrangement import Arrangement, activation_patterns, count_patterns
from sdprelax.exact._cell_program import solve_cell_program
from sdprelax.exact._column_generation import EXACT_KERNELS, ColumnGeneration, generate_columns
from sdprelax.exact._convex_relu import attained_convex_relu, solve_convex_relu
from sdprelax.exact._gamma_max import GammaMax, gamma_max, relative_problem, searched_gamma_max
from sdprelax.exact._nonnegative_pca import PatternOracle
from sdprelax.exact._optimal_set import OptimalSet, Optimum, Selection, gated_optima, optimal_set, relu_optima
from sdprelax.exact._sparsify import sparsified

__all__ = [
    "EXACT_KERNELS",
    "Arrangement",
    "ColumnGeneration",
    "GammaMax",
    "OptimalSet",
    "Optimum",
    "PatternOracle",
    "Selection",
    "activation_patterns",
    "attained_convex_relu",
    "count_patterns",
    "gamma_max",
    "gated_optima",
    "generate_columns",
    "optimal_set",
    "relative_problem",
    "relu_optima",
    "searched_gamma_max",
    "solve_cell_program",
    "solve_convex_relu",
    "sparsified",
]
