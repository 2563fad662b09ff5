"""Commands that say what there is: ``list``, ``solvers``, ``schema``."""

from __future__ import annotations

import importlib
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sdprelax.base import Registry

__all__ = ["print_list", "print_schema", "print_solvers"]


# What can be listed: the families of registered classes, each an attribute of its package.
FAMILIES = {
    "methods": "sdprelax.methods",
    "datasets": "sdprelax.datasets",
    "inequalities": "sdprelax.lifting.inequalities",
    "losses": "sdprelax.problem.losses",
    "activations": "sdprelax.networks.activations",
    "solvers": "sdprelax.solvers",
    "roundings": "sdprelax.rounding",
    "engines": "sdprelax.laboratory.engines",
    "teachers": "sdprelax.distillation.teachers",
    "images": "sdprelax.distillation.images",
    "distillers": "sdprelax.distillation.distillers",
}
ListedFamily = StrEnum("ListedFamily", {name: name for name in FAMILIES})  # type: ignore[misc]


def print_list(
    family: Annotated[ListedFamily, typer.Argument(help="What to list.")],
    modules: Annotated[list[Path] | None, typer.Option(help="A Python file of your own, which is executed.")] = None,
) -> None:
    """List what a sweep or a distillation can name, with its options, their types and defaults."""
    from sdprelax.laboratory import load_modules

    load_modules(modules or [])
    registry: Registry[Any] = getattr(importlib.import_module(FAMILIES[family.value]), family.value)
    for name in registry:
        typer.echo(f"{name}: {registry.summary(name)}")
        for option in registry.options(name):
            default = "required" if option.required else f"default {option.default!r}"
            typer.echo(f"    {option.name}: {option.type}, {default}")


def print_solvers() -> None:
    """Say which conic solvers run on this machine, and why the others do not."""
    from sdprelax.solvers import available

    for state in available():
        verdict = "runs" if state.runs else f"does not run: {state.reason}"
        typer.echo(f"{state.name} {state.version or '-'}: {verdict}")


class _File(StrEnum):
    SWEEP = "sweep"
    DISTILLATION = "distillation"


def print_schema(
    file: Annotated[_File, typer.Argument(help="Of a sweep (sdprelax run) or a distillation.")] = _File.SWEEP,
) -> None:
    """Print the JSON Schema of a file, for editors that complete and check YAML."""
    from sdprelax.laboratory import kinds

    typer.echo(json.dumps(kinds("training" if file is _File.SWEEP else "distillation").schema(), indent=1))
