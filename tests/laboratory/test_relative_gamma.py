"""Sweeps whose γ is a share of γ_max, and the share of γ_max in every table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import sdprelax
from sdprelax import InputError
from sdprelax.cli import app
from sdprelax.laboratory import load_sweep, run_sweep, schedule
from sdprelax.laboratory._sizes import print_plan
from sdprelax.laboratory.results import load_table
from sdprelax.laboratory.training import TrainingTrial, gap_by_method, load_problem, tightness_table
from sdprelax.laboratory.training._tables import results_table

RELATIVE = """\
name: shares
datasets:
  - random: {n: 8, seed: [0, 1]}
  - spiral: {points_per_class: 4}
gamma: {relative: [0.5, 0.1]}
loss: [squared, huber]
methods: [lbfgs: {width: 3, restarts: 1}]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(text)
    return path


def test_gamma_is_a_share_of_each_problems_own(tmp_path: Path) -> None:
    sweep = load_sweep(written(tmp_path, RELATIVE))
    trials = sweep.plan()
    assert len({trial.hash for trial in trials}) == 12
    for trial in trials:
        assert isinstance(trial, TrainingTrial)
        largest = sdprelax.gamma_max(load_problem(trial)[1]).lower
        assert trial.gamma / largest in (pytest.approx(0.5, rel=1e-12), pytest.approx(0.1, rel=1e-12))
    # The same γ, written as a number, is the same trial.
    first = trials[0]
    assert isinstance(first, TrainingTrial)
    number = RELATIVE.replace("{relative: [0.5, 0.1]}", repr(first.gamma))
    assert first.hash in {trial.hash for trial in load_sweep(written(tmp_path, number)).plan()}
    lines: list[str] = []
    print_plan(schedule(sweep, tmp_path), lines.append)
    assert sum("γ_max=" in line for line in lines) == 6


def test_tables_and_pictures_say_the_share(tmp_path: Path) -> None:
    sweep = load_sweep(written(tmp_path, RELATIVE.replace("loss: [squared, huber]\n", "")))
    found = run_sweep(sweep, tmp_path, engine="serial")
    table = found.table
    assert sorted(table["gamma_relative"]) == [0.1, 0.1, 0.1, 0.5, 0.5, 0.5]
    assert np.allclose(table["gamma"], table["gamma_relative"] * table["gamma_max"], rtol=1e-12)
    assert "gamma_relative" in tightness_table(table) and "gamma_relative" in load_table(found.folder, "predictions")
    assert [axes.get_title() for axes in gap_by_method(table.assign(gap=0.1)).axes] == [
        "γ/γ_max = 0.5",
        "γ/γ_max = 0.1",
    ]
    # Records of before there was a share have tables as they were.
    store = sdprelax.laboratory.Store(found.folder)  # type: ignore[attr-defined]
    old = [{name: value for name, value in record.items() if name != "gamma_max"} for record in store.records()]
    assert not {"gamma_max", "gamma_relative"} & {*results_table(old)}


@pytest.mark.parametrize(
    ("gamma", "said"),
    [
        ("{relative: []}", "line 5: 'gamma' is empty"),
        ("{relative: [-0.1]}", "line 5: gamma is -0.1; it must be a positive finite number"),
        ("x", "line 5: 'gamma' is 'x'; it must be a number, a list of numbers, or {relative: …} with one of these."),
        ("{relative: [0.1, true]}", "line 5: 'gamma' is True, but should be a number"),
        ("{relative: x}", "line 5: 'gamma' is {'relative': 'x'}; it must be"),
        ("{share: 0.1}", "line 5: 'gamma' is {'share': 0.1}; it must be"),
    ],
)
def test_wrong_shares_are_told(tmp_path: Path, gamma: str, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("[", r"\[")):
        load_sweep(written(tmp_path, RELATIVE.replace("{relative: [0.5, 0.1]}", gamma)))


def test_nothing_is_relative_to_zero(tmp_path: Path) -> None:
    np.savez(tmp_path / "zeros.npz", X=np.ones((4, 2)), Y=np.zeros((4, 1)))
    text = "name: x\ndatasets: [file: {path: zeros.npz}]\ngamma: {relative: 0.1}\nmethods: [lbfgs]\n"
    with pytest.raises(InputError, match=r"line 3: gamma is relative, but γ_max of file.* is 0"):
        load_sweep(written(tmp_path, text.replace("zeros.npz", str(tmp_path / "zeros.npz")))).plan()


def test_the_command_prints_the_interval(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((12, 2)), rng.standard_normal((12, 1))
    np.savez(tmp_path / "data.npz", X=X, Y=Y)
    shown = CliRunner().invoke(app, ["gamma-max", str(tmp_path / "data.npz"), "--loss", "huber", "--offset", "true"])
    assert shown.exit_code == 0, shown.output
    assert shown.output.strip() == str(sdprelax.gamma_max(sdprelax.Problem(X, Y, 1.0, loss="huber", offset=True)))
