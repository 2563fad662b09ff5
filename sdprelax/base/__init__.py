"""The ground: errors, files, deadlines, registries, input arrays, compiled kernels, threads, verified arithmetic."""

from __future__ import annotations

from sdprelax.base._arrays import (
    finite_array,
    finite_matrix,
    is_categorical,
    one_hot,
    plain_array,
    require_seed,
    target_matrix,
)
from sdprelax.base._checkpoint import Checkpoint
from sdprelax.base._compiled import compiled, ready
from sdprelax.base._deadline import Deadline
from sdprelax.base._elementary import enclosed, enclosed_rows, entropy, log_sum_exp, softplus
from sdprelax.base._errors import (
    CertificateError,
    InputError,
    ProblemTooLarge,
    SdprelaxError,
    SolverFailed,
    SolverUnavailable,
    StorageError,
    UntrustedArithmetic,
    first_line,
    nearest,
)
from sdprelax.base._files import read_arrays, storing, whole_file, write_arrays, write_whole
from sdprelax.base._optional import has_optional, import_present, install_hint, optional
from sdprelax.base._registry import LATER, Registry, Use, misread, registering
from sdprelax.base._threads import pooled, single_threaded, threads_allowed, usable_cores
from sdprelax.base._verified import (
    UNIT,
    Ball,
    Floats,
    Integers,
    bound_above,
    gamma,
    positive_part,
    provable_from,
    proves_psd,
    require_ieee_arithmetic,
)

__all__ = [
    "LATER",
    "UNIT",
    "Ball",
    "CertificateError",
    "Checkpoint",
    "Deadline",
    "Floats",
    "InputError",
    "Integers",
    "ProblemTooLarge",
    "Registry",
    "SdprelaxError",
    "SolverFailed",
    "SolverUnavailable",
    "StorageError",
    "UntrustedArithmetic",
    "Use",
    "bound_above",
    "compiled",
    "enclosed",
    "enclosed_rows",
    "entropy",
    "finite_array",
    "finite_matrix",
    "first_line",
    "gamma",
    "has_optional",
    "import_present",
    "install_hint",
    "is_categorical",
    "log_sum_exp",
    "misread",
    "nearest",
    "one_hot",
    "optional",
    "plain_array",
    "pooled",
    "positive_part",
    "provable_from",
    "proves_psd",
    "read_arrays",
    "ready",
    "registering",
    "require_ieee_arithmetic",
    "require_seed",
    "single_threaded",
    "softplus",
    "storing",
    "target_matrix",
    "threads_allowed",
    "usable_cores",
    "whole_file",
    "write_arrays",
    "write_whole",
]
