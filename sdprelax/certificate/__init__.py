"""Rigorous lower bounds: built from what solvers return, proved from the data alone."""

from __future__ import annotations

from sdprelax.certificate.build import (
    cone_certificate,
    empty_network_certificate,
    relaxation_certificate,
    users_certificate,
)
from sdprelax.certificate.certificate import BlockProof, Certificate, ConeProof, RelaxationProof
from sdprelax.certificate.verify import verify

__all__ = [
    "PROOF_VERSION",
    "BlockProof",
    "Certificate",
    "ConeProof",
    "RelaxationProof",
    "cone_certificate",
    "empty_network_certificate",
    "relaxation_certificate",
    "users_certificate",
    "verify",
]

# Raised when the same certificate, or multipliers, prove another bound: trials that prove one run once more.
PROOF_VERSION = 1
