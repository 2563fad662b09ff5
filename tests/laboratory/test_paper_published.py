"""What `experiments/publish.py` makes of the paper's sweeps when only some of them have run."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

import sdprelax

pytest.importorskip("pyarrow", reason="PyArrow is not installed (extra: parquet)")
ROOT = Path(__file__).resolve().parents[2]
SWEEPS = ROOT / "experiments" / "paper"


def publisher() -> ModuleType:
    spec = importlib.util.spec_from_file_location("publish", ROOT / "experiments" / "publish.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_has_not_run_stays_published_and_long_trainings_have_a_table_with_their_cost(tmp_path: Path) -> None:
    out, results = tmp_path / "published", tmp_path / "results"
    out.mkdir()
    names = ("paper_bounds.csv", "paper_predictions.csv", "paper_traces.csv")
    for name in names:
        shutil.copyfile(ROOT / "results" / "published" / name, out / name)
    problem = ["gamma=0.1", "bias=false"]
    few = [*problem, "methods=[{lbfgs: {restarts: 1, max_iterations: 5}}, ntk]", "protocol=standard"]
    sdprelax.run(SWEEPS / "iris.yaml", overrides=few, results=results, engine="serial")
    short = [*problem, "methods.sgd.epochs=3", "methods.sgd.width=4"]
    sdprelax.run(SWEEPS / "protocol" / "iris.yaml", overrides=short, results=results, engine="serial")
    publisher().paper(results, out)

    before, after = (
        pd.read_csv(folder / "paper_bounds.csv", dtype=str) for folder in (ROOT / "results" / "published", out)
    )
    assert list(before.columns) == list(after.columns)
    fresh = after.merge(before, how="left", indicator=True).query("_merge == 'left_only'")
    assert set(fresh["sweep"]) == {"iris"} and set(fresh["bias"]) == {"False"} and set(fresh["gamma"]) == {"0.1"}
    assert len(after) - len(before) == len(set(fresh["method"]) - set(before["method"]))
    assert (out / "paper_traces.csv").read_bytes() == (ROOT / "results" / "published" / "paper_traces.csv").read_bytes()
    (row,) = pd.read_csv(out / "paper_protocol.csv").to_dict("records")
    assert (row["sweep"], row["dataset"], row["epochs"], row["restarts"]) == ("iris-protocol", "iris", 3, 1)
    assert row["processor_seconds"] > 0.0 and row["learning_rate"] == 1e-6
    publisher().paper(results, out)
    assert len(pd.read_csv(out / "paper_protocol.csv")) == 1 and len(pd.read_csv(out / "paper_bounds.csv")) == len(
        after
    )
