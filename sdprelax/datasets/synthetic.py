"""The synthetic data of P25: a Gaussian teacher, and the spiral."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from sdprelax.datasets import Dataset, one_hot, register

__all__ = ["Random", "Spiral"]


@register("random")
@dataclass(frozen=True)
class Random:
    """Gaussian inputs labelled by a Gaussian two-layer ReLU teacher, as P25's random data.

    X ~ N(0, 1) of shape (n, d), Y = (XW₁)₊W₂ with W₁ (d, teacher_width) and W₂ (teacher_width, c) ~ N(0, 1).

    Parameters
    ----------
    n, d, c: samples, inputs, outputs.
    teacher_width: hidden neurons of the teacher.
    seed: seed of NumPy's default generator.
    """

    n: PositiveInt = 25
    d: PositiveInt = 2
    c: PositiveInt = 5
    teacher_width: PositiveInt = 100
    seed: NonNegativeInt = 0

    def load(self) -> Dataset:
        """Return the data; there is no test part."""
        rng = np.random.default_rng(self.seed)
        X = rng.standard_normal((self.n, self.d))
        hidden = rng.standard_normal((self.d, self.teacher_width))
        output = rng.standard_normal((self.teacher_width, self.c))
        return Dataset(X, np.maximum(X @ hidden, 0.0) @ output)


@register("spiral")
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
        return Dataset(np.vstack(points), one_hot(np.repeat(np.arange(self.classes), count), names), classes=names)
