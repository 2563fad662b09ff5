"""Sweeps over losses, activations, offsets and class weights: read, refused, run, tabled, drawn, verified."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sdprelax
from sdprelax import Certificate, InputError
from sdprelax.laboratory import Store, load_sweep, run_sweep, schedule
from sdprelax.laboratory.results import audit, compare, gather, load_table, rerun, write_report
from sdprelax.laboratory.training import (
    TRAINING,
    TrainingTrial,
    load_problem,
    predictions_summary,
    tightness_table,
    unsound,
)
from sdprelax.laboratory.training._tables import results_table
from sdprelax.networks import activations, load_pipeline
from sdprelax.problem import losses, targets_for

ROOT = Path(__file__).resolve().parents[2]
SWEEP = """\
name: settings
datasets: [file: {path: PATH, target: label, test_size: 0.4}]
gamma: 0.1
loss: [squared, cross_entropy, logistic, huber: {delta: 0.5}]
activation: [relu, leaky: {slope: 0.25}]
offset: [false, true]
methods: [lbfgs: {width: 3, restarts: 1, max_iterations: 40}]
"""
CERTIFIED = """\
name: certified
datasets: [file: {path: PATH, target: count, task: regression}]
gamma: 0.1
loss: [poisson, huber]
methods: [sdp: {solver: clarabel, rounding: three_operator, polish: true}]
"""


def written(folder: Path, text: str) -> Path:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((16, 2))
    label = np.where(X[:, 0] + X[:, 1] > 0.3, "yes", "no")
    pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "label": label}).to_csv(folder / "classes.csv", index=False)
    counts = pd.DataFrame({"a": X[:8, 0], "b": X[:8, 1], "count": rng.poisson(9.0, 8) + 0.0})
    counts.to_csv(folder / "counts.csv", index=False)
    pd.DataFrame({"a": X[:8, 0], "number": np.arange(8) % 4}).to_csv(folder / "numbers.csv", index=False)
    path, target = folder / "sweep.yaml", re.search(r"target: (count|number)\b", text)
    path.write_text(text.replace("PATH", str(folder / (f"{target[1]}s.csv" if target else "classes.csv"))))
    return path


WEIGHTED = """\
name: weighted
datasets: [random: {n: 6, d: 2, c: 2, classes: true}]
gamma: 0.1
loss: [logistic, huber: {delta: 0.5}]
activation: leaky
bias: true
penalise_bias: false
offset: penalised
class_weight: balanced
methods: [sdp: {solver: clarabel, rounding: null}]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settings")
    for text in (WEIGHTED, SWEEP, CERTIFIED):
        table = run_sweep(load_sweep(written(folder, text)), folder, engine="serial").table
        assert not any(table["message"]) and "error" not in set(table["status"]), list(table["message"])
    return folder


def test_keys_are_grids_and_the_usual_ones_leave_a_trial_s_name_as_it_was(tmp_path: Path) -> None:
    sweep = load_sweep(written(tmp_path, SWEEP))
    trials = sweep.plan()
    assert len(trials) == 4 * 2 * 2 == len({trial.hash for trial in trials})
    plain = re.sub(r"(loss|activation|offset): .*\n", "", SWEEP)
    (before,) = load_sweep(written(tmp_path, plain)).plan()
    same = [trial for trial in trials if trial.hash == before.hash]
    assert [trial.setting for trial in same] == [{}] and "loss" not in before.to_dict()
    assert "loss squared" not in before.versions and "activation relu" not in before.versions
    (other,) = [
        trial
        for trial in trials
        if trial.problem_label.endswith("huber(delta=0.5), leaky(slope=0.25), free offset gamma=0.1")
    ]
    assert TrainingTrial.from_dict(json.loads(json.dumps(other.to_dict()))).hash == other.hash
    assert other.versions["loss huber"] == "1" and other.versions["activation leaky"] == "1"


def test_a_version_of_a_loss_runs_its_trials_once_more_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, SWEEP)
    before = {trial.hash for trial in load_sweep(path).plan()}
    monkeypatch.setattr(losses["huber"], "version", 2, raising=False)
    changed = [trial for trial in load_sweep(path).plan() if trial.hash not in before]
    assert len(changed) == 4 and {trial.loss for trial in changed} == {"huber"}
    monkeypatch.setattr(activations["relu"], "version", 2, raising=False)
    changed = [trial for trial in load_sweep(path).plan() if trial.hash not in before]
    assert len(changed) == 4 + 6 and any(trial.activation == "relu" and trial.loss == "squared" for trial in changed)


