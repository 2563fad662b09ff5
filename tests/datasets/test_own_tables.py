"""Tables as people keep them: ids, dates, text, gaps, other separators; what was done to them is done to new rows."""

from __future__ import annotations

import gzip
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sdprelax
from sdprelax import InputError, Network, Pipeline
from sdprelax.datasets import Dataset, datasets, guess_options
from sdprelax.laboratory import load_sweep, run_sweep

MESSY = """\
patient;when;kind;size;dose;note;outcome
p1;2020-01-02;red;1,5;1;x;well
p2;2020-01-03;;2,5;2;x;ill
p3;2020-02-03;blue;;3;y;ill
p4;2020-02-04;red;3,5;4;y;well
p5;2020-02-05;red;0,5;5;y;ill
"""
READ: dict[str, Any] = {"separator": ";", "decimal": ",", "index": "patient", "drop": ["when", "note"]}


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    path = tmp_path / "messy.csv"
    path.write_text(MESSY)
    return path


def load(path: Path, **options: Any) -> Dataset:
    return datasets.create("file", {"path": str(path), **options}).load()


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(path, **options)
    said = str(caught.value)
    assert "\n" not in said and said.endswith(".")
    return said


def test_rows_with_gaps_are_refused_or_left_out(messy: Path) -> None:
    said = refused(messy, encode="text", **READ)
    assert "row 3, column 'size' holds 'nan'" in said and "missing: mean fills them in" in said
    data = load(messy, encode="text", missing="drop", **READ)
    assert data.X.tolist() == [[1.5, 1.0, 1.0], [3.5, 4.0, 1.0], [0.5, 5.0, 1.0]]
    assert data.Y.tolist() == [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]] and data.classes == ("ill", "well")


def test_means_of_the_training_part_fill_gaps_and_the_predictor_fills_new_ones_so(messy: Path, tmp_path: Path) -> None:
    data = load(messy, encode="text", missing="mean", test_size=0.4, scaling="standard", **READ)
    assert data.X_test is not None and data.X.shape == (3, 4)
    # The test rows do not move it: what is filled in is the mean, which scaling brings to 0.
    assert np.allclose(data.X.mean(axis=0), 0.0, atol=1e-15)
    data.pipeline(Network(np.eye(4), np.eye(4)[:, :2])).save(tmp_path / "m.npz")
    model = sdprelax.load_predictor(tmp_path / "m.npz")
    assert isinstance(model, Pipeline)
    table = pd.read_csv(messy, sep=";", decimal=",")
    again = model.preprocessing.transform(table)
    rows = {tuple(row) for row in np.vstack([data.X, data.X_test]).round(12)}
    assert {tuple(row) for row in again.round(12)} == rows
    gaps = pd.DataFrame({"dose": [2.0, None], "size": [None, 1.0], "kind": [None, "blue"]})
    assert np.allclose(model.preprocessing.transform(gaps)[0, [0, 2, 3]], 0.0, atol=1e-15)
    assert set(model.predict_labels(gaps)) <= {"ill", "well"}
    with pytest.raises(InputError, match="column 'kind' holds 'green' at row 0; this predictor knows blue, red"):
        model.predict(gaps.assign(kind="green"))
    with pytest.raises(InputError, match="X has no column 'size'; this predictor takes kind, size, dose"):
        model.predict(gaps.drop(columns="size"))
    with pytest.raises(InputError, match="column 'dose' must be an array of real numbers, but it holds 'x' at row 1"):
        model.predict(gaps.assign(dose=pd.Series([None, "x"], dtype=object)))


def test_without_means_a_gap_in_new_rows_is_refused(messy: Path) -> None:
    model = load(messy, encode="text", missing="drop", **READ).pipeline(Network(np.eye(3), np.eye(3)[:, :2]))
    with pytest.raises(InputError, match="column 'kind' holds nothing at row 1; this predictor takes no missing"):
        model.predict(pd.DataFrame({"dose": [1, 2], "size": [1.0, 2.0], "kind": ["red", None]}))
    with pytest.raises(InputError, match="column 'size' holds nan at row 0"):
        model.predict(pd.DataFrame({"dose": [1], "size": [np.nan], "kind": ["red"]}))


def test_numbers_listed_under_encode_are_words_whatever_their_type(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "zip,y\n1010,u\n2020,v\n1010,u\n")
    model = load(path, encode=["zip"]).pipeline(Network(np.eye(2), np.eye(2)))
    assert model.preprocessing.encoding == (("zip", "1010"), ("zip", "2020"))
    for same in ([2020, 1010], [2020.0, 1010.0], ["2020", " 1010"]):
        assert model.predict(pd.DataFrame({"zip": same})).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert "option 'encode' names 'zp', which is none of the inputs: did you mean 'zip'?" in refused(
        path, encode=["zp"]
    )


