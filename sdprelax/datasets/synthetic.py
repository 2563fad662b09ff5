"""The synthetic data of Prakhya, Birdal and Yurtsever 2025 ("P25"): a Gaussian teacher, and the spiral."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from sdprelax.base import LATER, Floats, InputError
from sdprelax.datasets import Dataset, datasets, file_arrays, file_numbers, indicators, sha256
from sdprelax.networks import Network

__all__ = ["Random", "Spiral"]


@datasets.register("random")
@dataclass(frozen=True)
class Random:
    """Gaussian inputs labelled by a Gaussian two-layer ReLU teacher, as P25's random data.

    X ~ N(0, 1) of shape (n, d), Y = (XW₁)₊W₂ with W₁ (d, teacher_width) and W₂ (teacher_width, c) ~ N(0, 1).

    Parameters
    ----------
    n, d, c: samples, inputs, outputs.
    teacher_width: hidden neurons of the teacher.
    seed: seed of NumPy's default generator; with ``path`` the number of the set in the file, from 0.
    path: an .npz file with arrays X (sets, n, d) and Y (sets, n, c) in place of the generator. P25's own hundred sets
        were drawn without a seed that could be repeated, so they come only from such a file.
    classes: targets are the class of the largest output, one-hot, in place of the outputs.
    """

    n: PositiveInt = 25
    d: PositiveInt = 2
    c: PositiveInt = 5
    teacher_width: PositiveInt = 100
    seed: NonNegativeInt = 0
    path: str | None = None
    classes: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        if self.classes and self.c == 1:
            raise InputError("data set 'random': 'classes' needs two outputs or more; 'c' is 1.")
        if self.path is not None and not (Path(self.path).is_file() and self.path.endswith(".npz")):
            raise InputError(f"data set 'random': option 'path' is '{self.path}'; it must be an existing .npz file.")

    def digest(self) -> str:
        """Return the SHA-256 of the file; "" without one."""
        return "" if self.path is None else sha256(self.path)

    def load(self) -> Dataset:
        """Return the data; there is no test part.

        Raises
        ------
        InputError: the file has no such set, or sets of another size.
        """
        if self.path is not None:
            return self._stored(Path(self.path))
        rng = np.random.default_rng(self.seed)
        X = rng.standard_normal((self.n, self.d))
        hidden = rng.standard_normal((self.d, self.teacher_width))
        output = rng.standard_normal((self.teacher_width, self.c))
        return self._labelled(X, Network(hidden, output).predict(X))

    def _labelled(self, X: Floats, Y: Floats) -> Dataset:
        if not self.classes:
            return Dataset(X, Y)
        names = tuple(f"output {k}" for k in range(self.c))
        return Dataset(X, indicators(np.argmax(Y, axis=1), names), classes=names)

    def _stored(self, path: Path) -> Dataset:
        arrays = file_arrays(path)
        X, Y = arrays.get("X"), arrays.get("Y")
        expected = f"X of shape (sets, {self.n}, {self.d}) and Y of shape (sets, {self.n}, {self.c})"
        if X is None or Y is None or X.shape[1:] != (self.n, self.d) or Y.shape != (len(X), self.n, self.c):
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise InputError(f"{path} must hold {expected}; it holds {shapes}.")
        if self.seed >= len(X):
            raise InputError(f"{path} has the sets 0 to {len(X) - 1}, and seed is {self.seed}.")
        return self._labelled(file_numbers(path, "X", X)[self.seed], file_numbers(path, "Y", Y)[self.seed])


@datasets.register("spiral")
@dataclass(frozen=True)
class Spiral:
    """Interleaved spiral arms, one class each; the defaults reproduce P25's 60 points.

    Arm j has radii 0 … radius in equal steps (its first point is the origin) and angles 4j … 4j + 4 plus
    Gaussian noise.

    Parameters
    ----------
    points_per_class, classes: size.
    radius: outer radius.
    noise: standard deviation of the angles, in radians.
    seed: seed of NumPy's legacy generator, whose stream P25's array comes from.
    """

    points_per_class: PositiveInt = 20
    classes: PositiveInt = 3
    radius: PositiveFloat = 0.5
    noise: NonNegativeFloat = 0.15
    seed: NonNegativeInt = 100

    def load(self) -> Dataset:
        """Return the data with one-hot targets; there is no test part."""
        rng = np.random.RandomState(self.seed)
        points, count = [], self.points_per_class
        radii = np.linspace(0.0, self.radius, count)
        for arm in range(self.classes):
            angles = np.linspace(4.0 * arm, 4.0 * (arm + 1), count) + self.noise * rng.randn(count)
            points.append(np.stack([radii * np.sin(angles), radii * np.cos(angles)], axis=1))
        names = tuple(f"arm {arm}" for arm in range(self.classes))
        return Dataset(np.vstack(points), indicators(np.repeat(np.arange(self.classes), count), names), classes=names)
