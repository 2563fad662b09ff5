"""What a user adds to a relaxation, and whether the reason that is given for it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from sdprelax.base import CertificateError, Floats, InputError
from sdprelax.cells import Cone, checked_cone
from sdprelax.certificate import relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import Forms
from sdprelax.relaxation._arguments import matrix_of
from sdprelax.relaxation._named_blocks import NamedBlock, NamedInequality
from sdprelax.relaxation._program import Form

__all__ = ["stated_constraint", "stated_forms", "stated_product"]

# Relative distance of what is stated from what its reason gives that is taken for rounding.
ROUNDING = 1e-9


def stated_constraint(name: str, constraint: Any, reason: Any) -> NamedInequality:
    """Return constraints of CVXPY's, which nothing proves, under a name."""
    from cvxpy.constraints.constraint import Constraint

    if reason is not None:
        raise InputError(f"'{name}': nothing proves a CVXPY constraint; with a reason it is form=... or product=....")
    listed = list(constraint) if isinstance(constraint, list | tuple) else [constraint]
    if not listed or not all(isinstance(each, Constraint) for each in listed):
        raise InputError(f"'{name}' is {constraint!r}, which is neither a CVXPY constraint nor a list of them.")
    if not all(each.is_dcp() for each in listed):
        raise InputError(f"'{name}' is not convex by CVXPY's rules.")
    return NamedInequality(name, tuple(listed), proved=False)


def stated_forms(
    lifting: LiftedProgram, kind: Form, blocks: Sequence[NamedBlock], name: str, form: Any, reason: Any, index: int
) -> NamedInequality:
    """Return forms over (α, β, w) and their products, with their reason if there is one, under a name."""
    g, r = lifting.reduction.rows.shape
    F, W = matrix_of(f"'{name}': form", form, (None, 2 * g + r)), None
    concerned = list(blocks)
    if isinstance(reason, Cone):
        if kind == "lifted":
            raise InputError(f"'{name}': form: lifted is the relaxation as published; more has form: reduced.")
        reason = checked_cone(reason, lifting.reduction.rows, lifting.problem.shape[2])
        concerned = [block for block in blocks if set(reason.path) <= set(block.cone.path)]
        if not concerned:
            raise InputError(f"'{name}': no block's cone lies in the cone that is its reason.")
    elif reason is not None:
        concerned, forms = [blocks[index]], blocks[index].modelled.block.forms
        W = matrix_of(f"'{name}': the reason W", reason, (len(F), forms.count))
        if np.any(W < 0.0):
            raise InputError(f"'{name}': the reason W has a negative entry; forms are combined with weights ≥ 0.")
        said = f"'{name}': its forms are not W times those of block {index}"
        # One by one: what is rounding in a large form is none in a small one.
        _require_same(said, F @ forms.lift[: 2 * g + r], W @ forms.matrix, _sizes(W @ abs(forms.matrix)))
    rows = []
    for block in blocks:
        lift = block.modelled.block.forms.lift[: 2 * g + r]
        # What is nothing but rounding in a cone says nothing there.
        there = np.abs(F @ lift).max(axis=1) > ROUNDING * (np.abs(F) @ abs(lift)).max(axis=1)
        rows.append(np.flatnonzero(there & (block in concerned)))
        if isinstance(reason, Cone):
            _require_proved(lifting, name, F[rows[-1]] @ lift, block.cone)
    constraints, stated = [], []
    for block, chosen in zip(blocks, rows, strict=True):
        own, known = F[chosen], None if W is None else sp.csr_array(W[chosen])
        if isinstance(reason, Cone):
            known = block.state(lifting, name, own @ block.modelled.block.forms.lift[: 2 * g + r])
        # Those that the reason gives, to the last digit; the user's are those but for rounding.
        given = own @ block.modelled.block.lift[: 2 * g + r] if W is None else W[chosen] @ block.modelled.block.matrix
        stated.append(np.asarray(given))
        if len(own):
            constraints.append(block.multiply(sp.csr_array(stated[-1]), known))
    return NamedInequality(name, tuple(constraints), tuple(stated), proved=reason is not None)


def _require_proved(lifting: LiftedProgram, name: str, stated: Floats, cone: Cone) -> None:
    """Refuse forms over z that the data do not prove in a cone."""
    forms = Forms.of(lifting.reduction.rows, cone, {name: stated})
    nothing, A = np.zeros((forms.count, forms.count)), np.zeros_like(lifting.problem.Y)
    try:
        relaxation_certificate(lifting.problem, lifting.reduction, A, [nothing], forms=[forms])
    except CertificateError as error:
        raise InputError(str(error).removeprefix("the certificate does not hold: its ")) from None


def stated_product(name: str, product: Any, reason: Any, block: NamedBlock) -> NamedInequality:
    """Return ⟨Q, S⟩ ≥ 0 for a block, with its reason if there is one, under a name."""
    forms, G = block.modelled.block.forms, block.modelled.block.matrix
    Q = matrix_of(f"'{name}': product", product, (G.shape[1], G.shape[1]))
    _require_same(f"'{name}': its product is not symmetric", Q, Q.T, np.max(np.abs(Q)))
    Q = 0.5 * (Q + Q.T)
    N = None
    if reason is not None:
        N = matrix_of(f"'{name}': the reason N", reason, (forms.count, forms.count))
        N = 0.5 * (N + N.T)
        signed, (first, second) = N.copy(), forms.zeros.T
        signed[first, second] = signed[second, first] = 0.0
        if np.any(signed < 0.0):
            p, q = (int(k) for k in np.unravel_index(np.argmin(signed), signed.shape))
            raise InputError(f"'{name}': the reason N is negative at ({p}, {q}), where products need not vanish.")
        found = _between(G, N)
        _require_same(f"'{name}': its product is not GᵀNG", Q, found, _between(abs(G), np.abs(N)))
        # What the reason gives, to the last digit.
        Q = 0.5 * (found + found.T)
    return NamedInequality(name, (block.sum_up(Q, N),), proved=N is not None)


def _between(G: Any, N: Floats) -> Floats:
    """Return GᵀNG for a symmetric N."""
    return np.asarray(G.T @ (G.T @ N).T)


def _sizes(matrix: Any) -> Floats:
    """Return the largest entry of every row of a matrix without negative entries, shape (m, 1)."""
    sizes: Floats = np.max(np.asarray(matrix), axis=1, keepdims=True, initial=0.0)
    return sizes


def _require_same(words: str, said: Any, found: Any, sizes: Any) -> None:
    """Refuse what differs from what its reason gives by more than the rounding of terms of these sizes."""
    apart = np.abs(np.asarray(said) - np.asarray(found))
    if np.any(apart > ROUNDING * sizes):
        raise InputError(f"{words}: they differ by {np.max(apart):.1e}.")
