"""Activations that enter and leave a block, on disk: they outgrow memory.

    <folder>/entering.float32       the samples as they enter the block, one after the other
    <folder>/leaving.float32        the samples as they leave it
    <folder>/store.json             shapes, statistics, and how many batches of them count

A batch counts once ``store.json`` says so, which is written after the batch has been synced to the disk. What the files
hold beyond that is the rest of an interrupted process, and the next one writes over it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import operator
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdprelax.base import InputError, StorageError, write_whole
from sdprelax.distillation._layout import Layout, View
from sdprelax.lasso import RowBlock

__all__ = ["ActivationRows", "ActivationStore", "Side", "collect_activations"]

Activations = NDArray[np.float32]
FILES = {"enter": "entering.float32", "leave": "leaving.float32"}


@dataclass(frozen=True)
class Side:
    """What is known of the samples that enter, or of those that leave.

    Parameters
    ----------
    shape: of one sample.
    squares: sum of the squares of all their numbers.
    """

    shape: tuple[int, ...]
    squares: float = 0.0

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample on the disk."""
        return 4 * math.prod(self.shape)

    def mean_square(self, samples: int) -> float:
        """Return the mean square of the numbers of so many samples."""
        return self.squares / (samples * math.prod(self.shape))

    def with_batch(self, batch: Activations) -> Side:
        """Return what is known with another batch, shape (B, *shape)."""
        return Side(self.shape, self.squares + float(np.sum(np.square(batch, dtype=np.float64))))


@dataclass(frozen=True)
class _Record:
    """What ``store.json`` says: whose activations these are, and how many batches and samples of them count."""

    identity: str
    sides: dict[str, Side]
    batches: int = 0
    samples: int = 0
    finished: bool = False

    @property
    def file_sizes(self) -> dict[str, int]:
        return {side: self.samples * known.sample_bytes for side, known in self.sides.items()}

    def with_batch(self, batch: dict[str, Activations]) -> _Record:
        sides = {side: self.sides.get(side, Side(part.shape[1:])).with_batch(part) for side, part in batch.items()}
        return replace(self, sides=sides, batches=self.batches + 1, samples=self.samples + len(batch["enter"]))

    def write(self, folder: Path) -> None:
        write_whole(folder / "store.json", json.dumps(asdict(self), indent=1).encode())


def _read_record(folder: Path) -> _Record | None:
    """Return the record of a folder, or None if nothing was begun there.

    Raises
    ------
    InputError: the record or a file that it counts on is damaged.
    """
    path = folder / "store.json"
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_bytes())
        told = content["sides"]
        sides = {side: Side(tuple(told[side]["shape"]), told[side]["squares"]) for side in FILES}
        record = _Record(**{**content, "sides": sides})
        if any((folder / FILES[side]).stat().st_size < size for side, size in record.file_sizes.items()):
            raise ValueError
    except (KeyError, OSError, TypeError, ValueError):
        raise InputError(f"{folder} is damaged: remove it to collect_activations its activations anew.") from None
    return record


@dataclass(frozen=True)
class ActivationStore:
    """Activations that enter and leave a block, read from disk as they are needed.

    Parameters
    ----------
    folder: where they lie.
    samples: N.
    enter, leave: what is known of either side.
    """

    folder: Path
    samples: int
    enter: Side
    leave: Side

    @property
    def entering(self) -> Activations:
        """Z, shape (N, *enter.shape): mapped from the disk, not to be written to."""
        return self._mapped("enter", self.enter.shape)

    @property
    def leaving(self) -> Activations:
        """F, shape (N, *leave.shape): mapped from the disk, not to be written to."""
        return self._mapped("leave", self.leave.shape)

    def _mapped(self, side: str, shape: tuple[int, ...]) -> Activations:
        return np.memmap(self.folder / FILES[side], np.float32, "r", shape=(self.samples, *shape))

    def layout(self, view: View = "auto", kernel: int = 3, bias: bool = True) -> Layout:
        """Return how the samples become rows: see :meth:`Layout.of`."""
        return Layout.of(self.enter.shape, self.leave.shape, view, kernel, bias)

    def rows(
        self, layout: Layout | None = None, subset: ArrayLike | None = None, block_rows: int = 4096
    ) -> ActivationRows:
        """Return the activations as rows of inputs and targets, block by block.

        Parameters
        ----------
        layout: of the store's shapes; None for :meth:`layout` with its defaults.
        subset: ascending numbers of the samples to read; None for all of them.
        block_rows: most rows in a block, which however holds whole samples and at least one.

        Raises
        ------
        InputError: a layout of other shapes, a subset that is empty, not ascending or out of range, or a block size
            below 1.
        """
        return ActivationRows(self, layout or self.layout(), subset, block_rows)


