"""Lower bounds for linear networks in floating point, and the dual points that make them good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.optimize

from sdprelax.base import Deadline, Floats, positive_part
from sdprelax.certificate import borrowed_curvature, decay_slope, reach_slope
from sdprelax.linear._spectrum import Spectrum

__all__ = ["DualPoint", "LinearDual"]

# Shares of the largest λ that are tried, and ridges η in units of the largest eigenvalue of XᵀX.
CURVATURES, RIDGES = (0.99, 0.7, 0.3, 0.05, 1e-3), (1e-8, 1e-4, 1e-2, 0.1, 1.0, 10.0, 1e3)
# Largest logarithms of both in a search.
MOST = (0.0, 14.0)
# How far within its bound the multiplier of the weight decay is kept, and λ within its own.
INSIDE = 1e-11
NEARLY = 1.0 - 1e-9
# Function values that a search in (λ, η) may take, and the gap at which nothing more is looked for.
EVALUATIONS, CLOSED = 200, 1e-10
# Share of ‖XF‖² that a proof loses to rounding for each of k, by measurement: an F that is huge proves little.
ROUNDING = 1e-12
# Share of the least curvature that directions are given which need none.
SHORT = 1e-3
# Share of the largest singular value below which another one is zero.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True, eq=False)
class DualPoint:
    """A dual point of training linear networks, in the coordinates of :class:`Spectrum`.

    Attributes
    ----------
    value: the lower bound that it makes, in floating point.
    fit: F, shape (r, c).
    curvature: λ.
    basis: E, orthogonal columns of lengths up to 1, shape (r, m).
    """

    value: float
    fit: Floats
    curvature: float
    basis: Floats


@dataclass(frozen=True, eq=False)
class _Curved:
    """E, shape (r, m), λ, and the square matrix that a ridge is a multiple of, shape (r, r)."""

    basis: Floats
    curvature: float
    ridged: Floats


@dataclass(frozen=True, eq=False)
class LinearDual:
    """The dual of training linear networks: ½‖Y‖² − ½Σ_{i≤k}λ_i(FᵀGF) − Σ_{i≤k}½(c_i − μ_i)₊²/(λ − κ_i).

    G is XᵀX − λEEᵀ, and c are the singular values of Eᵀ(XᵀY − GF); what of XᵀY − GF is not in the range of E is to
    vanish, but for what γ pays without curvature (docs/mathematics/deep_linear.md, "The proof of a lower bound").

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

    def most(self, basis: Floats) -> float:
        """Return the largest λ with XᵀX ⪰ λEEᵀ, shape (r, m)."""
        scaled = basis / self.spectrum.values[:, None]
        return 1.0 / float(np.linalg.norm(scaled, 2)) ** 2

    def plain(self, fit: Floats, upper: float, inside: float = INSIDE) -> DualPoint:
        """Return the dual point of F with λ = 0, moved towards least squares until γ pays for what it leaves.

        Parameters
        ----------
        fit: F, shape (r, c).
        upper: the objective of a network.
        inside: share of γ that is kept back for the rounding of a proof.
        """
        square, inner = self.spectrum.values[:, None] ** 2, self.spectrum.inner
        slope = max(decay_slope(self.gamma, self.depth, 0.0), reach_slope(upper, self.gamma, self.depth))
        steepest = float(np.linalg.norm(inner - square * fit, 2))
        share = min(1.0, slope * (1.0 - inside) / steepest) if steepest else 1.0
        fit = share * fit + (1.0 - share) * inner / square
        return DualPoint(self._energy_left(fit, square * fit), fit, 0.0, np.zeros((len(fit), 0)))

    def point(self, fit: Floats, curvature: float, basis: Floats, upper: float) -> DualPoint:
        """Return the dual point of an F for which XᵀY − GF is in the range of E.

        Parameters
        ----------
        fit: F, shape (r, c).
        curvature: λ, less than ``most(basis)``.
        basis: E, shape (r, m).
        upper: the objective of a network.
        """
        image = self.spectrum.values[:, None] ** 2 * fit - curvature * (basis @ (basis.T @ fit))
        value = self._energy_left(fit, image)
        reach = reach_slope(upper, self.gamma, self.depth)
        inside = (basis / np.sum(basis**2, axis=0)).T @ (self.spectrum.inner - image)
        singular = np.linalg.svd(inside, compute_uv=False)[: self.width]
        for c in singular.tolist():
            kappa = borrowed_curvature(c, self.gamma, self.depth, curvature)
            short = c - max(decay_slope(self.gamma, self.depth, kappa), reach)
            if short > 0.0:
                value -= 0.5 * short**2 / max(curvature - kappa, 1e-300)
        return DualPoint(value, fit, curvature, basis)

    def _energy_left(self, fit: Floats, image: Floats) -> float:
        """Return ½‖Y‖² − ½Σ_{i≤k}λ_i(FᵀGF), less what rounding is likely to cost a proof, a share of ‖XF‖²."""
        kept = np.asarray(np.linalg.eigvalsh(fit.T @ image)[::-1][: self.width], dtype=np.float64)
        size = float(np.sum((self.spectrum.values[:, None] * fit) ** 2))
        return self.spectrum.energy - 0.5 * float(np.sum(positive_part(kept))) - ROUNDING * len(kept) * size

    def best(self, Z: Floats, upper: float, deadline: Deadline | None = None) -> DualPoint:
        """Return the best dual point of the kind that a network suggests.

        It is F = Z on the row space of Z, where the conditions of optimality ask for it, and beyond it
        (G + ηEEᵀ)⁻¹XᵀY, for E of the column space of Z and some more. λ and η are looked for.

        Parameters
        ----------
        Z: the product of a network's layers in the coordinates of :class:`Spectrum`, of rank k, shape (r, c).
        upper: the network's objective.
        deadline: for the search.
        """
        found, until = self.plain(Z, upper), deadline or Deadline()
        left, singular, right = np.linalg.svd(Z, full_matrices=False)
        rank = int(np.sum(singular > NEGLIGIBLE * max(float(singular[0]), 1e-300)))
        rows = right[:rank]
        beyond = self.spectrum.inner - (self.spectrum.inner @ rows.T) @ rows
        families: list[Callable[[float], _Curved]] = [
            *(partial(self._along, directions) for directions in self._directions(left[:, :rank], beyond)),
            self._clipped,
        ]
        for family in families:
            if upper - found.value <= CLOSED * upper or until.expired:
                break
            found = max(found, self._searched(Z, beyond, family, upper), key=lambda point: point.value)
        return found

    def _directions(self, left: Floats, beyond: Floats) -> Iterator[Floats]:
        """Yield orthonormal bases of spaces that hold the column space of Z and the steepest slopes beyond it."""
        others = np.linalg.svd(beyond - left @ (left.T @ beyond))[0]
        more = np.linalg.qr(np.hstack([left, others]))[0]
        sizes = (left.shape[1], min(self.width, len(left)), min(self.width + 2, len(left)), len(left))
        yield from (more[:, :size] for size in dict.fromkeys(sizes) if size)

    def _along(self, directions: Floats, share: float) -> _Curved:
        """Return E of an orthonormal basis, with a share of the largest λ."""
        basis = self._completed(directions)
        return _Curved(basis, NEARLY * share * self.most(basis), directions @ directions.T)

    def _clipped(self, share: float) -> _Curved:
        """Return E for which λEEᵀ is XᵀX where that is less than λ, a share of its largest eigenvalue, else λ."""
        largest = share * float(self.spectrum.values[0]) ** 2
        lengths = np.minimum(1.0, self.spectrum.values / np.sqrt(largest))
        return _Curved(np.diag(lengths), NEARLY * largest, np.diag(lengths**2))

    def _searched(self, Z: Floats, beyond: Floats, family: Callable[[float], _Curved], upper: float) -> DualPoint:
        """Return the best dual point of a family over its share and the ridge η."""
        square, largest = np.diag(self.spectrum.values**2), float(self.spectrum.values[0]) ** 2

        def tried(share: float, ridge: float) -> DualPoint:
            curved = family(share)
            regularised = square - curved.curvature * curved.basis @ curved.basis.T + ridge * largest * curved.ridged
            try:
                fit = Z + np.linalg.solve(regularised, beyond)
            except np.linalg.LinAlgError:
                return self.plain(Z, upper)
            return self.point(fit, curved.curvature, curved.basis, upper)

        def cost(logarithms: Floats) -> float:
            share, ridge = np.exp(np.minimum(logarithms, MOST))
            return -tried(float(share), float(ridge)).value

        start = max(((a, b) for a in CURVATURES for b in RIDGES), key=lambda pair: tried(*pair).value)
        searched = scipy.optimize.minimize(
            cost, np.log(start), method="Nelder-Mead", options={"maxfev": EVALUATIONS, "xatol": 1e-8, "fatol": 0.0}
        )
        share, ridge = np.exp(np.minimum(searched.x, MOST))
        return tried(float(share), float(ridge))

    def _completed(self, directions: Floats) -> Floats:
        """Return E: a basis, and the directions beyond it, short, if these span all inputs.

        Then nothing is beyond E, and γ need not pay for the rounding of what should be nothing.
        """
        r, size = directions.shape
        if size == r or r < len(self.spectrum.basis):
            return directions
        others = np.linalg.qr(directions, mode="complete")[0][:, size:]
        length = np.sqrt(SHORT / self.most(directions)) * float(self.spectrum.values[-1])
        return np.hstack([directions, min(1.0, length) * others])
