"""``init``: a commented sweep to start from, out of the installed package."""

from __future__ import annotations

import importlib.util
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
    import yaml

    from sdprelax.base import InputError, storing, write_whole

    original = template.name
    name = original if name is None else name
    if not re.fullmatch(r"[A-Za-z_][\w.-]*", name, re.ASCII) or name.endswith((".yaml", ".py")):
        raise InputError(
            f"'{name}' is no name of a sweep: a letter first, then letters, digits, '_', '-' and '.', without the "
            "ending .yaml, such as my-sweep."
        )
    templates = files("sdprelax.cli").joinpath("templates").iterdir()
    sources = {Path(part.name).suffix: part for part in templates if Path(part.name).stem == original}
    if ".py" in sources and name != original and importlib.util.find_spec(name.partition(".")[0]) is not None:
        raise InputError(f"{name}.py would hide Python's module '{name.partition('.')[0]}'; give another name.")
    written = {Path(name + suffix): source.read_text(encoding="utf-8") for suffix, source in sorted(sources.items())}
    for path in written:
        if path.is_dir():
            raise InputError(f"{path} is a folder; give another name.")
        if path.exists() and not force:
            raise InputError(f"{path} exists; give another name, or --force to overwrite it.")
    # What YAML would not read as text, such as true, is quoted.
    quoted = yaml.safe_dump(name).splitlines()[0]
    for path, text in written.items():
        named = re.sub(rf"^name: {original}$", f"name: {quoted}", text, flags=re.MULTILINE)
        named = re.sub(rf"(?:experiments/)?\b{original}\.(yaml|py)\b", rf"{name}.\1", named)
        with storing(path):
            write_whole(path, named.encode())
        typer.echo(f"written: {path}")
    first = "put the path and the target of your table into it, then " if template is Template.own_data else ""
    typer.echo(f"next: {first}sdprelax run {name}.yaml   (--dry-run prints the plan)")
