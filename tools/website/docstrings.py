"""Makes reStructuredText of the package's docstrings.

They are written for an editor's window: sections underlined by hyphens whose entries are ``name: text``, roles,
literals in two backquotes, examples that begin with ``>>>``, and indented formulas. All else is plain text, in which
* and | are notation: p*, ‖a‖, |z|.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FIELDS = {"Parameters": "param", "Raises": "raises", "Returns": "returns", "Yields": "yields"}
LISTS = ("Attributes", "Notes")
ENTRY = re.compile(r"(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)*): (?P<text>.*)", re.DOTALL)
# Literals, roles, addresses, and titles of papers in italics.
MARKUP = re.compile(r"(``.+?``|:\w+:`[^`]+`|https?://\S+|(?<![\w‖)])\*[A-Z][a-z][^*]+?\*(?!\w))", re.DOTALL)


def plain(text: str) -> str:
    """Escape what reStructuredText would take for markup, outside of literals, roles, addresses and titles."""
    parts = MARKUP.split(text)
    parts[::2] = [re.sub(r"([*|`\\]|_\b|\b_(?!\w))", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each section's heading, "" for what stands before all, with its lines."""
    heading, held = "", list[str]()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.strip() in (*FIELDS, *LISTS) and re.fullmatch(r"-{3,}", following.strip()):
            yield heading, held
            heading, held = line.strip(), []
        elif not (re.fullmatch(r"-{3,}", line.strip()) and not held):
            held.append(line)
    yield heading, held


def _prose(lines: list[str]) -> Iterator[str]:
    """Yield paragraphs; those that are indented are shown as they are written, and examples too."""
    literal = False
    for is_empty, group in itertools.groupby(lines, key=lambda line: not line.strip()):
        paragraph = list(group)
        if is_empty or paragraph[0].startswith(">>>"):
            yield from paragraph
        elif paragraph[0].startswith("    "):
            yield from paragraph if literal else ("::", "", *paragraph)
            literal = True
        else:
            yield from plain("\n".join(paragraph)).split("\n")
            literal = paragraph[-1].endswith("::")


def _entries(lines: list[str]) -> Iterator[str]:
    """Yield the entries of a section, each of them one text with its continuation lines."""
    entry: list[str] = []
    for line in lines:
        if entry and line.strip() and not line.startswith(" "):
            yield "\n".join(entry)
            entry = []
        entry += [line] if line.strip() else []
    if entry:
        yield "\n".join(entry)


def _section(heading: str, lines: list[str]) -> Iterator[str]:
    """Yield a section as fields, or below a heading of its own: one item for each name."""
    if heading in LISTS:
        yield from (f".. rubric:: {heading}", "")
    for entry in _entries(lines):
        found = ENTRY.match(entry)
        if found and heading in ("Parameters", "Raises"):
            yield from (
                f":{FIELDS[heading]} {plain(name)}: {plain(found['text'])}" for name in found["names"].split(", ")
            )
        elif found and heading == "Attributes":
            names = ", ".join(f"``{name}``" for name in found["names"].split(", "))
            yield f"* {names}: {plain(found['text'])}"
        else:
            yield f":{FIELDS[heading]}: {plain(entry)}" if heading in FIELDS else plain(entry)


def restructured(lines: list[str]) -> list[str]:
    """Return the lines of a docstring as reStructuredText."""
    written: list[str] = []
    for heading, held in _sections(lines):
        written += [*(_section(heading, held) if heading else _prose(held)), ""]
    return "\n".join(written).split("\n")


def _shortened(annotation: str) -> str:
    """Return a type as the sources write it, where autodoc has resolved an array's."""
    unqualified = re.sub(r"~?\b(?:numpy|typing)\.", "", annotation)
    return re.sub(r"ndarray\[tuple\[Any, \.\.\.\], dtype\[(\w+)\]\]", r"NDArray[\1]", unqualified)


def _with_short_types(app: Sphinx, domain: str, kind: str, content: object) -> None:
    """Shorten the types that autodoc is about to write beside the parameters."""
    for types in app.env.current_document.autodoc_annotations.values():
        types.update({name: _shortened(annotation) for name, annotation in types.items()})


def _unsaid(app: Sphinx, what: str, name: str, obj: object, skipped: bool, options: object) -> bool | None:
    """Leave out the fields of named tuples, whose docstrings Python makes."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def _replaced(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Replace the lines of a docstring in place."""
    lines[:] = restructured(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with autodoc."""
    from sphinx.util.inspect import TypeAliasForwardRef

    # An alias among other types is shown by its repr.
    TypeAliasForwardRef.__repr__ = lambda alias: alias.name
    app.connect("autodoc-process-docstring", _replaced)
    app.connect("autodoc-skip-member", _unsaid)
    app.connect("object-description-transform", _with_short_types, priority=400)  # before autodoc's own
    return {"parallel_read_safe": True, "parallel_write_safe": True}