@pytest.mark.parametrize(("lines", "override", "check"), [
    ("loss: huber\n", "loss.huber.delta=[1, 2]", lambda trials: [t.loss_options["delta"] for t in trials] == [1, 2]),
    ("", "loss=cross_entropy", lambda trials: [t.loss for t in trials] == ["cross_entropy"]),
    ("", "offset=[true, penalised, 1, 0.5]",
     lambda trials: [(t.offset, t.setting["offset"]) for t in trials]
     == [(True, "free"), ("penalised", "penalised"), (1.0, "penalised(1.0)"), (0.5, "penalised(0.5)")]),
    ("loss: hinge\nclass_weight: [1, 2, 3]\n", "seed=1",
     lambda trials: load_problem(trials[0])[1].loss.weights.tolist() == [1.0] * 20 + [2.0] * 20 + [3.0] * 20),
    ("bias: [false, true]\n", "penalise_bias=[true, false]",
     lambda trials: [(t.bias, t.penalise_bias) for t in trials] == [(False, True), (True, True), (True, False)]),
    ("class_weight: [1, 2, 3]\n", "seed=1", lambda trials: [t.class_weight for t in trials] == [[1.0, 2.0, 3.0]]),
    ("class_weight: [null, balanced, [1, 2, 3]]\n", "seed=1",
     lambda trials: [t.class_weight for t in trials] == [None, "balanced", [1.0, 2.0, 3.0]]),
])  # fmt: skip
def test_keys_take_one_or_a_list(lines: str, override: str, check: Any, tmp_path: Path) -> None:
    text = f"name: x\ndatasets: [spiral]\ngamma: 1\nmethods: [lbfgs]\n{lines}"
    assert check(load_sweep(written(tmp_path, text), [override]).plan())


