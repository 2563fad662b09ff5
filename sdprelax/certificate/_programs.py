"""Certificates of programs that methods solve in place of training, whichever kind they are."""

from __future__ import annotations

from pathlib import Path

from sdprelax.base import Deadline, read_arrays
from sdprelax.certificate._group import GroupCertificate, verify_group
from sdprelax.certificate._linear import LinearCertificate, verify_linear
from sdprelax.problem import Problem

__all__ = ["load_program", "verify_program"]


def load_program(path: str | Path) -> GroupCertificate | LinearCertificate:
    """Read the certificate of a program, of whatever kind.

    Raises
    ------
    CertificateError: the file is none.
    """
    try:
        linear = str(read_arrays(path).get("kind")) == "linear"
    except Exception:
        linear = False  # The reader below says what is wrong.
    return LinearCertificate.load(path) if linear else GroupCertificate.load(path)


def verify_program(
    problem: Problem, certificate: GroupCertificate | LinearCertificate, deadline: Deadline | None = None
) -> tuple[float, float]:
    """Return the bounds of its program's optimum that a certificate proves: ``verify_group`` or ``verify_linear``.

    Raises
    ------
    CertificateError: the certificate does not fit the problem, or proves less than it claims; or the time is up.
    UntrustedArithmetic: this process does not round as proofs need it.
    """
    if isinstance(certificate, LinearCertificate):
        return verify_linear(problem, certificate, deadline)
    return verify_group(problem, certificate, deadline)
