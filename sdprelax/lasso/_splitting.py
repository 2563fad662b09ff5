"""Alternating directions, of any design, norm and loss: what has a loss with kinks is solved by.

The program is min ℓ(Z) + γΣ‖V_i‖ over predictions Z and weights V that lie on the graph Z = ΦV + 1tᵀ. Every step
projects on the graph, applies the two proximal maps, that of ℓ sample by sample and that of the norms group by group,
and adds what is still missing to the multipliers (Parikh and Boyd, *Block splitting for distributed optimization*,
2014). The projection of (C, D) is W = C + Φᵀλ with (ΦΦᵀ + I)λ = D − ΦC − 1tᵀ: one factor of order n, whatever the step
size is. A free t has 1ᵀλ = 0, one of decay δ has 1ᵀλ = δt/ρ.

The multiplier of the predictions is the negative of a subgradient of ℓ at Z, so that it lies in the domain of the dual;
its multiple that is feasible is the dual point, and V the weights.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from sdprelax.lasso._elimination import Profiled
from sdprelax.lasso._program import Fit, Program, Stop

__all__ = ["splitting"]

# Over-relaxation; steps from one look at the gap, and at the step size, to the next.
RELAXED, LOOK = 1.6, 20
# How much larger one residual may be than the other, what the step size is multiplied by then, and looks after which it
# stays as it is.
UNEVEN, FACTOR, ADAPTING = 3.0, 2.0, 200


# What overflows on the way ends nowhere: only finite pairs are better than what there is.
@np.errstate(over="ignore", invalid="ignore")
def splitting(program: Program, start: Fit, stop: Stop) -> Fit:
    """Return the best pair of alternating directions from the start's weights and dual point."""
    design, Y, gamma = program.design, program.targets, program.gamma
    profiled = program.loss if isinstance(program.loss, Profiled) else None
    loss, decay = (program.loss, 0.0) if profiled is None else (profiled.loss, profiled.decay)
    n = len(Y)
    kernel = design.kernel(np.ones(program.groups))
    # Weights are measured so that the columns of Φ and the identity are of one size.
    unit = np.sqrt(n / max(float(np.trace(kernel)), np.finfo(float).tiny))
    kernel *= unit * unit
    kernel[np.diag_indices(n)] += 1.0
    factor = scipy.linalg.cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
    level = scipy.linalg.cho_solve(factor, np.ones((n, 1)), check_finite=False)
    V, best = start.weights / unit, start.weights
    Z = program.predict(start.weights)
    if profiled is not None:
        Z = Z + loss.constant(Y, Z, decay)
    A, best_value = start.multiplier, program.value(start.weights, program.predict(start.weights))
    size = float(np.linalg.norm(Z - loss.proximal(Z, Y, 1.0)))
    rho = max(float(np.linalg.norm(A)), 1e-12) / max(float(np.linalg.norm(Z)), size, 1e-12)
    multiplier, dual, steps, looks = np.zeros_like(Y), program.nothing, 0, 0
    # Scaled multipliers: ρ·missing of the predictions is −A, and of the weights ΦᵀA.
    missing, drawn = -A / rho, unit * program.correlate(A) / rho
    while True:
        if steps % LOOK == 0 or steps >= stop.steps or stop.deadline.expired:
            point = -rho * missing
            point = program.loss.admissible(point, Y)
            scale, reached = program.feasible(point, program.steepest(point))
            if reached > dual:
                dual, multiplier = reached, scale * point
            value = program.value(unit * V, program.predict(unit * V))
            if value < best_value:
                best_value, best = value, unit * V
            if stop.reached(best_value, dual, steps):
                break
        C, D = V - drawn, Z - missing
        right = D - unit * program.predict(C)
        found = scipy.linalg.cho_solve(factor, right, check_finite=False)
        if profiled is not None:
            t = np.sum(found, axis=0) / (float(np.sum(level)) + decay / rho)
            found = found - level * t
        W, P = C + unit * program.correlate(found), D - found
        W, P = RELAXED * W + (1.0 - RELAXED) * V, RELAXED * P + (1.0 - RELAXED) * Z
        before = V, Z
        V, Z = program.shrunk(W + drawn, gamma * unit / rho), loss.proximal(P + missing, Y, 1.0 / rho)
        drawn, missing = drawn + W - V, missing + P - Z
        steps += 1
        if steps % LOOK == 0 and looks < ADAPTING:
            looks += 1
            apart = np.hypot(np.linalg.norm(W - V), np.linalg.norm(P - Z))
            moved = np.hypot(np.linalg.norm(V - before[0]), np.linalg.norm(Z - before[1]))
            change = FACTOR if apart > UNEVEN * moved else 1.0 / FACTOR if moved > UNEVEN * apart else 1.0
            rho, drawn, missing = rho * change, drawn / change, missing / change
    return Fit(best, multiplier, best_value, min(dual, best_value), steps)
