"""What text in a table can be beside words: dates, times, numbers that are written in another way."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["look_of"]

# Names of kinds, and what every entry then looks like.
CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp]\.?[Mm]\.?)?(Z| ?[+-]\d{2}:?\d{2})?"
MONTH = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
DAY = (
    rf"(\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}|\d{{4}}-\d{{2}}|\d{{1,2}}[ -]{MONTH}[ -,]*\d{{2,4}}"
    rf"|{MONTH} \d{{1,2}},? \d{{4}})"
)
PART = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
LOOKS = {
    "dates or times": rf"({DAY}([ T]{CLOCK})?|{CLOCK})",
    "complex numbers": rf"\(?({PART})?[-+]?({PART})?[ij]\)?",
    "numbers with commas, be they decimal marks (write decimal: \",\") or between thousands (leave them out)": (
        r"[-+]?[1-9]\d{0,2},\d{3}"
    ),
    "numbers with decimal commas (write decimal: \",\")": r"[-+]?\d+,\d+",
    "numbers with a mark between thousands": r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?",
}  # fmt: skip


def look_of(entries: Iterable[object]) -> str | None:
    """Return what all entries of text look like, if that is no word."""
    texts = [str(entry).strip() for entry in entries]
    return next((kind for kind, form in LOOKS.items() if all(re.fullmatch(form, text) for text in texts)), None)
