"""Files as people write them: what their targets are, and what would be shifted, dropped or mistaken without a word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sdprelax import InputError
from sdprelax.datasets import Dataset, datasets

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 2))
LABELS = np.array([0, 1, 2, 1, 0, 2])


def load(path: Path, **options: Any) -> Dataset:
    return datasets.create("file", {"path": str(path), **options}).load()


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(path, **options)
    said = str(caught.value)
    assert "\n" not in said and said.endswith(".") and str(path) in said
    return said


def arrays(path: Path, **stored: Any) -> Path:
    np.savez(path, **stored)
    return path


def parquet(path: Path, **columns: Any) -> Path:
    pd.DataFrame(columns).to_parquet(path)
    return path


def test_a_vector_of_targets_is_one_column(tmp_path: Path) -> None:
    y = RNG.standard_normal(6)
    vector = load(arrays(tmp_path / "v.npz", X=X, Y=y, X_test=X, Y_test=y))
    column = load(arrays(tmp_path / "c.npz", X=X, Y=y[:, None]))
    assert vector.Y_test is not None and vector.classes is None
    np.testing.assert_array_equal(vector.Y, column.Y)
    np.testing.assert_array_equal(vector.Y_test, y[:, None])


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], LABELS.astype("U"), LABELS == 1])
@pytest.mark.parametrize("task", ["auto", "classification"])
def test_labels_of_an_array_are_classes_as_those_of_a_table(labels: Any, task: str, tmp_path: Path) -> None:
    stored = load(arrays(tmp_path / "l.npz", X=X, Y=labels, X_test=X[:1], Y_test=labels[:1]), task=task)
    table = load(parquet(tmp_path / "l.parquet", a=X[:, 0], b=X[:, 1], y=labels.ravel()), task=task)
    assert stored.classes == table.classes and stored.Y_test is not None
    np.testing.assert_array_equal(stored.Y, table.Y)
    np.testing.assert_array_equal(stored.Y_test, table.Y[:1])


def test_many_integers_are_numbers_and_few_are_so_when_asked(tmp_path: Path) -> None:
    many = load(arrays(tmp_path / "m.npz", X=np.eye(30), Y=np.arange(30)))
    assert many.classes is None and many.Y.shape == (30, 1)
    few = load(arrays(tmp_path / "f.npz", X=X, Y=LABELS), task="regression")
    assert few.classes is None and few.Y.ravel().tolist() == LABELS.tolist()


def test_one_hot_targets_may_be_truth_values(tmp_path: Path) -> None:
    hot = pd.get_dummies(LABELS).to_numpy()
    assert hot.dtype == bool
    data = load(arrays(tmp_path / "b.npz", X=X, Y=hot))
    assert data.classes == ("class 0", "class 1", "class 2")
    np.testing.assert_array_equal(data.Y, np.eye(3)[LABELS])


@pytest.mark.parametrize("scaling", ["none", "standard"])
@pytest.mark.parametrize(("stored", "words"), [
    ({"X": X + 1j, "Y": LABELS}, "array 'X' holds complex numbers"),
    ({"X": X, "Y": LABELS + 1j}, "array 'Y' holds complex numbers"),
    ({"X": X[:, 0], "Y": LABELS}, "X has shape (6,)"), ({"X": X[None], "Y": LABELS}, "X has shape (1, 6, 2)"),
    ({"X": X[:0], "Y": LABELS[:0]}, "X has shape (0, 2)"),
    ({"X": X, "Y": LABELS, "X_test": X[:, :1], "Y_test": LABELS}, "X_test has 1 columns and X has 2"),
    ({"X": X, "Y": np.eye(6), "X_test": X, "Y_test": np.eye(6)[:, :3]}, "Y_test has 3 columns and Y has 6"),
    ({"X": X, "Y": LABELS[:3]}, "X has 6 rows and Y has 3"),
    ({"X": np.full((6, 2), np.longdouble("1e400")), "Y": LABELS}, "array 'X' holds inf at row 0, column 0"),
    ({"X": X, "Y": np.array(["2020-01-01"] * 6, dtype="datetime64[D]")}, "array 'Y' holds dates or times"),
    ({"X": X.astype("U"), "Y": LABELS}, "array 'X' must be an array of real numbers"),
    ({"X": X, "Y": np.zeros(6, dtype=int)}, "all 6 labels are '0'; classification takes two classes or more"),
    ({"X": X, "Y": np.eye(2)[[0] * 6]}, "every sample to train on is of the class 'class 0'"),
    ({"X": X, "Y": X, "X_test": X}, "must hold both X_test and Y_test, or neither"),
])  # fmt: skip
def test_arrays_that_are_no_data_are_refused_in_one_sentence(
    stored: dict[str, Any], words: str, scaling: str, tmp_path: Path
) -> None:
    assert words in refused(arrays(tmp_path / "t.npz", **stored), scaling=scaling)


def test_numbers_whose_variance_overflows_are_not_scaled_to_nothing(tmp_path: Path) -> None:
    path = arrays(tmp_path / "t.npz", X=1e200 * X, Y=LABELS)
    assert "too large for standard scaling" in refused(path, scaling="standard")
    assert np.all(np.isfinite(load(path, scaling="minmax").X))


def test_files_that_are_no_archives_of_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "single.npy", X)
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    assert "a single array without a name" in refused(tmp_path / "single.npz")
    whole = arrays(tmp_path / "whole.npz", X=X, Y=LABELS).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    assert "cannot be read as npz" in refused(tmp_path / "cut.npz")
    (tmp_path / "flipped.npz").write_bytes(whole[:150] + bytes(b ^ 255 for b in whole[150:170]) + whole[170:])
    assert "cannot be read as npz" in refused(tmp_path / "flipped.npz")
    assert "cannot be read as npz" in refused(arrays(tmp_path / "o.npz", X=X, Y=np.array([{}] * 6, dtype=object)))
    assert "'target' is for tables" in refused(arrays(tmp_path / "t.npz", X=X, Y=LABELS), target="Y")


@pytest.mark.parametrize(("text", "words"), [
    ("a,b,y\n7.5,1,2,u\n8.5,4,5,v\n", "has rows with more cells than there are names of columns"),
    ("a;b;y\n7,5;1,2;u\n", "has one column, 'a;b;y': write separator: ';' if it has more"),
    ("a,b,y\n1,2,u\n1,2,3,v\n", "cannot be read as csv"),
    ("a,b,y\n1,2\n3,4,v\n", "column 'y' has no label in row 1"),
    ("5.1,3.5,1.4,setosa\n4.9,3.0,1.4,setosa\n6.2,2.9,4.3,versi\n", "has a first line of numbers, 5.1, 3.5, 1.4, ...:"),
    (",a,y\n0,1.5,u\n1,2.0,v\n", "column 1 has no name; pandas writes the number of the row so"),
    ("Unnamed: 0,a,y\n0,1.5,u\n1,2.0,v\n", "column 1 has no name"),
    ("y,a,y\n0,1.5,u\n1,2.0,v\n", "has two columns named 'y'"),
    ("a,y\n1,u\n2,u\n", "column 'y' cannot be classes: all 2 labels are 'u'; classification takes two classes"),
    ("a,y\n1,1.5\n2,2.5\n3,n/k\n", "'n/k' in row 3 among numbers: correct it, name it under na_values"),
    ("a,name\n" + "".join(f"{k},s{k}\n" for k in range(30)), "column 'name' has another label in each of 30 rows"),
    ("a,y\n\"1,u\n2,v\n", "t.csv"), ("\n\n\n", "cannot be read as csv"),
    ("a", "t.csv"), ("a,y\n" + "9" * 400 + ",u\n1,v\n", "row 1, column 'a' holds"), ("a,y\n", "needs at least one row"),
])  # fmt: skip
def test_tables_that_would_be_shifted_or_mistaken_are_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert words in refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfea\x00,\x00y\x00",
        bytes(range(256)) * 4,
        b"PAR1" + bytes(64) + b"PAR1",
        b"PK\x03\x04" + bytes(64),
        b"\x00",
        b"\x1f\x8b" + bytes(20),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
def test_bytes_that_are_no_file_of_the_kind_are_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"t.{suffix}").write_bytes(content)
    refused(tmp_path / f"t.{suffix}")


def test_a_file_without_names_of_columns_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("5.1,3.5,setosa\n4.9,3.0,setosa\n6.2,2.9,versi\n")
    data = load(path, header=False)
    assert data.X.tolist() == [[5.1, 3.5], [4.9, 3.0], [6.2, 2.9]] and data.classes == ("setosa", "versi")
    assert len(load(path, header=True).X) == 2
    pd.DataFrame(X).assign(y=list("uvuvuv")).to_csv(path, index=False)
    assert load(path).X.shape == (6, 2), "0, 1, ... are names that pandas writes"
    assert "'header' is for CSV files" in refused(arrays(tmp_path / "t.npz", X=X, Y=LABELS), header=True)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffa,y\n1,u\n2,v\n".encode())
    assert load(path).preprocessing.columns == ("a",)


@pytest.mark.parametrize(("column", "values"), [
    (lambda: [Decimal("1.5"), Decimal("2.5"), Decimal("3.5")], [1.5, 2.5, 3.5]),
    (lambda: pd.array([1, 2, 3], dtype="Float64"), [1.0, 2.0, 3.0]),
])  # fmt: skip
def test_numbers_of_a_database_are_numbers(column: Callable[[], Any], values: list[float], tmp_path: Path) -> None:
    path = parquet(tmp_path / "d.parquet", a=[1.0, 2.0, 3.0], y=column())
    data = load(path)
    assert data.classes is None and data.Y.ravel().tolist() == values
    assert load(path, target="a").X.ravel().tolist() == values


@pytest.mark.parametrize(("column", "words"), [
    (lambda: pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]), "holds dates or times"),
    (lambda: pd.to_timedelta([1, 2, 3], unit="D"), "holds dates or times"),
    (lambda: [date(2020, 1, k) for k in (1, 2, 3)], ""), (lambda: [b"x", b"y", b"z"], ""),
    (lambda: pd.array([1, None, 3], dtype="Int64"), ""), (lambda: [[1], [2], [3]], ""),
])  # fmt: skip
@pytest.mark.parametrize("target", ["y", "a"])
def test_columns_that_are_neither_numbers_nor_labels_are_refused(
    column: Callable[[], Any], words: str, target: str, tmp_path: Path
) -> None:
    path = parquet(tmp_path / "d.parquet", a=[1.0, 2.0, 3.0], y=column())
    said = refused(path, target=target)
    assert words in said and "'y'" in said


def test_categories_are_labels_and_no_inputs(tmp_path: Path) -> None:
    path = parquet(tmp_path / "d.parquet", a=[1.0, 2.0, 3.0], k=pd.Categorical(["v", "u", "v"]), t=["1", "2", "3"])
    data = pd.read_parquet(path)
    data[["a", "k"]].to_parquet(path)
    assert load(path).classes == ("u", "v")
    assert "column 'k' holds categories" in refused(path, target="a")
    data[["t", "a"]].to_parquet(path)
    assert "row 1, column 't' holds '1', which is not a finite number" in refused(path)


def test_components_are_those_of_the_training_part_and_repeated_on_new_rows(tmp_path: Path) -> None:
    inputs = RNG.standard_normal((40, 5)) * [5.0, 1.0, 3.0, 0.1, 2.0] + 7.0
    y = RNG.standard_normal(40)
    path = arrays(tmp_path / "c.npz", X=inputs[:30], Y=y[:30], X_test=inputs[30:], Y_test=y[30:])
    for scaling in ("none", "standard"):
        whole, data = load(path, scaling=scaling), load(path, scaling=scaling, components=2)
        centred = whole.X - whole.X.mean(axis=0)
        _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
        assert data.X_test is not None and whole.X_test is not None
        np.testing.assert_allclose(np.linalg.norm(data.X, axis=0), lengths[:2], rtol=1e-12)
        signs = np.sign(np.sum((centred @ axes[:2].T) * data.X, axis=0))
        expected = (whole.X_test - whole.X.mean(axis=0)) @ axes[:2].T * signs
        np.testing.assert_allclose(data.X_test, expected, atol=1e-12)
        np.testing.assert_allclose(data.preprocessing.transform(inputs), np.vstack([data.X, data.X_test]), atol=1e-12)
    table = parquet(tmp_path / "t.parquet", **{f"x{k}": inputs[:, k] for k in range(5)}, y=y)
    assert load(table, components=3, test_size=0.5).X.shape == (20, 3)
    said = refused(path, components=6)
    assert "30 training samples of 5 inputs have no 6 principal components" in said and "at most 5" in said
