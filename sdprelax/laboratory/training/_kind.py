"""Trials of training: a method on a problem."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from sdprelax.base import SdprelaxError
from sdprelax.datasets import datasets
from sdprelax.laboratory._kinds import TrialKind, entry_key, figures
from sdprelax.laboratory.training import _tables
from sdprelax.laboratory.training._findings import findings
from sdprelax.laboratory.training._planes import labels_of
from sdprelax.laboratory.training._plots import PICTURES
from sdprelax.laboratory.training._sweep import SETTINGS, read_sweep
from sdprelax.laboratory.training._trial import SETTING, TrainingTrial, load_problem, problem_words
from sdprelax.methods import methods
from sdprelax.networks import bare_network

__all__ = ["TRAINING"]

# Points of a trace that a report shows, at most.
POINTS = 100


def _words(record: dict[str, Any]) -> tuple[str, str]:
    return f"{problem_words(record)} gamma={record['gamma']:g}", record["method"]


def _tables_of(records: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    return {
        "table": _tables.results_table(records), "predictions": _tables.predictions_table(records),
        "trace": _tables.trace_table(records),
    }  # fmt: skip


def _keys(table: pd.DataFrame) -> pd.Series:
    """Return data set, method, bias, γ, repeat and setting: labels are those of one sweep, options tell all."""
    named = [
        [entry_key(registry, label, options) for label, options in zip(table[column], table[given], strict=True)]
        for registry, column, given in ((datasets, "dataset", "dataset_options"), (methods, "method", "options"))
    ]
    columns = [table[name] for name in ("bias", "gamma", "repeat")]
    columns += [table[name] if name in table else [usual] * len(table) for name, (usual, _) in SETTING.items()]
    return pd.Series(list(zip(*named, *columns, strict=True)), index=table.index, dtype=object)


def _shown(record: dict[str, Any], folder: Path, data: list[Any]) -> dict[str, Any]:
    """Return the trace, the sweep that is this one trial, and neurons over two-dimensional data."""
    trace = record["trace"]
    if len(trace) > POINTS:
        trace = [trace[int(k)] for k in np.linspace(0, len(trace) - 1, POINTS)]
    return {
        "trace": trace, "options": _as_sweep(record), "network": _neurons(record, folder, data),
        "predictors": record["predictors"],
    }  # fmt: skip


def _as_sweep(record: dict[str, Any]) -> str:
    """Return the sweep that is this one trial, as YAML; options that are empty are left out."""
    trial = record["trial"]
    dataset = trial["dataset_options"]
    method = {name: value for name, value in trial["method_options"].items() if value not in ({}, None)}
    limits = {name: value for name, value in trial["limits"].items() if value is not None}
    sweep = {
        "name": f"trial-{record['hash'][:8]}",
        "datasets": [{trial["dataset"]: dataset} if dataset else trial["dataset"]],
        "gamma": trial["gamma"], "bias": trial["bias"],
        "methods": [{trial["method"]: method} if method else trial["method"]],
        "seed": trial["seed"],
    }  # fmt: skip
    for family in ("loss", "activation"):
        if family in trial:
            options = trial.get(f"{family}_options")
            sweep[family] = {trial[family]: options} if options else trial[family]
    sweep |= {name: trial[name] for name in ("offset", "penalise_bias", "class_weight") if name in trial}
    if trial["repeat"]:
        sweep["repeat"] = trial["repeat"] + 1
    if limits:
        sweep["limits"] = limits
    return yaml.safe_dump(sweep, sort_keys=False, allow_unicode=True)


def _neurons(record: dict[str, Any], folder: Path, data: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the network to draw, with the number of its data; None where there is no plane to draw in."""
    if record["upper"] is None or record["bias"] or record["d"] != 2:
        return None
    key = record["data_digest"]
    number = next((k for k, known in enumerate(data) if known["digest"] == key), None)
    with contextlib.suppress(SdprelaxError):  # the data are gone, or the network; the table is not
        if number is None:
            _, problem = load_problem(TrainingTrial.from_dict(record["trial"]))
            labels = labels_of(problem).tolist()
            number = len(data)
            data.append({"digest": key, "X": _rounded(problem.X), "labels": labels})
        network = bare_network(folder / "network.npz").balanced()
        return {"data": number, "hidden": _rounded(network.hidden.T), "output": _rounded(network.output)}
    return None


def _rounded(array: Any) -> list[list[float]]:
    return [[float(f"{value:.5g}") for value in row] for row in array]


TRAINING = TrialKind(
    settings=SETTINGS,
    read=read_sweep,
    trial=TrainingTrial.from_dict,
    names=_tables.names_of,
    method="method",
    words=_words,
    kept=_tables.kept,
    tables=_tables_of,
    pictures=PICTURES,
    written=("tightness", "time", "gap"),
    summary=_tables.tightness_table,
    shares=_tables.with_shares,
    keys=_keys,
    looks={
        "dataset": ("data set", str), **_tables.LOOKS, "gamma": ("γ", figures("g")),
        "gamma_relative": ("γ/γ_max", figures(".3g")), "method": ("method", str),
        "lower": ("lower bound", figures(".6f")), "upper": ("network", figures(".6f")), "gap": ("gap", figures(".1e")),
        "certified_percent": ("certified", figures(".3f", unit="%")),
        "excess_percent": ("excess", figures(".3f", unit="%")), "seconds": ("seconds", figures(".1f")),
        "status": ("status", str),
    },
    titles=("dataset", *SETTING),
    spared=("gamma_relative", "excess_percent", "status", "certified_percent", "seconds", "upper"),
    usual="solved",
    source="freshly loaded data",
    compared=("status", "lower", "upper", "width", "predictors"),
    reported=(
        "dataset", "bias", *SETTING, "gamma", "gamma_relative", "n", "d", "c", "method", "repeat", "status", "lower",
        "upper", "gap", "seconds", "peak_memory_mb", "width", "train_accuracy", "test_accuracy", "test_loss",
        "solver_value", "solver_status", "message", "hash", "attempt",
    ),
    filters=("dataset", *SETTING, "gamma", "method", "status"),
    origins=_tables.ORIGINS,
    details="value, dual_value and program_gap proved, all else reported",
    findings=findings,
    unsound=_tables.unsound,
    shown=_shown,
    plots=True,
)  # fmt: skip
