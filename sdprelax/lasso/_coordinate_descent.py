"""Coordinate descent along a path of decreasing γ, by scikit-learn or skglm, for many atoms and many samples.

Neighbouring atoms are nearly parallel, which stalls it; warm starts from a larger γ help.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from sdprelax.base import SolverUnavailable
from sdprelax.lasso._designs import Directions
from sdprelax.lasso._program import Fit, Program, Stop

__all__ = ["CoordinateDescent"]

# Decreasing γ on the way to the one that is asked for, and how far one is below the one before.
STEPS, RATIO = 10, 0.5
# Sweeps over all atoms at one γ, of which so many in one call, and the gap at which a γ on the way is left.
SWEEPS, CHUNK, COARSE = 20_000, 100, 1e-2
# Working sets that skglm tries in one call, and most sweeps over each.
ROUNDS, EPOCHS = 20, 5_000
# Calls that may fail to lower the value before a γ is given up (extrapolation may raise it once).
PATIENCE = 3


@dataclass(frozen=True)
class CoordinateDescent:
    """The solver: along directions, of Frobenius norms.

    Parameters
    ----------
    package: whose coordinate descent it is.

    Raises
    ------
    SolverUnavailable: skglm, when it is not installed.
    """

    package: Literal["skglm", "sklearn"]

    def __post_init__(self) -> None:
        if self.package == "skglm" and importlib.util.find_spec("skglm") is None:
            raise SolverUnavailable("solver: skglm is not installed; pip install skglm, or take solver: sklearn.")

    def __call__(self, program: Program, start: Fit, stop: Stop) -> Fit:
        """Return the pair that sweeps from the start's weights end at."""
        assert isinstance(program.design, Directions)
        features, Y = np.asfortranarray(program.design.features), program.targets
        several, weights = program.outputs > 1, start.weights
        first = max(program.steepest(program.residual(weights)), program.gamma)
        count = min(STEPS, max(0, math.ceil((math.log(first) - math.log(program.gamma)) / -math.log(RATIO))))
        best, energy = program.pair(weights, Y), float(np.sum(Y**2))
        if stop.within(best.value, best.dual_value):
            return best
        for gamma in [*np.geomspace(first, program.gamma, count + 1)[1:-1], program.gamma]:
            last = gamma == program.gamma
            allowed = stop.tolerance if last else max(stop.tolerance, COARSE)
            at = replace(program, gamma=gamma)
            found, idle = at.pair(weights, best.multiplier), 0
            for _ in range(SWEEPS // CHUNK):
                # Theirs is a gap relative to ‖Y‖², in sweeps that no deadline interrupts: a few at a time.
                model = self._model(gamma / len(Y), 0.5 * allowed * found.value / energy, several)
                model.coef_ = weights[:, 0].T.copy() if several else weights[:, 0, 0].copy()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # the gap is computed here, whatever the solver thinks of itself
                    model.fit(features, Y if several else Y[:, 0])
                weights = np.ascontiguousarray(np.reshape(model.coef_, (program.outputs, -1)).T)[:, None]
                before, found = found, found.better(at.pair(weights, found.multiplier))
                idle = 0 if found.value < before.value else idle + 1
                if found.gap <= allowed or idle == PATIENCE or stop.deadline.expired:
                    break
            best = best.better(found if last else program.pair(weights, found.multiplier))
            if stop.deadline.expired:
                break
        return replace(best, expired=best.gap > stop.tolerance and stop.deadline.expired)

    def _model(self, alpha: float, tolerance: float, several: bool) -> Any:
        """Return an estimator of ½/n‖Φz − Y‖² + α‖z‖ that starts from its own ``coef_`` and stops after a few sweeps.

        Parameters
        ----------
        tolerance: of scikit-learn the gap relative to ‖Y‖², of skglm the violation of the optimality conditions
            relative to α.
        several: whether there is more than one output.
        """
        options = {"alpha": alpha, "fit_intercept": False, "warm_start": True}
        if self.package == "skglm":
            import skglm

            options |= {"tol": tolerance * alpha, "max_iter": ROUNDS, "max_epochs": EPOCHS}
            return skglm.MultiTaskLasso(**options) if several else skglm.Lasso(**options)
        from sklearn.linear_model import Lasso, MultiTaskLasso

        return (MultiTaskLasso if several else Lasso)(**options, tol=tolerance, max_iter=CHUNK)
