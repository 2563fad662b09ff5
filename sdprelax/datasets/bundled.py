"""Classification and regression sets that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import NonNegativeInt

from sdprelax.datasets import Dataset, Share, datasets, indicators, split, standardised
from sdprelax.networks import Preprocessing, Scaling

__all__ = ["BreastCancer", "Diabetes", "Digits", "Iris", "Wine"]


@dataclass(frozen=True)
class _Bundled:
    """A data set of scikit-learn.

    Parameters
    ----------
    test_size: share held out.
    split_seed: seed of that split.
    scaling: "none", "standard" or "minmax", fitted on the training part.
    """

    test_size: Share = 0.5
    split_seed: NonNegativeInt = 42
    scaling: Scaling = "none"

    def _split(self, loader: Callable[[], Any]) -> Dataset:
        data = loader()
        names = tuple(str(name) for name in data.target_names)
        X = np.asarray(data.data, dtype=np.float64)
        whole = Dataset(X, indicators(data.target, names), classes=names, preprocessing=_columns(data))
        return split(whole, test_size=self.test_size, seed=self.split_seed, scaling=self.scaling)


def _columns(data: Any) -> Preprocessing:
    return Preprocessing(tuple(str(name) for name in data.feature_names))


@datasets.register("iris")
@dataclass(frozen=True)
class Iris(_Bundled):
    """Iris: 150 flowers, 4 measurements, 3 species; split in halves and unscaled."""

    def load(self) -> Dataset:
        """Return the split data."""
        from sklearn.datasets import load_iris

        return self._split(load_iris)


@datasets.register("wine")
@dataclass(frozen=True)
class Wine(_Bundled):
    """Wine: 178 wines, 13 measurements, 3 cultivars."""

    def load(self) -> Dataset:
        """Return the split data."""
        from sklearn.datasets import load_wine

        return self._split(load_wine)


@datasets.register("breast_cancer")
@dataclass(frozen=True)
class BreastCancer(_Bundled):
    """Breast cancer Wisconsin: 569 cases, 30 measurements, 2 diagnoses."""

    def load(self) -> Dataset:
        """Return the split data."""
        from sklearn.datasets import load_breast_cancer

        return self._split(load_breast_cancer)


@datasets.register("digits")
@dataclass(frozen=True)
class Digits(_Bundled):
    """Digits: 1797 images of 8×8 pixels, 10 classes."""

    def load(self) -> Dataset:
        """Return the split data."""
        from sklearn.datasets import load_digits

        return self._split(load_digits)


@datasets.register("diabetes")
@dataclass(frozen=True)
class Diabetes(_Bundled):
    """Diabetes: 442 patients, 10 measurements, the disease's progress a year later; the one regression set here.

    Parameters
    ----------
    test_size: share held out.
    split_seed: seed of the split.
    scaling: of the inputs: "none", "standard" or "minmax", fitted on the training part.
    standardise_target: whether the target is brought to mean 0 and variance 1 on the training part.
    """

    standardise_target: bool = True

    def load(self) -> Dataset:
        """Return the split data."""
        from sklearn.datasets import load_diabetes

        found = load_diabetes()
        X, Y = np.asarray(found.data, dtype=np.float64), np.asarray(found.target, dtype=np.float64)[:, None]
        whole = Dataset(X, Y, preprocessing=_columns(found))
        data = split(whole, test_size=self.test_size, seed=self.split_seed, scaling=self.scaling)
        return standardised(data) if self.standardise_target else data
