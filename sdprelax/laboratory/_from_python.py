"""Sweeps run from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdprelax.base import InputError
from sdprelax.laboratory._config import load_sweep, sweep_of
from sdprelax.laboratory._runner import run_sweep
from sdprelax.laboratory.results import LoadedResults, load_results

__all__ = ["run"]


def run(
    sweep: str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    results: str | Path = "results",
    workers: int | None = None,
    engine: str | None = None,
    retry: Sequence[str] = (),
    force: bool = False,
) -> LoadedResults:
    """Run what is missing of a sweep, as ``sdprelax run`` does, and return its results.

    Parameters
    ----------
    sweep: path of a YAML file, or a mapping with its keys.
    overrides: settings such as "methods.sdp.solver=scs" that replace the sweep's.
    results: folder in which the sweep's own folder lies.
    workers: processes at a time; None for one per core.
    engine: "serial", "processes" or "dask", in place of the sweep's own choice.
    retry, force: statuses whose trials run once more; or all of them.

    Raises
    ------
    InputError: anything wrong with the sweep, in one sentence.
    StorageError: the results cannot be written.
    """
    if isinstance(sweep, Mapping):
        read = sweep_of(sweep, overrides)
    elif isinstance(sweep, (str, Path)):
        read = load_sweep(Path(sweep), overrides)
    else:
        raise InputError(f"run() takes a YAML file's path or a mapping, not {type(sweep).__name__}.")
    done = run_sweep(read, Path(results), workers=workers, engine=engine, retry=retry, force=force)
    return load_results(done.folder)
