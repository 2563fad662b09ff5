"""Tables and pictures over the trials of a sweep, rebuilt whenever they are not up to date."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sdprelax.base import InputError, SolverUnavailable, has_optional
from sdprelax.certificate import Certificate
from sdprelax.laboratory._kinds import TrialKind
from sdprelax.laboratory._store import Store
from sdprelax.laboratory.results._gather import Gathered, gather
from sdprelax.laboratory.results._pictures import write_pictures
from sdprelax.laboratory.results._tables import load_table, write_tables
from sdprelax.networks import Network, bare_network

__all__ = ["Results", "certificate_of", "collect", "current", "network_of"]


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
    """Rebuild the tables of a sweep from the records in its folder, and its pictures where Matplotlib is installed.

    Parameters
    ----------
    reuse: leave a table of the very same attempts as it is: attempts never change, so it would come out the same.

    Raises
    ------
    InputError: this is not a sweep's folder.
    StorageError: tables cannot be written there.
    """
    Store(folder).plan()  # a sweep's own folder, and no folder of several
    found = gather([folder])
    table = current(found) if reuse else None
    if table is None:
        table = found.tables["table"]
        with Store(folder).writing():
            write_tables(folder, found.tables)
            # Without Matplotlib there are none, and none of former results.
            draws = found.kind.pictures if has_optional("matplotlib") else {}
            pictures = {name: draws[name](found, None) if name in draws else None for name in found.kind.written}
            write_pictures(folder, pictures)
    return Results(found.kind, folder, table, sorted(folder.glob("*.png")), found.kind.unsound(table))


def current(found: Gathered) -> pd.DataFrame | None:
    """Return the table that lies in a sweep's folder, if it is of these very attempts, in this order, so named."""
    ((sweep, store),) = found.stores.items()
    try:
        table = load_table(store.folder)
        held = list(zip(table["hash"], table["attempt"], strict=True))
    except (InputError, SolverUnavailable, KeyError):
        return None
    if held != [(trial, max(numbers)) for trial, numbers in found.attempts[sweep].items()]:
        return None
    rows = table.to_dict("records")
    return table if rows == [found.named(row) for row in rows] else None
