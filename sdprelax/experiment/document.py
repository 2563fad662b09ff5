"""A YAML file, with those that it includes, together with the line on which each of its keys stands."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sdprelax.errors import InputError

__all__ = ["Document", "Path_", "read_document"]

Path_ = tuple[Hashable, ...]


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
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
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
