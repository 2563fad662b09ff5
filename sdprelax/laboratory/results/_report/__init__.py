"""A sweep as one HTML file that needs nothing else: summary, table, plots, and a section for every trial."""

from __future__ import annotations

import contextlib
import html
import importlib.resources
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sdprelax.base import SdprelaxError, write_whole
from sdprelax.laboratory._job import Trial
from sdprelax.laboratory._modules import load_modules
from sdprelax.laboratory._store import Store
from sdprelax.laboratory._trial import load_problem
from sdprelax.laboratory.results._collect import collect
from sdprelax.laboratory.results._tables import ORIGINS, origins
from sdprelax.networks import bare_network

__all__ = ["write_report"]

# Points of one trace, and characters of one log, at most: a report of thousands of trials must open.
POINTS, CHARACTERS = 100, 4000
COLUMNS = [
    "dataset", "bias", "gamma", "n", "d", "c", "method", "repeat", "status", "lower", "upper", "gap", "seconds",
    "peak_memory_mb", "width", "train_accuracy", "test_accuracy", "solver_value", "solver_status", "message", "hash",
    "attempt",
]  # fmt: skip


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
    results = collect(folder)
    store = Store(folder)
    load_modules(store.plan()["modules"] if trust_modules else ())
    table = results.table.astype(object).where(results.table.notna(), None)
    pictures = _Pictures()
    trials, origins = [], dict[str, int]()
    for row in table[COLUMNS].to_dict("records"):
        path = store.folder_of(row["hash"]) if row["attempt"] > 1 else store.trials / row["hash"]
        record = store.record(path.name)
        if record is None:
            continue
        origin = json.dumps(record["provenance"], indent=1, sort_keys=True)
        trials.append([row[name] for name in COLUMNS] + [
            _thinned(record["trace"]), _log(path), _options(record), origins.setdefault(origin, len(origins)),
            pictures.of(record, path), record["details"], record["predictors"],
        ])  # fmt: skip
    content = {
        "name": folder.resolve().name, "columns": COLUMNS, "trials": trials, "origins": list(origins),
        "data": pictures.data, "unsound": results.unsound,
        "standing": {name: origin for origin, names in ORIGINS.items() for name in names},
    }  # fmt: skip
    target = target or folder / "report.html"
    store_of_target = Store(target.parent)
    with store_of_target.writing():
        write_whole(target, _page(content).encode())
    return target


def _page(content: dict[str, Any]) -> str:
    """Return the page with everything in it."""
    from plotly.offline import get_plotlyjs

    parts = importlib.resources.files(__name__)
    # "</script>" in somebody's log must not end the script that it lies in.
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    page = (parts / "page.html").read_text(encoding="utf-8")
    for name, text in (
        ("title", html.escape(content["name"])),
        ("style", (parts / "page.css").read_text(encoding="utf-8")),
        ("plotly", get_plotlyjs().replace("</script", "<\\/script")),
        ("standing", html.escape(origins(COLUMNS))),
        ("data", data),
        ("script", (parts / "page.js").read_text(encoding="utf-8")),
    ):
        page = page.replace("{{" + name + "}}", text)
    return page


def _thinned(trace: list[list[float | None]]) -> list[list[float | None]]:
    if len(trace) <= POINTS:
        return trace
    return [trace[int(k)] for k in np.linspace(0, len(trace) - 1, POINTS)]


def _log(path: Path) -> str:
    with contextlib.suppress(OSError):
        text = (path / "log.txt").read_text(encoding="utf-8", errors="replace")
        if len(text) <= CHARACTERS:
            return text
        omitted = f"\n... ({len(text)} characters in {path.name}/log.txt)\n"
        return text[: CHARACTERS // 2] + omitted + text[-CHARACTERS // 2 :]
    return ""


def _options(record: dict[str, Any]) -> str:
    """Return the sweep that is this one trial, as YAML."""
    trial = record["trial"]
    dataset, method = trial["dataset_options"], _written(trial["method_options"])
    limits = {name: value for name, value in trial["limits"].items() if value is not None}
    sweep = {
        "name": f"trial-{record['hash'][:8]}",
        "datasets": [{trial["dataset"]: dataset} if dataset else trial["dataset"]],
        "gamma": trial["gamma"], "bias": trial["bias"],
        "methods": [{trial["method"]: method} if method else trial["method"]],
        "seed": trial["seed"],
    }  # fmt: skip
    if trial["repeat"]:
        sweep["repeat"] = trial["repeat"] + 1
    if limits:
        sweep["limits"] = limits
    return yaml.safe_dump(sweep, sort_keys=False, allow_unicode=True)


def _written(options: dict[str, Any]) -> dict[str, Any]:
    """Return options as a user would write them: those that are empty left out."""
    return {name: value for name, value in options.items() if value not in ({}, None)}


class _Pictures:
    """The neurons of networks over two-dimensional data, and those data, each set of them once."""

    def __init__(self) -> None:
        self.data: list[dict[str, Any]] = []
        self._known: dict[str, int | None] = {}

    def of(self, record: dict[str, Any], path: Path) -> dict[str, Any] | None:
        """Return the network to draw, with the number of its data; None where there is no plane to draw in."""
        if record["upper"] is None or record["bias"] or record["d"] != 2:
            return None
        trial = Trial.from_dict(record["trial"])
        key = record["data_digest"]
        if key not in self._known:
            self._known[key] = self._add(trial)
        if self._known[key] is None:
            return None
        with contextlib.suppress(SdprelaxError):
            network = bare_network(path / "network.npz").balanced()
            return {
                "data": self._known[key], "hidden": _rounded(network.hidden.T), "output": _rounded(network.output),
            }  # fmt: skip
        return None

    def _add(self, trial: Trial) -> int | None:
        try:
            _, problem = load_problem(trial)
        except SdprelaxError:
            return None  # the data are gone; the table is not
        labels = np.argmax(np.abs(problem.Y), axis=1).tolist()
        self.data.append({"X": _rounded(problem.X), "labels": labels})
        return len(self.data) - 1


def _rounded(array: Any) -> list[list[float]]:
    return [[float(f"{value:.5g}") for value in row] for row in array]
