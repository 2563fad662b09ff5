"""Sweeps from Python: run from a mapping, results in one table with networks and certificates at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import sdprelax
from sdprelax.datasets import datasets

SWEEP = {
    "name": "small",
    "datasets": [{"random": {"n": 5, "c": 2, "seed": [0, 1]}}],
    "gamma": 0.1,
    "methods": [{"sdp": {"cones": [1, 2]}}, {"lbfgs": {"width": 10, "restarts": 1}}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def found(folder: Path) -> sdprelax.LoadedResults:
    return sdprelax.run(SWEEP, results=folder, engine="serial")


def test_every_option_and_detail_is_a_column(found: sdprelax.LoadedResults) -> None:
    table = found.table
    assert len(found) == 6
    assert set(table["dataset.seed"]) == {0, 1}
    assert sorted(table["method.cones"].dropna().unique()) == [1, 2]
    assert table["method.width"].notna().tolist() == table["method"].str.startswith("lbfgs").tolist()
    assert table["details.order"].notna().sum() == 4
    assert not {"options", "dataset_options"} & set(table)
    means = table.groupby("method.cones")["lower"].mean()
    assert means[1] <= means[2] * (1 + 1e-9)


def test_networks_and_certificates_are_of_their_rows(found: sdprelax.LoadedResults) -> None:
    for index, row in found.table.iterrows():
        data = datasets.create("random", {"n": 5, "c": 2, "seed": int(row["dataset.seed"])}).load()
        problem = sdprelax.Problem(data.X, data.Y, row["gamma"])
        for named in (row, index, row["hash"]):
            assert problem.upper_bound(found.network(named)) == row["upper"]
        if row["method"].startswith("sdp"):
            certificate = found.certificate(row)
            assert certificate.lower == row["lower"]
            assert sdprelax.verify(problem, certificate) == pytest.approx(row["lower"], rel=1e-9)
        else:
            with pytest.raises(sdprelax.InputError, match=r"\(lbfgs, solved\) left no certificate"):
                found.certificate(row)


def test_what_is_finished_is_not_run_again_and_several_sweeps_make_one_table(
    found: sdprelax.LoadedResults, folder: Path
) -> None:
    again = sdprelax.run(SWEEP, results=folder, engine="serial")
    assert again.table["seconds"].tolist() == found.table["seconds"].tolist()
    other = {**SWEEP, "name": "other", "methods": ["lbfgs"]}
    sdprelax.run(other, results=folder, engine="serial", overrides=["datasets.random.seed=0", "methods.lbfgs.width=5"])
    whole = sdprelax.load_results(folder)
    assert len(whole) == 7 and whole.table.index.is_unique
    assert len(sdprelax.load_results(folder / "small", folder / "other")) == 7
    assert whole.table["results"].map(lambda name: Path(name).name).value_counts().to_dict() == {"small": 6, "other": 1}
    network = whole.network(whole.table.query("results.str.endswith('other')").iloc[0])
    assert network.hidden.shape[1] <= 5


def test_wrong_input_is_one_sentence(found: sdprelax.LoadedResults, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(sdprelax.InputError, match=r"the sweep: .*'sdp' has no option 'cone'"):
        sdprelax.run({**SWEEP, "methods": [{"sdp": {"cone": 2}}]}, results=folder)
    with pytest.raises(sdprelax.InputError, match="which YAML files alone have"):
        sdprelax.run({"include": "base.yaml"}, results=folder)
    with pytest.raises(sdprelax.InputError, match="a YAML file's path or a mapping, not list"):
        sdprelax.run([], results=folder)  # type: ignore[arg-type]
    with pytest.raises(sdprelax.InputError, match="holds no results"):
        sdprelax.load_results(tmp_path)
    with pytest.raises(sdprelax.InputError, match=r"takes a sweep's folder"):
        sdprelax.load_results()
    for row in (len(found), "0" * 16):
        with pytest.raises(sdprelax.InputError, match="is no trial of these results"):
            found.network(row)
