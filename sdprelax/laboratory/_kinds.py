"""Kinds of trial: how a file of one becomes trials, and what is made of their records.

Store, runner, supervisor, engines and commands serve every kind, and know none. A kind is found by the name that a
sweep's folder has, or by the keys of a YAML file, and its module is imported only then: it may need optional packages.
"""

from __future__ import annotations

import abc
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from sdprelax.base import InputError, Registry
from sdprelax.laboratory._document import Document
from sdprelax.laboratory._job import Job, Limits, Trial
from sdprelax.laboratory._settings import Entry, Settings, file_schema
from sdprelax.laboratory._store import Store
from sdprelax.laboratory.engines import engines
from sdprelax.lasso import Stage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sdprelax.laboratory.results import Gathered

__all__ = [
    "CellForm", "Look", "Sweep", "TrialKind", "entry_key", "figures", "job_of", "kind_of", "kind_of_store", "kinds",
    "naming",
]  # fmt: skip

# The module of each kind, the name it has there, and keys that a YAML file of no other kind has.
MODULES: dict[str, tuple[str, str, frozenset[str]]] = {
    "training": ("sdprelax.laboratory.training", "TRAINING", frozenset({"datasets", "methods", "gamma"})),
    "distillation": (
        "sdprelax.distillation.study",
        "DISTILLATION",
        frozenset({"teacher", "images", "distillers", "block"}),
    ),
}
# How a cell is written, and the title of its column.
CellForm = Callable[[Any], str]
Look = tuple[str, CellForm]


def figures(form: str, factor: float = 1.0, unit: str = "") -> CellForm:
    """Return how a number is written: with a format, after multiplication by a factor, with a unit; "-" for none."""
    return lambda value: "-" if value is None or pd.isna(value) else format(factor * value, form) + unit


def entry_key(registry: Registry[Any], label: str, options: str) -> str:
    """Return what a registered entry is in every sweep, of its label and its options as JSON.

    An option that there was not yet when it ran is at its default.
    """
    name = label.partition("(")[0]
    return f"{name} {json.dumps(registry.completed(name, json.loads(options)), sort_keys=True)}"


@dataclass(frozen=True)
class Sweep(abc.ABC):
    """A validated file, of whatever kind: every combination of its lists is a trial.

    Attributes
    ----------
    document: the file, for errors that say where in it they are.
    name: folder of the results.
    repeat: how often each trial is run, with different random numbers.
    seed: what the random numbers derive from.
    limits: what one trial may take.
    engine: where trials run.
    modules: the user's own Python files, as absolute paths.
    """

    kind: ClassVar[str]
    document: Document
    name: str
    repeat: int
    seed: int
    limits: Limits
    engine: Entry
    modules: tuple[str, ...]

    @abc.abstractmethod
    def plan(self) -> Sequence[Trial]:
        """Return the distinct trials in the order of the file."""

    @abc.abstractmethod
    def check(self, trials: Sequence[Trial], store: Store) -> Callable[[Stage], None]:
        """See that trials can be run, and write nothing; return what makes ready all that they share.

        The returned call is made once, before the first of the trials starts and after the store's folder is there.

        Raises
        ------
        InputError: they cannot, because of what the file says.
        """

    def kernels(self, trials: Sequence[Trial]) -> list[str]:
        """Return the modules of compiled functions that trials compute with."""
        return []

    def sizes(self, trials: Sequence[Trial]) -> list[str]:
        """Return lines on how large trials are, for a dry run."""
        return []


Record = dict[str, Any]
Tables = dict[str, pd.DataFrame]


def _as_they_are(rows: pd.DataFrame, among: pd.DataFrame) -> pd.DataFrame:
    return rows


def _no_sentences(table: pd.DataFrame) -> list[str]:
    return []


def _no_sections(table: pd.DataFrame, records: list[Record], pictures: list[Path]) -> str:
    return ""


