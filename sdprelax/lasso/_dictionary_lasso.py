"""Solvers of the Lasso over closed-form neurons.

Neighbouring wedge features are nearly parallel, which stalls coordinate descent: the interior point of
``_group_lasso`` over a growing set of atoms is the default, and skglm and scikit-learn, along a path of decreasing γ
with warm starts, are for problems whose n·c dual variables are too many for it.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import scipy.linalg

from sdprelax.base import Deadline, Floats, SolverUnavailable
from sdprelax.lasso._dictionary_program import LassoFit, LassoProgram
from sdprelax.lasso._group_lasso import group_lasso
from sdprelax.problem import Squared, largest_multiple

__all__ = ["LassoSolver", "lasso", "lasso_path"]

LassoSolver = Literal["auto", "interior_point", "skglm", "sklearn"]

# Dual variables n·c that the interior point takes, where nobody asks for it.
MANY = 3_000
# Atoms it starts with, per dual variable, and at least; and those that enter in a round.
FIRST, LEAST = 2, 200
# A gap at which the interior point has stalled, and the factor of γ to retreat by.
STALLED, LARGER = 1e-6, 10.0
# Share of the γ from which on no atom has weight, down to which the interior point rarely stalls.
RELIABLE = 1e-11
# Decreasing γ on the way to the one that is asked for, and how far one is below the one before.
STEPS, RATIO = 10, 0.5
# Sweeps over all atoms at one γ, of which so many in one call, and the gap at which a γ on the way is left.
SWEEPS, CHUNK, COARSE = 20_000, 100, 1e-2
# Working sets that skglm tries in one call, and most sweeps over each.
ROUNDS, EPOCHS = 20, 5_000
# Calls that may fail to lower the value before a γ is given up (extrapolation may raise it once).
PATIENCE = 3


def chosen_solver(solver: LassoSolver, dual_variables: int) -> LassoSolver:
    """Return the solver that ``auto`` stands for.

    Raises
    ------
    SolverUnavailable: skglm, when it is not installed.
    """
    there = importlib.util.find_spec("skglm") is not None
    if solver == "skglm" and not there:
        raise SolverUnavailable("solver: skglm is not installed; pip install skglm, or take solver: sklearn.")
    if solver != "auto":
        return solver
    return "interior_point" if dual_variables <= MANY else "sklearn"


def lasso(
    program: LassoProgram,
    solver: LassoSolver = "auto",
    *,
    tolerance: float = 1e-9,
    start: LassoFit | None = None,
    deadline: Deadline | None = None,
) -> LassoFit:
    """Solve the program.

    Parameters
    ----------
    solver: "interior_point", "skglm", "sklearn", or "auto": the first up to 3,000 dual variables n·c, else the last.
    tolerance: duality gap relative to the value at which to stop.
    start: a pair of the same program at another γ.
    deadline: stops early with the pair at hand.

    Raises
    ------
    SolverUnavailable: skglm, when it is not installed.
    """
    until = deadline or Deadline()
    centred = program.centred()
    atoms = centred.features.shape[1]
    name = chosen_solver(solver, centred.targets.size)
    if atoms == 0 or not np.any(centred.targets):
        weights = np.zeros((atoms, centred.targets.shape[1]))
        return _pair(program, centred, weights, centred.targets)
    if name == "interior_point":
        fit = _by_interior_points(program, centred, tolerance, start, until)
        larger_helps = program.gamma < LARGER * float(np.max(np.abs(centred.targets)))
        if fit.gap > max(tolerance, STALLED) and larger_helps and not until.expired:
            # Near interpolation a tiny γ breaks the interior point down; the pair of a larger one is nearly optimal.
            steepest = float(np.max(np.linalg.norm(centred.features.T @ centred.targets, axis=1)))
            larger = replace(program, gamma=max(LARGER * program.gamma, RELIABLE * steepest))
            found = lasso(larger, name, tolerance=tolerance, deadline=until)
            fit = _better(fit, _pair(program, centred, found.weights, found.multiplier))
        if fit.gap > max(tolerance, STALLED) and not until.expired:
            # Atoms of very different lengths stall it as well, and coordinate descent not at all.
            fit = _better(fit, _by_descent(program, centred, "sklearn", tolerance, fit, until))
        return fit
    return _by_descent(program, centred, name, tolerance, start, until)


def lasso_path(
    program: LassoProgram, gammas: Sequence[float], solver: LassoSolver = "auto", *, tolerance: float = 1e-9,
    deadline: Deadline | None = None,
) -> list[LassoFit]:  # fmt: skip
    """Return the pairs at every γ of a path, each started from the one before; decreasing γ is fastest."""
    fits: list[LassoFit] = []
    for gamma in gammas:
        start = fits[-1] if fits else None
        fits.append(lasso(replace(program, gamma=gamma), solver, tolerance=tolerance, start=start, deadline=deadline))
    return fits


def _value(centred: LassoProgram, weights: Floats) -> float:
    loss = Squared().value(centred.features @ weights, centred.targets)
    return loss + centred.gamma * float(np.sum(np.linalg.norm(weights, axis=1)))


def _pair(program: LassoProgram, centred: LassoProgram, weights: Floats, point: Floats) -> LassoFit:
    """Return the pair of weights and the best feasible multiple of a dual point of the centred program."""
    residual = centred.targets - centred.features @ weights
    value = _value(centred, weights)
    A, dual = np.zeros_like(point), 0.0
    for candidate in (point, residual):
        steepest = float(np.max(np.linalg.norm(centred.features.T @ candidate, axis=1), initial=0.0))
        ray = Squared().ray(candidate, centred.targets)
        scale = float(ray.best(largest_multiple(steepest, program.gamma)))
        reached = ray.value(scale)
        if reached > dual:
            A, dual = scale * candidate, reached
    return LassoFit(weights, program.offset(weights), A, value, min(dual, value))


def _better(best: LassoFit, found: LassoFit) -> LassoFit:
    """Return the better weights of two pairs with the better dual point of the two."""
    value = found if found.value < best.value else best
    dual = found if found.dual_value > best.dual_value else best
    return replace(value, multiplier=dual.multiplier, dual_value=min(dual.dual_value, value.value))


def _by_interior_points(
    program: LassoProgram, centred: LassoProgram, tolerance: float, start: LassoFit | None, deadline: Deadline
) -> LassoFit:
    """Solve by interior points over a growing set of atoms."""
    features, Y, gamma = centred.features, centred.targets, program.gamma
    atoms = features.shape[1]
    room = max(LEAST, FIRST * Y.size)
    point = Y if start is None else start.multiplier
    steepness = np.linalg.norm(features.T @ point, axis=1)
    chosen = np.zeros(atoms, dtype=bool)
    chosen[np.argsort(-steepness, kind="stable")[:room]] = True
    if start is not None:
        chosen |= start.used
    best = _pair(program, centred, np.zeros((atoms, Y.shape[1])), point)
    if start is not None:
        best = _better(best, _pair(program, centred, start.weights, point))
    while True:
        part = group_lasso(features[:, chosen], Y, gamma, tolerance=0.2 * tolerance, start=point, deadline=deadline)
        weights = np.zeros((atoms, Y.shape[1]))
        weights[chosen] = part.weights
        value = _value(centred, weights)
        for share in NOTHING:
            few = _thinned(weights, share)
            if _value(centred, few) <= value + 0.1 * tolerance * value:
                weights = few
                break
        found = _pair(program, centred, weights, part.multiplier)
        if Y.shape[1] == 1:
            found = _crossed_over(program, centred, found)
        best = _better(best, found)
        if best.gap <= tolerance or deadline.expired or np.all(chosen):
            break
        point = part.multiplier
        steepness = np.linalg.norm(features.T @ point, axis=1) * ~chosen
        entering = np.argsort(-steepness, kind="stable")[:room]
        entering = entering[steepness[entering] > gamma * (1.0 - tolerance)]
        if not len(entering):
            break
        chosen[entering] = True
    return replace(best, expired=best.gap > tolerance and deadline.expired)


def _crossed_over(program: LassoProgram, centred: LassoProgram, fit: LassoFit) -> LassoFit:
    """Return a better pair of one output, from the equations that hold on the optimum's support, or the same.

    Where γ is small the interior point is left with weight on atoms that should have none. On the support S with signs
    s the optimum solves Φ_SᵀΦ_Sz = Φ_Sᵀy − γs, to full accuracy by QR; an atom whose sign turns is no part of S.
    """
    weights, y = fit.weights[:, 0], centred.targets[:, 0]
    sizes, best = np.abs(weights), fit
    for share in SUPPORTS:
        support = np.flatnonzero(sizes > share * float(np.sum(sizes)))
        while 0 < len(support) <= len(y):
            signs = np.sign(weights[support])
            Q, R = np.linalg.qr(centred.features[:, support])
            if np.min(np.abs(np.diag(R))) <= 1e-12 * np.max(np.abs(np.diag(R))):
                break
            force = scipy.linalg.solve_triangular(R, signs, trans="T")
            found = scipy.linalg.solve_triangular(R, Q.T @ y - program.gamma * force)
            kept = found * signs > 0.0
            if np.all(kept):
                whole = np.zeros_like(fit.weights)
                whole[support, 0] = found
                # The residual, without the cancellation in y − Φz where γ is small.
                residual = y - Q @ (Q.T @ y) + program.gamma * (Q @ force)
                pair = _pair(program, centred, whole, residual[:, None])
                if pair.value <= best.value * (1.0 + 1e-13):
                    best = replace(_better(best, pair), weights=pair.weights, offset=pair.offset, value=pair.value)
                break
            support = support[kept]
    return best


# Shares of all weight above which an atom is tried as one of the support.
SUPPORTS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
# Shares of all weight up to which an atom's is what an interior point leaves on those that carry nothing, where leaving
# it out costs nothing either.
NOTHING = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-11)


def _thinned(weights: Floats, share: float) -> Floats:
    sizes = np.linalg.norm(weights, axis=1, keepdims=True)
    thinned: Floats = weights * (sizes > share * float(np.sum(sizes)))
    return thinned


def _by_descent(
    program: LassoProgram, centred: LassoProgram, name: LassoSolver, tolerance: float, start: LassoFit | None,
    deadline: Deadline,
) -> LassoFit:  # fmt: skip
    """Solve by coordinate descent along a path of decreasing γ that ends at the program's."""
    features, Y = np.asfortranarray(centred.features), centred.targets
    n = len(Y)
    weights = np.zeros((features.shape[1], Y.shape[1])) if start is None else start.weights
    steepest = float(np.max(np.linalg.norm(features.T @ (Y - features @ weights), axis=1), initial=0.0))
    first = max(steepest, program.gamma)
    count = min(STEPS, max(0, math.ceil((math.log(first) - math.log(program.gamma)) / -math.log(RATIO))))
    best = _pair(program, centred, weights, Y)
    energy = float(np.sum(Y**2))
    for gamma in [*np.geomspace(first, program.gamma, count + 1)[1:-1], program.gamma]:
        last = gamma == program.gamma
        allowed = tolerance if last else max(tolerance, COARSE)
        at = replace(program, gamma=gamma)
        found, idle = _pair(at, centred, weights, best.multiplier), 0
        for _ in range(SWEEPS // CHUNK):
            # Theirs is a gap relative to ‖Y‖², in sweeps that no deadline interrupts: a few at a time.
            model = _coordinate_descent(name, gamma / n, 0.5 * allowed * found.value / energy, Y.shape[1])
            model.coef_ = weights.T.copy() if Y.shape[1] > 1 else weights[:, 0].copy()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the gap is computed here, whatever the solver thinks of itself
                model.fit(features, Y if Y.shape[1] > 1 else Y[:, 0])
            weights = np.ascontiguousarray(np.reshape(model.coef_, (Y.shape[1], -1)).T)
            before, found = found, _better(found, _pair(at, centred, weights, found.multiplier))
            idle = 0 if found.value < before.value else idle + 1
            if found.gap <= allowed or idle == PATIENCE or deadline.expired:
                break
        best = _better(best, found if last else _pair(program, centred, weights, found.multiplier))
        if deadline.expired:
            break
    return replace(best, expired=best.gap > tolerance and deadline.expired)


def _coordinate_descent(name: LassoSolver, alpha: float, tolerance: float, outputs: int) -> Any:
    """Return an estimator of ½/n‖Φz − Y‖² + α‖z‖ that starts from its own ``coef_`` and stops after a few sweeps.

    Parameters
    ----------
    tolerance: of scikit-learn the gap relative to ‖Y‖², of skglm the violation of the optimality conditions relative
        to α.
    """
    options = {"alpha": alpha, "fit_intercept": False, "warm_start": True}
    if name == "skglm":
        import skglm

        options |= {"tol": tolerance * alpha, "max_iter": ROUNDS, "max_epochs": EPOCHS}
        return skglm.Lasso(**options) if outputs == 1 else skglm.MultiTaskLasso(**options)
    from sklearn.linear_model import Lasso, MultiTaskLasso

    return (Lasso if outputs == 1 else MultiTaskLasso)(**options, tol=tolerance, max_iter=CHUNK)
