"""Commands that say what there is: ``list``, ``solvers``, ``schema``."""

from __future__ import annotations

import importlib
import json
import textwrap
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdprelax.cli._terminal import echo

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
# Where a file names an entry of a family: keys, and None for an item of a list. Solvers, roundings and inequalities are
# options of a method.
PLACES: dict[str, tuple[str | None, ...]] = {
    "methods": ("methods", None),
    "datasets": ("datasets", None),
    "inequalities": ("methods", None, "sdp"),
    "losses": ("loss",),
    "activations": ("activation",),
    "solvers": ("methods", None, "sdp"),
    "roundings": ("methods", None, "sdp"),
    "engines": ("engine",),
    "teachers": ("teacher",),
    "images": ("images",),
    "distillers": ("distillers", None),
}
# What stands for an option that has no default.
REQUIRED = "..."
WIDTH, INDENT = 100, " " * 8
# Losses' targets in words.
TARGETS = {
    "numbers": "any numbers", "simplex": "classes, or distributions over them",
    "signs": "two classes, or of several each against the rest", "counts": "numbers ≥ 0",
}  # fmt: skip


def print_list(
    name: Annotated[
        str,
        typer.Argument(
            help=f"What to list, {', '.join(FAMILIES)}; or one entry, such as sdp, with the meaning of its options.",
            autocompletion=lambda: list(FAMILIES),
        ),
    ],
    modules: Annotated[list[Path] | None, typer.Option(help="A Python file of your own, which is executed.")] = None,
) -> None:
    """List what a sweep or a distillation can name: options, their types and defaults, and what each takes."""
    from sdprelax.base import InputError, nearest

    if modules:
        from sdprelax.laboratory import load_modules

        load_modules(modules)
    if name in FAMILIES:
        registry = _registry(name)
        for entry in registry:
            _print_entry(name, registry, entry)
        if name == "methods":
            echo("A method takes no more than the solver and the roundings that it is told to use.")
        return
    # A name can be in several families: convex_relu is a method, and a distiller.
    found = [(family, registry) for family in FAMILIES if name.lower() in (registry := _registry(family))]
    if not found:
        known = {entry for family in FAMILIES for entry in _registry(family)} | FAMILIES.keys()
        raise InputError(f"there is no list of '{name}', and nothing of that name: {nearest(name, known)}.")
    for k, (family, registry) in enumerate(found):
        echo("\n" * (k > 0) + registry.kind, nl=False)
        _print_entry(family, registry, registry.canonical(name), whole=True)


def _registry(family: str) -> Registry[Any]:
    found: Registry[Any] = getattr(importlib.import_module(FAMILIES[family]), family)
    return found


def _print_entry(family: str, registry: Registry[Any], name: str, whole: bool = False) -> None:
    """Print an entry of a family with its options; whole, with their meaning and a snippet of YAML."""
    from sdprelax.problem import what_is_taken

    echo(f"{' ' * whole}{name}: {registry.summary(name)}")
    for option in registry.options(name):
        default = "required" if option.required else f"default {option.default!r}"
        echo(f"    {option.name}: {option.type}, {default}")
        if whole and option.meaning:
            echo(
                textwrap.fill(option.meaning.replace("``", ""), WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
            )
    if family in TAKING:
        echo(f"    takes: {what_is_taken(registry, name)}")
    if family == "losses":
        echo(f"    targets: {TARGETS[registry[name].targets]}")
    if whole:
        echo(f"in a file:\n{textwrap.indent(_snippet(family, registry, name), '    ')}")


def _snippet(family: str, registry: Registry[Any], name: str) -> str:
    """Return YAML that names an entry, with its options at their defaults, in the place where a file takes it."""
    import yaml

    from sdprelax.lifting.inequalities import STANDARD

    options = {option.name: REQUIRED if option.required else option.default for option in registry.options(name)}
    place = PLACES[family]
    entry: Any = {name: options} if options else name
    if family in ("solvers", "roundings"):
        entry = {registry.kind: name, f"{registry.kind}_options": options}
    if family == "inequalities":
        entry = {"inequalities": [*STANDARD, entry], **({"sectors": 8} if registry[name].of_sectors else {})}
        if name in STANDARD:
            entry = {"inequalities": list(STANDARD)}
    for key in reversed(place):
        entry = [entry] if key is None else {key: entry}
    text: str = yaml.safe_dump(entry, sort_keys=False, allow_unicode=True, width=WIDTH)
    return text.rstrip()


def print_solvers() -> None:
    """Say which conic solvers run on this machine, and why the others do not."""
    from sdprelax.solvers import available

    for state in available():
        verdict = "runs" if state.runs else f"does not run: {state.reason}"
        echo(f"{state.name} {state.version or '-'}: {verdict}")


class _File(StrEnum):
    SWEEP = "sweep"
    DISTILLATION = "distillation"


def print_schema(
    file: Annotated[_File, typer.Argument(help="Of a sweep (sdprelax run) or a distillation.")] = _File.SWEEP,
) -> None:
    """Print the JSON Schema of a file, for editors that complete and check YAML."""
    from sdprelax.laboratory import kinds

    echo(json.dumps(kinds("training" if file is _File.SWEEP else "distillation").schema(), indent=1))
