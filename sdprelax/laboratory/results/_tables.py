"""Tables over the records of a sweep."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sdprelax.base import InputError, write_whole
from sdprelax.laboratory._job import described, flat_options

__all__ = [
    "ORIGINS",
    "kept",
    "load_table",
    "merged_status",
    "origins",
    "predictions_summary",
    "predictions_table",
    "render",
    "results_table",
    "tightness_table",
    "trace_table",
    "unsound",
    "write_tables",
]

COLUMNS = [
    "dataset", "n", "d", "c", "gamma", "bias", "method", "repeat", "status", "lower", "upper", "gap", "solver_value",
    "solver_status", "seconds", "peak_memory_mb", "width", "train_accuracy", "train_rmse", "test_accuracy",
    "test_balanced_accuracy", "test_f1", "test_rmse", "paper_accuracy", "message", "seed",
    "options", "dataset_options", "versions", "hash", "attempt",
]  # fmt: skip
PROBLEM = ["dataset", "bias", "gamma"]
NUMBERS = [
    "n", "d", "c", "gamma", "lower", "upper", "gap", "solver_value", "seconds", "peak_memory_mb", "width",
    "train_accuracy", "train_rmse", "test_accuracy", "test_balanced_accuracy", "test_f1", "test_rmse", "paper_accuracy",
]  # fmt: skip


PREDICTED = [
    "train_accuracy", "test_accuracy", "test_balanced_accuracy", "test_f1", "test_rmse", "paper_accuracy",
    "paper_threshold",
]  # fmt: skip
PREDICTIONS = [
    "dataset", "gamma", "bias", "method", "repeat", "predictor", "objective", *PREDICTED, "status", "hash",
]  # fmt: skip
TIGHTNESS = [
    "dataset", "gamma", "method", "lower", "upper", "gap", "certified_percent", "excess_percent", "seconds", "status",
]  # fmt: skip

# What stands for characters that LaTeX, or a table of Markdown, would take for its own; neither knows lines in a cell.
LATEX = str.maketrans({
    **{character: f"\\{character}" for character in "&%$#_{}"}, "\\": r"\textbackslash{}", "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "\n": " ",
})  # fmt: skip
MARKDOWN = str.maketrans({**{character: f"\\{character}" for character in "\\|`*<$"}, "\n": " "})

# What ``sdprelax verify`` does with the columns of all tables; the others say which trial a row is of.
ORIGINS = {
    "proved": ("lower",),
    "attained": ("upper", "objective"),
    "from these": ("gap", "certified_percent", "excess_percent"),
    "measured again": (
        "n", "d", "c", "width", "train_accuracy", "train_rmse", "test_accuracy", "test_balanced_accuracy", "test_f1",
        "test_rmse", "paper_accuracy", "paper_threshold",
    ),
    "reported": (
        "status", "seconds", "solver_value", "solver_status", "peak_memory_mb", "message", "versions",
    ),
}  # fmt: skip


def origins(columns: Iterable[str]) -> str:
    """Return a line that says of columns which are proved, attained, measured again by ``verify``, or just reported."""
    said = [*columns]
    found = {origin: [name for name in names if name in said] for origin, names in ORIGINS.items()}
    parts = [f"{origin}: {', '.join(names).replace('_', ' ')}" for origin, names in found.items() if names]
    return f"{'; '.join(parts)}."


def results_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per trial, in the order of the records.

    Data sets and methods are labelled by their names and those options in which the sweep's entries of that name
    differ. ``gap`` is (upper − lower)/upper of the trial itself; ``peak_memory_mb`` is the peak of its process
    while it ran, Python and its libraries (about 200 MB) included.
    """
    labels = {kind: _labels(kind, records) for kind in ("dataset", "method")}
    rows = [
        {
            **record,
            **{kind: labels[kind][_entry(kind, record)] for kind in labels},
            "seed": record["trial"]["seed"],
            "options": json.dumps(record["trial"]["method_options"], sort_keys=True),
            "dataset_options": _entry("dataset", record)[1],
            "versions": json.dumps(record["provenance"]["versions"], sort_keys=True),
        }
        for record in records
    ]
    table = pd.DataFrame(rows, columns=pd.Index(COLUMNS))
    for name in NUMBERS:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def kept(record: dict[str, Any]) -> dict[str, Any]:
    """Return what tables need of a record, a fraction of it."""
    needed = {name: record[name] for name in (*COLUMNS, "trial", "trace", "predictors") if name in record}
    return needed | {"provenance": {"versions": record["provenance"]["versions"]}}


