"""What commands print: tables on the console, the progress of a sweep."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pandas as pd
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sdprelax.base import has_optional, install_hint
from sdprelax.cli._terminal import MARK, echo, fitted, width
from sdprelax.laboratory import Look, Running, Store, TrialKind, figures, naming
from sdprelax.laboratory.results import Column, Overview, Printed, Results, counted, origins, viewed

__all__ = [
    "SweepProgress",
    "bars",
    "console",
    "duration",
    "explain_predictions",
    "prediction_looks",
    "print_end",
    "print_files",
    "print_rows",
    "print_summary",
    "print_view",
    "progress_picture",
    "trial_line",
]

# Running trials shown at once.
SHOWN = 8
# Figures of a trial that are worth a word on its line, where it has them.
LINE = {
    "lower": figures(".8g"), "upper": figures(".8g"), "program_gap": figures(".1e"),
    "test_accuracy": figures(".1f", 100.0, "%"), "agreement": figures(".1f", 100.0, "%"),
    "accuracy": figures(".1f", 100.0, "%"),
}  # fmt: skip


def console() -> Console:
    """Return a console, as wide as there is room."""
    # Labels have brackets of their own, which are no markup.
    return Console(width=width(), markup=False)


def duration(seconds: float | None) -> str:
    """Return a time as people read it: ``45 s``, ``3:20 min``, ``5:07 h``, ``2.3 d``."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)}:{int(seconds % 60):02} min"
    if seconds < 2 * 86400:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02} h"
    return f"{seconds / 86400:.1f} d"


def print_summary(kind: TrialKind, table: pd.DataFrame, waiting: int = 0) -> None:
    """Print what the trials come to, and what was said of those that failed; ``waiting`` others have not ended."""
    rows = kind.summary(table, table)
    names = [name for name in kind.looks if name in rows and rows[name].notna().any()]
    print_view(kind, viewed(rows, names, kind.looks), rows, titled=True)
    print_end(kind, table, waiting)


def print_view(
    kind: TrialKind, view: Printed, rows: pd.DataFrame, *, titled: bool = False, whole: bool = False
) -> None:
    """Print rows in the columns that the terminal has; what has not ended as usual is marked.

    Parameters
    ----------
    view: of the rows.
    titled: say the columns of ``kind.titles`` once, above their rows.
    whole: leave out no column that somebody asked for.
    """
    titles: list[str] = []
    if titled:
        there = [column for column in view.columns if column.name in kind.titles]
        for cells in zip(*(column.cells for column in there), strict=True):
            first, *others = (cell if k == 0 else f"{there[k].title} {cell}" for k, cell in enumerate(cells))
            titles.append(", ".join([first, *others]))
    unusual = [status != kind.usual for status in rows["status"]] if "status" in rows else [False] * len(rows)
    columns = [column for column in view.columns if not (titled and column.name in kind.titles)]
    if titled and not any(unusual):
        columns = [column for column in columns if column.name != "status"]
    print_rows(columns, ("status", "trials") if whole else kind.spared, unusual, titles)
    if not whole:
        said = kind.notes or origins(kind.origins, [column.name for column in view.columns])
        console().print(said, highlight=False)


def print_rows(
    columns: Sequence[Column], spared: Sequence[str] = (), marked: Sequence[bool] = (), titles: Sequence[str] = ()
) -> None:
    """Print columns as :func:`fitted` fits them to the terminal, and what it had no room for."""
    if not columns or not columns[0].cells:
        return
    marked = marked or [False] * len(columns[0].cells)
    lines, missing = fitted(columns, spared, marked, titles, width())
    for k, (line, mark) in enumerate(lines):
        console().print(Text(line, style="bold" if k == 0 else "yellow" if mark else ""), soft_wrap=True)
    if missing:
        left_out = ", ".join(column.title for column in missing)
        console().print(f"no room for: {left_out}; a wider terminal has them.", highlight=False)


def print_end(kind: TrialKind, table: pd.DataFrame, waiting: int = 0) -> None:
    """Print what was said of trials that failed, and as the last line how all of them ended."""
    said: dict[tuple[str, str, str], list[str]] = {}
    for row in table[table["message"] != ""].to_dict("records"):
        problem, what = kind.words(row)
        said.setdefault((row["status"], what, row["message"]), []).append(problem)
    for (status, what, message), problems in said.items():
        others = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        echo(f"{status}: {problems[0]}{others}, {what}: {message}")
    statuses = list(table["status"])
    marked = f" (marked {MARK.strip()} where not {kind.usual})" if set(statuses) - {kind.usual} else ""
    ended = (
        f"{len(table)} of {len(table) + waiting} trials ended"
        if waiting
        else f"{len(table)} trial{'s' * (len(table) != 1)}"
    )
    echo(f"{ended}: {counted(statuses)}{marked}.")


def print_files(what: str, found: Results) -> None:
    """Say where a sweep's tables and pictures are, and which package is missing where some could not be written."""
    parquet = " (and .parquet)" if has_optional("pyarrow") else ""
    echo(f"{what}: {found.folder / 'table.csv'}{parquet}")
    for picture in found.pictures:
        echo(f"picture: {picture} (and .pdf)")
    if not has_optional("matplotlib"):
        echo(f"no pictures: Matplotlib is not installed; {install_hint('matplotlib')}")


