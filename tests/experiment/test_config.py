"""Sweeps as written: what they mean, and what is refused, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdprelax import InputError
from sdprelax.experiment.config import Limits, load_sweep
from sdprelax.experiment.plan import plan

GOOD = """\
name: small
datasets:
  - random: {n: 6, seed: [0, 1]}
  - spiral: {points_per_class: 2}
gamma: [0.1, 1]
methods:
  - sdp: {solver: [clarabel, scs], rounding: null}
  - lbfgs: {width: 5}
repeat: 2
limits: {time: 2min}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_combination_of_the_lists_is_a_trial(tmp_path: Path) -> None:
    sweep = load_sweep(written(tmp_path, GOOD))
    trials = plan(sweep)
    assert len(trials) == 3 * 2 * 3 * 2 == len({trial.hash for trial in trials})
    assert sweep.limits == Limits(time=120.0)
    assert trials[0].method_options["form"] == "reduced", "the trial holds every option, defaults too"
    assert {trial.dataset_label for trial in trials} == {
        "random(n=6)", "random(n=6, seed=1)", "spiral(points_per_class=2)"
    }  # fmt: skip


def test_hashes_do_not_depend_on_the_file_but_on_what_is_run(tmp_path: Path) -> None:
    first = {t.hash for t in plan(load_sweep(written(tmp_path, GOOD)))}
    reordered = GOOD.replace("gamma: [0.1, 1]", "gamma: [1, 0.1]").replace("name: small", "name: other")
    assert {t.hash for t in plan(load_sweep(written(tmp_path, reordered)))} == first
    changed = GOOD.replace("width: 5", "width: 6")
    assert len({t.hash for t in plan(load_sweep(written(tmp_path, changed)))} & first) == len(first) * 2 // 3


@pytest.mark.parametrize(("override", "check"), [
    ("gamma=0.5", lambda sweep: sweep.gamma == (0.5,)),
    ("gamma=[0.5, 2]", lambda sweep: sweep.gamma == (0.5, 2.0)),
    ("methods.sdp.solver=scs", lambda sweep: [m.options.get("solver") for m in sweep.methods] == ["scs", None]),
    ("methods.sdp.solver_options.tolerance=1e-3",
     lambda sweep: plan(sweep)[0].method_options["solver_options"] == {"tolerance": 1e-3}),
    ("limits.time=5", lambda sweep: sweep.limits.time == 5.0),
    ("datasets.random.n=9", lambda sweep: sweep.datasets[0].options["n"] == 9),
])  # fmt: skip
def test_set_replaces_a_setting(override: str, check: object, tmp_path: Path) -> None:
    assert check(load_sweep(written(tmp_path, GOOD), [override]))  # type: ignore[operator]


@pytest.mark.parametrize(("old", "new", "message"), [
    ("gamma: [0.1, 1]", "gamma: [0.1, 0]", "line 5: gamma is 0.0; it must be a positive finite number"),
    ("gamma: [0.1, 1]", "gamma: -1", "line 5: gamma is -1.0; it must be"),
    ("gamma: [0.1, 1]", "gamma: .inf", "line 5: gamma is inf; it must be"),
    ("gamma: [0.1, 1]", "gamma: []", "line 5: 'gamma' is empty"),
    ("gamma: [0.1, 1]", "gamma: small", "line 5: 'gamma' is 'small', but should be"),
    ("gamma: [0.1, 1]\n", "", "the key 'gamma' is missing"),
    ("repeat: 2", "repeats: 2", "line 9: unknown key 'repeats': did you mean 'repeat'?"),
    ("repeat: 2", "repeat: 0", "line 9: 'repeat' is 0, but should be greater than or equal to 1"),
    ("- lbfgs", "- lbgfs", "line 8: unknown method 'lbgfs': did you mean 'lbfgs'?"),
    ("- spiral", "- spirale", "line 4: unknown data set 'spirale': did you mean 'spiral'?"),
    ("width: 5", "widht: 5", "line 8: method 'lbfgs' has no option 'widht': did you mean 'width'?"),
    ("width: 5", "width: wide", "line 8: method 'lbfgs': option 'width' is 'wide', but should be"),
    ("[clarabel, scs]", "[clarabel, sc]", "line 7: unknown solver 'sc': did you mean 'scs'?"),
    ("[clarabel, scs]", "[]", "line 7: the list of 'solver' is empty"),
    ("rounding: null", "rounding: gaus", "line 7: unknown rounding 'gaus': did you mean 'gaussian'?"),
    ("time: 2min", "time: soon", "line 10: the time limit is 'soon'; write seconds"),
    ("time: 2min", "tim: 2min", "line 10: unknown key 'tim': did you mean 'time'?"),
    ("name: small", "name: a/b", "line 1: the name 'a/b' becomes a folder"),
    ("repeat: 2", "gamma: 2", "line 9: the key 'gamma' is here a second time"),
    ("repeat: 2", "repeat: [2", "this is not valid YAML"),
    ("{width: 5}", "5", "line 8: the options of 'lbfgs' are 5"),
    ("- lbfgs: {width: 5}", "- [lbfgs]", "line 8: write '- name' or '- name: {option: value}', not ['lbfgs']"),
])  # fmt: skip
def test_what_is_wrong_is_one_sentence_with_file_and_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert GOOD.count(old) == 1
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_sweep(path)
    said = str(caught.value)
    assert said.startswith(str(path)) and message in said and "\n" not in said


@pytest.mark.parametrize(("override", "message"), [
    ("gamma", "write it as key=value"),
    ("gama=1", "unknown key 'gama': did you mean 'gamma'?"),
    ("methods.spd.solver=scs", "no methods entry 'spd': did you mean 'sdp'?"),
    ("methods.sdp=scs", "no such setting"),
    ("gamma=[1", "the value is not valid YAML"),
    ("methods.sdp.solver=sc", "unknown solver 'sc'"),
])  # fmt: skip
def test_a_wrong_override_is_refused(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_sweep(written(tmp_path, GOOD), [override])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_no_sweep_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_sweep(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match="a sweep is a mapping"):
        load_sweep(written(tmp_path, "- 1\n"))
    with pytest.raises(InputError, match="a sweep is a mapping"):
        load_sweep(written(tmp_path, ""))
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        load_sweep(binary)