def test_columns_are_chosen_by_name(messy: Path) -> None:
    options = {"separator": ";", "decimal": ","}
    data = load(messy, features=["dose"], target="size", missing="drop", **options)
    assert data.X.ravel().tolist() == [1.0, 2.0, 4.0, 5.0] and data.Y.ravel().tolist() == [1.5, 2.5, 3.5, 0.5]
    assert "missing: drop leaves such rows out" in refused(messy, features="dose", target="size", **options)
    assert load(messy, features="dose", **options).preprocessing.columns == ("dose",)
    for option in ("drop", "index", "features", "target"):
        assert f"has no column 'x', which option '{option}' names" in refused(messy, **options, **{option: "x"})
    assert "named twice, by option 'target' and by option 'drop'" in refused(
        messy, **options, target="size", drop="size"
    )


def test_unnamed_columns_of_row_names_are_named_by_their_place(tmp_path: Path) -> None:
    pandas_like, r_like = (tmp_path / f"{name}.csv" for name in ("pandas", "r"))
    pd.DataFrame({"a": [1.5, 2.0], "y": ["u", "v"]}, index=pd.Index(["r1", "r2"])).to_csv(pandas_like)
    written(r_like, "a,y\nr1,1.5,u\nr2,2.0,v\n")
    assert "column 1 has no name" in refused(pandas_like) and "write index: 0" in refused(pandas_like)
    assert "more cells than there are names" in refused(r_like)
    for path in (pandas_like, r_like):
        data = load(path, index=0)
        assert data.X.tolist() == [[1.5], [2.0]] and data.classes == ("u", "v")
    bare = written(tmp_path / "bare.csv", "r1,1.5,u\nr2,2.0,v\n")
    assert load(bare, header=False, index=0, target=3).X.tolist() == [[1.5], [2.0]]


def test_files_are_read_as_they_are_written(messy: Path, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "m.csv.gz", "wt") as file:
        file.write(MESSY)
    one, other = (load(path, encode="text", missing="mean", **READ) for path in (messy, tmp_path / "m.csv.gz"))
    np.testing.assert_array_equal(one.X, other.X)
    assert "write separator: ';' if it has more" in refused(messy)
    latin = tmp_path / "l.csv"
    latin.write_text("ä,y\n1,grün\n2,blau\n", encoding="latin-1")
    assert load(latin, encoding="latin-1").classes == ("blau", "grün")
    assert "is not written in utf-8: say in what with option 'encoding'" in refused(latin)
    tabs = written(tmp_path / "t.csv", "a\tb\ty\n1\t2\tu\n3\t4\tv\n")
    assert "write separator: tab" in refused(tabs)
    assert load(tabs, separator="tab").X.tolist() == load(tabs, separator="whitespace").X.tolist() == [[1, 2], [3, 4]]
    assert "must be one character, tab or whitespace" in refused(tabs, separator="::")
    assert "must be single characters that differ" in refused(tabs, decimal=",")
    np.savez(tmp_path / "a.npz", X=np.eye(2), Y=np.eye(2))
    for option, value in (("drop", "a"), ("missing", "mean"), ("separator", ";"), ("encode", "text")):
        assert f"option '{option}' is for" in refused(tmp_path / "a.npz", **{option: value})


