"""Pictures that a student is fitted on, and others that it is measured on: one file per kind, registered by name.

A kind is a frozen dataclass whose fields are its options, with two calls: ``load() -> Images``, and
``identity() -> str``, which says all that determines what is loaded. Pixels are numbers in [0, 1]; what a teacher does
to them beyond that is a part of the teacher. Labels, where there are any, are for measuring and for rivals: a convex
student is fitted without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray

from sdprelax.base import InputError, Registry, first_line

__all__ = [
    "Chosen",
    "ImageSource",
    "Images",
    "Labels",
    "Pictures",
    "Pixels",
    "TestShare",
    "images",
    "split_indices",
]

Chosen = slice | NDArray[np.int64]
Pixels = NDArray[np.float32]
Labels = NDArray[np.int64]
TestShare = Annotated[float, pydantic.Field(gt=0.0, lt=1.0)]


class Pictures(Protocol):
    """A sequence of pictures of one shape: an array (N, C, H, W), or files that are decoded when they are indexed."""

    def __len__(self) -> int:
        """Return the number of pictures."""
        ...

    def __getitem__(self, chosen: Chosen, /) -> Pixels:
        """Return a slice of the pictures, or those of some numbers, shape (B, C, H, W), the same at every call."""
        ...


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures to fit a student on, and others to measure it on.

    Parameters
    ----------
    transfer, test: pictures (N, C, H, W) and (M, C, H, W), float32.
    transfer_labels, test_labels: class numbers (N,) and (M,), or None.
    classes: names of the classes, or None.
    """

    transfer: Pictures
    test: Pictures
    transfer_labels: Labels | None = None
    test_labels: Labels | None = None
    classes: tuple[str, ...] | None = None


class ImageSource(Protocol):
    """Produces pictures from its options alone."""

    def load(self) -> Images:
        """Return the pictures."""
        ...

    def identity(self) -> str:
        """Return a text that differs wherever the pictures do: options, and checksums of files."""
        ...


images: Registry[ImageSource] = Registry("images", __name__)


def split_indices(
    count: int, test_share: float, seed: int, labels: Labels | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the transfer and of the test part; with labels, each class is split in the same ratio.

    Raises
    ------
    InputError: the share leaves no picture, or none of some class, on one side.
    """
    from sklearn.model_selection import train_test_split

    try:
        transfer, test = train_test_split(np.arange(count), test_size=test_share, random_state=seed, stratify=labels)
    except ValueError as error:
        raise InputError(f"test_share {test_share} cannot split {count} pictures: {first_line(error)}.") from None
    return transfer, test
