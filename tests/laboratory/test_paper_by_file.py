"""Sweeps of the paper's whose data are the user's own file, with a stand-in for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sdprelax
from sdprelax import InputError

SWEEPS = Path(__file__).resolve().parents[2] / "experiments" / "paper" / "own_file"


@pytest.mark.parametrize("name", ["possum.csv", "cifar10.npz"])
def test_one_sentence_says_that_the_file_is_missing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"data set 'file': option 'path' is '{name}', and there is no such file.$"):
        sdprelax.run(SWEEPS / f"{name.partition('.')[0]}.yaml")


def test_possum_runs_on_a_table_with_words_and_gaps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({
        "case": np.arange(1, 25), "site": rng.integers(1, 8, 24), "Pop": rng.choice(["Vic", "other"], 24),
        "sex": rng.choice(["m", "f"], 24), "age": rng.integers(1, 10, 24).astype(float),
        **{name: rng.normal(30.0, 2.0, 24).round(1) for name in ("hdlngth", "skullw", "footlgth", "belly")},
    })  # fmt: skip
    table.loc[3, "age"] = np.nan
    table.loc[7, "footlgth"] = np.nan
    table.to_csv(tmp_path / "mine.csv", index=False)
    overrides = [f"datasets.file.path={tmp_path / 'mine.csv'}", "methods=[{lbfgs: {width: 5, restarts: 1}}, ntk]"]
    found = sdprelax.run(SWEEPS / "possum.yaml", overrides=overrides, results=tmp_path / "results", engine="serial")
    rows = found.table
    assert len(rows) == 8 and set(rows["dataset"]) == {"possum"} and not set(rows["status"]) & {"error", "unavailable"}
    # 22 of 24 have no gap; site, five measures less one, and two words each of Pop and sex.
    assert set(rows["n"]) == {11} and set(rows["d"]) == {9, 10} and set(rows["c"]) == {1}
    assert rows["test_rmse"].notna().all()


def test_cifar10_runs_on_arrays_reduced_to_20_components(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(60) % 10
    pixels = rng.integers(0, 256, (60, 48)) + 10 * labels[:, None]
    np.savez(tmp_path / "mine.npz", X=pixels[:40], Y=labels[:40], X_test=pixels[40:], Y_test=labels[40:])
    overrides = [f"datasets.file.path={tmp_path / 'mine.npz'}", "gamma=[0.1]", "methods=[ntk]"]
    found = sdprelax.run(SWEEPS / "cifar10.yaml", overrides=overrides, results=tmp_path / "results", engine="serial")
    (row,) = found.table.to_dict("records")
    assert (row["dataset"], row["n"], row["d"], row["c"]) == ("cifar10", 40, 20, 10)
    assert 0.0 <= row["test_accuracy"] <= 1.0 and 0.0 <= row["paper_accuracy"] <= 1.0
