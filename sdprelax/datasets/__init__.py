"""What a sweep can load: one file each, registered by name.

A data set is a frozen dataclass whose fields are its options, with one call ``load() -> Dataset``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray

from sdprelax.errors import InputError
from sdprelax.registry import Registry
from sdprelax.verified import Floats

__all__ = [
    "Dataset",
    "Scaling",
    "Share",
    "Source",
    "datasets",
    "one_hot",
    "register",
    "scaled",
    "split",
    "standardised",
]

Share = Annotated[float, pydantic.Field(ge=0.0, lt=1.0)]
Scaling = Literal["none", "standard", "minmax"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training data and, where there is a split, test data.

    Parameters
    ----------
    X, Y: training inputs (n, d) and targets (n, c); classes are one-hot.
    X_test, Y_test: the held-out part, or None.
    classes: names of the outputs when this is classification (accuracy then means argmax), else None.
    """

    X: Floats
    Y: Floats
    X_test: Floats | None = None
    Y_test: Floats | None = None
    classes: tuple[str, ...] | None = None


class Source(Protocol):
    """Produces a data set from its options alone: the same options give the same arrays.

    A source that reads a file also has ``digest() -> str``, the SHA-256 of what it reads ("" where it reads
    none): it is then part of the name of every trial on these data.
    """

    def load(self) -> Dataset:
        """Return the data."""
        ...


datasets: Registry[Source] = Registry("data set", __name__)
register = datasets.register


def one_hot(labels: NDArray[np.int64], names: tuple[str, ...]) -> Floats:
    """Return one row per label with a 1 in its class's column, shape (n, classes)."""
    return np.eye(len(names))[labels]


def split(
    X: Floats, Y: Floats, classes: tuple[str, ...] | None, *, test_size: float, seed: int, scaling: Scaling
) -> Dataset:
    """Return the data set split as scikit-learn's ``train_test_split`` does, scaled by its training part.

    Parameters
    ----------
    test_size: share held out, 0 ≤ test_size < 1; 0 keeps everything for training.
    scaling: "standard" (zero mean, unit variance) or "minmax" (to [0, 1]), or "none".

    Raises
    ------
    InputError: ``test_size`` leaves no sample on one side.
    """
    from sklearn.model_selection import train_test_split

    X_test = Y_test = None
    if test_size != 0.0:
        try:
            X, X_test, Y, Y_test = train_test_split(X, Y, test_size=test_size, random_state=seed)
        except ValueError as error:
            raise InputError(f"test_size {test_size} cannot split {len(X)} samples: {error}.") from None
    return scaled(Dataset(X, Y, X_test, Y_test, classes), scaling)


def scaled(data: Dataset, scaling: Scaling) -> Dataset:
    """Return the data set with inputs scaled by the training part, as ``split`` says."""
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    if scaling == "none":
        return data
    scaler = (StandardScaler() if scaling == "standard" else MinMaxScaler()).fit(data.X)
    X_test = None if data.X_test is None else scaler.transform(data.X_test)
    return replace(data, X=scaler.transform(data.X), X_test=X_test)


def standardised(data: Dataset) -> Dataset:
    """Return the data set with targets of mean 0 and variance 1 on the training part; a constant one has variance 0."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(data.Y)
    Y_test = None if data.Y_test is None else scaler.transform(data.Y_test)
    return replace(data, Y=scaler.transform(data.Y), Y_test=Y_test)
