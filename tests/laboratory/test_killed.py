"""Sweeps killed with SIGKILL again and again, on full disks and in folders that may not be written to."""

from __future__ import annotations

import functools
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

import sdprelax
from sdprelax.laboratory import Store
from sdprelax.laboratory._store import seal
from sdprelax.laboratory.results import audit, collect
from tests.interrupted import Evaluations
from tests.waiting import LONG, wait_for

MODULE = Path(__file__).with_name("trying_methods.py")
RUN = [sys.executable, "-m", "sdprelax", "run", "sweep.yaml", "--workers", "2"]
# What a disturbed sweep must share with an undisturbed one: all but its times.
SAME = ["dataset", "gamma", "method", "repeat", "status", "lower", "upper", "gap", "width", "hash", "message"]


def write_sweep(folder: Path, diary: Path, seconds: float) -> None:
    folder.mkdir(exist_ok=True)
    tags = ", ".join(map(str, range(16)))
    (folder / "sweep.yaml").write_text(
        f"name: sixty\nmodules: [{MODULE}]\ndatasets: [{{random: {{n: 5, d: 2, c: 1}}}}]\ngamma: [0.01, 0.1, 1]\n"
        f"methods:\n  - idle: {{seconds: {seconds}, diary: {diary}, tag: [{tags}]}}\n"
        f"  - lbfgs: {{width: [3, 4, 5, 6], restarts: 2}}\n"
    )


class Reader(threading.Thread):
    """Reads new results all the time and all of them now and then, and remembers whatever was not whole."""

    def __init__(self, store: Store) -> None:
        super().__init__(daemon=True)
        self.store, self.broken, self.read, self.stop = store, list[str](), 0, False

    def run(self) -> None:
        seen: set[str] = set()
        for passes in itertools.count():
            if self.stop:
                return
            trials = set(self.store.attempts())
            for trial in trials if passes % 20 == 0 else trials - seen:
                record = self.store.record(trial)
                self.read += 1
                if record is None or record["seal"] != seal(record, self.store.trials / trial):
                    self.broken.append(trial)
            seen |= trials
            time.sleep(0.02)


def has_begun(runner: subprocess.Popen[bytes], folder: Path) -> bool:
    return runner.poll() is not None or any(trial.alive for trial in Store(folder).now_running())


def kill(runner: psutil.Process, whom: str, rng: random.Random) -> None:
    try:
        workers = runner.children(recursive=True)
    except psutil.NoSuchProcess:
        return
    victims = {"runner": [runner], "worker": rng.sample(workers, min(1, len(workers))), "tree": [runner, *workers]}
    for victim in victims[whom]:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue


