"""How far a sweep is: what is done, what runs, how long the rest will take."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdprelax.laboratory._kinds import kinds, naming
from sdprelax.laboratory._store import Running, Store

__all__ = ["MethodProgress", "Overview", "overview"]


@dataclass
class MethodProgress:
    """What one method has done: trials ended of all, the best gap among them, seconds that they took."""

    total: int = 0
    done: int = 0
    best_gap: float = math.inf
    seconds: float = 0.0
    timed: int = 0


@dataclass
class Overview:
    """The state of a sweep; :meth:`add` brings it up to date, one record after another.

    Attributes
    ----------
    name: of the sweep.
    waiting: method of every trial that has not ended, by hash.
    methods: progress by method.
    statuses: trials by how they ended.
    workers: the most trials seen running at once.
    """

    name: str
    waiting: dict[str, str]
    methods: dict[str, MethodProgress]
    statuses: dict[str, int] = field(default_factory=dict)
    workers: int = 1

    @staticmethod
    def of(plan: dict[str, Any]) -> Overview:
        """Return the overview of a sweep of which nothing has been done, from its ``sweep.json``."""
        kind = kinds(plan.get("kind", "training"))
        named, methods = naming(kind, plan), dict[str, MethodProgress]()
        waiting = {trial["hash"]: named({"hash": trial["hash"]})[kind.method] for trial in plan["trials"]}
        for method in waiting.values():
            methods.setdefault(method, MethodProgress()).total += 1
        return Overview(plan["name"], waiting, methods)

    def add(self, record: dict[str, Any]) -> None:
        """Count a trial that ended; a second attempt counts no second time."""
        label = self.waiting.pop(record["hash"], None)
        if label is None:
            return
        self.statuses[record["status"]] = self.statuses.get(record["status"], 0) + 1
        method = self.methods[label]
        method.done += 1
        if record["gap"] is not None:
            method.best_gap = min(method.best_gap, record["gap"])
        if record["seconds"] is not None:
            method.seconds += record["seconds"]
            method.timed += 1

    @property
    def total(self) -> int:
        """Trials of the sweep."""
        return sum(method.total for method in self.methods.values())

    @property
    def done(self) -> int:
        """Trials that ended."""
        return sum(method.done for method in self.methods.values())

    def seconds_left(self, running: list[Running]) -> float | None:
        """Estimate the seconds until the end: each method at its mean so far; None before any trial ended."""
        timed = sum(method.timed for method in self.methods.values())
        if timed == 0:
            return None
        usual = sum(method.seconds for method in self.methods.values()) / timed
        work = 0.0
        for label in self.waiting.values():
            method = self.methods[label]
            work += method.seconds / method.timed if method.timed else usual
        spent = sum(min(time.time() - trial.started, usual) for trial in running)
        self.workers = max(self.workers, len(running))
        return max(0.0, work - spent) / self.workers


def overview(folder: Path) -> tuple[Overview, list[Running], list[Running]]:
    """Return how far the sweep in a folder is, what runs, and what was running when its worker was lost.

    Raises
    ------
    InputError: this is not a sweep's folder.
    """
    store = Store(folder)
    plan = store.plan()
    found = Overview.of(plan)
    attempts = store.attempts()
    asked = {job[:16]: int(job[17:] or 1) for job in plan["to_run"]}
    for record in store.records({trial: attempts[trial] for trial in found.waiting if trial in attempts}):
        # A trial that is to be run once more counts when its new attempt has ended.
        if record["attempt"] >= asked.get(record["hash"], 1):
            found.add(record)
    running = store.now_running()
    return found, [r for r in running if r.alive], [r for r in running if not r.alive]
