"""Commands that say what there is: ``list``, ``solvers``, ``schema``."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

__all__ = ["app"]

app = typer.Typer()


class Family(StrEnum):
    """What can be listed."""

    methods = "methods"
    datasets = "datasets"
    solvers = "solvers"
    roundings = "roundings"
    engines = "engines"
    teachers = "teachers"
    images = "images"
    distillers = "distillers"


@app.command("list")
def list_(
    family: Annotated[Family, typer.Argument(help="What to list.")],
) -> None:
    """List what a sweep or a distillation can name, with its options, their types and defaults."""
    from sdprelax.datasets import datasets
    from sdprelax.distillation.distillers import distillers
    from sdprelax.distillation.images import images
    from sdprelax.distillation.teachers import teachers
    from sdprelax.laboratory.engines import engines
    from sdprelax.methods import methods
    from sdprelax.rounding import roundings
    from sdprelax.solvers import solvers

    registries: dict[Family, Any] = {
        Family.methods: methods, Family.datasets: datasets, Family.solvers: solvers, Family.roundings: roundings,
        Family.engines: engines, Family.teachers: teachers, Family.images: images, Family.distillers: distillers,
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


class _File(StrEnum):
    SWEEP = "sweep"
    DISTILLATION = "distillation"


@app.command("schema")
def schema_(
    file: Annotated[_File, typer.Argument(help="Of a sweep (sdprelax run) or a distillation.")] = _File.SWEEP,
) -> None:
    """Print the JSON Schema of a file, for editors that complete and check YAML."""
    if file is _File.SWEEP:
        from sdprelax.laboratory import schema
    else:
        from sdprelax.distillation.study.config import schema
    typer.echo(json.dumps(schema(), indent=1))
