"""Data sets from OpenML or a local file; OpenML itself is a stand-in here."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from sdprelax import InputError
from sdprelax.datasets import Dataset, datasets, openml

KNOWN = {
    "ionosphere": (351, 34, ("b", "g"), "ionosphere"),
    "pima": (768, 8, ("tested_negative", "tested_positive"), "diabetes"),
    "bank_notes": (1372, 4, ("1", "2"), "banknote-authentication"),
    "mnist": (70_000, 784, tuple("0123456789"), "mnist_784"),
}
TABLES = ["ionosphere", "pima", "bank_notes"]


def bunch(name: str, seed: int = 0, n: int | None = None) -> Bunch:
    """What ``fetch_openml`` would return, made of random numbers."""
    n, d, labels, stated = (n or KNOWN[name][0], *KNOWN[name][1:])
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 256, (n, d), dtype=np.uint8)
    X[:, 0] = np.arange(n) % 7
    target = np.array(labels, dtype=object)[np.arange(n) % len(labels)]
    return Bunch(data=X, target=target, details={"name": stated, "version": "1"})


def serve(monkeypatch: pytest.MonkeyPatch, answer: Bunch | Exception) -> list[dict[str, object]]:
    asked: list[dict[str, object]] = []

    def fetch(**options: object) -> Bunch:
        asked.append(options)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    return asked


def refused(name: str, options: dict[str, object]) -> str:
    with pytest.raises(InputError) as caught:
        datasets.create(name, options).load()
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    return str(caught.value)


def equal(left: Dataset, right: Dataset) -> bool:
    arrays = ("X", "Y", "X_test", "Y_test")
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in arrays)


def write_table(path: Path, X: NDArray[np.float64], labels: list[str], header: str = "") -> str:
    rows = [",".join([*map(repr, row), label]) for row, label in zip(X.tolist(), labels, strict=True)]
    path.write_text("\n".join([*([header] if header else []), *rows]) + "\n")
    return str(path)


def notes(seed: int = 0) -> tuple[NDArray[np.float64], list[str]]:
    """A table shaped like the bank notes."""
    return np.random.default_rng(seed).standard_normal((1372, 4)), ["0"] * 762 + ["1"] * 610


@pytest.mark.parametrize(("name", "stored", "train", "test", "d", "classes"), [
    ("ionosphere", "ionosphere", 175, 175, 34, ("b", "g")), ("pima", "pima_indians", 383, 384, 8, ("0", "1")),
    ("bank_notes", "bank_notes", 685, 686, 4, ("0", "1")),
    ("mnist", "mnist_pca20", 1000, 1000, 20, tuple("0123456789")),
])  # fmt: skip
def test_p25_s_arrays_are_taken_as_they_are(
    p25: Path, name: str, stored: str, train: int, test: int, d: int, classes: tuple[str, ...]
) -> None:
    path = p25 / f"{stored}.npz"
    data = datasets.create(name, {"path": str(path)}).load()
    assert data.X_test is not None and data.Y_test is not None
    assert (data.X.shape, data.X_test.shape, data.classes) == ((train, d), (test, d), classes)
    arrays = np.load(path)
    one_hot = {part: arrays[f"Y_{part}"] if "Y_train" in arrays else np.eye(10)[arrays[f"y_{part}"]]
               for part in ("train", "test")}  # fmt: skip
    assert np.array_equal(data.X, arrays["X_train"]) and np.array_equal(data.X_test, arrays["X_test"])
    assert np.array_equal(data.Y, one_hot["train"]) and np.array_equal(data.Y_test, one_hot["test"])
    standard = datasets.create(name, {"path": str(path), "scaling": "standard"}).load()
    assert np.allclose(standard.X.mean(axis=0), 0.0) and not np.allclose(standard.X, data.X)


@pytest.mark.parametrize(("name", "options"), [
    ("bank_notes", {"test_size": 0.4}), ("bank_notes", {"split_seed": 1}), ("bank_notes", {"drop_first": True}),
    ("mnist", {"per_digit": 90}), ("mnist", {"components": None}), ("mnist", {"seed": 1}),
])  # fmt: skip
def test_a_file_that_is_split_leaves_nothing_to_split(name: str, options: dict[str, object], tmp_path: Path) -> None:
    labels = np.arange(1372) % (10 if name == "mnist" else 2)
    path = tmp_path / "split.npz"
    np.savez(path, X_train=np.ones((1000, 4)), y_train=labels[:1000], X_test=np.ones((372, 4)), y_test=labels[1000:])
    datasets.create(name, {"path": str(path)}).load()
    assert f"option '{next(iter(options))}' cannot act on" in refused(name, {"path": str(path), **options})


def test_p25_s_bank_notes_are_the_split_of_the_table_without_its_first_row(p25: Path, tmp_path: Path) -> None:
    """Undoing the permutation of the split gives UCI's order: first all notes of class 0, then all of class 1."""
    stored = np.load(p25 / "bank_notes.npz")
    train, test = train_test_split(np.arange(1371), test_size=0.5, random_state=42)
    X, Y = np.empty((1371, 4)), np.empty((1371, 2))
    X[train], X[test], Y[train], Y[test] = (stored[name] for name in ("X_train", "X_test", "Y_train", "Y_test"))
    labels = Y.argmax(axis=1)
    assert np.array_equal(labels, np.repeat([0, 1], [761, 610]))
    table = np.vstack([np.zeros(4), X])
    path = write_table(tmp_path / "notes.txt", table, ["0", *map(str, labels)])
    again = datasets.create("bank_notes", {"path": path, "drop_first": True}).load()
    assert equal(again, datasets.create("bank_notes", {"path": str(p25 / "bank_notes.npz")}).load())


