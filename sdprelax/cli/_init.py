"""``init``: a commented sweep to start from, out of the installed package, or over a table at hand."""

from __future__ import annotations

import importlib.util
import json
import re
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdprelax.cli._terminal import echo

if TYPE_CHECKING:
    from sdprelax.datasets import Guess

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
        Template | None,
        typer.Option(
            help="quickstart: real and synthetic data; tightness: the relaxation over cones; solvers: which one, and "
            "which form; own-data: a table of yours; own-method: training in a Python file of yours."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="A CSV file of yours to write own-data over; what is guessed of it stands in comments."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column of --data that is predicted.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write a commented sweep to start from, NAME.yaml, into this directory."""
    import yaml

    from sdprelax.base import InputError, storing, write_whole

    if target is not None and data is None:
        raise InputError("--target names a column of a table: give the table with --data.")
    if data is not None and template not in (None, Template.own_data):
        raise InputError(f"--data goes with the template own-data, not with {template}.")
    template = template or (Template.quickstart if data is None else Template.own_data)
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
    over = None if data is None else _over(data, target)
    for path, text in written.items():
        named = re.sub(rf"^name: {original}$", f"name: {quoted}", text, flags=re.MULTILINE)
        named = named.replace(f"results/{original}/", f"results/{name}/")
        named = re.sub(rf"(?:experiments/)?\b{original}\.(yaml|py)\b", rf"{name}.\1", named)
        if over is not None:
            named = re.sub(r"(?s)  - file:\n.*?(?=^gamma:)", lambda _: over, named, flags=re.MULTILINE)
        with storing(path):
            write_whole(path, named.encode())
        echo(f"written: {path}")
    own = template is Template.own_data
    first = (
        "look over what was guessed, " if over else "put the path and the target of your table into it, " if own else ""
    )
    echo(f"next: {first}{'then ' if first else ''}sdprelax run {name}.yaml   (--dry-run prints the plan)")


def _over(data: Path, target: str | None) -> str:
    """Return the entry of a sweep's list of data sets for a table, with what was guessed of it in comments.

    Raises
    ------
    InputError: the table cannot be read, or not be used as it is.
    """
    from sdprelax.base import InputError
    from sdprelax.datasets import datasets, guess_options

    guess = guess_options(data, target)
    try:
        datasets.create("file", guess.options).load()
    except InputError as error:
        raise InputError(f"no sweep is written: {error}") from None
    return "  - file:\n" + "".join(f"{line}\n" for line in _commented(guess))


def _commented(guess: Guess) -> list[str]:
    """Return the lines of options, each with its reason."""
    lines = []
    for option, value in guess.options.items():
        if option == "drop":
            lines.append(("drop:", "left out:"))
            lines += [(f"  - {_scalar(name)}", guess.dropped[name]) for name in value]
        else:
            lines.append((f"{option}: {_scalar(value)}", guess.reasons.get(option, "")))
    width = max(len(line) for line, _ in lines)
    # A name of a column may go over several lines.
    said = [(line.ljust(width), " ".join(why.split())) for line, why in lines]
    return [f"      {line}  # {why}" if why else f"      {line.rstrip()}" for line, why in said]


def _scalar(value: Any) -> str:
    """Return a value as YAML has it: in quotes where it has marks, or would be taken for another thing."""
    plain = isinstance(value, str) and re.fullmatch(
        r"(?!(?:true|false|null|yes|no|on|off|y|n)$)[A-Za-z][\w./-]*", value, re.I
    )
    return value if plain else json.dumps(value, ensure_ascii=False)
