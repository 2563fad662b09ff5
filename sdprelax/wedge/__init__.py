"""Networks whose neurons are wedge products of samples: dictionaries in closed form."""

from __future__ import annotations

from sdprelax.wedge._chambers import largest_angle, merged_in_chambers
from sdprelax.wedge._dictionary import Features, WedgeDictionary, WedgeProblem
from sdprelax.wedge._ramps import RampDictionary, ramp_count, ramp_dictionary

__all__ = [
    "Features",
    "RampDictionary",
    "WedgeDictionary",
    "WedgeProblem",
    "largest_angle",
    "merged_in_chambers",
    "ramp_count",
    "ramp_dictionary",
]
