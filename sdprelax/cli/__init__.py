"""The command line: parse, call, print."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

import sdprelax
from sdprelax.cli._catalogue import print_list, print_schema, print_solvers
from sdprelax.cli._certify import certify_network, print_gamma_max
from sdprelax.cli._results import collect_results, compare_results, report_results, show_results, verify_files
from sdprelax.cli._sweeps import print_status, rerun_trial, run_sweeps

__all__ = ["app", "main"]

app = typer.Typer(
    help="Certified training of infinite-width two-layer ReLU networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# In the order in which --help lists them.
VERBS: dict[str, Callable[..., Any]] = {
    "run": run_sweeps,
    "status": print_status,
    "rerun": rerun_trial,
    "distill": run_sweeps,
    "certify": certify_network,
    "gamma-max": print_gamma_max,
    "show": show_results,
    "collect": collect_results,
    "verify": verify_files,
    "compare": compare_results,
    "report": report_results,
    "list": print_list,
    "solvers": print_solvers,
    "schema": print_schema,
}
for verb, command in VERBS.items():
    app.command(verb)(command)


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
    for stream in (sys.stdout, sys.stderr):
        # A terminal without γ gets a question mark.
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except Exception as error:
        # What --help and --version do not need is not imported for them.
        from sdprelax.base import SdprelaxError

        if not isinstance(error, SdprelaxError):
            raise
        typer.echo(f"sdprelax: {error}", err=True)
        sys.exit(2)
