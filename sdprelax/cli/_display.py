"""What commands print: tables on the console, the progress of a sweep."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sdprelax.laboratory import Look, Running, Store, TrialKind, figures
from sdprelax.laboratory.results import Overview, origins

__all__ = [
    "SweepProgress",
    "bars",
    "console",
    "duration",
    "print_predictions",
    "print_summary",
    "progress_picture",
    "trial_line",
]

# Running trials shown at once.
SHOWN = 8
# Columns of a terminal from which on tables have γ/γ_max too.
WIDE = 100
# Figures of a trial that are worth a word on its line, where it has them.
LINE = {
    "lower": figures(".8g"), "upper": figures(".8g"), "program_gap": figures(".1e"),
    "test_accuracy": figures(".1f", 100.0, "%"), "agreement": figures(".1f", 100.0, "%"),
    "accuracy": figures(".1f", 100.0, "%"),
}  # fmt: skip


def console() -> Console:
    """Return a console; where output is piped it does not wrap lines."""
    # Labels have brackets of their own, which are no markup.
    return Console(markup=False) if sys.stdout.isatty() else Console(width=180, markup=False)


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


def print_summary(kind: TrialKind, table: pd.DataFrame) -> None:
    """Print what the trials come to, and what was said of those that failed."""
    rows = kind.summary(table)
    shown = _print_rows(rows, kind.looks, kind.section, kind.usual)
    typer.echo(kind.notes or origins(kind.origins, shown))
    for row in table[table["message"] != ""].to_dict("records"):
        problem, what = kind.words(row)
        typer.echo(f"{row['status']}: {problem}, {what}: {row['message']}")


def _print_rows(rows: pd.DataFrame, looks: dict[str, Look], section: tuple[str, ...], usual: str) -> list[str]:
    """Print the columns that say anything, and return them; a status is written where it is not the usual one.

    Parameters
    ----------
    section: columns whose change begins a section.
    """
    printed = Table(box=None, header_style="bold")
    shown = {name: look for name, look in looks.items() if name in rows and rows[name].notna().any()}
    if set(rows["status"]) <= {usual}:
        shown.pop("status", None)
    if console().width < WIDE:
        # A narrow terminal would cut off digits of the bounds for it.
        shown.pop("gamma_relative", None)
    for name, (title, form) in shown.items():
        words = form is str or name in section
        printed.add_column(
            title, justify="left" if words else "right", overflow="fold" if words else "ellipsis", no_wrap=not words,
            min_width=12 if form is str and title != "status" else None,
        )  # fmt: skip
    last: Any = None
    for row in rows.to_dict("records"):
        place = tuple(row.get(name) for name in section)
        if last is not None and place != last:
            printed.add_section()
        last = place
        printed.add_row(*("" if name == "status" and row[name] == usual else form(row[name])
                          for name, (_, form) in shown.items()))  # fmt: skip
    console().print(printed)
    return list(shown)


def print_predictions(kind: TrialKind, summary: pd.DataFrame) -> None:
    """Print how well every predictor of every method does on every problem."""
    percent = figures(".1f", 100.0, "%")
    looks: dict[str, Look] = {
        **{name: kind.looks[name] for name in kind.section}, "method": ("method", str),
        "predictor": ("predictor", str), "objective": ("objective", figures(".6g")),
        "train_accuracy": ("train", percent), "test_accuracy": ("test", percent),
        "test_balanced_accuracy": ("balanced", percent), "test_f1": ("F1", percent),
        "test_rmse": ("RMSE", figures(".6g")), "test_loss": ("loss", figures(".6g")),
        "paper_accuracy": ("paper's", percent), "paper_threshold": ("threshold", figures(".6g")),
        "status": ("status", str),
    }  # fmt: skip
    _print_rows(summary, looks, kind.section, "solved")
    loss = ", and the loss's mean" if "test_loss" in summary else ""
    typer.echo(f"accuracies on the training and the test part; balanced, F1 and RMSE{loss} on the test part.")
    typer.echo("sdprelax verify evaluates all of them again.")
    if "paper_accuracy" in summary:
        typer.echo("paper's (docs/paper.md): threshold chosen on the test set, no estimate of anything.")


def trial_line(kind: TrialKind, record: dict[str, Any]) -> str:
    """Return a finished trial as one line."""
    seconds = "" if record["seconds"] is None else f" in {record['seconds']:.1f} s"
    figured = {name: record.get(name) for name in LINE if name in ("lower", "upper") or record.get(name) is not None}
    said = " ".join(f"{name.replace('_', ' ')}={LINE[name](value)}" for name, value in figured.items())
    return f"{record['status']}{seconds}: {' '.join(kind.words(record))} {said} {record['message']}".rstrip()


def progress_picture(kind: TrialKind, overview: Overview, running: list[Running]) -> RenderableType:
    """Return a bar for each method, the trials that run, and the time left."""
    rows = Table(box=None, show_header=True, header_style="dim", padding=(0, 1))
    for name in ("method", "", "trials", "best gap", "mean time"):
        rows.add_column(name, justify="left" if name in ("method", "") else "right")
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
            now.add_row(*kind.words(trial.record), spent, *bounds, f"{trial.host}:{trial.pid}", trial.stage)
        parts.append(now)
        if len(running) > SHOWN:
            parts.append(Text(f" ... and {len(running) - SHOWN} more", style="dim"))
    ended = ", ".join(f"{count} {status}" for status, count in sorted(overview.statuses.items()))
    left = overview.seconds_left(running)
    tail = f" {overview.done} of {overview.total} trials ended ({ended or 'none'})"
    if overview.waiting:
        tail += f"; about {duration(left)} left" if left is not None else ""
    parts.append(Text(tail))
    return Group(*parts)


class SweepProgress:
    """Shows a sweep while it runs: live on a terminal, a line for each trial elsewhere."""

    def __init__(self, kind: TrialKind, store: Store, overview: Overview) -> None:
        self._kind = kind
        self._store = store
        self._overview = overview
        self._looked, self._running = 0.0, list[Running]()
        self._live = Live(get_renderable=self._picture, refresh_per_second=2, transient=True, console=console())

    def _picture(self) -> RenderableType:
        if time.monotonic() - self._looked > 0.4:
            self._running, self._looked = self._store.now_running(), time.monotonic()
        return progress_picture(self._kind, self._overview, self._running)

    def __enter__(self) -> SweepProgress:
        if sys.stdout.isatty():
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if sys.stdout.isatty():
            self._live.stop()

    def add(self, record: dict[str, Any]) -> None:
        """Show that a trial has ended."""
        self._overview.add(record)
        if not sys.stdout.isatty():
            typer.echo(f"[{self._overview.done}/{self._overview.total}] {trial_line(self._kind, record)}")


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
