"""Handwritten digits, which come with scikit-learn."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
from pydantic import NonNegativeInt

from sdprelax.distillation.images import Images, TestShare, images, split_indices

__all__ = ["DigitImages"]


@images.register("digits")
@dataclass(frozen=True)
class DigitImages:
    """scikit-learn's digits: 1797 pictures of 1×8×8 pixels in [0, 1], 10 classes, split in the same ratio in each.

    Parameters
    ----------
    test_share: share held out; 0 < test_share < 1.
    seed: seed of the split.
    """

    test_share: TestShare = 0.25
    seed: NonNegativeInt = 0

    def identity(self) -> str:
        """Return the options."""
        return json.dumps({"images": "digits", **asdict(self)}, sort_keys=True)

    def load(self) -> Images:
        """Return the split pictures."""
        from sklearn.datasets import load_digits

        data = load_digits()
        pictures = (data.images[:, None] / 16.0).astype(np.float32)
        labels = data.target.astype(np.int64)
        transfer, test = split_indices(len(pictures), self.test_share, self.seed, labels)
        names = tuple(str(name) for name in data.target_names)
        return Images(pictures[transfer], pictures[test], labels[transfer], labels[test], names)
