"""Training with a method by name: what ``sdprelax.solve`` is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sdprelax.base import (
    Checkpoint,
    Deadline,
    InputError,
    ProblemTooLarge,
    SolverFailed,
    import_present,
    ready,
    require_seed,
)
from sdprelax.methods._method import methods
from sdprelax.problem import Problem, require_taken
from sdprelax.training import Outcome, Report, unreported

__all__ = ["solve"]


def solve(
    problem: Problem,
    method: str = "sdp",
    *,
    seed: int = 0,
    time_limit: float | None = None,
    report: Report = unreported,
    checkpoint: str | Path | None = None,
    **options: Any,
) -> Outcome:
    """Train with a method by name and return its rigorous bounds, network and certificate.

    Parameters
    ----------
    problem: the training problem.
    method: a registered method: "sdp", "exact", "lbfgs", ... (``sdprelax list methods``).
    seed: seed of everything random in the method.
    time_limit: seconds after which the best pair of bounds so far is returned, None for no limit; they start when
        what is compiled, once per machine, is there, and libraries are imported.
    report: called with an Outcome whenever the method has a better pair of bounds.
    checkpoint: a file of ``sgd`` and ``adam``, written once a minute, from which the same call goes on where an earlier
        process was lost; removed at the end, also where time was. A file that is no checkpoint is refused.
    options: the method's own options, e.g. ``solver="scs"``.

    Raises
    ------
    InputError: unknown method or option, a value of the wrong type or range, a loss or activation that the method does
        not take, or a file in the checkpoint's place that is none.
    SolverUnavailable, SolverFailed, ProblemTooLarge: see these classes.
    """
    if not isinstance(problem, Problem):
        raise InputError(f"solve() takes a Problem first, not {type(problem).__name__}; write Problem(X, Y, gamma).")
    seconds = Deadline.of(time_limit).seconds
    require_seed(seed)
    if not callable(report):
        raise InputError(f"report is {report!r}; it must be a function that takes an Outcome.")
    chosen = methods.create(method, options)
    require_taken(problem, methods, method, chosen)
    if checkpoint is not None and not getattr(chosen, "resumes", False):
        raise InputError(f"method '{method}' writes no checkpoint: leave checkpoint out.")
    resumed = {} if checkpoint is None else {"checkpoint": Checkpoint.named(checkpoint)}
    ready(methods.kernels(method, chosen))
    import_present(methods.libraries(method, chosen))
    try:
        rng, deadline = np.random.default_rng(int(seed)), Deadline(seconds)
        return chosen.run(problem, rng=rng, deadline=deadline, report=report, **resumed)
    except MemoryError:
        raise ProblemTooLarge(f"method '{method}' needs more memory for {problem!r} than there is.") from None
    except (ArithmeticError, np.linalg.LinAlgError) as error:
        raise SolverFailed(
            f"method '{method}' cannot compute with numbers of these sizes ({str(error).rstrip('.')}); measure X, Y "
            "and gamma in units in which their entries are nearer to 1."
        ) from error
