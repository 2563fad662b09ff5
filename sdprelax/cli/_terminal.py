"""How commands print on whatever terminal there is: its width, its characters, tables that fit."""

from __future__ import annotations

import codecs
import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sdprelax.laboratory.results import Column

__all__ = ["MARK", "echo", "encodable", "fitted", "install_spelling", "width"]

# Columns of what is no terminal, unless COLUMNS says otherwise: files are not cut.
PIPED = 180
# Columns that a label keeps, at least, before columns of numbers go; and after that, as long as labels stay apart.
LABEL, SHORTEST = 20, 9
GAP = 2
MARK = "! "
SPELLING = "sdprelax.spelling"
# How characters are written where an encoding has them not.
SPELT = {
    "γ": "gamma", "Γ": "Gamma", "λ": "lambda", "Λ": "Lambda", "β": "beta", "α": "alpha", "δ": "delta", "ε": "epsilon",
    "ν": "nu", "μ": "mu", "σ": "sigma", "θ": "theta", "κ": "kappa", "τ": "tau", "…": "...", "±": "+/-", "−": "-",
    "–": "-", "—": "-", "×": "x", "·": ".", "≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "∞": "inf", "‖": "||",
    "∈": "in", "√": "sqrt", "∑": "sum", "‘": "'", "’": "'", "“": '"', "”": '"', "⊤": "T", "≈": "~", "█": "#", "━": "-",
    "ß": "ss", "•": "*",
}  # fmt: skip


def _spelt(error: UnicodeError) -> tuple[str, int]:
    """Spell out what cannot be encoded: γ as gamma, é as e; what has no spelling is a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    known = [_spelling(character, error.encoding) for character in error.object[error.start : error.end]]
    return "".join(known), error.end


def _spelling(character: str, encoding: str) -> str:
    for written in (SPELT.get(character, ""), unicodedata.normalize("NFKD", character)):
        plain = written.encode(encoding, errors="ignore").decode(encoding)
        if plain:
            return plain
    return "?"


codecs.register_error(SPELLING, _spelt)


def install_spelling() -> None:
    """Let what standard output and error cannot encode be spelt out."""
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", "") in ("strict", "surrogateescape", "replace") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=SPELLING)


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print to standard output, or standard error, in its own encoding: left to choose, Typer writes UTF-8 to ASCII."""
    typer.echo(text, file=sys.stderr if err else sys.stdout, nl=nl)


def encodable(text: str) -> str:
    """Return text as standard output can show it."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, errors=SPELLING).decode(encoding)


def width() -> int:
    """Return the columns of the terminal, or of what stands for one."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return shutil.get_terminal_size().columns
    return PIPED


def fitted(
    columns: Sequence[Column], spared: Sequence[str], marked: Sequence[bool], titles: Sequence[str], across: int
) -> tuple[list[tuple[str, bool]], list[Column]]:
    """Return the lines of a table that fits so many columns, each with whether its row is marked, and what is missing.

    Parameters
    ----------
    columns: of the table; those of words are cut, in their middle, where there is no room.
    spared: names of columns that go where there is still none, the first to go first.
    marked: rows that get a mark.
    titles: what stands above each row, once for all that follow each other; empty for a table without.
    across: columns of the terminal.
    """
    shown = list(columns)
    texts = {
        column.name: [encodable(text).replace("\n", " ") for text in (column.title, *column.cells)]
        for column in columns
    }
    natural = {name: max(map(_cells, cells)) for name, cells in texts.items()}
    room = across - (len(MARK) if any(marked) or titles else 0)
    apart = {column.name: _apart(texts[column.name]) for column in columns if column.words}
    for name in spared:
        least = [min(natural[c.name], max(LABEL, apart[c.name])) if c.words else natural[c.name] for c in shown]
        if sum(least) + GAP * (len(shown) - 1) <= room:
            break
        shown = [column for column in shown if column.name != name]
    words = [column.name for column in shown if column.words]
    numbers = sum(natural[column.name] for column in shown if not column.words)
    left = room - numbers - GAP * (len(shown) - 1)
    widths = natural | _shared({name: natural[name] for name in words}, apart, left)
    lines = []
    for k in range(-1, len(marked)):
        mark = "" if room == across else MARK if k >= 0 and marked[k] else " " * len(MARK)
        if titles and k >= 0 and (k == 0 or titles[k] != titles[k - 1]):
            lines.append((_cut(encodable(titles[k]), across), False))
        parts = (_padded(texts[c.name][k + 1], widths[c.name], c.words) for c in shown)
        lines.append((mark + (" " * GAP).join(parts).rstrip(), k >= 0 and marked[k]))
    return lines, [column for column in columns if column not in shown]


def _apart(labels: list[str]) -> int:
    """Return the least width at which different labels are still different when they are cut."""
    different = set(labels)
    widest = max(map(_cells, labels))
    fine = (k for k in range(SHORTEST, widest) if len({_cut(label, k) for label in different}) == len(different))
    return next(fine, widest)


def _shared(wanted: dict[str, int], least: dict[str, int], room: int) -> dict[str, int]:
    """Return the widths of labels that share some room: the widest give way first, each as far as it can."""
    given = dict(wanted)
    while sum(given.values()) > room and (yielding := [name for name in given if given[name] > least[name]]):
        given[max(yielding, key=lambda name: given[name])] -= 1
    return given


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _padded(text: str, across: int, left: bool) -> str:
    text = _cut(text, across)
    blank = " " * (across - _cells(text))
    return text + blank if left else blank + text


def _cut(text: str, across: int) -> str:
    """Return text in so many columns of a terminal, its middle left out where it is longer."""
    if _cells(text) <= across:
        return text
    dots = encodable("…")
    tail = max(0, across - len(dots)) // 2
    return f"{_head(text, across - len(dots) - tail)}{dots}{_head(text[::-1], tail)[::-1]}"


def _head(text: str, across: int) -> str:
    """Return the beginning of a text, in so many columns at most."""
    taken = 0
    for k, character in enumerate(text):
        taken += _cells(character)
        if taken > across:
            return text[:k]
    return text
