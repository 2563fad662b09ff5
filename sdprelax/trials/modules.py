"""The user's own methods and data sets: Python files that a sweep names under ``modules``."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path

from sdprelax.errors import InputError, SdprelaxError

__all__ = ["load_modules"]


def load_modules(paths: Iterable[str | Path]) -> None:
    """Execute Python files, so that what they register can be named; each once per process.

    Raises
    ------
    InputError: a file does not exist or fails.
    """
    for written in paths:
        path = Path(written).resolve()
        name = f"sdprelax_module_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
        if name in sys.modules:
            continue
        specification = importlib.util.spec_from_file_location(name, path)
        if not path.is_file() or specification is None or specification.loader is None:
            raise InputError(f"module {written}: there is no Python file of that name.")
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module
        try:
            specification.loader.exec_module(module)
        except SdprelaxError:
            del sys.modules[name]
            raise
        except Exception as error:
            del sys.modules[name]
            raise InputError(f"module {written} fails: {type(error).__name__}: {error}.") from None
