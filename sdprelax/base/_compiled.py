"""Kernels: functions that Numba compiles, once per machine and before any clock starts.

A module of kernels is imported where they are called for, never by the package itself: loading Numba takes a second.
Importing it compiles them for the types that they are declared with, or loads what was compiled before from beside
the module (or from the user's own cache, as Numba does). Of several processes one compiles and the others wait.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

__all__ = ["compiled", "ready"]

F = TypeVar("F", bound=Callable[..., Any])
Say = Callable[[str], None]


def _silent(sentence: str) -> None:
    pass


_say: Say = _silent


def ready(kernels: Iterable[str], say: Say = _silent) -> None:
    """Import modules of kernels, so that nothing is compiled or loaded later.

    Parameters
    ----------
    kernels: the modules' names.
    say: called with a short message if something has to be compiled, which takes a while.
    """
    global _say
    before, _say = _say, say
    try:
        for name in kernels:
            importlib.import_module(name)
    finally:
        _say = before


def compiled(signature: str | None = None, **options: Any) -> Callable[[F], F]:
    """Return a decorator that compiles a function with Numba.

    Parameters
    ----------
    signature: types of the arguments; None for a function that others of the module call, and are compiled with.
    options: Numba's, e.g. ``fastmath``.
    """
    import numba

    def compile_(function: F) -> F:
        if signature is None:
            return cast(F, numba.njit(**options)(function))
        try:
            kernel = numba.njit(cache=True, **options)(function)
            with _alone(Path(kernel.stats.cache_path)), _announced():
                kernel.compile(signature)
        except (OSError, EOFError, ValueError, RuntimeError, pickle.PickleError) as error:
            # There is no folder that can be written to, the disk is full, or what lies there is damaged.
            warnings.warn(
                f"the kernel {function.__name__} cannot be kept on this machine, so that every process compiles it "
                f"anew ({error}); NUMBA_CACHE_DIR names a folder to keep it in.",
                stacklevel=2,
            )
            kernel = numba.njit(**options)(function)
            with _announced():
                kernel.compile(signature)
        kernel.disable_compile()
        return cast(F, kernel)

    return compile_


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time compile into a folder; the others wait."""
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for kernels that another process compiles")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            pass  # file systems without locks must do without
        yield


@contextlib.contextmanager
def _announced() -> Iterator[None]:
    """Say so if something is really compiled."""
    from numba.core import event

    class Listener(event.Listener):  # type: ignore[misc]
        def on_start(self, event: Any) -> None:
            global _say
            _say("compiling kernels, once per machine")
            _say = _silent

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield
