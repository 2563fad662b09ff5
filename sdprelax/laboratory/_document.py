"""A YAML file, with those that it includes, together with the line on which each of its keys stands."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sdprelax.base import InputError

__all__ = ["Document", "Path_", "parsed", "read_document"]

Path_ = tuple[Hashable, ...]

# Far beyond any file of settings that a person writes.
DEEPEST = 40
MOST_PARTS = 300_000


class _Loader(yaml.SafeLoader):
    """Plain YAML whose words and numbers are those of YAML 1.2.

    In YAML 1.1, PyYAML's own, ``no`` is false, ``010`` is 8, ``24:00:00`` is 86400 and ``1e-3`` is text. Here the first
    three are text, which is then refused where a number belongs, and the last is a number.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._open: list[str] = []

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next node, unless it is too deep or stands in itself."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._open:
            raise yaml.composer.ComposerError(None, None, f"'*{event.anchor}' stands in itself", mark)
        if self._depth > DEEPEST:
            problem = f"it is nested more than {DEEPEST} levels deep"
            raise yaml.composer.ComposerError(None, None, problem, mark)
        anchor = None if isinstance(event, yaml.AliasEvent) else getattr(event, "anchor", None)
        self._depth += 1
        self._open.append(anchor or "")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._open.pop()
        self._depth -= 1
        return node


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
              r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):  # fmt: skip
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def parsed(text: str) -> tuple[Any, yaml.Node | None]:
    """Return the content of a YAML text, and its nodes.

    Raises
    ------
    yaml.YAMLError: it is not valid.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), node
    finally:
        loader.dispose()


@dataclass(frozen=True, eq=False)
class Document:
    """The content of a YAML file, and where each part of it is.

    Parameters
    ----------
    source: the file's name.
    content: plain dicts, lists and scalars.
    places: file and line number of each key path, e.g. ("methods", 0, "sdp", "solver").
    """

    source: str
    content: Any
    places: dict[Path_, tuple[str, int]]

    def error(self, path: Path_, message: str) -> InputError:
        """Return the error ``message`` at the key ``path``, or at the nearest key above it."""
        while path and path not in self.places:
            path = path[:-1]
        source, line = self.places.get(path, (self.source, None))
        return InputError(f"{source}, line {line}: {message}" if line else f"{source}: {message}")


def read_document(path: Path) -> Document:
    """Read a YAML file and what it includes.

    ``include: other.yaml`` (or a list of files, relative to the file that names them) stands for the keys of those
    files; a key of the including file, or of a later include, replaces them, and within ``limits`` key by key.

    Raises
    ------
    InputError: no such file, text that is not YAML (with its line), a key written twice, files that include
        each other.
    """
    return _read(path, ())


def _read(path: Path, including: tuple[Path, ...]) -> Document:
    document = _read_one(path)
    if not isinstance(document.content, dict) or "include" not in document.content:
        return document
    written = document.content.pop("include")
    names = written if isinstance(written, list) else [written]
    content: dict[Any, Any] = {}
    places: dict[Path_, tuple[str, int]] = {}
    for name in names:
        if not isinstance(name, str):
            raise document.error(("include",), f"'include' is {written!r}; write a file name or a list of them.")
        other = path.parent / name
        if other.resolve() in (*including, path.resolve()):
            raise document.error(("include",), f"'{name}' includes this file in turn.")
        try:
            included = _read(other, (*including, path.resolve()))
        except InputError as error:
            if other.is_file():
                raise
            raise document.error(("include",), str(error)) from None
        if not isinstance(included.content, dict):
            raise document.error(("include",), f"'{name}' is not a mapping of keys.")
        _overlay(content, places, included)
    _overlay(content, places, document)
    return Document(document.source, content, places)


def _overlay(content: dict[Any, Any], places: dict[Path_, tuple[str, int]], above: Document) -> None:
    """Replace keys by those of a document."""
    for key, value in above.content.items():
        merged = key == "limits" and isinstance(value, dict) and isinstance(content.get(key), dict)
        if not merged:
            for path in [path for path in places if path[0] == key]:
                del places[path]
        content[key] = {**content[key], **value} if merged else value
    places.update(above.places)


def _read_one(path: Path) -> Document:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise InputError(f"{path} cannot be read: {reason}.") from None
    try:
        content, node = parsed(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        start = getattr(error, "context_mark", None)
        if mark and start and start.line < mark.line:
            problem += f" (in what begins on line {start.line + 1})"
        raise InputError(f"{path}{line}: this is not valid YAML: {problem}.") from None
    places: dict[Path_, tuple[str, int]] = {}
    _index(str(path), node, (), places)
    return Document(str(path), content, places)


def _index(source: str, node: yaml.Node | None, path: Path_, places: dict[Path_, tuple[str, int]]) -> None:
    if len(places) > MOST_PARTS:
        raise InputError(f"{source}: with its aliases written out it has more than {MOST_PARTS:,} parts.")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, key.value)
            line = key.start_mark.line + 1
            if below in places:
                raise InputError(f"{source}, line {line}: the key '{key.value}' is here a second time.")
            places[below] = source, line
            _index(source, value, below, places)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            places[(*path, index)] = source, value.start_mark.line + 1
            _index(source, value, (*path, index), places)
