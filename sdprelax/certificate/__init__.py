"""Rigorous lower bounds: built from what solvers return, proved from the data alone."""

from __future__ import annotations

from sdprelax.certificate.build import (
    cone_certificate,
    empty_network_certificate,
    relaxation_certificate,
    users_certificate,
)
from sdprelax.certificate.certificate import BlockProof, Certificate, ConeProof, RelaxationProof
from sdprelax.certificate.designs import Design, Gates, Neurons, Ramps, masks_of
from sdprelax.certificate.group import (
    GroupBounds,
    GroupCertificate,
    GroupRows,
    group_bounds,
    group_certificate,
    group_rows,
    relative_gap,
    residual_certificate,
    verify_group,
    verify_residual,
)
from sdprelax.certificate.verify import verify

__all__ = [
    "PROOF_VERSION",
    "BlockProof",
    "Certificate",
    "ConeProof",
    "Design",
    "Gates",
    "GroupBounds",
    "GroupCertificate",
    "GroupRows",
    "Neurons",
    "Ramps",
    "RelaxationProof",
    "cone_certificate",
    "empty_network_certificate",
    "group_bounds",
    "group_certificate",
    "group_rows",
    "masks_of",
    "relative_gap",
    "relaxation_certificate",
    "residual_certificate",
    "users_certificate",
    "verify",
    "verify_group",
    "verify_residual",
]

# Raised when the same certificate, or multipliers, prove another bound: trials that prove one run once more.
PROOF_VERSION = 1
