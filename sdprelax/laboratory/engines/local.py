"""Engines ``serial`` and ``processes``: trials on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import NonNegativeInt

from sdprelax.base import single_threaded, usable_cores
from sdprelax.laboratory._attempt import run_trial
from sdprelax.laboratory._job import Job
from sdprelax.laboratory._store import Store
from sdprelax.laboratory._supervisor import AGAIN, supervise
from sdprelax.laboratory.engines import engines

__all__ = ["Processes", "Serial"]


@engines.register("serial")
@dataclass(frozen=True)
class Serial:
    """One trial after another, in this process, for debugging; in one worker process where there are limits."""

    here: ClassVar[bool] = True

    def run(self, jobs: Sequence[Job], store: Store, modules: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield records in order."""
        if any(job.trial.limits.any for job in jobs):
            yield from supervise(jobs, store, 1, modules)
            return
        with single_threaded():
            for job in jobs:
                while (record := run_trial(job, store, capture=False)) is None:
                    time.sleep(AGAIN)
                yield record


@engines.register("processes")
@dataclass(frozen=True)
class Processes:
    """Worker processes on this machine, each with one thread.

    Parameters
    ----------
    workers: how many at a time; 0 takes one for each core that this process may use.
    """

    here: ClassVar[bool] = True

    workers: NonNegativeInt = 0

    def run(self, jobs: Sequence[Job], store: Store, modules: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield records as workers finish."""
        count = min(self.workers or usable_cores(), len(jobs))
        yield from supervise(jobs, store, count, modules)
