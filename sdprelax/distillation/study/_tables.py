"""Tables over the trials of a study."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from sdprelax.laboratory.results import merged_status

__all__ = ["ORIGINS", "students_summary", "students_table"]

WORDS = ["block", "distiller"]
NUMBERS = [
    "lower", "upper", "gap", "program_gap", "activation_error", "agreement", "accuracy", "teacher_accuracy",
    "parameters", "block_parameters", "network_parameters", "teacher_parameters", "bytes", "block_bytes",
    "multiply_adds", "block_multiply_adds", "network_multiply_adds", "teacher_multiply_adds",
]  # fmt: skip
PARTS = ("student", "block", "network", "teacher")
# Medians for one input, and for as many as ``latency_batch`` says.
LATENCIES = [f"{part}_{form}" for form in ("ms", "ms_batch") for part in PARTS]
DETAILS = ("gamma", "shrinkage", "candidates_gap", "neurons", "view")
COLUMNS = [
    *WORDS, "fraction", "samples", "repeat", "seed", "status", "message", "seconds", *NUMBERS, *LATENCIES,
    "latency_batch", *DETAILS, "peak_memory_mb", "options", "teacher", "images", "hash", "attempt",
]  # fmt: skip
# What ``sdprelax verify`` does with the columns of all tables; the others say which trial a row is of.
ORIGINS = {
    "proved": ("lower", "upper"),
    "from these": ("gap", "program_gap", "candidates_gap"),
    "counted again": ("samples", "parameters"),
    "reported": ("status", "seconds", "activation_error", "agreement", "accuracy", "teacher_accuracy", "peak_memory_mb",
                 "message"),
}  # fmt: skip


def students_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per trial, in the order of the records.

    ``gap`` is (upper − lower)/upper of the student itself, ``program_gap`` that of the convex program's solution.
    """
    rows = [
        {
            **record, **_latencies(record), **{k: record["details"].get(k) for k in DETAILS},
            "options": json.dumps(record["trial"]["options"], sort_keys=True),
            **{name: json.dumps([record["trial"][name][part] for part in ("name", "options")], sort_keys=True)
               for name in ("teacher", "images")},
        }
        for record in records
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=pd.Index(COLUMNS))
    for name in ["seconds", "samples", *NUMBERS, *LATENCIES, "latency_batch", *DETAILS[:3], "peak_memory_mb"]:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    # One distiller counts its neurons, another one says of what kind they are.
    for name in ("neurons", "view"):
        table[name] = ["" if pd.isna(value) else str(value) for value in table[name]]
    return table


def _latencies(record: dict[str, Any]) -> dict[str, Any]:
    measured = record["latency"]
    if not measured:
        return {}
    sizes = sorted(measured, key=int)
    found: dict[str, Any] = {"latency_batch": int(sizes[-1])}
    for form, size in (("ms", sizes[0]), ("ms_batch", sizes[-1])):
        found |= {f"{part}_{form}": times[0] for part, times in measured[size].items()}
    return found


def students_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per block and distiller: what its trials on the most samples come to.

    Means over the repeats, ``accuracy_deviation`` their standard deviation; ``program_gap`` is the largest of them.
    Shares are of the block's parameters, bytes and multiply-adds, and of its median time for one input and for many.
    """
    ended = table[table["parameters"].notna()]
    largest = ended.groupby(WORDS, sort=False)["fraction"].transform("max")
    rows = ended[ended["fraction"] == largest]
    found = rows.groupby(WORDS, sort=False).agg(
        fraction=("fraction", "first"), repeats=("repeat", "count"), parameters=("parameters", "mean"),
        block_parameters=("block_parameters", "first"), program_gap=("program_gap", "max"), gap=("gap", "max"),
        activation_error=("activation_error", "mean"), agreement=("agreement", "mean"), accuracy=("accuracy", "mean"),
        accuracy_deviation=("accuracy", "std"), teacher_accuracy=("teacher_accuracy", "first"),
        network_parameters=("network_parameters", "mean"), teacher_parameters=("teacher_parameters", "first"),
        network_multiply_adds=("network_multiply_adds", "mean"),
        teacher_multiply_adds=("teacher_multiply_adds", "first"), seconds=("seconds", "mean"),
        status=("status", merged_status),
    )  # fmt: skip
    shares = {
        "parameters_share": ("parameters", "block_parameters"),
        "bytes_share": ("bytes", "block_bytes"),
        "multiply_adds_share": ("multiply_adds", "block_multiply_adds"),
        "latency_share": ("student_ms", "block_ms"),
        "latency_batch_share": ("student_ms_batch", "block_ms_batch"),
    }
    for name, (part, whole) in shares.items():
        ratio = (rows[part] / rows[whole].where(rows[whole] > 0)).rename(name)
        found[name] = ratio.groupby([rows[word] for word in WORDS], sort=False).mean()
    return found.reset_index()
