"""Pictures from a folder of files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from sdprelax.base import InputError, optional
from sdprelax.datasets import sha256
from sdprelax.distillation.images import Chosen, Images, Labels, Pixels, TestShare, images, split_indices

__all__ = ["FilePictures", "FolderImages"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, eq=False)
class FilePictures:
    """Files that are decoded when they are asked for.

    Parameters
    ----------
    paths: one file per picture.
    size: side of the square picture that is returned.
    central_share: side of the centred square that is cut out, as a share of the picture's shorter side.
    channels: 3 for colour, 1 for grey.
    """

    paths: Sequence[Path]
    size: int
    central_share: float = 1.0
    channels: Literal[1, 3] = 3

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, chosen: Chosen, /) -> Pixels:
        """Return a slice of the pictures, or those of some numbers, shape (B, channels, size, size).

        Raises
        ------
        InputError: a file that cannot be read as a picture. SolverUnavailable: Pillow is not installed.
        """
        decoded = [self._decoded(path) for path in np.asarray(self.paths, dtype=object)[chosen]]
        return np.stack(decoded) if decoded else np.empty((0, self.channels, self.size, self.size), dtype=np.float32)

    def _decoded(self, path: Path) -> Pixels:
        pillow = optional("PIL.Image")
        try:
            with pillow.open(path) as file:
                picture = file.convert("RGB" if self.channels == 3 else "L")
        except (OSError, ValueError, pillow.DecompressionBombError) as error:
            raise InputError(f"{path} cannot be read as a picture: {error}.") from None
        width, height = picture.size
        side = self.central_share * min(width, height)
        box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
        square = picture.resize((self.size, self.size), pillow.Resampling.BICUBIC, box=box)
        pixels = np.asarray(square, dtype=np.float32) / np.float32(255.0)
        return np.moveaxis(np.atleast_3d(pixels), -1, 0)


@images.register("folder")
@dataclass(frozen=True)
class FolderImages:
    """A folder of picture files; where they lie in sub-folders, each sub-folder is a class, in order of the names.

    Parameters
    ----------
    path: the folder, relative to the current directory.
    size: side in pixels of the square pictures made of them.
    central_share: side of the centred square that is cut out, as a share of the picture's shorter side; ImageNet's
        networks are usually tested at 0.875.
    channels: 3 for colour, 1 for grey.
    test_share: share held out, in the same ratio in each class.
    seed: seed of the split.
    """

    path: str
    size: PositiveInt = 224
    central_share: Annotated[float, pydantic.Field(gt=0.0, le=1.0)] = 1.0
    channels: Literal[1, 3] = 3
    test_share: TestShare = 0.2
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if not Path(self.path).is_dir():
            raise InputError(f"images 'folder': option 'path' is '{self.path}', and there is no such folder.")

    def identity(self) -> str:
        """Return the options, and name and SHA-256 of every file."""
        options = {name: value for name, value in asdict(self).items() if name != "path"}
        files = {str(path.relative_to(self.path)): sha256(str(path)) for path in self._files()[0]}
        return json.dumps({"images": "folder", **options, "files": files}, sort_keys=True)

    def load(self) -> Images:
        """Return the split pictures, decoded when they are asked for.

        Raises
        ------
        InputError: no pictures, pictures both in the folder and in sub-folders, or a split that leaves a part empty.
        """
        paths, labels, classes = self._files()
        transfer, test = split_indices(len(paths), self.test_share, self.seed, labels)

        def part(chosen: NDArray[np.int64]) -> FilePictures:
            return FilePictures([paths[k] for k in chosen], self.size, self.central_share, self.channels)

        if labels is None:
            return Images(part(transfer), part(test))
        return Images(part(transfer), part(test), labels[transfer], labels[test], classes)

    def _files(self) -> tuple[list[Path], Labels | None, tuple[str, ...] | None]:
        """Return the files, and where they lie in sub-folders the labels and the names of the classes."""
        folder = Path(self.path)
        loose = _pictures_in(folder)
        classes = {path.name: _pictures_in(path) for path in sorted(folder.iterdir()) if path.is_dir()}
        classes = {name: paths for name, paths in classes.items() if paths}
        if loose and classes:
            raise InputError(
                f"{folder} holds pictures and the sub-folder '{next(iter(classes))}' with pictures: "
                "put every picture into the sub-folder of its class, or all into the folder itself."
            )
        if not loose and not classes:
            raise InputError(f"{folder} holds no pictures: files end in {', '.join(SUFFIXES)}.")
        if loose:
            return loose, None, None
        paths = [path for inside in classes.values() for path in inside]
        labels = np.repeat(np.arange(len(classes)), [len(inside) for inside in classes.values()])
        return paths, labels, tuple(classes)


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)
