"""How many threads a computation may use."""

from __future__ import annotations

import os

import pytest

from sdprelax.base import single_threaded, threads_allowed


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
