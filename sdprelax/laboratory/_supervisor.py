"""Runs trials in worker processes and holds them to their limits from outside.

An interior-point solver in C looks at no flag, so a supervisor does: it kills a worker whose trial is over its time or
memory, enters the trial with the bounds that its method had reported, and starts a new worker for the next.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

import sdprelax
from sdprelax.base import InputError, StorageError
from sdprelax.laboratory._attempt import stopped
from sdprelax.laboratory._job import Job
from sdprelax.laboratory._provenance import THREADS
from sdprelax.laboratory._store import Store

__all__ = ["AGAIN", "Elsewhere", "Worker", "answering", "supervise"]

# Seconds between two looks at a worker's memory, and between two signs of life.
LOOK, BEAT = 0.05, 5.0
# Seconds until an attempt that someone else is running is looked at again.
AGAIN = 1.0
# A worker that was killed from elsewhere costs its trial nothing the first times.
TRIES = 3


@dataclass(frozen=True)
class Elsewhere:
    """The answer for an attempt that someone else is running: to be asked for again later."""

    job: Job


class Worker:
    """A worker process, started when its first trial is; one trial at a time.

    Parameters
    ----------
    store: where results go.
    modules: Python files that the worker loads first.
    """

    def __init__(self, store: Store, modules: Sequence[str]) -> None:
        self.store = store
        self._modules = list(modules)
        self._process: subprocess.Popen[bytes] | None = None
        self._job: Job | None = None
        self._tries = 0
        self._unread = b""
        self._started: float | None = None
        self._beat = 0.0
        self._peak = 0.0

    def fileno(self) -> int:
        """Return the descriptor on which answers come."""
        assert self._process is not None and self._process.stdout is not None
        return self._process.stdout.fileno()

    @property
    def patience(self) -> float:
        """Seconds until the worker should be looked at even if it says nothing."""
        assert self._job is not None
        trial = self._job.trial
        if trial.limits.memory is not None:
            return LOOK
        until, time_limit = BEAT, trial.limits.time
        if time_limit is not None and self._started is not None:
            until = min(until, self._started + time_limit + trial.grace(time_limit) - time.monotonic())
        return max(0.0, until)

    def start(self, job: Job) -> None:
        """Begin a trial."""
        self._job, self._tries = job, 0
        self._send()

    def _send(self) -> None:
        assert self._job is not None
        self._started, self._peak, self._tries = None, 0.0, self._tries + 1
        if self._process is None:
            self._launch()
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died; the end of its answers tells
            self._process.stdin.write(json.dumps(self._job.to_dict()).encode() + b"\n")
            self._process.stdin.flush()

    def _launch(self) -> None:
        # A user's own random.py where the runner was started is not the library's: -P. The package is where it is here.
        package = str(Path(sdprelax.__file__).parents[1])
        serve = f"import sys; sys.path.append({package!r}); from sdprelax.laboratory._worker import serve; serve()"
        command = [sys.executable, "-P", "-c", serve]
        environment = os.environ | {name: os.environ.get(name, "1") for name in THREADS}
        environment["PYTHONIOENCODING"] = "utf-8"  # that of logs
        # A session of its own, so that killing its group takes along what a method started.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            start_new_session=True,
        )  # fmt: skip
        self._unread = b""
        assert self._process.stdin is not None
        hello = {"parent": os.getpid(), "folder": str(self.store.folder), "modules": self._modules}
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(hello).encode() + b"\n")
            self._process.stdin.flush()

    def poll(self, readable: bool) -> dict[str, Any] | Elsewhere | None:
        """Look at the worker; return the record of its trial once that has ended, None while it runs.

        Parameters
        ----------
        readable: whether there is something to read from it.

        Raises
        ------
        StorageError: the result cannot be written.
        InputError: a worker cannot even start.
        """
        if self._job is None or self._process is None:
            return None
        if readable:
            read = os.read(self.fileno(), 1 << 20)
            if not read:
                return self._died()
            self._unread += read
            while b"\n" in self._unread:
                line, _, self._unread = self._unread.partition(b"\n")
                answer = json.loads(line)
                if "started" in answer:
                    self._started = time.monotonic()
                elif "storage" in answer:
                    raise StorageError(answer["storage"])
                elif "failed" in answer:
                    raise InputError(answer["failed"])
                else:
                    job, self._job = self._job, None
                    record: dict[str, Any] | None = answer["record"]
                    return Elsewhere(job) if record is None else record
        return self._over_a_limit() if self._started is not None else None

    def _over_a_limit(self) -> dict[str, Any] | None:
        assert self._job is not None and self._process is not None and self._started is not None
        limits = self._job.trial.limits
        now = time.monotonic()
        if now - self._beat > BEAT:
            self._beat = now
            self.store.beat(self._job.name, self._process.pid)
        if limits.memory is not None:
            used = _resident_mb(self._process.pid)
            self._peak = max(self._peak, used)
            if used > limits.memory:
                message = f"stopped at {used:.0f} MB, over the memory limit of {limits.memory:g} MB."
                return self._stop("out of memory", message)
        if limits.time is not None and now - self._started > limits.time + self._job.trial.grace(limits.time):
            return self._stop("timeout", f"killed {now - self._started:.1f} s after its start: it did not stop "
                              f"at its time limit of {limits.time:g} s.")  # fmt: skip
        return None

    def _stop(self, status: str, message: str) -> dict[str, Any]:
        assert self._job is not None and self._process is not None
        job, pid = self._job, self._process.pid
        self.close()
        finished = self.store.record(job.name)  # it may have, in the very moment
        if finished is not None:
            self.store.discard(job.name, pid)
            return finished
        return stopped(job, self.store, pid, status, message, self._peak or None)

    def _died(self) -> dict[str, Any] | None:
        """Try again in a new worker if this one was killed from elsewhere; else enter the error."""
        assert self._job is not None and self._process is not None and self._process.stderr is not None
        job, pid = self._job, self._process.pid
        code = self._process.wait()
        said = b""
        if self._started is None:
            said = self._process.stderr.read()
        self.close()
        self._job = job
        finished = self.store.record(job.name)
        if finished is None and code == -signal.SIGKILL and self._tries < TRIES:
            self.store.discard(job.name, pid)
            self._send()
            return None
        self._job = None
        if finished is not None:
            self.store.discard(job.name, pid)
            return finished
        if self._started is None:
            last = said.decode(errors="replace").strip().splitlines()
            raise InputError(f"a worker process could not start: {last[-1] if last else f'exit status {code}'}.")
        if code == -signal.SIGKILL:
            message = f"its worker process was killed {TRIES} times from outside, perhaps for want of memory."
        elif code < 0:
            message = f"its worker process died of signal {signal.Signals(-code).name}."
        else:
            message = f"its worker process ended with exit status {code}."
        return stopped(job, self.store, pid, "error", message, self._peak or None)

    def close(self) -> None:
        """Kill the worker, and all that it started, if there is one."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                assert pipe is not None
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process, self._job = None, None

    def abandon(self) -> None:
        """Kill the worker in the middle of whatever it does; nothing of that remains."""
        if self._process is not None and self._job is not None:
            name, pid = self._job.name, self._process.pid
            self.close()
            self.store.discard(name, pid)
        self.close()


