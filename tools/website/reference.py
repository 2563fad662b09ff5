"""Directives of the reference: public names of the package, of its rooms, and the entries of its registries."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import sdprelax
from sdprelax.cli._catalogue import FAMILIES
from website.docstrings import plain, restructured

STUB = Path(sdprelax.__file__).with_suffix(".pyi")
# The room that each name of the package itself comes from.
ROOMS = {
    alias.name: str(node.module)
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}
ROLE = re.compile(rf"(:\w+:`)~?sdprelax\.({'|'.join(ROOMS)})`")


class PublicNames(SphinxDirective):
    """What ``import sdprelax`` gives, room by room, with the first sentence about each."""

    def run(self) -> list[nodes.Node]:
        """Read the names from the package's stub."""
        self.env.note_dependency(str(STUB))
        lines: list[str] = []
        for room, names in itertools.groupby(ROOMS, key=ROOMS.__getitem__):
            lines += ["", f":py:mod:`sdprelax.{room}`", ""]
            for name in names:
                said = (getattr(sdprelax, name).__doc__ or "").strip().split("\n")[0]
                lines.append(f"* :py:obj:`~sdprelax.{room}.{name}`: {plain(said)}")
        return self.parse_text_to_nodes("\n".join(lines))


def _in_rooms(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Let roles that name what the package itself gives, :class:`sdprelax.Problem`, lead to the room's page."""
    lines[:] = [ROLE.sub(lambda found: f"{found[1]}~sdprelax.{ROOMS[found[2]]}.{found[2]}`", line) for line in lines]


class RegisteredNames(SphinxDirective):
    """Every entry of every registry with its options, a section for each registry."""

    def run(self) -> list[nodes.Node]:
        """Read entries and options from the registries, as ``sdprelax list`` does."""
        return self.parse_text_to_nodes("\n".join(self._described()), allow_section_headings=True)

    @staticmethod
    def _described() -> Iterator[str]:
        for family, package in FAMILIES.items():
            registry = getattr(importlib.import_module(package), family)
            yield from (family.capitalize(), "-" * len(family), "")
            for name in registry:
                said, _, _ = (inspect.getdoc(registry[name]) or "").partition("\nParameters\n---")
                yield from (f"``{name}``", "~" * (len(name) + 4), "", *restructured(said.split("\n")))
                for option in registry.options(name):
                    default = "required" if option.required else f"default ``{option.default!r}``"
                    yield f"``{option.name}``: {plain(option.type)}, {default}"
                    yield from (f"    {plain(option.meaning)}", "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.connect("autodoc-process-docstring", _in_rooms)
    app.add_directive("public-names", PublicNames)
    app.add_directive("registered-names", RegisteredNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
