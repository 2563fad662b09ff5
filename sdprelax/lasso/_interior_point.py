"""Output weights along fixed directions to high accuracy: a primal-dual interior point on the dual.

    min over W (K×c)  ½‖ΦW − Y‖² + γΣ_k‖W_k‖,      dual: max ⟨A, Y⟩ − ½‖A‖²  s.t. ‖Aᵀφ_k‖ ≤ γ

The atoms are many, nearly parallel and few are used, which stalls coordinate descent; the dual has only n·c variables,
so that some twenty factorisations of order n·c do whatever K is, and its multipliers are the output weights. Other
losses, weighted samples and offsets are :mod:`sdprelax.lasso._any_loss`'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg

from sdprelax.base import Floats
from sdprelax.lasso._any_loss import of_any_loss
from sdprelax.lasso._cone_steps import hessian, largest_step, room
from sdprelax.lasso._designs import Directions
from sdprelax.lasso._program import Fit, Program, Stop

__all__ = ["in_span", "interior_point", "polished"]

# Weight that the interior point starts an atom with at most, in units of what fits Y with it alone.
PLAUSIBLE = 10.0
# Powers of two by which features may exceed 1 where γ is about 1.
FURTHEST = 400
# Atoms per sample up to which an orthonormal basis of the atoms takes the place of the samples.
FEW = 0.8
# Steps after which the best pair is returned in any case.
STEPS = 100
# Shares of all weight above which an atom is tried as one of the support.
SUPPORTS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
# Shares of all weight up to which an atom's is what an interior point leaves on those that carry nothing, where leaving
# it out costs nothing either: no more than that share of the gap that is asked for.
NOTHING, FREE = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-11), 0.5


@dataclass(frozen=True, eq=False)
class _Iterate:
    """A point of the interior-point method: A and λ, with g = ΦᵀA and s = γ² − ‖g_k‖² > 0 at it."""

    A: Floats
    multipliers: Floats
    slopes: Floats
    slack: Floats

    @property
    def barrier(self) -> float:
        """Mean complementarity λ_ks_k."""
        return float(np.mean(self.multipliers * self.slack))

    def moved(self, features: Floats, gamma: float, length: float, step: _Step) -> _Iterate:
        """Return the iterate a step away."""
        A = self.A + length * step.A
        slopes = features.T @ A
        slack = gamma * gamma - np.sum(slopes**2, axis=1)
        return _Iterate(A, self.multipliers + length * step.multipliers, slopes, slack)

    def room(self, step: _Step) -> float:
        """Return the largest length ≤ 1 that keeps λ and s nonnegative."""
        return min(1.0, largest_step(self.slack, self.slopes, step.slopes), room(self.multipliers, step.multipliers))


@dataclass(frozen=True, eq=False)
class _Step:
    A: Floats
    slopes: Floats
    multipliers: Floats


def _newton(at: _Iterate, factor: Any, features: Floats, Y: Floats, complementarity: Floats) -> _Step:
    """Return the Newton step towards stationarity and λ_ks_k = s_k·complementarity_k."""
    n, c = Y.shape
    gradient = at.A - Y + 2.0 * features @ (complementarity[:, None] * at.slopes)
    change = -scipy.linalg.cho_solve(factor, gradient.T.ravel(), check_finite=False).reshape(c, n).T
    along = features.T @ change
    ratio = 2.0 * at.multipliers / at.slack
    return _Step(change, along, complementarity - at.multipliers + ratio * np.sum(at.slopes * along, axis=1))


def _predict_and_correct(at: _Iterate, features: Floats, Y: Floats, gamma: float) -> _Step:
    """Return Mehrotra's step: the affine one sets the centring and the second-order term."""
    matrix = hessian(features, at.multipliers, at.slopes, at.multipliers / at.slack)
    factor = scipy.linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    affine = _newton(at, factor, features, Y, np.zeros_like(at.slack))
    reached = at.moved(features, gamma, at.room(affine), affine).barrier
    centring = min(1.0, max(reached / at.barrier, 0.0)) ** 3
    slack_change = -2.0 * np.sum(at.slopes * affine.slopes, axis=1)
    curvature = at.multipliers * np.sum(affine.slopes**2, axis=1)
    correction = (centring * at.barrier - affine.multipliers * slack_change + curvature) / at.slack
    return _newton(at, factor, features, Y, correction)


# With γ tiny against the data the last steps overflow; what is not finite ends the iteration and is never returned.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def interior_point(program: Program, start: Fit | None, stop: Stop) -> Fit:
    """Return the pair of a program along directions, of Frobenius norms, that some twenty steps end at.

    Parameters
    ----------
    start: a pair whose dual point, moved into the interior, is where it starts; by default Y, or of another loss than
        the squared one, or with an offset, the residual of the best constant output.
    """
    assert isinstance(program.design, Directions)
    features, Y, gamma = program.design.features, program.targets, program.gamma
    # With γ about 1 its square is a number; a power of two changes no digit.
    largest = float(np.max(np.abs(features), initial=0.0))
    unit = max(math.frexp(gamma)[1], math.frexp(largest)[1] - FURTHEST)
    features, gamma = np.ldexp(features, -unit), math.ldexp(gamma, -unit)
    if not program.plain:
        scaled = replace(program, gamma=gamma, design=Directions(features))
        found = of_any_loss(scaled, None if start is None else start.multiplier, stop)
        return replace(found, weights=np.ldexp(found.weights, -unit))
    energy = program.value(program.zero(), np.zeros_like(Y))
    nothing = Fit(program.zero(), Y.copy(), energy, energy)
    if program.groups == 0 or energy == 0.0:
        return nothing
    scaled = Program(gamma, "frobenius", Directions(features), Y)
    if scaled.steepest(Y) <= gamma:
        # Y itself is feasible, so no atom pays.
        return nothing
    A = None if start is None else start.multiplier
    if program.groups > FEW * len(Y):
        found = _iterated(scaled, 0.0, A, stop)
    else:
        Q, R, inside, rest = in_span(features, Y)
        within = replace(scaled, design=Directions(R), targets=inside)
        found = _iterated(within, program.loss.value(rest, np.zeros_like(rest)), None if A is None else Q.T @ A, stop)
        found = replace(found, multiplier=Q @ found.multiplier + rest)
    return replace(found, weights=np.ldexp(found.weights, -unit))


