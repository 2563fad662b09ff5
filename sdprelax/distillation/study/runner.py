"""Runs what is missing of a study, then writes its tables, pictures and report."""

from __future__ import annotations

import contextlib
import errno
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from sdprelax.base import Deadline, InputError, SdprelaxError, StorageError, nearest
from sdprelax.distillation._activations import ActivationStore, collect_activations
from sdprelax.distillation._comparison import compared
from sdprelax.distillation._onnx_teacher import OnnxTeacher
from sdprelax.distillation._torch_teacher import TorchTeacher, UnfitBatch
from sdprelax.distillation.distillers import Distilled, Task, distillers
from sdprelax.distillation.images import Images, images
from sdprelax.distillation.study.config import Study
from sdprelax.distillation.study.run_store import RunStore, plain
from sdprelax.distillation.study.runs import LEAST, Run, identified, plan, sampled, store_identity
from sdprelax.distillation.study.tables import runs_table, write_tables
from sdprelax.distillation.teachers import pytorch, teachers
from sdprelax.laboratory import provenance
from sdprelax.lasso import Stage, silent

__all__ = ["Prepared", "Quiet", "StudyResults", "Watch", "prepare", "run_study"]

# What ``retry`` can name: a status, or "failed" for an error.
RETRIED = ("failed", "error", "time limit")
# What is proved of a student.
BOUNDS = ("lower", "upper", "gap", "program_gap")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Watch(Protocol):
    """Is told how a study goes on."""

    def collecting(self, block: str, pictures: int) -> Callable[[int], None]:
        """Return what is told how many of so many pictures went through the teacher."""
        ...

    def running(self, number: int, count: int, run: Run) -> Stage:
        """Return what is told of the passes of run number ``number`` of ``count``."""
        ...

    def finished(self, number: int, count: int, record: dict[str, Any]) -> None:
        """Look at the record of a run that has ended."""
        ...


class Quiet:
    """Looks at nothing."""

    def collecting(self, block: str, pictures: int) -> Callable[[int], None]:
        """Return what ignores everything."""
        return lambda _: None

    def running(self, number: int, count: int, run: Run) -> Stage:
        """Return what ignores everything."""
        return silent

    def finished(self, number: int, count: int, record: dict[str, Any]) -> None:
        """Ignore a record."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A study whose teacher, images and blocks are there, and what is to be run of it.

    Attributes
    ----------
    store: the study's folder.
    watched: the teacher by its block.
    images: the pictures.
    identities: of the activations of every block.
    runs: all of them in order; ``missing`` those that are to be run.
    """

    study: Study
    store: RunStore
    watched: dict[str | None, TorchTeacher | OnnxTeacher]
    images: Images
    identities: dict[str | None, str]
    runs: list[Run]
    missing: list[Run]


@dataclass(frozen=True, eq=False)
class StudyResults:
    """What a study left: its folder, records and table (one row per run), pictures, and report."""

    folder: Path
    records: list[dict[str, Any]]
    table: pd.DataFrame
    pictures: list[Path]
    report: Path


