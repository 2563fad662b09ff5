"""A sweep as one HTML file that needs nothing else: summary, table, plots, and a section for every trial."""

from __future__ import annotations

import contextlib
import html
import importlib.resources
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sdprelax.base import write_whole
from sdprelax.laboratory._kinds import Record
from sdprelax.laboratory._modules import load_modules
from sdprelax.laboratory._store import Store
from sdprelax.laboratory.results._collect import collect
from sdprelax.laboratory.results._gather import Gathered, gather
from sdprelax.laboratory.results._loaded import with_options
from sdprelax.laboratory.results._pictures import COLOURS, looks_of, write_pictures
from sdprelax.laboratory.results._tables import origins

__all__ = ["DARK", "write_report"]

# COLOURS in the same order for a dark page: told apart as well, and at least five to one against it.
DARK = ("#2F8FD6", "#E8702A", "#1DB58A", "#D985BC", "#F2B733", "#86CCF5", "#F2F2F2", "#A66BFF")
# Characters of one log, at most: a report of thousands of trials must open.
CHARACTERS = 4000
# Matplotlib's markers as Plotly calls them.
SYMBOLS = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross", "X": "x",
    "*": "star",
}  # fmt: skip
# What is shown of a trial beside its row, where its kind has it (:meth:`TrialKind.shown`).
SHOWN = ("trace", "options", "network", "predictors")
# Columns of the whole table that a report has elsewhere.
UNSEEN = ("sweep", "versions", "results")


def write_report(folders: Path | Sequence[Path], target: Path | None = None, *, trust_modules: bool = False) -> Path:
    """Write ``report.html`` of a sweep's results, or of several together, tables brought up to date; return its path.

    Parameters
    ----------
    folders: of sweeps, or folders of those.
    target: where to write it; by default into the sweep's folder, and of several into the current one.
    trust_modules: execute the Python files that the sweeps named; without them, data sets of the user's own have no
        pictures of neurons.

    Raises
    ------
    InputError: a folder that holds no results, or trials of two kinds.
    StorageError: the file cannot be written.
    """
    found = gather([folders] if isinstance(folders, Path) else folders)
    stores = list(found.stores.values())
    if target is None:
        target = stores[0].folder / "report.html" if len(stores) == 1 else Path("report.html")
    collected = [collect(store.folder) for store in stores]
    load_modules([name for store in stores for name in store.plan()["modules"]] if trust_modules else ())
    records = list(found.records())
    with tempfile.TemporaryDirectory() as folder:
        pictures = collected[0].pictures
        if len(stores) > 1:
            drawn = (
                {}
                if found.kind.plots
                else {name: found.kind.pictures[name](found, None) for name in found.kind.written}
            )
            pictures = write_pictures(Path(folder), drawn)
        sections = found.kind.sections(found.tables["table"], [record for _, record in records], pictures)
    page = _page(found, _content(found, records), sections)
    with Store(target.parent).writing():
        write_whole(target, page.encode())
    return target


def _content(found: Gathered, records: list[tuple[str, Record]]) -> dict[str, Any]:
    """Return everything that the page draws from."""
    kind, table = found.kind, found.tables["table"]
    names = ["sweep", *kind.reported] if len(found.stores) > 1 else list(kind.reported)
    reported = [name for name in names if name in table]
    whole = with_options(found)
    choosable = [*reported, *(name for name in whole if name not in (*reported, *UNSEEN) and _plain(whole[name]))]
    plain = whole[choosable].astype(object).where(whole[choosable].notna(), None)
    trials, known, data = [], dict[str, int](), list[Any]()
    for values, (_, row), (sweep, record) in zip(plain.to_numpy().tolist(), table.iterrows(), records, strict=True):
        path = found.stores[sweep].folder_of(record["hash"])
        origin = json.dumps(record["provenance"], indent=1, sort_keys=True)
        shown = kind.shown(record, path, data)
        trials.append([
            *values, *kind.words(dict(row)), _log(path), known.setdefault(origin, len(known)), record["details"],
            *(shown.get(name) for name in SHOWN),
        ])  # fmt: skip
    looks = looks_of(found.methods)
    return {
        "name": " + ".join(store.folder.resolve().name for store in found.stores.values()),
        "columns": [*choosable, "problem", "what", "log", "origin", "details", *SHOWN],
        "choosable": len(choosable), "shown": reported, "main": ["sweep", *(set(kind.looks) - set(kind.spared))],
        "filters": [name for name in ("sweep", *kind.filters) if name in reported], "method": kind.method,
        "usual": kind.usual, "waiting": found.waiting, "trials": trials, "origins": list(known), "data": data,
        "unsound": kind.unsound(table), "plots": kind.plots, "details": kind.details,
        "looks": {name: [COLOURS.index(colour), SYMBOLS[marker]] for name, (colour, marker) in looks.items()},
        "palettes": {"light": COLOURS, "dark": DARK},
        "standing": {name: origin for origin, names in kind.origins.items() for name in names},
    }  # fmt: skip


def _plain(column: pd.Series) -> bool:
    """Say whether a column has something to say, and in numbers, words or yes and no alone."""
    there = column.dropna()
    return len(there) > 0 and all(isinstance(value, (str, bool, int, float)) for value in there.tolist())


def _page(found: Gathered, content: dict[str, Any], sections: str) -> str:
    """Return the page with everything in it."""
    kind = found.kind
    parts = importlib.resources.files("sdprelax.laboratory.results") / "page"

    def part(name: str) -> str:
        return (parts / name).read_text(encoding="utf-8")

    # "</script>" in somebody's log must not end the script that it lies in.
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    texts = {
        "title": html.escape(content["name"]), "style": part("page.css"), "sections": sections,
        "findings": _list(kind.findings(found.tables["table"])),
        "plotly": part("plotly-basic.min.js") if kind.plots else "", "plots": part("plots.js"),
        "standing": html.escape(origins(kind.origins, kind.reported)), "data": data, "script": part("page.js"),
    }  # fmt: skip
    # All at once: what a name or a log says in braces stays what it is.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: texts[place[1]], part("page.html"))


def _list(sentences: list[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return f'<ul id="findings">{items}</ul>'


def _log(path: Path) -> str:
    with contextlib.suppress(OSError):
        text = (path / "log.txt").read_text(encoding="utf-8", errors="replace")
        if len(text) <= CHARACTERS:
            return text
        omitted = f"\n... ({len(text)} characters in {path.name}/log.txt)\n"
        return text[: CHARACTERS // 2] + omitted + text[-CHARACTERS // 2 :]
    return ""
