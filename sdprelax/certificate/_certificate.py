"""The record that proves a lower bound, and its file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import CertificateError, Floats, read_arrays
from sdprelax.cells import Cone, Sector
from sdprelax.certificate._checks import refusing
from sdprelax.lifting.inequalities import STANDARD, Forms
from sdprelax.problem import Reduction

__all__ = ["LONGEST_PATH", "MOST_BLOCKS", "BlockProof", "Certificate", "ConeProof", "RelaxationProof"]

# Blocks of a proof, walls on the path to one, and walls of all of them together.
MOST_BLOCKS, LONGEST_PATH, MOST_WALLS = 10_000, 1_000, 1_000_000


def unreadable(path: str | Path, what: str, error: Exception) -> CertificateError:
    """Return what to raise for a file that is none; a damaged one fails in zlib, zipfile or NumPy, each in its way."""
    missing = isinstance(error, KeyError)
    words = f"it holds no array named {error}" if missing else str(error).rstrip(".") or type(error).__name__
    return CertificateError(f"{path} is not a readable {what}: {words}.")


@dataclass(frozen=True, eq=False)
class BlockProof:
    """Multipliers of one block of the reduced SDP relaxation (docs/mathematics/certificate.md).

    Over z = (β, w), with β of the k rows that the cone leaves undetermined, Gz what is nonnegative for every neuron in
    the cone (:class:`sdprelax.lifting.inequalities.Forms`) and f = Dᵀz the outputs that the dual weights B = LᵀA make,
    the matrix

        H = κ·E_ww + δ·E_ββ − DDᵀ − GᵀNG

    is claimed positive semidefinite. N is nonnegative but where products of two forms vanish for every neuron, so
    ‖f‖² ≤ κ‖w‖² + δ‖β‖² ≤ (κ + δ·λ_max(X̂ᵀX̂))‖w‖² for every neuron in the cone.

    With a sector of output weights v it is about balanced neurons, ‖w‖ = ‖v‖ = t, and over z = (β, w, v, t), of one
    output (β, w, t) with v = ±t,

        H = κ·E_ww + κ_v·E_vv + κ_t·E_tt + δ·E_ββ − ½(Dvᵀ + vDᵀ) − GᵀNG,

    so vᵀf ≤ (κ + κ_v + κ_t + δ·λ_max(X̂ᵀX̂))t² for every neuron in the cone and the sector.

    Parameters
    ----------
    cone: the part of weight space that the block is for.
    multipliers: N, symmetric, shape (m, m) for the m forms, which are those of the standard families, then ``forms``.
    kappa: κ ≥ 0.
    delta: δ ≥ 0.
    forms: what each further family of inequalities states, over z, shape (q, len(z)).
    balance: (κ_v, κ_t), of either sign as κ is with a sector; of one output κ_v = 0. Without a sector (0, 0).
    """

    cone: Cone
    multipliers: Floats
    kappa: float
    delta: float
    forms: Mapping[str, Floats] = field(default_factory=dict)
    balance: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class RelaxationProof:
    """One block for every cone of a partition of weight space; the relaxation itself has one, all of it."""

    blocks: tuple[BlockProof, ...]


@dataclass(frozen=True)
class ConeProof:
    """The claim that a cover of weight space by cones bounds the oracle (``_cone_cover.py``).

    Parameters
    ----------
    target: the value that every cone is to be proved below.
    max_cones: cones after which the cover stops refining and settles for what it has.
    """

    target: float
    max_cones: int


@dataclass(frozen=True, eq=False)
class Certificate:
    """A lower bound of p*, with what it takes to prove it from the problem's data alone.

    It speaks of the problem in units: of X/s, Y/t and γ/(st), whose optimum is p*/t². All of its arrays and numbers
    are in these units, but for ``lower``. So it survives wherever the problem does: N in the user's units has the size
    of (‖X‖‖Y‖)², which may be no floating-point number.

    Parameters
    ----------
    lower: the bound claimed, of p* in the user's own units.
    multiplier: A, shape (n, c): a point of the dual, feasible after scaling.
    reduction: the generator rows that the proof speaks of; verification does not trust it.
    proof: why ‖Aᵀ(Xu)₊‖ is not large.
    units: (s, t), two powers of two.
    column: B, what stands in place of the column of ones for hidden biases that cost nothing; 1 for all others.
    """

    lower: float
    multiplier: Floats
    reduction: Reduction
    proof: RelaxationProof | ConeProof
    units: tuple[float, float] = (1.0, 1.0)
    column: float = 1.0

    def __repr__(self) -> str:
        return f"Certificate(lower={self.lower!r}, {type(self.proof).__name__}, {self.reduction.generators} generators)"

    def multipliers(self, inequality: str) -> tuple[Floats, ...]:
        """Return the multipliers of a family of inequalities in every block of a relaxation's proof.

        That is N between the family's forms and all forms of the block, or N at the family's products that vanish;
        empty where the family says nothing of a cone.

        Raises
        ------
        CertificateError: the arrays of the certificate do not fit each other.
        """
        blocks = self.proof.blocks if isinstance(self.proof, RelaxationProof) else ()
        with refusing():
            named = [
                Forms.of(self.reduction.rows, block.cone, block.forms).multipliers(block.multipliers)
                for block in blocks
            ]
        return tuple(multipliers.get(inequality, np.zeros(0)) for multipliers in named)

    def save(self, path: str | Path) -> None:
        """Write the certificate to an ``.npz`` file."""
        r = self.reduction
        common = {
            "lower": np.array(self.lower), "units": np.array(self.units), "multiplier": self.multiplier,
            "rows": r.rows, "basis": r.basis, "group": r.group, "factor": r.factor,
        }  # fmt: skip
        if self.column != 1.0:
            common["column"] = np.array(self.column)
        if isinstance(self.proof, RelaxationProof):
            blocks = self.proof.blocks
            paths = [(index, row, side) for index, block in enumerate(blocks) for row, side in block.cone.path]
            facets = [(index, row, side) for index, block in enumerate(blocks) for row, side in block.cone.facets]
            more = list(dict.fromkeys(name for block in blocks for name in block.forms))
            forms = {
                f"forms_{index}_{place}": block.forms.get(name, np.zeros((0, block.cone.order(r.rank))))
                for index, block in enumerate(blocks)
                for place, name in enumerate(more)
            }
            steps = [
                (index, *step)
                for index, block in enumerate(blocks)
                if block.cone.sector
                for step in block.cone.sector.path
            ]
            if steps:
                common["sectors"] = np.array(steps, dtype=np.int64)
                common["balance"] = np.array([block.balance for block in blocks])
            np.savez_compressed(
                path, allow_pickle=False, kind=np.array("relaxation"),
                signs=np.array([block.cone.signs for block in blocks]),
                paths=np.array(paths, dtype=np.int64).reshape(-1, 3),
                facets=np.array(facets, dtype=np.int64).reshape(-1, 3),
                kappa=np.array([block.kappa for block in blocks]), delta=np.array([block.delta for block in blocks]),
                **{f"multipliers_{index}": block.multipliers for index, block in enumerate(blocks)}, **common,
                inequalities=np.array([*STANDARD, *more]), **forms,
            )  # fmt: skip
        else:
            np.savez_compressed(
                path, allow_pickle=False, kind=np.array("cones"), target=np.array(self.proof.target),
                max_cones=np.array(self.proof.max_cones), **common,
            )  # fmt: skip

    @staticmethod
    def load(path: str | Path) -> Certificate:
        """Read what :meth:`save` wrote.

        Raises
        ------
        CertificateError: the file is not a certificate, or unpacks to more bytes than ``LARGEST_FILE``.
        """
        try:
            stored = read_arrays(path)
            reduction = Reduction(stored["rows"], stored["basis"], stored["group"], stored["factor"])
            proof: RelaxationProof | ConeProof
            kind = str(stored["kind"])
            if kind == "relaxation":
                proof = _blocks(stored)
            elif kind == "cones":
                proof = ConeProof(stored["target"].item(), stored["max_cones"].item())
            else:
                raise ValueError(f"its kind is {kind!r}")
            if stored["units"].shape != (2,):
                raise ValueError("its units are not two numbers")
            inputs, targets = stored["units"].tolist()
            column = stored["column"].item() if "column" in stored else 1.0
            lower, multiplier = stored["lower"].item(), stored["multiplier"]
            return Certificate(lower, multiplier, reduction, proof, (inputs, targets), column)
        except Exception as error:
            raise unreadable(path, "certificate", error) from None


def _blocks(stored: Mapping[str, NDArray[Any]]) -> RelaxationProof:
    """Return the proof that a file of :meth:`Certificate.save` holds."""
    signs, blocks = stored["signs"], len(stored["signs"])
    if signs.ndim != 2 or not 0 < blocks <= MOST_BLOCKS:
        raise ValueError(f"its signs have shape {signs.shape}; it must have 1 to {MOST_BLOCKS} blocks")
    if not stored["kappa"].shape == stored["delta"].shape == (blocks,):
        raise ValueError(f"it does not have κ and δ for each of {blocks} blocks")
    kappa, delta = stored["kappa"].tolist(), stored["delta"].tolist()
    paths, facets = (_owned(stored[name], blocks, 2) for name in ("paths", "facets"))
    outputs = stored["multiplier"].shape[-1]
    steps = _owned(stored["sectors"], blocks, 3) if "sectors" in stored else [()] * blocks
    sectors = [Sector(path, outputs) if path else None for path in steps]
    balance = stored.get("balance", np.zeros((blocks, 2)))
    if balance.shape != (blocks, 2):
        raise ValueError(f"it does not have κ_v and κ_t for each of {blocks} blocks")
    # A file that names no families is of a time when there were no others.
    names = np.ravel(stored.get("inequalities", np.array(STANDARD))).tolist()
    if tuple(names[: len(STANDARD)]) != STANDARD or len(set(names)) < len(names):
        raise ValueError(f"it names the inequalities {names}, which do not begin with {STANDARD}, or one twice")
    more = names[len(STANDARD) :]
    for place, name in enumerate(more):
        if f"forms_0_{place}" not in stored:
            raise ValueError(f"it names the inequality '{name}', which is unknown here, and does not state it")
    return RelaxationProof(
        tuple(
            BlockProof(
                Cone(path, side, walls, sector), stored[f"multipliers_{index}"], k, d,
                {name: stored[f"forms_{index}_{place}"] for place, name in enumerate(more)}, tuple(pair),
            )
            for index, (path, side, walls, sector, k, d, pair) in enumerate(
                zip(paths, signs, facets, sectors, kappa, delta, balance.tolist(), strict=True)
            )
        )
    )  # fmt: skip


def _owned(steps: NDArray[Any], blocks: int, length: int) -> list[tuple[Any, ...]]:
    """Return every block's steps of a length, such as (row, side), in order, from rows (block, *step)."""
    if steps.dtype.kind not in "iu" or steps.ndim != 2 or steps.shape[1] != 1 + length or len(steps) > MOST_WALLS:
        raise ValueError(f"its paths are not at most {MOST_WALLS} rows of {1 + length} integers")
    owned: list[list[tuple[int, ...]]] = [[] for _ in range(blocks)]
    for owner, *step in steps.tolist():
        if not 0 <= owner < blocks:
            raise ValueError(f"a path belongs to block {owner} of {blocks}")
        owned[owner].append(tuple(step))
    return [tuple(each) for each in owned]
