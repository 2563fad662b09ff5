"""Where a result comes from: versions, threads, processor, and the state of the code."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import threadpoolctl

import sdprelax

__all__ = ["THREADS", "provenance"]

# Environment variables that hold a numerical library to some number of threads.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


@functools.cache
def provenance() -> dict[str, Any]:
    """Return what a record says of its origin, read once per process.

    ``git`` is the commit of the package's own checkout and whether it had uncommitted changes; null where the
    package was installed from an archive.
    """
    return {
        "versions": _versions(),
        "blas": [
            {key: library.get(key) for key in ("user_api", "internal_api", "version", "num_threads", "architecture")}
            for library in threadpoolctl.threadpool_info()
        ],
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "host": platform.node(),
        "git": _git(Path(sdprelax.__file__).parent),
    }


def _versions() -> dict[str, str]:
    """Return the versions of Python, of this package, and of what it depends on or may use, as far as installed."""
    found = {"python": platform.python_version(), "sdprelax": sdprelax.__version__}
    for requirement in importlib.metadata.requires("sdprelax") or ():
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        if re.search(r"extra == .(dev|notebooks)", requirement):  # tools, which compute nothing
            continue
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.setdefault(name, importlib.metadata.version(name))
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git(folder: Path) -> dict[str, Any] | None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        # An installed package may lie in a checkout of something else: only one that tracks this file counts.
        git("ls-files", "--error-unmatch", "__init__.py")
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--", "."))}
    except (OSError, subprocess.SubprocessError):
        return None
