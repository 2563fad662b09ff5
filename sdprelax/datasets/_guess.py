"""What the options of data set ``file`` would be for a CSV file at hand, each with the reason for it."""

from __future__ import annotations

import csv
import gzip
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sdprelax.base import InputError, first_line, nearest
from sdprelax.datasets._looks import look_of
from sdprelax.datasets._reading import first_cells, read_table

__all__ = ["Guess", "guess_options"]

SEPARATORS = {",": ",", ";": ";", "\t": "tab", "|": "|"}
# What people write for an empty entry among numbers, beside what pandas takes for one.
MARK = r"[^\w\s]{1,3}|[Uu]nknown|[Mm]issing|[Nn]one"
# Lines in which separators are counted.
LINES = 200
# Names that targets go by; where no column has one of them, the last column is taken.
TARGETS = ("target", "label", "class", "outcome", "y")
# A column of text with more different words than this would give more inputs than it is worth.
MOST_WORDS = 20
# What is said of names and numbers of rows.
IDS = "another one in each row"
# In fewer rows, that all entries differ says nothing.
ROWS_TO_TELL = 5
# From so many rows on some are held out.
ROWS_TO_SPLIT = 20


@dataclass(frozen=True)
class Guess:
    """Options of data set ``file``, and why they are what they are.

    Parameters
    ----------
    options: by name, in the order in which they read best.
    reasons: of an option, in a few words; those of ``drop`` stand in ``dropped``.
    dropped: of every column that is left out.
    """

    options: dict[str, Any]
    reasons: dict[str, str]
    dropped: dict[str, str]


def guess_options(path: Path, target: str | None = None) -> Guess:
    """Return what the options of data set ``file`` would be for a CSV file.

    Parameters
    ----------
    path: a file ending in .csv or .csv.gz.
    target: the column that is predicted; by default one whose name says so, else the last one that could be.

    Raises
    ------
    InputError: an unreadable file, no such target, or no column that could be one, or an input.
    """
    if not path.name.endswith((".csv", ".csv.gz")):
        raise InputError(f"{path}: what is guessed is a CSV file, ending in .csv or .csv.gz.")
    options: dict[str, Any] = {"path": str(path)}
    reasons: dict[str, str] = {}
    text, encoding = _text(path)
    if encoding != "utf-8":
        options["encoding"], reasons["encoding"] = encoding, "it is not utf-8"
    if len(text.strip().splitlines()) < 2:
        raise InputError(f"{path} has a single line; a table has names of columns, and rows.")
    mark = _separator(text)
    if mark != ",":
        options["separator"] = SEPARATORS[mark]
    table = _table(path, mark, options, reasons)
    marks = _marks_of_gaps(table)
    if marks:
        options["na_values"], reasons["na_values"] = marks, "stands among numbers for an empty entry"
        for name, column in table.items():
            cleared = column.where(~column.isin(marks)) if _is_text(column) else column
            numbers = pd.to_numeric(cleared, errors="coerce")
            table[name] = numbers if numbers.notna().sum() == cleared.notna().sum() else cleared
    if table.shape[1] == 1:
        said = "that comma, semicolon, tab or | would divide; a data set needs two or more"
        raise InputError(f"{path} has one column, '{table.columns[0]}', and none {said}.")
    columns = {str(name): column for name, column in table.items()}
    first = next(iter(columns))
    if first == "" or first.startswith("Unnamed: "):
        options["index"], reasons["index"] = 0, "the first column has no name"
        del columns[first]
    if target is not None and target not in columns:
        raise InputError(f"{path} has no column '{target}' to be the target: {nearest(target, columns)}.")
    faults = {name: fault for name, column in columns.items() if name != target and (fault := _fault(name, column))}
    usable = [name for name in columns if name not in faults]
    if target is None:
        target = next((name for name in usable if name.lower() in TARGETS), usable[-1] if usable else None)
        reasons["target"] = "what is predicted: a guess"
    inputs = [name for name in usable if name != target]
    if target is None or not inputs:
        said = "; ".join(f"'{name}': {fault}" for name, fault in faults.items())
        raise InputError(f"{path} has no column left for target and inputs{f' ({said})' if said else ''}.")
    options["target"] = target
    dropped = dict(faults)
    named = next((name for name, fault in dropped.items() if fault == IDS), None)
    if "index" not in options and named is not None:
        options["index"], reasons["index"] = named, f"names the rows ({dropped.pop(named)})"
    if dropped:
        options["drop"] = list(dropped)
    worded = [name for name in inputs if _is_text(columns[name])]
    if worded:
        options["encode"] = "text"
        reasons["encode"] = f"an input of zeros and ones for each word of {', '.join(worded)}"
    gaps = [name for name in inputs if columns[name].isna().any()]
    if columns[target].isna().any():
        options["missing"], reasons["missing"] = "drop", "rows without a target cannot be used"
    elif gaps:
        options["missing"] = "mean"
        reasons["missing"] = f"fills the gaps in {', '.join(gaps)}; or drop, which leaves such rows out"
    options["scaling"] = "standard"
    reasons["scaling"] = "inputs of mean 0 and deviation 1; or none, minmax"
    if int(columns[target].notna().sum()) >= ROWS_TO_SPLIT:
        options["test_size"], reasons["test_size"] = 0.25, "share of the rows that the test accuracy is measured on"
    return Guess(options, reasons, dropped)


