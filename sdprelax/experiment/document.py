"""A YAML file together with the line on which each of its keys stands."""

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
    lines: line number of each key path, e.g. ("methods", 0, "sdp", "solver").
    """

    source: str
    content: Any
    lines: dict[Path_, int]

    def error(self, path: Path_, message: str) -> InputError:
        """Return the error ``message`` at the key ``path``, or at the nearest key above it."""
        while path and path not in self.lines:
            path = path[:-1]
        line = self.lines.get(path)
        place = f"{self.source}, line {line}" if line else self.source
        return InputError(f"{place}: {message}")


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises
    ------
    InputError: no such file, text that is not YAML (with its line), a key written twice.
    """
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
    lines: dict[Path_, int] = {}
    _index(str(path), node, (), lines)
    return Document(str(path), content, lines)


def _index(source: str, node: yaml.Node | None, path: Path_, lines: dict[Path_, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, key.value)
            line = key.start_mark.line + 1
            if below in lines:
                raise InputError(f"{source}, line {line}: the key '{key.value}' is here a second time.")
            lines[below] = line
            _index(source, value, below, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*path, index)] = value.start_mark.line + 1
            _index(source, value, (*path, index), lines)
