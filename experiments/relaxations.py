"""Tables and pictures of two studies of the relaxation: experiments/ladder.yaml and experiments/gamma_path*.yaml.

``python experiments/publish.py ladder gamma_path`` writes

    ladder.csv              bound and seconds of every relaxation on every problem
    ladder_growth.csv       bounds over time of the partition that grows
    ladder.png              what is left uncertified against seconds
    gamma_path.csv          bounds, seconds and accuracies over γ/γ_max
    gamma_path_chosen.csv   five-fold cross-validation over γ/γ_max
    gamma_path.png          the relaxation's certified gap over γ/γ_max, and where cross-validation is

and notebooks/ladder.ipynb and notebooks/gamma_path.ipynb read them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sdprelax.laboratory import Store
from sdprelax.laboratory.results import COLOURS, MARKERS, house_style, load_table

NAMES = {
    "random": "random", "spiral": "spiral", "iris": "Iris", "bank_notes": "Bank Notes", "ionosphere": "Ionosphere",
    "pima": "Pima", "mnist": "MNIST",
}  # fmt: skip
INPUTS = {"none": "raw", "standard": "standardised"}
GROWN = "grown partition"
# What the picture of the ladder shows: of the random sets one.
DRAWN = ("random 0", "spiral", "Iris", "Ionosphere")
# What is below is drawn there.
SMALLEST = 1e-6
PER_CENT = ([1e-6, 1e-4, 1e-2, 1.0], ["≤ 0.0001 %", "0.01 %", "1 %", "100 %"])


def rung(method: str, options: dict[str, Any]) -> str:
    """Return what a relaxation of the ladder is called."""
    if method != "sdp":
        return method
    if options["splitting"] == "gap":
        return GROWN
    if options["form"] == "scaled_diagonally_dominant":
        return "scaled diagonally dominant"
    cones, sectors = options["cones"], options.get("sectors", 1)
    asked = options.get("inequalities") or ["nonnegative"]
    parts = [f"{cones} cones"] if cones > 1 else []
    parts += [f"{sectors} sectors"] if sectors > 1 else []
    parts += ["sublinear"] if "sublinear" in asked else []
    if "nonnegative" not in asked:
        return "positive semidefinite"
    return " × ".join(parts) or "doubly nonnegative"


def ladder(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return every relaxation's bound and seconds, and the growing partition's bounds over time.

    ``uncertified`` is the share of the best network of any trial of the problem that a bound leaves; ``value`` the
    solver's own in the same share, no bound: a weaker relaxation's may be less than what its multipliers prove.
    """
    table = load_table(folder)
    table["q"] = table["gamma_relative"].round(12)
    best = table.groupby(["dataset", "q"])["upper"].transform("min")
    found = pd.DataFrame({
        "data": [_data(row) for row in table.itertuples()], "n": table["n"], "d": table["d"], "c": table["c"],
        "q": table["q"], "gamma": table["gamma"],
        "rung": [rung(row.method.partition("(")[0], json.loads(row.options)) for row in table.itertuples()],
        "status": table["status"], "lower": table["lower"], "upper": best,
        "uncertified": 1.0 - table["lower"] / best, "value": 1.0 - table["solver_value"] / best,
        "seconds": table["seconds"], "hash": table["hash"],
    })  # fmt: skip
    trace = load_table(folder, "trace")[["hash", "seconds", "lower"]]
    grown = found[found["rung"] == GROWN][["data", "q", "upper", "hash"]].merge(trace, on="hash")
    grown["uncertified"] = 1.0 - grown["lower"].fillna(0.0).clip(lower=0.0) / grown["upper"]
    return found.drop(columns="hash"), grown[["data", "q", "seconds", "uncertified"]]


def _data(row: Any) -> str:
    """Return what a data set is called, with the number of one that is drawn."""
    name, options = row.dataset.partition("(")[0], json.loads(row.dataset_options)
    return f"{NAMES[name]} {options['seed']}" if name == "random" else NAMES[name]