def _text(path: Path) -> tuple[str, str]:
    """Return the first lines of a file, and the encoding in which all of it can be read."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or first_line(error)}.") from None
    first = ["utf-16"] if content[:2] in (b"\xff\xfe", b"\xfe\xff") else []
    for encoding in (*first, "utf-8", "cp1252", "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text or not text.strip():
            raise InputError(f"{path} is {'empty' if not text.strip() else 'no text file'}.")
        return "\n".join(itertools.islice(text.removeprefix("\ufeff").splitlines(), LINES)), encoding
    raise AssertionError("latin-1 reads everything")


def _separator(text: str) -> str:
    """Return the mark that divides most lines into as many cells as the first one, and then into most."""

    def agreement(mark: str) -> tuple[float, int]:
        rows = [row for row in csv.reader(text.splitlines(), delimiter=mark) if row]
        # Where rows have a name and the column of names has none, the header is one shorter.
        alike = sum(len(row) in (len(rows[0]), len(rows[0]) + 1) for row in rows) / len(rows)
        return (alike, len(rows[0])) if len(rows[0]) > 1 else (0.0, 1)

    return max(SEPARATORS, key=agreement)


def _table(path: Path, mark: str, options: dict[str, Any], reasons: dict[str, str]) -> pd.DataFrame:
    """Return the table; what was found of its header and decimal mark is added to the options."""
    how: dict[str, Any] = {"sep": mark, "encoding": options.get("encoding", "utf-8")}
    cells = first_cells(path, **how)
    names: list[str] | None = None
    if all(re.fullmatch(r"[-+]?\d+([.,]\d+)?", cell) for cell in cells[:-1]) and len(cells) > 1:
        names = [str(k + 1) for k in range(len(cells))]
        options["header"], reasons["header"] = False, "the first line holds numbers; columns are called 1, 2, ..."
    elif len(first_cells(path, skiprows=1, **how)) == len(cells) + 1:  # R writes no name for that of the rows
        names = ["", *cells]
    how |= {"header": None, "names": names, "skiprows": 1 if names and names[0] == "" else 0} if names else {}
    table = read_table(path, pd.read_csv, index_col=False, low_memory=False, **how)
    if mark != "," and any(_has_decimal_commas(column) for _, column in table.items()):
        options["decimal"] = ","
        table = read_table(path, pd.read_csv, index_col=False, low_memory=False, decimal=",", **how)
    return table


def _marks_of_gaps(table: pd.DataFrame) -> list[str]:
    """Return what stands for an empty entry: marks such as "?" and "-" that are all but numbers in a column of them."""
    found: set[str] = set()
    for name in table:
        column = table[name]
        there = [str(entry).strip() for entry in column.dropna()] if _is_text(column) else []
        others = {entry for entry in there if pd.isna(pd.to_numeric(entry, errors="coerce"))}
        if len(others) < len(set(there)) and all(re.fullmatch(MARK, entry) for entry in others):
            found |= others
    return sorted(found)


def _is_text(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column)


def _has_decimal_commas(column: pd.Series) -> bool:
    """Say whether a column is of numbers some of which have a decimal comma."""
    texts = [str(entry).strip() for entry in column.dropna()] if _is_text(column) else []
    numbers = all(re.fullmatch(r"[-+]?\d+(,\d+)?", text) for text in texts)
    return numbers and any("," in text for text in texts)


def _look(column: pd.Series) -> str | None:
    there = column.dropna()
    return look_of(there) if _is_text(column) and len(there) else None


def _fault(name: str, column: pd.Series) -> str | None:
    """Return why a column can be no input; None if it can."""
    there = column.dropna()
    different = there.nunique()
    if there.empty:
        return "it is empty"
    if different == 1:
        return "one value only"
    if look := _look(column):
        return look
    unique = different == len(column) >= ROWS_TO_TELL
    if not _is_text(column):
        steps = column.diff().iloc[1:]
        counted = unique and pd.api.types.is_integer_dtype(column) and bool((steps == 1).all())
        return IDS if counted or (unique and re.fullmatch(r"(.*[_ -])?(id|nr|key|index)", name.lower())) else None
    if unique:
        return IDS
    numeric = pd.to_numeric(there, errors="coerce").notna().to_numpy()
    if numeric.any():
        return f"'{there.iloc[int(numeric.argmin())]}' among numbers; corrected, it would be an input"
    return f"{different} different texts" if different > MOST_WORDS else None
