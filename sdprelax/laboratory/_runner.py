"""Runs the trials of a sweep that are missing, then writes its tables and pictures."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdprelax.base import InputError, nearest, ready
from sdprelax.laboratory._job import Job, Limits, Trial
from sdprelax.laboratory._kinds import Sweep
from sdprelax.laboratory._store import Store
from sdprelax.laboratory.engines import engines
from sdprelax.laboratory.results import Results, collect
from sdprelax.lasso import Stage, silent

__all__ = ["FAILED", "RETRIED", "Scheduled", "require_workers", "run_scheduled", "run_sweep", "schedule"]

# What ``retry`` can name: a status, or "failed" for those that are no result at all.
FAILED = ("error", "unavailable")
RETRIED = ("failed", *FAILED, "timeout", "out of memory", "time limit", "not converged", "too large")


@dataclass(frozen=True, eq=False)
class Scheduled:
    """A sweep's trials in order, the attempts that are to be run, and what is known of the others.

    Attributes
    ----------
    ended: of every trial that is not run, its hash, status, gap, seconds and attempt.
    prepare: makes ready what the trials share; called once, when the store's folder is there.
    """

    sweep: Sweep
    trials: Sequence[Trial]
    jobs: list[Job]
    ended: list[dict[str, Any]]
    prepare: Callable[[Stage], None]


def schedule(sweep: Sweep, results: Path, *, retry: Sequence[str] = (), force: bool = False) -> Scheduled:
    """Return what is missing of a sweep: the trials that never ended, and those that a now wider limit stopped.

    Parameters
    ----------
    results: folder in which the sweep's own folder lies.
    retry: statuses whose trials run once more; "failed" for "error" and "unavailable".
    force: run every trial once more.

    Raises
    ------
    InputError: no such status, or trials cannot be run because of what the file says.
    """
    for status in retry:
        if status not in RETRIED:
            raise InputError(f"--retry {status}: no trial ends like that: {nearest(status, RETRIED)}.")
    again = {*retry, *(FAILED if "failed" in retry else ())}
    store = Store(results / sweep.name)
    attempts = store.attempts()
    trials = sweep.plan()
    jobs, ended = [], []
    for trial in trials:
        record = store.current(trial.hash, attempts.get(trial.hash, []))
        if record is None or force or record["status"] in again or _stopped_short(record, trial.limits):
            jobs.append(Job(trial, max(attempts.get(trial.hash, [0])) + 1))
        else:
            ended.append({name: record[name] for name in ("hash", "status", "gap", "seconds", "attempt")})
    prepare = sweep.check([job.trial for job in jobs], store)
    return Scheduled(sweep, trials, jobs, ended, prepare)


def _stopped_short(record: dict[str, Any], limits: Limits) -> bool:
    """Say whether a trial was stopped by a limit that has since been widened."""
    had = record["trial"]["limits"]
    if record["status"] in ("timeout", "time limit"):
        return had["time"] is not None and (limits.time is None or limits.time > had["time"])
    if record["status"] == "out of memory":
        return had["memory"] is not None and (limits.memory is None or limits.memory > had["memory"])
    return False


def require_workers(workers: int | None) -> None:
    """Refuse a number of workers that can run nothing; None is the engine's own choice.

    Raises
    ------
    InputError: less than 1.
    """
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers cannot run anything; give at least 1.")


def run_sweep(
    sweep: Sweep,
    results: Path,
    *,
    workers: int | None = None,
    engine: str | None = None,
    retry: Sequence[str] = (),
    force: bool = False,
    progress: Callable[[dict[str, Any]], None] = lambda record: None,
) -> Results:
    """Run what is missing of a sweep and collect everything of it.

    Parameters
    ----------
    results: folder in which the sweep's own folder lies.
    workers: processes at a time; None for the engine's own choice.
    engine: name of the engine, in place of the sweep's.
    retry, force: see :func:`schedule`.
    progress: called with the record of every trial as it finishes.

    Raises
    ------
    InputError: an unknown engine, an impossible number of workers, or data that do not load.
    StorageError: the folder cannot be written to.
    """
    scheduled = schedule(sweep, results, retry=retry, force=force)
    return run_scheduled(
        scheduled, results, workers=workers, engine=engine, watch=lambda plan: contextlib.nullcontext(progress)
    )


def run_scheduled(
    scheduled: Scheduled,
    results: Path,
    *,
    workers: int | None = None,
    engine: str | None = None,
    watch: Callable[[dict[str, Any]], AbstractContextManager[Callable[[dict[str, Any]], None]]],
    say: Callable[[str], None] = lambda sentence: None,
    stage: Stage = silent,
) -> Results:
    """Run what :func:`schedule` found; see :func:`run_sweep`.

    Parameters
    ----------
    watch: called with the content of ``sweep.json`` when all is checked and the first trial is about to start;
        what it returns is entered, and what that gives is called with every record.
    say: told, in a few words, what takes its time before that.
    stage: ``stage(name, rows)`` is called when a pass over what all trials share starts before that, and returns
        ``advance(rows_read)``.
    """
    sweep = scheduled.sweep
    name, options = sweep.engine.name, sweep.engine.options
    if engine is not None and engines.canonical(engine) != name:
        name, options = engine, {}
    require_workers(workers)
    if workers is not None and engines.canonical(name) != "serial":
        options = {**options, "workers": workers}
    chosen = engines.create(name, options)
    store = Store(results / sweep.name)
    store.prepare()
    written = {
        "name": sweep.name, "kind": sweep.kind, "started": time.time(), "to_run": [job.name for job in scheduled.jobs],
        "modules": list(sweep.modules),
        "trials": [{"hash": trial.hash, "trial": trial.to_dict()} for trial in scheduled.trials],
    }  # fmt: skip
    store.write_plan(written)
    if getattr(chosen, "here", False):
        ready(sweep.kernels([job.trial for job in scheduled.jobs]), say)
    if scheduled.jobs:
        with store.writing():
            scheduled.prepare(stage)
    # Closing the generator stops its workers, also when the watcher raises.
    with (
        watch(written) as progress,
        contextlib.closing(chosen.run(scheduled.jobs, store, sweep.modules)) as records,  # type: ignore[type-var]
    ):
        for record in records:
            progress(record)
    return collect(store.folder, reuse=True)
