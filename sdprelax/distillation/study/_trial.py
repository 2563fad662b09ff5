"""One trial of distillation: a student is fitted to a block's activations, and measured in the block's place."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Deadline, InputError, Registry, SdprelaxError, optional, write_arrays
from sdprelax.distillation._activations import ActivationStore, collect_activations
from sdprelax.distillation._comparison import NetworkComparison, compared
from sdprelax.distillation._onnx_teacher import OnnxTeacher
from sdprelax.distillation._torch_teacher import TorchTeacher
from sdprelax.distillation.distillers import Distilled, Task, distillers
from sdprelax.distillation.images import Images, images
from sdprelax.distillation.teachers import teachers
from sdprelax.laboratory import Attempt, Entry, Found, Limits, Trial, label
from sdprelax.lasso import GROUP_PROOF_VERSION, Stage

__all__ = [
    "CANDIDATES", "LEAST", "METRIC", "DistillationTrial", "activations_folder", "collected", "identified", "one_thread",
    "sampled", "store_identity", "student_versions", "watched",
]  # fmt: skip

# Samples that a student is fitted to, at least.
LEAST = 2
# The file of the outputs' metric, where there is one.
METRIC = "metric.npz"
# The file of the certificate over all candidates that gates were chosen from, where there is one.
CANDIDATES = "certificate-candidates.npz"
# What is proved of a student.
BOUNDS = ("lower", "upper", "gap", "program_gap")


@dataclass(frozen=True)
class DistillationTrial(Trial):
    """One student that is fitted and measured; options are complete, with their defaults.

    Attributes
    ----------
    block: name of the block; None for a teacher that names it itself.
    distiller, options: what is fitted.
    fraction: share of the transfer pictures.
    seed: of the repeat's samples, and of everything else random in it.
    timed: whether latencies are measured. Not part of the hash, as limits are not.
    teacher, images: name, options and identity of network and pictures.
    batch: pictures at a time through the teacher.
    activations: the name that the block's activations have, and no others.
    """

    kind: ClassVar[str] = "distillation"
    block: str | None
    distiller: str
    options: dict[str, Any]
    fraction: float
    repeat: int
    seed: int
    timed: bool
    teacher: dict[str, Any]
    images: dict[str, Any]
    batch: int
    activations: str
    limits: Limits = field(default_factory=Limits)
    versions: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as JSON can hold it."""
        fields = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        written: dict[str, Any] = json.loads(json.dumps(fields | {"limits": vars(self.limits)}, default=str))
        return written

    @cached_property
    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 of everything that determines the result."""
        identities = self.teacher["identity"], self.images["identity"]
        return _digest([
            self.versions, *identities, self.block, self.distiller, self.options, self.fraction, self.seed,
        ])  # fmt: skip

    @cached_property
    def method_label(self) -> str:
        """The distiller with the options that differ from their defaults."""
        return label(self.distiller, self.options, distillers)

    @property
    def problem_label(self) -> str:
        """Block and fraction, in words."""
        return f"{self.block or ''} fraction={self.fraction:g}".lstrip()

    @property
    def unknown(self) -> tuple[str, ...]:
        """What of the trial is not registered in this process: a user's own file defines it, which was not executed."""
        named = ((teachers, self.teacher["name"]), (images, self.images["name"]), (distillers, self.distiller))
        return tuple(f"{registry.kind} '{name}'" for registry, name in named if name not in registry)

    def versions_here(self) -> dict[str, str]:
        """Return the versions of distiller and proof in this process."""
        return student_versions(self.distiller, self.options)

    def make_ready(self) -> None:
        """Import PyTorch, which takes seconds."""
        optional("torch")

    def grace(self, limit: float) -> float:
        """Return as many seconds again, two minutes at least: what was fitted within the limit is then measured."""
        return max(120.0, limit)

    def blank(self) -> dict[str, Any]:
        """Return the entries of a record of which nothing was fitted."""
        figures = dict.fromkeys(item.name for item in dataclasses.fields(NetworkComparison))
        return {
            "block": self.block or "", "distiller": self.method_label, "fraction": self.fraction, "samples": None,
            "repeat": self.repeat, "seed": self.seed, **dict.fromkeys(BOUNDS), **figures,
            "layer_errors": {}, "latency": {}, "details": {},
        }  # fmt: skip

    def run(self, attempt: Attempt) -> Found:
        """Return the student with its proofs, and how the network does with it in the block's place."""
        with one_thread():
            model, loaded = self._sources(attempt.shared)
            teacher = watched(model, self.block)
            teacher.examine(loaded.transfer[:3])
            activations = collected(self, teacher, loaded, attempt.shared, attempt.stage)
            samples = sampled(activations.samples, self.fraction, self.seed)
            attempt.known(Found({"samples": len(samples)}))
            attempt.checkpoints.mkdir(parents=True, exist_ok=True)
            deadline, started = Deadline.of(self.limits.time), time.perf_counter()
            task = Task(
                teacher, activations, samples, loaded.transfer, loaded.transfer_labels, self.seed, attempt.checkpoints,
                attempt.stage, deadline,
            )  # fmt: skip
            distilled = distillers.create(self.distiller, self.options).fit(task)
            seconds = time.perf_counter() - started
            status = "time limit" if deadline.expired else "finished"
            network = teacher.with_student(distilled.student)
            figures = compared(teacher, distilled, network, loaded.test, loaded.test_labels, timed=self.timed)
        fields = {
            "samples": len(samples), "seconds": seconds, **{name: getattr(distilled, name) for name in BOUNDS},
            **figures.as_dict(), "details": distilled.details,
        }  # fmt: skip
        return Found(fields, status, lambda folder: _save(distilled, folder))

    def _sources(self, shared: Path) -> tuple[Any, Images]:
        """Return the teacher's network and the pictures.

        Raises
        ------
        InputError: they are not those that the trial was planned with.
        """
        for registry, planned in ((teachers, self.teacher), (images, self.images)):
            if identified(registry, Entry(planned["name"], planned["options"])) != planned["identity"]:
                raise InputError(f"{registry.kind} '{planned['name']}' has changed since the trial was planned.")
        return _network(str(shared / "teacher"), **_key(self.teacher)), _pictures(**_key(self.images))

    def examine(
        self, folder: Path, record: dict[str, Any], shared: Path, deadline: Deadline
    ) -> tuple[int, list[str], list[str]]:
        """Prove the bounds of program and student again, from the activations as they are stored."""
        from sdprelax.distillation.study._proofs import examine_student

        return examine_student(self, folder, record, shared, deadline)


