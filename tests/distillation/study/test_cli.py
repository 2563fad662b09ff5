"""The command ``distill`` as a user meets it."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest

from sdprelax.cli import main
from tests.distillation import MODULES

pytest.importorskip("torch", reason="teachers and students are PyTorch's")

STUDY = f"""\
name: small
teacher: {{digits_cnn: {{width: 4, epochs: 2}}}}
images: digits
block: body
distillers:
  - gated_relu: {{gates: 2, budget: 0.5, shrinkage: 1e-3}}
  - pruning
fraction: [0.1, 0.3]
modules: [{MODULES["digits_cnn"]}]
"""


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def sdprelax(*arguments: str, cwd: Path) -> Done:
    """Run a command in this process, which has PyTorch loaded already."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
        mock.patch("sys.argv", ["sdprelax", *arguments]),
    ):  # fmt: skip
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "study.yaml").write_text(STUDY)
    done = sdprelax("distill", "study.yaml", "--engine", "serial", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_distill_prints_a_line_per_run_a_table_and_where_everything_is(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    assert "3 of 3 trials to run" in printed and "[3/3] finished" in printed and "program gap" in printed
    for name in ("table.csv", "fractions.png", "errors.png", "size.png"):
        assert f"results/small/{name}" in printed and (folder / "results" / "small" / name).is_file()


def test_show_prints_the_summary_again(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    shown = sdprelax("show", "results/small", cwd=folder)
    assert shown.returncode == 0 and shown.stdout and shown.stdout in printed
    none = sdprelax("show", "results/small", "--predictions", cwd=folder)
    assert none.returncode == 2 and "results/small has no table of predictions" in none.stderr
    lines = sdprelax("show", "results/small", "--format", "csv", cwd=folder).stdout.splitlines()
    assert lines[0].startswith("block,distiller,fraction,repeats") and len(lines) == 3


def test_what_serves_sweeps_serves_a_study(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    study = str(folder / "results" / "small")
    said = {name: sdprelax(name, study, cwd=folder) for name in ("status", "collect", "report")}
    assert "3 of 3 trials ended (3 finished)" in said["status"].stdout
    assert "3 trials: " in said["collect"].stdout and "size.png" in said["collect"].stdout
    assert said["report"].stdout.strip().endswith("report.html")
    compared = sdprelax("compare", study, study, "--fail-if-worse", "0%", cwd=folder)
    assert compared.returncode == 0 and "3 trials in both" in compared.stdout
    trial = next((folder / "results" / "small" / "trials").glob("*/certificate.npz")).parent
    again = sdprelax("rerun", str(trial), cwd=folder)
    assert again.returncode == 0 and "reproduced" in again.stdout
    assert not list((folder / "results" / "small" / "checkpoints").iterdir()), "what has ended needs none"


def test_a_dry_run_lists_the_runs(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    listed = sdprelax("distill", "study.yaml", "--dry-run", "--set", "fraction=[0.1, 0.2, 0.3]", cwd=folder)
    assert listed.returncode == 0 and "1 of 4 trials would run; 3 are finished." in listed.stdout
    assert "body fraction=0.2  gated_relu" in listed.stdout


def test_verify_proves_the_students_again_and_finds_what_is_wrong(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    done = sdprelax("verify", "results/small", cwd=folder)
    assert (
        done.returncode == 0 and "all 3 rows hold: 6 bounds proved again from the activations as stored" in done.stdout
    )
    path = next((folder / "results" / "small" / "trials").glob("*/certificate.npz")).with_name("record.json")
    record = path.read_text()
    path.write_text(json.dumps(json.loads(record) | {"lower": 1e9}))
    done = sdprelax("verify", "results/small", cwd=folder)
    path.write_text(record)
    assert done.returncode == 1 and "2 of 4 rows do not hold" in done.stdout, "the trial, and the table"


def test_wrong_input_is_one_sentence_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    done = sdprelax("distill", "study.yaml", "--set", "block=boddy", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "study.yaml, line 4: the network has no module 'boddy': did you mean 'body'?" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_a_failed_run_is_said_and_the_exit_code_is_3(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    failing = ("--engine", "serial", "--set", "distillers.pruning.budget=1e-9")
    done = sdprelax("distill", "study.yaml", *failing, cwd=folder)
    assert done.returncode == 3 and "1 of 3 trials failed; --retry failed runs them once more." in done.stdout


def test_an_interrupt_is_a_sentence_and_exit_code_130(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    with mock.patch("sdprelax.distillation.study._trial.compared", side_effect=KeyboardInterrupt):
        done = sdprelax("distill", "study.yaml", "--force", "--engine", "serial", cwd=folder)
    assert (done.returncode, done.stdout.count("finished in")) == (130, 0)
    assert done.stderr == "sdprelax: interrupted; finished trials are kept, and the same command goes on.\n"
    assert "0 of 3 trials would run" in sdprelax("distill", "study.yaml", "--dry-run", cwd=folder).stdout


def test_a_study_of_an_earlier_version_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for name in ("runs", "activations"):
        (tmp_path / "old" / name).mkdir(parents=True)
    for command in ("status", "verify", "report", "show"):
        done = sdprelax(command, "old", cwd=tmp_path)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "run its file again" in done.stderr


def test_list_names_what_a_study_can_name() -> None:
    for family, entry in (("teachers", "torchvision:"), ("images", "folder:"), ("distillers", "gated_relu:")):
        assert entry in sdprelax("list", family, cwd=Path.cwd()).stdout
