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
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sdprelax.laboratory import Running, Store
from sdprelax.laboratory.results import Overview

__all__ = [
    "Progress",
    "console",
    "duration",
    "marked",
    "number",
    "print_predictions",
    "print_tightness",
    "progress_picture",
    "trial_line",
]

# Running trials shown at once.
SHOWN = 8


def console() -> Console:
    """Return a console; where output is piped it does not wrap lines."""
    # Labels have brackets of their own, which are no markup.
    return Console(markup=False) if sys.stdout.isatty() else Console(width=180, markup=False)


def number(value: Any, form: str, unit: str = "") -> str:
    """Return a number in a format, "-" for None."""
    return "-" if value is None or pd.isna(value) else format(value, form) + unit


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


def print_tightness(table: pd.DataFrame) -> None:
    """Print how tight every method is on every problem, and what was said of trials that failed."""
    from sdprelax.laboratory.results import origins, tightness_table

    printed = Table(box=None, header_style="bold")
    for name in ("data set", "γ", "method"):
        printed.add_column(name, overflow="fold", min_width=12 if name != "γ" else None)
    for name in ("lower bound", "network", "gap", "certified", "excess", "seconds"):
        printed.add_column(name, justify="right", no_wrap=True)
    shown = tightness_table(table)
    mark = marked(printed, shown, "solved")
    last = None
    for row in shown.itertuples():
        problem = (row.dataset, row.gamma)
        if last is not None and problem != last:
            printed.add_section()
        last = problem
        printed.add_row(
            str(row.dataset),
            f"{row.gamma:g}",
            str(row.method),
            number(row.lower, ".6f"),
            number(row.upper, ".6f"),
            number(row.gap, ".1e"),
            number(row.certified_percent, ".3f", "%"),
            number(row.excess_percent, ".3f", "%"),
            number(row.seconds, ".1f"),
            *mark(row.status),
        )
    console().print(printed)
    typer.echo(origins(shown.columns))
    for row in table[table["message"] != ""].itertuples():
        typer.echo(f"{row.status}: {row.dataset}, gamma {row.gamma:g}, {row.method}: {row.message}")


def marked(printed: Table, rows: pd.DataFrame, usual: str) -> Callable[[Any], list[str]]:
    """Add a column for statuses if one of the rows has another than the usual; return what a row's cell is."""
    if set(rows["status"]) <= {usual}:
        return lambda status: []
    printed.add_column("status", overflow="fold")
    return lambda status: ["" if status == usual else str(status)]


def print_predictions(table: pd.DataFrame) -> None:
    """Print how well every predictor of every method does on every problem."""
    from sdprelax.laboratory.results import predictions_summary

    summary = predictions_summary(table)
    titles = {
        "objective": "objective",
        "train_accuracy": "train",
        "test_accuracy": "test",
        "test_balanced_accuracy": "balanced",
        "test_f1": "F1",
        "test_rmse": "RMSE",
        "paper_accuracy": "paper's",
        "paper_threshold": "threshold",
    }
    figures = [name for name in titles if name in summary]
    printed = Table(box=None, header_style="bold")
    for name in ("data set", "γ", "method"):
        printed.add_column(name, overflow="fold", max_width=44)
    printed.add_column("predictor", no_wrap=True)
    for name in figures:
        printed.add_column(titles[name], justify="right", no_wrap=True)
    mark = marked(printed, summary, "solved")
    last: tuple[Any, ...] = ()
    for row in summary.to_dict("records"):
        trial = (row["dataset"], row["gamma"], row["method"])
        if last and trial[:2] != last[:2]:
            printed.add_section()
        # A column that has one value throughout is printed once, above the table.
        said = [str(row["dataset"]), f"{row['gamma']:g}", str(row["method"])] if trial != last else ["", "", ""]
        last = trial
        cells = [
            number(100.0 * row[name], ".1f", "%") if name.endswith(("accuracy", "f1")) else number(row[name], ".6g")
            for name in figures
        ]
        printed.add_row(*said, row["predictor"], *cells, *mark(row["status"]))
    console().print(printed)
    typer.echo("accuracies on the training and the test part; balanced, F1 and RMSE on the test part.")
    typer.echo("sdprelax verify evaluates all of them again.")
    if "paper_accuracy" in figures:
        typer.echo("paper's (docs/paper.md): threshold chosen on the test set, no estimate of anything.")


def trial_line(record: dict[str, Any]) -> str:
    """Return a finished trial as one line."""
    seconds = "" if record["seconds"] is None else f" in {record['seconds']:.1f} s"
    accuracy = record.get("test_accuracy")
    tested = "" if accuracy is None else f"test accuracy={100.0 * accuracy:.1f}% "
    return (
        f"{record['status']}{seconds}: {record['dataset']} gamma={record['gamma']:g} {record['method']} "
        f"lower={number(record['lower'], '.8g')} upper={number(record['upper'], '.8g')} "
        f"{tested}{record['message']}"
    ).rstrip()


def progress_picture(overview: Overview, running: list[Running]) -> RenderableType:
    """Return a bar for each method, the trials that run, and the time left."""
    bars = Table(box=None, show_header=True, header_style="dim", padding=(0, 1))
    for name in ("method", "", "trials", "best gap", "mean time"):
        bars.add_column(name, justify="left" if name in ("method", "") else "right")
    for label, method in overview.methods.items():
        gap = None if method.best_gap == math.inf else method.best_gap
        bars.add_row(
            label, ProgressBar(total=method.total, completed=method.done, width=30), f"{method.done}/{method.total}",
            number(gap, ".1e"), duration(method.seconds / method.timed) if method.timed else "-",
        )  # fmt: skip
    parts: list[RenderableType] = [bars]
    if running:
        now = Table(box=None, show_header=True, header_style="dim", padding=(0, 1))
        for name in ("running", "method", "for", "lower bound", "network", "on"):
            now.add_column(name, overflow="fold")
        for trial in running[:SHOWN]:
            record = trial.record
            now.add_row(
                f"{record['dataset']}, γ={record['gamma']:g}", record["method"], duration(time.time() - trial.started),
                number(record["lower"], ".6g"), number(record["upper"], ".6g"), f"{trial.host}:{trial.pid}",
            )  # fmt: skip
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


class Progress:
    """Shows a sweep while it runs: live on a terminal, a line for each trial elsewhere."""

    def __init__(self, store: Store, overview: Overview) -> None:
        self._store = store
        self._overview = overview
        self._looked, self._running = 0.0, list[Running]()
        self._live = Live(get_renderable=self._picture, refresh_per_second=2, transient=True, console=console())

    def _picture(self) -> RenderableType:
        if time.monotonic() - self._looked > 0.4:
            self._running, self._looked = self._store.now_running(), time.monotonic()
        return progress_picture(self._overview, self._running)

    def __enter__(self) -> Progress:
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
            typer.echo(f"[{self._overview.done}/{self._overview.total}] {trial_line(record)}")
