"""Activations on disk: what is written is what is read, whatever happens on the way."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from sdprelax.base import InputError, StorageError
from sdprelax.distillation._activations import ActivationStore, collect_activations
from sdprelax.distillation._layout import Layout

RNG = np.random.default_rng(0)
BATCHES = [RNG.standard_normal((count, 2, 4, 4)).astype(np.float32) for count in (5, 5, 3)]


def capture(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return batch, batch[:, :1, ::2, ::2] ** 2


def collected(
    folder: Path, batches: Any = BATCHES, capture: Any = capture, identity: str = "a block"
) -> ActivationStore:
    return collect_activations(capture, batches, folder, identity=identity)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


class StopAt:
    """A capture that ends its process, or raises, at one of the batches."""

    def __init__(self, number: int, kill: bool = False) -> None:
        self.left, self.kill = number, kill

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.left == 0:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt
        self.left -= 1
        return capture(batch)


def test_the_rows_are_those_of_all_samples_in_memory(tmp_path: Path) -> None:
    store = collected(tmp_path)
    z, f = capture(np.concatenate(BATCHES))
    np.testing.assert_array_equal(store.entering, z)
    np.testing.assert_array_equal(store.leaving, f)
    rows = store.rows(block_rows=10)  # two samples of four positions each
    blocks = list(rows.blocks())
    assert rows.shape == (13 * 4, 2 * 9 + 1, 1) and rows.block_count == len(blocks) == 7
    assert max(len(block.keys) for block in blocks) == 8
    layout = Layout.of((2, 4, 4), (1, 2, 2), "patches", kernel=3)
    np.testing.assert_array_equal(np.concatenate([block.inputs for block in blocks]), layout.inputs(z))
    np.testing.assert_array_equal(np.concatenate([block.targets for block in blocks]), layout.targets(f))
    for later, block in zip(rows.blocks(4), blocks[4:], strict=True):
        np.testing.assert_array_equal(later.inputs, block.inputs)
    assert store.enter.mean_square(13) == pytest.approx(np.mean(z.astype(float) ** 2), rel=1e-14)


def test_a_block_has_at_least_one_whole_sample(tmp_path: Path) -> None:
    rows = collected(tmp_path).rows(block_rows=1)
    assert rows.block_count == 13 and all(len(block.keys) == 4 for block in rows.blocks())


def test_the_same_samples_are_read_under_another_layout(tmp_path: Path) -> None:
    store = collected(tmp_path)
    layout = Layout.of((2, 4, 4), (1, 2, 2), "pooled")
    (block,) = store.rows(layout).blocks()
    np.testing.assert_array_equal(block.inputs, layout.inputs(np.concatenate(BATCHES)))
    with pytest.raises(InputError, match=r"the store's go from \(2, 4, 4\)"):
        store.rows(Layout.of((4, 4), (4, 4)))
    odd = collected(tmp_path / "odd", capture=lambda z: (z, z[:, :, 1:, 1:]))
    with pytest.raises(InputError, match="choose another kernel"):
        odd.rows()


def test_a_key_is_the_samples_wherever_it_stands(tmp_path: Path) -> None:
    store, turned = collected(tmp_path / "one"), collected(tmp_path / "other", [batch[::-1] for batch in BATCHES[::-1]])
    keys, others = (np.concatenate([b.keys for b in s.rows(block_rows=12).blocks()]) for s in (store, turned))
    assert len(set(keys)) == 13 and keys.dtype == np.uint32
    np.testing.assert_array_equal(keys, np.repeat(keys[::4], 4))
    np.testing.assert_array_equal(keys[::-1], others)
    (chosen,) = store.rows(subset=[1, 5, 12]).blocks()
    np.testing.assert_array_equal(chosen.keys[::4], keys[::4][[1, 5, 12]])


@pytest.mark.parametrize("subset", [[], [3, 2], [1, 1], [-1], [13], [0.5], [[1]]])
def test_what_is_no_subset_is_refused(tmp_path: Path, subset: Any) -> None:
    store = collected(tmp_path)
    with pytest.raises(InputError, match="subset must be"):
        store.rows(subset=subset)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_interrupted_collection_ends_like_one_that_was_not(tmp_path: Path, number: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    collected(whole)
    with pytest.raises(KeyboardInterrupt):
        collected(broken, capture=StopAt(number))
    # An unknown number of batches, with labels, of which only those that are missing are captured.
    collected(broken, ((batch, "label") for batch in BATCHES), StopAt(3 - number))
    assert contents(broken) == contents(whole)


@pytest.mark.parametrize("number", [0, 2])
def test_a_killed_collection_ends_like_one_that_was_not(tmp_path: Path, number: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    collected(whole)
    process = multiprocessing.get_context("fork").Process(
        target=collected, args=(broken, BATCHES, StopAt(number, kill=True))
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with (broken / "entering.float32").open("ab") as file:
        file.write(b"half a batch")
    collected(broken)
    assert contents(broken) == contents(whole)


def test_a_finished_store_is_reused_and_never_for_another_block(tmp_path: Path) -> None:
    first = collected(tmp_path)
    again = collected(tmp_path, [], StopAt(0))
    assert again == first
    with pytest.raises(InputError, match=r"holds activations of 'a block', and these are of 'b': name another folder"):
        collected(tmp_path, identity="b")


def test_progress_tells_how_many_batches_are_done(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    collect_activations(capture, BATCHES, tmp_path, identity="", progress=lambda *now: told.append(now))
    assert told == [(1, 3), (2, 3), (3, 3)]


def spoilt(side: int, value: float) -> Any:
    def spoil(batch: np.ndarray) -> tuple[np.ndarray, ...]:
        parts = tuple(part.astype(np.float64) for part in capture(batch))
        if len(batch) == 3:
            parts[side][1, 0, 1, 1] = value
        return parts

    return spoil


@pytest.mark.parametrize(
    ("batches", "capture", "said"),
    [
        ([], capture, "there are no batches"),
        (BATCHES, spoilt(0, np.nan), r"enter in batch 2 are not finite \(sample 1\)"),
        (BATCHES, spoilt(1, -np.inf), r"leave in batch 2 are not finite \(sample 1\)"),
        (BATCHES, spoilt(1, 1e300), "single precision"),
        ([BATCHES[0], BATCHES[0][:, :1]], capture, r"enter in batch 1 have shape \(1, 4, 4\), and those before it"),
        (BATCHES, lambda z: (z, z[1:]), "expected the same number of samples"),
        ([BATCHES[0][:0]], capture, "at least one"),
    ],
)
def test_activations_that_make_no_store_are_refused(tmp_path: Path, batches: Any, capture: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        collected(tmp_path, batches, capture)


def test_fewer_batches_than_before_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        collected(tmp_path, capture=StopAt(2))
    with pytest.raises(InputError, match=r"there are 1 batches, and .* already has 2"):
        collected(tmp_path, BATCHES[:1])


@pytest.mark.parametrize("damage", ["json", "short", "missing"])
def test_a_damaged_store_is_refused(tmp_path: Path, damage: str) -> None:
    collected(tmp_path)
    if damage == "json":
        (tmp_path / "store.json").write_text("{}")
    elif damage == "short":
        os.truncate(tmp_path / "leaving.float32", 100)
    else:
        (tmp_path / "entering.float32").unlink()
    with pytest.raises(InputError, match="is damaged: remove it"):
        collected(tmp_path)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 3 * sum(part.nbytes for part in capture(BATCHES[0]))
    for free, enough in ((needed - 1, False), (needed, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: Usage(10**9, 0, free))
        if enough:
            collected(tmp_path)
        else:
            with pytest.raises(StorageError, match="name a folder on a larger one"):
                collected(tmp_path)
            assert not contents(tmp_path)


def test_a_disk_that_fills_on_the_way_leaves_what_can_be_gone_on_with(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    collected(whole)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BATCHES[0].nbytes + 100, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"what is complete is kept, and the same call goes on from there"):
            collected(broken)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (broken / "entering.float32").stat().st_size == BATCHES[0].nbytes
    assert (broken / "leaving.float32").stat().st_size == capture(BATCHES[0])[1].nbytes
    assert collected(broken, capture=StopAt(2)).samples == 13
    assert contents(broken) == contents(whole)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        collected(tmp_path / "file" / "folder")