def _save(distilled: Distilled, folder: Path) -> None:
    if hasattr(distilled.student, "save"):
        distilled.student.save(folder / "student.npz")
    if distilled.program is not None:
        distilled.program.save(folder / "certificate.npz")
    if distilled.candidates is not None:
        distilled.candidates.save(folder / CANDIDATES)
    if distilled.root is not None:
        write_arrays(folder / METRIC, {"root": distilled.root})
    if distilled.fitted is not None:
        distilled.fitted.save(folder / "certificate-student.npz")


def _key(source: dict[str, Any]) -> dict[str, str]:
    return {"name": source["name"], "options": json.dumps(source["options"]), "identity": source["identity"]}


@functools.lru_cache(maxsize=1)
def _network(folder: str, name: str, options: str, identity: str) -> Any:
    return teachers.create(name, json.loads(options)).load(Path(folder))


@functools.lru_cache(maxsize=1)
def _pictures(name: str, options: str, identity: str) -> Images:
    return images.create(name, json.loads(options)).load()


def watched(model: Any, block: str | None) -> TorchTeacher | OnnxTeacher:
    """Return a network with the block that is watched; a model that names its block itself has it already."""
    return model if isinstance(model, OnnxTeacher) else TorchTeacher(model, block or "")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread: sums over several depend on their number."""
    try:
        torch = optional("torch")
    except SdprelaxError:
        yield  # the trial itself says that it is not there
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def activations_folder(shared: Path, block: str | None) -> Path:
    """Return the folder of a block's activations."""
    return shared / "activations" / (urllib.parse.quote(block, safe="") if block else "block")


def collected(
    trial: DistillationTrial, teacher: TorchTeacher | OnnxTeacher, loaded: Images, shared: Path, stage: Stage
) -> ActivationStore:
    """Return the activations of a trial's block, collected unless they are there.

    Raises
    ------
    InputError: the folder holds those of another teacher or of other pictures.
    """
    pictures, size = loaded.transfer, trial.batch
    starts, advance = (
        range(0, len(pictures), size),
        stage(f"activations of {trial.block or 'the block'}", len(pictures)),
    )
    # A batch is told by its first picture, so that those that are there already are not decoded again.
    return collect_activations(
        lambda start: teacher.capture(pictures[start : start + size]), starts, activations_folder(shared, trial.block),
        identity=trial.activations,
        progress=lambda done, _: advance(min(size, len(pictures) - (done - 1) * size)),
    )  # fmt: skip


def identified(registry: Registry[Any], entry: Entry) -> str:
    """Return what determines a teacher's network or pictures: their ``identity()``, and their version from 2 on."""
    identity, version = registry.create(entry.name, entry.options).identity(), registry.version(entry.name)
    return str(identity) if version == "1" else f"{identity}, version {version}"


def student_versions(distiller: str, options: dict[str, Any]) -> dict[str, str]:
    """Return the versions of a distiller, of all that it uses, and of the proof of what it proves."""
    chosen = distillers.create(distiller, options)
    proof = {"proof": str(GROUP_PROOF_VERSION)} if getattr(chosen, "proves", True) else {}
    return distillers.versions(distiller, chosen) | proof


def sampled(count: int, fraction: float, seed: int) -> NDArray[np.int64]:
    """Return the ascending numbers of a share of so many samples; with one seed, smaller shares lie in larger ones."""
    chosen = min(count, max(LEAST, round(fraction * count)))
    return np.sort(np.random.default_rng(seed).permutation(count)[:chosen])


def store_identity(teacher: str, pictures: str, network: str, seen: str, block: str | None, batch: int) -> str:
    """Return a name of a block's activations, which no others have.

    Parameters
    ----------
    teacher, pictures: names of their kinds.
    network, seen: what determines them, as :func:`identified` says.
    """
    whose = f"{teacher} {block}" if block else teacher
    return f"{whose} on {pictures}, {batch} at a time ({_digest([network, seen, block, batch])})"


def _digest(facts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]
