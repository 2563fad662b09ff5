"""Unlabelled photographs: random crops of those that come inside packages."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
from PIL import Image
from pydantic import NonNegativeInt, PositiveInt

from sdprelax.base import InputError
from sdprelax.datasets import package_folder, sha256
from sdprelax.distillation.images import Chosen, Images, Pixels, images

Package = Literal["foolbox", "matplotlib", "scikit-image", "scikit-learn"]

# The package as Python imports it, and its colour photographs inside: scikit-image has drawings and micrographs too.
PHOTOGRAPHS: dict[Package, tuple[str, tuple[str, ...]]] = {
    "foolbox": ("foolbox", ("data/imagenet_*.jpg",)),
    "matplotlib": ("matplotlib", ("mpl-data/sample_data/*.jpg",)),
    "scikit-image": (
        "skimage",
        tuple(f"data/{name}" for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")),
    ),
    "scikit-learn": ("sklearn", ("datasets/images/*.jpg",)),
}

# Aspect ratios of a crop, as networks for ImageNet are commonly trained (Szegedy et al., *Going deeper with
# convolutions*, CVPR 2015).
WIDEST = 4.0 / 3.0


@dataclass(frozen=True, eq=False)
class Crops:
    """Random crops of photographs, made when they are asked for; crop k is the same at every call.

    Parameters
    ----------
    photographs: colour pictures; crop k is of photograph k modulo their number.
    size: side of the square picture that a crop is resized to.
    count: number of crops.
    smallest_area: least share of its photograph that a crop covers.
    seed: seed of the crops' places, sizes and reflections.
    """

    photographs: tuple[Any, ...]
    size: int
    count: int
    smallest_area: float
    seed: tuple[int, ...]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, chosen: Chosen, /) -> Pixels:
        """Return a slice of the crops, or those of some numbers, shape (B, 3, size, size)."""
        crops = [self._crop(int(k)) for k in np.arange(self.count)[chosen]]
        return np.stack(crops) if crops else np.empty((0, 3, self.size, self.size), dtype=np.float32)

    def _crop(self, index: int) -> Pixels:
        rng = np.random.default_rng((*self.seed, index))
        photograph = self.photographs[index % len(self.photographs)]
        width, height = photograph.size
        area = rng.uniform(self.smallest_area, 1.0) * width * height
        aspect = np.exp(rng.uniform(-np.log(WIDEST), np.log(WIDEST)))
        wide = min(width, float(np.sqrt(area * aspect)))
        high = min(height, float(np.sqrt(area / aspect)))
        left, top = rng.uniform(0.0, width - wide), rng.uniform(0.0, height - high)
        crop = photograph.resize(
            (self.size, self.size), Image.Resampling.BICUBIC, box=(left, top, left + wide, top + high)
        )
        pixels = np.asarray(crop, dtype=np.float32) / np.float32(255.0)
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        return np.moveaxis(pixels, -1, 0)


@images.register("photo_crops")
@dataclass(frozen=True)
class PhotoCrops:
    """Unlabelled random crops of the photographs inside packages; test crops are of other photographs.

    There are 20 photographs in foolbox (pip install --no-deps foolbox), 1 in matplotlib, 4 in scikit-image and 2 in
    scikit-learn. Held-out crops come from ``test_photographs`` of them, drawn by ``seed``, of which no transfer crop
    shows anything.

    Parameters
    ----------
    size: side in pixels of the square crops.
    count: crops in the transfer part.
    test_count: crops in the test part.
    test_photographs: photographs that the test crops are taken from.
    smallest_area: least share of its photograph that a crop covers; the most is all of it.
    packages: where the photographs come from.
    seed: seed of the choice of photographs and of the crops.
    """

    size: PositiveInt = 224
    count: PositiveInt = 1000
    test_count: PositiveInt = 200
    test_photographs: PositiveInt = 5
    smallest_area: Annotated[float, pydantic.Field(gt=0.0, le=1.0)] = 0.1
    packages: tuple[Package, ...] = ("foolbox", "matplotlib", "scikit-learn")
    seed: NonNegativeInt = 0

    def identity(self) -> str:
        """Return the options, and name and SHA-256 of every photograph."""
        files = {path.name: sha256(str(path)) for path in self._files()}
        return json.dumps({"images": "photo_crops", **asdict(self), "files": files}, sort_keys=True)

    def load(self) -> Images:
        """Return the crops, each made when it is asked for.

        Raises
        ------
        InputError: a package is not installed, or there are too few photographs.
        """
        files = self._files()
        if len(files) <= self.test_photographs:
            raise InputError(
                f"images 'photo_crops': option 'test_photographs' is {self.test_photographs}, but must be less than "
                f"the number of photographs in {', '.join(self.packages)}, {len(files)}."
            )
        order = np.random.default_rng(self.seed).permutation(len(files))
        photographs = tuple(Image.open(files[k]).convert("RGB") for k in order)
        test, transfer = photographs[: self.test_photographs], photographs[self.test_photographs :]
        return Images(
            Crops(transfer, self.size, self.count, self.smallest_area, (self.seed, 0)),
            Crops(test, self.size, self.test_count, self.smallest_area, (self.seed, 1)),
        )

    def _files(self) -> list[Path]:
        """Return the photographs' files in order of their names."""
        found = list[Path]()
        for distribution in sorted(set(self.packages)):
            package, patterns = PHOTOGRAPHS[distribution]
            folder = package_folder(package, distribution)
            found += [path for pattern in patterns for path in folder.glob(pattern)]
        return sorted(found, key=lambda path: path.name)
