"""Training linear networks by descent from the best product of a rank: all samples are in XᵀX and XᵀY."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize

from sdprelax.base import Deadline, Floats
from sdprelax.linear._closed_form import decayed_singular_value
from sdprelax.linear._spectrum import Spectrum
from sdprelax.problem import Squared

__all__ = ["LinearTraining", "balanced_layers"]

# Steps of descent that are many.
STEPS = 3_000
# Singular values below this share of the largest are rounding: their roots would not be small.
ROUNDING = 1e-13


def _kept(singular: Any, width: int) -> Floats:
    """Return the largest singular values, those that are rounding as 0."""
    first = singular[:width]
    return np.where(first > ROUNDING * first[:1], first, 0.0)


def balanced_layers(W: Floats, width: int, depth: int) -> list[Floats]:
    """Return layers of the best approximation of a matrix of a rank with the least sum of squares.

    With W = UΣVᵀ they are UΣ^{1/L}, Σ^{1/L}, …, Σ^{1/L}Vᵀ, whose squares add up to LΣσ^{2/L}.

    Parameters
    ----------
    W: shape (d, c).
    width: k, at most the smaller of d and c.
    depth: number of layers L ≥ 2.
    """
    left, singular, right = np.linalg.svd(W, full_matrices=False)
    root = _kept(singular, width) ** (1.0 / depth)
    return [left[:, :width] * root, *[np.diag(root)] * (depth - 2), root[:, None] * right[:width]]


@dataclass(frozen=True, eq=False)
class LinearTraining:
    """Training linear networks of a width and a depth with weight decay, in the coordinates of :class:`Spectrum`.

    Parameters
    ----------
    spectrum: of the data.
    width: k.
    gamma: weight decay γ of every layer.
    depth: number of layers L.
    """

    spectrum: Spectrum
    width: int
    gamma: float
    depth: int

    def objective(self, Z: Floats) -> float:
        """Return the objective of the best layers of a product Z of rank k, shape (r, c)."""
        singular = _kept(np.linalg.svd(Z, compute_uv=False), self.width)
        return self.spectrum.loss(Z) + 0.5 * self.gamma * self.depth * float(np.sum(singular ** (2.0 / self.depth)))

    def of_rank(self, Z: Floats) -> Floats:
        """Return the best approximation of rank k, shape (r, c)."""
        left, singular, right = np.linalg.svd(Z, full_matrices=False)
        return np.asarray((left[:, : self.width] * singular[: self.width]) @ right[: self.width])

    def starts(self) -> list[Floats]:
        """Return products to start from: of least loss, shrunk as white inputs would ask for, and as γ asks."""
        spectrum, found = self.spectrum, list[Floats]()
        for square in dict.fromkeys((float(spectrum.values[0]) ** 2, float(np.mean(spectrum.values**2)), 0.0)):
            # Of XᵀY with inputs as if they were white; then of the least loss.
            target = spectrum.inner if square else spectrum.targets
            left, singular, right = np.linalg.svd(target, full_matrices=False)
            kept = singular[: self.width]
            if square:
                kept = np.array([decayed_singular_value(float(t), square, self.gamma, self.depth) for t in kept])
            Z = (left[:, : self.width] * kept) @ right[: self.width]
            found.append(Z if square else Z / spectrum.values[:, None])
        return found

    def trained(self, Z: Floats, rng: np.random.Generator, deadline: Deadline) -> Floats:
        """Return the product of rank k, shape (r, c), that L-BFGS over the layers ends at, or Z if that is better.

        Parameters
        ----------
        Z: the product of rank k to start from, shape (r, c).
        rng: what singular values that are zero are disturbed by, a little.
        """
        spectrum, layers = self.spectrum, balanced_layers(Z, self.width, self.depth)
        scale = max(float(np.max(np.abs(layer))) for layer in layers) or 1.0
        layers = [layer + 1e-3 * scale * rng.standard_normal(layer.shape) for layer in layers]
        shapes, values = [layer.shape for layer in layers], spectrum.values[:, None]
        cuts = np.cumsum([layer.size for layer in layers])[:-1]
        unit = max(spectrum.energy, 1e-300)

        def unpacked(x: Floats) -> list[Floats]:
            return [part.reshape(shape) for part, shape in zip(np.split(x, cuts), shapes, strict=True)]

        def objective(x: Floats) -> tuple[float, Floats]:
            parts = unpacked(x)
            before = [np.eye(len(values))]
            for part in parts:
                before.append(before[-1] @ part)
            predictions = values * before[-1]
            slope, slopes = values * (predictions - spectrum.targets), list[Floats]()
            for part, ahead in zip(reversed(parts), reversed(before[:-1]), strict=True):
                slopes.append((ahead.T @ slope + self.gamma * part).ravel())
                slope = slope @ part.T
            value = Squared().value(predictions, spectrum.targets) + 0.5 * self.gamma * float(x @ x)
            return value / unit, np.concatenate(slopes[::-1]) / unit

        def until(_: Floats) -> None:
            if deadline.expired:
                raise StopIteration

        ended = scipy.optimize.minimize(
            objective, np.concatenate([layer.ravel() for layer in layers]), jac=True, method="L-BFGS-B", callback=until,
            options={"maxiter": STEPS, "maxfun": 2 * STEPS, "ftol": 0.0, "gtol": 1e-13, "maxcor": 30},
        )  # fmt: skip
        reached = np.linalg.multi_dot(unpacked(np.asarray(ended.x)))
        return min((self.of_rank(Z), reached), key=self.objective)
