"""The gated program of statistics, solved by alternating directions.

    min ½⟨W, HW⟩ − ⟨W, B⟩ + ½‖F‖² + γΣ‖V_i‖   subject to  W = V

(Boyd et al., *Distributed optimization and statistical learning via the alternating direction method of multipliers*,
2011). One Cholesky factor of H + ρI serves all steps until ρ changes. The residual R = F − ΦV has ΦᵀR = B − HV,
⟨R, F⟩ = ‖F‖² − ⟨V, B⟩ and ‖R‖² = ‖F‖² − 2⟨V, B⟩ + ⟨V, HV⟩, so the multiple of it that is feasible in the dual, and with
it the gap, are known without the samples. Rounding errors are not bounded here: :mod:`.proof` does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.linalg
import threadpoolctl

from sdprelax.base import Deadline, Floats
from sdprelax.lasso._statistics import Statistics, total
from sdprelax.problem import QuadraticRay, largest_multiple, norms
from sdprelax.problem.norms import Penalty, flattened, stacked

__all__ = ["StatisticsFit", "best_share", "largest_gamma", "solve"]

# Steps between two looks at the gap; over-relaxation.
LOOK, RELAXED = 10, 1.6
# A ratio of the residuals beyond which ρ is changed, and steps after which it may be: each change costs a factor.
UNBALANCED, PATIENCE = 3.0, 20
# Samples, as a share of the order, below which eigenvectors of H pay, and the largest order for which they are sought.
FEW, LARGEST_SPECTRUM = 0.5, 3_000
# Order up to which one thread is faster than several.
SMALL = 10_000


@dataclass(frozen=True, eq=False)
class StatisticsFit:
    """A primal-dual pair.

    Attributes
    ----------
    weights: W, shape (c, d, m).
    value, dual_value: in floating point.
    steps: taken.
    rho: penalty of the splitting at the end.
    """

    weights: Floats
    value: float
    dual_value: float
    steps: int
    rho: float

    @property
    def gap(self) -> float:
        """Duality gap relative to the value."""
        return (self.value - self.dual_value) / self.value if self.value > 0.0 else 0.0


def largest_gamma(statistics: Statistics, penalty: Penalty) -> float:
    """Return the least γ at which all weights are zero: the largest dual norm of a gate's ZᵀD_iF."""
    return float(np.max(norms.steepness(stacked(statistics.moment, statistics.width), penalty), initial=0.0))


class _Pair:
    """What a program's statistics say of weights: the objective, and the best multiple of their residual."""

    def __init__(self, statistics: Statistics, gamma: float, penalty: Penalty) -> None:
        self.statistics, self.gamma = statistics, gamma
        # Outputs are independent where the penalty is by columns: each has a multiple of its own.
        self.penalty: Penalty = "frobenius" if statistics.moment.shape[1] == 1 else penalty

    def look(self, flat: Floats, steps: int, rho: float) -> StatisticsFit:
        data = self.statistics
        image = data.gram @ flat
        along = data.squares - np.sum(flat * data.moment, axis=0)
        energy = np.maximum(along - np.sum(flat * (data.moment - image), axis=0), 0.0)
        weights, slopes = stacked(flat, data.width), stacked(data.moment - image, data.width)
        size = float(np.sum(norms.sizes(weights, self.penalty)))
        value = 0.5 * float(np.sum(energy)) + self.gamma * size
        if self.penalty == "columns":
            steepest = np.max(np.sqrt(np.sum(slopes * slopes, axis=1)), axis=1, initial=0.0)
            rays = QuadraticRay(along, energy)
        else:
            steepest = np.max(norms.steepness(slopes, self.penalty), initial=0.0)
            rays = QuadraticRay(np.sum(along), np.sum(energy))
        dual = float(np.sum(rays.value(rays.best(largest_multiple(steepest, self.gamma)))))
        return StatisticsFit(weights, value, dual, steps, rho)


def solve(
    statistics: Statistics,
    gamma: float,
    penalty: Penalty = "frobenius",
    *,
    start: Floats | None = None,
    rho: float | None = None,
    tolerance: float = 1e-4,
    max_steps: int = 5_000,
    deadline: Deadline | None = None,
) -> StatisticsFit:
    """Return a primal-dual pair of the gated program of some statistics.

    Parameters
    ----------
    gamma: weight of the norms, > 0.
    start: weights to start from, shape (c, d, m).
    rho: penalty of the splitting to start with, as an earlier fit ended; by default the mean eigenvalue of H.
    tolerance: duality gap relative to the value at which to stop.
    max_steps: after which the best pair is returned in any case.
    deadline: stops early with the best pair.
    """
    until = deadline or Deadline()
    order = len(statistics.moment)
    pair = _Pair(statistics, gamma, penalty)
    V = np.zeros_like(statistics.moment) if start is None else flattened(start)
    rho = float(np.trace(statistics.gram)) / max(order, 1) if rho is None else rho
    best = pair.look(V, 0, rho)
    if not order or best.gap <= tolerance:
        return best
    # NumPy and SciPy have a pool of threads each, which wait for one another at small orders.
    with threadpoolctl.threadpool_limits(limits=1 if order <= SMALL else None, user_api="blas"):
        return _alternated(pair, V, rho, best, tolerance, max_steps, until)