def test_a_table_reads_the_same_with_and_without_a_header_and_as_arrays(tmp_path: Path) -> None:
    X, labels = notes()
    bare = datasets.create("bank_notes", {"path": write_table(tmp_path / "a.txt", X, labels)}).load()
    assert bare.X.shape == (686, 4) and bare.Y.sum() == 686 and bare.classes == ("0", "1")
    for header in ("v,s,k,e,class", "v,v,v,v,v"):
        named = write_table(tmp_path / "b.csv", X, labels, header)
        assert equal(datasets.create("bank_notes", {"path": named}).load(), bare)
    np.savez(tmp_path / "c.npz", X=X, Y=np.eye(2)[[int(label) for label in labels]])
    np.savez(tmp_path / "d.npz", X=X, y=[float(label) for label in labels])
    for name in ("c.npz", "d.npz"):
        assert equal(datasets.create("bank_notes", {"path": str(tmp_path / name)}).load(), bare)
    shifted = write_table(tmp_path / "e.data", X, [str(int(label) + 1) for label in labels])
    assert equal(datasets.create("bank_notes", {"path": shifted}).load(), bare)


@pytest.mark.parametrize("header", ["", "v,s,k,e,class"])
def test_drop_first_leaves_out_the_first_sample(header: str, tmp_path: Path) -> None:
    X, labels = notes()
    path = write_table(tmp_path / "notes.csv", X, labels, header)
    data = datasets.create("bank_notes", {"path": path, "drop_first": True}).load()
    train, test = train_test_split(X[1:], test_size=0.5, random_state=42)
    assert np.array_equal(data.X, train) and np.array_equal(data.X_test, test)


def test_the_digest_changes_with_the_file_and_is_empty_without_one(tmp_path: Path) -> None:
    digests = set()
    for seed in range(2):
        path = write_table(tmp_path / "notes.csv", *notes(seed))
        digests.add(datasets.create("bank_notes", {"path": path}).digest())
    assert len(digests) == 2 and {len(digest) for digest in digests} == {64}
    assert all(datasets.create(name).digest() == "" for name in KNOWN)


@pytest.mark.parametrize(("text", "message"), [
    ("", "cannot be read as csv"),
    ("1,2,3,0\n", "has 4 columns, but bank_notes has 4 features and the label in the last column"),
    ("v,s,k,e,class\n", "has a header and no samples"),
    ("1,2,3,4,0\n1,2,x,4,1\n", "row 2, column '3' holds 'x', which is not a finite number"),
    ("1,2,nan,4,0\n1,2,3,4,1\n", "row 1, column '3' holds 'nan', which is not a finite number"),
    ("v,s,k,e,class\n1,2,3,4,0\n1,2,,4,1\n", "row 2, column 'k' holds 'nan'"),
    ("1,2,3,4,0\n1,2,3,4,1,5\n", "cannot be read as csv"),
    ("v,s,k,e,class\n1,2,3,4,5,0\n", "has rows with more cells than there are names of columns"),
    ("1,2,3,4,0\n1,2,3,4,2\n", "has the labels 0, 2, but those of bank_notes are 0, 1 or 1, 2"),
    ("1,2,3,4,0\n1,2,3,4\n", "has the labels 0, nan, but those of bank_notes are 0, 1"),
    ("1,2,3,4,0\n1,2,3,4,1\n", "holds 2 samples, but bank_notes has 1372"),
])  # fmt: skip
def test_bad_tables_are_refused_in_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text(text)
    assert message in refused("bank_notes", {"path": str(path)})


