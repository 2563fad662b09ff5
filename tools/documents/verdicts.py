"""Verdicts on networks of other libraries, estimators beside theirs, and optima of other losses."""

from __future__ import annotations

import math

import pandas as pd

from documents.writing import at_most, figure, markdown, percent, published, significant, table

TRAINED = {"torch": "PyTorch", "sklearn": "scikit-learn"}


def rounded_up(value: float) -> float:
    """Return a positive number rounded up to two digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit - 1e-9) * unit


@table("certify")
def certify() -> str:
    """What certify said of ten networks."""
    rows = []
    for found in published("certify").to_dict("records"):
        library, data = found["network"].split(", ", 1)
        better = "–" if pd.isna(found["better"]) else f"{found['better']:.4f}"
        rows.append([
            TRAINED[library], data, f"{found['n']:.0f}×{found['rank']:.0f}→{found['outputs']:.0f}",
            f"{found['gamma']:.3g}", f"{found['objective']:.4f}", f"{found['lower']:.4f}",
            f"{significant(rounded_up(found['above']))} %", better, f"{found['verdict_seconds']:.0f}",
        ])  # fmt: skip
    columns = ["trained by", "data", "n×rank→outputs", "γ", "objective", "proved lower bound"]
    return markdown([*columns, "at most above the optimum", "better network", "s"], rows, left=2)


@figure("certify, true")
def true() -> str:
    """How many of the verdicts the exact method confirmed."""
    said = published("certify")["true"].dropna()
    return f"{int(said.astype(bool).sum())} of {len(said)}"


@table("estimators")
def estimators() -> str:
    """Grid searches on breast cancer: means over the splits."""
    runs = published("estimators")
    rows = []
    for name, found in runs.groupby("estimator", sort=False):
        chosen = ", ".join(f"{value:g}" for value in sorted(set(found["penalty"])))
        rows.append([
            f"`{name}`", len(found), chosen, percent(found["validation"].mean()), percent(found["accuracy"].mean()),
            significant(found["processor"].mean()), f"{found['processor_ratio'].mean():.2g}×",
        ])  # fmt: skip
    columns = ["estimator", "splits", "penalty chosen", "validation accuracy", "test accuracy"]
    return markdown([*columns, "processor seconds", "ratio"], rows)


def _of_iris() -> pd.DataFrame:
    """Iris at γ = 0.1, by loss and method."""
    runs = published("losses")
    return runs[(runs["dataset"] == "iris") & (runs["gamma"] == 0.1)].set_index(["loss", "method"])


@figure("losses, iris")
def iris() -> str:
    """The certified optimum of cross-entropy, its gap and seconds."""
    row = _of_iris().loc[("cross_entropy", "exact")]
    return f"in {row['seconds']:.1f} s to a gap of {at_most(row['gap'])} (p\\* = {row['upper']:.4f})"


@figure("losses, shares")
def shares() -> str:
    """What the relaxation certifies of it, beside the squared loss."""
    runs = _of_iris()
    found = {
        loss: runs.loc[(loss, "sdp"), "lower"] / runs.loc[(loss, "exact"), "upper"]
        for loss in ("cross_entropy", "squared")
    }
    return f"{percent(found['cross_entropy'], 0)} (squared loss: {percent(found['squared'], 0)})"
