"""The command line: parse, call, print."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

import sdprelax
from sdprelax.base import SdprelaxError
from sdprelax.cli import _catalogue as catalogue
from sdprelax.cli import _distillation as distillation
from sdprelax.cli import _results as results
from sdprelax.cli import _sweeps as sweeps

__all__ = ["app", "main"]

app = typer.Typer(
    help="Certified training of infinite-width two-layer ReLU networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for module in (sweeps, distillation, results, catalogue):
    app.registered_commands += module.app.registered_commands


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
    except SdprelaxError as error:
        typer.echo(f"sdprelax: {error}", err=True)
        sys.exit(2)
