"""The face {Λ = TSTᵀ} in an orthonormal basis, block by block (docs/solver.md, "Alternating directions").

λ = (α, β, w, v) lies in the face iff α − β = X̂w. With s = (α + β)/√2 and t = (α − β)/√2 that is t = Ey, w = Fy for
a free y of as many entries as w, where EᵀE + FᵀF = I. So (s, y, v) are orthonormal coordinates of the face, and what is
between a matrix over λ and one over (s, y, v) are sums of blocks and products with the thin matrices E and F.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdprelax.base import Floats
from sdprelax.solvers.native.arrays import Arrays

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
        copies = {name: arrays.xp.asarray(getattr(self, name), device=arrays.device, copy=True) for name in names}
        return Blocks(**copies)


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
        self.generators, self.rank = int(rows.shape[0]), int(rows.shape[1])
        self.E, self.F = arrays.of(ROOT * rows @ scale), arrays.of(scale)

    @property
    def order(self) -> int:
        """Order g + r + c of a matrix over (s, y, v)."""
        return self.generators + self.rank + self.outputs

    def compress(self, block: Callable[[str], Any]) -> Any:
        """Return QᵀMQ, shape (g + r + c, g + r + c), for the orthonormal basis Q of the face.

        Parameters
        ----------
        block: returns a new array with the block of M of that name; they are asked for one by one, to save memory.
        """
        g, R = self.generators, self.arrays.zeros(self.order, self.order)
        # (α, β) → (s, t): ss = ½(aa + bb + ab + abᵀ), tt = ½(aa + bb − ab − abᵀ), st = ½(aa − bb − ab + abᵀ).
        both, skew = block("aa"), block("bb")
        both += skew
        skew *= -2.0
        skew += both
        across = block("ab")
        skew -= across
        skew += across.T
        st = skew @ self.E
        del skew
        even = across + across.T
        del across
        both -= even
        tt = both @ self.E
        even *= 2.0
        even += both
        even *= HALF
        R[:g, :g] = even
        del even, both
        return self.completed(R, st, tt, block)

    def completed(self, R: Any, st: Any, tt: Any, block: Callable[[str], Any]) -> Any:
        """Return QᵀMQ, of which ss is there, with what the blocks between activations have in y, and the other blocks.

        Parameters
        ----------
        R: is filled, shape (g + r + c, g + r + c).
        st, tt: (M_αα − M_ββ − M_αβ + M_αβᵀ)E and (M_αα + M_ββ − M_αβ − M_αβᵀ)E, shape (g, r).
        block: as for :meth:`compress`.
        """
        g, r, E, F = self.generators, self.rank, self.E, self.F
        R[:g, g : g + r] = HALF * st
        R[g : g + r, g : g + r] = HALF * (E.T @ tt) + F.T @ block("ww") @ F
        aw, bw, av, bv = (block(name) for name in ("aw", "bw", "av", "bv"))
        R[:g, g : g + r] += ROOT * ((aw + bw) @ F)
        cross = ROOT * (E.T @ (aw - bw) @ F)
        R[g : g + r, g : g + r] += cross + cross.T
        R[:g, g + r :] = ROOT * (av + bv)
        R[g : g + r, g + r :] = ROOT * (E.T @ (av - bv)) + F.T @ block("wv")
        R[g + r :, g + r :] = block("vv")
        R[g : g + r, :g] = R[:g, g : g + r].T
        R[g + r :, : g + r] = R[: g + r, g + r :].T
        return R

    def activations(self, R: Any) -> Iterator[tuple[str, Any]]:
        """Yield the blocks "aa", "bb" and "ab" of QRQᵀ, each a new array, for a symmetric R over (s, y, v)."""
        g, r, E = self.generators, self.rank, self.E
        st = R[:g, g : g + r] @ E.T
        even, odd = HALF * (E @ R[g : g + r, g : g + r] @ E.T), HALF * (st + st.T)
        even += HALF * R[:g, :g]
        yield "aa", even + odd
        yield "bb", even - odd
        # ½(ss − tt − st + stᵀ) is what α and β have across.
        odd -= st
        odd -= even
        odd += R[:g, :g]
        yield "ab", odd

    def others(self, R: Any) -> dict[str, Any]:
        """Return the other blocks of QRQᵀ."""
        g, r, E, F = self.generators, self.rank, self.E, self.F
        yy = R[g : g + r, g : g + r]
        sw, tw, sv, tv = R[:g, g : g + r] @ F.T, E @ yy @ F.T, R[:g, g + r :], E @ R[g : g + r, g + r :]
        return {
            "aw": ROOT * (sw + tw), "bw": ROOT * (sw - tw), "av": ROOT * (sv + tv), "bv": ROOT * (sv - tv),
            "ww": F @ yy @ F.T, "wv": F @ R[g : g + r, g + r :], "vv": R[g + r :, g + r :],
        }  # fmt: skip
