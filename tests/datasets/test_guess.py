"""What is guessed of a CSV file: the data set that comes of it is the one that is meant."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sdprelax.base import InputError
from sdprelax.datasets import Dataset, Guess, datasets, guess_options

MESSY = "\n".join(
    ["Id;seen;kind;size;dose;grade;note;outcome"]
    + [
        f"p{k};{k % 28 + 1}.3.2024;{['', 'red', 'blue'][k % 3]};{k},5;{k * k};{'n/a?' if k == 7 else k % 4};"
        f"note {k % 25};{'ill' if k % 2 else 'well'}"
        for k in range(30)
    ]
)


def guessed(
    folder: Path, content: str | bytes, target: str | None = None, name: str = "a.csv"
) -> tuple[Guess, Dataset]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    guess = guess_options(path, target)
    return guess, datasets.create("file", guess.options).load()


def test_a_messy_table_becomes_numbers_and_what_is_left_out_has_its_reason(tmp_path: Path) -> None:
    guess, data = guessed(tmp_path, MESSY)
    assert guess.dropped == {
        "seen": "dates or times",
        "grade": "'n/a?' among numbers; corrected, it would be an input",
        "note": "25 different texts",
    }
    assert guess.options["index"] == "Id" and guess.options["missing"] == "mean"
    assert data.preprocessing.columns == ("kind", "size", "dose") and data.classes == ("ill", "well")
    assert data.X_test is not None and len(data.X) + len(data.X_test) == 30
    # Decimal commas are read: before scaling, sizes are 0.5, 1.5, ..., 29.5.
    whole = datasets.create("file", {**guess.options, "scaling": "none", "test_size": 0.0}).load()
    assert whole.X[:, data.preprocessing.encoding.index(("size", None))].tolist() == [k + 0.5 for k in range(30)]


@pytest.mark.parametrize(
    ("content", "options", "X"),
    [
        ("a,b,y\n1,2,u\n3,5,v\n", {}, [[1, 2], [3, 5]]),
        ("a|b|y\n1|2|u\n3|5|v\n", {"separator": "|"}, [[1, 2], [3, 5]]),
        ("a\tb\ty\n1\t2\tu\n3\t5\tv\n", {"separator": "tab"}, [[1, 2], [3, 5]]),
        # A comma between digits may be a decimal mark only where something else divides cells.
        ("a;b;y\n1,5;2;u\n3;5,25;v\n", {"separator": ";", "decimal": ","}, [[1.5, 2], [3, 5.25]]),
        ("1,2,u\n3,5,v\n", {"header": False}, [[1, 2], [3, 5]]),
        (",a,b,y\n0,1,2,u\n1,3,5,v\n", {"index": 0}, [[1, 2], [3, 5]]),
        ("a,b,y\nr1,1,2,u\nr2,3,5,v\n", {"index": 0}, [[1, 2], [3, 5]]),
        ("y,a,b\nu,1,2\nv,3,5\n", {"target": "y"}, [[1, 2], [3, 5]]),
        ("Größe,b,y\n1,2,u\n3,5,v\n".encode("cp1252"), {"encoding": "cp1252"}, [[1, 2], [3, 5]]),
        ("a,b,y\n1,2,u\n3,5,v\n".encode("utf-16"), {"encoding": "utf-16"}, [[1, 2], [3, 5]]),
        ("a,b,y\n1,2,u\n3,5,v\n".encode("utf-8-sig"), {}, [[1, 2], [3, 5]]),
    ],
)  # fmt: skip
def test_what_is_guessed_gives_the_numbers_that_are_meant(
    content: str | bytes, options: dict[str, object], X: list[list[float]], tmp_path: Path
) -> None:
    guess, _ = guessed(tmp_path, content)
    assert options.items() <= guess.options.items()
    written = {name: guess.options[name] for name in guess.options if name not in ("path", "target", "scaling")}
    assert set(written) == set(options) - {"target"}
    unscaled = datasets.create("file", {**guess.options, "scaling": "none"}).load()
    assert unscaled.X.tolist() == X


def test_a_compressed_table_is_guessed_and_a_row_number_is_no_input(tmp_path: Path) -> None:
    table = "n;a;y\n" + "".join(f"{k};{k % 3};{k % 2}.5\n" for k in range(5, 12))
    guess, data = guessed(tmp_path, gzip.compress(table.encode()), name="a.csv.gz")
    assert guess.options["index"] == "n" and data.classes is None and data.X.shape == (7, 1)


def test_the_target_that_is_named_is_taken_and_rows_without_it_are_not(tmp_path: Path) -> None:
    guess, data = guessed(tmp_path, "a,b,y\n1,,u\n2,4,v\n3,5,v\n4,7,w\n", target="b")
    assert guess.options["missing"] == "drop" and data.Y.ravel().tolist() == [4, 5, 7]


@pytest.mark.parametrize(
    ("content", "target", "said"),
    [
        ("a,b,y\n1,2,u\n", "yy", "has no column 'yy' to be the target: did you mean 'y'"),
        ("day,y\n2024-01-01,1\n2024-01-02,2\n", "y", "no column left for target and inputs ('day': dates or times)"),
        ("", None, "is empty"),
        ("a,b,y\n", None, "has a single line; a table has names of columns, and rows"),
        ("a b y\n1 2 3\n", None, "has one column, 'a b y', and none that comma, semicolon, tab or | would divide"),
        (b"PK\x03\x04\x00\x00", None, "is no text file"),
    ],
)
def test_what_cannot_be_guessed_is_one_sentence(
    content: str | bytes, target: str | None, said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        guessed(tmp_path, content, target)
    assert said in str(error.value)
