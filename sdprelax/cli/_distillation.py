"""The command ``distill``: blocks of a trained network, replaced by students."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from sdprelax.cli._display import console, duration, marked, number
from sdprelax.cli._sweeps import SOME_FAILED

if TYPE_CHECKING:
    from sdprelax.distillation.study.runner import Prepared, StudyResults
    from sdprelax.distillation.study.runs import Run
    from sdprelax.lasso import Stage

__all__ = ["print_summary", "run_study_file"]


def run_study_file(
    file: Annotated[Path, typer.Argument(help="The study, a YAML file.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Replace a setting, e.g. distillers.gated_relu.gates=8."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs; run nothing.")] = False,
    results: Annotated[Path, typer.Option(help="Where the study's own folder goes.")] = Path("results"),
    retry: Annotated[
        list[str] | None, typer.Option(help="Run those of a status once more: failed, or 'time limit'.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run everything once more.")] = False,
) -> None:
    """Replace blocks of a trained network by students; write tables and a report. Exit code 3 if runs failed."""
    from sdprelax.distillation.study.config import load_study
    from sdprelax.distillation.study.runner import prepare, run_study

    try:
        study = load_study(file, set_ or [])
        prepared = prepare(study, results, retry=retry or [], force=force, keep=not dry_run)
        if dry_run:
            _print_plan(prepared)
            return
        total, count = len(prepared.runs), len(prepared.missing)
        typer.echo(f"{study.name}: {count} of {total} runs to do, {total - count} finished before.")
        with _Shown() as shown:
            found = run_study(prepared, shown)
    except KeyboardInterrupt:
        typer.echo("sdprelax: interrupted; finished runs are kept, and the same command goes on.", err=True)
        raise typer.Exit(130) from None
    if not _print_results(found):
        raise typer.Exit(SOME_FAILED)


def _print_plan(prepared: Prepared) -> None:
    missing = {run.hash for run in prepared.missing}
    for run in prepared.runs:
        typer.echo(f"{'to do   ' if run.hash in missing else 'finished'} {run.hash} {run.sentence}")
    done = len(prepared.runs) - len(missing)
    typer.echo(f"{len(missing)} of {len(prepared.runs)} runs would be done; {done} are finished.")


def _print_results(found: StudyResults) -> bool:
    """Print what came of a study; say whether every run came to an end."""
    print_summary(found.table)
    failed = found.table[found.table["status"] == "error"]
    typer.echo(f"table: {found.folder / 'table.csv'} (and .parquet)")
    for picture in found.pictures:
        typer.echo(f"picture: {picture} (and .pdf)")
    typer.echo(f"report: {found.report}")
    if len(failed):
        typer.echo(f"{len(failed)} of {len(found.table)} runs failed; --retry failed runs them once more.")
    return not len(failed)


def print_summary(table: pd.DataFrame) -> None:
    """Print what every distiller's runs on the most pictures come to, and what was said of runs that failed."""
    from sdprelax.distillation.study.tables import summary

    found = summary(table)
    printed = Table(box=None, header_style="bold")
    for name in ("block", "distiller"):
        printed.add_column(name, overflow="fold")
    for name in (
        "parameters", "program gap", "activation error", "agreement", "accuracy", "teacher", "multiply-adds", "latency",
    ):  # fmt: skip
        printed.add_column(name, justify="right")
    mark = marked(printed, found, "finished")
    last = None
    for row in found.itertuples():
        if last is not None and row.block != last:
            printed.add_section()
        last = row.block
        deviation = "" if pd.isna(row.accuracy_deviation) else f" ± {100.0 * float(row.accuracy_deviation):.1f}"
        printed.add_row(
            str(row.block), str(row.distiller), f"{row.parameters:,.0f} ({_percent(row.parameters_share)})",
            number(row.program_gap, ".1e"), number(row.activation_error, ".1e"), _percent(row.agreement),
            _percent(row.accuracy, deviation), _percent(row.teacher_accuracy), _percent(row.multiply_adds_share),
            _percent(row.latency_share), *mark(row.status),
        )  # fmt: skip
    console().print(printed)
    typer.echo(
        "on the most pictures, means over repeats (accuracy ± standard deviation); multiply-adds and latency of one "
        "input as shares of the block's. Gaps are proved, and parameters counted, again by sdprelax verify; all "
        "else is reported."
    )
    for row in table[table["message"] != ""].itertuples():
        words = f"{row.block} {row.distiller}".strip()
        typer.echo(f"{row.status}: {words}, fraction {row.fraction:g} #{row.repeat}: {row.message}")


def _percent(share: Any, deviation: str = "") -> str:
    return "-" if share is None or pd.isna(share) else f"{100.0 * share:.1f}{deviation}%"


def _line(record: dict[str, Any]) -> str:
    """Return a finished run as one line."""
    seconds = f" in {duration(record['seconds'])}" if record.get("seconds") is not None else ""
    words = f"{record['block']} {record['distiller']} fraction={record['fraction']:g} repeat={record['repeat']}"
    if record["status"] == "error":
        return f"error: {words.strip()} {record['message']}"
    figures = {"program_gap": (record["program_gap"], ".1e"), "error": (record["activation_error"], ".2e")}
    said = "".join(f" {name}={number(value, form)}" for name, (value, form) in figures.items() if value is not None)
    accuracy = "" if record["accuracy"] is None else f" accuracy={_percent(record['accuracy'])}"
    return f"{record['status']}{seconds}: {words.strip()}{said} agreement={_percent(record['agreement'])}{accuracy}"


class _Shown:
    """Shows a study while it runs: bars on a terminal, a line for each run elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)), BarColumn(20),
            MofNCompleteColumn(), TimeRemainingColumn(), console=console(), transient=True, expand=True,
            disable=not self._live,
        )  # fmt: skip
        self._runs = self._progress.add_task("runs", visible=False, total=None)
        self._part = self._progress.add_task("", visible=False, total=None)

    def __enter__(self) -> _Shown:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def collecting(self, block: str, pictures: int) -> Callable[[int], None]:
        """Show how many pictures went through the teacher."""
        self._begin(f"activations of {block}: pictures", pictures)
        return lambda done: self._progress.update(self._part, completed=done)

    def running(self, number: int, count: int, run: Run) -> Stage:
        """Show which run goes on, and its passes."""
        self._progress.update(
            self._runs, description=f"run {number} of {count}: {run.sentence}", completed=number - 1, total=count,
            visible=True,
        )  # fmt: skip
        self._progress.update(self._part, visible=False)

        def stage(what: str, rows: int) -> Callable[[int], None]:
            self._begin(f"{what}: rows", rows)
            return lambda done: self._progress.advance(self._part, done)

        return stage

    def finished(self, number: int, count: int, record: dict[str, Any]) -> None:
        """Show that a run has ended."""
        self._progress.update(self._runs, completed=number)
        if not self._live:
            typer.echo(f"[{number}/{count}] {_line(record)}")

    def _begin(self, what: str, total: int) -> None:
        self._progress.reset(self._part, description=what, total=total, visible=True)
