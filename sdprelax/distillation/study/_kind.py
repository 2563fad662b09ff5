"""Trials of distillation: a student in the place of a teacher's block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sdprelax.distillation.distillers import distillers
from sdprelax.distillation.study._config import SETTINGS, read_study
from sdprelax.distillation.study._pictures import PICTURES
from sdprelax.distillation.study._sections import LOOKS, study_sections
from sdprelax.distillation.study._tables import COLUMNS, ORIGINS, students_summary, students_table
from sdprelax.distillation.study._trial import DistillationTrial
from sdprelax.laboratory import TrialKind, entry_key, label

__all__ = ["DISTILLATION"]


def _names(trials: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    return {
        name: {"distiller": label(trial["distiller"], trial["options"], distillers)} for name, trial in trials.items()
    }


def _words(record: dict[str, Any]) -> tuple[str, str]:
    return f"{record['block']} fraction={record['fraction']:g}".lstrip(), record["distiller"]


def _kept(record: dict[str, Any]) -> dict[str, Any]:
    needed = {*COLUMNS, "latency", "layer_errors", "details", "trial"}
    return {name: value for name, value in record.items() if name in needed}


def _keys(table: pd.DataFrame) -> pd.Series:
    named = [
        entry_key(distillers, label, options)
        for label, options in zip(table["distiller"], table["options"], strict=True)
    ]
    columns = [table[name] for name in ("teacher", "images", "block", "fraction", "seed")]
    return pd.Series(list(zip(named, *columns, strict=True)), index=table.index, dtype=object)


DISTILLATION = TrialKind(
    settings=SETTINGS,
    read=read_study,
    trial=DistillationTrial.from_dict,
    names=_names,
    method="distiller",
    words=_words,
    kept=_kept,
    tables=lambda records: {"table": students_table(records)},
    pictures=PICTURES,
    written=tuple(PICTURES),
    summary=lambda rows, among: students_summary(rows),
    keys=_keys,
    looks=LOOKS,
    titles=("block",),
    spared=(
        "latency_share", "multiply_adds_share", "parameters", "teacher_accuracy", "status", "accuracy_deviation",
        "activation_error", "agreement",
    ),
    usual="finished",
    source="the activations as stored",
    compared=("status", "lower", "upper", "program_gap", "parameters", "activation_error", "agreement", "accuracy"),
    reported=(
        "block", "distiller", "fraction", "samples", "repeat", "status", "seconds", "lower", "upper", "gap",
        "program_gap", "view", "shrinkage", "neurons", "parameters", "activation_error", "agreement", "accuracy",
        "peak_memory_mb", "message", "hash", "attempt",
    ),
    filters=("block", "distiller", "fraction", "status"),
    origins=ORIGINS,
    details="gamma and program_upper proved, all else reported",
    notes="on the most pictures, means over repeats (± standard deviation of the accuracy); multiply-adds and latency "
    "of one input as shares of the block's. Gaps are proved, and parameters counted, again by sdprelax verify; all "
    "else is reported.",
    sections=study_sections,
)  # fmt: skip
