"""How many threads a computation of this process may use, and work on them whose results do not depend on that.

BLAS has threads of its own, which :func:`single_threaded` and the variable ``OMP_NUM_THREADS`` hold to the same number.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import threadpoolctl

__all__ = ["pooled", "single_threaded", "threads_allowed", "usable_cores"]

_alone = False


def threads_allowed() -> int:
    """Return how many threads may work at a time: ``OMP_NUM_THREADS``, or as many as this process may use cores.

    Workers of a sweep and inside of :func:`single_threaded`: one.
    """
    if _alone:
        return 1
    # OpenMP takes a list too, one number per level of nesting.
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if said.isdecimal() and int(said) > 0:
        return int(said)
    return usable_cores()


def usable_cores() -> int:
    """Return how many cores this process may use: of its affinity, and of the quota of its control group (v1 or v2)."""
    from joblib import cpu_count

    return int(cpu_count())


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """Hold BLAS and :func:`threads_allowed` to one thread, in the whole process."""
    global _alone
    before, _alone = _alone, True
    try:
        with threadpoolctl.threadpool_limits(limits=1):
            yield
    finally:
        _alone = before


@contextlib.contextmanager
def pooled(most: int) -> Iterator[Executor]:
    """Give as many threads as are allowed, at most so many, with one thread of BLAS each.

    What each of them computes has the same bits whatever their number.
    """
    count = min(most, threads_allowed())
    with single_threaded(), ThreadPoolExecutor(count) as pool:
        yield pool
