"""Published files, and how their numbers are written."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "published"

Make = Callable[[], str]
TABLES: dict[str, Make] = {}
FIGURES: dict[str, Make] = {}


def table(name: str) -> Callable[[Make], Make]:
    """Register a function that returns a block of Markdown."""
    return functools.partial(_register, TABLES, name)


def figure(name: str) -> Callable[[Make], Make]:
    """Register a function that returns a phrase."""
    return functools.partial(_register, FIGURES, name)


def _register(functions: dict[str, Make], name: str, make: Make) -> Make:
    assert name not in functions, name
    functions[name] = functools.cache(make)
    return make


@functools.cache
def published(name: str) -> pd.DataFrame:
    """Return a file of results/published; nobody changes it."""
    return pd.read_csv(PUBLISHED / f"{name}.csv")


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]], left: int | Sequence[int] = 1) -> str:
    """Return a table whose other columns are aligned to the right.

    Parameters
    ----------
    left: how many columns from the left hold words, or which.
    """
    words = {k % len(columns) for k in (range(left) if isinstance(left, int) else left)}
    rule = ["---" if k in words else "--:" for k in range(len(columns))]
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join(rule) + "|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(line.replace("|  ", "| ") for line in lines)


def scientific(value: float, digits: int = 0) -> str:
    """Return a number as 4e-7."""
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def at_most(value: float) -> str:
    """Return a number that is no smaller, as 4e-7."""
    exponent = int(np.floor(np.log10(value)))
    return scientific(np.ceil(value / 10.0**exponent * (1.0 - 1e-12)) * 10.0**exponent)


def significant(value: float, digits: int = 2) -> str:
    """Return a number with so many digits, never in powers of ten."""
    if value == 0.0:
        return "0"
    places = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
    return f"{round(value, digits - 1 - int(np.floor(np.log10(abs(value))))):,.{places}f}"


def gap(value: float) -> str:
    """Return a relative gap: in per cent where it is large, as a power of ten where it is small."""
    return f"{significant(100.0 * value)} %" if value >= 1e-3 else scientific(value)


def percent(share: float, digits: int = 1) -> str:
    """Return a share in per cent."""
    # Means of shares that are halves of the last digit are rounded up, whatever their last bit is.
    return f"{100.0 * share + 1e-9:.{digits}f} %"


def known(value: float, form: str) -> str:
    """Return a number in some form, – for none."""
    return "–" if pd.isna(value) else format(value, form)
