"""``sdprelax predict``: what a finished trial says of new rows, read as the old ones were."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import sdprelax
from sdprelax import InputError
from sdprelax.cli import app
from sdprelax.laboratory import load_sweep, run_sweep
from sdprelax.laboratory.results import audit

OLD = """\
id;kind;size;y;z
p1;red;1,5;well;1,5
p2;;2,5;ill;2,5
p3;blue;;ill;3,5
p4;red;3,5;well;0,5
"""
SWEEP = """\
name: s
datasets:
  - file: {{path: {0}/old.csv, separator: ;, decimal: ",", index: id, encode: text, missing: mean, scaling: standard,
            target: y, drop: z}}
  - file: {{path: {0}/old.csv, separator: ;, decimal: ",", index: id, encode: text, missing: mean, target: z, drop: y}}
gamma: 0.01
loss: {1}
methods: [lbfgs: {{width: 4, restarts: 1}}]
"""


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of finished trials by target and loss."""
    folder = tmp_path_factory.mktemp("predict")
    (folder / "old.csv").write_text(OLD)
    (folder / "new.csv").write_text("size;id;kind\n2,5;q1;\n;q2;blue\n")
    found = {"": folder}
    for loss in ("squared", "cross_entropy"):
        text = SWEEP.format(folder, loss).replace("name: s", f"name: {loss}")
        if loss == "cross_entropy":
            text = "\n".join(line for line in text.split("\n") if "target: z" not in line)
        (folder / "sweep.yaml").write_text(text)
        run_sweep(load_sweep(folder / "sweep.yaml"), folder, engine="serial")
        for path in (folder / loss / "trials").iterdir():
            record = json.loads((path / "record.json").read_text())
            found[f"{record['trial']['dataset_options']['target']} {loss}"] = path
    return found


def predicted(*arguments: object) -> pd.DataFrame:
    done = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return pd.read_csv(io.StringIO(done.stdout))


def test_what_filled_gaps_and_encoded_words_is_verified_as_scaling_is(trials: dict[str, Path]) -> None:
    findings = list(audit(trials[""] / "squared"))
    assert len(findings) == 2 and not any(finding.faults for finding in findings)


def test_classes_come_by_name_with_probabilities_of_cross_entropy(trials: dict[str, Path]) -> None:
    table = predicted(trials["y cross_entropy"], trials[""] / "new.csv")
    assert list(table.columns) == ["id", "prediction", "probability of ill", "probability of well"]
    assert table["id"].tolist() == ["q1", "q2"]
    shares = table[["probability of ill", "probability of well"]].to_numpy()
    assert np.allclose(shares.sum(axis=1), 1.0) and np.all((shares > 0.0) & (shares < 1.0))
    assert table["prediction"].tolist() == np.array(["ill", "well"])[shares.argmax(axis=1)].tolist()
    model = sdprelax.load_predictor(trials["y cross_entropy"] / "network.npz")
    new = pd.read_csv(trials[""] / "new.csv", sep=";", decimal=",")
    assert model.predict_labels(new).tolist() == table["prediction"].tolist()  # type: ignore[attr-defined]
    assert list(predicted(trials["y squared"], trials[""] / "new.csv").columns) == ["id", "prediction"]


