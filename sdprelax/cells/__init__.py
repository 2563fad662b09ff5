"""Geometry of the arrangement of the samples' hyperplanes: partitions, activation patterns, probabilities of cells."""

from __future__ import annotations

from sdprelax.cells._cell_probabilities import cell_probabilities
from sdprelax.cells._cross_products import cross_products
from sdprelax.cells._partition import Cone, checked_cone, combination, covers_space, pattern_cone, whole_space
from sdprelax.cells._patterns import Patterns, sampled_patterns, signs_of
from sdprelax.cells._plane import determinant, lines_by_angle
from sdprelax.cells._sectors import MOST_EDGES, Sector, orthants, sectors_of

__all__ = [
    "MOST_EDGES",
    "Cone",
    "Patterns",
    "Sector",
    "cell_probabilities",
    "checked_cone",
    "combination",
    "covers_space",
    "cross_products",
    "determinant",
    "lines_by_angle",
    "orthants",
    "pattern_cone",
    "sampled_patterns",
    "sectors_of",
    "signs_of",
    "whole_space",
]
