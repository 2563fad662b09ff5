"""What is saved predicts for data as they were stored: scaled, encoded and named as they were for training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import sdprelax
from sdprelax import InputError, Network, Pipeline, Preprocessing, one_hot
from sdprelax.base import StorageError
from sdprelax.datasets import Dataset, datasets, encoded
from sdprelax.laboratory import load_sweep, run_sweep
from sdprelax.laboratory._store import seal
from sdprelax.laboratory.results import audit
from sdprelax.networks import load_pipeline, save_predictor

RNG = np.random.default_rng(1)
X = RNG.standard_normal((40, 3)) * [1.0, 100.0, 0.01] + [0.0, 500.0, -3.0]
LABELS = np.where(X[:, 0] + (X[:, 1] - 500.0) / 100.0 > 0.0, "up", "down")
TABLE = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=LABELS)
SWEEP = """\
name: scaled
datasets:
  - file: {{path: {path}, scaling: [none, standard, minmax], test_size: 0.25}}
gamma: 0.1
methods: [lbfgs: {{width: 10, restarts: 1}}, ntk]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scaled")
    TABLE.to_csv(folder / "mine.csv", index=False)
    (folder / "sweep.yaml").write_text(SWEEP.format(path=folder / "mine.csv"))
    run_sweep(load_sweep(folder / "sweep.yaml"), folder, engine="serial")
    return folder / "scaled"


def trials(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    found = [(path, json.loads((path / "record.json").read_text())) for path in sorted((folder / "trials").iterdir())]
    assert len(found) == 6 and all(record["status"] == "solved" for _, record in found)
    return found


def test_what_a_trial_saved_has_its_recorded_accuracy_on_the_stored_file(finished: Path) -> None:
    from sklearn.model_selection import train_test_split

    raw = pd.read_csv(finished.parent / "mine.csv")
    parts = dict(zip(("train", "test"), train_test_split(raw, test_size=0.25, random_state=42), strict=True))
    scalings = set()
    for path, record in trials(finished):
        scaling = record["trial"]["dataset_options"]["scaling"]
        scalings.add(scaling)
        for entry in record["predictors"]:
            model = sdprelax.load_predictor(path / entry["file"])
            assert isinstance(model, Pipeline) and model.classes == ("down", "up")
            for part, frame in parts.items():
                for asked in (frame, frame[["y", "c", "a", "b"]], frame[["a", "b", "c"]].to_numpy()):
                    accuracy = float(np.mean(model.predict_labels(asked) == frame["y"].to_numpy()))
                    assert accuracy == pytest.approx(entry[f"{part}_accuracy"], abs=1e-12), scaling
            if entry["name"] == "network" and scaling != "none":
                with pytest.raises(InputError, match=r"sdprelax\.load_predictor\(path\) predicts with both"):
                    Network.load(path / entry["file"])
    assert scalings == {"none", "standard", "minmax"}
    assert not any(finding.faults for finding in audit(finished))


def test_bounds_speak_of_the_network_on_scaled_inputs(finished: Path) -> None:
    path, record = next((p, r) for p, r in trials(finished) if "lbfgs" in r["method"] and "standard" in r["dataset"])
    data = datasets.create("file", record["trial"]["dataset_options"]).load()
    model = sdprelax.load_predictor(path / "network.npz")
    assert isinstance(model, Pipeline) and isinstance(model.predictor, Network)
    problem = sdprelax.Problem(data.X, data.Y, 0.1)
    assert problem.upper_bound(model.predictor) == record["upper"]
    with pytest.raises(InputError, match=r"of a Network, not of a Pipeline; its network is its \.predictor"):
        problem.upper_bound(model)  # type: ignore[arg-type]


def test_a_predictor_with_another_scaling_than_its_data_had_does_not_hold(finished: Path, tmp_path: Path) -> None:
    path, record = next((p, r) for p, r in trials(finished) if "ntk" in r["method"] and "standard" in r["dataset"])
    model = load_pipeline(path / "predictor-1.npz")
    before = (path / "predictor-1.npz").read_bytes(), (path / "record.json").read_bytes()
    for changed in (Pipeline(model.predictor), Pipeline(model.predictor, model.preprocessing, ("up", "down"))):
        save_predictor(path / "predictor-1.npz", changed, "kernel")
        record["seal"] = seal(record, path)
        (path / "record.json").write_text(json.dumps(record))
        faults = [fault for finding in audit(finished) for fault in finding.faults]
        (path / "predictor-1.npz").write_bytes(before[0])
        (path / "record.json").write_bytes(before[1])
        assert faults == ["its predictor 'kernel' prepares its inputs in another way than its data were."]


@pytest.mark.parametrize(("scaling", "scaler"), [("standard", StandardScaler()), ("minmax", MinMaxScaler())])
def test_scaling_is_scikit_learns_to_the_last_bit(scaling: Any, scaler: Any) -> None:
    fitted = Preprocessing.fitted(X[:30], scaling)
    np.testing.assert_array_equal(fitted.transform(X), scaler.fit(X[:30]).transform(X))


def test_words_become_the_columns_that_they_were_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"colour": ["red", " blue", "red", "green"], "size": [1, 2, 3, 4], "shape": list("oxxo")})
    data = encoded(tmp_path / "t.csv", table, np.eye(2)[[0, 1, 1, 0]], ("no", "yes"))
    stripped = table.assign(colour=table["colour"].str.strip())
    np.testing.assert_array_equal(data.X, pd.get_dummies(stripped, dtype=float)[list(
        ["size", "colour_blue", "colour_green", "colour_red", "shape_o", "shape_x"])])  # fmt: skip
    model = data.pipeline(Network(np.eye(6)[:, [0, 3]], np.eye(2)))
    model.save(tmp_path / "m.npz")
    loaded = sdprelax.load_predictor(tmp_path / "m.npz")
    assert isinstance(loaded, Pipeline) and loaded.carried() == model.carried()
    for asked in (table, table.to_numpy(), table[["shape", "size", "colour"]].assign(more=0)):
        np.testing.assert_array_equal(loaded.predict(asked), [[1.0, 1.0], [2.0, 0.0], [3.0, 1.0], [4.0, 0.0]])
    assert loaded.predict_labels(table[1:2]).tolist() == ["no"]
    with pytest.raises(
        InputError, match="column 'colour' holds 'violet' at row 1; this predictor knows blue, green, red"
    ):
        loaded.predict(table[:2].assign(colour=["red", "violet"]))


