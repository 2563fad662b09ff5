"""``init``: a commented sweep to start from, out of the installed package."""

from __future__ import annotations

import re
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["write_sweep"]


class Template(StrEnum):
    """What a sweep can start from."""

    quickstart = "quickstart"
    tightness = "tightness"
    solvers = "solvers"
    own_data = "own-data"
    own_method = "own-method"


def write_sweep(
    name: Annotated[str | None, typer.Argument(help="Of the sweep and of its file; by default the template's.")] = None,
    template: Annotated[
        Template,
        typer.Option(
            help="quickstart: real and synthetic data; tightness: the relaxation over cones; solvers: which one, and "
            "which form; own-data: a table of yours; own-method: training in a Python file of yours."
        ),
    ] = Template.quickstart,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write a commented sweep to start from, NAME.yaml, into this directory."""
    from sdprelax.base import InputError, write_whole

    original = template.name
    name = name or original
    if not re.fullmatch(r"\w[\w.-]*", name) or name.endswith((".yaml", ".py")):
        raise InputError(f"'{name}' is no name of a sweep: letters, digits, '_', '-' and '.', such as my-sweep.")
    templates = files("sdprelax.cli").joinpath("templates").iterdir()
    sources = {Path(part.name).suffix: part for part in templates if Path(part.name).stem == original}
    written = {Path(name + suffix): source.read_text(encoding="utf-8") for suffix, source in sorted(sources.items())}
    for path in written:
        if path.exists() and not force:
            raise InputError(f"{path} exists; give another name, or --force to overwrite it.")
    for path, text in written.items():
        named = re.sub(rf"^name: {original}$", f"name: {name}", text, flags=re.MULTILINE)
        write_whole(path, re.sub(rf"(?:experiments/)?\b{original}\.(yaml|py)\b", rf"{name}.\1", named).encode())
        typer.echo(f"written: {path}")
    typer.echo(f"next: sdprelax run {name}.yaml   (--dry-run prints the plan)")
