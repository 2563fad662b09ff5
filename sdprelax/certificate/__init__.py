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
