"""Both verifiers, on certificates as they are in memory and as they are in a file."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz import described, loaded_checker

import sdprelax
from sdprelax import Certificate, CertificateError, Problem

checker: Any = loaded_checker()


def second_verifier(problem: Problem, path: Path) -> float:
    """Return the bound that tools/check_certificate.py proves from a file; what it raises is its refusal."""
    bound = checker.check(checker.read(path), described(problem), problem.gamma, problem.bias, time.monotonic() + 60.0)
    return float(bound)


def proved_by_both(
    problem: Problem, certificate: Certificate | None, path: Path, rel_tol: float = 1e-11
) -> float:  # fmt: skip
    """Return the bound that both verifiers prove, the second one from a file at ``path``; they must agree.

    Parameters
    ----------
    rel_tol: how nearly; where products vanish but for rounding the second one, of more digits, charges less for it.
    """
    assert certificate is not None
    certificate.save(path)
    proved = sdprelax.verify(problem, certificate)
    assert sdprelax.verify(problem, Certificate.load(path)) == proved >= certificate.lower
    second = second_verifier(problem, path)
    # The second one proves of a cover what is claimed, a share of 1e-12 less than what the first one proves.
    assert math.isclose(second, proved, rel_tol=rel_tol) and second >= certificate.lower
    return proved


def refused_by_both(problem: Problem, certificate: Certificate, path: Path) -> None:
    """Require that neither verifier believes a certificate, in memory or from a file at ``path``."""
    with pytest.raises(CertificateError):
        sdprelax.verify(problem, certificate)
    try:
        certificate.save(path)
    except ValueError:
        return  # objects, which no file can hold
    with pytest.raises(CertificateError):
        sdprelax.verify(problem, Certificate.load(path))
    refused_by_the_second(problem, path)


def refused_by_the_second(problem: Problem, path: Path) -> None:
    """Require that tools/check_certificate.py proves nothing of a file; of any exception it makes a sentence."""
    with np.errstate(all="ignore"), pytest.raises(Exception) as refusal:
        second_verifier(problem, path)
    assert str(refusal.value)
