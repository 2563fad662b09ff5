"""Certified training of infinite-width two-layer ReLU networks.

>>> import sdprelax
>>> problem = sdprelax.Problem(X, Y, gamma=0.1)
>>> outcome = sdprelax.solve(problem, "sdp", solver="clarabel")
>>> outcome.lower, outcome.upper, outcome.gap
>>> sdprelax.verify(problem, outcome.certificate)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdprelax.base import (
    CertificateError,
    Deadline,
    InputError,
    ProblemTooLarge,
    SdprelaxError,
    SolverFailed,
    SolverUnavailable,
    UntrustedArithmetic,
    one_hot,
    ready,
    require_seed,
)
from sdprelax.certificate import Certificate, GroupCertificate, verify, verify_group
from sdprelax.exact import GammaMax, gamma_max, relative_problem
from sdprelax.methods import methods as _methods
from sdprelax.networks import (
    GatedNetwork,
    Network,
    Pipeline,
    Predictor,
    Preprocessing,
    ThreeLayerNetwork,
    load_predictor,
    save_predictor,
)
from sdprelax.problem import KernelPredictor, Problem, require_taken, targets_for
from sdprelax.relaxation import RelaxationModel, certify_dual, regularisation_path, relax
from sdprelax.training import Outcome, Report, unreported
from sdprelax.verdict import Verdict, certify

if TYPE_CHECKING:
    from sdprelax.distillation import OnnxTeacher, distill

__version__ = "0.12.0"

__all__ = [
    "Certificate",
    "CertificateError",
    "Deadline",
    "GammaMax",
    "GatedNetwork",
    "GroupCertificate",
    "InputError",
    "KernelPredictor",
    "Network",
    "OnnxTeacher",
    "Outcome",
    "Pipeline",
    "Predictor",
    "Preprocessing",
    "Problem",
    "ProblemTooLarge",
    "RelaxationModel",
    "SdprelaxError",
    "SolverFailed",
    "SolverUnavailable",
    "ThreeLayerNetwork",
    "UntrustedArithmetic",
    "Verdict",
    "__version__",
    "certify",
    "certify_dual",
    "distill",
    "gamma_max",
    "load_predictor",
    "one_hot",
    "regularisation_path",
    "relative_problem",
    "relax",
    "save_predictor",
    "solve",
    "targets_for",
    "verify",
    "verify_group",
]


def solve(
    problem: Problem,
    method: str = "sdp",
    *,
    seed: int = 0,
    time_limit: float | None = None,
    report: Report = unreported,
    **options: Any,
) -> Outcome:
    """Train with a method by name and return its rigorous bounds, network and certificate.

    Parameters
    ----------
    problem: the training problem.
    method: a registered method: "sdp", "exact", "lbfgs", ... (``sdprelax list methods``).
    seed: seed of everything random in the method.
    time_limit: seconds after which the best pair of bounds so far is returned, None for no limit; they start when
        what is compiled, once per machine, is there.
    report: called with an Outcome whenever the method has a better pair of bounds.
    options: the method's own options, e.g. ``solver="scs"``.

    Raises
    ------
    InputError: unknown method or option, a value of the wrong type or range, or a loss or activation that the method
        does not take.
    SolverUnavailable, SolverFailed, ProblemTooLarge: see these classes.
    """
    if not isinstance(problem, Problem):
        raise InputError(f"solve() takes a Problem first, not {type(problem).__name__}; write Problem(X, Y, gamma).")
    seconds = Deadline.of(time_limit).seconds
    require_seed(seed)
    if not callable(report):
        raise InputError(f"report is {report!r}; it must be a function that takes an Outcome.")
    chosen = _methods.create(method, options)
    require_taken(problem, _methods, method, chosen)
    ready(_methods.kernels(method, chosen))
    try:
        return chosen.run(problem, rng=np.random.default_rng(int(seed)), deadline=Deadline(seconds), report=report)
    except MemoryError:
        raise ProblemTooLarge(f"method '{method}' needs more memory for {problem!r} than there is.") from None
    except (ArithmeticError, np.linalg.LinAlgError) as error:
        raise SolverFailed(
            f"method '{method}' cannot compute with numbers of these sizes ({str(error).rstrip('.')}); measure X, Y "
            "and gamma in units in which their entries are nearer to 1."
        ) from error


def __getattr__(name: str) -> Any:
    """Import ``sdprelax.distillation`` when it is first asked for: it takes a while and needs optional packages."""
    if name in ("OnnxTeacher", "distill"):
        import sdprelax.distillation

        return getattr(sdprelax.distillation, name)
    raise AttributeError(f"module 'sdprelax' has no attribute '{name}'")
