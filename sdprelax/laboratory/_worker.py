"""A worker process: runs the trials that its supervisor names, one after another.

:func:`serve` reads JSON lines from standard input: first where the results go and
whose child it is, then one attempt a line. It answers on what was its standard output, which nothing else can write to:
``{"started": true}``, then ``{"record": ...}``, or ``{"storage": sentence}`` when the result cannot be written.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

__all__ = ["serve"]

PR_SET_PDEATHSIG = 1


def serve() -> None:
    """Serve until standard input ends."""
    hello = json.loads(sys.stdin.readline())
    _die_with(hello["parent"])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)

    from sdprelax.base import SdprelaxError, StorageError, single_threaded
    from sdprelax.laboratory._attempt import run_trial
    from sdprelax.laboratory._kinds import job_of
    from sdprelax.laboratory._modules import load_modules
    from sdprelax.laboratory._provenance import provenance
    from sdprelax.laboratory._store import Store

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")

    provenance()  # it takes a moment that no trial should be charged with
    store = Store(Path(hello["folder"]))
    try:
        load_modules(hello["modules"])
    except SdprelaxError as error:
        answer({"failed": str(error)})
        return
    with single_threaded():
        for line in sys.stdin:
            try:
                answer(
                    {"record": run_trial(job_of(json.loads(line)), store, started=lambda: answer({"started": True}))}
                )
            except StorageError as error:
                answer({"storage": str(error)})


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; be gone if it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    # An interruption from the terminal is the supervisor's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
