"""What can go wrong, as exceptions whose message is one sentence for the user."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CertificateError",
    "InputError",
    "ProblemTooLarge",
    "SdprelaxError",
    "SolverFailed",
    "SolverUnavailable",
    "StorageError",
    "UntrustedArithmetic",
    "first_line",
    "nearest",
]


class SdprelaxError(Exception):
    """Base class of every error raised on purpose by this package."""


class InputError(SdprelaxError, ValueError):
    """The caller's input is wrong; the message names it and says what would be right."""


class ProblemTooLarge(SdprelaxError):
    """The method cannot finish on a problem of this size; the message gives the count that says so."""


class SolverUnavailable(SdprelaxError):
    """A solver, or a package that is asked for, cannot run on this machine (not installed, or no licence)."""


class SolverFailed(SdprelaxError):
    """The solver ran and returned nothing usable."""


class StorageError(SdprelaxError):
    """Results cannot be written: the disk is full, or the folder may not be written to."""


class CertificateError(SdprelaxError):
    """A certificate does not prove the bound that it claims."""


class UntrustedArithmetic(SdprelaxError):
    """The processor is not in the mode that proofs rely on: round to nearest, with gradual underflow."""


def nearest(name: str, choices: Iterable[str], most: int | None = None) -> str:
    """Return a hint such as ``did you mean 'scs'? (choices: clarabel, scs)``, of the closest ``most`` choices."""
    listed = list(choices)
    known = sorted(listed if most is None else difflib.get_close_matches(name, listed, n=most, cutoff=0.0))
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    listing = f"choices: {', '.join(known)}"
    return f"did you mean '{close[0]}'? ({listing})" if close else listing


def first_line(error: BaseException | str) -> str:
    """Return what an exception says, for a sentence about it: its first line without the full stop, or its type."""
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__


for _error in (SdprelaxError, *SdprelaxError.__subclasses__()):
    _error.__module__ = "sdprelax.base"  # what a traceback names is the front door
