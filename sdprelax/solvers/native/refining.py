"""What blocks of a finer partition start from: a solution over a coarser one (docs/solver.md, "Blocks").

A neuron of a part is one of the whole, so what the whole's block speaks of is linear in the part's variables: x = Ex′.
A form of the whole is there a nonnegative combination of the part's own, most often one of them. With the same A and
multipliers carried over, the part's slack is EᵀZE: as positive as before, whence the bound is the coarser one's.

S is shared out. Where its factors F have α_j = Fa, β_j = Fb, complementarity says ⟨a, b⟩ = 0, and the parts on the two
sides of row j get S± = F(½I ± ½(aaᵀ/‖a‖² − bbᵀ/‖b‖²))Fᵀ: their sum is S, and each has the side's activation alone.
Between sectors S is divided evenly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from sdprelax.base import Floats, positive_part
from sdprelax.cells import Cone, combination
from sdprelax.lifting import Block
from sdprelax.solvers import Coarser

__all__ = ["Refined", "direction", "refined"]

# Digits to which two rows are multiples of each other.
DIGITS = 12
# Distance up to which a form is a combination of others.
COMBINED = 1e-9


class Refined:
    """Where a block starts.

    Attributes
    ----------
    factors: F of S = FFᵀ, shape (len(x), rank).
    M: multipliers of the products of forms, shape (m, m).
    balance: ν of the norms, shape (q,).
    """

    def __init__(self, gamma: float, A: Floats, block: Block, factors: Floats, M: Floats) -> None:
        self.factors, self.M = factors, M
        if not len(block.norms):
            self.balance = np.zeros(0)
            return
        # At a solution ZS = 0, which is linear in ν.
        known = block.slack(gamma, A, M) @ factors
        scaled = [(norm[:, None] * factors).ravel() for norm in block.norms]
        self.balance = np.linalg.lstsq(np.stack(scaled, axis=1), -known.ravel(), rcond=None)[0]


def refined(blocks: Sequence[Block], coarser: Coarser, gamma: float) -> list[Refined]:
    """Return the start of every block; every one is a part of a cone of the coarser solution."""
    wholes = coarser.blocks
    owners = [next(i for i, whole in enumerate(wholes) if _holds(whole.cone, block.cone)) for block in blocks]
    found = list[Refined]()
    for block, i in zip(blocks, owners, strict=True):
        whole, N = wholes[i], coarser.multipliers[i]
        share = sum(j == i and other.cone.path == block.cone.path for other, j in zip(blocks, owners, strict=True))
        factors = _shared(whole, block.cone, coarser.matrices[i]) / np.sqrt(share)
        carried = _carried(whole, block)
        M = carried.T @ (N / whole.multipliers(gamma, np.ones_like(N))) @ carried
        found.append(Refined(gamma, coarser.multiplier, block, _variables(whole, block, factors), M))
    return found


def direction(row: Floats) -> bytes:
    """Return a key that positive multiples of a row share."""
    length = float(np.linalg.norm(row))
    # Adding 0 makes −0 one with it.
    return (np.round(row / (length or 1.0), DIGITS) + 0.0).tobytes()


def _holds(whole: Cone, part: Cone) -> bool:
    if not set(whole.path) <= set(part.path):
        return False
    if whole.sector is None or part.sector is None:
        return whole.sector is None
    # Rays of a part are nonnegative combinations of the whole's.
    shares = np.linalg.solve(whole.sector.directions, part.sector.directions)
    return bool(np.min(shares) >= -COMBINED)


def _shared(whole: Block, part: Cone, S: Floats) -> Floats:
    """Return the factors of what a cone's part gets of S, but for the sectors."""
    values, vectors = np.linalg.eigh(S)
    kept = values > 0.0
    F, g = vectors[:, kept] * np.sqrt(values[kept]), len(part.signs)
    for row, side in part.path:
        if (row, side) in whole.cone.path:
            continue
        b = _unit((whole.lift[[g + row]] @ F)[0])
        a = (whole.lift[[row]] @ F)[0]
        a = _unit(a - (a @ b) * b)
        stays, goes = (a, b) if side > 0 else (b, a)
        half = np.sqrt(0.5)
        F = half * F + (1.0 - half) * np.outer(F @ stays, stays) - half * np.outer(F @ goes, goes)
    return np.asarray(F)


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / (float(np.linalg.norm(vector)) or 1.0))


def _variables(whole: Block, block: Block, F: Floats) -> Floats:
    """Return the part's variables, one factor per column, of the whole's."""
    lifted, g, k = whole.lift @ F, len(block.cone.signs), len(block.cone.undetermined)
    c, r = len(block.outputs.toarray()), block.lift.shape[0] - 2 * g - len(block.outputs.toarray())
    found = [lifted[g + block.cone.undetermined], lifted[2 * g : 2 * g + r]]
    outputs = lifted[2 * g + r :]
    if block.cone.sector is None or c > 1:
        found.append(outputs)
    elif whole.cone.sector is None:
        found.append(float(block.cone.sector.rays[0, 0]) * outputs)
    else:
        found.append(F[-1:])
    if block.order == k + r + c:
        return np.vstack(found)
    if whole.cone.sector is not None:
        return np.vstack([*found, F[-1:]])
    # The length t is new. It is as long as v, and goes with all activations.
    return np.vstack([*found, np.linalg.norm(outputs) * _unit(lifted[: 2 * g].sum(axis=0))])


def _carried(whole: Block, block: Block) -> sp.csr_array:
    """Return Φ ≥ 0, shape (m, m′): the whole's forms are Φ times the part's."""
    g, k = len(block.cone.signs), len(whole.cone.undetermined)
    embedded = block.lift[np.r_[g + whole.cone.undetermined, 2 * g : block.lift.shape[0]]].toarray()
    if whole.order > len(embedded):
        embedded = np.vstack([embedded, np.eye(block.order)[-1:]])
    elif whole.cone.sector is not None:
        # One output: x ends with t.
        embedded[-1] = np.eye(block.order)[-1]
    assert whole.order == len(embedded) >= k
    images, own = whole.matrix @ embedded, block.matrix.toarray()
    places = {direction(form): q for q, form in reversed(list(enumerate(own)))}
    carried = sp.lil_array((len(images), len(own)))
    for p, image in enumerate(images):
        length, place = float(np.linalg.norm(image)), places.get(direction(image))
        if length == 0.0:
            continue
        if place is not None:
            carried[p, place] = length / float(np.linalg.norm(own[place]))
            continue
        weights, distance = combination(image, own)
        if distance <= COMBINED * length:
            used = np.flatnonzero(positive_part(weights))
            carried[[p] * len(used), used] = weights[used]
    return sp.csr_array(carried)
