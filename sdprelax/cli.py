"""The command line: parse, call, print."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import sdprelax
from sdprelax.errors import SdprelaxError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Certified training of infinite-width two-layer ReLU networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Family(StrEnum):
    """What can be listed."""

    methods = "methods"
    datasets = "datasets"
    solvers = "solvers"
    roundings = "roundings"


class Format(StrEnum):
    """How a table can be printed."""

    table = "table"
    csv = "csv"
    latex = "latex"
    markdown = "markdown"


def _console() -> Console:
    # Piped output keeps whole lines for grep and less.
    return Console() if sys.stdout.isatty() else Console(width=180)


def _print_tightness(table: pd.DataFrame) -> None:
    from sdprelax.experiment.tables import tightness_table

    printed = Table(box=None, header_style="bold")
    for name in ("data set", "γ", "method"):
        printed.add_column(name, overflow="fold")
    for name in ("lower bound", "network", "gap", "certified", "excess", "seconds"):
        printed.add_column(name, justify="right", no_wrap=True)
    last = None
    for row in tightness_table(table).itertuples():
        problem = (row.dataset, row.gamma)
        if last is not None and problem != last:
            printed.add_section()
        last = problem
        finished = row.status in ("solved", "time limit")
        printed.add_row(
            str(row.dataset),
            f"{row.gamma:g}",
            str(row.method),
            _number(row.lower, ".6f"),
            _number(row.upper, ".6f"),
            _number(row.gap, ".1e"),
            _number(row.certified_percent, ".3f", "%"),
            _number(row.excess_percent, ".3f", "%"),
            _number(row.seconds, ".1f") if finished else str(row.status),
        )
    _console().print(printed)
    for row in table[table["message"] != ""].itertuples():
        typer.echo(f"{row.status}: {row.dataset}, gamma {row.gamma:g}, {row.method}: {row.message}")


def _number(value: Any, form: str, unit: str = "") -> str:
    return "-" if value is None or pd.isna(value) else format(value, form) + unit


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="The sweep, a YAML file.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Replace a setting, e.g. methods.sdp.solver=scs."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the trials and run nothing.")] = False,
    results: Annotated[Path, typer.Option(help="Where the sweep's own folder goes.")] = Path("results"),
    workers: Annotated[int, typer.Option(help="Processes at a time; 0 takes one per core.")] = 0,
    engine: Annotated[str, typer.Option(help="serial or processes.")] = "processes",
) -> None:
    """Run what is missing of a sweep; print its table; write tables and pictures."""
    from sdprelax.experiment.config import load_sweep
    from sdprelax.experiment.plan import plan
    from sdprelax.experiment.runner import missing_trials, run_sweep

    sweep = load_sweep(file, set_ or [])
    missing, total = missing_trials(sweep, results), len(plan(sweep))
    if dry_run:
        for trial in missing:
            typer.echo(
                f"{trial.hash}  {trial.dataset_label}  gamma={trial.gamma:g}  {trial.method_label}  #{trial.repeat}"
            )
        typer.echo(f"{len(missing)} of {total} trials would run; {total - len(missing)} are finished.")
        return
    typer.echo(f"{sweep.name}: {len(missing)} of {total} trials to run, {total - len(missing)} finished before.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(sweep.name, total=len(missing))

        def progress(record: dict[str, Any]) -> None:
            bar.advance(task)
            if not sys.stdout.isatty():
                seconds = "" if record["seconds"] is None else f" in {record['seconds']:.1f} s"
                typer.echo(
                    f"{record['status']}{seconds}: {record['dataset']} gamma={record['gamma']:g} {record['method']} "
                    f"lower={_number(record['lower'], '.8g')} upper={_number(record['upper'], '.8g')} "
                    f"{record['message']}".rstrip()
                )

        count = workers or os.cpu_count() or 1
        try:
            found = run_sweep(sweep, results, workers=count, engine_name=engine, progress=progress)
        except KeyboardInterrupt:
            typer.echo("sdprelax: interrupted; finished trials are kept, and the same command goes on.", err=True)
            raise typer.Exit(130) from None
    _print_tightness(found.table)
    typer.echo(f"table: {found.folder / 'table.csv'} (and .parquet)")
    for picture in found.pictures:
        typer.echo(f"picture: {picture} (and .pdf)")
    for sentence in found.unsound:
        typer.echo(sentence, err=True)
    if found.unsound:
        raise typer.Exit(1)


@app.command()
def show(
    results: Annotated[Path, typer.Argument(help="A sweep's folder, e.g. results/quickstart.")],
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.table,
) -> None:
    """Print the tightness table of a finished sweep."""
    from sdprelax.experiment.tables import load_table, render, tightness_table

    table = load_table(results)
    if form is Format.table:
        _print_tightness(table)
    else:
        typer.echo(render(tightness_table(table), form.value), nl=False)


@app.command("list")
def list_(
    family: Annotated[Family, typer.Argument(help="What to list.")],
) -> None:
    """List what a sweep can name, with its options, their types and defaults."""
    from sdprelax.datasets import datasets
    from sdprelax.methods import methods
    from sdprelax.rounding import roundings
    from sdprelax.solvers import solvers

    registries: dict[Family, Any] = {
        Family.methods: methods, Family.datasets: datasets, Family.solvers: solvers, Family.roundings: roundings,
    }  # fmt: skip
    registry = registries[family]
    for name in registry:
        typer.echo(f"{name}: {registry.summary(name)}")
        for option in registry.options(name):
            default = "required" if option.required else f"default {option.default!r}"
            typer.echo(f"    {option.name}: {option.type}, {default}")


@app.command("solvers")
def solvers_() -> None:
    """Say which conic solvers run on this machine, and why the others do not."""
    from sdprelax.solvers import available

    for state in available():
        verdict = "runs" if state.runs else f"does not run: {state.reason}"
        typer.echo(f"{state.name} {state.version or '-'}: {verdict}")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"sdprelax {sdprelax.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; wrong input is one sentence and exit code 2."""
    try:
        app()
    except SdprelaxError as error:
        typer.echo(f"sdprelax: {error}", err=True)
        sys.exit(2)