def test_numbers_come_in_the_target_s_own_name_and_units(trials: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(
        app, ["predict", str(trials["z squared"]), str(trials[""] / "old.csv"), "--out", str(out)]
    )
    assert done.exit_code == 0 and f"wrote {out}" in done.stdout
    table = pd.read_csv(out)
    assert list(table.columns) == ["id", "z"] and table["id"].tolist() == ["p1", "p2", "p3", "p4"]
    network = sdprelax.load_predictor(trials["z squared"] / "network.npz")
    assert np.allclose(table["z"], network.predict(pd.read_csv(trials[""] / "old.csv", sep=";", decimal=",")).ravel())


def test_new_rows_may_be_of_another_kind_of_file(trials: dict[str, Path], tmp_path: Path) -> None:
    expected = predicted(trials["y squared"], trials[""] / "new.csv")["prediction"].tolist()
    new = pd.read_csv(trials[""] / "new.csv", sep=";", decimal=",")
    new.to_parquet(tmp_path / "new.parquet")
    assert predicted(trials["y squared"], tmp_path / "new.parquet")["prediction"].tolist() == expected
    new.drop(columns="id").to_parquet(tmp_path / "new.parquet")
    table = predicted(trials["y squared"] / "network.npz", tmp_path / "new.parquet")
    assert table["prediction"].tolist() == expected and table["row"].tolist() == [1, 2]
    network = sdprelax.Network(np.eye(2), np.eye(2))
    network.save(tmp_path / "bare.npz")
    np.savez(tmp_path / "x.npz", X=[[1.0, -2.0]])
    assert predicted(tmp_path / "bare.npz", tmp_path / "x.npz").to_numpy().tolist() == [[1.0, 1.0, 0.0]]


@pytest.mark.parametrize(("text", "options", "words"), [
    ("id;size\nq;1,5\n", [], "X has no column 'kind'; this predictor takes kind, size"),
    ("id;size;kind\nq;1,5;green\n", [], "column 'kind' holds 'green' at row 0; this predictor knows blue, red"),
    ("id;size;kind\nq;big;red\n", [], "column 'size' must be an array of real numbers, but it holds 'big'"),
    ("id;size;kind\n", [], "has no rows"), ("", [], "cannot be read as csv"),
    ("id;size;kind\nq;1,5;red\n", ["--predictor", "net"], "has no predictor 'net': did you mean 'network'?"),
])  # fmt: skip
def test_rows_that_do_not_fit_are_refused_in_one_sentence(
    text: str, options: list[str], words: str, trials: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(text)
    done = CliRunner().invoke(app, ["predict", str(trials["y squared"]), str(tmp_path / "t.csv"), *options])
    assert isinstance(done.exception, InputError) and words in str(done.exception) and "\n" not in str(done.exception)


def test_a_sweep_of_several_trials_is_asked_for_one(trials: dict[str, Path]) -> None:
    for trial, words in (("squared", "holds 2 trials; name one of them:\n  "), ("none", "there is no trial")):
        done = CliRunner().invoke(app, ["predict", str(trials[""] / trial), str(trials[""] / "new.csv")])
        assert isinstance(done.exception, InputError) and words in str(done.exception)
    assert len(predicted(trials[""] / "cross_entropy", trials[""] / "new.csv")) == 2


def test_a_trial_is_exported_with_its_preprocessing(trials: dict[str, Path], tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    done = CliRunner().invoke(app, ["export", str(trials["y squared"]), str(tmp_path / "n.onnx")])
    assert isinstance(done.exception, InputError) and "inputs are words of a table" in str(done.exception)
    (tmp_path / "e.yaml").write_text(
        "name: e\ndatasets: [iris: {scaling: standard}]\ngamma: 0.1\nmethods: [lbfgs: {width: 3, restarts: 1}]\n"
    )
    run_sweep(load_sweep(tmp_path / "e.yaml"), tmp_path, engine="serial")
    (trial,) = (tmp_path / "e" / "trials").iterdir()
    done = CliRunner().invoke(app, ["export", str(trial), str(tmp_path / "n.onnx")])
    assert done.exit_code == 0 and done.output == f"wrote {tmp_path / 'n.onnx'}\n"
    model = sdprelax.load_predictor(next(trial.glob("network*.npz")))
    rows = np.random.default_rng(0).standard_normal((5, 4))
    (found,) = onnxruntime.InferenceSession(str(tmp_path / "n.onnx")).run(None, {"input": rows})
    np.testing.assert_allclose(found, model.predict(rows), rtol=1e-9)
    torch = pytest.importorskip("torch")
    assert CliRunner().invoke(app, ["export", str(trial), str(tmp_path / "n.pt"), "--single"]).exit_code == 0
    state = torch.load(tmp_path / "n.pt", weights_only=True)
    assert state["0.weight"].dtype == torch.float32 and state["0.weight"].shape[1] == rows.shape[1]
    done = CliRunner().invoke(app, ["export", str(trial), str(tmp_path / "n.h5")])
    assert isinstance(done.exception, InputError) and "what is written ends in .onnx or .pt" in str(done.exception)
