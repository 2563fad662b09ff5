"""Engine ``dask``: trials on the workers of a dask.distributed scheduler."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from sdprelax.base import InputError, first_line, optional, usable_cores
from sdprelax.laboratory._attempt import stopped
from sdprelax.laboratory._job import Job
from sdprelax.laboratory._store import Store
from sdprelax.laboratory._supervisor import AGAIN, Elsewhere, Worker, answering
from sdprelax.laboratory.engines import engines

__all__ = ["Dask"]

CLUSTERS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster"}
SAFE_PATH = "PYTHONSAFEPATH"
_here = threading.local()


@engines.register("dask")
@dataclass(frozen=True)
class Dask:
    """Workers of dask.distributed: of a running scheduler, of a batch system, or on this machine.

    Every worker runs its trials in a child process that it supervises, as ``processes`` does. All must see the
    results' folder under the same path. A trial whose worker is lost is run again on another.

    Parameters
    ----------
    scheduler: address of a running scheduler, such as tcp://head:8786.
    cluster: batch system to ask for workers (needs dask-jobqueue); neither this nor a scheduler: this machine.
    jobs: how many jobs to submit to the batch system.
    cluster_options: options of dask-jobqueue's cluster, e.g. {memory: 4GB, queue: long, walltime: "24:00:00"}.
    workers: worker processes where this machine is the cluster; 0 takes one for each core that this process may use.
    wait: seconds to wait for the first worker.
    """

    scheduler: str | None = None
    cluster: Literal["slurm", "pbs", "sge"] | None = None
    jobs: PositiveInt = 1
    cluster_options: dict[str, Any] = field(default_factory=dict)
    workers: NonNegativeInt = 0
    wait: PositiveFloat = 3600.0

    def __post_init__(self) -> None:
        if self.scheduler is not None and self.cluster is not None:
            raise InputError("engine 'dask': give option 'scheduler' or option 'cluster', not both.")
        if self.cluster is None and self.cluster_options:
            raise InputError("engine 'dask': option 'cluster_options' needs the option 'cluster'.")
        walltime = self.cluster_options.get("walltime")
        if walltime is not None and not isinstance(walltime, str):
            # SLURM would read minutes, PBS and SGE seconds.
            raise InputError(
                f"engine 'dask': walltime is {walltime!r}; write hours, minutes and seconds, such as 24:00:00."
            )

    def run(self, jobs: Sequence[Job], store: Store, modules: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield records as workers finish."""
        if not jobs:
            return
        distributed = optional("distributed")
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(self._client(distributed, stack, len(jobs)))
            folder, run = str(store.folder.resolve()), uuid.uuid4().hex[:8]
            futures = {
                client.submit(
                    _run_here, job.to_dict(), folder, list(modules), key=f"sdprelax-{job.name}-{run}"
                ): job
                for job in jobs
            }  # fmt: skip
            stack.callback(client.cancel, list(futures))
            for future in distributed.as_completed(futures, loop=client.loop):
                try:
                    yield future.result()
                except distributed.scheduler.KilledWorker:
                    job = futures[future]
                    message = "the workers that ran it died, one after another."
                    yield store.record(job.name) or stopped(job, store, 0, "error", message, None)

    def _client(self, distributed: Any, stack: contextlib.ExitStack, most: int) -> Any:
        """Return a client of the scheduler, with at least one worker on it."""
        source: Any = self.scheduler
        if self.cluster is not None:
            source = stack.enter_context(self.batch_system())
            source.scale(jobs=self.jobs)
        elif self.scheduler is None:
            stack.enter_context(_safe_path())
            source = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=min(self.workers or usable_cores(), most), threads_per_worker=1,
                    dashboard_address=None,
                )
            )  # fmt: skip
        try:
            client = distributed.Client(source, timeout=min(self.wait, 30.0), set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(f"there is no scheduler at {self.scheduler}: {first_line(error)}.") from None
        try:
            client.wait_for_workers(1, timeout=self.wait)
        except TimeoutError:
            client.close()
            raise InputError(f"no dask worker came within {self.wait:g} s.") from None
        return client

    def batch_system(self) -> Any:
        """Return the cluster of the batch system, with no jobs yet."""
        kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            dask_jobqueue = optional("dask_jobqueue")
        finally:
            # Its import takes the signals over; an interruption must still reach the runner.
            if threading.current_thread() is threading.main_thread():
                for number, handler in kept.items():
                    signal.signal(number, handler)
        assert self.cluster is not None
        quiet = {"dashboard_address": ":0"}  # any free port: two sweeps may have a cluster each
        options = {"cores": 1, "processes": 1, "memory": "4GB", "scheduler_options": quiet, **self.cluster_options}
        options["job_script_prologue"] = [f"export {SAFE_PATH}=1", *options.get("job_script_prologue", [])]
        try:
            return getattr(dask_jobqueue, CLUSTERS[self.cluster])(**options)
        except (TypeError, ValueError) as error:
            raise InputError(f"engine 'dask': option 'cluster_options' is wrong: {error}.") from None


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Let no file of the current folder be taken for a library's by processes that are started meanwhile."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        del os.environ[SAFE_PATH]
        if before is not None:
            os.environ[SAFE_PATH] = before


def _run_here(written: dict[str, Any], folder: str, modules: list[str]) -> dict[str, Any]:
    """Run an attempt on this dask worker, in a child process that outlives the trial."""
    from sdprelax.laboratory._kinds import job_of

    job = job_of(written)
    kept: tuple[tuple[str, list[str]], Worker] | None = getattr(_here, "worker", None)
    if kept is None or kept[0] != (folder, modules):
        if kept is not None:
            kept[1].close()
        kept = ((folder, modules), Worker(Store(Path(folder)), modules))
        _here.worker = kept
    worker = kept[1]
    try:
        worker.start(job)
        while True:
            record = worker.poll(bool(answering([worker])))
            if isinstance(record, Elsewhere):
                time.sleep(AGAIN)
                worker.start(job)
            elif record is not None:
                return record
    except BaseException:
        worker.abandon()
        raise
