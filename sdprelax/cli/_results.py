"""Commands on finished results: ``show``, ``collect``, ``verify``, ``compare``, ``report``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdprelax.cli._sweeps import ResultsFolder, ResultsFolders, TrustModules
from sdprelax.cli._terminal import echo

if TYPE_CHECKING:
    from sdprelax.base import Deadline

__all__ = ["collect_results", "compare_results", "plot_results", "report_results", "show_results", "verify_files"]


class Format(StrEnum):
    """How a table can be printed."""

    table = "table"
    csv = "csv"
    latex = "latex"
    markdown = "markdown"


def show_results(
    results: ResultsFolders,
    where: Annotated[
        str | None, typer.Option(metavar="CONDITION", help='Only trials for which it holds, e.g. "gamma < 0.1".')
    ] = None,
    columns: Annotated[str | None, typer.Option(metavar="A,B,...", help="Only these columns, in this order.")] = None,
    group: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Means ± standard deviations of trials that agree in these.")
    ] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="By these columns; -A: the largest first.")
    ] = None,
    trials: Annotated[
        bool, typer.Option("--trials", help="One row per trial, whose options and details are columns too.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.table,
    predictions: Annotated[
        bool, typer.Option("--predictions", help="Accuracies of every predictor of every trial instead.")
    ] = False,
) -> None:
    """Print what the trials of a sweep, or of several, come to, or how well everything predicts."""
    from sdprelax.cli import _show

    listed = _show.listed
    asked = _show.ShowOptions(where, listed(columns), listed(group), listed(sort), trials, predictions)
    _show.show(results, asked, form.value)


def collect_results(results: ResultsFolder) -> None:
    """Rebuild the tables and pictures of a sweep from its trials."""
    from sdprelax.cli._display import print_files
    from sdprelax.laboratory.results import collect

    found = collect(results)
    print_files(f"{len(found.table)} trials", found)


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
            echo(f"{finding.row} were not looked at: {finding.faults[0]}")
            continue
        rows += 1
        partly += bool(finding.notes)
        bounds += finding.bounds
        wrong += bool(finding.faults)
        for fault in finding.faults:
            echo(f"{finding.name} ({finding.row}): {fault}")
        for note in finding.notes:
            echo(f"{finding.name} ({finding.row}) was not looked at whole: {note}")
    if wrong or late:
        unseen = f"; {late} were not looked at" if late else ""
        echo(f"{wrong} of {rows} rows do not hold{unseen}; {bounds} bounds were proved again.")
        raise typer.Exit(1)
    if not rows:
        raise InputError(f"there is nothing to verify in {results}: no trial of it has ended.")
    whole = f", {partly} of them not looked at whole" if partly else ""
    echo(f"all {rows} rows hold{whole}: {bounds} bounds proved again from {source}.")


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
        ready(COVER_KERNELS, echo)  # before the clock starts
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
    from sdprelax.cli._display import print_rows
    from sdprelax.laboratory import Look, figures
    from sdprelax.laboratory.results import compare, viewed

    found = compare(a, b, _share(fail_if_worse) if fail_if_worse is not None else 0.05)
    ratio = figures(".8f")
    looks: dict[str, Look] = {
        "method": ("method", str), "trials": ("trials", figures(".0f")), "speed": ("speed", figures(".3g", unit="×")),
        "lower_ratio": ("lower bound", ratio), "upper_ratio": ("network", ratio), "worse": ("worse", figures(".0f")),
    }  # fmt: skip
    echo(f"{len(found.rows)} trials in both, {found.only_a} in {a} alone, {found.only_b} in {b} alone.")
    echo("Geometric means: speed is seconds (as reported) of the first over the second, bounds are second over first.")
    print_rows(viewed(found.by_method(), list(looks), looks).columns)
    for row in found.worse.itertuples():
        echo(f"worse: {row.problem}, {row.method} #{row.repeat}: {row.worse}")
    if fail_if_worse is not None and len(found.worse):
        raise typer.Exit(1)


def plot_results(
    kind: Annotated[
        str,
        typer.Argument(help="gap, tightness, time, profile, scaling or path; of a study fractions, errors or size."),
    ],
    results: ResultsFolders,
    out: Annotated[
        Path | None, typer.Option(help="The file to write, .pdf, .png, .svg, ...; by default KIND.png here.")
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="WIDTHxHEIGHT", help="In inches, e.g. 3.25x2.5.")] = None,
    columns: Annotated[
        int | None, typer.Option(min=1, help="Panels, or where there is one panel names of methods, beside each other.")
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(help="A style of Matplotlib's, or a style file, upon ours; colours stay those of the methods."),
    ] = None,
) -> None:
    """Draw one picture of a sweep, or of several together."""
    from sdprelax.base import InputError, nearest
    from sdprelax.laboratory.results import gather, styled, write_picture

    found = gather(results)
    if kind not in found.kind.pictures:
        raise InputError(f"there is no picture '{kind}': {nearest(kind, found.kind.pictures)}.")
    inches = None if size is None else _inches(size)
    with styled(style):
        figure = found.kind.pictures[kind](found, columns)
        if figure is None:
            raise InputError(
                f"there is nothing to draw for '{kind}' in {', '.join(map(str, results))}, or more than can be seen."
            )
        if inches is not None:
            figure.set_size_inches(inches)
        target = out or Path(f"{kind}.png")
        write_picture(target, figure)
    echo(f"picture: {target}")


def _inches(written: str) -> tuple[float, float]:
    """Return the width and height of a --size."""
    from sdprelax.base import InputError

    width, _, height = written.lower().replace("×", "x").partition("x")
    try:
        inches = float(width), float(height)
    except ValueError:
        inches = 0.0, 0.0
    if not all(0.5 <= side <= 50.0 for side in inches):
        raise InputError(f"--size {written}: write width and height in inches, of 0.5 to 50 each, such as 6.5x4.")
    return inches


def report_results(
    results: ResultsFolders,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "--output",
            help="The file to write; by default report.html in the sweep's folder, of several here.",
        ),
    ] = None,
    trust_modules: TrustModules = False,
) -> None:
    """Write one self-contained HTML file: summary, table, interactive plots, every trial with its log."""
    from sdprelax.laboratory.results import write_report

    echo(f"report: {write_report(results, output, trust_modules=trust_modules)}")


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
