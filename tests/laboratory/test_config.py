"""Sweeps as written: what they mean, and what is refused, with file and line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from sdprelax import InputError
from sdprelax.base import LATER
from sdprelax.laboratory import kinds, load_sweep
from sdprelax.laboratory._document import read_document
from sdprelax.laboratory._job import Limits, Trial
from sdprelax.methods import methods

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
    trials = sweep.plan()
    assert len(trials) == 3 * 2 * 3 * 2 == len({trial.hash for trial in trials})
    assert sweep.limits == Limits(time=120.0)
    assert trials[0].method_options["form"] == "reduced", "the trial holds every option, defaults too"
    assert {trial.dataset_label for trial in trials} == {
        "random(n=6)", "random(n=6, seed=1)", "spiral(points_per_class=2)"
    }  # fmt: skip


def test_hashes_do_not_depend_on_the_file_but_on_what_is_run(tmp_path: Path) -> None:
    first = {t.hash for t in load_sweep(written(tmp_path, GOOD)).plan()}
    reordered = GOOD.replace("gamma: [0.1, 1]", "gamma: [1, 0.1]").replace("name: small", "name: other")
    assert {t.hash for t in load_sweep(written(tmp_path, reordered)).plan()} == first
    changed = GOOD.replace("width: 5", "width: 6")
    assert len({t.hash for t in load_sweep(written(tmp_path, changed)).plan()} & first) == len(first) * 2 // 3


VERSIONED = """\
name: versioned
datasets: [random: {n: 6}, spiral: {points_per_class: 2}]
gamma: 0.1
methods:
  - sdp: {solver: scs, rounding: eigen}
  - sdp
  - exact
  - lbfgs
  - mkl: {gates: sdp}
  - cross_validated: {of: lbfgs, gammas: [1]}
  - cross_validated: {of: sdp, options: {solver: scs, rounding: null}, gammas: [1]}
