"""Tables over the records of a training sweep."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sdprelax.laboratory._job import described, flat_options
from sdprelax.laboratory.results._tables import merged_status
from sdprelax.laboratory.training._trial import SETTING, problem_words

__all__ = [
    "LOOKS", "ORIGINS", "kept", "names_of", "predictions_summary", "predictions_table", "problem_columns",
    "results_table", "tightness_table", "trace_table", "unsound", "with_shares",
]  # fmt: skip

# Columns that a table has where some trial has anything to say there: what is as usual has no column.
LATER_COLUMNS = (*SETTING, "gamma_max", "gamma_relative", "train_loss", "test_loss")
COLUMNS = [
    "dataset", "n", "d", "c", "gamma", "gamma_max", "gamma_relative", "bias", *SETTING, "method", "repeat", "status",
    "lower", "upper", "gap", "solver_value", "solver_status", "seconds", "peak_memory_mb", "width", "train_accuracy",
    "train_rmse", "train_loss", "test_accuracy", "test_balanced_accuracy", "test_f1", "test_rmse", "test_loss",
    "paper_accuracy", "message", "seed", "options", "dataset_options", "versions", "hash", "attempt",
]  # fmt: skip
NUMBERS = [
    "n", "d", "c", "gamma", "gamma_max", "gamma_relative", "lower", "upper", "gap", "solver_value", "seconds",
    "peak_memory_mb", "width", "train_accuracy", "train_rmse", "train_loss", "test_accuracy", "test_balanced_accuracy",
    "test_f1", "test_rmse", "test_loss", "paper_accuracy",
]  # fmt: skip


PREDICTED = [
    "train_accuracy", "test_accuracy", "test_balanced_accuracy", "test_f1", "test_rmse", "test_loss", "paper_accuracy",
    "paper_threshold",
]  # fmt: skip
PREDICTIONS = [
    "dataset", "gamma", "gamma_relative", "bias", *SETTING, "method", "repeat", "predictor", "objective", *PREDICTED,
    "status", "hash",
]  # fmt: skip
TIGHTNESS = [
    "dataset", *SETTING, "gamma", "gamma_relative", "method", "lower", "upper", "gap", "certified_percent",
    "excess_percent", "seconds", "status",
]  # fmt: skip

# What ``sdprelax verify`` does with the columns of all tables; the others say which trial a row is of.
ORIGINS = {
    "proved": ("lower",),
    "attained": ("upper", "objective"),
    "from these": ("gap", "certified_percent", "excess_percent"),
    "measured again": (
        "n", "d", "c", "width", "train_accuracy", "train_rmse", "train_loss", "test_accuracy", "test_balanced_accuracy",
        "test_f1", "test_rmse", "test_loss", "paper_accuracy", "paper_threshold",
    ),
    "reported": (
        "status", "gamma_max", "gamma_relative", "seconds", "solver_value", "solver_status", "peak_memory_mb",
        "message", "versions",
    ),
}  # fmt: skip
# Titles of the columns of what is not usual, where they are printed.
LOOKS = {name: (name.replace("_", " "), str) for name in SETTING}


def problem_columns(table: pd.DataFrame) -> list[str]:
    """Return those columns of a table that tell its problems apart."""
    return [name for name in ("dataset", "bias", *SETTING, "gamma") if name in table]


def _table(rows: list[dict[str, Any]], columns: list[str], numbers: list[str]) -> pd.DataFrame:
    """Return rows as a table; of ``LATER_COLUMNS`` it has those in which some row has an entry."""
    there = [name for name in columns if name not in LATER_COLUMNS or any(row.get(name) is not None for row in rows)]
    table = pd.DataFrame(rows, columns=pd.Index(there))
    for name in set(there) & set(numbers):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    for name in set(there) & set(SETTING):
        table[name] = table[name].fillna(SETTING[name][0])
    return table


def results_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per trial, in the order of the records.

    ``gap`` is (upper − lower)/|upper| of the trial itself; ``peak_memory_mb`` is the peak
    of its process while it ran, Python and its libraries (about 200 MB) included. ``loss``, ``activation``, ``offset``,
    ``penalise_bias`` and ``class_weight`` are columns where some trial has another than the usual one, and
    ``train_loss`` and ``test_loss``, means of the loss over the samples, where some loss is not the squared one.
    ``gamma_relative`` is γ/γ_max, where γ_max was found in seconds; trials of before it was have none.
    """
    rows = [
        {
            **record,
            "gamma_relative": _relative(record),
            "seed": record["trial"]["seed"],
            "options": json.dumps(record["trial"]["method_options"], sort_keys=True),
            "dataset_options": _entry("dataset", record["trial"])[1],
            "versions": json.dumps(record["provenance"]["versions"], sort_keys=True),
        }
        for record in records
    ]
    return _table(rows, COLUMNS, NUMBERS)


def _relative(record: dict[str, Any]) -> float | None:
    """Return γ/γ_max of a record, to twelve digits; None where it does not know γ_max, or that is 0."""
    largest = record.get("gamma_max")
    return float(f"{record['gamma'] / largest:.12g}") if largest else None


def kept(record: dict[str, Any]) -> dict[str, Any]:
    """Return what tables need of a record, a fraction of it."""
    needed = {name: record[name] for name in (*COLUMNS, "trial", "trace", "predictors") if name in record}
    return needed | {"provenance": {"versions": record["provenance"]["versions"]}}