def _entry(kind: str, record: dict[str, Any]) -> tuple[str, str]:
    """Return what tells one entry of a sweep from another: its name and its options."""
    options = record["trial"][f"{kind}_options"]
    if kind == "dataset" and record["trial"]["dataset_digest"]:
        options = {**options, "sha256": record["trial"]["dataset_digest"]}
    return record["trial"][kind], json.dumps(options, sort_keys=True)


def _labels(kind: str, records: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    entries = {_entry(kind, record): flat_options(record["trial"][f"{kind}_options"]) for record in records}
    labels = {}
    for (name, key), mine in entries.items():
        others = [options for (other, _), options in entries.items() if other == name]
        differ = {k: v for k, v in mine.items() if any(options.get(k) != v for options in others)}
        labels[name, key] = described(name, differ)
    return labels


def trace_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per point of every trial's trace of bounds against time."""
    rows = [
        {"hash": record["hash"], "seconds": seconds, "lower": lower, "upper": upper}
        for record in records
        for seconds, lower, upper in record["trace"]
    ]
    names = ["hash", "seconds", "lower", "upper"]
    table = pd.DataFrame(rows, columns=pd.Index(names))
    for name in ("seconds", "lower", "upper"):
        table[name] = pd.to_numeric(table[name])
    return table


def predictions_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per predictor of every trial: its objective if it is a network, and how well it predicts.

    ``paper_accuracy`` is that of Prakhya, Birdal and Yurtsever 2025, whose threshold is the best on the
    test set: to compare with theirs, no estimate of anything.
    """
    labels = {kind: _labels(kind, records) for kind in ("dataset", "method")}
    rows = [
        {**record, **{kind: labels[kind][_entry(kind, record)] for kind in labels}, **found, "predictor": found["name"]}
        for record in records
        for found in record["predictors"]
    ]
    table = pd.DataFrame(rows, columns=pd.Index(PREDICTIONS))
    for name in ("objective", *PREDICTED):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def predictions_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return how well everything predicts on every problem: means over the repeats, objectives their least."""
    shown = table.assign(dataset=table["dataset"] + np.where(table["bias"].astype(bool), " + bias", ""))
    figures: dict[str, Any] = dict.fromkeys(PREDICTED, "mean") | {"objective": "min", "status": merged_status}
    keys = ["dataset", "gamma", "method", "predictor"]
    found = shown.groupby(keys, sort=False).agg(figures).reset_index()
    return found[[name for name in PREDICTIONS if name in found]].dropna(axis="columns", how="all")


def merged_status(statuses: pd.Series) -> str:
    """Return the status of several trials: the one of all of them, or how many have which: "2 solved, 1 error"."""
    counts = statuses.value_counts(sort=False)
    return str(counts.index[0]) if len(counts) == 1 else ", ".join(f"{n} {status}" for status, n in counts.items())


def unsound(table: pd.DataFrame) -> list[str]:
    """Return a sentence for every problem on which some lower bound exceeds some upper bound: a bug."""
    found = []
    for key, rows in table.groupby(PROBLEM, sort=False):
        lower, upper = rows["lower"].max(), rows["upper"].min()
        if lower > upper:
            above, below = rows.loc[rows["lower"].idxmax()], rows.loc[rows["upper"].idxmin()]
            found.append(
                f"UNSOUND on {key[0]} at gamma {key[2]}: the lower bound {float(lower)!r} of {above['method']} "
                f"exceeds the upper bound {float(upper)!r} of {below['method']}."
            )
    return found


def tightness_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return how tight every method is on every problem, repeats merged to their best bounds.

    ``certified_percent`` is the method's lower bound as a percentage of the best upper bound that any method
    found; ``excess_percent`` is how far its network is above the best lower bound.
    """
    if table.empty:
        return pd.DataFrame(columns=pd.Index(TIGHTNESS))
    best = table.groupby(PROBLEM, sort=False).agg(best_lower=("lower", "max"), best_upper=("upper", "min"))
    merged = table.groupby([*PROBLEM, "method"], sort=False).agg(
        lower=("lower", "max"), upper=("upper", "min"), seconds=("seconds", "mean"), status=("status", merged_status)
    )
    # The order of the table: problem by problem, each method where it first stands.
    merged = merged.reset_index().merge(best.reset_index(), on=PROBLEM)
    lower, upper = merged["lower"].to_numpy(dtype=float), merged["upper"].to_numpy(dtype=float)
    best_lower, best_upper = (merged[name].to_numpy(dtype=float) for name in ("best_lower", "best_upper"))
    with np.errstate(divide="ignore", invalid="ignore"):
        merged["gap"] = np.where(upper > 0, (upper - lower) / upper, np.where(upper == lower, 0.0, np.nan))
        certified = np.where(lower == best_upper, 100.0, np.nan)
        merged["certified_percent"] = np.where(best_upper > 0, 100.0 * lower / best_upper, certified)
        merged["excess_percent"] = np.where(best_lower > 0, 100.0 * (upper / best_lower - 1.0), np.nan)
    merged["dataset"] = merged["dataset"] + np.where(merged["bias"].astype(bool), " + bias", "")
    return merged[TIGHTNESS]


def write_tables(folder: Path, records: list[dict[str, Any]]) -> pd.DataFrame:
    """Write table, predictions and trace into a sweep's folder, each whole; return the table."""
    table = results_table(records)
    predictions = predictions_table(records)
    write_whole(folder / "predictions.csv", predictions.to_csv(index=False).encode())
    write_whole(folder / "predictions.parquet", predictions.to_parquet(index=False))
    write_whole(folder / "trace.parquet", trace_table(records).to_parquet(index=False))
    write_whole(folder / "table.csv", table.to_csv(index=False).encode())
    write_whole(folder / "table.parquet", table.to_parquet(index=False))
    return table


def load_table(folder: Path, name: str = "table") -> pd.DataFrame:
    """Return a table of a sweep's folder: "table", "predictions" or "trace".

    Raises
    ------
    InputError: there is none, or it is damaged.
    """
    path = folder / f"{name}.parquet"
    if not path.is_file():
        if (folder / "sweep.json").is_file():
            raise InputError(f"{path} is not there; sdprelax collect {folder} writes it.")
        raise InputError(f"{folder} holds no results: name a sweep's folder, e.g. results/quickstart.")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is damaged; sdprelax collect {folder} rebuilds it ({reason}).") from None


def render(table: pd.DataFrame, form: str) -> str:
    """Return a table as "csv", "latex" or "markdown" text."""
    if form == "csv":
        return str(table.to_csv(index=False))
    shown = table.copy()
    for name in shown.columns:
        if name == "gap":
            shown[name] = [f"{value:.1e}" if pd.notna(value) else "" for value in shown[name]]
        elif pd.api.types.is_float_dtype(shown[name]):
            digits = {
                "seconds": ".1f",
                "certified_percent": ".3f",
                "excess_percent": ".3f",
                "gamma": "g",
            }.get(name, ".6g")
            shown[name] = [format(value, digits) if pd.notna(value) else "" for value in shown[name]]
    if form == "latex":
        lines = [r"\begin{tabular}{" + "l" * len(shown.columns) + "}", r"\hline"]
        body = [list(shown.columns), *shown.astype(str).to_numpy().tolist()]
        escaped = [[cell.translate(LATEX) for cell in row] for row in body]
        lines += [" & ".join(row) + r" \\" + (r" \hline" if index == 0 else "") for index, row in enumerate(escaped)]
        return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"
    head, *rows = ["| " + " | ".join(str(cell).translate(MARKDOWN) for cell in row) + " |"
                   for row in [list(shown.columns), *shown.to_numpy().tolist()]]  # fmt: skip
    return "\n".join([head, "|" + "---|" * len(shown.columns), *rows]) + "\n"
