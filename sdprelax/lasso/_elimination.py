"""What a program is solved without: samples' weights, and the offset t.

Of the squared loss both are rows of the design: with v = √w and M = I − vvᵀ/(‖v‖² + δ),

    min over t of ½Σ_iw_i‖P_i + t − Y_i‖² + (δ/2)‖t‖²  =  ½‖M^½ diag(v)(P − Y)‖²,     M^½ = I − θvvᵀ/‖v‖²,

with θ = 1 for a free offset (δ = 0: columns less their means) and (1 − θ)² = δ/(‖v‖² + δ) for a penalised one. Of any
other loss, and behind gates, t is eliminated as a variable: the best t is part of the loss, whose gradient is that at
the best t, and which is as smooth as before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sdprelax.base import Floats
from sdprelax.lasso._designs import Directions
from sdprelax.lasso._program import SQUARED, Fit, Program
from sdprelax.problem import Loss, Ray, tilt_of

__all__ = ["Eliminated", "Profiled", "eliminated", "profiled"]

# Newton steps for the best offset, and what its derivative may be, relative to the sum of what adds up in it.
STEPS, LEVEL = 10, 1e-13


@dataclass(frozen=True, eq=False)
class Profiled(Loss):
    """P ↦ min over t of ℓ(P + 1tᵀ; Y) + (decay/2)‖t‖², of all samples at once.

    Its dual points have 1ᵀA = 0 without decay; with it ‖1ᵀA‖²/(2·decay) is taken off their dual value.

    Parameters
    ----------
    loss: ℓ.
    decay: 0, or what ½‖t‖² costs.
    """

    loss: Loss
    decay: float = 0.0
    # The best t of the last predictions asked about: the next ones are near.
    _last: list[Floats] = field(default_factory=list, repr=False)

    # Facts of ℓ, which a dataclass's own attributes of the class would hide.
    targets = property(lambda self: self.loss.targets)
    curvature = property(lambda self: self.loss.curvature)
    smooth = property(lambda self: self.loss.smooth)
    shift_invariant = property(lambda self: self.loss.shift_invariant)
    separable = property(lambda self: self.loss.separable)

    def value(self, P: Floats, Y: Floats) -> float:
        """Return the value at the best t."""
        t = self.offset(P, Y)
        return self.loss.value(P + t, Y) + 0.5 * self.decay * float(t @ t)

    def residual(self, P: Floats, Y: Floats) -> Floats:
        """Return the residual at the best t; of a loss with kinks a point of the dual next to one."""
        A = self.loss.residual(P + self.offset(P, Y), Y)
        return A if self.smooth else self.admissible(A, Y)

    def offset(self, P: Floats, Y: Floats) -> Floats:
        """Return the best t: by a few Newton steps from that of the predictions before, where they end there."""
        if self.smooth and self._last and self._last[0].shape == Y.shape[1:]:
            t = self._last[0]
            for _ in range(STEPS):
                A = self.loss.residual(P + t, Y)
                slope = self.decay * t - np.sum(A, axis=0)
                if np.all(np.abs(slope) <= LEVEL * (np.sum(np.abs(A), axis=0) + self.decay * np.abs(t))):
                    self._last[:] = [t]
                    return t
                curved = np.sum(self.loss.hessian(P + t, Y), axis=0) + self.decay * np.eye(len(t))
                # A loss may not see what is common to all outputs.
                t = t - np.linalg.lstsq(curved, slope, rcond=1e-12)[0]
                if not np.all(np.isfinite(t)):
                    break
        t = self.loss.constant(Y, P, self.decay)
        self._last[:] = [t]
        return t

    def admissible(self, A: Floats, Y: Floats, offset: bool = False) -> Floats:
        """Return ℓ's, whose columns add up to 0 where t is free."""
        return self.loss.admissible(A, Y, offset or not self.decay)

    def dual_value(self, A: Floats, Y: Floats) -> float:
        """Return D(A) less what a penalised t takes."""
        return self.loss.dual_value(A, Y) - 0.5 * tilt_of(A, self.decay)

    def ray(self, A: Floats, Y: Floats, tilt: float = 0.0) -> Ray:
        """Return ℓ's, with what a penalised t takes."""
        return self.loss.ray(A, Y, tilt + tilt_of(A, self.decay))


def profiled(loss: Loss, decay: float) -> Profiled:
    """Return a loss with the best offset in it."""
    # It has nothing to say of single samples.
    return Profiled(loss, decay)  # type: ignore[abstract]


@dataclass(frozen=True, eq=False)
class Eliminated:
    """A program without weights and offset whose optimum has the same W, and the ways there and back.

    Parameters
    ----------
    original: the program.
    program: the one without.
    rows: v, shape (n, 1), that rows were multiplied by; None where they were not.
    share: θ, what rows have lost along v; 0 where they have not.
    """

    original: Program
    program: Program
    rows: Floats | None = None
    share: float = 0.0

    def start(self, fit: Fit | None) -> Fit | None:
        """Return a pair of the original program as one of the other."""
        if fit is None or (self.rows is None and self.share in (0.0, 1.0)):
            return fit
        A = fit.multiplier if self.rows is None else fit.multiplier / self.rows
        # What is lost altogether is no part of A.
        return replace(fit, multiplier=self._along(A, self.share / (self.share - 1.0)) if self.share < 1.0 else A)

    def fit(self, found: Fit) -> Fit:
        """Return a pair of the other program as one of the original."""
        A = found.multiplier
        if self.share not in (0.0, 1.0) or (self.share and self.rows is not None):
            A = self._along(A, self.share)
        A = A if self.rows is None else self.rows * A
        return replace(found, multiplier=A, offset=self.original.offset(found.weights))

    def _along(self, A: Floats, share: float) -> Floats:
        """Return (I − share·vvᵀ/‖v‖²)A."""
        return _less(A, np.ones((len(A), 1)) if self.rows is None else self.rows, share)


def _less(values: Floats, v: Floats, share: float) -> Floats:
    return np.asarray(values - v * (share / float(np.sum(v * v)) * (v.T @ values)))


def eliminated(program: Program) -> Eliminated:
    """Return a program without weights and offset: the squared loss's own, or one whose loss has the offset in it."""
    plain, weights = program.loss.unweighted == SQUARED, program.loss.weights
    gated = not isinstance(program.design, Directions)
    if program.intercept and (gated or not plain):
        return Eliminated(
            program, replace(program, loss=profiled(program.loss, program.decay), intercept=False, decay=0.0)
        )
    if not plain or (weights is None and not program.intercept):
        return Eliminated(program, program)
    if weights is None and not program.decay:
        return Eliminated(program, program.centred(), share=1.0)
    rows = None if weights is None else np.sqrt(weights)[:, None]
    v = np.ones((len(program.targets), 1)) if rows is None else rows
    size = float(np.sum(v * v))
    share = 1.0 - math.sqrt(program.decay / (size + program.decay)) if program.intercept else 0.0

    def mapped(values: Any) -> Floats:
        scaled = v * values
        return _less(scaled, v, share) if share else scaled

    if isinstance(program.design, Directions):
        design: Any = Directions(mapped(program.design.features))
    else:
        design = replace(program.design, inputs=mapped(program.design.inputs))
    found = replace(program, design=design, targets=mapped(program.targets), intercept=False, loss=SQUARED, decay=0.0)
    return Eliminated(program, found, rows, share)
