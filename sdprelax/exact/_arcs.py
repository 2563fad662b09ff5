"""The oracle in rank ≤ 2, exactly: the maximum of ‖Bᵀa(w)‖ over every arc between neighbouring rays.

On such an arc the activations are linear, ‖Bᵀa(w)‖ = ‖Lw‖, and with w = (cos θ, sin θ) its square is a constant plus a
multiple of cos(2θ − φ): the maximum is at θ = φ/2 or φ/2 + π where that lies on the arc, and else at an end. From one
arc to the next L changes by one row's term, so all 2g maps are sums along the circle.
"""

from __future__ import annotations

import numpy as np

from sdprelax.base import Floats
from sdprelax.exact._oracle import Candidates, value

__all__ = ["Arcs"]


class Arcs:
    """All local maxima over the circle; in rank 1 over its two directions.

    They are proposals, in floating point; bounds are proved by ``sdprelax.certificate._cone_cover``.

    Parameters
    ----------
    rows: generator rows, shape (g, r) with r ≤ 2, unit and no two parallel.
    """

    def __init__(self, rows: Floats) -> None:
        self.rows = rows
        g, r = rows.shape
        if r == 1:
            self.rays = np.array([[1.0, -1.0]])
            return
        # Beyond the ray at x̂ turned by a quarter x̂ᵀw is negative, beyond the opposite one positive.
        quarter = np.stack([-rows[:, 1], rows[:, 0]], axis=1)
        rays = np.vstack([quarter, -quarter])
        angles = np.arctan2(rays[:, 1], rays[:, 0])
        order = np.argsort(angles, kind="stable")
        self.rays = rays[order].T
        self._row, self._sign = order % g, np.where(order < g, -1.0, 1.0)
        self._angles = angles[order]
        self._widths = np.diff(np.append(self._angles, self._angles[0] + 2.0 * np.pi))

    def candidates(self, dual: Floats, *, above: float, near: Floats) -> Candidates:
        """Return the local maxima with value > ``above``; see :class:`sdprelax.exact._oracle.Oracle`."""
        if self.rows.shape[1] == 1:
            return Candidates.ranked(self.rays, value(self.rows, dual, self.rays), above)
        found = self._peaks(dual)
        return Candidates.ranked(found, value(self.rows, dual, found), above)

    def _maps(self, dual: Floats) -> Floats:
        """Return L of the arc that follows each ray, shape (2g, c, 2)."""
        g = len(self.rows)
        jump = dual[:g] + dual[g:]
        middle = self._angles[0] + 0.5 * self._widths[0]
        active = self.rows @ np.array([np.cos(middle), np.sin(middle)]) > 0.0
        first = jump[active].T @ self.rows[active] - dual[g:].T @ self.rows
        row = self._row[1:]
        steps = (self._sign[1:, None] * jump[row])[:, :, None] * self.rows[row][:, None, :]
        maps: Floats = np.cumsum(np.concatenate([first[None], steps]), axis=0)
        return maps

    def _peaks(self, dual: Floats) -> Floats:
        """Return the unit directions of all local maxima as columns, shape (2, k)."""
        maps = self._maps(dual)
        # Inside an arc: the top eigenvector of LᵀL.
        across = 2.0 * np.sum(maps[:, :, 0] * maps[:, :, 1], axis=1)
        along = np.sum(maps[:, :, 0] ** 2 - maps[:, :, 1] ** 2, axis=1)
        top = 0.5 * np.arctan2(across, along)
        ahead = np.mod(top - self._angles, np.pi)
        inside = self._angles[ahead < self._widths] + ahead[ahead < self._widths]
        # At a ray: the slope turns from up to down.
        onward = np.stack([-self.rays[1], self.rays[0]])
        height = np.einsum("kci,ik->kc", maps, self.rays)
        after = np.einsum("kc,kci,ik->k", height, maps, onward)
        before = np.einsum("kc,kci,ik->k", height, np.roll(maps, 1, axis=0), onward)
        return np.hstack([np.stack([np.cos(inside), np.sin(inside)]), self.rays[:, (before >= 0.0) & (after <= 0.0)]])
