"""A sweep as one HTML file that needs nothing else: summary, table, plots, and a section for every trial."""

from __future__ import annotations

import contextlib
import html
import importlib.resources
import json
from pathlib import Path
from typing import Any

from sdprelax.base import write_whole
from sdprelax.laboratory._kinds import TrialKind
from sdprelax.laboratory._modules import load_modules
from sdprelax.laboratory._store import Store
from sdprelax.laboratory.results._collect import collect
from sdprelax.laboratory.results._tables import origins

__all__ = ["write_report"]

# Characters of one log, at most: a report of thousands of trials must open.
CHARACTERS = 4000
# What is shown of a trial beside its row, where its kind has it (:meth:`TrialKind.shown`).
SHOWN = ("trace", "options", "network", "predictors")


def write_report(folder: Path, target: Path | None = None, *, trust_modules: bool = False) -> Path:
    """Write ``report.html`` of a sweep's results, tables brought up to date first; return its path.

    Parameters
    ----------
    target: where to write it; by default into the sweep's folder.
    trust_modules: execute the Python files that the sweep named; without them, data sets of the user's own have no
        pictures of neurons.

    Raises
    ------
    InputError: this is not a sweep's folder.
    StorageError: the file cannot be written.
    """
    found, store = collect(folder), Store(folder)
    load_modules(store.plan()["modules"] if trust_modules else ())
    table = found.table.astype(object).where(found.table.notna(), None)
    reported, filters = (
        [name for name in names if name in table] for names in (found.kind.reported, found.kind.filters)
    )
    trials, known, data, records = [], dict[str, int](), list[Any](), []
    for row in table.to_dict("records"):
        path = store.folder_of(row["hash"]) if row["attempt"] > 1 else store.trials / row["hash"]
        record = store.record(path.name)
        if record is None:
            continue
        records.append(record)
        origin = json.dumps(record["provenance"], indent=1, sort_keys=True)
        shown = found.kind.shown(record, path, data)
        trials.append([
            *(row[name] for name in reported), *found.kind.words(row), _log(path),
            known.setdefault(origin, len(known)), record["details"], *(shown.get(name) for name in SHOWN),
        ])  # fmt: skip
    content = {
        "name": folder.resolve().name,
        "columns": [*reported, "problem", "what", "log", "origin", "details", *SHOWN],
        "shown": reported, "filters": filters, "usual": found.kind.usual, "trials": trials,
        "origins": list(known), "data": data, "unsound": found.unsound, "plots": found.kind.plots,
        "details": found.kind.details,
        "standing": {name: origin for origin, names in found.kind.origins.items() for name in names},
    }  # fmt: skip
    sections = found.kind.sections(found.table, records, found.pictures)
    target = target or folder / "report.html"
    with Store(target.parent).writing():
        write_whole(target, _page(found.kind, content, sections).encode())
    return target


def _page(kind: TrialKind, content: dict[str, Any], sections: str) -> str:
    """Return the page with everything in it."""
    from plotly.offline import get_plotlyjs

    parts = importlib.resources.files("sdprelax.laboratory.results")
    # "</script>" in somebody's log must not end the script that it lies in.
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    page = (parts / "page.html").read_text(encoding="utf-8")
    for name, text in (
        ("title", html.escape(content["name"])),
        ("style", (parts / "page.css").read_text(encoding="utf-8")),
        ("sections", sections),
        ("plotly", get_plotlyjs().replace("</script", "<\\/script") if kind.plots else ""),
        ("standing", html.escape(origins(kind.origins, kind.reported))),
        ("data", data),
        ("script", (parts / "page.js").read_text(encoding="utf-8")),
    ):
        page = page.replace("{{" + name + "}}", text)
    return page


def _log(path: Path) -> str:
    with contextlib.suppress(OSError):
        text = (path / "log.txt").read_text(encoding="utf-8", errors="replace")
        if len(text) <= CHARACTERS:
            return text
        omitted = f"\n... ({len(text)} characters in {path.name}/log.txt)\n"
        return text[: CHARACTERS // 2] + omitted + text[-CHARACTERS // 2 :]
    return ""