def prepare(
    study: Study, results: Path, *, retry: Sequence[str] = (), force: bool = False, keep: bool = True
) -> Prepared:  # fmt: skip
    """Load teacher and images, and see that every block is there; return what is missing of the study.

    Parameters
    ----------
    results: folder in which the study's own folder lies; where anything is wrong, nothing is written to it.
    retry: statuses of runs that run once more; "failed" for "error".
    force: run everything once more.
    keep: whether weights that had to be trained are kept in the study's folder.

    Raises
    ------
    InputError: no such status or block, images that the teacher does not take, files that are not there.
    SolverUnavailable: a package that the teacher needs is not installed.
    """
    for status in retry:
        if status not in RETRIED:
            raise InputError(f"--retry {status}: no run ends like that: {nearest(status, RETRIED)}.")
    store = RunStore(results / study.name)
    source = teachers.create(study.teacher.name, study.teacher.options)
    pictures = images.create(study.images.name, study.images.options)
    with _named_by(study, "images"):
        loaded, seen = pictures.load(), identified(images, study.images.name, pictures.identity())
    if len(loaded.transfer) < LEAST:
        raise study.document.error(("images",), f"a student needs at least {LEAST} transfer pictures.")
    with tempfile.TemporaryDirectory(prefix="sdprelax-") as temporary:
        trained = store.teacher if store.teacher.is_dir() else Path(temporary) / "teacher"
        with _named_by(study, "teacher"):
            model = source.load(trained)
            identity = identified(teachers, study.teacher.name, source.identity())
        watched = {block: _watched(study, index, block, model, loaded) for index, block in enumerate(study.blocks)}
        if keep and trained != store.teacher and trained.is_dir():
            with store.writing():
                shutil.copytree(trained, store.teacher, dirs_exist_ok=True)
    runs = plan(study, identity, seen)
    again = {*retry, *(["error"] if "failed" in retry else [])}
    missing = [run for run in runs if force or _is_missing(store.record(run.hash), again, study.time_limit)]
    identities = {block: store_identity(study, identity, seen, block) for block in study.blocks}
    return Prepared(study, store, watched, loaded, identities, runs, missing)


@contextlib.contextmanager
def _named_by(study: Study, key: str) -> Iterator[None]:
    """Say of wrong input where in the file it was named."""
    try:
        yield
    except InputError as error:
        raise study.document.error((key,), str(error)) from None


def _watched(study: Study, index: int, block: str | None, model: Any, loaded: Images) -> TorchTeacher | OnnxTeacher:
    """Return the teacher with a block that one picture has been through."""
    where = ("block", index) if ("block", index) in study.document.places else ("block",)
    if isinstance(model, OnnxTeacher):
        if block is not None:
            message = "this teacher names its block itself, by 'entering' and 'leaving': leave 'block' out."
            raise study.document.error(where, message)
        watched: TorchTeacher | OnnxTeacher = model
    elif block is None:
        raise study.document.error(
            ("teacher",), f"the key 'block' is missing: name a module of teacher '{study.teacher.name}'."
        )
    else:
        try:
            watched = TorchTeacher(model, block)
        except InputError as error:
            raise study.document.error(where, str(error)) from None
    try:
        watched.capture(loaded.transfer[:1])
    except UnfitBatch as error:
        shape = loaded.transfer[:1].shape[1:]
        message = f"the teacher does not take pictures of shape {shape}: {error}"
        raise study.document.error(("images",), message) from None
    except InputError as error:
        raise study.document.error(where, str(error)) from None
    except Exception as error:
        shape = loaded.transfer[:1].shape[1:]
        said = str(error).split("\n")[0].rstrip(".")
        message = f"the teacher does not take pictures of shape {shape}: {type(error).__name__}: {said}."
        raise study.document.error(("images",), message) from None
    return watched


def _is_missing(record: dict[str, Any] | None, again: set[str], time_limit: float | None) -> bool:
    """Say whether a run never ended, ended with a status to run again, or at a limit that has since been widened."""
    if record is None or record["status"] in again:
        return True
    had = record["time_limit"]
    return record["status"] == "time limit" and had is not None and (time_limit is None or time_limit > had)