@pytest.mark.parametrize(("line", "message"), [
    ("loss: cross_entrpy", "line 5: unknown loss 'cross_entrpy': did you mean 'cross_entropy'?"),
    ("loss: {huber: {delta: wide}}", "line 5: loss 'huber': option 'delta' is 'wide', but should be"),
    ("loss: []", "line 5: 'loss' is empty"),
    ("activation: [relu, leeky]", "line 5: unknown activation 'leeky': did you mean 'leaky'?"),
    ("offset: yes", "line 5: 'offset' is 'yes'; it must be true (free), false, penalised or a positive number, or a"),
    ("offset: -1", "line 5: 'offset' is -1; it must be true (free), false, penalised or a positive number, or a list"),
    ("offset: [1, .inf]", "line 5: 'offset' is [1, inf]; it must be true (free), false, penalised or a positive"),
    ("class_weight: heavy", "line 5: 'class_weight' is 'heavy'; it must be balanced, null or a list with a positive"),
    ("class_weight: [1, -2, 3]", "line 5: 'class_weight' is [1, -2, 3]; it must be balanced, null or a list with a"),
    ("loss: null", "line 5: write 'loss: name' or 'loss: {name: {option: value}}', not None."),
    ("loss: [null]", "line 5: write '- name' or '- name: {option: value}', not None."),
    ("penalise_bias: [true, false]", "line 5: penalise_bias: false is of a hidden bias, and there is none; write"),
    ("class_weight: []", "line 5: 'class_weight' is empty"),
    ("penalise_bias: 0", "line 5: 'penalise_bias' is 0, but should be true or false"),
    ("loss: huber\nprotocol: paper", "line 6: protocol: paper is of the squared loss"),
    ("loss: {huber: }\nlos: huber", "line 6: unknown key 'los': did you mean 'loss'?"),
])  # fmt: skip
def test_wrong_keys_are_one_sentence_with_their_line(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_sweep(written(tmp_path, f"name: x\ndatasets: [spiral]\ngamma: 1\nmethods: [lbfgs]\n{line}\n"))
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("lines", "message"), [
    ("loss: [squared, huber]\n", "line 5: method 'ntk' takes the loss 'squared', and this problem has 'huber'"),
    ("activation: leaky\n", "line 5: method 'ntk' takes the activation 'relu', and this problem has 'leaky'"),
    ("offset: true\n", "line 5: method 'ntk' takes no offset"),
    ("class_weight: [1, 2, 3]\nmethods: [mkl]\n", "method 'mkl' takes no sample weights"),
    ("loss: poisson\n", None),
    ("loss: cross_entropy\ndatasets: [random: {n: 4}]\n",
     "data set random(n=4): the target holds numbers and not classes, which loss 'cross_entropy' takes; take a loss"),
    ("loss: logistic\ndatasets: [file: {path: PATH, target: count, task: regression}]\n",
     "the target holds numbers and not classes, which loss 'logistic' takes; write task: classification if they are"),
    ("loss: poisson\ndatasets: [file: {path: PATH, target: number}]\n",
     "the target's whole numbers were taken for classes, and loss 'poisson' takes counts; write task: regression if"),
    ("loss: hinge\nmethods: [wedge: {solver: skglm}]\n", "solver: skglm takes the squared loss, "),
    ("class_weight: balanced\ndatasets: [random: {n: 4}]\n", "data set random(n=4): class_weight needs classes"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused_before_anything_runs(
    lines: str, message: str | None, tmp_path: Path
) -> None:
    data = "" if "datasets" in lines else "datasets: [spiral: {points_per_class: 2}]\n"
    method = "ntk" if message is not None and "'ntk'" in message else "lbfgs"
    methods = "" if "methods" in lines else f"methods:\n  - {method}\n"
    text = f"name: x\n{data or 'seed: 0' + chr(10)}gamma: 1\n{methods}{lines}"
    sweep = load_sweep(written(tmp_path, text))
    if message is None:
        assert len(schedule(sweep, tmp_path).jobs) == 1
        return
    with pytest.raises(InputError) as caught:
        schedule(sweep, tmp_path / "results")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "results").exists()


def test_targets_are_what_the_loss_takes() -> None:
    two, three = (sdprelax.one_hot(labels)[0] for labels in (["a", "b", "a"], ["a", "b", "c"]))
    assert targets_for("cross_entropy", two).tolist() == two.tolist() == targets_for("squared", two).tolist()
    assert targets_for("logistic", two).tolist() == [[-1.0], [1.0], [-1.0]]
    assert targets_for("hinge", three).tolist() == (2.0 * three - 1.0).tolist()
    assert targets_for({"huber": {"delta": 2}}, [0.5, -1.5]).tolist() == [[0.5], [-1.5]]
    signs = np.array([[1.0], [-1.0]])
    assert targets_for("squared_hinge", signs).tolist() == signs.tolist()
    with pytest.raises(InputError, match="is no distribution over classes"):
        targets_for("cross_entropy", np.array([[0.5, 0.2]]))
    with pytest.raises(InputError, match="takes counts"):
        targets_for("poisson", np.array([-1.0, 2.0]))


def records(folder: Path) -> list[dict[str, Any]]:
    return list(Store(folder).records())


def test_one_column_of_signs_gives_the_names_of_classes_and_their_accuracy(finished: Path) -> None:
    folder, seen = finished / "settings", 0
    for record in records(folder):
        trial = TrainingTrial.from_dict(record["trial"])
        data, problem = load_problem(trial)
        stored = load_pipeline(Store(folder).folder_of(record["hash"]) / "network.npz")
        table = pd.read_csv(finished / "classes.csv")
        assert set(stored.predict_labels(table)) <= {"no", "yes"}
        assert data.X_test is not None and data.Y_test is not None
        signs = trial.loss == "logistic"
        outputs = stored.predictor.predict(data.X_test)
        right = (outputs > 0) == (data.Y_test > 0) if signs else np.argmax(outputs, axis=1) == np.argmax(data.Y_test, 1)
        assert record["c"] == (1 if signs else 2) and record["test_accuracy"] == np.mean(right)
        mean = problem.loss.value(outputs, data.Y_test) / len(outputs)
        assert record.get("test_loss") == (None if trial.loss == "squared" else pytest.approx(mean))
        assert (record["test_rmse"] is None) == (trial.loss in ("cross_entropy", "logistic"))
        seen += signs
    assert seen == 4


def test_tables_have_the_settings_that_vary_and_no_others(finished: Path) -> None:
    table = load_table(finished / "settings")
    assert set(table["loss"]) == {"squared", "cross_entropy", "logistic", "huber(delta=0.5)"}
    assert set(table["activation"]) == {"relu", "leaky(slope=0.25)"} and set(table["offset"]) == {"none", "free"}
    assert "class_weight" not in table and "penalise_bias" not in table
    assert len(tightness_table(table)) == len(table) == 16 and not unsound(table)
    shown = predictions_summary(load_table(finished / "settings", "predictions"))
    assert len(shown) == 16 and "test_loss" in shown and {"loss", "activation", "offset"} < {*shown}
    usual = [
        record for record in records(finished / "settings") if not TrainingTrial.from_dict(record["trial"]).setting
    ]
    assert not {"loss", "activation", "offset", "test_loss"} & {*results_table(usual)}


def test_bounds_of_other_losses_are_verified_and_forged_settings_caught(finished: Path, tmp_path: Path) -> None:
    findings = list(audit(finished / "certified"))
    assert [finding.faults for finding in findings] == [(), ()] and sum(f.bounds for f in findings) == 4
    assert [finding.faults for finding in audit(finished / "settings")] == [()] * 16
    (record,) = [record for record in records(finished / "certified") if record["loss"] == "poisson"]
    forged = TrainingTrial.from_dict(record["trial"] | {"loss": "huber"})
    _, faults, _ = forged.examine(
        Store(finished / "certified").folder_of(record["hash"]), record, finished, sdprelax.Deadline()
    )
    assert any("it says loss 'poisson', and that is 'huber'" in fault for fault in faults)
    assert any("its lower bound is not proved" in fault or "its certificate proves" in fault for fault in faults)
    again = rerun(Store(finished / "certified").folder_of(record["hash"]))
    assert not again.differences and again.after["loss"] == "poisson"


def test_negative_optima_are_tabled_compared_and_drawn(finished: Path) -> None:
    found = run_sweep(load_sweep(finished / "sweep.yaml"), finished, engine="serial")
    table = found.table
    poisson = table[table["loss"] == "poisson"].iloc[0]
    assert poisson["lower"] <= poisson["upper"] < 0.0 <= poisson["gap"] < 1.0
    (row,) = tightness_table(table[table["loss"] == "poisson"]).to_dict("records")
    assert row["gap"] == poisson["gap"] and row["certified_percent"] == pytest.approx(100.0 - 100.0 * row["gap"])
    assert row["excess_percent"] == pytest.approx(100.0 * (row["upper"] - row["lower"]) / -row["lower"])
    drawn = {name: TRAINING.pictures[name](gather([finished / "certified"]), None) for name in TRAINING.written}
    assert all(figure is not None for figure in drawn.values())
    (axes,) = drawn["tightness"].axes  # type: ignore[union-attr]
    labels = [label.get_text().split("\n") for label in axes.get_yticklabels()]
    assert [first for first, _ in labels] == ["file, poisson, γ=0.1", "file, huber, γ=0.1"]
    assert all(second.endswith(" γ_max)") for _, second in labels)
    assert axes.get_xlim()[1] >= 1.0 > axes.get_xlim()[0]
    assert not len(compare(finished / "certified", finished / "certified").worse)
    page = write_report(finished / "certified").read_text()
    assert "poisson" in page and "loss: poisson" in page


def test_the_columns_of_a_summary_have_titles(finished: Path) -> None:
    summary = tightness_table(load_table(finished / "settings"))
    assert {"loss", "activation", "offset"} <= {*summary} & {*TRAINING.looks}


def test_bounds_of_free_biases_hold_as_they_are_published(tmp_path: Path) -> None:
    text = "name: free\ndatasets: [spiral: {points_per_class: 3}]\ngamma: 0.1\nbias: true\npenalise_bias: false\n"
    text += "methods: [sdp: {solver: clarabel, rounding: null}]\n"
    found = run_sweep(load_sweep(written(tmp_path, text)), tmp_path, engine="serial")
    assert found.table["lower"].iloc[0] > 0.0
    assert [finding.faults for finding in audit(tmp_path / "free")] == [()]


@pytest.mark.parametrize("name", ["certified", "weighted"])
def test_the_guide_s_snippet_writes_all_that_the_second_verifier_needs(
    name: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    guide = (ROOT / "docs" / "guide" / "trust.md").read_text(encoding="utf-8")
    (snippet,) = [block for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if "data.npz" in block]
    for record in records(finished / name):
        folder = Store(finished / name).folder_of(record["hash"])
        written_by: dict[str, Any] = {}
        exec(snippet.replace("results/mine/trials/0123456789abcdef", str(folder)), written_by)
        files = [ROOT / "tools" / "check_certificate.py", folder / "certificate.npz", "data.npz"]
        checked = subprocess.run([sys.executable, *files], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        proved = sdprelax.verify(written_by["problem"], Certificate.load(folder / "certificate.npz"))
        assert float(checked.stdout) == pytest.approx(proved, rel=1e-9) and proved >= record["lower"]
