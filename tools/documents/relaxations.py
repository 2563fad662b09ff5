"""The ladder of relaxations, the relaxation over γ/γ_max, and partitions that grow.

The files are those of ``experiments/publish.py ladder gamma_path`` and of ``benchmarks/native.py growth``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from documents.writing import figure, markdown, percent, published, scientific, significant, table

# The solver's own value says what these are; what their multipliers prove may be more.
WEAKER = ("positive semidefinite", "scaled diagonally dominant")


def left(share: float) -> str:
    """Return what is left uncertified, in per cent."""
    share = max(share, 0.0)
    if not np.isfinite(share):
        return "–"
    return f"{min(100.0, float(significant(100.0 * share))):g} %" if share >= 5e-6 else "< 0.0005 %"


@table("growth")
def growth() -> str:
    """What a growing partition leaves, with one dual point for all cones or that of a network."""
    rows = [
        [row["data"].capitalize(), f"{row['q']:g}", f"`{row['splitting']}`", f"{100.0 * row['gap']:.2g} %",
         row["blocks"], f"{row['processor_seconds']:.0f}"]
        for _, row in published("native_growth").iterrows()
    ]  # fmt: skip
    return markdown(["data", "γ/γ_max", "splitting", "certified gap", "blocks", "processor seconds"], rows)


@table("ladder")
def ladder() -> str:
    """What every relaxation leaves uncertified, in how many seconds; of the random sets the mean."""
    found = published("ladder").query("rung != 'exact'")
    found = found.assign(group=found["data"].str.replace(r" \d+$", "", regex=True))
    groups = list(dict.fromkeys(found["group"]))
    rows = []
    for q in dict.fromkeys(found["q"]):
        for name in dict.fromkeys(found["rung"]):
            cells = []
            for group in groups:
                mine = found[(found["rung"] == name) & (found["group"] == group) & (found["q"] == q)]
                shown = mine["value"].fillna(mine["uncertified"]) if name in WEAKER else mine["uncertified"]
                stopped = "" if (mine["status"] == "solved").all() else "*"
                cells.append(f"{left(shown.mean(skipna=False))}{stopped} ({significant(mine['seconds'].mean(), 1)})")
            rows.append([f"{q:g}", name, *cells])
    sizes = found.groupby("group")[["n", "d", "c"]].first()
    heads = [f"{group} {sizes['n'][group]}×{sizes['d'][group]}→{sizes['c'][group]}" for group in groups]
    return markdown(["γ/γ_max", "relaxation", *heads], rows, left=(1,))


SHARES = (0.1, 0.02, 0.003)


def _gap(row: pd.Series) -> str:
    return left(row["gap"]) + ("" if row["status"] == "solved" else "*")


@table("gamma path")
def gamma_path() -> str:
    """Where cross-validation is, and gaps of the relaxation and of the exact method."""
    path, scores = published("gamma_path"), published("gamma_path_chosen")
    rows = []
    for (data, inputs), tried in scores.groupby(["data", "inputs"], sort=False):
        mine = path[(path["data"] == data) & (path["inputs"] == inputs)]
        best, good = tried[tried["chosen"]].iloc[0], tried[tried["as_good"]]["q"]
        cells = []
        for q in SHARES:
            here = mine[mine["q"] == q].set_index("method")
            cells.append(" / ".join(_gap(here.loc[name]) for name in ("sdp", "exact") if name in here.index))
        first = mine.iloc[0]
        rows.append([
            f"{data} {first['n']}×{first['d']}→{first['c']}", inputs, scientific(0.1 / first["gamma_max"]),
            f"{best['q']:g} ({good.min():g} … {good.max():g})", percent(best["test_accuracy"]), *cells,
        ])  # fmt: skip
    columns = [
        "data", "inputs", "γ = 0.1", "cross-validation", "test accuracy", *(f"gap at {q:g}" for q in SHARES),
    ]  # fmt: skip
    return markdown(columns, rows, left=2)


@figure("gamma path, gaps")
def gaps() -> str:
    """The relaxation's gaps at the largest γ that validates as well as the best."""
    path, scores = published("gamma_path").query("method == 'sdp'"), published("gamma_path_chosen")
    good = scores[scores["as_good"]].groupby(["data", "inputs"])["q"].max().reset_index()
    found = good.merge(path, on=["data", "inputs", "q"])["gap"]
    return f"between {left(found.min())} and {left(found.max())}, the median {left(found.median())}"