def run_study(prepared: Prepared, watch: Watch | None = None) -> StudyResults:
    """Run what is missing, one run after the other, and write table, pictures and report.

    Parameters
    ----------
    watch: told how it goes on.

    Raises
    ------
    InputError: the folder holds activations of another teacher or of other images, or another process is at it.
    StorageError: the disk is full, or the folder cannot be written to. What is finished is kept.
    """
    from sdprelax.distillation.study.pictures import write_pictures
    from sdprelax.distillation.study.report import write_report

    watch = watch or Quiet()
    store, missing = prepared.store, prepared.missing
    with store.alone(), _one_thread():
        activations: dict[str | None, ActivationStore] = {}
        for number, run in enumerate(missing, start=1):
            if run.block not in activations:
                activations[run.block] = _collected(prepared, run.block, watch)
            stage = watch.running(number, len(missing), run)
            record, distilled = _result(prepared, run, activations[run.block], stage)
            store.enter(record, distilled)
            shutil.rmtree(store.scratch(run.hash), ignore_errors=True)
            watch.finished(number, len(missing), record)
        with contextlib.suppress(OSError):
            (store.folder / "scratch").rmdir()
        found = [_as_planned(run, store.record(run.hash)) for run in prepared.runs]
        records = [record for record in found if record is not None]
        table = runs_table(records)
        with store.writing():
            write_tables(store.folder, table)
            pictures = write_pictures(store.folder, table, records)
            report = write_report(prepared.study, store.folder, table, records, pictures)
    return StudyResults(store.folder, records, table, pictures, report)


def _as_planned(run: Run, record: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a record under the names that this study has for what was run, which may have been run by another."""
    return None if record is None else {**record, "distiller": run.label, "repeat": run.repeat}


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread: sums over several depend on their number."""
    try:
        torch = pytorch()
    except SdprelaxError:
        yield  # the run itself says that it is not there
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _collected(prepared: Prepared, block: str | None, watch: Watch) -> ActivationStore:
    """Return a block's activations, collected unless they are there."""
    pictures, size, teacher = prepared.images.transfer, prepared.study.batch, prepared.watched[block]
    tell = watch.collecting(block or "the block", len(pictures))
    # A batch is told by its first picture, so that those that are there already are not decoded again.
    return collect_activations(
        lambda start: teacher.capture(pictures[start : start + size]), range(0, len(pictures), size),
        prepared.store.activations(block), identity=prepared.identities[block],
        progress=lambda done, _: tell(min(len(pictures), done * size)),
    )  # fmt: skip


def _result(
    prepared: Prepared, run: Run, activations: ActivationStore, stage: Stage
) -> tuple[dict[str, Any], Distilled | None]:  # fmt: skip
    """Fit and measure one student; an error is a record with its message.

    Raises
    ------
    StorageError: there is no room for checkpoints.
    """
    study, scratch = prepared.study, prepared.store.scratch(run.hash)
    with prepared.store.writing():
        scratch.mkdir(parents=True, exist_ok=True)
    samples = sampled(activations.samples, run.fraction, run.seed)
    loaded, deadline = prepared.images, Deadline.of(study.time_limit)
    task = Task(
        prepared.watched[run.block], activations, samples, loaded.transfer, loaded.transfer_labels, run.seed, scratch,
        stage, deadline,
    )  # fmt: skip
    record: dict[str, Any] = {
        "hash": run.hash, "block": run.block or "", "distiller": run.label, "name": run.distiller.name,
        "options": run.distiller.options, "fraction": run.fraction, "samples": len(samples), "repeat": run.repeat,
        "seed": run.seed, "status": "finished", "message": "", "time_limit": study.time_limit,
        "activations": prepared.identities[run.block], "origin": run.origin, "provenance": provenance(),
    }  # fmt: skip
    started, distilled = time.perf_counter(), None
    try:
        distilled = distillers.create(run.distiller.name, run.distiller.options).fit(task)
        record["seconds"] = time.perf_counter() - started
        record["status"] = "time limit" if deadline.expired else "finished"
        network = task.teacher.with_student(distilled.student)
        comparison = compared(task.teacher, distilled, network, loaded.test, loaded.test_labels, timed=run.timed)
        record |= (
            {name: getattr(distilled, name) for name in BOUNDS} | comparison.as_dict() | {"details": distilled.details}
        )
    except StorageError:
        raise
    except SdprelaxError as error:
        record |= {"status": "error", "message": str(error)}
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            with prepared.store.writing():
                raise
        message = f"{type(error).__name__}: {str(error).split(chr(10))[0]}"
        record |= {"status": "error", "message": message, "traceback": traceback.format_exc()}
    failed = record["status"] == "error"
    return plain(record), None if failed else distilled
