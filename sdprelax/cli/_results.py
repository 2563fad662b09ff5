"""Commands on finished results: ``show``, ``collect``, ``verify``, ``compare``, ``report``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdprelax.cli._sweeps import ResultsFolder, TrustModules

if TYPE_CHECKING:
    from sdprelax.base import Deadline

__all__ = ["collect_results", "compare_results", "report_results", "show_results", "verify_files"]


class Format(StrEnum):
    """How a table can be printed."""

    table = "table"
    csv = "csv"
    latex = "latex"
    markdown = "markdown"


def show_results(
    results: ResultsFolder,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.table,
    predictions: Annotated[
        bool, typer.Option("--predictions", help="Accuracies of every predictor of every trial instead.")
    ] = False,
) -> None:
    """Print what the trials of a sweep come to, or how well everything predicts."""
    from sdprelax.base import InputError
    from sdprelax.cli._display import print_predictions, print_summary
    from sdprelax.laboratory import Store, kind_of_store
    from sdprelax.laboratory.results import load_table, origins, render
    from sdprelax.laboratory.training import predictions_summary

    kind = kind_of_store(Store(results))
    if predictions and "predictions" not in kind.tables([]):
        raise InputError(
            f"{results} has no table of predictions; what its trials come to is shown without that option."
        )
    table = load_table(results, "predictions" if predictions else "table")
    shown = predictions_summary(table) if predictions else kind.summary(table)
    if form is Format.table and predictions:
        print_predictions(kind, shown)
    elif form is Format.table:
        print_summary(kind, table)
    else:
        typer.echo(render(shown, form.value), nl=False)
        if form is not Format.csv:
            typer.echo(f"{'% ' if form is Format.latex else chr(10)}{origins(kind.origins, shown.columns)}")


def collect_results(results: ResultsFolder) -> None:
    """Rebuild the tables and pictures of a sweep from its trials."""
    from sdprelax.laboratory.results import collect

    found = collect(results)
    typer.echo(f"{len(found.table)} trials: {found.folder / 'table.csv'} (and .parquet)")
    for picture in found.pictures:
        typer.echo(f"picture: {picture} (and .pdf)")


def verify_files(
    results: ResultsFolder,
    trust_modules: TrustModules = False,
    time_limit: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="Time for all rows, e.g. 600 or 10min; without it, no limit.")
    ] = None,
) -> None:
    """Prove every certificate and evaluate every network again; exit code 1 if a row does not hold."""
    from sdprelax.base import InputError
    from sdprelax.laboratory import Store, kind_of_store
    from sdprelax.laboratory.results import audit

    deadline, source = _deadline(time_limit), kind_of_store(Store(results)).source
    rows = bounds = wrong = partly = 0
    late = ""
    for finding in audit(results, trust_modules=trust_modules, deadline=deadline):
        if finding.late:
            late = finding.row
            typer.echo(f"{finding.row} were not looked at: {finding.faults[0]}")
            continue
        rows += 1
        partly += bool(finding.notes)
        bounds += finding.bounds
        wrong += bool(finding.faults)
        for fault in finding.faults:
            typer.echo(f"{finding.name} ({finding.row}): {fault}")
        for note in finding.notes:
            typer.echo(f"{finding.name} ({finding.row}) was not looked at whole: {note}")
    if wrong or late:
        unseen = f"; {late} were not looked at" if late else ""
        typer.echo(f"{wrong} of {rows} rows do not hold{unseen}; {bounds} bounds were proved again.")
        raise typer.Exit(1)
    if not rows:
        raise InputError(f"there is nothing to verify in {results}: no trial of it has ended.")
    whole = f", {partly} of them not looked at whole" if partly else ""
    typer.echo(f"all {rows} rows hold{whole}: {bounds} bounds proved again from {source}.")


def _deadline(written: str | None) -> Deadline:
    """Return the deadline of a --time-limit.

    Raises
    ------
    InputError: the limit is not a time such as 10min.
    """
    from sdprelax.base import Deadline, InputError, ready
    from sdprelax.certificate import COVER_KERNELS
    from sdprelax.laboratory import SECONDS, in_units

    if written is None:
        return Deadline()
    try:
        seconds = in_units(written, SECONDS)
        ready(COVER_KERNELS, typer.echo)  # before the clock starts
        return Deadline(seconds)
    except ValueError:
        raise InputError(f"--time-limit {written}: write seconds, or a number with s, min, h or d.") from None


def compare_results(
    a: Annotated[Path, typer.Argument(help="A sweep's folder.")],
    b: Annotated[Path, typer.Argument(help="Another, to hold against it.")],
    fail_if_worse: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Exit with 1 if anything is worse by more, e.g. 5%.")
    ] = None,
) -> None:
    """Join two results on problem and method: speed and bounds as ratios, and what got worse."""
    from rich.table import Table

    from sdprelax.cli._display import console
    from sdprelax.laboratory import figures
    from sdprelax.laboratory.results import compare

    found = compare(a, b, _share(fail_if_worse) if fail_if_worse is not None else 0.05)
    printed = Table(box=None, header_style="bold")
    for name in ("method", "trials", "speed", "lower bound", "network", "worse"):
        printed.add_column(name, justify="left" if name == "method" else "right")
    for row in found.by_method().itertuples():
        bounds = map(figures(".8f"), (row.lower_ratio, row.upper_ratio))
        speed = figures(".3g", unit="×")(row.speed)
        printed.add_row(str(row.method), str(row.trials), speed, *bounds, str(row.worse))
    typer.echo(f"{len(found.rows)} trials in both, {found.only_a} in {a} alone, {found.only_b} in {b} alone.")
    typer.echo(
        "Geometric means: speed is seconds (as reported) of the first over the second, bounds are second over first."
    )
    console().print(printed)
    for row in found.worse.itertuples():
        typer.echo(f"worse: {row.problem}, {row.method} #{row.repeat}: {row.worse}")
    if fail_if_worse is not None and len(found.worse):
        raise typer.Exit(1)


def report_results(
    results: ResultsFolder,
    output: Annotated[Path | None, typer.Option(help="The file to write; by default report.html there.")] = None,
    trust_modules: TrustModules = False,
) -> None:
    """Write one self-contained HTML file: summary, table, interactive plots, every trial with its log."""
    from sdprelax.laboratory.results import write_report

    typer.echo(f"report: {write_report(results, output, trust_modules=trust_modules)}")


def _share(written: str) -> float:
    """Return ``5%`` or ``0.05`` as 0.05."""
    from sdprelax.base import InputError

    try:
        share = float(written.removesuffix("%")) / (100.0 if written.endswith("%") else 1.0)
    except ValueError:
        share = -1.0
    if not 0.0 <= share < float("inf"):
        raise InputError(f"--fail-if-worse {written}: write a percentage such as 5%.")
    return share