def test_components_of_images_are_projected_as_they_were() -> None:
    axes, mean = np.linalg.qr(RNG.standard_normal((5, 2)))[0], RNG.standard_normal(2)
    pixels = RNG.integers(0, 256, (7, 5))
    data = Dataset(pixels, np.eye(7)).prepared((("divide", np.array(255.0)),))
    data = data.prepared((("project", axes), ("subtract", mean)))
    np.testing.assert_allclose(data.X, (pixels / 255.0) @ axes - mean, atol=1e-15)
    again = Preprocessing.from_dict(json.loads(json.dumps(data.preprocessing.to_dict())))
    np.testing.assert_allclose(again.transform(pixels), data.X, atol=1e-15)


def test_standardised_targets_come_back_in_their_own_units() -> None:
    data = datasets.create("diabetes", {"test_size": 0.0, "scaling": "standard"}).load()
    raw = datasets.create("diabetes", {"test_size": 0.0, "standardise_target": False}).load()

    class Perfect:
        def predict(self, inputs: Any) -> Any:
            np.testing.assert_array_equal(inputs, data.X)
            return data.Y

    np.testing.assert_allclose(data.pipeline(Perfect()).predict(raw.X), raw.Y, rtol=1e-12)
    with pytest.raises(InputError, match="was not trained on classes"):
        data.pipeline(Perfect()).predict_labels(raw.X)


