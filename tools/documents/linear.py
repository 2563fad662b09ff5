"""Deep linear networks: how often they are certified."""

from __future__ import annotations

import pandas as pd

from documents.writing import at_most, markdown, published, significant, table


@table("deep linear")
def certified() -> str:
    """Networks certified, and the largest gap of the others, by depth, width and condition."""
    found = published("deep_linear")
    conditions = list(dict.fromkeys(found["condition"]))
    rows = []
    for (depth, width), mine in found.groupby(["depth", "width"], sort=False):
        by = mine.set_index("condition")
        rows.append([depth, width, *(_cell(by.loc[name]) for name in conditions)])
    rows.sort(key=lambda row: (row[0], row[1]))
    named = [name if name == "white" else f"condition number {name}" for name in conditions]
    return markdown(["depth", "width", *named], rows)


def _cell(row: pd.Series) -> str:
    """Return "30 of 30, 5e-12": how many are certified, and the largest gap of all."""
    largest = row["largest_gap"]
    size = at_most(largest) if largest < 1e-3 else f"{significant(100.0 * largest)} %"
    return f"{row['solved']:.0f} of {row['trials']:.0f}, {size}"