def in_span(features: Floats, Y: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return (Q, R, QᵀY, Y − QQᵀY) for fewer atoms than samples, Φ = QR.

    What is orthogonal to the atoms is a part of the loss and of A, and of nothing else: the program over R and QᵀY has
    the same weights, and ½‖Y − QQᵀY‖² is what its value lacks.
    """
    Q, R = np.linalg.qr(features)
    rest = Y - Q @ (Q.T @ Y)
    rest -= Q @ (Q.T @ rest)
    return Q, R, Q.T @ Y, rest


def _iterated(program: Program, beyond: float, start: Floats | None, stop: Stop) -> Fit:
    """Return the pair, to whose values a loss of ``beyond`` is added."""
    assert isinstance(program.design, Directions)
    features, Y, gamma = program.design.features, program.targets, program.gamma
    A = Y if start is None else start
    largest = program.steepest(A)
    A = A * (0.95 * gamma / largest) if largest >= 0.95 * gamma else A
    weights, value = program.zero(), beyond + program.value(program.zero(), np.zeros_like(Y))
    best, dual = A, beyond + program.loss.dual_value(A, Y)
    slopes = features.T @ A
    slack = gamma * gamma - np.sum(slopes**2, axis=1)
    # The weight 2λ_kγ of an atom is some multiple of what fits Y; where γ is tiny, centring would ask for far more.
    plausible = PLAUSIBLE * np.linalg.norm(Y) / (2.0 * gamma * np.linalg.norm(features, axis=0))
    multipliers = np.minimum(max(value - dual, 1e-12 * value) / program.groups / slack, plausible)
    at, steps = _Iterate(A, multipliers, slopes, slack), 0
    while not stop.reached(value, dual, steps) and steps < STEPS and at.barrier > 0.0:
        steps += 1
        try:
            step = _predict_and_correct(at, features, Y, gamma)
        except np.linalg.LinAlgError:
            break
        at = at.moved(features, gamma, min(1.0, 0.99 * at.room(step)), step)
        if not (np.all(at.slack > 0.0) and np.all(np.isfinite(at.multipliers))):
            break
        found = (2.0 * at.multipliers[:, None] * at.slopes)[:, None]
        reached = beyond + program.value(found, program.predict(found))
        if reached < value:
            weights, value = found, reached
        bound = beyond + program.loss.dual_value(at.A, Y)
        if bound > dual:
            best, dual = at.A, bound
    return Fit(weights, best, value, dual, steps)


def polished(program: Program, fit: Fit, stop: Stop) -> Fit:
    """Return a pair without weight on atoms that should have none.

    Parameters
    ----------
    fit: a pair of :func:`interior_point`, over some of the program's atoms.
    stop: what that was asked for.
    """
    sizes = program.sizes(fit.weights)
    allowed = fit.value + FREE * stop.tolerance * fit.value
    few = fit.weights
    for share in NOTHING:
        thinned = fit.weights * (sizes > share * float(np.sum(sizes)))[:, None, None]
        if program.value(thinned, program.predict(thinned)) <= allowed:
            few = thinned
            break
    found = program.pair(few, fit.multiplier)
    return _crossed_over(program, found) if program.outputs == 1 else found


def _crossed_over(program: Program, fit: Fit) -> Fit:
    """Return a better pair of one output, from the equations that hold on the optimum's support, or the same.

    Where γ is small the interior point is left with weight on atoms that should have none. On the support S with signs
    s the optimum solves Φ_SᵀΦ_Sz = Φ_Sᵀy − γs, to full accuracy by QR; an atom whose sign turns is no part of S.
    """
    assert isinstance(program.design, Directions)
    weights, y, gamma = fit.weights[:, 0, 0], program.targets[:, 0], program.gamma
    sizes, best = np.abs(weights), fit
    for share in SUPPORTS:
        support = np.flatnonzero(sizes > share * float(np.sum(sizes)))
        while 0 < len(support) <= len(y):
            signs = np.sign(weights[support])
            Q, R = np.linalg.qr(program.design.features[:, support])
            if np.min(np.abs(np.diag(R))) <= 1e-12 * np.max(np.abs(np.diag(R))):
                break
            force = scipy.linalg.solve_triangular(R, signs, trans="T")
            found = scipy.linalg.solve_triangular(R, Q.T @ y - gamma * force)
            kept = found * signs > 0.0
            if np.all(kept):
                whole = np.zeros_like(fit.weights)
                whole[support, 0, 0] = found
                # The residual, without the cancellation in y − Φz where γ is small.
                residual = y - Q @ (Q.T @ y) + gamma * (Q @ force)
                pair = program.pair(whole, residual[:, None])
                if pair.value <= best.value * (1.0 + 1e-13):
                    best = replace(best.better(pair), weights=pair.weights, value=pair.value)
                break
            support = support[kept]
    return best
