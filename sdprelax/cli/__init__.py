"""The command line: parse, call, print."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import typer

import sdprelax
from sdprelax.cli._catalogue import print_list, print_schema, print_solvers
from sdprelax.cli._certify import certify_network, print_gamma_max
from sdprelax.cli._init import write_sweep
from sdprelax.cli._predict import export_network, predict_rows
from sdprelax.cli._results import (
    collect_results,
    compare_results,
    plot_results,
    report_results,
    show_results,
    verify_files,
)
from sdprelax.cli._sweeps import print_status, rerun_trial, run_sweeps
from sdprelax.cli._terminal import echo, install_spelling

__all__ = ["app", "main"]

app = typer.Typer(
    help="Certified training of infinite-width two-layer ReLU networks.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
    pretty_exceptions_enable=False,
)


class Verb(NamedTuple):
    """A command, the group that --help lists it in, and calls of it."""

    command: Callable[..., Any]
    group: str
    examples: tuple[str, ...]


START, SWEEPS, RESULTS, MODELS = "Start", "Sweeps", "Results", "Networks and data of yours"
# In the order in which --help lists them.
VERBS = {
    "init": Verb(write_sweep, START, ("sdprelax init", "sdprelax init mine --data table.csv --target outcome")),
    "list": Verb(print_list, START, ("sdprelax list methods", "sdprelax list sdp")),
    "solvers": Verb(print_solvers, START, ("sdprelax solvers", "sdprelax list solvers")),
    "schema": Verb(print_schema, START, ("sdprelax schema > sweep.schema.json", "sdprelax schema distillation")),
    "run": Verb(
        run_sweeps,
        SWEEPS,
        ("sdprelax run quickstart.yaml --dry-run", "sdprelax run mine.yaml --set gamma=[0.1,1] --workers 2"),
    ),
    "distill": Verb(
        run_sweeps, SWEEPS, ("sdprelax distill digits.yaml", "sdprelax distill digits.yaml --retry failed")
    ),
    "status": Verb(print_status, SWEEPS, ("sdprelax status results/mine", "sdprelax status results/mine --watch")),
    "rerun": Verb(rerun_trial, SWEEPS, ("sdprelax rerun 3f9a", "sdprelax rerun 3f9a --results elsewhere")),
    "show": Verb(
        show_results,
        RESULTS,
        (
            "sdprelax show results/mine --where 'gamma < 0.1 and status == \"solved\"' --format latex",
            "sdprelax show results/mine --group method,gamma --columns gap,seconds --sort gap",
        ),
    ),
    "plot": Verb(
        plot_results,
        RESULTS,
        ("sdprelax plot gap results/mine --out gap.pdf --size 3.25x2.5", "sdprelax plot path results/a results/b"),
    ),
    "report": Verb(
        report_results,
        RESULTS,
        ("sdprelax report results/mine", "sdprelax report results/a results/b --out both.html"),
    ),
    "verify": Verb(
        verify_files, RESULTS, ("sdprelax verify results/mine", "sdprelax verify results/mine --time-limit 10min")
    ),
    "compare": Verb(
        compare_results,
        RESULTS,
        ("sdprelax compare results/old results/new", "sdprelax compare results/old results/new --fail-if-worse 5%"),
    ),
    "collect": Verb(collect_results, RESULTS, ("sdprelax collect results/mine", "sdprelax collect elsewhere/mine")),
    "predict": Verb(
        predict_rows,
        MODELS,
        ("sdprelax predict results/mine new.csv", "sdprelax predict 3f9a new.csv --out predicted.csv"),
    ),
    "export": Verb(
        export_network,
        MODELS,
        ("sdprelax export results/mine network.onnx", "sdprelax export 3f9a network.pt --single"),
    ),
    "certify": Verb(
        certify_network,
        MODELS,
        (
            "sdprelax certify network.onnx --data train.csv --target species --gamma 0.1",
            "sdprelax certify model.pt --data train.npz --loss cross_entropy --weight-decay 0.01",
        ),
    ),
    "gamma-max": Verb(
        print_gamma_max,
        MODELS,
        ("sdprelax gamma-max train.csv --target species", "sdprelax gamma-max train.npz --loss huber --bias"),
    ),
}
for name, verb in VERBS.items():
    examples = "Examples:\n\n" + "\n\n".join(f"  {example}" for example in verb.examples)
    app.command(name, rich_help_panel=verb.group, epilog=examples)(verb.command)


def _version(value: bool) -> None:
    if value:
        echo(f"sdprelax {sdprelax.__version__}")
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
    install_spelling()
    try:
        app()
    except Exception as error:
        # What --help and --version do not need is not imported for them.
        from sdprelax.base import SdprelaxError

        if not isinstance(error, SdprelaxError):
            raise
        echo(f"sdprelax: {error}", err=True)
        sys.exit(2)
