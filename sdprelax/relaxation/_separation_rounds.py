"""Forms that a solution violates enter the relaxation, and those without a multiplier leave it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from sdprelax.cells import Cone
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import Forms, WithFound
from sdprelax.relaxation._program import RelaxationSolution

__all__ = ["with_separated"]

# A form whose multipliers are all below this share of the largest one leaves.
UNUSED = 1e-9


def with_separated(
    lifting: LiftedProgram, cones: Sequence[Cone], solution: RelaxationSolution
) -> LiftedProgram | None:  # fmt: skip
    """Return the program with what a solution of it violates, or None where it violates nothing that is known.

    Parameters
    ----------
    cones: those of the solution's blocks.
    """
    rows, more, violated = lifting.reduction.rows, dict(lifting.more), False
    for name, family in lifting.more.items():
        if family.rounds == 0:
            continue
        own, found = (family.family, dict(family.found)) if isinstance(family, WithFound) else (family, {})
        for cone, N, S in zip(cones, solution.multipliers, solution.matrices, strict=True):
            forms = lifting.forms(cone)
            order = forms.matrix.shape[1]
            stated = own.separated(rows, forms, S[:order, :order])
            violated = violated or len(stated) > 0
            # What the family found before is the last of its forms.
            place = forms.places[name]
            before = np.arange(place.start + own.forms(rows, cone).shape[0], place.stop)
            used = before[np.max(np.abs(N[before]), axis=1, initial=0.0) > UNUSED * np.max(np.abs(N), initial=0.0)]
            entered = Forms.of(rows, cone, {name: stated})
            both = sp.vstack([forms.over[used], entered.over[entered.places[name]]])
            found[cone.path, cone.sector] = sp.csr_array(both)
        more[name] = WithFound(own, found)
    return dataclasses.replace(lifting, more=more) if violated else None