def _nothing_shown(record: Record, folder: Path, data: list[Any]) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, eq=False, kw_only=True)
class TrialKind:
    """What the laboratory asks of a kind of trial.

    Parameters
    ----------
    settings: its file.
    read: the validated file of a path and its document; InputError: one sentence with file and line.
    trial: the trial whose :meth:`Trial.to_dict` is given.
    names: of trials as a plan has them, by hash: the entries of their records that say what they are called. Only
        together are short names enough to tell them apart; see :func:`naming`.
    method: the column of "table" that says what was run.
    words: what a trial was run on, and what was run, in words, of its record or its row.
    kept: what ``tables`` and ``pictures`` need of a record.
    tables: of records, by name; "table" has one row per trial, in their order.
    pictures: what draws sweeps, by name, with so many panels beside each other; None where there is nothing to see.
    written: the pictures that lie in a sweep's folder.
    summary: what trials come to, in few rows, of their rows of "table" among all of its rows.
    shares: rows of "table" with what each comes to among all of its rows.
    keys: what tells every row of "table" from the others, the same in every sweep with that trial.
    looks: columns of the summary in print; ``titles``: those of them that are said once, above their rows; ``spared``:
        those that a narrow terminal has no room for, the first to go first.
    usual: the status that is not worth a word.
    source: what ``verify`` proves bounds from, in words.
    compared: entries of a record that must be the same when its trial is run again.
    reported: columns of "table" that a report shows; ``filters``: those that it filters by.
    origins: of columns, by what ``verify`` does with them: :func:`sdprelax.laboratory.results.origins`.
    details: which of the details in a record ``verify`` proves, in words.
    notes: what is said below the summary, by default of its columns' origins.
    findings: what its trials come to, of "table", in a sentence for each method.
    unsound: a sentence for every lower bound in "table" that exceeds an upper bound: a bug.
    sections: what stands in a report above its trials, as HTML, of "table", records and the pictures' files.
    shown: what a report shows of a trial beside its row, record and log; what several trials share is added to
        ``data``, and referred to by its number.
    plots: whether a report draws bounds and seconds.
    """

    settings: Settings
    read: Callable[[Path, Document], Sweep]
    trial: Callable[[Record], Trial]
    names: Callable[[Mapping[str, Record]], Mapping[str, Mapping[str, str]]]
    method: str
    words: Callable[[Record], tuple[str, str]]
    kept: Callable[[Record], Record]
    tables: Callable[[list[Record]], Tables]
    pictures: Mapping[str, Callable[[Gathered, int | None], Figure | None]]
    written: tuple[str, ...]
    summary: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]
    keys: Callable[[pd.DataFrame], pd.Series]
    looks: dict[str, Look]
    titles: tuple[str, ...]
    spared: tuple[str, ...]
    usual: str
    source: str
    compared: tuple[str, ...]
    reported: tuple[str, ...]
    filters: tuple[str, ...]
    origins: dict[str, tuple[str, ...]]
    details: str
    notes: str = ""
    shares: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame] = _as_they_are
    findings: Callable[[pd.DataFrame], list[str]] = _no_sentences
    unsound: Callable[[pd.DataFrame], list[str]] = _no_sentences
    sections: Callable[[pd.DataFrame, list[Record], list[Path]], str] = _no_sections
    shown: Callable[[Record, Path, list[Any]], dict[str, Any]] = _nothing_shown
    plots: bool = False

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of its file, every registered name and option included."""
        title = f"sdprelax {self.settings.kind.split()[-1]}"
        return file_schema(self.settings.model, [*self.settings.families, ("engine", engines, False)], title)


def kinds(name: str) -> TrialKind:
    """Return the kind of a name.

    Raises
    ------
    InputError: there is none.
    """
    if name not in MODULES:
        raise InputError(f"there are no trials of kind '{name}' in this version: kinds are {', '.join(MODULES)}.")
    module, attribute, _ = MODULES[name]
    found: TrialKind = getattr(importlib.import_module(module), attribute)
    return found


def kind_of(document: Document) -> TrialKind:
    """Return the kind of which a YAML file is, by its keys."""
    written = document.content if isinstance(document.content, dict) else {}
    return kinds(max(MODULES, key=lambda name: len(MODULES[name][-1] & written.keys())))


def kind_of_store(store: Store) -> TrialKind:
    """Return the kind of a store's trials.

    Raises
    ------
    InputError: it is no sweep's folder.
    """
    return kinds(store.plan().get("kind", "training"))


def naming(kind: TrialKind, *plans: Record) -> Callable[[Record], Record]:
    """Return what gives a record, or a row, the names that its trial has wherever these sweeps are shown.

    Parameters
    ----------
    plans: the sweeps' plans (:meth:`Store.plan`), in their order.
    """
    names = kind.names({trial["hash"]: trial["trial"] for plan in plans for trial in plan["trials"]})
    return lambda record: {**record, **names.get(record["hash"], {})}


def job_of(content: dict[str, Any]) -> Job:
    """Return the attempt whose :meth:`Job.to_dict` this is."""
    return Job(kinds(content["kind"]).trial(content["trial"]), content["attempt"])
