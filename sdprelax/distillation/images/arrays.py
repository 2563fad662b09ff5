"""Pictures from the user's own arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import InputError
from sdprelax.datasets import file_arrays, file_numbers, sha256
from sdprelax.distillation.images import Images, Labels, Pixels, images

__all__ = ["ArrayImages"]


@images.register("arrays")
@dataclass(frozen=True)
class ArrayImages:
    """An NPZ file with arrays transfer (N, C, H, W) and test (M, C, H, W), as the teacher takes them.

    It may also hold transfer_labels (N,) and test_labels (M,), class numbers from 0.

    Parameters
    ----------
    path: file name, relative to the current directory.
    """

    path: str

    def identity(self) -> str:
        """Return the SHA-256 of the file."""
        return json.dumps({"images": "arrays", "sha256": sha256(self.path)}, sort_keys=True)

    def load(self) -> Images:
        """Return the arrays.

        Raises
        ------
        InputError: no such file, an array that is missing, of another shape or not of finite numbers.
        """
        path = Path(self.path)
        arrays = file_arrays(path)
        for name in ("transfer", "test"):
            if name not in arrays:
                raise InputError(
                    f"{path} has no array '{name}': it must hold transfer and test, and holds {', '.join(arrays)}."
                )
        transfer, test = (_pictures(path, name, arrays[name]) for name in ("transfer", "test"))
        if transfer.shape[1:] != test.shape[1:]:
            raise InputError(
                f"{path}: pictures in 'transfer' have shape {transfer.shape[1:]} and those in 'test' {test.shape[1:]}: "
                "both must be (C, H, W) alike."
            )
        transfer_labels = _labels(path, arrays, "transfer")
        test_labels = _labels(path, arrays, "test")
        given = [labels for labels in (transfer_labels, test_labels) if labels is not None]
        classes = tuple(str(k) for k in range(1 + max(int(labels.max()) for labels in given))) if given else None
        return Images(transfer, test, transfer_labels, test_labels, classes)


def _pictures(path: Path, name: str, array: NDArray[Any]) -> Pixels:
    if array.ndim != 4 or 0 in array.shape:
        raise InputError(f"{path}: array '{name}' has shape {array.shape}: expected (N, C, H, W), none of them 0.")
    return file_numbers(path, name, array).astype(np.float32)


def _labels(path: Path, arrays: dict[str, NDArray[Any]], part: str) -> Labels | None:
    """Return the labels of a part, or None where the file has none."""
    name = f"{part}_labels"
    if name not in arrays:
        return None
    labels, count = arrays[name], len(arrays[part])
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise InputError(
            f"{path}: array '{name}' of shape {labels.shape} and type {labels.dtype} must hold one class number, an "
            f"integer from 0, for each of the {count} pictures."
        )
    return labels.astype(np.int64)
