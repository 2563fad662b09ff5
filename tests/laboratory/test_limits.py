"""Trials that overstep: held to their limits from outside, with the bounds that they had reported."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sdprelax import InputError
from sdprelax.laboratory import Store, load_sweep, run_sweep, schedule
from sdprelax.laboratory import _supervisor as supervisor
from sdprelax.laboratory.results import Results, audit, overview
from sdprelax.laboratory.training import TrainingTrial
from tests.waiting import interruptible, wait_for

MODULE = Path(__file__).with_name("trying_methods.py")


@pytest.fixture(autouse=True)
def among_ones_own_scripts(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in a folder with scripts that are named as modules of the library: none of them is executed."""
    folder = tmp_path_factory.mktemp("scripts")
    for name in ("random", "queue", "numpy", "secrets"):
        (folder / f"{name}.py").write_text(f"open('executed', 'a').write('{name} ')\nprint('my analysis')\n")
    monkeypatch.chdir(folder)
    yield
    assert not (folder / "executed").exists()


def sweep(folder: Path, methods: str, limits: str = "{}", repeat: int = 1) -> Any:
    path = folder / "sweep.yaml"
    path.write_text(
        f"name: trying\nmodules: [{MODULE}]\ndatasets: [{{random: {{n: 4, d: 2, c: 1}}}}]\ngamma: 0.1\n"
        f"methods: {methods}\nlimits: {limits}\nrepeat: {repeat}\n"
    )
    return load_sweep(path)


def one(found: Results, method: str) -> dict[str, Any]:
    (row,) = found.table[found.table["method"].str.startswith(method)].to_dict("records")
    return row  # type: ignore[no-any-return]


def test_a_method_has_a_tenth_of_its_limit_and_two_seconds_at_least_to_return_what_it_has() -> None:
    trial = TrainingTrial("random", {}, "", 1.0, False, "ntk", {}, 0, 0)
    assert [trial.grace(limit) for limit in (1.0, 20.0, 3600.0)] == [2.0, 2.0, 360.0]


