"""Geometry of the arrangement of the samples' hyperplanes: partitions, activation patterns, probabilities of cells."""

from __future__ import annotations

from sdprelax.cells._cell_probabilities import cell_probabilities
from sdprelax.cells._cross_products import cross_products
from sdprelax.cells._partition import DETERMINED, Cone, combination, covers_space, whole_space
from sdprelax.cells._patterns import Patterns, sampled_patterns, signs_of

__all__ = [
    "DETERMINED",
    "Cone",
    "Patterns",
    "cell_probabilities",
    "combination",
    "covers_space",
    "cross_products",
    "sampled_patterns",
    "signs_of",
    "whole_space",
]