def prediction_looks(kind: TrialKind) -> dict[str, Look]:
    """Return how the columns of the table of predictions are printed."""
    percent = figures(".1f", 100.0, "%")
    return {
        **{name: kind.looks[name] for name in (*kind.titles, "gamma", "gamma_relative")}, "method": ("method", str),
        "predictor": ("predictor", str), "objective": ("objective", figures(".6g")),
        "train_accuracy": ("train", percent), "test_accuracy": ("test", percent),
        "test_balanced_accuracy": ("balanced", percent), "test_f1": ("F1", percent),
        "test_rmse": ("RMSE", figures(".6g")), "test_loss": ("loss", figures(".6g")),
        "paper_accuracy": ("paper's", percent), "paper_threshold": ("threshold", figures(".6g")),
        "status": ("status", str),
    }  # fmt: skip


def explain_predictions(columns: Collection[str]) -> None:
    """Say what the columns of the table of predictions are."""
    loss = ", and the loss's mean" if "test_loss" in columns else ""
    echo(f"accuracies on the training and the test part; balanced, F1 and RMSE{loss} on the test part.")
    echo("sdprelax verify evaluates all of them again.")
    if "paper_accuracy" in columns:
        echo("paper's (docs/paper.md): threshold chosen on the test set, no estimate of anything.")


def trial_line(kind: TrialKind, record: dict[str, Any]) -> str:
    """Return a finished trial as one line."""
    seconds = "" if record["seconds"] is None else f" in {record['seconds']:.1f} s"
    figured = {name: record.get(name) for name in LINE if name in ("lower", "upper") or record.get(name) is not None}
    said = " ".join(f"{name.replace('_', ' ')}={LINE[name](value)}" for name, value in figured.items())
    return f"{record['status']}{seconds}: {', '.join(kind.words(record))}: {said} {record['message']}".rstrip()


def progress_picture(
    kind: TrialKind, named: Callable[[dict[str, Any]], dict[str, Any]], overview: Overview, running: list[Running]
) -> RenderableType:
    """Return a bar for each method, the trials that run, and the time left; ``named`` gives records their names."""
    rows = Table(box=None, show_header=True, header_style="dim", padding=(0, 1))
    rows.add_column("method", no_wrap=True, overflow="ellipsis")
    rows.add_column("")
    for name in ("trials", "best gap", "mean time"):
        rows.add_column(name, justify="right", no_wrap=True)
    for label, method in overview.methods.items():
        gap = None if method.best_gap == math.inf else method.best_gap
        rows.add_row(
            label, ProgressBar(total=method.total, completed=method.done, width=30), f"{method.done}/{method.total}",
            figures(".1e")(gap), duration(method.seconds / method.timed) if method.timed else "-",
        )  # fmt: skip
    parts: list[RenderableType] = [rows]
    if running:
        now = Table(box=None, show_header=True, header_style="dim", padding=(0, 1))
        for name in ("running", "method", "for", "lower bound", "network", "on", ""):
            now.add_column(name, overflow="fold")
        for trial in running[:SHOWN]:
            bounds = (LINE[name](trial.record[name]) for name in ("lower", "upper"))
            spent = duration(time.time() - trial.started)
            now.add_row(*kind.words(named(trial.record)), spent, *bounds, f"{trial.host}:{trial.pid}", trial.stage)
        parts.append(now)
        if len(running) > SHOWN:
            parts.append(Text(f" ... and {len(running) - SHOWN} more", style="dim"))
    left = overview.seconds_left(running)
    tail = f" {overview.done} of {overview.total} trials ended ({counted(overview.statuses)})"
    if overview.waiting:
        tail += f"; about {duration(left)} left" if left is not None else ""
    parts.append(Text(tail))
    return Group(*parts)


class SweepProgress:
    """Shows a sweep while it runs: live on a terminal, a line for each trial elsewhere."""

    def __init__(self, kind: TrialKind, store: Store, overview: Overview) -> None:
        self._kind = kind
        self._named = naming(kind, store.plan())
        self._store = store
        self._overview = overview
        self._looked, self._running = 0.0, list[Running]()
        # What stands for sys.stdout while the picture is live need not say that it is a terminal.
        self._terminal = sys.stdout.isatty()
        self._live = Live(get_renderable=self._picture, refresh_per_second=2, transient=True, console=console())

    def _picture(self) -> RenderableType:
        if time.monotonic() - self._looked > 0.4:
            self._running, self._looked = self._store.now_running(), time.monotonic()
        return progress_picture(self._kind, self._named, self._overview, self._running)

    def __enter__(self) -> SweepProgress:
        if self._terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._terminal:
            self._live.stop()

    def add(self, record: dict[str, Any]) -> None:
        """Show that a trial has ended."""
        self._overview.add(record)
        if not self._terminal:
            echo(f"[{self._overview.done}/{self._overview.total}] {trial_line(self._kind, self._named(record))}")


def bars(what: str, rows: int) -> Callable[[int], None]:
    """Show a pass over so many rows while it goes on; return what is told how many more were read."""
    shown = Bars(
        TextColumn("{task.description}", markup=False), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console(), transient=True, disable=not sys.stdout.isatty(),
    )  # fmt: skip
    task = shown.add_task(what, total=rows)
    shown.start()

    def advance(read: int) -> None:
        shown.advance(task, read)
        if shown.finished:
            shown.stop()

    return advance
