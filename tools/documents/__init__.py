"""Tables and figures of README.md and docs/**/*.md, made from the files in results/published.

What is made lies between two comments, which rendered Markdown does not show:

    <!-- table: NAME -->               a table, a block of its own
    <!-- figure: NAME -->66 %<!-- end --> or a phrase of running prose

``NAME`` is what a function of this package is registered under. ``tools/write_documents.py`` writes between the marks
of every document what the functions return, and tests/test_documents.py holds the documents to it.
"""

from __future__ import annotations

import re
from pathlib import Path

from documents import (  # noqa: F401
    closing,
    costs,
    distilled,
    gated,
    linear,
    mutations,
    native,
    ntk,
    optima,
    paper,
    reach,
    relaxations,
    rivals,
    sweeps,
    verdicts,
    wedge,
)  # fmt: skip
from documents.writing import FIGURES, ROOT, TABLES

__all__ = ["documents", "regenerated"]

MARKED = re.compile(r"<!-- (table|figure): (.+?) -->(.*?)<!-- end -->", re.DOTALL)
LONE = re.compile(r"<!-- (?:(?:table|figure): .*?|end) -->")


def documents() -> list[Path]:
    """Return the documents of the project, the Markdown files of its root and of docs/ and its folders."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def regenerated(text: str) -> str:
    """Return a document with everything between marks made anew.

    Raises
    ------
    ValueError: a mark has no end or no beginning, or names what no function makes.
    """

    def made(found: re.Match[str]) -> str:
        kind, name, held = found.groups()
        if LONE.search(held):
            raise ValueError(f"'<!-- {kind}: {name} -->' has no '<!-- end -->' before the next mark.")
        functions = {"table": TABLES, "figure": FIGURES}[kind]
        if name not in functions:
            raise ValueError(f"no function makes the {kind} '{name}'; there are {', '.join(sorted(functions))}.")
        content = functions[name]()
        if kind == "table":
            content = f"\n\n{content.strip(chr(10))}\n\n"
        return f"<!-- {kind}: {name} -->{content}<!-- end -->"

    if broken := re.search(r"^\s*<!-- figure: .+? -->", text, re.MULTILINE):
        # Markdown ends a paragraph at a line that begins with a comment.
        raise ValueError(f"'{broken.group().strip()}' begins a line: put a word before it.")
    written = MARKED.sub(made, text)
    if lone := LONE.search(MARKED.sub("", text)):
        raise ValueError(f"'{lone.group()}' stands alone: a mark '<!-- table: NAME -->' ends with '<!-- end -->'.")
    return written
