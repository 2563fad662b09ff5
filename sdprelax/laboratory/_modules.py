"""The user's own methods and data sets: Python files that a sweep names under ``modules``."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from sdprelax.base import InputError, SdprelaxError, registering

__all__ = ["UNTRUSTED", "load_modules"]

# What is said of what an executed file might have registered.
UNTRUSTED = "unknown here; Python files that the sweep named are executed with --trust-modules only"

# SHA-256 of the files that this process has executed.
_executed: dict[str, str] = {}


def load_modules(paths: Iterable[str | Path]) -> list[ModuleType]:
    """Execute Python files, so that what they register can be named, each once per process; return the modules.

    A file's SHA-256 is a part of the version of what it registers (:meth:`sdprelax.base.Registry.version`).

    Raises
    ------
    InputError: a file does not exist, fails, or is another one than this process has executed under its name.
    """
    names = []
    for written in paths:
        path = Path(written).resolve()
        try:
            content = path.read_bytes()
        except OSError:
            raise InputError(f"module {written}: there is no Python file of that name.") from None
        digest = hashlib.sha256(content).hexdigest()
        name = f"sdprelax_module_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
        names.append(name)
        if name in sys.modules:
            if _executed[name] != digest:
                raise InputError(f"module {written} has changed since this process executed it: start again.")
            continue
        specification = importlib.util.spec_from_file_location(name, path)
        if specification is None:
            raise InputError(f"module {written}: there is no Python file of that name.")
        module = importlib.util.module_from_spec(specification)
        sys.modules[name], _executed[name] = module, digest
        try:
            # What was hashed, and not what Python keeps compiled of it.
            with registering(digest):
                exec(compile(content, str(path), "exec"), vars(module))
        except SdprelaxError:
            del sys.modules[name]
            raise
        except Exception as error:
            del sys.modules[name]
            raise InputError(f"module {written} fails: {type(error).__name__}: {error}.") from None
    return [sys.modules[name] for name in names]
