"""The face {Λ = TSTᵀ} in an orthonormal basis, block by block (docs/solver.md section 2).

λ = (α, β, w, v) lies in the face iff α − β = X̂w. With s = (α + β)/√2 and t = (α − β)/√2 that is t = Ey, w = Fy for
a free y of as many entries as w, where EᵀE + FᵀF = I. So (s, y, v) are orthonormal coordinates of the face, and what is
between a matrix over λ and one over (s, y, v) are sums of blocks and products with the thin matrices E and F.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdprelax.solvers.native.arrays import Arrays
from sdprelax.verified import Floats

__all__ = ["Blocks", "Face"]

HALF = 0.5
ROOT = 0.5**0.5


@dataclass(eq=False)
class Blocks:
    """A symmetric matrix over λ = (α, β, w, v) by its blocks; those below the diagonal are not kept.

    Attributes
    ----------
    aa, ab, bb: shape (g, g); aw, bw: shape (g, r); av, bv: shape (g, c).
    ww: shape (r, r); wv: shape (r, c); vv: shape (c, c).
    """

    aa: Any
    ab: Any
    bb: Any
    aw: Any
    bw: Any
    av: Any
    bv: Any
    ww: Any
    wv: Any
    vv: Any

    @staticmethod
    def zeros(arrays: Arrays, g: int, r: int, c: int) -> Blocks:
        """Return the zero matrix."""
        z = arrays.zeros
        return Blocks(
            z(g, g), z(g, g), z(g, g), z(g, r), z(g, r), z(g, c), z(g, c), z(r, r), z(r, c), z(c, c)
        )  # fmt: skip


    def copied(self, arrays: Arrays) -> Blocks:
        """Return a copy."""
        names = [field.name for field in dataclasses.fields(self)]
        return Blocks(**{name: arrays.xp.asarray(getattr(self, name), copy=True) for name in names})


class Face:
    """The orthonormal coordinates of the face of generator rows.

    Parameters
    ----------
    rows: unit rows X̂, shape (g, r).
    outputs: number c of outputs.
    """

    def __init__(self, rows: Floats, outputs: int, arrays: Arrays) -> None:
        # λ restricted to t = X̂w/√2: (X̂ᵀX̂/2 + I)^(-1/2) makes its coordinates orthonormal.
        values, vectors = np.linalg.eigh(0.5 * rows.T @ rows + np.eye(rows.shape[1]))
        scale: Floats = (vectors / np.sqrt(values)) @ vectors.T
        self.arrays, self.outputs = arrays, outputs
        self.generators, self.rank = rows.shape
        self.E, self.F = arrays.of(ROOT * rows @ scale), arrays.of(scale)

    @property
    def order(self) -> int:
        """Order g + r + c of a matrix over (s, y, v)."""
        return self.generators + self.rank + self.outputs

    def compress(self, m: Blocks) -> Any:
        """Return QᵀMQ, shape (g + r + c, g + r + c), for the orthonormal basis Q of the face."""
        g, r, E, F = self.generators, self.rank, self.E, self.F
        R = self.arrays.zeros(self.order, self.order)
        skew = m.ab.T - m.ab
        both = m.aa + m.bb
        # (α, β) → (s, t): ss = ½(aa + bb + ab + abᵀ), tt = ½(aa + bb − ab − abᵀ), st = ½(aa − bb − ab + abᵀ).
        R[:g, :g] = HALF * (both + m.ab + m.ab.T)
        both -= m.ab
        both -= m.ab.T
        corner = E.T @ (HALF * both) @ E
        skew += m.aa
        skew -= m.bb
        sw, tw = ROOT * (m.aw + m.bw), ROOT * (m.aw - m.bw)
        R[:g, g : g + r] = HALF * (skew @ E) + sw @ F
        cross = E.T @ tw @ F
        R[g : g + r, g : g + r] = corner + cross + cross.T + F.T @ m.ww @ F
        R[:g, g + r :] = ROOT * (m.av + m.bv)
        R[g : g + r, g + r :] = E.T @ (ROOT * (m.av - m.bv)) + F.T @ m.wv
        R[g + r :, g + r :] = m.vv
        R[g : g + r, :g] = R[:g, g : g + r].T
        R[g + r :, : g + r] = R[: g + r, g + r :].T
        return HALF * (R + R.T)

    def expand(self, R: Any) -> Blocks:
        """Return QRQᵀ, a matrix over λ, of a symmetric R over (s, y, v)."""
        g, r, E, F = self.generators, self.rank, self.E, self.F
        ss, sy, yy = R[:g, :g], R[:g, g : g + r], R[g : g + r, g : g + r]
        st, tt = sy @ E.T, E @ yy @ E.T
        even, odd = HALF * (ss + tt), HALF * (st + st.T)
        # ½((ss − tt) − (st − stᵀ)) is what α and β have across.
        across = even - tt
        across += odd
        across -= st
        sw, tw, sv, tv = sy @ F.T, E @ yy @ F.T, R[:g, g + r :], E @ R[g : g + r, g + r :]
        return Blocks(
            even + odd, across, even - odd, ROOT * (sw + tw), ROOT * (sw - tw), ROOT * (sv + tv), ROOT * (sv - tv),
            F @ yy @ F.T, F @ R[g : g + r, g + r :], R[g + r :, g + r :],
        )  # fmt: skip
