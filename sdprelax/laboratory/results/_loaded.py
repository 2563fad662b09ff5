"""Results as a pandas user wants them: one row per trial, every option a column, networks and certificates at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sdprelax.base import InputError
from sdprelax.certificate import Certificate
from sdprelax.laboratory._store import Store
from sdprelax.laboratory.results._collect import certificate_of, network_of
from sdprelax.laboratory.results._gather import Gathered, gather
from sdprelax.networks import Network

__all__ = ["LoadedResults", "load_results", "with_options"]


@dataclass(frozen=True, eq=False)
class LoadedResults:
    """The trials of one sweep or several.

    Parameters
    ----------
    table: one row per trial: the columns of ``table.csv``; the options of its parts as ``method.cones``,
        ``dataset.seed``, ...; what the method said of its course as ``details.order``, ... (mappings are flattened,
        lists stay lists); and ``results``, the sweep's folder. A trial without an option or detail has NaN there.
    """

    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    def network(self, row: Any) -> Network:
        """Return the network of a trial.

        Parameters
        ----------
        row: a row of the table (as of ``table.iterrows()`` or ``table.loc[...]``), its index, or a trial's hash.

        Raises
        ------
        InputError: there is no such trial, or it has no network.
        """
        return network_of(*self._with(row, "network.npz"))

    def certificate(self, row: Any) -> Certificate:
        """Return the certificate of a trial's lower bound; ``row`` and errors as for :meth:`network`."""
        return certificate_of(*self._with(row, "certificate.npz"))

    def _row(self, row: Any) -> pd.Series:
        if isinstance(row, pd.Series) and {"hash", "results"} <= set(row.index):
            return row
        if isinstance(row, str):
            found = self.table[self.table["hash"] == row]
            if len(found):
                return found.iloc[0]
        elif not isinstance(row, pd.Series) and row in self.table.index:
            return self.table.loc[row]
        raise InputError(f"{row!r} is no trial of these results: give a row of .table, its index, or a trial's hash.")

    def _with(self, row: Any, file: str) -> tuple[Path, str]:
        """Return the sweep's folder and the hash of a trial that has a file."""
        trial = self._row(row)
        folder = Path(trial["results"])
        if not (Store(folder).folder_of(trial["hash"]) / file).is_file():
            raise InputError(f"trial {trial['hash']} ({trial['method']}, {trial['status']}) left no {Path(file).stem}.")
        return folder, str(trial["hash"])


def load_results(*folders: str | Path) -> LoadedResults:
    """Load the trials of sweeps into one table.

    Parameters
    ----------
    folders: of sweeps (``results/quickstart``), or folders of those (``results``).

    Raises
    ------
    InputError: a folder that holds no results.
    """
    if not folders:
        raise InputError("load_results() takes a sweep's folder, e.g. results/quickstart, or several.")
    return LoadedResults(with_options(gather([Path(folder) for folder in folders])))


def with_options(found: Gathered) -> pd.DataFrame:
    """Return the table of sweeps with a column for every option and detail, and the sweep's folder in ``results``."""
    whole, records = found.tables["table"], list(found.records())
    more = pd.DataFrame([dict(_columns(record)) for _, record in records], index=whole.index)
    more["results"] = [str(found.stores[sweep].folder) for sweep, _ in records]
    # What is a column of its own now.
    kept = whole.drop(columns=[name for name in whole.columns if name == "options" or name.endswith("_options")])
    return pd.concat([kept, more], axis=1)


def _columns(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of the columns of a record's options and details."""
    for key, options in record["trial"].items():
        if key.endswith("_options") and isinstance(options, Mapping):
            yield from _flat(key.removesuffix("_options"), options)
    yield from _flat("details", record.get("details") or {})


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flat(f"{name}.{key}", part)
    else:
        yield name, value
