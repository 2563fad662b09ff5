"""Packages that only some uses need: imported where they are needed, and named in one sentence if they are missing."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Iterable
from typing import Any

from sdprelax.base._errors import SolverUnavailable

__all__ = ["has_optional", "import_present", "install_hint", "optional"]

# What each is called, and the extra of this package that brings it (pyproject.toml).
EXTRAS = {
    "cvxpy": ("CVXPY", "cvxpy"),
    "scs": ("SCS", "cvxpy"),
    "clarabel": ("Clarabel", "cvxpy"),
    "mosek": ("MOSEK", "mosek"),
    "sdpap": ("SDPA", "referee"),
    "matplotlib": ("Matplotlib", "plot"),
    "pyarrow": ("PyArrow", "parquet"),
    "PIL": ("Pillow", "images"),
    "skglm": ("skglm", "skglm"),
    "torch": ("PyTorch", "torch"),
    "cupy": ("CuPy", "cupy"),
    "onnx": ("ONNX", "onnx"),
    "onnxruntime": ("ONNX Runtime", "onnx"),
    "onnxscript": ("ONNX Script", "onnx"),
    "distributed": ("Dask", "dask"),
    "dask_jobqueue": ("dask-jobqueue", "dask"),
}


def optional(module: str) -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    module: as Python imports it, "onnx.reference".

    Raises
    ------
    SolverUnavailable: it is not installed; the sentence says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        # One that is there and broken says itself what it lacks.
        reason = f"cannot be imported ({error})" if has_optional(package) else "is not installed"
        name, _ = EXTRAS.get(package, (package, ""))
        raise SolverUnavailable(f"{name} {reason}: {install_hint(package)}.") from None


def import_present(packages: Iterable[str]) -> None:
    """Import the optional packages that are installed; what needs one that is not says so when it runs."""
    for package in packages:
        if has_optional(package):
            with contextlib.suppress(ImportError):
                importlib.import_module(package)


def has_optional(package: str) -> bool:
    """Say whether an optional package is installed, without importing it."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def install_hint(package: str) -> str:
    """Return the command that installs an optional package, by the extra that brings it if there is one."""
    return f'pip install "sdprelax[{EXTRAS[package][1]}]"' if package in EXTRAS else f"pip install {package}"
