"""Arrays of NumPy, PyTorch or CuPy behind the array API standard (array-api-compat)."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import scipy.linalg

from sdprelax.base import Floats, InputError, SolverUnavailable, first_line, install_hint

__all__ = ["Arrays", "Library", "arrays_of"]

Library = Literal["numpy", "torch", "cupy"]


@dataclass(frozen=True)
class Arrays:
    """A namespace of the array API standard and the device its arrays live on.

    Parameters
    ----------
    xp: the namespace, such as ``array_api_compat.numpy``.
    device: as the namespace names it; None for its default.
    """

    xp: Any
    device: Any = None

    @property
    def entries(self) -> Any:
        """The compiled loops over entries, :mod:`sdprelax.solvers.native._entries`, if the arrays are NumPy's."""
        if not isinstance(self.zeros(1), np.ndarray):
            return None
        from sdprelax.solvers.native import _entries  # kernels are loaded where they are called for

        return _entries

    def of(self, values: Floats) -> Any:
        """Return float64 values as an array of the namespace, on the device."""
        dense = np.ascontiguousarray(values, dtype=np.float64)
        return self.xp.asarray(dense, dtype=self.xp.float64, device=self.device)

    def back(self, array: Any) -> Floats:
        """Return an array of the namespace as one of NumPy."""
        if hasattr(array, "get"):
            array = array.get()
        if hasattr(array, "cpu"):
            array = array.cpu()
        return np.array(np.asarray(array), dtype=np.float64)

    def zeros(self, *shape: int) -> Any:
        """Return zeros of a shape."""
        return self.xp.zeros(shape, dtype=self.xp.float64, device=self.device)

    def positive_pairs(self, matrix: Any) -> tuple[Any, Any, Any]:
        """Return the nearest positive semidefinite matrix to a symmetric one, and its eigenvalues and eigenvectors."""
        xp, order = self.xp, matrix.shape[0]
        if isinstance(matrix, np.ndarray):
            # LAPACK can leave out the eigenvectors that are not needed, which halves the time.
            above = (0.0, np.inf)
            values, vectors = scipy.linalg.eigh(matrix, subset_by_value=above, driver="evr", check_finite=False)
            return (vectors * values) @ vectors.T, values, vectors
        values, vectors = xp.linalg.eigh(matrix)
        rank = int(xp.sum(xp.astype(values > 0.0, xp.int64)))
        positive, above = values[order - rank :], vectors[:, order - rank :]
        if 2 * rank <= order:
            return (above * positive) @ above.T, positive, above
        some = vectors[:, : order - rank]
        return matrix - (some * values[: order - rank]) @ some.T, positive, above

    def nonnegative_part(self, array: Any) -> Any:
        """Return the nearest array without negative entries."""
        return self.xp.clip(array, 0.0, None)

    def identity(self, order: int) -> Any:
        """Return the identity matrix of an order."""
        return self.xp.eye(order, dtype=self.xp.float64, device=self.device)


def arrays_of(library: Library, device: str | None) -> Arrays:
    """Return the arrays of a library on a device ("cpu", "cuda", "cuda:1"); None for the library's default.

    Raises
    ------
    SolverUnavailable: the library is not installed, or it has no such device here.
    InputError: no such library.
    """
    if library not in get_args(Library):
        raise InputError(f"no arrays of '{library}'; choose one of {', '.join(get_args(Library))}.")
    try:
        xp = importlib.import_module(f"array_api_compat.{library}")
    except ImportError:
        raise SolverUnavailable(
            f"solver native with arrays: {library} needs {library}: {install_hint(library)}."
        ) from None
    arrays = Arrays(xp, device)
    try:
        arrays.back(arrays.identity(1))
    except Exception as error:
        # Every library has errors of its own for a device that it does not know or cannot use.
        place = "" if device is None else f" on device '{device}'"
        raise SolverUnavailable(
            f"solver native cannot compute with arrays: {library}{place} here ({first_line(error)})."
        ) from None
    return arrays