"""
ALL = ["sdp(solver=scs, rounding=eigen)", "sdp", "exact", "lbfgs", "mkl(gates=sdp)"]
LOCAL, RELAXED = ("cross_validated(of=lbfgs, gammas=[1.0])",
                  "cross_validated(of=sdp, gammas=[1.0], solver=scs, rounding=None)")  # fmt: skip


@pytest.mark.parametrize(("raised", "again", "sets"), [
    ("sdprelax.methods.exact.Exact.version", ["exact"], 2),
    ("sdprelax.methods.lbfgs.LBFGS.version", ["lbfgs", LOCAL], 2),
    ("sdprelax.methods.sdp.SDP.version", [ALL[0], "sdp", "mkl(gates=sdp)", RELAXED], 2),
    ("sdprelax.solvers.scs.SCS.version", [ALL[0], RELAXED], 2),
    ("sdprelax.solvers.native.Native.version", ["sdp", "exact", "mkl(gates=sdp)"], 2),
    ("sdprelax.solvers.interior_point.InteriorPoint.version", ["sdp", "exact", "mkl(gates=sdp)"], 2),
    ("sdprelax.rounding.gaussian.Gaussian.version", ["sdp", "mkl(gates=sdp)"], 2),
    ("sdprelax.datasets.synthetic.Spiral.version", [*ALL, LOCAL, RELAXED], 1),
    ("sdprelax.laboratory.training._trial.PROOF_VERSION", [ALL[0], "sdp", "exact", "mkl(gates=sdp)"], 2),
    ("sdprelax.methods.wedge.Wedge.version", [], 0),
])  # fmt: skip
def test_a_version_runs_what_it_is_of_once_more_and_nothing_else(
    raised: str, again: list[str], sets: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = load_sweep(written(tmp_path, VERSIONED))
    before = {trial.hash for trial in sweep.plan()}
    assert len(before) == 14
    monkeypatch.setattr(raised, 99, raising=False)
    changed = [trial for trial in sweep.plan() if trial.hash not in before]
    assert list(dict.fromkeys(trial.method_label for trial in changed)) == again
    assert len({trial.dataset for trial in changed}) == sets and len(changed) == sets * len(again)


def test_an_option_that_came_later_leaves_the_trials_of_before_as_they_were(tmp_path: Path) -> None:
    def planned(*options: dataclasses.Field[int]) -> list[Trial]:
        fields = [("width", int, 5)] + [(f"later_{k}", int, option) for k, option in enumerate(options)]
        entry = dataclasses.make_dataclass("Grown", fields, frozen=True)
        monkeypatch.setitem(methods._entries, "grown", entry)
        return list(load_sweep(written(tmp_path, text)).plan())

    text = "name: grown\ndatasets: [random: {n: 6}]\ngamma: 1\nmethods: [grown]\n"
    with pytest.MonkeyPatch.context() as monkeypatch:
        (before,) = planned()
        assert [trial.hash for trial in planned(dataclasses.field(default=3, metadata=LATER))] == [before.hash]
        assert [trial.hash for trial in planned(dataclasses.field(default=3))] != [before.hash]
        text = text.replace("[grown]", "[grown: {later_0: [3, 4]}]")
        same, other = planned(dataclasses.field(default=3, metadata=LATER))
        assert same.hash == before.hash != other.hash
        assert other.method_label == "grown(later_0=4)"


@pytest.mark.parametrize(("override", "check"), [
    ("gamma=0.5", lambda sweep: sweep.gamma == (0.5,)),
    ("gamma=[0.5, 2]", lambda sweep: sweep.gamma == (0.5, 2.0)),
    ("methods.sdp.solver=scs", lambda sweep: [m.options.get("solver") for m in sweep.methods] == ["scs", None]),
    ("methods.sdp.solver_options.tolerance=1e-3",
     lambda sweep: sweep.plan()[0].method_options["solver_options"] == {"tolerance": 1e-3}),
    ("limits.time=5", lambda sweep: sweep.limits.time == 5.0),
    ("datasets=spiral", lambda sweep: [entry.name for entry in sweep.datasets] == ["spiral"]),
    ("datasets={random: {seed: [3, 4]}}",
     lambda sweep: [entry.options for entry in sweep.datasets] == [{"seed": 3}, {"seed": 4}]),
    ("methods=exact", lambda sweep: [entry.name for entry in sweep.methods] == ["exact"]),
    ("methods={lbfgs: {width: [2, 3]}}",
     lambda sweep: [entry.options for entry in sweep.methods] == [{"width": 2}, {"width": 3}]),
    ("engine=[serial]", lambda sweep: sweep.engine.name == "serial"),
    ("datasets.random.n=9", lambda sweep: sweep.datasets[0].options["n"] == 9),
])  # fmt: skip
def test_set_replaces_a_setting(override: str, check: object, tmp_path: Path) -> None:
    assert check(load_sweep(written(tmp_path, GOOD), [override]))  # type: ignore[operator]


@pytest.mark.parametrize(("old", "new", "message"), [
    ("gamma: [0.1, 1]", "gamma: [0.1, 0]", "line 5: gamma is 0.0; it must be a positive finite number"),
    ("gamma: [0.1, 1]", "gamma: -1", "line 5: gamma is -1.0; it must be"),
    ("gamma: [0.1, 1]", "gamma: .inf", "line 5: gamma is inf; it must be"),
    ("gamma: [0.1, 1]", "gamma: []", "line 5: 'gamma' is empty"),
    ("gamma: [0.1, 1]", "gamma: small", "line 5: 'gamma' is 'small'; it must be a number, a"),
    ("gamma: [0.1, 1]", "gamma: yes", "line 5: 'gamma' is 'yes'; it must be a"),
    ("gamma: [0.1, 1]", "gamma: true", "line 5: 'gamma' is True, but should be a number"),
    ("gamma: [0.1, 1]", "gamma: [0.1, true]", "line 5: 'gamma' is True, but should be a number"),
    ("gamma: [0.1, 1]", "gamma: 010", "line 5: 'gamma' is '010', but should be a number"),
    ("gamma: [0.1, 1]", "gamma: '0.1'", "line 5: 'gamma' is '0.1', but should be a number"),
    ("gamma: [0.1, 1]", "gamma: 1:30", "line 5: 'gamma' is '1:30'; it must be a"),
    ("gamma: [0.1, 1]", "gamma: 1_0", "line 5: 'gamma' is '1_0', but should be a"),
    ("gamma: [0.1, 1]\n", "", "the key 'gamma' is missing"),
    ("gamma: [0.1, 1]", "gama: 1", "line 5: unknown key 'gama': did you mean 'gamma'?"),
    ("{n: 6, seed: [0, 1]}", "{n: yes}", "line 3: data set 'random': option 'n' is 'yes', but should be a"),
    ("{n: 6, seed: [0, 1]}", "{n: true}", "line 3: data set 'random': option 'n' is True, but should be a number"),
    ("{n: 6, seed: [0, 1]}", "{n: 010}", "line 3: data set 'random': option 'n' is '010', but should be a number"),
    ("rounding: null", "solver_options: {tolerance: true}", "line 7: solver 'clarabel': option 'tolerance' is True"),
    ("repeat: 2", "repeat: on", "line 9: 'repeat' is 'on', but should be a"),
    ("repeat: 2", "bias: 'no'", "line 9: 'bias' is 'no', but should be true or false"),
    ("repeat: 2", "bias: [true, 0]", "line 9: 'bias' is 0, but should be true or false"),
    ("repeat: 2", "seed: 99999999999999999999999", "line 9: 'seed'"),
    ("repeat: 2", "seed: true", "line 9: 'seed' is True, but should be a number"),
    ("time: 2min", "time: 1:30", "line 10: the time limit is '1:30'; write seconds, or a number with s, min, h or d"),
    ("time: 2min", "time: true", "line 10: 'limits' is True, but should be a number"),
    ("time: 2min", "memory: 4", "line 10: the memory limit is 4.0; write a number with its unit, MB, GB or TB"),
    ("width: 5", "width: &w [*w]", "line 8: this is not valid YAML: '*w' stands in itself"),
    ("width: 5", "width: " + "[" * 3000, "line 8: this is not valid YAML: it is nested more than 40 levels deep"),
    ("repeat: 2", "repeats: 2", "line 9: unknown key 'repeats': did you mean 'repeat'?"),
    ("repeat: 2", "repeat: 0", "line 9: 'repeat' is 0, but should be greater than or equal to 1"),
    ("- lbfgs", "- lbgfs", "line 8: unknown method 'lbgfs': did you mean 'lbfgs'?"),
    ("- spiral", "- spirale", "line 4: unknown data set 'spirale': did you mean 'spiral'?"),
    ("width: 5", "widht: 5", "line 8: method 'lbfgs' has no option 'widht': did you mean 'width'?"),
    ("width: 5", "width: wide", "line 8: method 'lbfgs': option 'width' is 'wide', but should be"),
    ("[clarabel, scs]", "[clarabel, sc]", "line 7: unknown solver 'sc': did you mean 'scs'?"),
    ("[clarabel, scs]", "[]", "line 7: the list of 'solver' is empty"),
    ("rounding: null", "rounding: gaus", "line 7: unknown rounding 'gaus': did you mean 'gaussian'?"),
    ("- lbfgs: {width: 5}", "- sdp:\n      cones: 2\n      inequalities: [nonsense]",
     "line 10: unknown inequality 'nonsense': did you mean 'nonnegative'?"),
    ("- lbfgs: {width: 5}", "- sdp:\n      inequalities: [walls, walls]\n      cones: 2",
     "line 9: inequalities has ['walls', 'walls']; name each family once"),
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
    ("methods=3", "line 6: write 'methods: name' or 'methods: {name: {option: value}}', not 3"),
    ("methods=", "write 'methods: name' or 'methods: {name: {option: value}}', not None"),
    ("engine=[serial, dask]", "one engine runs a sweep"),
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


def test_a_file_includes_others_and_its_own_keys_win(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(GOOD.replace("repeat: 2\n", "repeat: 2\nseed: 3\n"))
    path = written(tmp_path, "include: base.yaml\nname: mine\ngamma: 5\nlimits: {memory: 2GB}\n")
    sweep = load_sweep(path)
    assert (sweep.name, sweep.gamma, sweep.repeat, sweep.seed) == ("mine", (5.0,), 2, 3)
    assert sweep.limits == Limits(time=120.0, memory=2048.0), "limits merge key by key"
    (tmp_path / "more.yaml").write_text("seed: 4\n")
    assert load_sweep(written(tmp_path, "include: [base.yaml, more.yaml]\n")).seed == 4


@pytest.mark.parametrize(("text", "message"), [
    ("include: nowhere.yaml\n", "sweep.yaml, line 1: "), ("include: nowhere.yaml\n", "nowhere.yaml cannot be read"),
    ("name: x\ninclude: sweep.yaml\n", "sweep.yaml, line 2: 'sweep.yaml' includes this file in turn"),
    ("include: list.yaml\n", "line 1: 'list.yaml' is not a mapping"),
    ("include: 3\n", "line 1: 'include' is 3; write a file name"),
    ("include: bad.yaml\n", "bad.yaml, line 3: gamma is -1.0; it must be"),
    ("include: broken.yaml\n", "broken.yaml, line 2: this is not valid YAML"),
])  # fmt: skip
def test_a_wrong_include_names_the_file_and_line_that_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "bad.yaml").write_text("name: bad\ndatasets: [random]\ngamma: -1\nmethods: [lbfgs]\n")
    (tmp_path / "broken.yaml").write_text("name: [\n")
    with pytest.raises(InputError) as caught:
        load_sweep(written(tmp_path, text))
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("line", "message"), [
    ("limits: 5", "line 9: 'limits' is 5, but should be a mapping of keys to values."),
    ("limits: {memory: lots}", "line 9: the memory limit is 'lots'; write a number with its unit, MB, GB or TB"),
    ("limits: {memory: -1}", "line 9: the memory limit is -1.0"),
    ("engine: proceses", "line 9: unknown engine 'proceses': did you mean 'processes'?"),
    ("engine: {processes: {worker: 2}}", "line 9: engine 'processes' has no option 'worker': did you mean 'workers'?"),
    ("engine: {processes: {workers: [1, 2]}}", "line 9: one engine runs a sweep"),
    ("modules: [nowhere.py]", "line 9: module"),
    ("modules: nowhere.py", "line 9: module"),
    ("modules: [failing.py]", "line 9: module"),
])  # fmt: skip
def test_wrong_limits_engines_and_modules_are_refused(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text("import nonexistent_thing\n")
    with pytest.raises(InputError) as caught:
        load_sweep(written(tmp_path, GOOD.replace("limits: {time: 2min}", "").replace("repeat: 2", line)))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_limits_and_engine_are_read_in_any_spelling(tmp_path: Path) -> None:
    text = GOOD.replace("{time: 2min}", "{time: 2h, memory: 1.5 GB}\nengine: {processes: {workers: 3}}")
    sweep = load_sweep(written(tmp_path, text))
    assert sweep.limits == Limits(7200.0, 1536.0)
    assert (sweep.engine.name, sweep.engine.options) == ("processes", {"workers": 3})
    again = load_sweep(written(tmp_path, text), ["engine.dask.workers=2", "limits.memory=500MB"])
    assert (again.engine.name, again.engine.options) == ("dask", {"workers": 2})
    assert again.limits.memory == 500.0


def test_words_and_numbers_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    text = GOOD.replace("[0.1, 1]", "[1e-1, 1.E+0, +.5, 2e3]").replace("name: small", "name: 2026-01-01")
    sweep = load_sweep(written(tmp_path, text + "bias: [true, False]\n"), ["seed=1e1", "methods.sdp.solver=~"])
    assert (sweep.gamma, sweep.bias, sweep.name, sweep.seed) == (
        (0.1, 1.0, 0.5, 2000.0),
        (True, False),
        "2026-01-01",
        10,
    )
    assert sweep.methods[0].options["solver"] is None
    written(tmp_path, "base: &base {n: 6}\nother: {<<: *base, c: no, d: 24:00:00, e: 0x1F}\n")
    assert read_document(tmp_path / "sweep.yaml").content["other"] == {"n": 6, "c": "no", "d": "24:00:00", "e": 31}


def test_aliases_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 9)]
    with pytest.raises(InputError, match="with its aliases written out it has more than"):
        read_document(written(tmp_path, "\n".join(lines)))


def test_limits_are_no_part_of_a_trial_s_name(tmp_path: Path) -> None:
    first = [trial.hash for trial in load_sweep(written(tmp_path, GOOD)).plan()]
    wider = load_sweep(written(tmp_path, GOOD), ["limits.time=1h", "limits.memory=1GB"]).plan()
    assert [trial.hash for trial in wider] == first and wider[0].limits == Limits(3600.0, 1024.0)


def test_the_content_of_a_file_is_part_of_a_trial_s_name(tmp_path: Path) -> None:
    data = tmp_path / "mine.csv"
    text = GOOD.replace("- spiral: {points_per_class: 2}", f"- file: {{path: {data}}}")
    hashes = []
    for value in (1, 2):
        data.write_text(f"a,y\n{value},0\n3,1\n")
        hashes.append({t.hash for t in load_sweep(written(tmp_path, text)).plan()})
    assert len(hashes[0] & hashes[1]) == len(hashes[0]) * 2 // 3, "the other data set's trials keep theirs"


def test_the_schema_admits_every_sweep_here_and_no_misspelling(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed (extra: dev)")
    validator = jsonschema.Draft202012Validator(kinds("training").schema())
    validator.check_schema(validator.schema)
    texts = [path.read_text() for path in (Path(__file__).resolve().parents[2] / "experiments").glob("*.yaml")]
    assert len(texts) >= 3
    for text in (*texts, GOOD, GOOD + "engine: {dask: {cluster: slurm, jobs: 4}}\ninclude: other.yaml\n"):
        validator.validate(yaml.safe_load(text))
    for old, new in (
        ("repeat: 2", "repeats: 2"), ("width: 5", "widht: 5"), ("- lbfgs", "- lbgfs"), ("gamma: [0.1, 1]", "gamma: x"),
        ("width: 5", "width: wide"), ("repeat: 2", "engine: proceses"), ("{time: 2min}", "{tim: 2min}"),
    ):  # fmt: skip
        assert list(validator.iter_errors(yaml.safe_load(GOOD.replace(old, new)))), new
