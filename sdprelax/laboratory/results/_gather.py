"""Sweeps taken together: their trials in the order of their files, under names that tell all of them apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from sdprelax.base import InputError
from sdprelax.laboratory._kinds import Record, Tables, TrialKind, kind_of_store, naming
from sdprelax.laboratory._store import Store

__all__ = ["Gathered", "gather", "sweep_folders"]


@dataclass(frozen=True, eq=False)
class Gathered:
    """The trials of one sweep or several of the same kind.

    Attributes
    ----------
    stores: by the names of the sweeps.
    attempts: of every sweep, the trials of its file that have ended, in its order, with their attempts.
    named: gives a record, or a row, the names that its trial has among all of them.
    methods: the names of what their files run, whether it has ended or not: colours go by it.
    waiting: how many trials of their files have not ended.
    """

    kind: TrialKind
    stores: dict[str, Store]
    attempts: dict[str, dict[str, list[int]]]
    named: Callable[[Record], Record]
    methods: tuple[str, ...]
    waiting: int

    def records(self) -> Iterator[tuple[str, Record]]:
        """Yield the name of the sweep and the record, with its names, of every trial."""
        for sweep, store in self.stores.items():
            for record in store.records(self.attempts[sweep]):
                yield sweep, self.named(record)

    @cached_property
    def kept(self) -> list[tuple[str, Record]]:
        """What tables and pictures need of the records."""
        return [(sweep, self.kind.kept(record)) for sweep, record in self.records()]

    @cached_property
    def tables(self) -> Tables:
        """The tables of all trials, by name; "table", one row per trial, has of several sweeps a column ``sweep``."""
        tables = self.kind.tables([record for _, record in self.kept])
        if len(self.stores) > 1:
            tables["table"].insert(0, "sweep", pd.Series([sweep for sweep, _ in self.kept], dtype=object))
        return tables


def gather(folders: Sequence[Path]) -> Gathered:
    """Take sweeps together.

    Parameters
    ----------
    folders: of sweeps, or folders of those.

    Raises
    ------
    InputError: a folder that holds no results, or trials of two kinds.
    """
    found = list(dict.fromkeys(folder for given in folders for folder in sweep_folders(given)))
    names = [folder.resolve().name for folder in found]
    stores = {
        str(folder) if names.count(name) > 1 else name: Store(folder) for folder, name in zip(found, names, strict=True)
    }
    plans = {sweep: store.plan() for sweep, store in stores.items()}
    kinds = {sweep: kind_of_store(store) for sweep, store in stores.items()}
    if len(different := {kind.settings.kind: sweep for sweep, kind in kinds.items()}) > 1:
        said = " and ".join(f"{sweep} is a {kind}" for kind, sweep in different.items())
        raise InputError(f"these cannot be taken together: {said}.")
    kind = kinds[next(iter(kinds))]
    named = naming(kind, *plans.values())
    attempts = {}
    for sweep, store in stores.items():
        ended = store.attempts()
        planned = (trial["hash"] for trial in plans[sweep]["trials"])
        attempts[sweep] = {trial: ended[trial] for trial in planned if trial in ended}
    methods = (named({"hash": trial["hash"]})[kind.method] for plan in plans.values() for trial in plan["trials"])
    waiting = sum(len(plan["trials"]) for plan in plans.values()) - sum(map(len, attempts.values()))
    return Gathered(kind, stores, attempts, named, tuple(dict.fromkeys(methods)), waiting)


def sweep_folders(folder: Path) -> list[Path]:
    """Return the sweeps' folders in a folder of sweeps; any other folder as the one that it should be."""
    inner = [] if (folder / "sweep.json").is_file() else sorted(path.parent for path in folder.glob("*/sweep.json"))
    return inner or [folder]
