"""Two results folders side by side: the same problems and methods, what got faster, tighter or worse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sdprelax.base import InputError
from sdprelax.laboratory.results._collect import collect

__all__ = ["Comparison", "compare"]

# Statuses of trials that came to no end of their own.
BROKEN = ("error", "unavailable", "timeout", "out of memory")
# Seconds that a run must differ by to count as slower: below it the clock and the machine speak, not the method.
NOISE = 0.05


@dataclass(frozen=True, eq=False)
class Comparison:
    """The joined rows of two results.

    Attributes
    ----------
    rows: one row for each trial in both: problem, method, repeat, then ``speed`` (seconds of A over
        seconds of B: above 1 is faster), ``lower_ratio`` and ``upper_ratio`` (B over A; of a negative A, 1 and what B
        is above it relative to its size), ``gap_a``, ``gap_b``,
        ``status_a``, ``status_b`` and ``worse``, what got worse in words.
    only_a, only_b: number of trials in one of them alone.
    """

    rows: pd.DataFrame
    only_a: int
    only_b: int

    @property
    def worse(self) -> pd.DataFrame:
        """The rows in which something got worse."""
        return self.rows[self.rows["worse"] != ""]

    def by_method(self) -> pd.DataFrame:
        """Return for every method the number of trials, geometric means of the ratios, and how many got worse."""
        grouped = self.rows.groupby("method", sort=False)
        return pd.DataFrame({
            "trials": grouped.size(),
            **{name: grouped[name].apply(_geometric_mean) for name in ("speed", "lower_ratio", "upper_ratio")},
            "worse": grouped["worse"].apply(lambda words: int((words != "").sum())),
        }).reset_index()  # fmt: skip


def compare(a: Path, b: Path, threshold: float = 0.05) -> Comparison:
    """Join the results in two folders on problem, method and repeat.

    Parameters
    ----------
    threshold: relative change from which something counts as worse: seconds up by more than it, the lower bound down,
        the upper bound up; a trial that ended in A and did not in B always does.

    Raises
    ------
    InputError: one of them is no results folder, or they have no trial in common.
    """
    tables = [_keyed(folder) for folder in (a, b)]
    both = tables[0].merge(tables[1], on="key", suffixes=("_a", "_b"))
    if both.empty:
        raise InputError(f"{a} and {b} have no trial in common: none of the same problem, method and options.")
    rows = pd.DataFrame({
        "problem": both["problem_a"], "method": both["words_a"], "repeat": both["repeat_a"],
        "seconds_a": both["seconds_a"], "seconds_b": both["seconds_b"], "speed": both["seconds_a"] / both["seconds_b"],
        "lower_ratio": _ratio(both["lower_b"], both["lower_a"]),
        "upper_ratio": _ratio(both["upper_b"], both["upper_a"]),
        "gap_a": both["gap_a"], "gap_b": both["gap_b"], "status_a": both["status_a"], "status_b": both["status_b"],
    })  # fmt: skip
    rows["worse"] = [_worse(row, threshold) for row in both.itertuples()]
    return Comparison(rows, len(tables[0]) - len(rows), len(tables[1]) - len(rows))


def _keyed(folder: Path) -> pd.DataFrame:
    found = collect(folder, reuse=True)
    words = [found.kind.words(row) for row in found.table.to_dict("records")]
    return found.table.assign(
        key=found.kind.keys(found.table),
        problem=[problem for problem, _ in words],
        words=[method for _, method in words],
    )


def _ratio(new: pd.Series, old: pd.Series) -> pd.Series:
    same = (new == old).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        now, before = new.to_numpy(dtype=float), old.to_numpy(dtype=float)
        quotient = np.where(before < 0.0, 1.0 + (now - before) / np.abs(before), now / before)
    return pd.Series(np.where(same, 1.0, quotient), index=new.index)


def _worse(row: object, threshold: float) -> str:
    """Return what got worse in a pair of trials, in words; "" for nothing."""

    def pair(name: str) -> tuple[float, float]:
        return getattr(row, f"{name}_a"), getattr(row, f"{name}_b")

    found = []
    before, after = getattr(row, "status_a", ""), getattr(row, "status_b", "")
    if before not in BROKEN and after in BROKEN:
        found.append(f"{before} became {after}")
    lower, upper, seconds = pair("lower"), pair("upper"), pair("seconds")
    if pd.notna(lower[0]) and (pd.isna(lower[1]) or lower[1] < lower[0] - threshold * abs(lower[0])):
        found.append(f"lower bound {lower[0]:.6g} became {lower[1]:.6g}")
    if pd.notna(upper[0]) and (pd.isna(upper[1]) or upper[1] > upper[0] + threshold * abs(upper[0])):
        found.append(f"upper bound {upper[0]:.6g} became {upper[1]:.6g}")
    if seconds[1] > seconds[0] * (1.0 + threshold) and seconds[1] - seconds[0] > NOISE:
        found.append(f"{seconds[0]:.3g} s became {seconds[1]:.3g} s")
    return "; ".join(found)


def _geometric_mean(ratios: pd.Series) -> float:
    usable = ratios[(ratios > 0) & np.isfinite(ratios)]
    return float(np.exp(np.log(usable).mean())) if len(usable) else float("nan")
