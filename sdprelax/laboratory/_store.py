"""Results on disk: one folder per attempt at a trial, written whole or not at all, never changed afterwards.

    results/<sweep>/sweep.json                      the sweep and its trials, in order
    results/<sweep>/trials/<hash>/                  record.json, log.txt, and files of the trial's kind, such as
                                                    network.npz and certificate.npz
    results/<sweep>/trials/<hash>.2/                a second attempt; the last one counts
    results/<sweep>/running/<hash>/                 what runs now: by whom, and its best bounds so far
    results/<sweep>/checkpoints/<hash>/             from where a trial goes on whose process was lost

A finished attempt enters ``trials`` by one rename of a folder that lies in ``running``, so that readers on any machine
see all of it or nothing; of two writers of one attempt the first wins. Whoever makes the folder in ``running`` runs the
attempt, and everyone else leaves it alone while its worker lives. Tables are views over ``trials``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sdprelax.base import InputError, StorageError, write_whole
from sdprelax.laboratory._job import Found, Job

__all__ = ["Running", "Scratch", "Store", "last_report", "seal"]

# Seconds without a sign of life after which a worker of another host counts as lost.
SILENCE = 300.0
ATTEMPT = re.compile(r"([0-9a-f]{16})(?:\.(\d+))?")
# Seconds between two words on how far a pass over data is.
TELL = 0.5


def seal(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what binds a record to itself and its files: the SHA-256 of every file, and of all the rest.

    Against mistakes and damage, not against an adversary, who could make a new one: what *proves* a row
    is its certificate and its network.
    """
    there = [folder / "log.txt", *sorted(folder.glob("*.npz"))]
    files = {path.name: _digest(path.read_bytes()) for path in there if path.is_file()}
    rest = {key: value for key, value in record.items() if key != "seal"}
    return {"files": files, "record": _digest(json.dumps(rest, sort_keys=True).encode())}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Running:
    """A trial that is being run, as its folder in ``running`` tells.

    Attributes
    ----------
    folder: where its reports lie.
    record: provisional, with the best bounds reported so far.
    stage: the pass over data that goes on, and how far it is; "" where nothing was said.
    host, pid: the worker.
    started, beat: Unix time of its start and of its supervisor's last sign of life.
    """

    folder: Path
    record: dict[str, Any]
    host: str
    pid: int
    started: float
    beat: float
    stage: str = ""

    @property
    def alive(self) -> bool:
        """Whether the worker lives; on another host, whether it gave a sign of life in the last five minutes."""
        if self.host != platform.node():
            return time.time() - self.beat < SILENCE
        try:
            # A process number may be used again, but only by a younger process.
            process = psutil.Process(self.pid)
            return bool(process.create_time() <= self.started + 1.0 and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False


class Scratch:
    """The folder in which a worker runs one attempt: reports go here, and so does the result before its rename."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self._reports = 0

    @staticmethod
    def claim(store: Store, job: Job) -> Scratch | None:
        """Return the scratch folder of an attempt, or None if someone else is at it."""
        folder = store.running / job.name
        # Made under another name with its owner in it, so that there is no claim of nobody, whenever its maker dies.
        owner = {"host": platform.node(), "pid": os.getpid(), "started": time.time()}
        made = _private(folder)
        made.mkdir(exist_ok=True)
        write_whole(made / "owner.json", json.dumps(owner).encode())
        for _ in range(2):
            try:
                made.rename(folder)  # fails where the other folder has anything in it
                return Scratch(store, folder)
            except OSError:
                with store.taking_over():
                    found = _running(folder)
                    if found is None or found.alive:
                        break
                    _remove(folder)
        shutil.rmtree(made, ignore_errors=True)
        return None

    @property
    def output(self) -> Path:
        """Where the trial's standard output and error go."""
        return self.folder / "output.txt"

    def stage(self, what: str, rows: int) -> Callable[[int], None]:
        """Note that a pass over so many rows of data starts; return what notes how many more it has read."""
        done, told = 0, -TELL

        def advance(read: int) -> None:
            nonlocal done, told
            done += read
            if time.monotonic() - told >= TELL or done >= rows:
                told = time.monotonic()
                with contextlib.suppress(OSError):  # nothing depends on it
                    share = f"{what}, {100 * done // max(rows, 1)} %"
                    write_whole(self.folder / "stage.txt", share.encode())

        advance(0)
        return advance

    def keep(self, record: dict[str, Any], found: Found) -> None:
        """Write a provisional record and its witnesses, whole, in place of the last."""
        self._reports += 1
        folder = self.folder / f".report-{self._reports:06}"
        folder.mkdir()
        _write_files(folder, record, found, None)
        final = folder.with_name(folder.name[1:])
        folder.rename(final)
        if self._reports > 1:
            shutil.rmtree(self.folder / f"report-{self._reports - 1:06}", ignore_errors=True)

    def finish(self, record: dict[str, Any], found: Found, log: str) -> dict[str, Any]:
        """Enter the result into the store and return its record: this one, or that of who was first."""
        folder = self.folder / "result"
        folder.mkdir()
        _write_files(folder, record, found, log)
        return self.store.enter(folder, self.folder.name, record)

    def close(self) -> None:
        """Remove the folder."""
        _remove(self.folder)


def _write_files(folder: Path, record: dict[str, Any], found: Found, log: str | None) -> None:
    """Write the files of a record; synced to the disk only where they are final (there is a log)."""
    found.save(folder)
    if log is not None:
        (folder / "log.txt").write_text(log, encoding="utf-8")
        record["seal"] = seal(record, folder)
    (folder / "record.json").write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
    if log is not None:
        for path in (*folder.iterdir(), folder):
            _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Store:
    """The results of one sweep.

    Parameters
    ----------
    folder: the sweep's folder; it need not exist before :meth:`prepare`.
    shared: folder of what all trials have in common, by default the same.
    """

    def __init__(self, folder: Path, shared: Path | None = None) -> None:
        self.folder = folder
        self.shared = shared or folder
        self.trials = folder / "trials"
        self.running = folder / "running"

    def checkpoints(self, name: str) -> Path:
        """Return the folder of an attempt's checkpoints, which need not be there."""
        return self.folder / "checkpoints" / name

    def prepare(self) -> None:
        """Create the folders, make sure that they can be written to, and clear away what dead workers left.

        Raises
        ------
        StorageError: they cannot be written to.
        """
        with self.writing():
            self.trials.mkdir(parents=True, exist_ok=True)
            self.running.mkdir(exist_ok=True)
            for folder in (self.trials, self.running):
                with tempfile.NamedTemporaryFile(dir=folder) as file:
                    file.write(b"\0" * 4096)
                    file.flush()
        with self.taking_over():
            for owner in self._claims():
                if not owner.alive:
                    _remove(owner.folder)
            for private in self.running.glob(".*-*"):
                with contextlib.suppress(OSError, ValueError):
                    host, _, pid = private.name.split("-", 1)[1].rpartition("-")
                    gone = host == platform.node() and not psutil.pid_exists(int(pid))
                    if gone or time.time() - private.stat().st_mtime > SILENCE:
                        shutil.rmtree(private, ignore_errors=True)

    @contextlib.contextmanager
    def taking_over(self) -> Iterator[None]:
        """Hold off everyone else who would touch what a dead worker left."""
        with (self.folder / ".lock").open("a") as file:
            with contextlib.suppress(OSError):  # file systems without locks must do without
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turn what the operating system says against writing here into one sentence.

        Raises
        ------
        StorageError: it said something.
        """
        try:
            yield
        except (OSError, StorageError) as error:
            reason = error.__cause__ or error  # a predictor's file that cannot be written says so itself
            if not isinstance(reason, OSError):
                raise
            raise StorageError(f"results cannot be written to {self.folder}: {reason.strerror or reason}.") from None

    def enter(self, folder: Path, name: str, record: dict[str, Any]) -> dict[str, Any]:
        """Move a complete folder into the store; return the record that then stands there."""
        try:
            folder.rename(self.trials / name)
        except OSError:
            # Another writer was first; anything else is the disk's fault.
            standing = self.record(name)
            if standing is None:
                raise
            return standing
        _sync(self.trials)
        return record

    def record(self, name: str) -> dict[str, Any] | None:
        """Return the record of an attempt; None if there is none, or it is damaged."""
        try:
            record = _document(self.trials / name / "record.json")
        except (OSError, ValueError):
            return None
        sound = isinstance(record, dict) and record.get("hash") == name[:16] and "status" in record
        sound = sound and isinstance(record.get("trial", {}), dict)
        return record if sound else None

    def attempts(self) -> dict[str, list[int]]:
        """Return the numbers of the attempts at every trial, ascending."""
        found: dict[str, list[int]] = {}
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.trials) as entries:
            for entry in entries:
                match = ATTEMPT.fullmatch(entry.name)
                if match:
                    found.setdefault(match[1], []).append(int(match[2] or 1))
        for numbers in found.values():
            numbers.sort()
        return found

    def current(self, trial: str, attempts: list[int]) -> dict[str, Any] | None:
        """Return the record of a trial that counts: that of its last undamaged attempt, if there is one."""
        for number in reversed(attempts):
            record = self.record(trial if number == 1 else f"{trial}.{number}")
            if record is not None:
                return record
        return None

    def records(self, attempts: dict[str, list[int]] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the record that counts of every trial, or of those given with their attempts, in that order."""
        for trial, numbers in (self.attempts() if attempts is None else attempts).items():
            record = self.current(trial, numbers)
            if record is not None:
                yield record

    def folder_of(self, trial: str) -> Path:
        """Return the folder of the attempt that counts for a trial.

        Raises
        ------
        InputError: the store has no such trial.
        """
        record = self.current(trial, self.attempts().get(trial, []))
        if record is not None:
            return self.trials / (trial if record["attempt"] == 1 else f"{trial}.{record['attempt']}")
        raise InputError(f"{self.folder} has no trial {trial}.")

    def write_plan(self, content: dict[str, Any]) -> None:
        """Write ``sweep.json``, whole or not at all."""
        with self.writing():
            write_whole(self.folder / "sweep.json", json.dumps(content).encode())

    def plan(self) -> dict[str, Any]:
        """Return what :meth:`write_plan` wrote.

        Raises
        ------
        InputError: this is not a sweep's folder, or the file is damaged.
        """
        path = self.folder / "sweep.json"
        try:
            content = _document(path)
            if not isinstance(content, dict) or "trials" not in content:
                raise ValueError
        except FileNotFoundError:
            if (self.folder / "runs").is_dir() and (self.folder / "activations").is_dir():
                raise InputError(
                    f"{self.folder} is a study of version 0.10.0 or earlier, which this version does not read: run its "
                    "file again (its activations are used again)."
                ) from None
            raise InputError(
                f"{self.folder} holds no results: name a sweep's folder, e.g. results/quickstart."
            ) from None
        except (OSError, ValueError):
            raise InputError(f"{path} is damaged; run its sweep again to write it anew.") from None
        return content

    def now_running(self) -> list[Running]:
        """Return what runs in this sweep, whoever runs it, the longest first."""
        return sorted((found for found in self._claims() if found.record), key=lambda found: found.started)

    def beat(self, name: str, pid: int) -> None:
        """Give a sign of life for the worker ``pid`` of this host, if the attempt is its own."""
        if self.claimed_by(name, pid) is not None:
            with contextlib.suppress(OSError):
                os.utime(self.running / name)

    def claimed_by(self, name: str, pid: int) -> Running | None:
        """Return what the worker ``pid`` of this host left of an attempt, if it had begun it."""
        found = _running(self.running / name)
        return found if found is not None and (found.host, found.pid) == (platform.node(), pid) else None

    def discard(self, name: str, pid: int) -> None:
        """Remove what the worker ``pid`` of this host, which is dead, left of an attempt."""
        with self.taking_over():
            found = self.claimed_by(name, pid)
            if found is not None:
                _remove(found.folder)

    def _claims(self) -> list[Running]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            folders = [Path(entry) for entry in os.scandir(self.running) if ATTEMPT.fullmatch(entry.name)]
            return [found for found in map(_running, folders) if found is not None]
        return []


def _document(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    ValueError: it is damaged, or nested deeper than anything that is written here. OSError: it cannot be read.
    """
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError(f"{path} is nested too deep") from None


def _private(folder: Path, prefix: str = ".") -> Path:
    """Return the name, beside a claim, of a folder that is this process's own while it makes or removes the claim."""
    return folder.with_name(f"{prefix}{folder.name}-{platform.node()}-{os.getpid()}")


def _remove(folder: Path) -> None:
    """Remove a claim: at once under its name, so that whoever is killed here leaves no claim of nobody."""
    gone = _private(folder, "..")
    shutil.rmtree(gone, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _running(folder: Path) -> Running | None:
    """Return what a folder in ``running`` tells; None when it ended while we looked."""
    try:
        beat = folder.stat().st_mtime
    except OSError:
        return None
    try:
        owner = _document(folder / "owner.json")
        host, pid, started = owner["host"], owner["pid"], owner["started"]
    except (LookupError, OSError, TypeError, ValueError):
        # Someone removes it, or damaged it: "another host" until it has been silent.
        return Running(folder, {}, "", 0, beat, beat)
    record: dict[str, Any] = {}
    report = last_report(folder)
    if report is not None:
        with contextlib.suppress(OSError, ValueError):
            record = _document(report / "record.json")
    stage = ""
    with contextlib.suppress(OSError):
        stage = (folder / "stage.txt").read_text(encoding="utf-8")
    return Running(folder, record, host, pid, started, beat, stage)


def last_report(folder: Path) -> Path | None:
    """Return the last complete report in a folder of ``running``."""
    return max(folder.glob("report-*"), default=None)
