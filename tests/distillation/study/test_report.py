"""Tables, pictures and the report of a study."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdprelax.distillation.study import students_summary
from sdprelax.distillation.study._pictures import PICTURES
from sdprelax.distillation.study._tables import students_table
from sdprelax.distillation.study._trial import DistillationTrial
from sdprelax.laboratory import Store
from sdprelax.laboratory.results import write_pictures, write_report


def record(block: str, distiller: str, fraction: float, repeat: int, **changed: Any) -> dict[str, Any]:
    source = {"options": {}, "identity": "this"}
    trial = DistillationTrial(
        block, distiller, {}, fraction, repeat, repeat, timed=False, teacher={"name": "digits_cnn", **source},
        images={"name": "digits", **source}, batch=64, activations="these",
    )  # fmt: skip
    common = {
        "hash": trial.hash, "attempt": 1, "trial": trial.to_dict(), "samples": int(100 * fraction), "seconds": 2.0,
        "peak_memory_mb": None, "status": "finished", "message": "", "provenance": {"versions": {"python": "3"}},
    }  # fmt: skip
    if changed.get("status") == "error":
        return {**trial.blank(), **common, **changed}
    return {
        **trial.blank(), **common, "activation_error": 0.1, "layer_errors": {"later": 0.2, "last": None},
        "agreement": 0.9, "accuracy": 0.8, "teacher_accuracy": 0.95, "parameters": 25, "block_parameters": 100,
        "network_parameters": 125, "teacher_parameters": 200, "bytes": 50, "block_bytes": 400, "multiply_adds": 10,
        "block_multiply_adds": 40, "network_multiply_adds": 70, "teacher_multiply_adds": 100,
        "details": {"view": "flat"}, **changed,
    }  # fmt: skip


TIMES = {"1": {"student": [1.0, 1.0, 1.0], "block": [4.0, 4.0, 4.0]},
         "32": {"student": [6.0, 6.0, 6.0], "block": [8.0, 8.0, 8.0]}}  # fmt: skip
RECORDS = [
    record("head", "labels", 0.1, 0, accuracy=0.1),
    record("head", "labels", 0.1, 1, accuracy=0.3),
    record("head", "labels", 1.0, 0, accuracy=0.7, latency=TIMES, program_gap=1e-4),
    record("head", "labels", 1.0, 1, accuracy=0.9, program_gap=1e-3),
    record("head", "pruning", 1.0, 0, bytes=400),
    record("head", "adam", 1.0, 0, status="error", message="a <script> failed"),
]  # fmt: skip


def test_the_summary_is_of_the_runs_on_the_most_samples() -> None:
    labels, pruning = students_summary(students_table(RECORDS)).to_dict("records")
    assert (labels["fraction"], labels["repeats"]) == (1.0, 2)
    assert labels["accuracy"] == pytest.approx(0.8)
    assert labels["accuracy_deviation"] == pytest.approx(math.sqrt(0.02))
    assert labels["program_gap"] == 1e-3, "of all repeats, the largest"
    assert labels["parameters_share"] == 0.25 and labels["bytes_share"] == 0.125
    assert labels["latency_share"] == 0.25 and labels["latency_batch_share"] == 0.75
    assert pruning["bytes_share"] == 1.0 and math.isnan(pruning["accuracy_deviation"])


def test_a_table_has_one_row_per_run_failed_ones_too() -> None:
    table = students_table(RECORDS)
    assert list(table["status"]) == ["finished"] * 5 + ["error"]
    assert table["accuracy"].isna().sum() == 1 and table["latency_batch"].max() == 32


def drawn(folder: Path, records: list[dict[str, Any]]) -> list[Path]:
    found: Any = SimpleNamespace(tables={"table": students_table(records)}, kept=[("study", one) for one in records])
    return write_pictures(folder, {name: draw(found, None) for name, draw in PICTURES.items()})


def test_there_is_no_picture_of_what_does_not_vary(tmp_path: Path) -> None:
    found = drawn(tmp_path, RECORDS)
    assert [path.name for path in found] == ["fractions.png", "errors.png", "size.png"]
    assert all(path.with_suffix(".pdf").is_file() for path in found)
    one = [{**found, "layer_errors": {}} for found in RECORDS if found["fraction"] == 1.0]
    assert [path.name for path in drawn(tmp_path, one)] == ["size.png"]
    assert not (tmp_path / "fractions.png").exists(), "an old picture is not left among new ones"
    assert drawn(tmp_path, RECORDS[-1:]) == []


def test_without_labels_the_picture_is_of_agreement(tmp_path: Path) -> None:
    unlabelled = [{**found, "accuracy": None, "teacher_accuracy": None} for found in RECORDS[:5]]
    assert (tmp_path / "fractions.png") in drawn(tmp_path, unlabelled)
    assert students_summary(students_table(unlabelled))["accuracy"].isna().all()


@pytest.mark.parametrize("records", [RECORDS, RECORDS[-1:]], ids=["some", "only failed"])
def test_the_report_is_one_file_and_escapes_what_it_was_told(records: list[dict[str, Any]], tmp_path: Path) -> None:
    store = Store(tmp_path / "a<b")
    store.prepare()
    trials = [{"hash": record["hash"], "trial": record["trial"]} for record in records]
    store.write_plan({"name": "a<b", "kind": "distillation", "trials": trials, "modules": []})
    for one in records:
        (store.trials / one["hash"]).mkdir()
        (store.trials / one["hash"] / "record.json").write_text(json.dumps(one))
    page = write_report(store.folder).read_text(encoding="utf-8")
    assert "a \\u003cscript> failed" in page and page.count("<script") == page.count("</script>") == 3
    assert "a&lt;b" in page and "a<b" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and ">nan" not in page.lower()
    for sentence in ("digits_cnn", "Program gap", "Student's gap"):
        assert sentence in page