def _alternated(
    pair: _Pair, V: Floats, rho: float, best: StatisticsFit, tolerance: float, max_steps: int, deadline: Deadline
) -> StatisticsFit:
    """Return the best pair that alternating directions from V come to."""
    H, B = pair.statistics.gram, pair.statistics.moment
    width, gamma = pair.statistics.width, pair.gamma
    inverse = _Inverse(pair.statistics, rho)
    # What the multiplier would be if the start were the optimum.
    scaled, changed = (B - H @ V) / rho, 0
    for step in range(1, max_steps + 1):
        W = inverse @ (B + rho * (V - scaled))
        relaxed = RELAXED * W + (1.0 - RELAXED) * V + scaled
        new = flattened(norms.shrunk(stacked(relaxed, width), gamma / rho, pair.penalty))
        moved = float(np.linalg.norm(new - V))
        V, scaled = new, relaxed - new
        if step % LOOK == 0 or step == max_steps or deadline.expired:
            found = pair.look(V, step, rho)
            best = found if found.gap < best.gap else best
            if best.gap <= tolerance or deadline.expired:
                break
            apart = float(np.linalg.norm(W - V)) / max(float(np.linalg.norm(W)), float(np.linalg.norm(V)), 1e-300)
            uphill = moved / max(float(np.linalg.norm(scaled)), 1e-300)
            if step - changed >= PATIENCE and max(apart, uphill) > UNBALANCED * min(apart, uphill):
                ratio = min(max(np.sqrt(apart / max(uphill, 1e-300)), 0.1), 10.0)
                rho, scaled, changed = rho * ratio, scaled / ratio, step
                inverse.shift(rho)
    return best


class _Inverse:
    """(H + ρI)⁻¹: by eigenvectors where few samples leave H a small rank, by a Cholesky factor elsewhere."""

    def __init__(self, statistics: Statistics, rho: float) -> None:
        self._H = statistics.gram
        few = statistics.count < FEW * len(self._H) <= FEW * LARGEST_SPECTRUM
        self._spectrum = statistics.spectrum if few else None
        self._factor: Any = None
        self.shift(rho)

    def shift(self, rho: float) -> None:
        """Replace ρ."""
        self._rho = rho
        if self._spectrum is None:
            # Three matrices at once would be one too many.
            self._factor = None
            shifted = np.array(self._H, order="F")
            shifted[np.diag_indices(len(shifted))] += rho
            self._factor = scipy.linalg.cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)

    def __matmul__(self, right: Floats) -> Floats:
        if self._spectrum is None:
            return np.asarray(scipy.linalg.cho_solve(self._factor, right, check_finite=False))
        values, vectors = self._spectrum
        inside = vectors.T @ right
        # Beyond the rank the eigenvalues are zero.
        return np.asarray((right - vectors @ inside) / self._rho + vectors @ (inside / (values + self._rho)[:, None]))


# Shares of the largest γ that cross-validation tries, and the gap and steps at which it stops there.
SHARES, ROUGH, MOST = tuple(10.0 ** (-k / 2) for k in range(2, 13)), 1e-3, 200
# Errors that differ by less, relatively, are the same.
SAME = 0.01


def best_share(
    parts: list[Statistics], penalty: Penalty, *, deadline: Deadline | None = None, shares: Sequence[float] = SHARES
) -> tuple[float, list[float]]:
    """Return γ as a share of the largest that predicts held-out parts best, and the squared error at every share tried.

    A path of every fold begins at the largest share, each solution starting the next, and ends where the error of all
    folds has not fallen twice. Of shares with the same error, to a hundredth, the largest is taken.

    Parameters
    ----------
    parts: statistics of the folds, at least two of them with samples.
    """
    filled = [part for part in parts if part.count]
    everything = total(filled)
    gamma = largest_gamma(everything, penalty)
    rests = [_without(everything, part) for part in filled]
    fits: list[StatisticsFit | None] = [None] * len(filled)
    errors: list[float] = []
    for share in shares:
        error = 0.0
        for k, (part, rest) in enumerate(zip(filled, rests, strict=True)):
            # What is lost by having fewer samples is no reason for more shrinkage.
            scale = rest.count / everything.count
            before = fits[k]
            start, rho = (None, None) if before is None else (before.weights, before.rho)
            fit = solve(
                rest, share * gamma * scale, penalty, start=start, rho=rho, tolerance=ROUGH, max_steps=MOST,
                deadline=deadline,
            )  # fmt: skip
            fits[k] = fit
            error += 2.0 * part.loss(flattened(fit.weights))
        errors.append(error)
        if len(errors) > 2 and all(later > (1.0 - SAME) * sooner for sooner, later in pairwise(errors[-3:])):
            break
    return shares[int(np.argmax(np.array(errors) <= (1.0 + SAME) * min(errors)))], errors


def _without(everything: Statistics, part: Statistics) -> Statistics:
    return Statistics(
        part.width, everything.gram - part.gram, everything.moment - part.moment,
        np.maximum(everything.squares - part.squares, 0.0), everything.count - part.count,
    )  # fmt: skip
