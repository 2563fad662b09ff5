"""Runs one attempt at a trial of any kind, whatever happens in it, and returns its record."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sdprelax.base import Deadline, InputError, ProblemTooLarge, SdprelaxError, SolverUnavailable, StorageError
from sdprelax.laboratory._job import Attempt, Found, Job, Trial
from sdprelax.laboratory._provenance import provenance
from sdprelax.laboratory._store import Scratch, Store, last_report, seal

__all__ = ["run_trial", "stopped"]

# What an operating system says of a disk that takes no more.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def run_trial(
    job: Job, store: Store, *, capture: bool = True, started: Callable[[], None] = lambda: None
) -> dict[str, Any] | None:
    """Run an attempt at a trial, enter it into the store, and return its record; None if someone else is at it.

    An error in the trial is a record with its message, never an exception.

    Parameters
    ----------
    capture: whether what this process prints meanwhile goes to the trial's log.
    started: called when the trial's clock starts: when what it computes with is loaded, and compiled.

    Raises
    ------
    StorageError: the result cannot be written.
    """
    with contextlib.suppress(SdprelaxError):  # the trial itself says what is wrong with it
        job.trial.make_ready()
    started()
    with store.writing():
        scratch = Scratch.claim(store, job)
    if scratch is None:
        return store.record(job.name)
    try:
        # Looked for only now: nobody else can finish it from here on.
        standing = store.record(job.name)
        if standing is not None:
            return standing
        with store.writing():
            scratch.keep(_record(job, Found(), "", 0.0), Found())
        return _run(job, store, scratch, capture)
    finally:
        scratch.close()


def _run(job: Job, store: Store, scratch: Scratch, capture: bool) -> dict[str, Any]:
    trial, started = job.trial, time.perf_counter()
    known = found = Found()
    message = trouble = ""

    def know(first: Found) -> None:
        nonlocal known, found
        known = found = first

    def report(best: Found) -> None:
        nonlocal found
        found = best
        now = _record(job, best, "", time.perf_counter() - started)
        with store.writing():
            scratch.keep(now, best)

    def failed(status: str, best: Found) -> Found:
        return Found(best.fields, status, best.save, best.log)

    checkpoints = store.checkpoints(job.name)
    deadline = Deadline.of(trial.limits.time)
    attempt = Attempt(store.shared, checkpoints, deadline, know, report, scratch.stage)
    with _captured(scratch.output if capture else None), _peak_memory() as peak:
        try:
            _require(trial)
            found = trial.run(attempt)
        except StorageError:
            raise
        except (SolverUnavailable, ProblemTooLarge) as error:
            # It never ran: what was reported beforehand is no result of it.
            status = "unavailable" if isinstance(error, SolverUnavailable) else "too large"
            found, message = failed(status, known), str(error)
        except MemoryError:
            found, message = failed("out of memory", found), "the method could not allocate the memory that it needs."
        except SdprelaxError as error:
            found, message = failed("error", found), str(error)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                with store.writing():
                    raise
            message = f"{type(error).__name__}: {str(error).split(chr(10))[0]}"
            found, trouble = failed("error", found), traceback.format_exc()
    record = _record(job, found, message, time.perf_counter() - started)
    record["peak_memory_mb"] = peak()
    log = "\n".join(part for part in (found.log, _text(scratch.output), trouble) if part)
    with store.writing():
        entered = scratch.finish(record, found, log)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return entered


def _record(job: Job, found: Found, message: str, seconds: float) -> dict[str, Any]:
    fields = {**job.trial.blank(), **found.fields}
    record = {
        **fields, "kind": job.trial.kind, "status": found.status, "message": message,
        "seconds": fields.get("seconds", seconds), "peak_memory_mb": None,
        "hash": job.trial.hash, "attempt": job.attempt, "trial": job.trial.to_dict(),
        "provenance": provenance(),
    }  # fmt: skip
    plain: dict[str, Any] = _plain(record)
    return plain


def _require(trial: Trial) -> None:
    """Refuse to run a trial by other code than it was planned with.

    Raises
    ------
    InputError: a version differs.
    """
    here = trial.versions_here()
    for name in {**trial.versions, **here}:
        planned, found = trial.versions.get(name, "none"), here.get(name, "none")
        if planned != found:
            raise InputError(f"{name} was of version {planned} when the trial was planned, and is of {found} here.")


def stopped(job: Job, store: Store, pid: int, status: str, message: str, peak: float | None) -> dict[str, Any]:
    """Enter and return the record of an attempt whose worker was stopped or died: with the bounds it had reported.

    Parameters
    ----------
    pid: the worker's process number.
    status: "timeout", "out of memory" or "error".
    message: why.
    peak: megabytes that the worker took at most, if known.

    Raises
    ------
    StorageError: the result cannot be written.
    """
    with store.writing(), store.taking_over():
        left = store.claimed_by(job.name, pid)
        folder = left.folder if left is not None else store.running / f".{job.name}"
        report = last_report(folder)
        try:
            result = folder / "result"
            if left is None or report is None:
                result.mkdir(parents=True, exist_ok=True)
                record = _record(job, Found(), message, math.nan)
            else:
                # What is left of a result that the worker had begun to write is not trusted.
                shutil.rmtree(result, ignore_errors=True)
                record = json.loads((report / "record.json").read_bytes())
                record["seconds"] = time.time() - left.started
                report.rename(result)
            record |= {"status": status, "message": message, "peak_memory_mb": peak}
            log = _text(folder / "output.txt") + f"\n{message}\n"
            (result / "log.txt").write_text(log.lstrip(), encoding="utf-8")
            record["seal"] = seal(record, result)
            (result / "record.json").write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
            return store.enter(result, job.name, record)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


@contextlib.contextmanager
def _captured(path: Path | None) -> Iterator[None]:
    """Send what this process prints, C libraries included, to a file."""
    if path is None:
        yield
        return
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        yield
    finally:
        with contextlib.suppress(OSError):  # a full disk loses the output, not the trial
            sys.stdout.flush()
            sys.stderr.flush()
        for number, original in enumerate(kept, start=1):
            os.dup2(original, number)
            os.close(original)
        os.close(target)


@contextlib.contextmanager
def _peak_memory() -> Iterator[Any]:
    """Yield a function that returns the peak resident memory of this process since here, in megabytes."""
    reset = True
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        reset = False

    def peak() -> float:
        if reset:
            for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024.0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0

    yield peak


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: NumPy's as numbers and lists, NaN and infinities as null, others in words."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else repr(value)
