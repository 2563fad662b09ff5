"""Commands that say what there is: ``list``, ``solvers``, ``schema``."""

from __future__ import annotations

import importlib
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
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
# Those of which each says which problems it takes.
TAKING = ("methods", "solvers", "roundings")
# Losses' targets in words.
TARGETS = {
    "numbers": "any numbers", "simplex": "classes, or distributions over them",
    "signs": "two classes, or of several each against the rest", "counts": "numbers ≥ 0",
}  # fmt: skip


def print_list(
    family: Annotated[
        str,
        typer.Argument(help=f"What to list: {', '.join(FAMILIES)}.", autocompletion=lambda: list(FAMILIES)),
    ],
    modules: Annotated[list[Path] | None, typer.Option(help="A Python file of your own, which is executed.")] = None,
) -> None:
    """List what a sweep or a distillation can name: options, their types and defaults, and what each takes."""
    from sdprelax.base import InputError, nearest
    from sdprelax.problem import what_is_taken

    if family not in FAMILIES:
        raise InputError(f"there is no list of '{family}': {nearest(family, FAMILIES)}.")
    if modules:
        from sdprelax.laboratory import load_modules

        load_modules(modules)
    registry: Registry[Any] = getattr(importlib.import_module(FAMILIES[family]), family)
    for name in registry:
        typer.echo(f"{name}: {registry.summary(name)}")
        for option in registry.options(name):
            default = "required" if option.required else f"default {option.default!r}"
            typer.echo(f"    {option.name}: {option.type}, {default}")
        if family in TAKING:
            typer.echo(f"    takes: {what_is_taken(registry, name)}")
        if family == "losses":
            typer.echo(f"    targets: {TARGETS[registry[name].targets]}")
    if family == "methods":
        typer.echo("A method takes no more than the solver and the roundings that it is told to use.")


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