def test_a_sweep_killed_at_nine_random_moments_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    write_sweep(tmp_path / "calm", diary, 0.4)
    write_sweep(tmp_path / "hunted", diary, 0.4)
    done = subprocess.run(RUN, cwd=tmp_path / "calm", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    calm = collect(tmp_path / "calm" / "results" / "sixty").table
    assert len(calm) == 60 and set(calm["status"]) == {"solved"}
    diary.unlink()

    folder = tmp_path / "hunted" / "results" / "sixty"
    reader = Reader(Store(folder))
    reader.start()
    rng = random.Random(0)
    progress = []
    runner: subprocess.Popen[bytes] | None = None
    for moment in range(9):
        if runner is None or runner.poll() is not None:
            runner = subprocess.Popen(
                RUN, cwd=tmp_path / "hunted", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
            wait_for(functools.partial(has_begun, runner, folder))
        time.sleep(rng.uniform(0.0, 1.0))
        whom = ("runner", "worker", "tree")[moment % 3]
        if runner.poll() is not None:
            break  # it was through before its time came
        workers = psutil.Process(runner.pid).children()
        kill(psutil.Process(runner.pid), whom, rng)
        if whom != "worker":
            runner.wait()
            psutil.wait_procs(workers, timeout=LONG)
            assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers), (
                "workers die with their runner"
            )
            runner = None
        progress.append(len(Store(folder).attempts()))
    if runner is not None:
        runner.kill()
        runner.wait()
    assert len(progress) == 9 and len(set(progress)) > 3, f"the kills were spread over the sweep: {progress}"
    done = subprocess.run(RUN, cwd=tmp_path / "hunted", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reader.stop = True
    reader.join()
    assert reader.read > 100 and reader.broken == []

    hunted = collect(folder).table
    pd.testing.assert_frame_equal(hunted[SAME], calm[SAME].assign(hash=hunted["hash"]))
    assert set(hunted["hash"]) == set(calm["hash"])
    assert set(hunted["attempt"]) == {1} and not list((folder / "running").iterdir())
    assert all(not finding.faults for finding in audit(folder))
    finished = {}
    for name in Store(folder).attempts():
        record = json.loads((folder / "trials" / name / "record.json").read_text())
        if record["trial"]["method"] == "idle":
            key = (record["gamma"], record["trial"]["method_options"]["tag"])
            finished[key] = (folder / "trials" / name / "record.json").stat().st_mtime
    starts = [line.split() for line in diary.read_text().splitlines()]
    assert len(starts) >= 48
    for gamma, tag, at in starts:
        assert float(at) <= finished[float(gamma), int(tag)], "a trial ran again after it had finished"


def in_namespace(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount things only it can see."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def can_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    (folder / "mounted").mkdir()
    return in_namespace("mount -t tmpfs tmpfs mounted", folder).returncode == 0


@pytest.mark.parametrize(("mount", "reason"), [
    ("-o size=400k tmpfs", "No space left on device"), ("-o ro tmpfs", "Read-only file system"),
])  # fmt: skip
def test_a_disk_that_cannot_be_written_to_is_one_sentence_and_what_is_finished_stays(
    mount: str, reason: str, tmp_path: Path
) -> None:
    if not can_mount(tmp_path):
        pytest.skip("file systems cannot be mounted in a namespace of one's own here")
    write_sweep(tmp_path, tmp_path / "diary.txt", 0.0)
    (tmp_path / "results").mkdir()
    run = " ".join(RUN)
    script = (
        f"mount -t tmpfs {mount} results; set +e; {run} > out.txt 2> err.txt; echo $? > code.txt; cp -r results kept"
    )
    done = in_namespace(script, tmp_path)
    assert done.returncode == 0, done.stderr
    errors = (tmp_path / "err.txt").read_text()
    assert (tmp_path / "code.txt").read_text().strip() == "2"
    assert errors.count("\n") == 1 and errors.startswith("sdprelax: results cannot be written to results/sixty")
    assert reason in errors
    kept = Store(tmp_path / "kept" / "sixty")
    finished = list(kept.attempts())
    for trial in finished:
        record = kept.record(trial)
        assert record is not None and record["seal"] == seal(record, kept.trials / trial)
    if "size" in mount:
        assert 0 < len(finished) < 60
        shutil.rmtree(tmp_path / "results")
        shutil.move(tmp_path / "kept", tmp_path / "results")
        paths = [tmp_path / "results" / "sixty" / "trials" / trial / "record.json" for trial in finished]
        stamps = {path: path.stat().st_mtime_ns for path in paths}
        again = subprocess.run(RUN, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert again.returncode == 0 and f"{60 - len(finished)} of 60 trials to run" in again.stdout
        assert stamps == {path: path.stat().st_mtime_ns for path in paths}


def test_two_runners_of_one_sweep_share_it(tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    write_sweep(tmp_path, diary, 0.1)
    runners = [subprocess.Popen(RUN, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for runner in runners:
        printed, errors = runner.communicate(timeout=LONG)
        assert runner.returncode == 0, errors.decode()
        assert b"[60/60]" in printed, "each follows the whole sweep to its end"
    assert len(diary.read_text().splitlines()) == 48, "and nothing ran twice"
    assert len(collect(tmp_path / "results" / "sixty").table) == 60


def test_a_folder_of_a_dead_worker_is_shown_and_then_cleared(tmp_path: Path) -> None:
    write_sweep(tmp_path, tmp_path / "diary.txt", LONG)
    runner = subprocess.Popen(RUN, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = tmp_path / "results" / "sixty"
    wait_for(lambda: len(list(folder.glob("running/*/report-*"))) == 2)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    wait_for(lambda: not any(trial.alive for trial in Store(folder).now_running()))
    command: list[Any] = [sys.executable, "-m", "sdprelax", "status", folder]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "0 of 60 trials ended" in said and said.count("lost: random") == 2 and "nothing is running" in said
    assert len(list((folder / "running").iterdir())) == 2
    Store(folder).prepare()
    assert not list((folder / "running").iterdir())


def test_a_training_of_hours_goes_on_where_its_process_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdprelax.base._checkpoint.INTERVAL", -1.0)
    options = {"width": 4, "restarts": 1, "epochs": 900, "learning_rate": 1e-3}
    sweep = {
        "name": "long", "datasets": [{"random": {"n": 6, "c": 1}}], "gamma": 0.1, "methods": [{"sgd": options}],
    }  # fmt: skip
    whole = sdprelax.run(sweep, results=tmp_path / "calm", engine="serial").table
    evaluations = Evaluations(monkeypatch, KeyboardInterrupt)
    evaluations.allow(500)
    with pytest.raises(KeyboardInterrupt):
        sdprelax.run(sweep, results=tmp_path / "hunted", engine="serial")
    kept = Store(tmp_path / "hunted" / "long").folder / "checkpoints"
    assert len(list(kept.glob("*/method.npz"))) == 1
    evaluations.allow(900)
    rest = sdprelax.run(sweep, results=tmp_path / "hunted", engine="serial").table
    assert evaluations.count <= 500 and list(kept.iterdir()) == []
    assert list(rest["upper"]) == list(whole["upper"]) and list(rest["status"]) == ["solved"]
    assert list(rest["details.processor_seconds"] > 0.0) == [True]
