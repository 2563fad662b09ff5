"""What a sweep found, in words: a sentence for each method."""

from __future__ import annotations

import math

import pandas as pd

from sdprelax.laboratory.training._tables import tightness_table

__all__ = ["findings"]

# A method whose median gap is at most this certifies, and one is told how far.
CERTIFYING = 1e-3


def findings(table: pd.DataFrame) -> list[str]:
    """Return what each method came to on the problems of a sweep, repeats merged to their best bounds.

    Parameters
    ----------
    table: one row per trial (:func:`results_table`).
    """
    merged = tightness_table(table)
    return [
        f"{method} {_bounds(rows) if rows['gap'].notna().any() else _networks(rows)}"
        for method, rows in merged.groupby("method", sort=False)
    ]


def _bounds(rows: pd.DataFrame) -> str:
    """Say what a method proved."""
    gaps = rows["gap"].dropna()
    median, missing = float(gaps.median()), len(rows) - len(gaps)
    if median <= CERTIFYING:
        digits = min(6, -math.ceil(math.log10(median) - 1e-9)) if median > 0 else 6
        return f"certified {(gaps <= 10.0**-digits).sum()} of {_problems(len(rows))} to 1e-{digits}."
    tight = int((gaps <= 1e-6).sum())
    certified = f", {tight} of them certified to 1e-6" if tight else ""
    without = f"; on {missing} it has no pair of bounds" if missing else ""
    return f"has a median gap of {_percent(median)} on {_problems(len(gaps))}{certified}{without}."


def _networks(rows: pd.DataFrame) -> str:
    """Say how good the networks of a method are that proved no lower bound."""
    found = rows["upper"].notna()
    without = f", and none on {(~found).sum()}" if not found.all() else ""
    if not found.any():
        return "ended without bounds and networks." if rows["lower"].isna().all() else "has no networks."
    excess = rows["excess_percent"].dropna()
    if excess.empty:
        return f"proved no lower bound; it has networks on {_problems(int(found.sum()))}{without}."
    far = _percent(float(excess.median()) / 100.0)
    return f"proved no lower bound; its networks are, in the median, {far} above the best lower bound{without}."


def _problems(count: int) -> str:
    return "1 problem" if count == 1 else f"{count} problems"


def _percent(share: float) -> str:
    return f"{100.0 * share:,.0f} %" if share >= 1.0 else f"{100.0 * share:.2g} %"