@pytest.mark.parametrize("engine", ["processes", "serial"])
def test_a_method_that_ignores_its_deadline_is_killed_and_keeps_its_bounds(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def until_it_has_reported(trial: TrainingTrial, limit: float) -> float:
        running = Store(tmp_path / "trying").now_running()
        return 0.0 if any(trial.record["upper"] is not None for trial in running) else math.inf

    monkeypatch.setattr(TrainingTrial, "grace", until_it_has_reported)
    monkeypatch.setattr(supervisor, "BEAT", supervisor.LOOK)
    found = run_sweep(sweep(tmp_path, "[stubborn, idle]", "{time: 0.1}"), tmp_path, engine=engine, workers=1)
    row = one(found, "stubborn")
    assert row["status"] == "timeout" and "did not stop at its time limit of 0.1 s" in row["message"]
    assert row["seconds"] >= 0.1
    assert row["upper"] == one(found, "idle")["upper"] > 0 and one(found, "idle")["status"] == "solved"
    assert found.network(row["hash"]).width == 0
    log = (found.folder / "trials" / row["hash"] / "log.txt").read_text()
    assert "about to sleep" in log and "killed" in log
    assert not list((found.folder / "running").iterdir())
    assert all(not finding.faults for finding in audit(found.folder))


def test_a_method_that_takes_too_much_memory_is_killed_and_keeps_its_bounds(tmp_path: Path) -> None:
    found = run_sweep(sweep(tmp_path, "[greedy, idle]", "{memory: 600MB}"), tmp_path)
    row = one(found, "greedy")
    assert row["status"] == "out of memory" and "over the memory limit of 600 MB" in row["message"]
    assert 600 < row["peak_memory_mb"] < 1500 and row["upper"] == one(found, "idle")["upper"]
    assert 20 < one(found, "idle")["peak_memory_mb"] < 600
    assert all(not finding.faults for finding in audit(found.folder))


def test_a_wider_limit_runs_what_a_narrower_one_stopped_and_nothing_else(tmp_path: Path) -> None:
    first = run_sweep(sweep(tmp_path, "[greedy, idle]", "{memory: 500MB}"), tmp_path)
    kept = one(first, "greedy")["hash"]
    before = (first.folder / "trials" / kept / "record.json").read_bytes()
    assert schedule(sweep(tmp_path, "[greedy, idle]", "{memory: 400MB}"), tmp_path).jobs == []
    assert schedule(sweep(tmp_path, "[greedy, idle]", "{memory: 500MB, time: 60}"), tmp_path).jobs == []
    wider = sweep(tmp_path, "[greedy, idle]", "{memory: 700MB}")
    (job,) = schedule(wider, tmp_path).jobs
    assert job.name == f"{kept}.2"
    second = run_sweep(wider, tmp_path)
    assert one(second, "greedy")["attempt"] == 2 and one(second, "greedy")["peak_memory_mb"] > 700
    assert (first.folder / "trials" / kept / "record.json").read_bytes() == before, "an attempt is never rewritten"


@pytest.mark.parametrize(("options", "message"), [
    ("", "its worker process ended with exit status 3."),
    (": {signal: 11}", "its worker process died of signal SIGSEGV."),
    (": {signal: 9}", "its worker process was killed 3 times from outside, perhaps for want of memory."),
])  # fmt: skip
def test_a_worker_that_dies_costs_its_own_trial_only(options: str, message: str, tmp_path: Path) -> None:
    found = run_sweep(sweep(tmp_path, f"[crashing{options}, idle]", repeat=2), tmp_path, workers=1)
    died = found.table[found.table["method"].str.startswith("crashing")]
    assert list(died["status"]) == ["error", "error"] and set(died["message"]) == {message}
    assert died["upper"].notna().all(), "what was reported is kept"
    assert set(found.table[found.table["method"] == "idle"]["status"]) == {"solved"}
    assert schedule(sweep(tmp_path, f"[crashing{options}, idle]", repeat=2), tmp_path).jobs == []
    again = schedule(sweep(tmp_path, f"[crashing{options}, idle]", repeat=2), tmp_path, retry=["failed"]).jobs
    assert [job.attempt for job in again] == [2, 2]


def test_status_shows_what_runs_with_its_bounds_and_interruption_leaves_nothing(tmp_path: Path) -> None:
    stubborn = sweep(tmp_path, "[stubborn]")
    seen: list[Any] = []

    def running() -> list[Any]:
        there = (tmp_path / "trying" / "sweep.json").exists()
        return (
            [trial for trial in overview(tmp_path / "trying")[1] if trial.record["upper"] is not None] if there else []
        )

    def look() -> None:
        try:
            seen.extend(wait_for(running))
            psutil.Process(seen[0].pid).kill()  # once: it is started again
            seen.extend(wait_for(lambda: [trial for trial in running() if trial.pid != seen[0].pid]))
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    interruptible()
    thread = threading.Thread(target=look)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_sweep(stubborn, tmp_path)
    thread.join()
    first, second = seen
    assert first.record["method"] == "stubborn" and first.record["upper"] > 0 and first.host
    assert second.pid != first.pid, "a worker that was killed once costs its trial nothing"
    assert not psutil.pid_exists(second.pid) or psutil.Process(second.pid).status() == psutil.STATUS_ZOMBIE
    assert not list((tmp_path / "trying" / "running").iterdir())
    assert Store(tmp_path / "trying").attempts() == {}


def test_force_runs_everything_once_more_beside_what_was(tmp_path: Path) -> None:
    idle = sweep(tmp_path, "[idle: {tag: [1, 2]}]")
    first = run_sweep(idle, tmp_path)
    second = run_sweep(idle, tmp_path, force=True)
    assert list(second.table["attempt"]) == [2, 2] and list(first.table["attempt"]) == [1, 1]
    assert len(list((second.folder / "trials").iterdir())) == 4
    with pytest.raises(InputError, match=r"--retry faild: no trial ends like that: did you mean 'failed'\?"):
        schedule(idle, tmp_path, retry=["faild"])


def test_of_two_writers_of_one_attempt_the_first_wins(tmp_path: Path) -> None:
    from sdprelax.laboratory._job import Found, Job
    from sdprelax.laboratory._store import Scratch

    store = Store(tmp_path)
    store.prepare()
    job = Job(schedule(sweep(tmp_path, "[idle]"), tmp_path).trials[0])
    scratch = Scratch.claim(store, job)
    assert scratch is not None and Scratch.claim(store, job) is None, "one at a time"
    first = {"hash": job.trial.hash, "status": "solved", "writer": 1}
    assert scratch.finish(first, Found(), "")["writer"] == 1
    scratch.close()
    late = Scratch.claim(store, job)
    assert late is not None
    assert late.finish({**first, "writer": 2}, Found(), "")["writer"] == 1
    late.close()
    assert json.loads((store.trials / job.name / "record.json").read_text())["writer"] == 1


def test_a_bound_without_its_witness_is_not_published(tmp_path: Path) -> None:
    found = run_sweep(sweep(tmp_path, "[careless: {what: [lower, nan, upper, details]}, idle]"), tmp_path)
    rows = {row["method"]: row for row in found.table.to_dict("records")}
    lower, nan, upper = (rows[f"careless(what={what})"] for what in ("lower", "nan", "upper"))
    assert lower["message"] == "the method returned a lower bound without the certificate that proves it."
    assert nan["message"] == "the method returned the upper bound nan, which is not a finite number."
    assert upper["message"] == "the method returned an upper bound without the network that proves it."
    for row in (lower, nan, upper):
        assert row["status"] == "error" and row["upper"] == rows["idle"]["upper"], "what was reported soundly is kept"
    odd = rows["careless(what=details)"]
    assert odd["status"] == "solved"
    record = Store(found.folder).record(odd["hash"])
    assert record is not None
    assert record["details"] == {"array": [0, 1], "scalar": 0.5, "nan": None, "object": "PosixPath('x')"}
    assert all(not finding.faults for finding in audit(found.folder))
