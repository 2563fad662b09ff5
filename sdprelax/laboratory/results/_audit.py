"""Verifies results again: everything proved anew by the trials themselves, and tables held against the records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sdprelax.base import Deadline, SdprelaxError, has_optional
from sdprelax.laboratory._kinds import TrialKind, kind_of_store, naming
from sdprelax.laboratory._modules import load_modules
from sdprelax.laboratory._store import Store, seal
from sdprelax.laboratory.results._tables import load_table

__all__ = ["Finding", "audit"]


@dataclass(frozen=True)
class Finding:
    """What became of one row: ``faults`` is empty where it holds.

    Attributes
    ----------
    name: folder of the attempt.
    row: what was run, and on what, in words.
    bounds: how many of its bounds were proved anew.
    faults: one sentence each.
    notes: what could not be looked at, one sentence each.
    late: whether these are all the rows that there was no time for.
    """

    name: str
    row: str
    bounds: int
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()
    late: bool = False


def audit(folder: Path, *, trust_modules: bool = False, deadline: Deadline | None = None) -> Iterator[Finding]:
    """Verify every trial of a sweep, in the order of its file, nothing in its records believed.

    :attr:`TrialKind.origins` says of every column whether it is proved, attained or measured again, or merely reported.

    Parameters
    ----------
    trust_modules: execute the Python files that the sweep named. Without them a trial of a method that one of them
        defines is proved all the same, and only its options are not looked at; data that one defines cannot be loaded.
    deadline: the time by which it ends; rows that it did not get to are one finding.

    Raises
    ------
    InputError: this is not a sweep's folder.
    """
    store = Store(folder)
    plan, kind = store.plan(), kind_of_store(store)
    named = naming(kind, plan)
    load_modules(plan["modules"] if trust_modules else ())
    attempts = store.attempts()
    # Trials that an earlier version of the sweep had come last.
    trials = dict.fromkeys([*(planned["hash"] for planned in plan["trials"]), *attempts])
    names = [trial if number == 1 else f"{trial}.{number}" for trial in trials for number in attempts.get(trial, [])]
    until = deadline or Deadline()
    for number, name in enumerate(names):
        record = store.record(name)
        if record is None:
            yield Finding(name, "no record", 0, ("its record cannot be read.",))
            continue
        if not until.expired:
            row, (bounds, faults, notes) = (
                _row(kind, named(record)),
                _examine(kind, store, store.trials / name, record, until),
            )
            if not (faults and until.expired):
                yield Finding(name, row, bounds, tuple(faults), tuple(notes))
                continue
        late = f"they were not verified within {until.seconds:g} seconds; allow more with --time-limit."
        yield Finding("the rest", f"{len(names) - number} rows", 0, (late,), late=True)
        return
    yield from _examine_table(kind, store, plan, attempts)


def _row(kind: TrialKind, record: dict[str, Any]) -> str:
    try:
        return ", ".join(kind.words(record))
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return "no row"


def _examine(
    kind: TrialKind, store: Store, folder: Path, record: dict[str, Any], deadline: Deadline
) -> tuple[int, list[str], list[str]]:
    """Return how many bounds of a record were proved, what is wrong with it, and what could not be looked at."""
    faults = []
    try:
        if record["seal"] != seal(record, folder):
            faults.append("its record or a file beside it is not what was written.")
        trial = kind.trial(record["trial"])
        if trial.hash != folder.name[:16]:
            faults.append("its options are not those that its name stands for.")
        bounds, wrong, notes = trial.examine(folder, record, store.shared, deadline)
    except SdprelaxError as error:
        return 0, [*faults, str(error)], []
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        return 0, [*faults, f"its record is not one of a trial ({type(error).__name__}: {error})."], []
    return bounds, faults + wrong, notes


def _examine_table(
    kind: TrialKind, store: Store, plan: dict[str, Any], attempts: dict[str, list[int]]
) -> Iterator[Finding]:
    """Hold the table against the records, and the bounds of every problem against each other."""
    planned = [trial["hash"] for trial in plan["trials"] if trial["hash"] in attempts]
    try:
        named = naming(kind, plan)
        tables = kind.tables([named(kind.kept(record)) for record in store.records({t: attempts[t] for t in planned})])
        faults = tuple(kind.unsound(tables["table"]))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return  # a record that is none has been named already
    if not all(_same(table, store.folder, name) for name, table in tables.items()):
        faults += (f"it does not say what the records say; sdprelax collect {store.folder} rebuilds it.",)
    if faults:
        yield Finding("table", f"{len(tables['table'])} rows", 0, faults)


def _same(table: pd.DataFrame, folder: Path, name: str) -> bool:
    """Say whether the tables of a name that lie in a folder, if any do, are this one."""
    try:
        unread = not (has_optional("pyarrow") and (folder / f"{name}.parquet").exists())
        same = unread or table.equals(load_table(folder, name))
        return bool(same and table.to_csv(index=False).encode() == (folder / f"{name}.csv").read_bytes())
    except FileNotFoundError:
        return bool(same)
    except (SdprelaxError, OSError):
        return False
