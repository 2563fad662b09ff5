"""Verdicts on networks of other libraries."""

from __future__ import annotations

import pandas as pd

from documents.writing import figure, markdown, published, significant, table

TRAINED = {"torch": "PyTorch", "sklearn": "scikit-learn"}


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
            f"{significant(found['above'])} %", better, f"{found['verdict_seconds']:.0f}",
        ])  # fmt: skip
    columns = ["trained by", "data", "n×rank→outputs", "γ", "objective", "proved lower bound"]
    return markdown([*columns, "at most above the optimum", "better network", "s"], rows, left=2)


@figure("certify, true")
def true() -> str:
    """How many of the verdicts the exact method confirmed."""
    said = published("certify")["true"].dropna()
    return f"{int(said.astype(bool).sum())} of {len(said)}"
