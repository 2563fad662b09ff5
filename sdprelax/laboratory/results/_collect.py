"""Tables and pictures over the trials of a sweep, rebuilt whenever they are not up to date."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sdprelax.base import InputError
from sdprelax.certificate import Certificate
from sdprelax.laboratory._kinds import TrialKind, kind_of_store
from sdprelax.laboratory._store import Store
from sdprelax.laboratory.results._tables import load_table, write_tables
from sdprelax.networks import Network, bare_network

__all__ = ["Results", "certificate_of", "collect", "network_of"]


def network_of(folder: Path, trial: str) -> Network:
    """Return the network of a trial of the sweep in a folder, by the trial's hash."""
    return bare_network(Store(folder).folder_of(trial) / "network.npz")


def certificate_of(folder: Path, trial: str) -> Certificate:
    """Return the certificate of a trial that has one, of the sweep in a folder, by the trial's hash."""
    return Certificate.load(Store(folder).folder_of(trial) / "certificate.npz")


@dataclass(frozen=True, eq=False)
class Results:
    """What a sweep left: its kind and folder, table (one row per trial), pictures, and soundness violations (bugs)."""

    kind: TrialKind
    folder: Path
    table: pd.DataFrame
    pictures: list[Path]
    unsound: list[str]

    def network(self, trial: str) -> Network:
        """Return the network of a trial, by its hash."""
        return network_of(self.folder, trial)

    def certificate(self, trial: str) -> Certificate:
        """Return the certificate of a trial that has one, by its hash."""
        return certificate_of(self.folder, trial)


def collect(folder: Path, *, reuse: bool = False) -> Results:
    """Rebuild the tables and pictures of a sweep from the records in its folder.

    Parameters
    ----------
    reuse: leave a table of the very same attempts as it is: attempts never change, so it would come out the same.

    Raises
    ------
    InputError: this is not a sweep's folder.
    StorageError: tables cannot be written there.
    """
    store = Store(folder)
    kind, attempts = kind_of_store(store), _planned(store)
    table = _current(folder, attempts) if reuse else None
    if table is None:
        from sdprelax.laboratory.results._pictures import write_pictures  # Matplotlib takes its time

        records = [kind.kept(record) for record in store.records(attempts)]
        tables = kind.tables(records)
        table = tables["table"]
        with store.writing():
            write_tables(folder, tables)
            write_pictures(folder, kind.pictures(tables, records))
    return Results(kind, folder, table, sorted(folder.glob("*.png")), kind.unsound(table))


def _planned(store: Store) -> dict[str, list[int]]:
    """Return the attempts at the trials of a sweep's file, in its order."""
    attempts = store.attempts()
    return {trial["hash"]: attempts[trial["hash"]] for trial in store.plan()["trials"] if trial["hash"] in attempts}


def _current(folder: Path, attempts: dict[str, list[int]]) -> pd.DataFrame | None:
    """Return the table that lies in the folder if it is of these very attempts, in this order."""
    try:
        table = load_table(folder)
        held = list(zip(table["hash"], table["attempt"], strict=True))
    except (InputError, KeyError):
        return None
    return table if held == [(trial, max(numbers)) for trial, numbers in attempts.items()] else None