class ActivationRows:
    """Rows of a store's samples: see :meth:`ActivationStore.rows`."""

    def __init__(self, store: ActivationStore, layout: Layout, subset: ArrayLike | None, block_rows: int) -> None:
        if (layout.input_shape, layout.output_shape) != (store.enter.shape, store.leave.shape):
            raise InputError(
                f"the layout is of samples from {layout.input_shape} to {layout.output_shape}, and the store's go from "
                f"{store.enter.shape} to {store.leave.shape}."
            )
        if block_rows < 1:
            raise InputError(f"block_rows = {block_rows} must be at least 1.")
        self._told = store, layout, subset, block_rows
        self._layout = layout
        self._samples = _samples(subset, store.samples)
        self._entering, self._leaving = store.entering, store.leaving
        self._size = max(1, block_rows // layout.positions)

    def __reduce__(self) -> tuple[Any, ...]:
        return ActivationRows, self._told  # mapped files are mapped anew, not sent

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, d, c): rows, inputs and outputs of a row."""
        return len(self._samples) * self._layout.positions, self._layout.width, self._layout.outputs

    @property
    def block_count(self) -> int:
        """How many blocks there are."""
        return -(-len(self._samples) // self._size)

    def blocks(self, first: int = 0) -> Iterator[RowBlock]:
        """Return the blocks from number ``first`` on; a key is the checksum of its whole sample, both sides."""
        for start in range(first * self._size, len(self._samples), self._size):
            chosen = self._samples[start : start + self._size]
            z, f = self._entering[chosen], self._leaving[chosen]
            keys = [
                zlib.crc32(after.tobytes(), zlib.crc32(before.tobytes())) for before, after in zip(z, f, strict=True)
            ]
            repeated = np.repeat(np.array(keys, dtype=np.uint32), self._layout.positions)
            yield RowBlock(self._layout.inputs(z), self._layout.targets(f), repeated)


def _samples(subset: ArrayLike | None, count: int) -> NDArray[np.int64]:
    """Return the chosen numbers of ``count`` samples, ascending; all of them for None."""
    if subset is None:
        return np.arange(count)
    given = np.asarray(subset)
    if given.ndim != 1 or not len(given) or not np.issubdtype(given.dtype, np.integer):
        raise InputError("subset must be a list of at least one sample's number.")
    if np.any(np.diff(given) <= 0) or given[0] < 0 or given[-1] >= count:
        raise InputError(f"subset must be ascending numbers, each once, from 0 to {count - 1}.")
    return given.astype(np.int64)


def collect_activations(
    capture: Callable[[Any], tuple[NDArray[Any], NDArray[Any]]],
    batches: Iterable[Any],
    folder: str | Path,
    *,
    identity: str,
    progress: Callable[[int, int | None], None] | None = None,
) -> ActivationStore:
    """Write the activations of all batches to a folder, or go on where an earlier call was interrupted.

    A finished store of the same identity is returned as it is, without a call of ``capture``. Processes that collect
    into one folder wait for each other.

    Parameters
    ----------
    capture: a teacher's ``capture``: a batch's activations as they enter and leave the block, shapes (B, ...).
    batches: of inputs: arrays, tensors, or tuples and lists that begin with one (labels are not looked at). It must
        give the same batches in the same order whenever it is gone through, because an interrupted collection goes on
        by passing over as many batches as it has: a data loader must not shuffle or augment at random.
    folder: made if it is not there.
    identity: names teacher, block and data, so that activations are not taken for those of others.
    progress: called after every batch with the batches done, and with the number of all if it is known.

    Raises
    ------
    InputError: no batches; activations that are not finite or change their shape from batch to batch; a folder with
        activations of another identity, or a damaged one.
    StorageError: the disk is too small, or the folder cannot be written to. Batches that count are kept.
    """
    folder = Path(folder)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
    with lock:
        with contextlib.suppress(OSError):  # file systems without locks must do without
            fcntl.flock(lock, fcntl.LOCK_EX)
        record = _read_record(folder) or _Record(identity, {})
        if record.identity != identity:
            raise InputError(
                f"{folder} holds activations of '{record.identity}', and these are of '{identity}': name another "
                "folder, or remove this one."
            )
        if not record.finished:
            record = _go_on(record, capture, batches, folder, progress)
    return ActivationStore(folder, record.samples, record.sides["enter"], record.sides["leave"])


def _go_on(
    record: _Record,
    capture: Callable[[Any], tuple[NDArray[Any], NDArray[Any]]],
    batches: Iterable[Any],
    folder: Path,
    progress: Callable[[int, int | None], None] | None,
) -> _Record:
    """Write the batches that the record does not have, and return the record of all of them."""
    length, begun, number = operator.length_hint(batches, -1), record.batches, -1
    total = None if length < 0 else length
    for number, batch in enumerate(batches):
        if number < begun:
            continue
        captured = _checked(capture(batch[0] if isinstance(batch, (tuple, list)) else batch), number)
        _require_shapes(captured, record, number)
        if number == begun and total is not None:
            _require_space(folder, (total - begun) * sum(side.nbytes for side in captured.values()))
        record = _append(folder, record, captured)
        if progress is not None:
            progress(record.batches, total)
    if not record.batches:
        raise InputError("there are no batches: activations need at least one.")
    if number + 1 < record.batches:
        raise InputError(
            f"there are {number + 1} batches, and {folder} already has {record.batches} of them: give all the batches "
            "again, in the same order."
        )
    record = replace(record, finished=True)
    with _writing(folder):
        record.write(folder)
    return record


def _checked(captured: tuple[NDArray[Any], NDArray[Any]], number: int) -> dict[str, Activations]:
    """Return both sides of a batch in single precision; refuse sides that differ in length or are not finite."""
    with np.errstate(over="ignore"):
        z, f = (np.asarray(side, dtype=np.float32, order="C") for side in captured)
    if z.ndim == 0 or f.ndim == 0 or len(z) != len(f) or not len(z):
        raise InputError(
            f"batch {number} has activations of shape {z.shape} that enter and {f.shape} that leave: expected the same "
            "number of samples, at least one."
        )
    for side, values in (("enter", z), ("leave", f)):
        finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if not finite.all():
            raise InputError(
                f"activations that {side} in batch {number} are not finite (sample {int(np.argmin(finite))}): every "
                "one must be a number that single precision holds."
            )
    return {"enter": z, "leave": f}


def _require_shapes(captured: dict[str, Activations], record: _Record, number: int) -> None:
    for side, known in record.sides.items():
        shape = captured[side].shape[1:]
        if shape != known.shape:
            raise InputError(
                f"samples that {side} in batch {number} have shape {shape}, and those before it {known.shape}: all "
                "must have one shape."
            )


def _append(folder: Path, record: _Record, captured: dict[str, Activations]) -> _Record:
    """Write a batch, then the record that counts it; where the disk fails, cut the files back to the former record."""
    with _writing(folder), contextlib.ExitStack() as stack:
        files = {side: stack.enter_context((folder / FILES[side]).open("ab", buffering=0)) for side in FILES}
        for side, file in files.items():
            file.truncate(record.file_sizes.get(side, 0))
        try:
            for side, file in files.items():
                _write(file, captured[side])
            after = record.with_batch(captured)
            after.write(folder)
        except OSError:
            for side, file in files.items():
                file.truncate(record.file_sizes.get(side, 0))
            raise
    return after


def _write(file: FileIO, batch: Activations) -> None:
    """Write a batch and sync it to the disk; one call of ``write`` may take a part of it only."""
    left = batch.data.cast("B")
    while left:
        left = left[file.write(left) :]
    os.fsync(file.fileno())


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the operating system into a StorageError of one sentence."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"activations cannot be written to {folder}: {error.strerror or error}; what is complete is kept, and the "
            "same call goes on from there."
        ) from None


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"the activations need {needed / 1e9:.3g} GB more, and the disk of {folder} has {free / 1e9:.3g} GB left: "
            "name a folder on a larger one, or take fewer samples."
        )