@pytest.mark.parametrize(("text", "words"), [
    ("a,b,y\n1+2j,1,u\n2-1j,2,v\n", "column 'a' holds complex numbers as text"),
    ("a,y\n1,1+2j\n2,2-1j\n", "column 'y' holds complex numbers as text"),
    ("a,y\n1,2020-01-01\n2,2020-01-02\n", "column 'y' holds dates or times as text"),
    ("a,y\n12:30,1.5\n13:30,2.5\n", "column 'a' holds dates or times as text"),
    ("a,y\n3 Jan 2020,1.5\n2 Feb 2021,2.5\n", "column 'a' holds dates or times as text"),
    ("a,y\n2020-01-01T10:00:00Z,1.5\n,2.5\n", "column 'a' holds dates or times as text"),
    ('a,y\n"1,5",1.5\n"2,5",2.5\n', "column 'a' holds numbers with decimal commas"),
    ('a,y\n"1,234.5",1.5\n"2,345.5",2.5\n', "column 'a' holds numbers with a mark between thousands"),
    ("a,y\n1,u\nx,v\n3,u\n", "column 'a' holds 'x' in row 2 among numbers"),
    ("a,y\n" + "".join(f"n{k},{k}.5\n" for k in range(30)), "column 'a' has another word in each of 30 rows"),
])  # fmt: skip
def test_what_only_looks_like_words_is_not_encoded(text: str, words: str, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", text)
    assert words in refused(path, encode="text")
    if "column 'a'" in words:
        assert load(path, encode=["a"], missing="drop").X.shape[1] >= 1, "what is listed is taken for words"


def test_types_are_those_of_the_whole_column(tmp_path: Path) -> None:
    path = written(tmp_path / "big.csv", "a,y\n" + "1,0\n" * 300_000 + "x,1\n")
    assert "row 300001, column 'a' holds 'x'" in refused(path)


@pytest.mark.parametrize(("columns", "X", "Y"), [
    ({"a": pd.array([1, None, 3], dtype="Int64"), "y": pd.array(["u", "v", "u"], dtype="string")},
     [1, 2, 3], [0, 1, 0]),
    ({"a": pd.array([True, None, False], dtype="boolean"), "y": pd.array([True, False, True], dtype="boolean")},
     [1, 0.5, 0], [1, 0, 1]),
    ({"a": [Decimal("1.5"), None, Decimal("2.5")], "y": pd.Categorical([3, 1, 3])}, [1.5, 2, 2.5], [1, 0, 1]),
])  # fmt: skip
def test_types_of_databases_are_numbers_and_labels(columns: Any, X: Any, Y: Any, tmp_path: Path) -> None:
    pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", missing="mean")
    assert data.X.ravel().tolist() == X and np.argmax(data.Y, axis=1).tolist() == Y


@pytest.mark.parametrize("value", [time(1, 2), date(2020, 1, 2), pd.Timestamp("2020-01-01"), pd.Timedelta(1, unit="h")])
@pytest.mark.parametrize("options", [{}, {"encode": "text"}, {"missing": "mean"}])
def test_dates_and_times_are_refused(value: Any, options: Any, tmp_path: Path) -> None:
    pd.DataFrame({"a": [value] * 3, "y": [1.5, 2.5, 3.5]}).to_parquet(tmp_path / "t.parquet")
    assert "column 'a' holds dates or times" in refused(tmp_path / "t.parquet", **options)
    assert "column 'a' holds dates or times" in refused(tmp_path / "t.parquet", target="a", **options)


def test_a_data_set_of_gaps_alone_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a,b,y\n1,,u\n2,,v\n")
    assert "missing: drop leaves no row, since column 'b' is empty" in refused(path, missing="drop")
    assert "column 'b' is empty in every row to train on: leave it out." in refused(path, missing="mean")


def test_a_label_is_the_name_in_tables_and_other_options_keep_their_trials(messy: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(f"""\
name: s
datasets:
  - file: {{path: {messy}, separator: ;, decimal: ",", features: dose, label: Dose & $outcome$}}
  - file: {{path: {messy}, separator: ;, decimal: ",", features: [dose, size], missing: mean, label: both}}
gamma: 0.1
methods: [lbfgs: {{width: 2, restarts: 1}}]
""")
    sweep = load_sweep(tmp_path / "s.yaml")
    assert [trial.problem_label.split("(")[0] for trial in sweep.plan()] == ["Dose & $outcome$", "both"]
    found = run_sweep(sweep, tmp_path, engine="serial")
    assert found.table["dataset"].tolist() == ["Dose & $outcome$", "both"]
    plain = datasets.create("file", {"path": str(messy), "separator": ";"})
    assert "separator" in datasets.identified(plain) and "label" not in datasets.identified(plain)


MARKED = "q,colour,y\n1.5,red,0.1\n?,blue,0.2\n2.5,red,0.3\n-,blue,0.4\n3.5,red,0.5\n"


def test_marks_that_stand_for_empty_entries_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(MARKED)
    assert "column 'q' holds '?' in row 2 among numbers: correct it, name it under na_values" in refused(
        path, encode="text"
    )
    assert "na_values names what stands for an empty entry" in refused(path, drop="colour")
    data = load(path, drop="colour", na_values=["?", "-"], missing="drop")
    assert data.X.ravel().tolist() == [1.5, 2.5, 3.5]
    assert load(path, drop="colour", na_values=["?", "-"], missing="mean").X.ravel().tolist() == [
        1.5,
        2.5,
        2.5,
        2.5,
        3.5,
    ]


def test_marks_are_guessed_and_new_rows_are_read_with_them(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(MARKED)
    guess = guess_options(path, "y")
    assert guess.options["na_values"] == ["-", "?"] and guess.options["missing"] == "mean" and not guess.dropped
    assert "stands among numbers for an empty entry" in guess.reasons["na_values"]
    assert datasets.create("file", guess.options).load().X.shape == (5, 3)
    # Words are words, and no numbers are about.
    path.write_text("a,b,y\n?,1,0.1\nx,2,0.2\n?,3,0.3\n")
    assert "na_values" not in guess_options(path, "y").options


def test_numbers_with_one_comma_may_be_thousands(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a;y\n"1,000";0.1\n"12,345";0.2\n')
    said = refused(tmp_path / "t.csv", separator=";")
    assert 'numbers with commas, be they decimal marks (write decimal: ",") or between thousands' in said
