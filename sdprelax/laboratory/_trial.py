"""Runs one trial, whatever happens in it, and returns its record."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib
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
from typing import Any, get_args

import numpy as np

from sdprelax.base import Deadline, InputError, ProblemTooLarge, SdprelaxError, SolverUnavailable, StorageError, ready
from sdprelax.certificate import Certificate
from sdprelax.datasets import Dataset, datasets
from sdprelax.laboratory._job import Job, Trial, versions
from sdprelax.laboratory._provenance import provenance
from sdprelax.laboratory._store import Scratch, Store, last_report, predictor_files, seal
from sdprelax.methods import methods
from sdprelax.networks import METRICS, Network, Predictor, is_registered, metrics, paper_accuracy
from sdprelax.problem import Problem
from sdprelax.training import Outcome, Status

__all__ = ["EVALUATED", "PROGRAM", "STATUSES", "data_digest", "evaluate", "load_problem", "run_trial", "stopped"]


@functools.lru_cache(maxsize=4)
def _load(dataset: str, options: str, digest: str) -> Dataset:
    source = datasets.create(dataset, json.loads(options))
    if hasattr(source, "digest") and source.digest() != digest:
        raise InputError("the data file has changed since the sweep was planned.")
    return source.load()


def load_problem(trial: Trial) -> tuple[Dataset, Problem]:
    """Return a trial's data and the training problem on it.

    Raises
    ------
    InputError: the data cannot be read, are not finite numbers of fitting shapes, or are not what they were.
    """
    data = _load(trial.dataset, json.dumps(trial.dataset_options, sort_keys=True), trial.dataset_digest)
    return data, Problem(data.X, data.Y, trial.gamma, trial.bias, queries=data.X_test)


@functools.lru_cache(maxsize=4)
def data_digest(data: Dataset) -> str:
    """Return the SHA-256 of the arrays, test part and shapes included."""
    found = hashlib.sha256()
    for array in (part for part in (data.X, data.Y, data.X_test, data.Y_test) if part is not None):
        found.update(str(array.shape).encode())
        found.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return found.hexdigest()


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
    trial, outcome = job.trial, Outcome()
    with contextlib.suppress(SdprelaxError):  # the trial itself says what is wrong with it
        ready(methods.kernels(trial.method, methods.create(trial.method, trial.method_options)))
    importlib.import_module("sklearn.metrics")  # every record needs it, and it takes a second
    started()
    record = _record(job, "running", "", 0.0, None, outcome)
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
            scratch.keep(record, outcome)
        return _run(job, store, scratch, capture)
    finally:
        scratch.close()


def _run(job: Job, store: Store, scratch: Scratch, capture: bool) -> dict[str, Any]:
    trial = job.trial
    started = time.perf_counter()
    outcome = Outcome()
    loaded: tuple[Dataset, Problem] | None = None
    status, message, trouble = "error", "", ""
    with _captured(scratch.output if capture else None), _peak_memory() as peak:
        try:
            method = methods.create(trial.method, trial.method_options)
            _require(trial, versions(trial.dataset, trial.method, method))
            loaded = data, problem = load_problem(trial)

            def report(best: Outcome) -> None:
                nonlocal outcome
                outcome = _witnessed(best)
                now = _record(job, "running", "", time.perf_counter() - started, loaded, best)
                with store.writing():
                    scratch.keep(now, best, data)

            deadline = Deadline(math.inf if trial.limits.time is None else trial.limits.time)
            outcome = _witnessed(method.run(problem, rng=trial.generator(), deadline=deadline, report=report))
            if trial.protocol == "paper":
                outcome = _with_papers_choice(outcome, data)
            status = str(outcome.status)
        except StorageError:
            raise
        except SolverUnavailable as error:
            outcome = Outcome()  # the method never ran: what it reported beforehand is no result of it
            status, message = "unavailable", str(error)
        except ProblemTooLarge as error:
            outcome = Outcome()
            status, message = "too large", str(error)
        except MemoryError:
            status, message = "out of memory", "the method could not allocate the memory that it needs."
        except SdprelaxError as error:
            status, message = "error", str(error)
        except Exception as error:
            status, message = "error", f"{type(error).__name__}: {str(error).split(chr(10))[0]}"
            trouble = traceback.format_exc()
    record = _record(job, status, message, time.perf_counter() - started, loaded, outcome)
    record["peak_memory_mb"] = peak()
    log = "\n".join(part for part in (outcome.log, _text(scratch.output), trouble) if part)
    with store.writing():
        return scratch.finish(record, outcome, log, loaded[0] if loaded else None)


def _require(trial: Trial, here: dict[str, str]) -> None:
    """Refuse to run a trial by other code than it was planned with.

    Raises
    ------
    InputError: a version differs.
    """
    for name in {**trial.versions, **here}:
        planned, found = trial.versions.get(name, "none"), here.get(name, "none")
        if planned != found:
            raise InputError(f"{name} was of version {planned} when the trial was planned, and is of {found} here.")


def _witnessed(outcome: Outcome) -> Outcome:
    """Return an outcome whose bounds have their witnesses.

    Raises
    ------
    SdprelaxError: one has none, or is not a finite number; such a bound is not published.
    """
    for name, bound, witness, kind in (
        ("lower", outcome.lower, outcome.certificate, Certificate), ("upper", outcome.upper, outcome.network, Network),
    ):  # fmt: skip
        if bound is None:
            continue
        if not (isinstance(bound, (float, int, np.floating)) and math.isfinite(bound)):
            raise SdprelaxError(f"the method returned the {name} bound {bound!r}, which is not a finite number.")
        if not isinstance(witness, kind):
            article, witness_name = "a" if name == "lower" else "an", kind.__name__.lower()
            raise SdprelaxError(
                f"the method returned {article} {name} bound without the {witness_name} that proves it."
            )
    lower, certificate = outcome.lower, outcome.certificate
    if lower is not None and certificate is not None and lower != certificate.lower:
        raise SdprelaxError(
            f"the method returned the lower bound {lower!r} and a certificate of {certificate.lower!r}."
        )
    said = sorted({*PROGRAM} & outcome.details.keys())
    if said and outcome.program is None:
        raise SdprelaxError(
            f"the method returned {', '.join(said)} without the certificate that proves a program's value."
        )
    for label, predictor in outcome.predictors.items():
        if not is_registered(predictor):
            raise SdprelaxError(
                f"the method's predictor '{label}' cannot be stored: register {type(predictor).__name__} "
                "with sdprelax.networks.register_predictor."
            )
    return outcome


def _with_papers_choice(outcome: Outcome, data: Dataset) -> Outcome:
    """Return an outcome that offers the paper's network too: of the candidates the one best on the test set."""
    if not outcome.candidates or data.X_test is None or data.Y_test is None or data.classes is None:
        return outcome
    X, Y = data.X_test, data.Y_test
    chosen = max(outcome.candidates, key=lambda network: paper_accuracy(network.predict(X), Y)[0])
    return dataclasses.replace(outcome, predictors={**outcome.predictors, "iterate best on the test set": chosen})


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
                record = _record(job, status, message, math.nan, None, Outcome())
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