@pytest.mark.parametrize(("asked", "words"), [
    (TABLE[["a", "b"]], "X has no column 'c'; this predictor takes a, b, c"),
    (TABLE.rename(columns={"b": "B"}), "X has no column 'b'"), (X[:, :2], "this predictor takes 3 columns: a, b, c"),
    (TABLE[["a", "a", "b", "c"]], "X has the column 'a' twice"), (X[0], "this predictor takes 3 columns"),
    (TABLE.assign(a="x"), "column 'a' must be an array of real numbers, but it holds 'x'"),
    (TABLE.assign(b=np.nan), "column 'b' holds nan at row 0"),
    (TABLE.assign(c=pd.Timestamp("2020-01-01")), "column 'c' holds dates or times"),
    (np.ma.masked_array(X, mask=X > 600.0), "masked entries"), ("mine.csv", "this predictor takes 3 columns"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_sentence(asked: Any, words: str) -> None:
    names = TABLE[["a", "b", "c"]]
    model = Pipeline(Network(np.eye(3), np.eye(3)), Preprocessing.fitted(names, "standard"), ("u", "v", "w"))
    with pytest.raises(InputError) as caught:
        model.predict_labels(asked)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_columns_without_names_must_be_as_many() -> None:
    model = Pipeline(Network(np.eye(3), np.eye(3)), Preprocessing.fitted(X, "minmax"))
    assert model.predict(TABLE[["a", "b", "c"]]).shape == (40, 3)
    with pytest.raises(InputError, match="X has 1 columns; this predictor takes 3"):
        model.predict(X[:, :1])


def test_files_without_preprocessing_are_read_as_having_none(tmp_path: Path) -> None:
    network = Network(np.eye(3), np.eye(3))
    network.save(tmp_path / "n.npz")
    with np.load(tmp_path / "n.npz") as stored:
        assert sorted(stored.files) == ["bias", "hidden", "kind", "output"], "the format of earlier versions"
    assert isinstance(sdprelax.load_predictor(tmp_path / "n.npz"), Network)
    named = Pipeline(network, classes=("u", "v", "w"))
    named.save(tmp_path / "n.npz")
    assert Network.load(tmp_path / "n.npz").width == 3, "names change nothing that a network predicts"
    with pytest.raises(InputError, match="a int cannot be saved"):
        sdprelax.save_predictor(tmp_path / "n.npz", 3)  # type: ignore[arg-type]


def hostile(**changes: Any) -> bytes:
    good = Pipeline(Network(np.eye(3), np.eye(3)), Preprocessing.fitted(X, "standard"), ("u", "v", "w"))
    return json.dumps({**json.loads(good.carried()), **changes}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"3",
        b"[" * 100_000,
        hostile(format=2),
        hostile(format="1"),
        hostile(classes="uvw"),
        hostile(classes=["u", "u"]),
        hostile(classes=[1, 2]),
        hostile(classes=[]),
        hostile(columns=[["a"]]),
        hostile(columns=3),
        hostile(inputs=[["subtract", [float("nan")] * 3]]),
        hostile(inputs=[["divide", [0.0] * 3]]),
        hostile(inputs=[["exec", 1]]),
        hostile(inputs=[["project", [1.0]]]),
        hostile(inputs=[["subtract", [[1.0]]]]),
        hostile(inputs=[["subtract", "x"]]),
        hostile(inputs=[["subtract"]]),
        hostile(inputs={"a": 1}),
        hostile(encoding=[["a", "b"]]),
        hostile(targets=[["project", [[1.0]]]]),
        hostile(targets=None),
        hostile(encoding=[[1]]),
        hostile(inputs=[["subtract", [10**400]]]),
    ],
)
def test_files_whose_preprocessing_is_none_are_refused_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "n.npz"
    arrays = {"kind": np.array("network"), "hidden": np.eye(3), "output": np.eye(3), "bias": np.array(False)}
    np.savez(path, **arrays, preprocessing=np.frombuffer(content, dtype=np.uint8))
    with pytest.raises(InputError) as caught:
        sdprelax.load_predictor(path)
    said = str(caught.value)
    assert said.startswith(f"{path} is not a readable network or other predictor: ") and "\n" not in said
    np.savez(path, **arrays, preprocessing=np.zeros((2, 2)))
    with pytest.raises(InputError, match="its preprocessing is not what was written"):
        sdprelax.load_predictor(path)


def test_words_and_folders_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="scaling is 'std'; it must be one of 'none', 'standard', 'minmax'"):
        Preprocessing.fitted(np.eye(2), "std")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="names of classes must be text"):
        Pipeline(Network(np.ones((2, 1)), np.ones((1, 2))), classes="ab")  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="cannot be written: there is no folder"):
        Network(np.ones((2, 1)), np.ones((1, 2))).save(tmp_path / "none" / "network.npz")
    with pytest.raises(InputError, match="labels hold '1' as text and as a number"):
        one_hot(["a", 1, "1"])
