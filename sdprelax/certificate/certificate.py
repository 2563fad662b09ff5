"""The record that proves a lower bound, and its file format."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdprelax.errors import CertificateError
from sdprelax.reduction import Reduction
from sdprelax.verified import Floats

__all__ = ["Certificate", "ConeProof", "RelaxationProof"]


@dataclass(frozen=True, eq=False)
class RelaxationProof:
    """Multipliers of the reduced SDP relaxation (docs/mathematics.md section 3.5).

    Over z = (β, w), with a = Gz the activations (α, β) of the generators and B = LᵀA, the matrix

        H = κ·E_ww + δ·E_ββ − (GᵀB)(GᵀB)ᵀ − GᵀNG

    is claimed positive semidefinite. N is nonnegative but at the entries (α_i, β_i), where true
    activations multiply to zero, so ‖Bᵀa‖² ≤ κ‖w‖² + δ‖β‖² ≤ (κ + δ·λ_max(X̂ᵀX̂))‖w‖² for every neuron.

    Parameters
    ----------
    multipliers: N, symmetric, shape (2g, 2g).
    kappa: κ ≥ 0.
    delta: δ ≥ 0.
    """

    multipliers: Floats
    kappa: float
    delta: float


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
            N = proof.multipliers * oracle * oracle
            proof = RelaxationProof(N, proof.kappa * oracle * oracle, proof.delta * oracle * oracle)
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
            np.savez_compressed(
                path, allow_pickle=False, kind=np.array("relaxation"), multipliers=self.proof.multipliers,
                kappa=np.array(self.proof.kappa), delta=np.array(self.proof.delta), **common,
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
                    proof = RelaxationProof(stored["multipliers"], float(stored["kappa"]), float(stored["delta"]))
                else:
                    proof = ConeProof(float(stored["target"]), int(stored["max_cones"]))
                return Certificate(float(stored["lower"]), stored["multiplier"], reduction, proof)
        except Exception as error:
            # A damaged archive fails in zlib, zipfile, NumPy or the conversions above, each with errors of its own.
            raise CertificateError(f"{path} is not a readable certificate: {error}.") from None
