"""Separation: sublinear forms that a solution of the relaxation violates most (docs/mathematics/relaxation.md).

h(v) = (vᵀw)₊ is known at v = ±x̂_i, where it is an α or a β. For a form k that is nonnegative for every neuron the
moments E[h(v)·k] must be sublinear in v as well, so that a matrix S violates a form Σλ_ih(v_i) − h(v_j) against k as
soon as the lower envelope of the column S gives, at v_j, is below its own entry. That is a linear program in r rows.
"""

from __future__ import annotations

import numpy as np

from sdprelax.base import Floats, positive_part
from sdprelax.cells import combination
from sdprelax.lifting.inequalities import Forms

__all__ = ["violated_forms"]

# Relative to the largest activation: what counts as violated, and below which a form is no partner in a product.
VIOLATED, FAINT = 1e-5, 1e-4
# Linear programs of one call, and candidates per form that is wanted.
PROGRAMS, CANDIDATES = 200_000, 20
# Cosine of two forms from which on they are one; distance of a combination that is charged by the proof.
ALIKE, EXACT = 0.999, 1e-13


def violated_forms(rows: Floats, forms: Forms, S: Floats, most: int) -> Floats:
    """Return sublinear forms over z, of unit length, shape (m, len(z)), whose products with others S violates most.

    Parameters
    ----------
    rows: the generator rows, shape (g, r).
    forms: what the relaxation has in the cone; S, shape (len(z), len(z)), its solution.
    most: m at most.
    """
    from sdprelax.lifting.inequalities._envelopes import lower_envelopes  # kernels are loaded where they are called for

    none, g = np.zeros((0, len(S))), len(rows)
    vectors, activations, G = np.vstack([rows, -rows]), forms.lift[: 2 * g].toarray(), forms.matrix.toarray()
    size = np.sqrt(positive_part(np.sum((G @ S) * G, axis=1)))
    largest = float(np.max(size, initial=0.0))
    partners = np.flatnonzero(size > FAINT * largest)
    if len(forms.cone.undetermined) == 0 or not np.isfinite(largest) or len(partners) == 0:
        return none
    room = max(1, PROGRAMS // len(vectors))
    if len(partners) > room:
        partners = np.sort(np.random.default_rng(0).choice(partners, room, replace=False))
    scaled = G[partners] / size[partners, None]
    # In a cone the activations of determined rows are linear, so that every program has ±x̂_i for all of the rows.
    costs = np.ascontiguousarray(positive_part(scaled @ S @ activations.T))
    bases = np.zeros((len(vectors), len(partners), rows.shape[1]), dtype=np.int64)
    below = np.zeros(bases.shape[:2])
    lower_envelopes(vectors, costs, 1e-7 * largest, bases, below)
    violation = below.ravel()
    order = np.argsort(-violation, kind="stable")
    order = order[violation[order] > VIOLATED * largest]
    candidates = np.unravel_index(order, below.shape)
    chosen = np.column_stack([candidates[0], np.sort(bases[candidates], axis=1)])
    chosen = chosen[np.sort(np.unique(chosen, axis=0, return_index=True)[1])][: CANDIDATES * most]
    found = []
    for j, *basis in chosen.tolist():
        support = [i for i in sorted(set(basis)) if i % g != j % g]
        weights, distance = combination(vectors[j], vectors[support])
        form = weights @ activations[support] - activations[j]
        length = float(np.linalg.norm(form))
        if distance <= EXACT and length > 1e-6:
            found.append(form / length)
    stated = np.array(found).reshape(-1, len(S))
    total = np.sum(positive_part(-(stated @ S @ scaled.T)), axis=1)
    kept = G / np.maximum(np.linalg.norm(G, axis=1), 1e-300)[:, None]
    start = len(kept)
    for i in np.argsort(-total, kind="stable"):
        if len(kept) - start == most or total[i] <= VIOLATED * largest:
            break
        if np.max(kept @ stated[i]) < ALIKE:
            kept = np.vstack([kept, stated[i]])
    return np.asarray(kept[start:])
