"""What every verifier asks of a certificate's numbers before it computes with them, and how it refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np

from sdprelax.base import CertificateError, Deadline, require_ieee_arithmetic

__all__ = ["LARGEST_NUMBER", "checked_array", "checked_number", "refusing", "require", "require_kind", "require_time"]

# Largest magnitude of what a certificate holds, in its units. Products of what is in range are far from overflow.
LARGEST_NUMBER = 2.0**100


def require(condition: bool, message: str) -> None:
    """Refuse a certificate unless a condition holds."""
    if not condition:
        raise CertificateError(f"the certificate does not hold: {message}.")


def require_kind(certificate: object, kind: type) -> None:
    """Refuse what is no certificate of a kind, in words that do not ask it."""
    said = "None" if certificate is None else f"of type {type(certificate).__name__}"
    require(isinstance(certificate, kind), f"it is {said}")


def require_time(deadline: Deadline | None) -> None:
    """Refuse to go on when the time is up."""
    if deadline is not None and deadline.expired:
        raise CertificateError(
            f"the certificate is not verified: its proof takes longer than {deadline.seconds:g} seconds."
        )


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turn what a forged file can still provoke into a sentence: a proof that cannot be evaluated proves nothing."""
    require_ieee_arithmetic()
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            yield
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        words = str(error).rstrip(".") or type(error).__name__
        raise CertificateError(f"the certificate does not hold: its proof cannot be evaluated ({words}).") from None


def checked_array(
    name: str, array: Any, shape: tuple[int, ...] | None = None, *, integer: bool = False, most: float = LARGEST_NUMBER
) -> Any:
    """Return an array of a certificate as contiguous float64 (or int64), in range and of the shape it must have.

    Whatever else a file may hold (booleans that would index as masks, integers that would wrap around,
    single precision) is either converted here, once, or refused.
    """
    values = np.asarray(array)
    require(shape is None or values.shape == shape, f"its {name} has shape {values.shape} instead of {shape}")
    require(values.dtype.kind in ("iu" if integer else "iuf"), f"its {name} holds values of type {values.dtype}")
    # Neither a sign nor a digit may change on the way to 64 bits.
    if integer:
        require(bool(np.all((values >= -(2**62)) & (values <= 2**62))), f"its {name} holds integers beyond 2^62")
        return np.array(values, dtype=np.int64, order="C")
    values = np.array(values, dtype=np.float64, order="C")
    require(bool(np.all(np.abs(values) <= most)), f"its {name} is not finite and at most {most:g}")
    return values


def checked_number(name: str, value: Any, least: float, most: float) -> float:
    """Return a number of a certificate that is between two others."""
    require(isinstance(value, Real) and not isinstance(value, bool), f"its {name} is {value!r}")
    found = float(value)
    require(least <= found <= most, f"its {name} is {found!r}, which is not between {least:g} and {most:g}")
    return found