def _entry(part: str, trial: Mapping[str, Any]) -> tuple[str, str]:
    """Return what tells one entry of a sweep from another: its name and its options."""
    options = trial[f"{part}_options"]
    if part == "dataset" and trial["dataset_digest"]:
        options = {**options, "sha256": trial["dataset_digest"]}
    return trial[part], json.dumps(options, sort_keys=True)


def names_of(trials: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Return what data set and method of every trial are called, by the trial's hash.

    That is their names, or their option ``label``, and those options in which the entries of that name differ.
    """
    labels = {part: _labels(part, trials.values()) for part in ("dataset", "method")}
    return {trial: {part: labels[part][_entry(part, content)] for part in labels} for trial, content in trials.items()}


def _labels(part: str, trials: Collection[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    entries = {_entry(part, trial): flat_options(trial[f"{part}_options"]) for trial in trials}
    labels = {}
    for (name, key), mine in entries.items():
        own = mine.get("label")
        others = [options for (other, _), options in entries.items() if (other, options.get("label")) == (name, own)]
        differ = {k: v for k, v in mine.items() if any(options.get(k) != v for options in others)}
        labels[name, key] = described(own or name, differ)
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
    rows = [
        {
            **record,
            **found,
            "predictor": found["name"],
            "gamma_relative": _relative(record),
        }
        for record in records
        for found in record["predictors"]
    ]
    return _table(rows, PREDICTIONS, ["objective", *PREDICTED])


def predictions_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return how well everything predicts on every problem: means over the repeats, objectives their least."""
    shown = table.assign(dataset=table["dataset"] + np.where(table["bias"].astype(bool), " + bias", ""))
    means: dict[str, Any] = {name: "mean" for name in PREDICTED if name in shown}
    means |= {"gamma_relative": "first"} if "gamma_relative" in shown else {}
    keys = [*(name for name in problem_columns(shown) if name != "bias"), "method", "predictor"]
    found = shown.groupby(keys, sort=False).agg(means | {"objective": "min", "status": merged_status}).reset_index()
    return found[[name for name in PREDICTIONS if name in found]].dropna(axis="columns", how="all")


def unsound(table: pd.DataFrame) -> list[str]:
    """Return a sentence for every problem on which some lower bound exceeds some upper bound: a bug."""
    found = []
    keys = problem_columns(table)
    for key, rows in table.groupby(keys, sort=False):
        lower, upper = rows["lower"].max(), rows["upper"].min()
        if lower > upper:
            above, below = rows.loc[rows["lower"].idxmax()], rows.loc[rows["upper"].idxmin()]
            problem = dict(zip(keys, key, strict=True))
            found.append(
                f"UNSOUND on {problem_words(problem)} at gamma {problem['gamma']}: the lower bound {float(lower)!r} of "
                f"{above['method']} exceeds the upper bound {float(upper)!r} of {below['method']}."
            )
    return found


def with_shares(rows: pd.DataFrame, among: pd.DataFrame) -> pd.DataFrame:
    """Return rows with what they certify and exceed, in percent of the best bounds ``among`` all rows of a table.

    ``certified_percent`` is the lower bound as a percentage of the best upper bound on the problem; ``excess_percent``
    is how far the network is above the best lower bound. Where that upper or lower bound is negative, they are 100
    less, and just, the distance relative to its size.
    """
    keys = problem_columns(among)
    best = among.groupby(keys, sort=False).agg(best_lower=("lower", "max"), best_upper=("upper", "min"))
    found = rows.merge(best.reset_index(), on=keys, how="left").set_axis(rows.index)
    numbers = ("lower", "upper", "best_lower", "best_upper")
    lower, upper, best_lower, best_upper = (found[name].to_numpy(dtype=float) for name in numbers)
    with np.errstate(divide="ignore", invalid="ignore"):
        certified = np.where(best_upper < 0, 100.0 - 100.0 * (best_upper - lower) / np.abs(best_upper), np.nan)
        certified = np.where(lower == best_upper, 100.0, certified)
        excess = np.where(best_lower < 0, 100.0 * (upper - best_lower) / np.abs(best_lower), np.nan)
        return rows.assign(
            certified_percent=np.where(best_upper > 0, 100.0 * lower / best_upper, certified),
            excess_percent=np.where(best_lower > 0, 100.0 * (upper / best_lower - 1.0), excess),
        )


def tightness_table(table: pd.DataFrame, among: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return how tight every method is on every problem, repeats merged to their best bounds.

    Parameters
    ----------
    table: of trials.
    among: the trials whose best bounds count (:func:`with_shares`), by default the same.
    """
    if table.empty:
        return pd.DataFrame(columns=pd.Index(TIGHTNESS))
    keys = problem_columns(table)
    share = {"gamma_relative": ("gamma_relative", "first")} if "gamma_relative" in table else {}
    merged = table.groupby([*keys, "method"], sort=False).agg(
        lower=("lower", "max"), upper=("upper", "min"), seconds=("seconds", "mean"), status=("status", merged_status),
        **share,
    )  # fmt: skip
    # The order of the table: problem by problem, each method where it first stands.
    merged = with_shares(merged.reset_index(), table if among is None else among)
    lower, upper = merged["lower"].to_numpy(dtype=float), merged["upper"].to_numpy(dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        merged["gap"] = np.where(upper != 0, (upper - lower) / np.abs(upper), np.where(upper == lower, 0.0, np.nan))
    merged["dataset"] = merged["dataset"] + np.where(merged["bias"].astype(bool), " + bias", "")
    return merged[[name for name in TIGHTNESS if name in merged]]
