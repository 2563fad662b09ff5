"""Forms and products that a solution violates enter the relaxation, and those without a multiplier leave it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Deadline
from sdprelax.cells import Cone
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import Forms, SeparatedForms, WithFound
from sdprelax.relaxation._program import RelaxationSolution

__all__ = ["with_separated"]

# A multiplier below this share of the largest one is none.
UNUSED = 1e-9
# A product below minus this share of the largest one, of forms of unit length, is violated.
VIOLATED = 1e-6
# Products that are asked for in a round, at most: per form that enters, and in any case.
PER_FORM, IN_ANY_CASE = 6, 200


def with_separated(
    lifting: LiftedProgram, cones: Sequence[Cone], solution: RelaxationSolution, deadline: Deadline
) -> LiftedProgram | None:
    """Return the program with what a solution of it violates; None where that is nothing known, or time is up.

    Parameters
    ----------
    cones: those of the solution's blocks.
    """
    rows, more, violated = lifting.reduction.rows, dict(lifting.more), False
    for name, family in lifting.more.items():
        if family.rounds == 0:
            continue
        own, found = (family.family, dict(family.found)) if isinstance(family, WithFound) else (family, {})
        for cone, N, matrix in zip(cones, solution.multipliers, solution.matrices, strict=True):
            if deadline.expired:
                return None
            forms = lifting.forms(cone)
            order, standard = forms.matrix.shape[1], forms.places["walls"].stop
            S = matrix[:order, :order]
            stated = own.separated(rows, forms, S)
            # What the family found before is the last of its forms.
            place = forms.places[name]
            before = np.arange(place.start + own.forms(rows, cone).shape[0], place.stop)
            used = np.abs(N) > UNUSED * np.max(np.abs(N), initial=0.0)
            kept = before[np.any(used[before], axis=1)]
            entered = Forms.of(rows, cone, {name: stated})
            both = sp.csr_array(sp.vstack([forms.over[kept], entered.over[entered.places[name]]]))
            asked = np.zeros((both.shape[0], standard + both.shape[0]), dtype=bool)
            asked[: len(kept), : standard + len(kept)] = used[np.ix_(kept, np.append(np.arange(standard), kept))]
            G = np.vstack([forms.matrix[:standard].toarray(), (both @ forms.lift).toarray()])
            G /= np.maximum(np.linalg.norm(G, axis=1), np.finfo(float).tiny)[:, None]
            products = G @ S @ G.T
            below = np.where(asked, 0.0, -products[standard:])
            # A product of two of them is asked for once.
            below[:, standard:] = np.triu(below[:, standard:])
            worst = np.argsort(-below, axis=None, kind="stable")[: max(PER_FORM * len(stated), IN_ANY_CASE)]
            worst = worst[below.ravel()[worst] > VIOLATED * np.max(np.abs(products), initial=0.0)]
            asked.ravel()[worst] = True
            asked[:, standard:] |= asked[:, standard:].T
            violated = violated or len(worst) > 0
            found[cone.path, cone.sector] = SeparatedForms(both, asked)
        more[name] = WithFound(name, own, found)
    return dataclasses.replace(lifting, more=more) if violated else None
