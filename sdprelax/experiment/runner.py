"""Runs the trials of a sweep that are missing, then writes its tables and pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sdprelax.certificate import Certificate
from sdprelax.errors import InputError
from sdprelax.experiment.config import Sweep
from sdprelax.experiment.engines import engine
from sdprelax.experiment.plan import Trial, plan
from sdprelax.experiment.plots import write_plots
from sdprelax.experiment.store import Store
from sdprelax.experiment.tables import trace_table, unsound, write_tables
from sdprelax.experiment.trial import load_problem
from sdprelax.network import Network

__all__ = ["Results", "missing_trials", "run_sweep"]


@dataclass(frozen=True, eq=False)
class Results:
    """What a sweep left: its folder, table (one row per trial), pictures, and soundness violations (bugs)."""

    folder: Path
    table: pd.DataFrame
    pictures: list[Path]
    unsound: list[str]

    def network(self, trial: str) -> Network:
        """Return the network of a trial, by its hash."""
        return Network.load(self.folder / "trials" / trial / "network.npz")

    def certificate(self, trial: str) -> Certificate:
        """Return the certificate of a trial that has one, by its hash."""
        return Certificate.load(self.folder / "trials" / trial / "certificate.npz")


def missing_trials(sweep: Sweep, results: Path) -> list[Trial]:
    """Return the trials of a sweep that have no finished result in its folder, their data known to load.

    Raises
    ------
    InputError: a data set among them cannot be trained on.
    """
    finished = Store(results / sweep.name).finished()
    missing = [trial for trial in plan(sweep) if trial.hash not in finished]
    for trial in {(trial.dataset_label, trial.bias): trial for trial in missing}.values():
        try:
            load_problem(trial)
        except InputError as error:
            raise InputError(f"data set {trial.dataset_label}: {error}") from None
    return missing


def run_sweep(
    sweep: Sweep,
    results: Path,
    *,
    workers: int,
    engine_name: str = "processes",
    progress: Callable[[dict[str, Any]], None] = lambda record: None,
) -> Results:
    """Run what is missing of a sweep and collect everything of it.

    Parameters
    ----------
    results: folder in which the sweep's own folder lies.
    workers: processes at a time.
    progress: called with the record of every trial as it finishes.

    Raises
    ------
    InputError: an unknown engine, no workers, data that do not load, or a folder that cannot be written to.
    """
    chosen = engine(engine_name)
    if workers < 1:
        raise InputError(f"{workers} workers cannot run anything; give at least 1.")
    missing = missing_trials(sweep, results)
    store = Store(results / sweep.name)
    store.prepare()
    for record in chosen.run(missing, store.folder, workers):
        progress(record)
    order = {trial.hash: place for place, trial in enumerate(plan(sweep))}
    records = [record for record in store.records() if record["hash"] in order]
    records.sort(key=lambda record: order[record["hash"]])
    table = write_tables(store.folder, records)
    pictures = write_plots(store.folder, table, trace_table(records))
    return Results(store.folder, table, pictures, unsound(table))
