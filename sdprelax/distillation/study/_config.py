"""A study of distillation as its user writes it, and what its trials share: teacher, pictures, activations."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pydantic

from sdprelax.base import InputError, write_whole
from sdprelax.distillation._comparison import require_comparable
from sdprelax.distillation._onnx_teacher import OnnxTeacher
from sdprelax.distillation._torch_teacher import TorchTeacher, UnfitBatch
from sdprelax.distillation.distillers import distillers
from sdprelax.distillation.images import Images, images
from sdprelax.distillation.study._trial import (
    LEAST,
    DistillationTrial,
    collected,
    identified,
    one_thread,
    store_identity,
    student_versions,
    watched,
)
from sdprelax.distillation.teachers import teachers
from sdprelax.laboratory import Document, Entry, Settings, Store, Sweep, Trial, Written, checked, common, expanded, only
from sdprelax.lasso import Stage

__all__ = ["SETTINGS", "Study", "read_study"]


@dataclass(frozen=True)
class Study(Sweep):
    """A validated study: every combination of block, distiller, fraction and repeat is a trial.

    Attributes
    ----------
    teacher, pictures: what is imitated, and on which pictures.
    blocks: names of the teacher's modules; one None for a teacher that names its block itself.
    distillers: grids already expanded, in the order of the file.
    fractions: shares of the transfer pictures, ascending.
    batch: pictures at a time through the teacher.
    """

    kind: ClassVar[str] = "distillation"
    teacher: Entry
    pictures: Entry
    blocks: tuple[str | None, ...]
    distillers: tuple[Entry, ...]
    fractions: tuple[float, ...]
    batch: int

    def plan(self) -> list[DistillationTrial]:
        """Return the distinct trials in the order of the file; a distiller that uses no data has one per block."""
        trials: dict[str, DistillationTrial] = {}
        with self._named_by("teacher"):
            teacher = identified(teachers, self.teacher)
        with self._named_by("images"):
            seen = identified(images, self.pictures)
        for block in self.blocks:
            activations = store_identity(self.teacher.name, self.pictures.name, teacher, seen, block, self.batch)
            for entry in self.distillers:
                everything = getattr(distillers[entry.name], "uses_data", True)
                fractions, repeats = (self.fractions, self.repeat) if everything else ((1.0,), 1)
                options = distillers.identified(distillers.create(entry.name, entry.options))
                for fraction in fractions:
                    for repeat in range(repeats):
                        seed = int(np.random.SeedSequence([self.seed, repeat]).generate_state(1)[0])
                        trial = DistillationTrial(
                            block, entry.name, options, fraction, repeat, seed,
                            timed=repeat == 0 and fraction == fractions[-1],
                            teacher={"name": self.teacher.name, "options": self.teacher.options, "identity": teacher},
                            images={"name": self.pictures.name, "options": self.pictures.options, "identity": seen},
                            batch=self.batch, activations=activations, limits=self.limits,
                            versions=student_versions(entry.name, options),
                        )  # fmt: skip
                        trials.setdefault(trial.hash, trial)
        return list(trials.values())

    def check(self, trials: Sequence[Trial], store: Store) -> Callable[[Stage], None]:
        """Load teacher and pictures, and see that every block is there; return what keeps weights and activations."""
        wanted = {trial.block: trial for trial in trials if isinstance(trial, DistillationTrial)}
        if not wanted:
            return lambda stage: None
        with self._named_by("images"):
            loaded = images.create(self.pictures.name, self.pictures.options).load()
        if len(loaded.transfer) < LEAST:
            raise self.document.error(("images",), f"a student needs at least {LEAST} transfer pictures.")
        kept: dict[str, bytes] = {}
        folder = store.shared / "teacher"
        with one_thread(), tempfile.TemporaryDirectory(prefix="sdprelax-") as temporary, self._named_by("teacher"):
            trained = folder if folder.is_dir() else Path(temporary) / "teacher"
            model = teachers.create(self.teacher.name, self.teacher.options).load(trained)
            if trained != folder and trained.is_dir():
                kept = {path.name: path.read_bytes() for path in trained.iterdir()}
        found = {block: self._watched(index, block, model, loaded) for index, block in enumerate(self.blocks)}
        with self._named_by("images"):
            require_comparable(next(iter(found.values())), loaded.test, loaded.test_labels)

        def prepare(stage: Stage) -> None:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in kept.items():
                write_whole(folder / name, content)
            with one_thread():
                for block, trial in wanted.items():
                    collected(trial, found[block], loaded, store.shared, stage)

        return prepare

    @contextlib.contextmanager
    def _named_by(self, key: str) -> Iterator[None]:
        """Say of wrong input where in the file it was named."""
        try:
            yield
        except InputError as error:
            raise self.document.error((key,), str(error)) from None

    def _watched(self, index: int, block: str | None, model: Any, loaded: Images) -> TorchTeacher | OnnxTeacher:
        """Return the teacher with a block that a student can stand in for."""
        where = ("block", index) if ("block", index) in self.document.places else ("block",)
        if isinstance(model, OnnxTeacher) and block is not None:
            message = "this teacher names its block itself, by 'entering' and 'leaving': leave 'block' out."
            raise self.document.error(where, message)
        if block is None and not isinstance(model, OnnxTeacher):
            raise self.document.error(
                ("teacher",), f"the key 'block' is missing: name a module of teacher '{self.teacher.name}'."
            )
        shape = loaded.transfer[:1].shape[1:]
        refused = f"the teacher does not take pictures of shape {shape}:"
        try:
            found = watched(model, block)
            found.examine(loaded.transfer[:3])
        except UnfitBatch as error:
            raise self.document.error(("images",), f"{refused} {error}") from None
        except InputError as error:
            raise self.document.error(where, str(error)) from None
        except Exception as error:
            said = str(error).split("\n")[0].rstrip(".")
            raise self.document.error(("images",), f"{refused} {type(error).__name__}: {said}.") from None
        return found


class _Written(Written):
    teacher: Any = pydantic.Field(description="trained network, with its options")
    images: Any = pydantic.Field(description="pictures to fit and to measure on, with their options")
    block: str | list[str] | None = pydantic.Field(None, description="modules of the network to replace, one at a time")
    distillers: Any = pydantic.Field(description="what takes a block's place, each with its options")
    fraction: float | list[float] = pydantic.Field(1.0, description="share of the transfer pictures to fit on")
    batch: int = pydantic.Field(64, ge=1, description="pictures at a time through the network")
    # Latencies are measured, and activations may be large.
    engine: Any = pydantic.Field({"processes": {"workers": 1}}, description="where trials run")


SETTINGS = Settings(
    "a distillation", _Written,
    (("teacher", teachers, False), ("images", images, False), ("distillers", distillers, True)),
    "fraction=0.1, limits.time=60 or distillers.gated_relu.gates=8",
)  # fmt: skip


def read_study(path: Path, document: Document) -> Study:
    """Return a validated study.

    Raises
    ------
    InputError: anything wrong, in one sentence with file and line.
    """
    written = checked(document, _Written)
    for key in ("block", "distillers", "fraction"):
        if getattr(written, key) == []:
            raise document.error((key,), f"'{key}' is empty; it needs at least one entry.")
    fields = common(document, path, written)
    teacher = only(document, "teacher", teachers, written.teacher, "one teacher is imitated; its options have no grid.")
    pictures = only(document, "images", images, written.images, "one set of images is used; its options have no grid.")
    fractions = written.fraction if isinstance(written.fraction, list) else [written.fraction]
    for value in fractions:
        if not 0.0 < value <= 1.0:
            raise document.error(("fraction",), f"fraction is {value}; it must be above 0 and at most 1.")
    blocks = [teachers[teacher.name].block] if written.block is None else written.block
    names = blocks if isinstance(blocks, list) else [blocks]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise document.error(("block", index), f"the block '{name}' is here a second time.")
    chosen = tuple(expanded(document, "distillers", distillers, written.distillers))
    return Study(
        **fields, teacher=teacher, pictures=pictures, blocks=tuple(names), distillers=chosen,
        fractions=tuple(sorted(set(fractions))), batch=written.batch,
    )  # fmt: skip
