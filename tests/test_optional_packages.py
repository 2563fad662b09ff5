"""Without CVXPY, Matplotlib, PyArrow and PyTorch the core works, and what needs them says so in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from sdprelax.base import SolverUnavailable, has_optional, install_hint, optional
from sdprelax.base._optional import EXTRAS

ROOT = Path(__file__).resolve().parents[1]
MISSING = ("cvxpy", "scs", "matplotlib", "pyarrow", "PIL", "torch", "onnx")
# Every process that starts with this on its path finds none of them.
HIDING = f"""
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MISSING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""
SWEEP = """
name: core
datasets: [random: {n: 8, c: 2}]
gamma: [1.0]
methods:
  [sdp, sdp: {cones: 4}, sdp: {solver: scs}, exact, lbfgs, adam, sdp: {solver: native, solver_options: {arrays: torch}}]
engine: serial
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("core")
    (folder / "hiding").mkdir()
    (folder / "hiding" / "sitecustomize.py").write_text(HIDING)
    (folder / "core.yaml").write_text(SWEEP)
    return folder


def python(folder: Path, *arguments: str, code: int = 0) -> str:
    path = os.pathsep.join([str(folder / "hiding"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_sweep_runs_and_what_is_missing_is_said(core: Path) -> None:
    said = python(core, "-m", "sdprelax", "run", "core.yaml", code=3)
    assert 'no pictures: Matplotlib is not installed; pip install "sdprelax[plot]"' in said
    assert "parquet" not in said and not list(core.glob("results/core/*.p*"))
    table = pd.read_csv(core / "results" / "core" / "table.csv")
    missing = table["method"].isin(["sdp(solver=scs, cones=1)", "sdp(solver=native, arrays=torch, cones=1)"])
    assert missing.sum() == 2 and set(table["status"][missing]) == {"unavailable"}
    assert set(table["status"][~missing]) == {"solved"}
    exact = table[table["method"] == "exact"].iloc[0]
    assert exact["gap"] <= 1e-6 and (table["lower"].dropna() <= exact["upper"] * (1.0 + 1e-9)).all()
    assert "unavailable: random gamma=1, sdp(solver=native, arrays=torch, cones=1)" in said

    assert "all 7 rows hold" in python(core, "-m", "sdprelax", "verify", "results/core")
    assert "exact" in python(core, "-m", "sdprelax", "show", "results/core")
    python(core, "-m", "sdprelax", "report", "results/core")
    assert "certified" in (core / "results" / "core" / "report.html").read_text()
    for kind in ("gap", "tightness"):
        said = python(core, "-m", "sdprelax", "plot", kind, "results/core", code=2)
        assert said == 'sdprelax: Matplotlib is not installed: pip install "sdprelax[plot]".\n'
    pd.DataFrame({"a": [1.0, 2.0], "y": [0.0, 1.0]}).to_parquet(core / "t.parquet")
    said = python(core, "-m", "sdprelax", "gamma-max", "t.parquet", "--target", "y", "--task", "regression", code=2)
    assert said == 'sdprelax: PyArrow is not installed: pip install "sdprelax[parquet]".\n'


def test_the_relaxation_by_hand_is_proved_by_our_own_solver_and_needs_cvxpy_for_its_program(core: Path) -> None:
    script = """
import numpy as np, sdprelax
problem = sdprelax.Problem(np.random.default_rng(0).standard_normal((6, 2)), np.eye(6)[:, :2], 0.1)
found = sdprelax.solve(problem, "sdp")
print(found.status, sdprelax.verify(problem, found.certificate) >= found.lower > 0.0)
try:
    sdprelax.relax(problem).program
except sdprelax.SolverUnavailable as error:
    print(error)
"""
    said = python(core, "-c", script)
    assert said == 'solved True\nCVXPY is not installed: pip install "sdprelax[cvxpy]".\n'


def test_every_extra_that_a_sentence_names_exists_and_brings_the_package() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    distributions = {
        "PIL": "pillow",
        "sdpap": "sdpa-multiprecision",
        "cupy": "cupy-cuda12x",
        "dask_jobqueue": "dask-jobqueue",
    }
    for package, (_, extra) in EXTRAS.items():
        brought = " ".join(extras[extra])
        assert distributions.get(package, package) in brought or package == "clarabel"
    assert set(extras["all"][0].removeprefix("sdprelax[").removesuffix("]").split(",")) <= set(extras)


def test_a_package_that_is_there_and_broken_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "skglm.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "skglm", raising=False)
    assert has_optional("skglm") and install_hint("skglm") == 'pip install "sdprelax[skglm]"'
    with pytest.raises(SolverUnavailable, match=r"skglm cannot be imported \(No module named 'nothing_of_this_name'\)"):
        optional("skglm")
    monkeypatch.delitem(sys.modules, "skglm", raising=False)
