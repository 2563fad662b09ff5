"""Rigorous lower bounds: built from what solvers return, proved from the data alone."""

from __future__ import annotations

from sdprelax.certificate._build import (
    cone_certificate,
    empty_network_certificate,
    joined_certificate,
    relaxation_certificate,
)
from sdprelax.certificate._certificate import BlockProof, Certificate, ConeProof, RelaxationProof
from sdprelax.certificate._cone_cover import COVER_KERNELS, Cover, tightest_cover
from sdprelax.certificate._designs import Design, Gates, Neurons, Ramps, masks_of
from sdprelax.certificate._group import (
    GroupBounds,
    GroupCertificate,
    GroupRows,
    group_bounds,
    group_certificate,
    group_rows,
    program_gap_of,
    residual_certificate,
    verify_group,
    verify_residual,
)
from sdprelax.certificate._linear import (
    LinearCertificate,
    borrowed_curvature,
    decay_slope,
    linear_certificate,
    measured_decay,
    reach_slope,
    verify_linear,
)
from sdprelax.certificate._programs import load_program, verify_program
from sdprelax.certificate._residual import cover_certificate, proving_seconds
from sdprelax.certificate._verify import PROOF_VERSION, proved_dual_norm, pulled_back, verify

__all__ = [
    "COVER_KERNELS",
    "PROOF_VERSION",
    "BlockProof",
    "Certificate",
    "ConeProof",
    "Cover",
    "Design",
    "Gates",
    "GroupBounds",
    "GroupCertificate",
    "GroupRows",
    "LinearCertificate",
    "Neurons",
    "Ramps",
    "RelaxationProof",
    "borrowed_curvature",
    "cone_certificate",
    "cover_certificate",
    "decay_slope",
    "empty_network_certificate",
    "group_bounds",
    "group_certificate",
    "group_rows",
    "joined_certificate",
    "linear_certificate",
    "load_program",
    "masks_of",
    "measured_decay",
    "program_gap_of",
    "proved_dual_norm",
    "proving_seconds",
    "pulled_back",
    "reach_slope",
    "relaxation_certificate",
    "residual_certificate",
    "tightest_cover",
    "verify",
    "verify_group",
    "verify_linear",
    "verify_program",
    "verify_residual",
]
