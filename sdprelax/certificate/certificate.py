"""The record that proves a lower bound, and its file format."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdprelax.errors import CertificateError
from sdprelax.partition import Cone, whole_space
from sdprelax.reduction import Reduction
from sdprelax.verified import Floats

__all__ = ["BlockProof", "Certificate", "ConeProof", "RelaxationProof"]


@dataclass(frozen=True, eq=False)
class BlockProof:
    """Multipliers of one block of the reduced SDP relaxation (docs/mathematics.md sections 3.5 and 5).

    Over z = (β, w), with β of the k rows that the cone leaves undetermined, a = Gz what is nonnegative on the cone
    (α and β of those rows, and its walls) and f = Dᵀz the outputs that the dual weights B = LᵀA make, the matrix

        H = κ·E_ww + δ·E_ββ − DDᵀ − GᵀNG

    is claimed positive semidefinite. N is nonnegative but at the entries (α_i, β_i), where true
    activations multiply to zero, so ‖f‖² ≤ κ‖w‖² + δ‖β‖² ≤ (κ + δ·λ_max(X̂ᵀX̂))‖w‖² for every neuron in the cone.

    Parameters
    ----------
    cone: the part of weight space that the block is for.
    multipliers: N, symmetric, shape (2k + f, 2k + f) for f walls.
    kappa: κ ≥ 0.
    delta: δ ≥ 0.
    """

    cone: Cone
    multipliers: Floats
    kappa: float
    delta: float


@dataclass(frozen=True, eq=False)
class RelaxationProof:
    """One block for every cone of a partition of weight space; P25's relaxation has the one cone that is all of it."""

    blocks: tuple[BlockProof, ...]

    @staticmethod
    def unsplit(multipliers: Floats, kappa: float, delta: float) -> RelaxationProof:
        """Return the proof with one block for all of weight space; N has shape (2g, 2g)."""
        return RelaxationProof((BlockProof(whole_space(len(multipliers) // 2), multipliers, kappa, delta),))


@dataclass(frozen=True)
class ConeProof:
    """The claim that a cover of weight space by cones bounds the oracle (``cone_cover.py``).

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

    Parameters
    ----------
    lower: the bound claimed.
    multiplier: A, shape (n, c): a point of the dual, feasible after scaling.
    reduction: the generator rows that the proof speaks of; verification does not trust it.
    proof: why ‖Aᵀ(Xu)₊‖ is not large.
    """

    lower: float
    multiplier: Floats
    reduction: Reduction
    proof: RelaxationProof | ConeProof

    def __repr__(self) -> str:
        return f"Certificate(lower={self.lower!r}, {type(self.proof).__name__}, {self.reduction.generators} generators)"

    def rescaled(self, inputs: float, targets: float) -> Certificate:
        """Return the certificate for inputs and targets that are so many times larger, γ with both.

        ``lower`` is left alone: it is for the caller to say what it is worth in the other units.

        Parameters
        ----------
        inputs, targets: factors on X and Y.
        """
        oracle = inputs * targets
        proof = self.proof
        if isinstance(proof, RelaxationProof):
            # One factor at a time: their square may overflow where the product does not.
            proof = RelaxationProof(
                tuple(
                    BlockProof(
                        block.cone,
                        block.multipliers * oracle * oracle,
                        block.kappa * oracle * oracle,
                        block.delta * oracle * oracle,
                    )
                    for block in proof.blocks
                )
            )
        else:
            proof = dataclasses.replace(proof, target=proof.target * oracle)
        reduction = dataclasses.replace(self.reduction, factor=self.reduction.factor * inputs)
        return Certificate(self.lower, self.multiplier * targets, reduction, proof)

    def save(self, path: str | Path) -> None:
        """Write the certificate to an ``.npz`` file."""
        r = self.reduction
        common = {
            "lower": np.array(self.lower), "multiplier": self.multiplier,
            "rows": r.rows, "basis": r.basis, "group": r.group, "factor": r.factor,
        }  # fmt: skip
        if isinstance(self.proof, RelaxationProof):
            blocks = self.proof.blocks
            paths = [(index, row, side) for index, block in enumerate(blocks) for row, side in block.cone.path]
            facets = [(index, row, side) for index, block in enumerate(blocks) for row, side in block.cone.facets]
            np.savez_compressed(
                path, allow_pickle=False, kind=np.array("relaxation"),
                signs=np.array([block.cone.signs for block in blocks]),
                paths=np.array(paths, dtype=np.int64).reshape(-1, 3),
                facets=np.array(facets, dtype=np.int64).reshape(-1, 3),
                kappa=np.array([block.kappa for block in blocks]), delta=np.array([block.delta for block in blocks]),
                **{f"multipliers_{index}": block.multipliers for index, block in enumerate(blocks)}, **common,
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
        CertificateError: the file is not a certificate.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                reduction = Reduction(stored["rows"], stored["basis"], stored["group"], stored["factor"])
                proof: RelaxationProof | ConeProof
                if str(stored["kind"]) == "relaxation":
                    proof = _blocks(stored)
                else:
                    proof = ConeProof(float(stored["target"]), int(stored["max_cones"]))
                return Certificate(float(stored["lower"]), stored["multiplier"], reduction, proof)
        except Exception as error:
            # A damaged archive fails in zlib, zipfile, NumPy or the conversions above, each with errors of its own.
            raise CertificateError(f"{path} is not a readable certificate: {error}.") from None


def _blocks(stored: Any) -> RelaxationProof:
    """Return the proof that a file of :meth:`Certificate.save` holds."""
    blocks = []
    for index, (signs, kappa, delta) in enumerate(zip(stored["signs"], stored["kappa"], stored["delta"], strict=True)):
        path, facets = (
            tuple((int(row), int(side)) for owner, row, side in stored[name] if owner == index)
            for name in ("paths", "facets")
        )
        cone = Cone(path, np.asarray(signs), facets)
        blocks.append(BlockProof(cone, stored[f"multipliers_{index}"], float(kappa), float(delta)))
    return RelaxationProof(tuple(blocks))
