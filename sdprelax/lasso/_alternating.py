"""The program of sufficient statistics, solved by alternating directions.

    min ½⟨W, HW⟩ − ⟨W, B⟩ + ½‖F‖² + γΣ‖V_i‖   subject to  W = V

(Boyd et al., *Distributed optimization and statistical learning via the alternating direction method of multipliers*,
2011). One Cholesky factor of H + ρI serves all steps until ρ changes. The residual R = F − ΦV has ΦᵀR = B − HV,
⟨R, F⟩ = ‖F‖² − ⟨V, B⟩ and ‖R‖² = ‖F‖² − 2⟨V, B⟩ + ⟨V, HV⟩, so the multiple of it that is feasible in the dual, and with
it the gap, are known without the samples. Rounding errors are not bounded here: a pass over the samples does that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import threadpoolctl

from sdprelax.base import Floats, positive_part
from sdprelax.lasso._program import Fit, Objective, Stop
from sdprelax.lasso._statistics import Statistics
from sdprelax.problem import QuadraticRay, Squared, norms

__all__ = ["SMALL", "StatisticsProgram", "alternating"]

# Steps between two looks at the gap; over-relaxation; most steps.
LOOK, RELAXED, STEPS = 10, 1.6, 5_000
# A ratio of the residuals beyond which ρ is changed, and steps after which it may be: each change costs a factor.
UNBALANCED, PATIENCE = 3.0, 20
# Samples, as a share of the order, below which eigenvectors of H pay, and the largest order for which they are sought.
FEW, LARGEST_SPECTRUM = 0.5, 3_000
# Order up to which one thread is faster than several.
SMALL = 10_000


@dataclass(frozen=True, eq=False)
class StatisticsProgram(Objective):
    """A program of which sufficient statistics are known.

    Parameters
    ----------
    gamma, penalty: as in ``Objective``.
    statistics: H, B and ‖F‖².
    """

    statistics: Statistics

    @property
    def outputs(self) -> int:
        """c."""
        return int(self.statistics.moment.shape[1])

    @property
    def largest_gamma(self) -> float:
        """The least γ at which all weights are zero: the largest dual norm of a group's Φ_iᵀF."""
        return float(np.max(self.steepness(self.statistics.by_gate(self.statistics.moment)), initial=0.0))

    def pair(self, flat: Floats, steps: int, rho: float) -> Fit:
        """Return weights, of shape (m·d, c), with the best feasible multiple of their residual."""
        data = self.statistics
        image = data.gram @ flat
        along = data.squares - np.sum(flat * data.moment, axis=0)
        energy = positive_part(along - np.sum(flat * (data.moment - image), axis=0))
        weights, slopes = data.by_gate(flat), data.by_gate(data.moment - image)
        value = Squared.of_sums(energy) + self.gamma * float(np.sum(self.sizes(weights)))
        if self.norm == "columns":
            steepest = np.max(np.sqrt(np.sum(slopes * slopes, axis=1)), axis=0, initial=0.0)
            _, dual = self.scaled(QuadraticRay(along, energy), steepest)
        else:
            ray = QuadraticRay(np.sum(along), np.sum(energy))
            _, dual = self.scaled(ray, np.max(self.steepness(slopes), initial=0.0))
        return Fit(weights, np.zeros((0, self.outputs)), value, dual, steps, rho=rho)


def alternating(program: StatisticsProgram, start: Fit | None, stop: Stop) -> Fit:
    """Return the best pair that alternating directions come to.

    Parameters
    ----------
    start: a pair whose weights to start from, and whose ρ, if it has one; by default zero and the mean eigenvalue of H.
    """
    data = program.statistics
    order = len(data.moment)
    V = np.zeros_like(data.moment) if start is None else start.weights.reshape(data.moment.shape)
    given = None if start is None else start.rho
    rho = float(np.trace(data.gram)) / max(order, 1) if given is None else given
    best = program.pair(V, 0, rho)
    if not order or stop.within(best.value, best.dual_value):
        return best
    # NumPy and SciPy have a pool of threads each, which wait for one another at small orders.
    with threadpoolctl.threadpool_limits(limits=1 if order <= SMALL else None, user_api="blas"):
        return _alternated(program, V, rho, best, stop)


def _alternated(program: StatisticsProgram, V: Floats, rho: float, best: Fit, stop: Stop) -> Fit:
    data, H, B = program.statistics, program.statistics.gram, program.statistics.moment
    inverse, most = _Inverse(data, rho), min(stop.steps, STEPS)
    # What the multiplier would be if the start were the optimum.
    scaled, changed = (B - H @ V) / rho, 0
    for step in range(1, most + 1):
        W = inverse @ (B + rho * (V - scaled))
        relaxed = RELAXED * W + (1.0 - RELAXED) * V + scaled
        new = norms.shrunk(data.by_gate(relaxed), program.gamma / rho, program.norm).reshape(relaxed.shape)
        moved = float(np.linalg.norm(new - V))
        V, scaled = new, relaxed - new
        if step % LOOK == 0 or step == most or stop.deadline.expired:
            found = program.pair(V, step, rho)
            best = found if found.gap < best.gap else best
            if stop.within(best.value, best.dual_value) or stop.deadline.expired:
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
