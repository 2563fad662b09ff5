"""How many threads a computation may use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sdprelax.base import single_threaded, threads_allowed, usable_cores


@pytest.mark.parametrize(("said", "allowed"), [("3", 3), ("4,2", 4), (" 1 ", 1)])
def test_the_environment_says_how_many(said: str, allowed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads_allowed() == allowed
    with single_threaded():
        assert threads_allowed() == 1
    assert threads_allowed() == allowed


@pytest.mark.parametrize("said", [None, "", "0", "-2", "many"])
def test_otherwise_as_many_as_there_are_cores(said: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert 1 <= threads_allowed() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_cores_that_the_process_may_not_use_are_not_counted() -> None:
    """A batch system gives a job some of a machine's cores: a sweep starts one worker for each of these."""
    core = min(os.sched_getaffinity(0))
    script = (
        f"import os; os.sched_setaffinity(0, [{core}]); from sdprelax.base import usable_cores; print(usable_cores())"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "1\n"
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
