"""A lower bound for methods that only train: the residual of a good network is a good dual point."""

from __future__ import annotations

from sdprelax.base import Deadline, Floats
from sdprelax.certificate._build import cone_certificate
from sdprelax.certificate._certificate import Certificate
from sdprelax.certificate._cone_cover import tightest_cover
from sdprelax.certificate._verify import pulled_back
from sdprelax.problem import Presolved, Reduction

__all__ = ["cover_certificate", "proving_seconds"]

# In higher rank a cover proves next to nothing in the time that a by-product may take.
LARGEST_RANK = 5
# Share of the time that the proof may take, and most seconds of it.
SHARE, SECONDS = 0.5, 30.0
# Relative slack of the oracle's bound: residuals of methods that only train deserve no finer cover.
ACCURACY = 1e-6


def proving_seconds(reduction: Reduction, deadline: Deadline) -> float:
    """Return the seconds to keep back for :func:`cover_certificate`; 0 where the rank is too high for it."""
    return min(SECONDS, SHARE * deadline.remaining) if reduction.rank <= LARGEST_RANK else 0.0


def cover_certificate(presolved: Presolved, A: Floats, deadline: Deadline) -> Certificate | None:
    """Return the certificate of a dual point by the tightest cover of weight space found in half a minute.

    None in rank above five, and where no time is left.

    Parameters
    ----------
    presolved: whose ``problem`` it is a certificate of.
    A: the residual of a network or of a relaxed program of that problem, shape (n, c).
    """
    problem, reduction, cover = presolved.problem, presolved.reduction, None
    if reduction.rank > LARGEST_RANK or deadline.expired:
        return None
    A = problem.admissible(A)
    if reduction.generators:
        allowed = Deadline(min(SECONDS, deadline.remaining))
        dual = pulled_back(reduction, A)
        cover = tightest_cover(reduction.rows, dual, problem.gamma, ACCURACY, deadline=allowed)
    return cone_certificate(problem, reduction, A, cover=cover, deadline=deadline)
