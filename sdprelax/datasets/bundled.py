"""Classification and regression sets that come with scikit-learn, or that it makes or fetches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt

from sdprelax.base import InputError, finite_array, first_line, nearest, one_hot
from sdprelax.datasets import Dataset, Share, datasets, indicators, split, standardised
from sdprelax.networks import Preprocessing, Scaling

__all__ = ["BreastCancer", "Diabetes", "Digits", "Iris", "Sklearn", "Wine"]


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


# What a loader of scikit-learn is called before its own name.
VERBS = ("load_", "fetch_", "make_")


@datasets.register("sklearn")
@dataclass(frozen=True)
class Sklearn:
    """Any set that scikit-learn loads, fetches or makes: diabetes, california_housing, moons, friedman1, ...

    Parameters
    ----------
    loader: a function of sklearn.datasets, with or without load_, fetch_ or make_ before it.
    options: its arguments, such as {n_samples: 100, noise: 0.1}; random_state is 0 unless it is among them.
    target: "classes", "numbers", or "auto": classes where the loader names them, or where the target is of integers or
        text and the loader is not one of regression sets.
    test_size: share held out.
    split_seed: seed of the split.
    scaling: of the inputs: "none", "standard" or "minmax", fitted on the training part.
    standardise_target: whether targets of numbers are brought to mean 0 and variance 1 on the training part.
    label: what the data are called in tables and pictures.
    """

    loader: str
    options: dict[str, Any] = field(default_factory=dict)
    target: Literal["auto", "classes", "numbers"] = "auto"
    test_size: Share = 0.25
    split_seed: NonNegativeInt = 42
    scaling: Scaling = "none"
    standardise_target: bool = True
    label: str | None = None

    def __post_init__(self) -> None:
        self._function()

    def _function(self) -> Callable[..., Any]:
        import sklearn.datasets

        known = {name for name in sklearn.datasets.__all__ if name.startswith(VERBS)}
        for name in (self.loader, *(verb + self.loader for verb in VERBS)):
            if name in known:
                function: Callable[..., Any] = getattr(sklearn.datasets, name)
                return function
        bare = sorted(name.partition("_")[2] for name in known)
        raise InputError(f"data set 'sklearn': option 'loader' is '{self.loader}': {nearest(self.loader, bare)}.")

    def load(self) -> Dataset:
        """Return the split data.

        Raises
        ------
        InputError: arguments that the loader does not take, no network where it needs one, data that are no table of
            numbers with a target.
        """
        function = self._function()
        arguments = dict(self.options)
        if "random_state" in inspect.signature(function).parameters:
            arguments.setdefault("random_state", 0)
        found: Any
        columns: tuple[str, ...] = ()
        try:
            found = function(**arguments)
        except (TypeError, ValueError, OSError) as error:
            raise InputError(f"scikit-learn's {function.__name__} gives no data: {first_line(error)}.") from None
        if isinstance(found, tuple):
            inputs, target, names = found[0], found[1], None
        elif isinstance(found, dict) and "data" in found and "target" in found:
            inputs, target, names = found["data"], found["target"], found.get("target_names")
            columns = tuple(str(name) for name in found.get("feature_names", ()))
        else:
            raise InputError(f"scikit-learn's {function.__name__} gives no inputs with a target; take another loader.")
        X, y = finite_array(f"what {function.__name__} gives", inputs), np.asarray(target)
        preprocessing = Preprocessing(columns if X.ndim == 2 and len(columns) == X.shape[1] else ())
        if not self._classes(function.__name__, y, names):
            whole = Dataset(X, np.asarray(y, dtype=np.float64), preprocessing=preprocessing)
        elif names is not None and y.dtype.kind in "iu" and len(names) > y.max():
            called = tuple(str(name) for name in names)
            whole = Dataset(X, indicators(y, called), classes=called, preprocessing=preprocessing)
        else:
            Y, called = one_hot(y)
            whole = Dataset(X, Y, classes=called, preprocessing=preprocessing)
        data = split(whole, test_size=self.test_size, seed=self.split_seed, scaling=self.scaling)
        return standardised(data) if data.classes is None and self.standardise_target else data

    def _classes(self, name: str, y: NDArray[Any], names: Any) -> bool:
        """Say whether a target, shape (n,) or (n, c), is of classes."""
        if self.target != "auto":
            return self.target == "classes"
        return (
            y.ndim == 1
            and y.dtype.kind in "iubUO"
            and "regression" not in name
            and (names is not None or name.startswith("make_") or y.dtype.kind not in "iu" or len(np.unique(y)) <= 20)
        )