def gamma_path(results: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return bounds and accuracies over γ/γ_max, and cross-validation's scores.

    ``gap`` is between a trial's bound and the best network of any trial of the problem.

    ``as_good`` is an accuracy within one standard error, of as many independent samples, of the best one.
    """
    parts = [load_table(folder) for name in ("gamma-path", "gamma-path-exact") if (folder := results / name).is_dir()]
    table = pd.concat(parts, ignore_index=True)
    best = table.groupby(["dataset", "gamma"])["upper"].transform("min")
    options = table["dataset_options"].map(json.loads)
    path = pd.DataFrame({
        "data": table["dataset"].str.partition("(")[0].map(NAMES),
        "inputs": [INPUTS[each["scaling"]] for each in options], "n": table["n"], "d": table["d"], "c": table["c"],
        "q": table["gamma_relative"].round(12), "gamma": table["gamma"], "gamma_max": table["gamma_max"],
        "method": table["method"].str.partition("(")[0], "status": table["status"], "lower": table["lower"],
        "upper": table["upper"], "gap": 1.0 - table["lower"] / best, "seconds": table["seconds"],
        "train_accuracy": table["train_accuracy"], "test_accuracy": table["test_accuracy"],
    })  # fmt: skip
    store = Store(results / "gamma-path-chosen")
    tested = load_table(results / "gamma-path-chosen", "predictions").query("predictor == 'network'")
    accuracy = tested.set_index("hash")["test_accuracy"]
    rows = []
    for record in store.records():
        trial, details = record["trial"], record["details"]
        scored = [row for row in details["validation"] if row["predictor"] == "network"]
        best = max(row["accuracy"] for row in scored)
        for row in scored:
            mine = row["gamma"] == details["gamma"]["network"]
            rows.append({
                "data": NAMES[trial["dataset"]], "inputs": INPUTS[trial["dataset_options"]["scaling"]],
                "q": round(row["gamma"] / trial["gamma"], 12), "accuracy": row["accuracy"], "chosen": mine,
                "as_good": row["accuracy"] >= best - (best * (1.0 - best) / record["n"]) ** 0.5,
                "test_accuracy": accuracy[record["hash"]] if mine else np.nan,
            })  # fmt: skip
    order = {name: k for k, name in enumerate(NAMES.values())}
    chosen = pd.DataFrame(rows).sort_values(
        ["data", "inputs", "q"], key=lambda column: column.map(order) if column.name == "data" else column
    )
    return path, chosen


@matplotlib.rc_context(house_style())
def gamma_path_picture(path: pd.DataFrame, chosen: pd.DataFrame) -> Figure:
    """Draw the relaxation's certified gap over γ/γ_max: dots where validation is good, triangles at γ = 0.1."""
    figure = Figure(figsize=(7.6, 3.6))
    panels = figure.subplots(1, 2, sharey=True)
    relaxed = path[path["method"] == "sdp"]
    names = [name for name in NAMES.values() if name in set(relaxed["data"])]
    for axes, inputs in zip(panels, INPUTS.values(), strict=True):
        for k, name in enumerate(names):
            mine = relaxed[(relaxed["data"] == name) & (relaxed["inputs"] == inputs)].sort_values("q")
            axes.loglog(mine["q"], mine["gap"].clip(lower=SMALLEST), color=COLOURS[k], linewidth=1.6, label=name)
            tried = chosen[(chosen["data"] == name) & (chosen["inputs"] == inputs)].merge(mine[["q", "gap"]], on="q")
            for row in tried[tried["as_good"]].itertuples():
                size, edge = (9, "black") if row.chosen else (5, COLOURS[k])
                axes.plot(
                    [row.q], [max(row.gap, SMALLEST)], "o", color=COLOURS[k], markersize=size, markeredgecolor=edge
                )
            axes.plot([0.1 / mine["gamma_max"].iloc[0]], [1.35], "v", color=COLOURS[k], markersize=6, clip_on=False)
        axes.set(xlim=(1e-6, 1.0), ylim=(SMALLEST, 1.3), xlabel="γ / γ_max")
        axes.set_title(f"{inputs} inputs", loc="left", pad=12)
        axes.grid(color="0.92", linewidth=0.6)
        axes.set_yticks(*PER_CENT)
    panels[0].set_ylabel("certified gap of the relaxation")
    extra = [
        Line2D(
            [],
            [],
            marker="o",
            color="0.7",
            markeredgecolor="black",
            linestyle="",
            markersize=8,
            label="cross-validation",
        ),
        Line2D([], [], marker="o", color="0.5", linestyle="", markersize=5, label="within its standard error"),
        Line2D([], [], marker="v", color="0.3", linestyle="", markersize=6, label="γ = 0.1, as published"),
    ]
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        [*handles, *extra], [*labels, *(each.get_label() for each in extra)], loc="outside lower center", ncols=4,
        frameon=False,
    )  # fmt: skip
    return figure


@matplotlib.rc_context(house_style())
def ladder_picture(table: pd.DataFrame, growth: pd.DataFrame, data: Sequence[str] | None = None) -> Figure:
    """Draw what each relaxation leaves uncertified against its seconds, a row per γ/γ_max, a panel per data set."""
    data = DRAWN if data is None else data
    shares = sorted(table["q"].unique(), reverse=True)
    figure = Figure(figsize=(2.3 * len(data) + 0.6, 2.3 * len(shares) + 0.9))
    panels = figure.subplots(len(shares), len(data), sharex=True, sharey=True, squeeze=False)
    names = [name for name in dict.fromkeys(table["rung"]) if name != "exact"]
    looks = {
        name: (
            COLOURS[k % len(COLOURS)],
            MARKERS[k % len(MARKERS)],
            COLOURS[k % len(COLOURS)] if k < len(COLOURS) else "white",
        )
        for k, name in enumerate(names)
    }
    for (row, q), (column, name) in itertools.product(enumerate(shares), enumerate(data)):
        axes = panels[row, column]
        mine = table[(table["data"] == name) & (table["q"] == q)].set_index("rung")
        line = growth[(growth["data"] == name) & (growth["q"] == q)].sort_values("seconds")
        left = line["uncertified"].clip(lower=SMALLEST)
        axes.step(line["seconds"], left, color=looks[GROWN][0], where="post", linewidth=1.0)
        for rung_name, (colour, marker, face) in looks.items():
            if rung_name in mine.index and np.isfinite(mine.loc[rung_name, "uncertified"]):
                where = (
                    mine.loc[rung_name, "seconds"],
                    float(np.clip(mine.loc[rung_name, "uncertified"], SMALLEST, 1.0)),
                )
                axes.plot(*where, marker, color=colour, markerfacecolor=face)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set(ylim=(0.6 * SMALLEST, 1.4), xlim=(0.1, 100.0))
        axes.grid(color="0.92", linewidth=0.6)
        axes.set_title(f"{name}, γ = {q:g} γ_max", loc="left")
    panels[0, 0].set_xticks([0.1, 1.0, 10.0, 100.0], ["0.1", "1", "10", "100"])
    panels[0, 0].set_yticks(*PER_CENT)
    for axes in panels[-1]:
        axes.set_xlabel("seconds")
    for axes in panels[:, 0]:
        axes.set_ylabel("left uncertified")
        axes.minorticks_off()
    handles = [
        Line2D([], [], marker=marker, color=colour, markerfacecolor=face, linestyle="", label=name)
        for name, (colour, marker, face) in looks.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure
