"""What a sweep can load: one file each, registered by name.

A data set is a frozen dataclass whose fields are its options, with one call ``load() -> Dataset``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np
import pandas as pd
import pydantic
from numpy.typing import NDArray

from sdprelax.base import Floats, InputError, Registry, finite_matrix, target_matrix
from sdprelax.datasets._guess import Guess, guess_options
from sdprelax.datasets._reading import (
    file_arrays,
    file_numbers,
    first_cells,
    package_folder,
    read_table,
    sha256,
    table_numbers,
)
from sdprelax.networks import (
    Operations,
    Pipeline,
    Predictor,
    Preprocessing,
    Scaling,
    decided,
    scaling_operations,
    words_of,
)

__all__ = [
    "Dataset",
    "Guess",
    "Share",
    "Source",
    "datasets",
    "encoded",
    "file_arrays",
    "file_numbers",
    "first_cells",
    "guess_options",
    "indicators",
    "package_folder",
    "principal_components",
    "read_table",
    "scaled",
    "sha256",
    "split",
    "standardised",
    "table_numbers",
    "training_rows",
]

Share = Annotated[float, pydantic.Field(ge=0.0, lt=1.0)]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training data and, where there is a split, test data.

    Parameters
    ----------
    X, Y: training inputs (n, d) and targets (n, c), a vector being one column; classes are one-hot.
    X_test, Y_test: the held-out part, or None.
    classes: names of the outputs when this is classification (accuracy then means argmax), else None; two names where
        one column of ±1 says which.
    preprocessing: what was done to the stored data to make X and Y of them.

    Raises
    ------
    InputError: entries that are not finite numbers, shapes that do not fit, or a single class among the training
        samples.
    """

    X: Floats
    Y: Floats
    X_test: Floats | None = None
    Y_test: Floats | None = None
    classes: tuple[str, ...] | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def __post_init__(self) -> None:
        if (self.X_test is None) != (self.Y_test is None):
            raise InputError("there must be both X_test and Y_test, or neither.")
        parts = [("X", "Y")] if self.X_test is None else [("X", "Y"), ("X_test", "Y_test")]
        for inputs, targets in parts:
            X = finite_matrix(inputs, getattr(self, inputs))
            Y = target_matrix(targets, getattr(self, targets))
            if len(X) != len(Y):
                raise InputError(f"{inputs} has {len(X)} rows and {targets} has {len(Y)}: one each per sample.")
            object.__setattr__(self, inputs, X)
            object.__setattr__(self, targets, Y)
        for train, test in ((self.X, self.X_test), (self.Y, self.Y_test)):
            if test is not None and train.shape[1] != test.shape[1]:
                name = "X" if train is self.X else "Y"
                raise InputError(
                    f"{name}_test has {test.shape[1]} columns and {name} has {train.shape[1]}; both must have the same."
                )
        if self.classes is not None:
            if self.Y.shape[1] not in (len(self.classes), 1 if len(self.classes) == 2 else None):
                raise InputError(f"there are {len(self.classes)} classes, and targets of {self.Y.shape[1]} columns.")
            there = np.unique(decided(self.Y))
            if len(there) == 1:
                raise InputError(
                    f"every sample to train on is of the class '{self.classes[there[0]]}'; classification takes two "
                    "classes or more."
                )

    def prepared(self, operations: Operations) -> Dataset:
        """Return the data set with further steps applied to its inputs and recorded in its preprocessing."""
        steps = Preprocessing(inputs=operations)
        X_test = None if self.X_test is None else steps.transform(self.X_test)
        return replace(
            self, X=steps.transform(self.X), X_test=X_test, preprocessing=self.preprocessing.then(operations)
        )

    def pipeline(self, predictor: Predictor) -> Pipeline:
        """Return a predictor trained on X and Y with the preprocessing, so that it takes data as they were stored."""
        return Pipeline(predictor, self.preprocessing, self.classes)


class Source(Protocol):
    """Produces a data set from its options alone: the same options give the same arrays.

    A source that reads a file also has ``digest() -> str``, the SHA-256 of what it reads ("" where it reads
    none): it is then part of the name of every trial on these data.
    """

    def load(self) -> Dataset:
        """Return the data."""
        ...


datasets: Registry[Source] = Registry("data set", __name__)


def indicators(codes: NDArray[np.int64], names: tuple[str, ...]) -> Floats:
    """Return one row per class number with a 1 in its class's column, shape (n, classes)."""
    return np.eye(len(names))[codes]


