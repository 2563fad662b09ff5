"""Networks whose neurons are wedge products of samples: dictionaries in closed form, and the Lasso over them."""

from sdprelax.wedge.dictionary import Features, WedgeDictionary, WedgeProblem
from sdprelax.wedge.lasso import LassoSolver, lasso, lasso_path
from sdprelax.wedge.program import LassoFit, LassoProgram
from sdprelax.wedge.ramps import RampDictionary, ramp_dictionary

__all__ = [
    "Features",
    "LassoFit",
    "LassoProgram",
    "LassoSolver",
    "RampDictionary",
    "WedgeDictionary",
    "WedgeProblem",
    "lasso",
    "lasso_path",
    "ramp_dictionary",
]
