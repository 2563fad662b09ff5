"""sdprelax beside what one would take in its place."""

from __future__ import annotations

import pandas as pd

from documents.writing import figure, gap, markdown, published, significant, table

PARTS = {
    "rivals_gated": "gated network", "rivals_lasso": "group lasso", "rivals_relu": "ReLU network",
    "rivals_relaxation": "relaxation", "rivals_exact": "global optimum",
}  # fmt: skip
# What a row is called that stopped short of the gap that was asked for.
SHORT = "not met"
# The gap that is asked for.
TARGET = 1e-4
# Seconds of compiling that are not mentioned.
LITTLE = 0.05


def times(part: str, run: pd.Series) -> str:
    """Return a ratio of processor times, or why there is none."""
    if pd.isna(run["ratio"]):
        return str(run["status"])
    return f"{'> ' if run['status'] == SHORT and part != 'rivals_relu' else ''}{significant(run['ratio'])}×"


@table("rivals")
def rows() -> str:
    """Every row of benchmarks/rivals.py."""
    made = []
    for part, what in PARTS.items():
        for data, group in published(part).groupby("data", sort=False):
            for k, (_, run) in enumerate(group.iterrows()):
                name, compiled = "" if k else f"{what}, {data}", "–"
                if pd.isna(run["processor"]):
                    made.append([name, run["solver"], "–", "–", times(part, run), compiled])
                    continue
                if run["compile"] >= LITTLE:
                    compiled = significant(run["compile"])
                left = gap(run["gap"]) if run["gap"] > 0.0 else "0"
                made.append([name, run["solver"], left, significant(run["processor"]), times(part, run), compiled])
    columns = ["what", "solver", "gap", "processor seconds", "ratio to ours", "compiling"]
    return markdown(columns, made, left=2)


def spread(part: str, solver: str) -> str:
    """Return the least and the largest ratio of a solver in a part."""
    runs = published(part)
    mine = runs[runs["solver"] == solver].dropna(subset=["ratio"])
    low, high = mine["ratio"].min(), mine["ratio"].max()
    return significant(low) if low == high else f"{significant(low)} to {significant(high)}"


@figure("rivals, short")
def short() -> str:
    """How many times our processor time others take to a gap of 1e-4."""
    return (
        f"pyscnn takes {spread('rivals_gated', 'pyscnn')} times our processor time behind fixed gates, celer "
        f"{spread('rivals_lasso', 'celer')}, skglm {spread('rivals_lasso', 'skglm')} and adelie "
        f"{spread('rivals_lasso', 'adelie')} for the same group lasso, Clarabel "
        f"{spread('rivals_relaxation', 'Clarabel')} and Moreau {spread('rivals_relaxation', 'Moreau')} for the "
        f"relaxation; SCIP has proved no optimum after {spread('rivals_exact', 'SCIP, any width')} times what `exact` "
        "takes for six to ten samples"
    )


@figure("rivals, faster")
def faster() -> str:
    """Where a rival takes less than our first row does, and gets as far."""
    found = []
    for part, what in PARTS.items():
        for data, group in published(part).groupby("data", sort=False):
            most = TARGET if part != "rivals_relu" else float(group["gap"].iloc[0])
            rivals = group[~group["solver"].str.startswith("ours")]
            found += [f"{run.solver} on {what}, {data} ({significant(run.ratio)}×)" for run in rivals.itertuples()
                      if run.gap <= most and run.ratio < 1.0]  # fmt: skip
    return "; ".join(found) or "none"