def _record(
    job: Job, status: str, message: str, seconds: float, loaded: tuple[Dataset, Problem] | None, found: Outcome
) -> dict[str, Any]:
    trial = job.trial
    n, d, c = (None, None, None) if loaded is None else loaded[1].shape
    predictors = [] if loaded is None else [
        {"name": name, "file": file, **evaluate(predictor, loaded[1], loaded[0], trial.protocol)}
        for name, file, predictor in predictor_files(found)
    ]  # fmt: skip
    first = predictors[0] if predictors else dict.fromkeys(EVALUATED)
    record = {
        "dataset": trial.dataset_label, "n": n, "d": d, "c": c, "gamma": trial.gamma, "bias": trial.bias,
        "method": trial.method_label, "repeat": trial.repeat, "status": status, "message": message,
        "lower": found.lower, "upper": found.upper, "gap": found.gap,
        "solver_value": found.solver_value, "solver_status": found.solver_status, "seconds": seconds,
        "peak_memory_mb": None,
        "width": found.network.width if found.network else None,
        **{name: first[name] for name in EVALUATED if name != "objective"},
        "hash": trial.hash, "attempt": job.attempt, "trial": trial.to_dict(),
        "data_digest": None if loaded is None else data_digest(loaded[0]),
        "details": found.details,
        "predictors": predictors,
        "trace": [[point.seconds, point.lower, point.upper] for point in found.trace],
        "provenance": provenance(),
    }  # fmt: skip
    plain: dict[str, Any] = _plain(record)
    return plain


# How a trial can end.
STATUSES = (*get_args(Status), "timeout", "out of memory", "too large", "unavailable", "error")
# Details that stand for what the certificate of a program proves.
PROGRAM = ("value", "dual_value", "program_gap")
# What is said of every predictor.
EVALUATED = (
    "objective", *(f"{part}_{name}" for part in ("train", "test") for name in METRICS), "paper_accuracy",
    "paper_threshold",
)  # fmt: skip


def evaluate(predictor: Predictor, problem: Problem, data: Dataset, protocol: str) -> dict[str, float | None]:
    """Return what a record says of a predictor: a network's objective, proved, and metrics on training and test data.

    Parameters
    ----------
    protocol: "paper" also evaluates as Prakhya, Birdal and Yurtsever 2025 did, on the test set
        (:func:`sdprelax.networks.paper_accuracy`).
    """
    found: dict[str, float | None] = dict.fromkeys(EVALUATED)
    if isinstance(predictor, Network):
        found["objective"] = problem.upper_bound(predictor)
    for part, X, Y in (("train", data.X, data.Y), ("test", data.X_test, data.Y_test)):
        if X is None or Y is None:
            continue
        predicted = np.asarray(predictor.predict(X))
        if predicted.shape != Y.shape:
            raise SdprelaxError(f"it predicts outputs of shape {predicted.shape}, and the targets have {Y.shape}.")
        measured = metrics(predicted, Y, classification=data.classes is not None)
        found |= {f"{part}_{name}": value for name, value in measured.items()}
        if part == "test" and protocol == "paper" and data.classes is not None:
            found["paper_accuracy"], found["paper_threshold"] = paper_accuracy(predicted, Y)
    return found


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
