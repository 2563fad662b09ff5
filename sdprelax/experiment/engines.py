"""Where trials run: one after another, or in local processes with one BLAS thread each."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Protocol

from sdprelax.errors import InputError, nearest
from sdprelax.experiment.plan import Trial
from sdprelax.experiment.trial import failure, run_trial

__all__ = ["ENGINES", "Engine", "engine"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


class Engine(Protocol):
    """Runs trials and yields their records as they finish."""

    def run(self, trials: Sequence[Trial], folder: Path, workers: int) -> Iterator[dict[str, Any]]:
        """Yield one record for each trial, in whatever order they finish."""
        ...


class Serial:
    """One after another, in this process."""

    def run(self, trials: Sequence[Trial], folder: Path, workers: int) -> Iterator[dict[str, Any]]:
        """Yield records in order."""
        for trial in trials:
            yield run_trial(trial, folder)


class Processes:
    """Local worker processes, started afresh so that their BLAS has one thread."""

    def run(self, trials: Sequence[Trial], folder: Path, workers: int) -> Iterator[dict[str, Any]]:
        """Yield records as workers finish; a trial that kills its worker is an error, the rest go on."""
        for name in THREADS:
            os.environ.setdefault(name, "1")
        suspects = yield from self._pool(list(trials), folder, workers)
        # A dead worker takes the pool with it: what was left runs again, each alone, to find the culprit.
        for trial in suspects:
            if (yield from self._pool([trial], folder, 1)):
                yield failure(trial, "the worker process died (killed, out of memory, or crashed).", folder)

    def _pool(self, trials: list[Trial], folder: Path, workers: int) -> Any:
        context = multiprocessing.get_context("spawn")
        left = []
        with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
            futures = {pool.submit(run_trial, trial, folder): trial for trial in trials}
            try:
                for future in concurrent.futures.as_completed(futures):
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        left.append(futures[future])
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return left


ENGINES: dict[str, type[Engine]] = {"serial": Serial, "processes": Processes}


def engine(name: str) -> Engine:
    """Return an engine by name.

    Raises
    ------
    InputError: there is none of that name.
    """
    if name not in ENGINES:
        raise InputError(f"unknown engine '{name}': {nearest(name, ENGINES)}.")
    return ENGINES[name]()