def _resident_mb(pid: int) -> float:
    """Return the resident memory of a process and all below it, in megabytes; 0 when it is gone."""
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += each.memory_info().rss
    return total / 2**20


def answering(workers: Collection[Worker]) -> list[Worker]:
    """Wait until a worker says something or should be looked at; return those that say something."""
    patience = min(worker.patience for worker in workers)
    ready = multiprocessing.connection.wait([worker.fileno() for worker in workers], patience)
    return [worker for worker in workers if worker.fileno() in ready]


def _due(elsewhere: deque[tuple[float, Job]]) -> Job | None:
    """Return an attempt that was elsewhere and should be looked at again."""
    return elsewhere.popleft()[1] if elsewhere and elsewhere[0][0] <= time.monotonic() else None


def supervise(jobs: Iterable[Job], store: Store, workers: int, modules: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Run attempts in worker processes of this machine; yield their records as they end.

    Parameters
    ----------
    workers: how many at a time.
    modules: Python files that the workers load first.

    Raises
    ------
    StorageError: a result cannot be written.
    """
    waiting, elsewhere = iter(jobs), deque[tuple[float, Job]]()
    idle = [Worker(store, modules) for _ in range(workers)]
    everyone, busy = tuple(idle), set[Worker]()
    try:
        while True:
            while idle and (job := next(waiting, None) or _due(elsewhere)) is not None:
                worker = idle.pop()
                worker.start(job)
                busy.add(worker)
            if not busy and not elsewhere:
                return
            if not busy:
                time.sleep(LOOK)
                continue
            ready = answering(busy)
            for worker in tuple(busy):
                record = worker.poll(worker in ready)
                if record is None:
                    continue
                busy.remove(worker)
                idle.append(worker)
                if isinstance(record, Elsewhere):
                    elsewhere.append((time.monotonic() + AGAIN, record.job))
                else:
                    yield record
    finally:
        for worker in everyone:
            worker.abandon()
