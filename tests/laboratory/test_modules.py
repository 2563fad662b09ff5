"""The user's own Python files: part of the trials that need them, and executed for nobody who did not name them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sdprelax import InputError
from sdprelax.cli import app
from sdprelax.datasets import datasets
from sdprelax.laboratory import Store, load_modules, load_sweep, run_sweep
from sdprelax.laboratory._job import Job
from sdprelax.laboratory._store import seal
from sdprelax.laboratory.engines.local import Serial
from sdprelax.laboratory.results import collect, rerun
from sdprelax.laboratory.training import TrainingTrial
from sdprelax.methods import methods

SWEEP = """\
name: own
modules: [own_methods.py, own_data.py]
datasets: [random: {n: 4}, own_points]
gamma: 0.1
methods: [own_nothing, lbfgs: {width: 2, restarts: 1}, cross_validated: {of: own_nothing, gammas: [1], folds: 2}]
"""
METHODS = """\
from dataclasses import dataclass

from sdprelax import Network, Outcome
from sdprelax.methods import methods


@methods.register("own_nothing")
@dataclass(frozen=True)
class Nothing:
    \"\"\"The network without neurons.\"\"\"

    def run(self, problem, *, rng, deadline, report=None):
        network = Network.empty(problem.X.shape[1], problem.Y.shape[1], problem.bias)
        return Outcome(upper=problem.upper_bound(network), network=network)
"""
DATA = """\
from dataclasses import dataclass

import numpy as np

from sdprelax.datasets import Dataset, datasets
from sdprelax.methods.wedge import Wedge  # the package's own, whoever imports it first


@datasets.register("own_points")
@dataclass(frozen=True)
class Points:
    \"\"\"Two samples.\"\"\"

    def load(self):
        return Dataset(np.eye(2), np.ones((2, 1)))
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    for name, text in (("own.yaml", SWEEP), ("own_methods.py", METHODS), ("own_data.py", DATA)):
        (folder / name).write_text(text)
    return folder / "own.yaml"


def test_editing_ones_own_file_runs_exactly_the_trials_that_use_what_it_registers(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = load_sweep(own)
    assert methods.version("own_nothing") == f"1, sha256 {hashlib.sha256(METHODS.encode()).hexdigest()}"
    assert datasets.version("own_points") == f"1, sha256 {hashlib.sha256(DATA.encode()).hexdigest()}"
    assert methods.version("ntk") == "1"

    def changed(registry: Any, name: str) -> list[tuple[str, str]]:
        before = {trial.hash for trial in sweep.plan()}
        monkeypatch.setitem(registry._sources, name, "of another file")
        return [(trial.dataset, trial.method) for trial in sweep.plan() if trial.hash not in before]

    assert changed(methods, "own_nothing") == [
        (data, method) for data in ("random", "own_points") for method in ("own_nothing", "cross_validated")
    ]
    assert changed(datasets, "own_points") == [
        ("own_points", method) for method in ("own_nothing", "lbfgs", "cross_validated")
    ]


def test_code_that_is_not_what_the_trial_was_planned_with_does_not_run_it(own: Path, tmp_path: Path) -> None:
    planned = load_sweep(own).plan()[0]
    other = dataclasses.replace(planned, versions={**planned.versions, "method own_nothing": "1, sha256 0123"})
    store = Store(tmp_path)
    store.prepare()
    (record,) = Serial().run([Job(other)], store, [])
    assert record["status"] == "error" and record["upper"] is None
    now = methods.version("own_nothing")
    assert record["message"] == (
        f"method own_nothing was of version 1, sha256 0123 when the trial was planned, and is of {now} here."
    )
    # To run it again by other code is what ``rerun`` is for.
    (sound,) = Serial().run([Job(planned)], store, [])
    found = rerun(store.trials / sound["hash"])
    assert found.differences == {} and found.changed_versions == {}


def test_a_file_is_executed_once_and_must_stay_what_it_was(tmp_path: Path) -> None:
    file = tmp_path / "counting.py"
    file.write_text("from pathlib import Path\nPath(__file__).with_suffix('.txt').open('a').write('executed ')\n")
    load_modules([file])
    load_modules([file])
    assert file.with_suffix(".txt").read_text() == "executed "
    file.write_text("raise SystemError\n")
    with pytest.raises(InputError, match=r"counting.py has changed since this process executed it: start again."):
        load_modules([file])


def renamed(folder: Path, method: str, what: str, change: str) -> Path:
    """Give the method or data set of a method's trial another name, hash and seal included; return its folder."""
    for path in (folder / "trials").iterdir():
        record = json.loads((path / "record.json").read_text())
        if record["trial"]["method"] == method:
            break
    trial = TrainingTrial.from_dict({**record["trial"], what: change})
    record |= {"trial": trial.to_dict(), "hash": trial.hash, what: getattr(trial, f"{what}_label")}
    record["seal"] = seal(record, path)
    (path / "record.json").write_text(json.dumps(record))
    return path.rename(path.with_name(trial.hash))


def test_nothing_from_a_results_folder_is_executed_unless_the_call_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdprelax.laboratory.results._pictures.write_pictures", lambda *_: [])  # they take their time
    path = tmp_path / "small.yaml"
    path.write_text(
        "name: small\ndatasets: [random: {n: 4}]\ngamma: 0.1\nmethods: [lbfgs: {width: 2, restarts: 1}, nngp, ntk]\n"
    )
    folder = run_sweep(load_sweep(path), tmp_path, engine="serial").folder
    executed, module = tmp_path / "executed.txt", tmp_path / "from_elsewhere.py"
    module.write_text(f"from pathlib import Path\nPath({str(executed)!r}).write_text('executed')\n")
    strange = [renamed(folder, "lbfgs", "method", "strange"), renamed(folder, "ntk", "dataset", "elsewhere")]

    content = json.loads((folder / "sweep.json").read_text())
    records = [json.loads(path.read_text()) for path in sorted((folder / "trials").glob("*/record.json"))]
    keys = content["trials"][0].keys()
    planned = [{key: record[key] for key in keys if key in record} for record in records]
    content |= {"modules": [str(module)], "trials": planned}
    (folder / "sweep.json").write_text(json.dumps(content))
    collect(folder)

    def call(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == code, (arguments, done.output, done.exception)
        return done.output

    for command in ("show", "status", "collect", "report"):
        call(command, str(folder))
    assert "strange" in call("show", str(folder), "--predictions") and "strange" in call("show", str(folder))
    call("compare", str(folder), str(folder))
    said = call("verify", str(folder), code=1)
    untrusted = "unknown here; Python files that the sweep named are executed with --trust-modules only."
    assert f"was not looked at whole: its method 'strange' is {untrusted}" in said
    assert f"{strange[1].name} (elsewhere" in said and f"its data set 'elsewhere' is {untrusted}" in said
    assert "1 of 3 rows do not hold; 1 bounds were proved again." in said, "a strange method's bound is proved"
    for trial in strange:
        with pytest.raises(InputError, match="unknown here; Python files that the sweep named are executed with --tr"):
            rerun(trial)
    assert not executed.exists()
    for number, arguments in enumerate((["verify", str(folder)], ["report", str(folder)])):
        module.rename(module.with_name(f"from_elsewhere_{number}.py"))
        module = module.with_name(f"from_elsewhere_{number}.py")
        content["modules"] = [str(module)]
        (folder / "sweep.json").write_text(json.dumps(content))
        call(*arguments, "--trust-modules", code=1 - number)
        assert executed.read_text() == "executed"
        executed.unlink()
