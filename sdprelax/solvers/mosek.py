"""MOSEK: interior point, needs a licence."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pydantic import PositiveFloat

from sdprelax.base import Deadline, SolverFailed
from sdprelax.solvers import Availability, Solved, installed, solve_with_cvxpy, solvers

__all__ = ["Mosek"]

# err_missing_license_file, err_license_expired, ... : MOSEK's response codes 1000-1099 are about licences.
LICENCE_CODES = range(1000, 1100)


@functools.cache
def _licence_problem() -> str:
    """Return why MOSEK may not optimise here, in a sentence; empty when it may."""
    import mosek

    try:
        with mosek.Env() as env, env.Task() as task:
            task.appendvars(1)
            task.putvarbound(0, mosek.boundkey.ra, 0.0, 1.0)
            task.optimize()
    except mosek.Error as error:
        code = int(error.errno)
        if code not in LICENCE_CODES:
            return f"MOSEK fails on a trivial problem ({error.msg or error.errno})"
        place = os.environ.get("MOSEKLM_LICENSE_FILE", str(Path("~") / "mosek" / "mosek.lic"))
        return (
            f"no valid MOSEK licence was found (looked at {place}; set MOSEKLM_LICENSE_FILE to the licence file), "
            "while clarabel and scs run without one"
        )
    return ""


@solvers.register("mosek")
@dataclass(frozen=True)
class Mosek:
    """Interior point, commercial: what Prakhya, Birdal and Yurtsever 2025 used for random and spiral data.

    Parameters
    ----------
    tolerance: MSK_DPAR_INTPNT_CO_TOL_{REL_GAP, PFEAS, DFEAS}.
    """

    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    tolerance: PositiveFloat = 1e-8

    def availability(self) -> Availability:
        """Say whether MOSEK is installed and licensed."""
        state = installed("mosek", "mosek")
        reason = _licence_problem() if state.runs else ""
        return Availability("mosek", False, state.version, reason) if reason else state

    def solve(self, program: Any, deadline: Deadline) -> Solved:
        """Solve a ``cvxpy.Problem`` with MOSEK on one thread."""
        parameters: dict[str, Any] = {
            "MSK_IPAR_NUM_THREADS": 1,
            "MSK_DPAR_INTPNT_CO_TOL_REL_GAP": self.tolerance,
            "MSK_DPAR_INTPNT_CO_TOL_PFEAS": self.tolerance,
            "MSK_DPAR_INTPNT_CO_TOL_DFEAS": self.tolerance,
        }
        if deadline.remaining < 1e9:
            parameters["MSK_DPAR_OPTIMIZER_MAX_TIME"] = deadline.remaining
        try:
            return solve_with_cvxpy(self, partial(program.solve, solver="MOSEK", mosek_params=parameters), program)
        except Exception as error:
            # CVXPY hands MOSEK's own exceptions through; they are not its SolverError.
            if type(error).__module__.startswith("mosek"):
                raise SolverFailed(f"mosek failed: {error}.") from None
            raise