def encoded(
    origin: Path | str, table: pd.DataFrame, Y: Floats, classes: tuple[str, ...] | None, *,
    worded: Sequence[str] | None = None, filled_from: NDArray[np.intp] | None = None,
) -> Dataset:  # fmt: skip
    """Return the data set of a table: a column of words becomes one input of zeros and ones per word.

    Parameters
    ----------
    origin: whose table it is, for messages.
    Y, classes: targets and, where they are one-hot, their names.
    worded: the columns of words; by default all that are not of numbers.
    filled_from: rows whose mean takes the place of what is missing, of words the share of each; by default nothing
        does.

    Raises
    ------
    InputError: a number that is not finite, a missing entry that nothing fills, a column that is empty in the rows
        whose mean would.
    """
    named = table.rename(columns=str)
    if worded is None:
        worded = [name for name in named.columns if not pd.api.types.is_numeric_dtype(named[name])]
    numeric = named.columns.drop(list(worded))
    table_numbers(origin, named[numeric], missing=filled_from is not None)
    encoding: list[tuple[str, str | None]] = [(name, None) for name in numeric]
    for name in worded:
        encoding += [(name, word) for word in sorted({word for word in words_of(named[name]) if word is not None})]
    preprocessing = Preprocessing(tuple(named.columns), tuple(encoding) if worded else ())
    if filled_from is not None:
        numbers = preprocessing.numbers(named, missing=True)[filled_from]
        empty = np.isnan(numbers).all(axis=0)
        if empty.any():
            name = encoding[int(np.argmax(empty))][0]
            raise InputError(f"{origin}: column '{name}' is empty in every row to train on: leave it out.")
        preprocessing = preprocessing.then((("fill", np.nanmean(numbers, axis=0)),))
    return Dataset(preprocessing.transform(named), Y, classes=classes, preprocessing=preprocessing)


def training_rows(n: int, test_size: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the numbers of the rows to train on and to test on, as scikit-learn's ``train_test_split`` draws them.

    Raises
    ------
    InputError: ``test_size`` leaves no sample on one side.
    """
    from sklearn.model_selection import train_test_split

    if test_size == 0.0:
        return np.arange(n), np.arange(0)
    try:
        train, test = train_test_split(np.arange(n), test_size=test_size, random_state=seed)
    except ValueError as error:
        raise InputError(f"test_size {test_size} cannot split {n} samples: {error}.") from None
    return train, test


def split(data: Dataset, *, test_size: float, seed: int, scaling: Scaling) -> Dataset:
    """Return the data set split by :func:`training_rows`, scaled by its training part.

    Parameters
    ----------
    test_size: share held out, 0 ≤ test_size < 1; 0 keeps everything for training.
    scaling: "standard" (zero mean, unit variance) or "minmax" (to [0, 1]), or "none".

    Raises
    ------
    InputError: ``test_size`` leaves no sample on one side.
    """
    if test_size != 0.0:
        train, test = training_rows(len(data.X), test_size, seed)
        data = replace(data, X=data.X[train], Y=data.Y[train], X_test=data.X[test], Y_test=data.Y[test])
    return scaled(data, scaling)


def scaled(data: Dataset, scaling: Scaling) -> Dataset:
    """Return the data set with inputs scaled by the training part, as ``split`` says."""
    return data.prepared(scaling_operations(data.X, scaling))


def principal_components(data: Dataset, count: int) -> Dataset:
    """Return the data set with its inputs reduced to the first principal components of its training part.

    The training part's mean is taken off, and the components' variances stay as they are.

    Raises
    ------
    InputError: more components than there are training samples or inputs.
    """
    from sklearn.decomposition import PCA

    n, d = data.X.shape
    if count > min(n, d):
        raise InputError(
            f"{n} training samples of {d} inputs have no {count} principal components: option 'components' is at "
            f"most {min(n, d)}."
        )
    pca = PCA(count, svd_solver="full").fit(data.X)
    axes = pca.components_.T
    return data.prepared((("project", axes), ("subtract", (pca.mean_[None] @ axes)[0])))


def standardised(data: Dataset) -> Dataset:
    """Return the data set with targets of mean 0 and variance 1 on the training part; a constant one has variance 0."""
    steps = scaling_operations(data.Y, "standard")
    of_targets = Preprocessing(inputs=steps)
    Y_test = None if data.Y_test is None else of_targets.transform(data.Y_test)
    return replace(
        data, Y=of_targets.transform(data.Y), Y_test=Y_test, preprocessing=replace(data.preprocessing, targets=steps)
    )
