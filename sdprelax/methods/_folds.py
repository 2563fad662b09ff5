"""Parts of the training data, as ``cross_validated`` and ``validated`` hold some of it back."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats, InputError, Use
from sdprelax.methods import Method, methods
from sdprelax.networks import Predictor
from sdprelax.problem import Problem
from sdprelax.training import Outcome

__all__ = ["OverParts", "Split", "classes_of", "labelled", "of_samples", "one_hot_rows", "predictors_of", "splits"]

# Rows for training, and rows held back.
Split = tuple[NDArray[np.int64], NDArray[np.int64]]


class OverParts:
    """What methods share that run another method, ``of`` with ``options``, on parts of the data, of ``folds``."""

    called: ClassVar[str]
    """Its name, in messages."""
    of: str
    options: dict[str, Any]
    folds: int

    def _inner(self) -> Method:
        try:
            return methods.create(self.of, self.options)
        except InputError as error:
            raise InputError(f"method '{self.called}': option 'options' or 'of': {error}") from None

    def uses(self) -> Iterable[Use]:
        """Return the method."""
        return ((methods, self.of, self.options),)

    def _require_folds(self, problem: Problem) -> None:
        n = len(problem.Y)
        if n < self.folds:
            raise InputError(f"method '{self.called}': option 'folds' is {self.folds}, but there are {n} samples.")


def one_hot_rows(Y: Floats) -> bool:
    """Say whether there are several columns and every row of Y is one-hot."""
    return Y.shape[1] > 1 and bool(np.all((Y == 0.0) | (Y == 1.0)) and np.all(Y.sum(axis=1) == 1.0))


def labelled(problem: Problem) -> bool:
    """Say whether there is one output of labels ±1, whose sign tells the class."""
    return problem.Y.shape[1] == 1 and problem.loss.targets == "signs"


def of_samples(problem: Problem, samples: NDArray[np.int64]) -> Problem:
    """Return the problem of some samples, with their weights."""
    return replace(
        problem, X=problem.X[samples], Y=problem.Y[samples], loss=problem.loss.over(samples), queries=None
    )  # fmt: skip


def classes_of(Y: Floats) -> NDArray[np.intp]:
    """Return the class of every row: that of the largest entry, or of the sign of one."""
    return np.argmax(Y, axis=1) if Y.shape[1] > 1 else np.asarray(Y[:, 0] > 0.0, dtype=np.intp)


def splits(Y: Floats, folds: int, hot: bool, seed: int) -> Iterator[Split]:
    """Yield training and validation rows of every fold."""
    from sklearn.model_selection import KFold, StratifiedKFold

    labels = classes_of(Y)
    # Stratification needs some class of a member for every fold.
    if hot and np.bincount(labels).max() >= folds:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class")
            yield from StratifiedKFold(folds, shuffle=True, random_state=seed).split(Y, labels)
    else:
        yield from KFold(folds, shuffle=True, random_state=seed).split(Y)


def predictors_of(outcome: Outcome) -> dict[str, Predictor]:
    network: dict[str, Predictor] = {} if outcome.network is None else {"network": outcome.network}
    return network | dict(outcome.predictors)
