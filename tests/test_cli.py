"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from sdprelax.base import InputError, StorageError
from sdprelax.cli import VERBS, app
from sdprelax.cli._catalogue import FAMILIES
from sdprelax.cli._init import Template
from sdprelax.laboratory import load_sweep, schedule
from sdprelax.laboratory._config import sweep_of
from tests.waiting import LONG, interruptible, wait_for

SWEEP = """\
name: small
datasets:
  - random: {n: 5, c: 2}
gamma: 0.1
methods:
  - sdp
  - sdp: {solver: mosek}
  - exact
  - lbfgs: {width: 10, restarts: 1}
"""


def sdprelax(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdprelax", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, timeout=LONG, check=False
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "sweep.yaml").write_text(SWEEP)
    done = sdprelax("run", "sweep.yaml", cwd=folder)
    # One method that cannot run here is a trial that failed.
    assert done.returncode == (3 if "unavailable" in done.stdout else 0), done.stderr
    return folder, done.stdout


def test_run_prints_the_table_and_says_where_everything_is(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    assert "4 of 4 trials to run" in printed and "100.000%" in printed
    for name in ("table.csv", "tightness.png", "time.png", "gap.png"):
        assert f"results/small/{name}" in printed and (folder / "results" / "small" / name).is_file()
    assert "unavailable" in printed or "mosek" in printed


def test_a_second_run_runs_nothing_that_is_finished(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    again = sdprelax("run", "sweep.yaml", "--dry-run", cwd=folder)
    assert again.returncode == 0
    assert "0 of 4 trials would run" in again.stdout or "1 of 4 trials would run; 3 are finished" in again.stdout
    changed = sdprelax("run", "sweep.yaml", "--dry-run", "--set", "gamma=[0.1, 0.5]", cwd=folder)
    assert "of 8 trials would run" in changed.stdout and "gamma=0.5" in changed.stdout


def test_the_guide_lists_what_lies_in_a_sweeps_folder(finished: tuple[Path, str]) -> None:
    folder = finished[0] / "results" / "small"
    guide = (Path(__file__).parents[1] / "docs" / "guide" / "sweeps.md").read_text(encoding="utf-8")
    table = guide.split("## What is in `results/<name>/`")[1].split("\n\n")[1]
    listed = set(re.findall(r"`([^`]+)`", table))
    listed |= {name.replace(".png", ".pdf") for name in listed}
    listed |= {"trials/", "trials/<hash>/predictor-2.npz"}
    unlisted = set()
    for path in folder.rglob("[!.]*"):
        name = re.sub(r"[0-9a-f]{16}", "<hash>", str(path.relative_to(folder))) + "/" * path.is_dir()
        if name not in listed and not name.startswith("gamma_max/"):
            unlisted.add(name)
    assert not unlisted


@pytest.mark.parametrize("form", ["table", "csv", "latex", "markdown"])
def test_show_prints_a_finished_sweep(form: str, finished: tuple[Path, str]) -> None:
    # On a terminal that knows no γ.
    shown = sdprelax("show", "results/small", "--format", form, cwd=finished[0], PYTHONIOENCODING="ascii")
    assert shown.returncode == 0 and "exact" in shown.stdout and "lbfgs" in shown.stdout, shown.stderr
    assert shown.stdout.isascii() and "?" not in shown.stdout
    assert ("gamma/gamma_max  method" in shown.stdout) == (form == "table")
    assert ("proved: lower; attained: upper;" in shown.stdout) == (form != "csv")


@pytest.mark.parametrize(("family", "line"), [
    ("methods", "sdp: The SDP relaxation: solved"), ("datasets", "    points_per_class: int, default 20"),
    ("solvers", "    tolerance: float, default 1e-08"), ("roundings", "three_operator: The paper's rounding"),
    ("methods", "    takes: any loss, any activation, offset or free bias, sample weights"),
    ("methods", "    takes: loss squared, activation relu, no offset or free bias, no sample weights"),
    ("losses", "    targets: two classes, or of several each against the rest"),
])  # fmt: skip
def test_list_names_everything_with_its_options(family: str, line: str, tmp_path: Path) -> None:
    listed = sdprelax("list", family, cwd=tmp_path)
    assert listed.returncode == 0 and line in listed.stdout


def test_solvers_says_what_runs_here(tmp_path: Path) -> None:
    said = sdprelax("solvers", cwd=tmp_path).stdout
    assert "clarabel" in said and "scs" in said and ": runs" in said


def test_version(tmp_path: Path) -> None:
    assert sdprelax("--version", cwd=tmp_path).stdout.startswith("sdprelax 0.")


@pytest.mark.parametrize(("arguments", "message"), [
    (["run", "nowhere.yaml"], "nowhere.yaml cannot be read: No such file or directory."),
    (["run", "broken.yaml"], "expected ',' or ']', but got '<stream end>' (in what begins on line 2)."),
    (["run", "sweep.yaml", "--set", "gamma=0"], "gamma is 0.0; it must be a positive finite number"),
    (["run", "sweep.yaml", "--set", "methods.sdp.solver=mosec"], "unknown solver 'mosec': did you mean 'mosek'?"),
    (["run", "sweep.yaml", "--engine", "dusk"], "unknown engine 'dusk'"),
    (["run", "nan.yaml"], "nan.csv: row 1, column 'a' holds 'nan', which is not a finite number; missing: drop"),
    (["run", "sweep.yaml", "--results", "sweep.yaml"], "results cannot be written to sweep.yaml/small"),
    (["run", "sweep.yaml", "--workers", "-1"], "-1 workers cannot run anything; give at least 1."),
    (["run", "sweep.yaml", "--workers", "0", "--dry-run"], "0 workers cannot run anything; give at least 1."),
    (["run", "sweep.yaml", "--set", "loss=hubber"], "unknown loss 'hubber': did you mean 'huber'?"),
    (["run", "sweep.yaml", "--set", "loss.huber.delta=1"], "this sweep has no loss entry 'huber': choices: squared."),
    (["run", "sweep.yaml", "--set", "loss=cross_entropy"], "data set random(n=5, c=2): the target holds numbers"),
    (["list", "method"], "there is no list of 'method', and nothing of that name: did you mean 'methods'?"),
    (["run", "sweep.yaml", "--retry", "faild"], "--retry faild: no trial ends like that: did you mean 'failed'?"),
    (["run", "sweep.yaml", "--set", "engine.dask.workrs=1"], "engine 'dask' has no option 'workrs'"),
    (["run", "sweep.yaml", "--set", "limits.memory=x"], "the memory limit is 'x'; write a number with its unit"),
    (["rerun", "abcd1234"], "there is no trial 'abcd1234': give its folder, or its hash and --results."),
    *(([command, "nowhere"], "nowhere holds no results") for command in
      ("show", "status", "collect", "verify", "report")),
    (["gamma-max", "nan.csv", "--free-biases"], "--free-biases is of a hidden bias, and there is none; write --bias"),
    (["compare", "nowhere", "nowhere"], "nowhere holds no results"),
])  # fmt: skip
def test_wrong_input_is_one_sentence_and_exit_code_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "broken.yaml").write_text("name: small\ndatasets: [iris\n")
    (tmp_path / "nan.csv").write_text("a,y\nnan,1.5\n")
    (tmp_path / "nan.yaml").write_text(SWEEP.replace("random: {n: 5, c: 2}", "file: {path: nan.csv}"))
    before = sorted(tmp_path.iterdir())
    done = sdprelax(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr and done.stderr.startswith("sdprelax: ") and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert sorted(tmp_path.iterdir()) == before, "nothing may be written"


def test_where_nothing_has_ended_there_is_nothing_to_verify(tmp_path: Path) -> None:
    plan = {"name": "x", "kind": "training", "modules": [], "to_run": [], "trials": []}
    (tmp_path / "sweep.json").write_text(json.dumps(plan))
    done = sdprelax("verify", ".", cwd=tmp_path)
    assert done.returncode == 2 and "there is nothing to verify in .: no trial of it has ended." in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    done = sdprelax("run", "sweep.yaml", "--results", "locked", cwd=tmp_path)
    assert done.returncode == 2 and "results cannot be written to locked/small: Permission denied." in done.stderr


def test_interruption_keeps_finished_trials(tmp_path: Path) -> None:
    endless = "methods: [nngp, ntk, lbfgs: {width: 2, restarts: 1}, lbfgs: {width: 100, restarts: 1000000}]\n"
    (tmp_path / "sweep.yaml").write_text(SWEEP.split("methods:")[0] + endless)
    command = [sys.executable, "-m", "sdprelax", "run", "sweep.yaml", "--workers", "1"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=interruptible,
    )  # fmt: skip
    records = tmp_path / "results" / "small" / "trials"
    wait_for(lambda: len(list(records.glob("*/record.json"))) == 3)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 130
    assert "sdprelax: interrupted; finished trials are kept" in errors
    assert len(list(records.glob("*/record.json"))) == 3
    assert not list(records.glob(".*"))


def test_a_terminal_sees_bars_and_the_end_of_the_sweep(tmp_path: Path) -> None:
    import pty

    (tmp_path / "sweep.yaml").write_text(SWEEP.replace("  - sdp: {solver: mosek}\n", ""))
    shown = bytearray()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 4096)
        shown.extend(data)
        return data

    script = f"cd {tmp_path} && stty cols 150 && exec {sys.executable} -m sdprelax run sweep.yaml"
    code = pty.spawn(["sh", "-c", script], read)
    text = shown.decode(errors="replace")
    assert code == 0 and "of 3 trials ended" in text and "━" in text and "100.000%" in text
    assert "[1/3]" not in text, "lines are for what is not a terminal"


def test_status_collect_verify_and_schema(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    status = sdprelax("status", "results/small", cwd=folder)
    assert status.returncode == 0 and "4 of 4 trials ended" in status.stdout
    (folder / "results" / "small" / "table.csv").unlink()
    (folder / "results" / "small" / "table.parquet").unlink()
    assert "4 trials: results/small/table.csv" in sdprelax("collect", "results/small", cwd=folder).stdout
    assert (folder / "results" / "small" / "table.csv").is_file()
    verified = sdprelax("verify", "results/small", cwd=folder)
    assert verified.returncode == 0 and "all 4 rows hold" in verified.stdout
    printed = json.loads(sdprelax("schema", cwd=folder).stdout)
    assert "sdp" in json.dumps(printed["properties"]["methods"])


def test_the_shell_completes_commands(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("sdprelax")
    if not script.exists():
        pytest.skip("the command sdprelax is not installed beside this Python")
    asked = {**os.environ, "_SDPRELAX_COMPLETE": "complete_bash", "COMP_WORDS": "sdprelax ver", "COMP_CWORD": "1"}
    done = subprocess.run([str(script)], env=asked, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.split() == ["verify"]


def test_several_sweeps_run_one_after_the_other_and_overrides_go_where_they_fit(tmp_path: Path) -> None:
    method = "methods: [lbfgs: {width: 4, restarts: 1}]\n"
    (tmp_path / "a.yaml").write_text("name: a\ndatasets: [random: {n: 4}]\ngamma: 0.1\n" + method)
    (tmp_path / "b.yaml").write_text("name: b\ndatasets: [spiral: {points_per_class: 2}]\ngamma: 0.1\n" + method)
    done = sdprelax("run", "a.yaml", "b.yaml", "--set", "gamma=0.5", "--set", "datasets.random.c=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [(tmp_path / "results" / name / "table.csv").read_text() for name in "ab"]
    assert all(",0.5," in row for row in rows) and "random,4,2,2" in rows[0] and "spiral,6,2,3" in rows[1]


@pytest.mark.parametrize(("second", "set_", "words"), [
    ("name: a\ndatasets: [random]\ngamma: 1\nmethods: [exact]\n", None, "are both named 'a'"),
    ("name: b\ndatasets: [random]\ngamma: -1\nmethods: [exact]\n", None, "b.yaml, line 3: gamma is -1"),
    ("name: b\ndatasets: [iris]\ngamma: 1\nmethods: [exact]\n", "datasets.spiral.noise=0", "no datasets entry"),
])  # fmt: skip
def test_nothing_runs_when_one_of_several_sweeps_is_wrong(
    second: str, set_: str | None, words: str, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text("name: a\ndatasets: [random: {n: 4}]\ngamma: 0.1\nmethods: [lbfgs]\n")
    (tmp_path / "b.yaml").write_text(second)
    done = sdprelax("run", "a.yaml", "b.yaml", *(["--set", set_] if set_ else []), cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_show_prints_how_well_everything_predicts(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "name: a\ndatasets: [iris]\ngamma: 0.1\nprotocol: paper\nmethods: [ntk, lbfgs: {width: 4, restarts: 1}]\n"
    )
    assert sdprelax("run", "a.yaml", cwd=tmp_path).returncode == 0
    shown = sdprelax("show", "results/a", "--predictions", cwd=tmp_path)
    assert shown.returncode == 0 and "balanced" in shown.stdout and "kernel" in shown.stdout and "%" in shown.stdout
    table = sdprelax("show", "results/a", "--predictions", "--format", "csv", cwd=tmp_path).stdout
    assert (
        table.splitlines()[0].endswith("test_rmse,paper_accuracy,paper_threshold,status")
        and len(table.splitlines()) == 3
    )


def test_a_label_with_brackets_is_printed_whole(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "name: a\ndatasets: [random: {n: 4}]\ngamma: 0.1\nmethods: [sdp, sdp: {more_roundings: [eigen]}]\n"
    )
    done = sdprelax("run", "a.yaml", cwd=tmp_path)
    assert "sdp(more_roundings=[eigen])" in done.stdout.split("lower bound")[1]


@pytest.mark.parametrize("template", [template.value for template in Template])
def test_every_template_is_a_sweep_and_nothing_is_overwritten(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", "mine", "--template", template])
    assert done.exit_code == 0, done.output
    text = Path("mine.yaml").read_text()
    assert "#   sdprelax run mine.yaml\n" in text and "\nname: mine\n" in text
    if template == "own-data":
        Path("data.csv").write_text("a,b,label\n" + "".join(f"{k},{k % 7},{'xy'[k % 2]}\n" for k in range(40)))
    sweep = load_sweep(Path("mine.yaml"))
    assert sweep.name == "mine" and len(schedule(sweep, Path("results")).trials) > 1
    kept = sorted((path.name, path.read_bytes()) for path in Path().iterdir())
    again = CliRunner().invoke(app, ["init", "mine", "--template", template])
    assert isinstance(again.exception, InputError) and "exists" in str(again.exception)
    assert kept == sorted((path.name, path.read_bytes()) for path in Path().iterdir())
    assert CliRunner().invoke(app, ["init", "mine", "--template", template, "--force"]).exit_code == 0


def test_files_named_as_libraries_are_let_alone_and_results_may_lie_elsewhere(tmp_path: Path) -> None:
    """A user's own random.py is executed by no process of a sweep; the folder of results may be a link."""
    mine, elsewhere = tmp_path / "mine", tmp_path / "elsewhere"
    mine.mkdir()
    elsewhere.mkdir()
    for name in ("random", "numpy", "secrets", "queue", "yaml"):
        (mine / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\nprint('my analysis')\n")
    (mine / "results").symlink_to(elsewhere, target_is_directory=True)
    (mine / "a.yaml").write_text("name: a\ndatasets: spiral\ngamma: 0.1\nmethods: {lbfgs: {width: 5, restarts: 1}}\n")
    done = sdprelax("run", "a.yaml", cwd=mine)
    assert done.returncode == 0, done.stderr
    assert "my analysis" not in done.stdout and not (tmp_path / "executed").exists()
    assert pd.read_csv(elsewhere / "a" / "table.csv")["status"].isin(["solved", "not converged"]).tolist() == [True]


@pytest.mark.parametrize("name", VERBS)
def test_every_help_ends_with_two_calls(name: str) -> None:
    examples = VERBS[name].examples
    assert len(examples) >= 2 and f"{examples[0]} ".startswith(f"sdprelax {name} ")
    done = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
    assert done.exit_code == 0 and all(example in done.output for example in examples)


def test_a_sweep_over_a_table_says_what_it_leaves_out_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{k},2024-01-{k % 28 + 1:02},{k % 7},{'xy'[k % 2]}" for k in range(40)]
    Path("t.csv").write_text("\n".join(['number,"day #\n: 1",yes,label', *rows]))
    done = CliRunner().invoke(app, ["init", "mine", "--data", "t.csv", "--target", "yes"])
    assert done.exit_code == 0, done.output
    text = Path("mine.yaml").read_text()
    assert re.search(r"- \"day #\\n: 1\" +# dates or times\n", text) and "results/mine/trials" in text
    options = load_sweep(Path("mine.yaml")).plan()[0].to_dict()["dataset_options"]
    assert options["target"] == "yes" and options["index"] == "number" and options["drop"] == ["day #\n: 1"]
    for wrong, said in (
        (["--target", "yes"], "--target names a column"),
        (["--data", "t.csv", "--template", "solvers"], "--data goes with the template own-data"),
        (["--data", "u.csv"], "u.csv cannot be read"),
    ):
        done = CliRunner().invoke(app, ["init", "other", *wrong])
        assert isinstance(done.exception, InputError) and said in str(done.exception)
    assert not Path("other.yaml").exists()


def test_the_template_of_a_method_trains(tmp_path: Path) -> None:
    assert "written: own_method.py" in sdprelax("init", "--template", "own-method", cwd=tmp_path).stdout
    only = ("--set", "datasets=[spiral]", "--set", "methods=[own_method]", "--engine", "serial")
    done = sdprelax("run", "own_method.yaml", *only, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "solved" in done.stdout


@pytest.mark.parametrize("name", ["a/b", ".hidden", "my sweep", "mine.yaml", "", "2fast"])
def test_a_sweep_needs_a_name_that_a_folder_can_have(name: str) -> None:
    done = CliRunner().invoke(app, ["init", name])
    assert isinstance(done.exception, InputError) and "is no name of a sweep" in str(done.exception)


FRAME = {
    "name": "x", "datasets": ["spiral"], "gamma": 0.1, "methods": ["lbfgs"], "loss": "squared", "activation": "relu",
    "engine": "serial",
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_every_option_has_a_meaning_and_every_entry_its_place_in_a_file(family: str) -> None:
    registry = getattr(importlib.import_module(FAMILIES[family]), family)
    for name in registry:
        assert [option.name for option in registry.options(name) if not option.meaning] == []
        done = CliRunner().invoke(app, ["list", name])
        assert done.exit_code == 0, done.output
        snippets = [yaml.safe_load(text.split("\n\n")[0]) for text in done.output.split("in a file:\n")[1:]]
        for snippet in snippets:
            # Of OpenML's sets one is to be named.
            if snippet.keys() <= FRAME.keys() and "..." not in str(snippet) and "openml" not in str(snippet):
                assert sweep_of(FRAME | snippet)
        written = {option.name for option in registry.options(name)}
        assert any(name in str(snippet) and all(option in str(snippet) for option in written) for snippet in snippets)


@pytest.mark.parametrize("name", ["true", "null", "e3", "yes"])
def test_a_name_that_yaml_takes_for_another_thing_is_quoted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["init", name]).exit_code == 0
    assert load_sweep(Path(f"{name}.yaml")).name == name


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.yaml").mkdir()
    done = CliRunner().invoke(app, ["init", "d", "--force"])
    assert isinstance(done.exception, InputError) and "is a folder" in str(done.exception)
    done = CliRunner().invoke(app, ["init", "numpy", "--template", "own-method"])
    assert isinstance(done.exception, InputError) and "would hide Python's module 'numpy'" in str(done.exception)
    monkeypatch.setattr("sdprelax.base.write_whole", mock.Mock(side_effect=PermissionError(13, "Permission denied")))
    done = CliRunner().invoke(app, ["init"])
    assert isinstance(done.exception, StorageError) and "Permission denied" in str(done.exception)


def test_what_is_not_there_is_not_listed() -> None:
    done = CliRunner().invoke(app, ["list", "lbfg"])
    assert "nothing of that name" in str(done.exception) and "'lbfgs'" in str(done.exception)


def test_a_sweep_that_has_ended_is_watched_no_longer(finished: tuple[Path, str]) -> None:
    done = sdprelax("status", "results/small", "--watch", cwd=finished[0])
    assert done.returncode == 0 and "4 of 4" in done.stdout


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"], ["list", "--help"]])
def test_what_help_does_not_need_is_not_imported(arguments: list[str]) -> None:
    code = (
        "import sys, typer.testing, sdprelax.cli\n"
        "found = typer.testing.CliRunner().invoke(sdprelax.cli.app, sys.argv[1:])\n"
        "heavy = {'numpy', 'scipy', 'pandas', 'numba', 'cvxpy', 'matplotlib'}\n"
        "print(found.exit_code, *sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"]


def test_the_front_door_imports_a_room_when_it_is_asked_for() -> None:
    code = (
        "import sys, sdprelax\n"
        "assert 'numpy' not in sys.modules\n"
        "sdprelax.Problem\n"
        "print('sdprelax.relaxation' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
