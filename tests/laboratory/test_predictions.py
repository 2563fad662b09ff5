"""What a trial predicts with is stored, measured on the test set, tabled, audited; the paper's protocol beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sdprelax
from sdprelax.laboratory import load_sweep, run_sweep
from sdprelax.laboratory._store import seal
from sdprelax.laboratory.results import audit, load_table
from sdprelax.laboratory.training import TrainingTrial, load_problem
from sdprelax.laboratory.training._trial import EVALUATED
from sdprelax.networks import load_pipeline, load_predictor, metrics, paper_accuracy

SWEEP = """\
name: predicted
datasets: [file: {{path: {path}, test_size: 0.5}}]
gamma: 0.1
protocol: paper
methods:
  - sdp: {{more_roundings: [three_operator: {{iterations: 40, columns: 10}}]}}
  - sdp: {{rounding: null, transductive: true}}
  - ntk
  - gated_relu: {{patterns: 20}}
"""
ITERATE = "iterate best on the test set"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predictions")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((24, 2))
    label = np.where(X[:, 0] * X[:, 1] > 0, "even", "odd")
    pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "class": label}).to_csv(folder / "mine.csv", index=False)
    (folder / "sweep.yaml").write_text(SWEEP.format(path=folder / "mine.csv"))
    run_sweep(load_sweep(folder / "sweep.yaml"), folder, engine="serial")
    return folder / "predicted"


def records(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads((path / "record.json").read_text()) for path in sorted((folder / "trials").iterdir())]
    assert all(record["status"] == "solved" for record in found), [record["message"] for record in found]
    return found


def test_every_predictor_is_measured_on_the_test_set_as_its_file_predicts(finished: Path) -> None:
    names = set()
    for record in records(finished):
        data, problem = load_problem(TrainingTrial.from_dict(record["trial"]))
        assert data.X_test is not None and data.Y_test is not None
        for entry in record["predictors"]:
            names.add(entry["name"])
            predictor = load_predictor(finished / "trials" / record["hash"] / entry["file"])
            predicted = predictor.predict(data.X_test)
            measured = metrics(predicted, data.Y_test, classification=True)
            assert {key: entry[f"test_{key}"] for key in measured} == measured
            assert (entry["paper_accuracy"], entry["paper_threshold"]) == paper_accuracy(predicted, data.Y_test)
            assert entry["paper_accuracy"] <= entry["test_accuracy"]
            if entry["objective"] is not None:
                assert entry["objective"] == problem.upper_bound(predictor.predictor)  # type: ignore[attr-defined]
        first = record["predictors"][0]
        assert record["test_accuracy"] == first["test_accuracy"] and record["test_f1"] == first["test_f1"]
        network = problem.upper_bound(sdprelax.Network.empty(2, 2))
        assert (record["upper"] in (None, network)) == (first["name"] != "network")
    assert names >= {
        "network",
        "gaussian",
        "gaussian, polished",
        "three_operator",
        "relaxation",
        "kernel",
        "gated",
        ITERATE,
    }


def test_papers_iterate_is_chosen_on_the_test_set_and_counts_nowhere_else(finished: Path) -> None:
    record = next(r for r in records(finished) if "three_operator" in str(r["method"]))
    by_name = {entry["name"]: entry for entry in record["predictors"]}
    assert by_name[ITERATE]["paper_accuracy"] >= by_name["three_operator"]["paper_accuracy"]
    assert record["test_accuracy"] == by_name["network"]["test_accuracy"]
    assert record["upper"] == min(entry["objective"] for name, entry in by_name.items() if name != ITERATE)


def test_the_table_has_a_row_per_predictor(finished: Path) -> None:
    table = load_table(finished, "predictions")
    assert len(table) == sum(len(record["predictors"]) for record in records(finished))
    assert set(table["predictor"]) >= {"network", "kernel", "gated", "relaxation"}
    kernel = table[table["predictor"] == "kernel"]
    assert kernel["objective"].isna().all() and kernel["test_balanced_accuracy"].between(0.0, 1.0).all()
    assert len(pd.read_csv(finished / "predictions.csv")) == len(table)


def test_untouched_results_hold_and_forged_predictions_do_not(finished: Path, tmp_path: Path) -> None:
    assert not any(finding.faults for finding in audit(finished))
    copy = Path(shutil.copytree(finished, tmp_path / "predicted"))
    path = next(copy / "trials" / r["hash"] for r in records(copy) if r["method"] == "ntk")

    def faults(change: Any) -> str:
        original = (path / "record.json").read_text()
        record = json.loads(original)
        change(record)
        record["seal"] = seal(record, path)
        (path / "record.json").write_text(json.dumps(record))
        found = {finding.name: " ".join(finding.faults) for finding in audit(copy) if finding.faults}
        (path / "record.json").write_text(original)
        return found[path.name]

    assert "it says test_accuracy 1.5 of 'kernel'" in faults(lambda r: r["predictors"][0].update(test_accuracy=1.5))
    assert "it says test_f1 2.0, and its predictor has" in faults(lambda r: r.update(test_f1=2.0))
    empty = dict.fromkeys([*EVALUATED, "predictors"])
    assert "it lists the predictors none, and predictor-1.npz" in faults(lambda r: r.update(empty | {"predictors": []}))
    elsewhere = "../" + path.name + "/predictor-1.npz"
    assert "it lists the predictors" in faults(lambda r: r["predictors"][0].update(file=elsewhere))
    other = next(copy / "trials" / r["hash"] for r in records(copy) if "gated" in r["method"])
    shutil.copy(other / "predictor-1.npz", path / "predictor-1.npz")
    assert "of 'kernel', which has" in faults(lambda r: None)
    for fields in ({"kernel": "foo"}, {"inputs": np.array(["a"])}, {"coefficients": np.ones((3, 2))}):
        original: Any = load_pipeline(finished / "trials" / path.name / "predictor-1.npz").predictor
        whole = {"kind": "kernel", "kernel": "ntk", "inputs": original.inputs, "bias": False}
        np.savez(path / "predictor-1.npz", **(whole | {"coefficients": original.coefficients} | fields))  # type: ignore
        assert "its predictor 'kernel' is lost" in faults(lambda r: None)
    (path / "predictor-1.npz").unlink()
    assert "it lists the predictors predictor-1.npz, and none lie beside it" in faults(lambda r: None)


def test_a_row_that_speaks_of_the_iterate_chosen_on_the_test_set_is_caught(finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "predicted"))
    record = next(r for r in records(copy) if "three_operator" in str(r["method"]))
    record["predictors"].sort(key=lambda entry: entry["name"] != ITERATE)
    record |= {key: record["predictors"][0][key] for key in EVALUATED if key != "objective"}
    path = copy / "trials" / record["hash"]
    record["seal"] = seal(record, path)
    (path / "record.json").write_text(json.dumps(record))
    faults = [fault for finding in audit(copy) if finding.name == path.name for fault in finding.faults]
    assert "its row speaks of another predictor than it should." in faults


def test_a_changed_or_missing_table_of_predictions_is_named(finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "predicted"))
    text = (copy / "predictions.csv").read_text()
    (copy / "predictions.csv").write_text(text.replace("kernel", "Kernel", 1))
    assert any("it does not say what the records say" in f for finding in audit(copy) for f in finding.faults)
    (copy / "predictions.parquet").unlink()
    with pytest.raises(sdprelax.InputError, match=r"sdprelax collect .* writes it"):
        load_table(copy, "predictions")


def test_transductive_without_a_test_part_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(
        "name: none\ndatasets: [random: {n: 4}]\ngamma: 0.1\nmethods: [lbfgs, sdp: {transductive: true}]\n"
    )
    with pytest.raises(sdprelax.InputError, match="give the data set a test part"):
        run_sweep(load_sweep(tmp_path / "sweep.yaml"), tmp_path, engine="serial")
    assert not (tmp_path / "none").exists()


def test_the_sweeps_of_the_paper_are_sweeps() -> None:
    folder = Path(__file__).resolve().parents[2] / "experiments" / "paper"
    # Those of a file of the user's have data sets of its own.
    sweeps = [load_sweep(path) for path in sorted(folder.rglob("*.yaml")) if path.parent.name != "own_file"]
    assert len({sweep.name for sweep in sweeps}) == len(sweeps) == 13
    assert {entry.name for sweep in sweeps for entry in sweep.datasets} == {
        "random", "spiral", "iris", "ionosphere", "pima", "bank_notes", "mnist",
    }  # fmt: skip
    hundred = next(sweep for sweep in sweeps if sweep.name == "paper-random").datasets
    assert sorted(entry.options["seed"] for entry in hundred) == list(range(100))