@pytest.mark.parametrize(("arrays", "message"), [
    ({"X": np.ones((2, 4))}, "holds X, but must hold X_train, Y_train, X_test and Y_test, or X and Y"),
    ({"X_train": np.ones((2, 4)), "Y_train": np.eye(2)}, "holds X_train, Y_train, but must hold"),
    ({"X": np.full((2, 4), np.nan), "Y": np.eye(2)}, "array 'X' holds nan at row 0, column 0"),
    ({"X": np.ones((2, 5)), "Y": np.eye(2)}, "X has 5 features, but bank_notes has 4"),
    ({"X": np.ones((3, 4)), "Y": np.eye(2)}, r"X of shape (3, 4) must have one row for each of 2 targets"),
    ({"X": np.ones((2, 4)), "Y": np.eye(3)[:2]}, "array 'Y' must hold one label, or a one-hot row of 2"),
    ({"X": np.ones((2, 4)), "Y": np.ones((2, 2))}, "array 'Y' must hold one label, or a one-hot row of 2"),
    ({"X": np.ones((2, 4)), "y": np.array([0, 7])}, "has the labels 0, 7, but those of bank_notes are 0, 1"),
    ({"X": np.ones((2, 4)), "Y": np.eye(2), "X_test": np.ones((2, 4)), "Y_test": np.eye(2)},
     "holds 4 samples, but bank_notes has 1372 (the paper's 1371)"),
])  # fmt: skip
def test_bad_arrays_are_refused_in_one_sentence(
    arrays: dict[str, NDArray[np.float64]], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "notes.npz"
    np.savez(path, **arrays)
    assert message in refused("bank_notes", {"path": str(path)})


def test_files_that_do_not_exist_or_end_otherwise_are_refused(tmp_path: Path) -> None:
    assert "option 'path' is 'nowhere.csv', and there is no such file" in refused("pima", {"path": "nowhere.csv"})
    (tmp_path / "notes.arff").touch()
    assert "files end in .npz, .csv, .data, .txt, not in '.arff'" in refused(
        "mnist", {"path": str(tmp_path / "notes.arff")}
    )


@pytest.mark.parametrize("name", TABLES)
def test_openml_s_data_are_split_in_halves(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = serve(monkeypatch, bunch(name))
    data = datasets.create(name, {"cache": str(tmp_path)}).load()
    n, d, labels, _ = KNOWN[name]
    assert asked[0]["data_id"] in (59, 37, 1462) and asked[0]["data_home"] == str(tmp_path)
    assert data.X.shape == (n // 2, d) and data.X_test is not None and len(data.X_test) == n - n // 2
    first = (bunch(name).target == labels[0]).sum()
    assert data.Y_test is not None and data.Y[:, 0].sum() + data.Y_test[:, 0].sum() == first
    assert data.classes == (("b", "g") if name == "ionosphere" else ("0", "1"))


def test_mnist_is_drawn_by_digit_and_reduced_to_components(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A tenth of MNIST's length is as good here and takes a tenth of the time.
    monkeypatch.setattr(openml.Mnist, "known", openml.Mnist.known._replace(n=7_000))
    monkeypatch.setattr(openml, "MNIST_TRAINING", 6_000)
    images = bunch("mnist", n=7_000)
    images.data[6_000:, 1] = 255
    images.data[:6_000, 1] = 0
    serve(monkeypatch, images)
    raw = datasets.create("mnist", {"cache": str(tmp_path), "components": None, "per_digit": 5}).load()
    assert raw.X_test is not None and raw.Y_test is not None
    assert raw.X.shape == (50, 784) and raw.X.max() <= 1.0
    assert np.array_equal(raw.Y.sum(axis=0), np.full(10, 5)) and np.array_equal(raw.Y_test.sum(axis=0), np.full(10, 5))
    assert np.all(raw.X[:, 1] == 0.0) and np.all(raw.X_test[:, 1] == 1.0)  # training and test part stay apart
    few = datasets.create("mnist", {"cache": str(tmp_path), "components": 3, "per_digit": 5}).load()
    assert np.allclose(few.X.mean(axis=0), 0.0)
    spread = few.X.T @ few.X
    assert np.allclose(spread, np.diag(np.diag(spread))) and np.all(np.diff(np.diag(spread)) < 0.0)
    centred = np.linalg.svd(raw.X - raw.X.mean(axis=0))[1]
    assert np.allclose(np.diag(spread), centred[:3] ** 2)


def test_a_part_of_mnist_gives_what_it_has(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "part.npz"
    np.savez(path, X=rng.integers(0, 256, (100, 784)), y=np.arange(100) % 10)
    options = {"path": str(path), "per_digit": 5, "components": None}
    data, other = (datasets.create("mnist", {**options, "seed": seed}).load() for seed in (0, 1))
    assert data.X_test is not None and len(np.unique(np.vstack([data.X, data.X_test]), axis=0)) == 100
    assert not equal(data, other)
    message = "option 'per_digit' is 6, but of digit 0 there are 5 images for training and 5 for testing"
    assert message in refused("mnist", {**options, "per_digit": 6})
    assert "10 training images have no 20 principal components" in refused("mnist", {"per_digit": 1})
    np.savez(path, X=np.full((100, 784), -1.0), y=np.arange(100) % 10)
    assert "holds pixels of -1 … -1; right are 0 … 255, or 0 … 1" in refused("mnist", options)


def test_openml_s_data_may_not_change_once_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options: dict[str, object] = {"cache": str(tmp_path)}
    serve(monkeypatch, bunch("bank_notes"))
    first, again = (datasets.create("bank_notes", options).load() for _ in range(2))
    assert equal(first, again)
    record = tmp_path / "sdprelax" / "bank_notes.json"
    assert len(json.loads(record.read_text())["sha256"]) == 64 and [*record.parent.iterdir()] == [record]
    serve(monkeypatch, bunch("bank_notes", seed=1))
    message = refused("bank_notes", options)
    assert "has changed: its SHA-256 is" in message and "delete that file to accept the change" in message
    record.write_text("junk")
    assert "does not hold a checksum: delete it" in refused("bank_notes", options)
    record.unlink()
    assert not equal(datasets.create("bank_notes", options).load(), first)


@pytest.mark.parametrize(("error", "message"), [
    (URLError("Name or service not known"),
     "data set 'pima': OpenML cannot be reached (Name or service not known); option 'path' takes a local file"),
    (TimeoutError("timed out"), "OpenML cannot be reached (timed out)"),
    (ValueError("The md5 checksum does not match.\nMore."), "(The md5 checksum does not match)"),
    (PermissionError(13, "Permission denied"), "cannot be fetched ([Errno 13] Permission denied)"),
])  # fmt: skip
def test_without_openml_one_sentence_points_to_a_local_file(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serve(monkeypatch, error)
    said = refused("pima", {"cache": str(tmp_path)})
    assert message in said and "option 'path' takes a local file instead" in said


@pytest.mark.parametrize(("changed", "message"), [
    ({"data": np.ones((767, 8))}, "has the shape 767 × 8, but pima has 768 × 8"),
    ({"data": np.full((768, 8), np.inf)}, "holds what is not a finite number"),
    ({"data": np.full((768, 8), "x", dtype=object)}, "holds what is not a number"),
    ({"target": np.array(["yes", "no"] * 384)}, "has the labels no, yes, but those of pima are 0, 1 or tested_neg"),
    ({"details": {"name": "diabetes", "version": "2"}}, "is now diabetes in version 2, not version 1"),
])  # fmt: skip
def test_what_is_not_the_set_is_refused(
    changed: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serve(monkeypatch, Bunch(**{**bunch("pima"), **changed}))
    assert message in refused("pima", {"cache": str(tmp_path)})
    assert not (tmp_path / "sdprelax").exists()


def frame(monkeypatch: pytest.MonkeyPatch, home: Path, seed: int = 0, target: list[str] | None = None) -> None:
    """Serve a table with a column of categories and a gap, as ``fetch_openml`` gives it."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({
        "age": rng.standard_normal(12), "sort": pd.Categorical(["a", "b", None] * 4),
        "class": pd.Categorical(["yes", "no"] * 6), "number": rng.standard_normal(12),
    })  # fmt: skip
    answer = Bunch(frame=table, target_names=target, details={"id": "61", "name": "x", "version": "1"})
    serve(monkeypatch, answer)
    monkeypatch.setattr(sklearn.datasets, "get_data_home", lambda home_=None: str(home))


def test_any_set_of_openml_is_a_table_as_a_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frame(monkeypatch, tmp_path, target=["class"])
    assert "missing: mean fills them in" in refused("openml", {"id": 61})
    data = datasets.create("openml", {"id": 61, "missing": "mean", "drop": "number"}).load()
    assert data.classes == ("no", "yes") and data.X.shape == (9, 3) and data.preprocessing.columns == ("age", "sort")
    named = {"name": "x", "missing": "mean", "target": "number", "features": ["age"]}
    numbers = datasets.create("openml", named).load()
    assert numbers.classes is None and np.isclose(numbers.Y.std(), 1.0) and numbers.preprocessing.targets
    frame(monkeypatch, tmp_path, seed=1, target=["class"])
    assert "OpenML's data set 61 has changed: its SHA-256 is" in refused("openml", {"id": 61, "missing": "mean"})
    frame(monkeypatch, tmp_path / "none")
    assert "does not say what its target is: name it with option 'target'" in refused("openml", {"id": 61})
    serve(monkeypatch, URLError("no route to host"))
    assert "OpenML cannot be reached (no route to host); save it as CSV" in refused("openml", {"name": "x"})
    assert "needs its 'id' or its 'name'" in refused("openml", {})
    assert "needs its 'id' or its 'name'" in refused("openml", {"id": 61, "name": "x"})
    assert "'revision' is of a name" in refused("openml", {"id": 61, "revision": 2})
