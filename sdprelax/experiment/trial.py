"""Runs one trial, whatever happens in it, and returns its record."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import math
import platform
import resource
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from sdprelax.datasets import Dataset, datasets
from sdprelax.deadline import Deadline
from sdprelax.errors import InputError, ProblemTooLarge, SdprelaxError, SolverFailed, SolverUnavailable
from sdprelax.experiment.plan import Trial
from sdprelax.experiment.store import Store
from sdprelax.methods import methods
from sdprelax.network import Network
from sdprelax.outcome import Outcome
from sdprelax.problem import Problem

__all__ = ["failure", "load_problem", "run_trial"]

PACKAGES = ("sdprelax", "numpy", "scipy", "cvxpy", "clarabel", "scs", "mosek", "torch")


@functools.lru_cache(maxsize=4)
def _load(dataset: str, options: str) -> Dataset:
    return datasets.create(dataset, json.loads(options)).load()


def load_problem(trial: Trial) -> tuple[Dataset, Problem]:
    """Return a trial's data and the training problem on it.

    Raises
    ------
    InputError: the data cannot be read or are not finite numbers of fitting shapes.
    """
    data = _load(trial.dataset, json.dumps(trial.dataset_options, sort_keys=True))
    return data, Problem(data.X, data.Y, trial.gamma, trial.bias)


def run_trial(trial: Trial, folder: Path) -> dict[str, Any]:
    """Run a trial, write its folder into the store, and return its record.

    An error in the trial is a record with its message, never an exception.
    """
    started = time.perf_counter()
    outcome: Outcome | None = None
    data: Dataset | None = None
    status, message, log = "error", "", ""
    try:
        with threadpoolctl.threadpool_limits(limits=1):
            data, problem = load_problem(trial)
            deadline = Deadline(math.inf if trial.time_limit is None else trial.time_limit)
            method = methods.create(trial.method, trial.method_options)
            outcome = method.run(problem, rng=trial.generator(), deadline=deadline)
        status, log = str(outcome.status), outcome.log
    except SolverUnavailable as error:
        status, message = "unavailable", str(error)
    except ProblemTooLarge as error:
        status, message = "too large", str(error)
    except (InputError, SolverFailed, SdprelaxError) as error:
        status, message = "error", str(error)
    except Exception as error:
        status, message = (
            "error",
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        )
        log = traceback.format_exc()
    record = _record(trial, status, message, time.perf_counter() - started, data, outcome)
    network = outcome.network if outcome else None
    Store(folder).write(record, network, outcome.certificate if outcome else None, log)
    return record


def failure(trial: Trial, message: str, folder: Path) -> dict[str, Any]:
    """Write and return the record of a trial whose worker did not live to write one."""
    record = _record(trial, "error", message, math.nan, None, None)
    Store(folder).write(record, None, None, message + "\n")
    return record


def _record(
    trial: Trial, status: str, message: str, seconds: float, data: Dataset | None, outcome: Outcome | None
) -> dict[str, Any]:
    found = outcome or Outcome()
    n, d, c = (data.X.shape[0], data.X.shape[1] + trial.bias, data.Y.shape[1]) if data else (None, None, None)
    record = {
        "dataset": trial.dataset_label, "n": n, "d": d, "c": c, "gamma": trial.gamma, "bias": trial.bias,
        "method": trial.method_label, "repeat": trial.repeat, "status": status, "message": message,
        "lower": found.lower, "upper": found.upper, "gap": found.gap,
        "solver_value": found.solver_value, "solver_status": found.solver_status, "seconds": seconds,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
        "width": found.network.width if found.network else None,
        "train_accuracy": _accuracy(found.network, data, test=False),
        "test_accuracy": _accuracy(found.network, data, test=True),
        "hash": trial.hash, "trial": dataclasses.asdict(trial), "details": found.details,
        "trace": [[point.seconds, point.lower, point.upper] for point in found.trace],
        "versions": _versions(),
    }  # fmt: skip
    plain: dict[str, Any] = _plain(record)
    return plain


def _accuracy(network: Network | None, data: Dataset | None, *, test: bool) -> float | None:
    """Return the share of samples whose largest output is the right class."""
    if network is None or data is None or data.classes is None:
        return None
    X, Y = (data.X_test, data.Y_test) if test else (data.X, data.Y)
    if X is None or Y is None:
        return None
    return float(np.mean(np.argmax(network.predict(X), axis=1) == np.argmax(Y, axis=1)))


@functools.cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: NumPy scalars as numbers, NaN and infinities as null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
