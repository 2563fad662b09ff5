"""Pictures of a study: what few samples suffice for, what becomes of errors in later layers, what students cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sdprelax.distillation.study._tables import WORDS, students_summary
from sdprelax.laboratory.results import (
    COLOURS,
    Gathered,
    drawn,
    legend_outside,
    literal,
    looks_of,
    panels,
    written_lines,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PICTURES", "errors_picture", "fractions_picture", "size_picture"]

SIZES = {
    "parameters_share": "parameters", "bytes_share": "bytes", "multiply_adds_share": "multiply-adds",
    "latency_share": "latency, one input", "latency_batch_share": "latency, many inputs",
}  # fmt: skip


def _looks(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    found = looks_of(list(dict.fromkeys(table["distiller"])))
    return {
        name: {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.2}
        for name, (colour, marker) in found.items()
    }


def _panels(table: pd.DataFrame, width: float, height: float, columns: int | None) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with one panel for each block."""
    blocks = list(dict.fromkeys(table["block"]))
    figure, axes = panels(len(blocks), columns, width, height)
    for block, panel in zip(blocks, axes, strict=True):
        panel.set_title(written_lines(block, width - 0.6))
    return figure, dict(zip(blocks, axes, strict=True))


@drawn
def fractions_picture(table: pd.DataFrame, columns: int | None = None) -> Figure:
    """Draw accuracy, or agreement with the teacher without labels, against the share of the pictures fitted to.

    Means over repeats, bars their standard deviation; what looks at no pictures, and the teacher, are level lines.
    """
    ended = table[table["parameters"].notna()]
    figure, axes_of = _panels(ended, 3.3, 2.7, columns)
    looks, figured = _looks(table), "accuracy" if ended["accuracy"].notna().any() else "agreement"
    for block, axes in axes_of.items():
        rows = ended[ended["block"] == block]
        for name, mine in rows.groupby("distiller", sort=False):
            found = mine.groupby("fraction")[figured].agg(["mean", "std"])
            mean, look = 100.0 * found["mean"].to_numpy(dtype=float), looks[str(name)]
            if len(found) == 1:
                axes.axhline(mean[0], color=look["color"], linewidth=1.0, linestyle=":")
                axes.plot(found.index, mean, **{**look, "linestyle": "none"})
                continue
            spread = 100.0 * found["std"].fillna(0.0).to_numpy(dtype=float)
            axes.errorbar(found.index, mean, yerr=spread, elinewidth=0.8, capsize=2, **look)
        if figured == "accuracy":
            axes.axhline(100.0 * float(rows["teacher_accuracy"].iloc[0]), color="0.3", linewidth=1.0, linestyle="--")
        axes.set_xscale("log")
        shares = sorted(rows["fraction"].unique())
        axes.set_xticks(shares, [f"{100.0 * share:g}" for share in shares])
        axes.minorticks_off()
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        axes.set_xlabel("pictures fitted to, % of the transfer pictures")
    first = next(iter(axes_of.values()))
    first.set_ylabel(f"{figured} on other pictures, %")
    if figured == "accuracy":
        looks["teacher"] = {"color": "0.3", "linestyle": "--"}
    legend_outside(figure, looks)
    return figure


@drawn
def errors_picture(records: list[dict[str, Any]], columns: int | None = None) -> Figure:
    """Draw the activations' error behind the block and behind every later layer, relative to their spread.

    Medians over the repeats with the most pictures; 1 is as bad as the best constant.
    """
    rows = pd.DataFrame(
        [
            {"block": record["block"], "distiller": record["distiller"], "fraction": record["fraction"],
             "layer": layer, "error": error}
            for record in records
            if record["parameters"] is not None
            for layer, error in {record["block"]: record["activation_error"], **record["layer_errors"]}.items()
        ],
        columns=pd.Index(["block", "distiller", "fraction", "layer", "error"]),
    )  # fmt: skip
    rows["error"] = pd.to_numeric(rows["error"], errors="coerce")
    # A block at the network's end has no later layers, and one point is no picture.
    rows = rows[rows.groupby("block")["layer"].transform("nunique") > 1]
    rows = rows[rows["fraction"] == rows.groupby(WORDS)["fraction"].transform("max")]
    figure, axes_of = _panels(rows, 3.3, 2.9, columns)
    looks = _looks(rows)
    for block, axes in axes_of.items():
        mine = rows[rows["block"] == block]
        layers = list(dict.fromkeys(mine["layer"]))
        for name, one in mine.groupby("distiller", sort=False):
            median = one.groupby("layer")["error"].median().reindex(layers).to_numpy(dtype=float)
            # An error of zero has no place on a logarithmic axis.
            shown = np.where(median > 0.0, median, np.nan)
            axes.plot(range(len(layers)), shown, **looks[str(name)])
        axes.set_yscale("log")
        axes.set_xticks(range(len(layers)), map(literal, layers), rotation=40, ha="right", rotation_mode="anchor")
        axes.grid(axis="y", color="0.9", linewidth=0.6)
    first = next(iter(axes_of.values()))
    first.set_ylabel("relative error of activations")
    legend_outside(figure, looks)
    return figure


@drawn
def size_picture(table: pd.DataFrame, columns: int | None = None) -> Figure:
    """Draw what every student costs, as shares of the block that it replaces; the line at 100 % is the block."""
    found = students_summary(table)
    shown = {name: label for name, label in SIZES.items() if found[name].notna().any()}
    names = list(dict.fromkeys(found["distiller"]))
    figure, axes_of = _panels(found, 3.3, 0.9 + 0.16 * len(names) * (len(shown) + 1), columns)
    outer = list(axes_of.values())[:: min(columns or 3, len(axes_of))]
    for block, axes in axes_of.items():
        rows = found[found["block"] == block].set_index("distiller").reindex(names)
        thick = 0.8 / max(1, len(shown))
        for k, (name, label) in enumerate(shown.items()):
            places = np.arange(len(names)) + (k - (len(shown) - 1) / 2) * thick
            values = 100.0 * rows[name].to_numpy(dtype=float)
            axes.barh(places, values, 0.9 * thick, color=COLOURS[k % len(COLOURS)], label=label)
        axes.axvline(100.0, color="0.3", linewidth=1.0, linestyle="--")
        axes.set_yticks(range(len(names)), map(literal, names) if axes in outer else [""] * len(names))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(axis="x", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("% of the block's")
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + 0.065 * max(map(len, names)), height + 0.3)
    handles, labels = next(iter(axes_of.values())).get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(shown)), frameon=False)
    return figure


def _fractions(found: Gathered, columns: int | None) -> Figure | None:
    table = found.tables["table"]
    fractions = table[table["parameters"].notna()].groupby(WORDS)["fraction"].agg(["min", "max"])
    return fractions_picture(table, columns) if (fractions["min"] < fractions["max"]).any() else None


def _errors(found: Gathered, columns: int | None) -> Figure | None:
    records = [record for _, record in found.kept]
    return errors_picture(records, columns) if any(record["layer_errors"] for record in records) else None


def _size(found: Gathered, columns: int | None) -> Figure | None:
    table = found.tables["table"]
    return size_picture(table, columns) if table["parameters"].notna().any() else None


PICTURES = {"fractions": _fractions, "errors": _errors, "size": _size}
