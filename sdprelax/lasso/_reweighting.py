"""Iterative reweighting: the group lasso as a sequence of kernel ridge regressions that learn their kernel.

With ‖W‖ = min over η > 0 of ½(‖W‖²/η + η), over both unknowns

    min over W  ½‖Σ_iD_iXW_i − Y‖² + γΣ_i‖W_i‖_F  =  min over η ≥ 0  J(η),
    J(η) = ridge_value(K_η, Y, γ) + (γ/2)Σ_iη_i,        K_η = Σ_iη_iD_iXXᵀD_i:

multiple kernel learning (docs/mathematics/lasso.md, "The NTK and its repair"). For given η the best weights are W_i =
η_iXᵀD_iα with α = (K_η + γI)⁻¹Y, whose residual is γα, and for given weights η_i = ‖W_i‖. Alternating is IRLS
(Dwaraknath, Ergen and Pilanci, NeurIPS 2023). In terms of A = γα it multiplies η_i by ‖XᵀD_iA‖/γ, which never divides
by η_i and so needs no smoothing, and J(η⁺) ≤ F(W) ≤ J(η) for the group lasso's objective F: F falls from step to step.
Each step's A, scaled to be feasible, is a dual point. An η_i of zero would stay zero, so all start above it.

IRLS is slow at the end: a weight that must vanish does so as a geometric sequence whose ratio may be near one. J is
smooth and convex, with

    ∂J/∂η_i = (γ/2)(1 − ‖XᵀD_iA‖²/γ²),        ∂²J/∂η_i∂η_j = γΣ_k α_kᵀK_i(K_η + γI)⁻¹K_jα_k.

A Newton step in the variables η_i/√η_i, whose Hessian gets max(∂J/∂η_i, 0) on its diagonal so that weights shrink to
zero and not beyond (Coleman and Li 1996), and a multiple ν of γ (for ν = 1 the step is like that of IRLS), is taken
where it does not raise F by more than rounding; otherwise IRLS's step is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
import threadpoolctl
from numpy.typing import NDArray

from sdprelax.base import Floats, SolverFailed, positive_part
from sdprelax.lasso._program import Fit, Program, Stop

__all__ = ["Reweighting"]

# Weights of which a Newton step is aware; the others take the step of IRLS.
NEWTON = 1_000
# A screened gate whose weight has fallen below this share of all weight is dropped.
NOTHING = 1e-14
# What a gate may carry of all weight and still be taken for one of no weight.
NEGLIGIBLE = 1e-7
# Bounds of the damping ν, and of the factor by which one Newton step changes a weight.
LEAST_DAMPING, MOST_DAMPING, SHRINK = 1e-10, 1.0, 1e-4
# Least weight at the start, as a share of the mean; and what a step may raise the objective by, which is rounding.
LEAST_START, NOISE = 1e-12, 1e-11
# Most samples that one thread is best for.
SMALL = 2_000
# Steps in which the gap must fall by the given share for the iteration to go on.
PATIENCE, PROGRESS = 300, 1e-3


@dataclass(frozen=True, eq=False)
class _Point:
    """Weights η of the kernels, and what a kernel ridge regression with K_η says about them."""

    eta: Floats
    factor: tuple[Floats, bool]
    multiplier: Floats
    slopes: Floats
    ratio: Floats
    value: float
    dual: float
    scale: float


def _regress(program: Program, eta: Floats) -> _Point:
    """Return the kernel ridge regression with K_η.

    Raises
    ------
    LinAlgError: K_η + γI is not positive definite in floating point.
    """
    gamma = program.gamma
    K = program.design.kernel(eta)
    K[np.diag_indices(len(K))] += gamma
    factor = scipy.linalg.cho_factor(K, lower=True, overwrite_a=True, check_finite=False)
    A = gamma * scipy.linalg.cho_solve(factor, program.targets, check_finite=False)
    if not np.all(np.isfinite(A)):
        raise np.linalg.LinAlgError
    slopes = program.correlate(A)
    ratio = program.steepness(slopes) / gamma
    scale, dual = program.feasible(A, gamma * float(np.max(ratio, initial=0.0)))
    # A is the residual but for the errors of solving for it, which may be large where γ is small.
    prediction = program.predict(slopes * (eta / gamma)[:, None, None])
    value = program.loss.value(prediction, program.targets) + gamma * float(eta @ ratio)
    if not np.isfinite(value):
        raise np.linalg.LinAlgError
    return _Point(eta, factor, A, slopes, ratio, value, dual, scale)


def _newton(program: Program, at: _Point, damping: float) -> Floats:
    """Return the weights after a damped Newton step on J; those beyond the largest thousand take the step of IRLS."""
    eta = at.eta * at.ratio
    chosen = np.arange(len(eta))
    if len(eta) > NEWTON:
        chosen = np.argpartition(-eta, NEWTON - 1)[:NEWTON]
    root, design = np.sqrt(at.eta[chosen]), program.design.over(chosen)
    hessian = np.zeros((len(chosen), len(chosen)))
    for k in range(at.multiplier.shape[1]):
        # α = A/γ.
        moved = design.images(at.slopes[chosen, :, k] / program.gamma * root[:, None])
        half = scipy.linalg.solve_triangular(at.factor[0], moved, lower=True, check_finite=False)
        hessian += half.T @ half
    down = 0.5 * (at.ratio[chosen] ** 2 - 1.0)
    hessian[np.diag_indices(len(chosen))] += damping + positive_part(-down)
    down = root * down
    factor = scipy.linalg.cho_factor(hessian, lower=True, overwrite_a=True, check_finite=False)
    step = root * scipy.linalg.cho_solve(factor, down, check_finite=False)
    if not np.all(np.isfinite(step)):
        raise np.linalg.LinAlgError
    eta[chosen] = np.maximum(at.eta[chosen] + step, SHRINK * at.eta[chosen])
    return eta


@dataclass(frozen=True, eq=False)
class Reweighting:
    """The solver: of Frobenius norms, whatever the design.

    Parameters
    ----------
    eta: η ≥ 0 to start from, shape (m,), not all zero; equal weights by default.
    newton: whether to try Newton steps; without them this is IRLS.
    observe: called with the pair of the first regression.
    """

    eta: Floats | None = None
    newton: bool = True
    observe: Callable[[Fit], None] | None = None

    # What overflows at extreme scales is found not to be finite, and fails the step.
    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def __call__(self, program: Program, start: Fit, stop: Stop) -> Fit:
        """Return the pair that regressions end at; the start's weights are not asked for.

        Raises
        ------
        SolverFailed: K_η + γI is not positive definite in floating point at the start.
        """
        if not program.groups:
            return program.pair(program.zero())
        eta = np.full(program.groups, 1.0 / program.groups) if self.eta is None else self.eta
        # NumPy and SciPy come with a pool of threads each, which on small matrices wait for each other in turn.
        with threadpoolctl.threadpool_limits(limits=1 if len(program.targets) <= SMALL else None, user_api="blas"):
            return self._reweighted(program, np.maximum(eta, LEAST_START * float(np.mean(eta))), stop)

    def _reweighted(self, program: Program, eta: Floats, stop: Stop) -> Fit:
        kept, rest, damping, count = np.arange(program.groups), program, 1.0, 1
        try:
            at = _regress(rest, eta)
        except np.linalg.LinAlgError:
            raise SolverFailed(
                f"the kernel matrix with ridge {program.gamma:g} is singular in floating point; take a larger gamma, "
                "or solver: fista."
            ) from None
        best, best_kept, multiplier, dual = at, kept, at.scale * at.multiplier, at.dual
        trace = [(at.value, at.dual)]
        if self.observe is not None:
            self.observe(_fit(program, best, kept, multiplier, dual, count, trace))
        before, since = np.inf, 0
        while not stop.reached(best.value, dual, count):
            if best.value - dual <= (1.0 - PROGRESS) * before:
                before, since = best.value - dual, count
            elif count - since > PATIENCE:
                break
            after = None
            if self.newton:
                try:
                    after = _regress(rest, _newton(rest, at, damping))
                    count += 1
                except np.linalg.LinAlgError:
                    after = None
                lower = after is not None and after.value <= at.value * (1.0 + NOISE)
                damping = max(damping / 4.0, LEAST_DAMPING) if lower else min(damping * 8.0, MOST_DAMPING)
                after = after if lower else None
            if after is None:
                try:
                    after = _regress(rest, at.eta * at.ratio)
                except np.linalg.LinAlgError:
                    break
                count += 1
            at = after
            if at.value < best.value:
                best, best_kept = at, kept
            if at.dual > dual:
                dual, multiplier = at.dual, at.scale * at.multiplier
            trace.append((at.value, dual))
            radius = np.sqrt(2.0 * max(best.value - at.dual, 0.0))
            possible = at.scale * at.ratio * rest.gamma + rest.lengths * radius >= rest.gamma
            possible |= at.eta * at.ratio > NOTHING * float(np.sum(at.eta))
            if not np.all(possible):
                rest, kept = rest.over(possible), kept[possible]
                at = replace(at, eta=at.eta[possible], slopes=at.slopes[possible], ratio=at.ratio[possible])
        fit = _fit(program, best, best_kept, multiplier, dual, count, trace)
        # Weights that only tend to zero are taken for zero where the gap allows it.
        sizes = program.sizes(fit.weights)
        few = fit.weights * (sizes > NEGLIGIBLE * float(np.sum(sizes)))[:, None, None]
        value = program.value(few, program.predict(few))
        if value - dual <= max(stop.tolerance * value, best.value - dual):
            fit = replace(fit, weights=few, value=value, dual_value=min(dual, value))
        return replace(fit, expired=not stop.within(fit.value, dual) and stop.deadline.expired)


def _fit(
    program: Program, at: _Point, kept: NDArray[np.intp], multiplier: Floats, dual: float, count: int,
    trace: list[tuple[float, float]],
) -> Fit:  # fmt: skip
    weights = program.zero()
    weights[kept] = at.slopes * (at.eta / program.gamma)[:, None, None]
    value = program.value(weights, program.predict(weights))
    return Fit(weights, multiplier, value, min(dual, value), count, trace=tuple(trace))
