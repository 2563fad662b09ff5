"""Tables, pictures and the report of a study."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from sdprelax.distillation.study.config import load_study
from sdprelax.distillation.study.pictures import write_pictures
from sdprelax.distillation.study.report import write_report
from sdprelax.distillation.study.tables import runs_table, summary
from tests.distillation import MODULES

STUDY = f"""\
name: a<b
teacher: digits_cnn
images: digits
distillers: [labels, pruning]
modules: [{MODULES["digits_cnn"]}]
"""


def record(block: str, distiller: str, fraction: float, repeat: int, **changed: Any) -> dict[str, Any]:
    return {
        "hash": f"{block}{distiller}{fraction}{repeat}", "block": block, "distiller": distiller, "fraction": fraction,
        "samples": int(100 * fraction), "repeat": repeat, "seed": repeat, "status": "finished", "message": "",
        "seconds": 2.0, "lower": None, "upper": None, "gap": None, "program_gap": None, "activation_error": 0.1,
        "layer_errors": {"later": 0.2, "last": None}, "agreement": 0.9, "accuracy": 0.8, "teacher_accuracy": 0.95,
        "parameters": 25, "block_parameters": 100, "network_parameters": 125, "teacher_parameters": 200, "bytes": 50,
        "block_bytes": 400, "multiply_adds": 10, "block_multiply_adds": 40, "network_multiply_adds": 70,
        "teacher_multiply_adds": 100, "latency": {}, "details": {"view": "flat"},
        "provenance": {"versions": {"python": "3"}}, **changed,
    }  # fmt: skip


TIMES = {"1": {"student": [1.0, 1.0, 1.0], "block": [4.0, 4.0, 4.0]},
         "32": {"student": [6.0, 6.0, 6.0], "block": [8.0, 8.0, 8.0]}}  # fmt: skip
RECORDS = [
    record("head", "labels", 0.1, 0, accuracy=0.1),
    record("head", "labels", 0.1, 1, accuracy=0.3),
    record("head", "labels", 1.0, 0, accuracy=0.7, latency=TIMES, program_gap=1e-4),
    record("head", "labels", 1.0, 1, accuracy=0.9, program_gap=1e-3),
    record("head", "pruning", 1.0, 0, bytes=400),
    {**{k: record("head", "adam", 1.0, 0)[k] for k in ("hash", "block", "distiller", "fraction", "repeat")},
     "samples": 100, "seed": 0, "status": "error", "message": "a <script> failed",
     "provenance": {"versions": {}}},
]  # fmt: skip


def test_the_summary_is_of_the_runs_on_the_most_samples() -> None:
    labels, pruning = summary(runs_table(RECORDS)).to_dict("records")
    assert (labels["fraction"], labels["repeats"]) == (1.0, 2)
    assert labels["accuracy"] == pytest.approx(0.8)
    assert labels["accuracy_deviation"] == pytest.approx(math.sqrt(0.02))
    assert labels["program_gap"] == 1e-3, "of all repeats, the largest"
    assert labels["parameters_share"] == 0.25 and labels["bytes_share"] == 0.125
    assert labels["latency_share"] == 0.25 and labels["latency_batch_share"] == 0.75
    assert pruning["bytes_share"] == 1.0 and math.isnan(pruning["accuracy_deviation"])


def test_a_table_has_one_row_per_run_failed_ones_too() -> None:
    table = runs_table(RECORDS)
    assert list(table["status"]) == ["finished"] * 5 + ["error"]
    assert table["accuracy"].isna().sum() == 1 and table["latency_batch"].max() == 32


def test_there_is_no_picture_of_what_does_not_vary(tmp_path: Path) -> None:
    drawn = write_pictures(tmp_path, runs_table(RECORDS), RECORDS)
    assert [path.name for path in drawn] == ["fractions.png", "errors.png", "size.png"]
    assert all(path.with_suffix(".pdf").is_file() for path in drawn)
    one = [{**found, "layer_errors": {}} for found in RECORDS if found["fraction"] == 1.0]
    assert [path.name for path in write_pictures(tmp_path, runs_table(one), one)] == ["size.png"]
    assert not (tmp_path / "fractions.png").exists(), "an old picture is not left among new ones"
    assert write_pictures(tmp_path, runs_table(RECORDS[-1:]), RECORDS[-1:]) == []


def test_without_labels_the_picture_is_of_agreement(tmp_path: Path) -> None:
    unlabelled = [{**found, "accuracy": None, "teacher_accuracy": None} for found in RECORDS[:5]]
    assert (tmp_path / "fractions.png") in write_pictures(tmp_path, runs_table(unlabelled), unlabelled)
    assert summary(runs_table(unlabelled))["accuracy"].isna().all()


@pytest.mark.parametrize("records", [RECORDS, RECORDS[-1:]], ids=["some", "only failed"])
def test_the_report_is_one_file_and_escapes_what_it_was_told(records: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("a<b", "mine"))
    study, table = load_study(path), runs_table(records)
    target = write_report(study, tmp_path, table, records, write_pictures(tmp_path, table, records))
    page = target.read_text(encoding="utf-8")
    assert "a &lt;script&gt; failed" in page and "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and "nan" not in re.sub(r'src="[^"]*"', "", page).lower()
    for sentence in ("digits_cnn", "Program gap", "Student's gap"):
        assert sentence in page
