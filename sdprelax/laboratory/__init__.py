"""Sweeps of any kind of trial: their files, store, runner, workers and engines."""

from __future__ import annotations

from sdprelax.laboratory._attempt import run_trial
from sdprelax.laboratory._config import load_sweep, load_sweeps
from sdprelax.laboratory._document import Document
from sdprelax.laboratory._from_python import run
from sdprelax.laboratory._job import Attempt, Found, Limits, Trial, label
from sdprelax.laboratory._kinds import Look, Sweep, TrialKind, entry_key, figures, kind_of_store, kinds, naming
from sdprelax.laboratory._modules import UNTRUSTED, load_modules
from sdprelax.laboratory._runner import FAILED, Scheduled, require_workers, run_scheduled, run_sweep, schedule
from sdprelax.laboratory._settings import SECONDS, Entry, Settings, Written, checked, common, expanded, in_units, only
from sdprelax.laboratory._sizes import print_plan
from sdprelax.laboratory._store import Running, Store

__all__ = [
    "FAILED",
    "SECONDS",
    "UNTRUSTED",
    "Attempt",
    "Document",
    "Entry",
    "Found",
    "Limits",
    "Look",
    "Running",
    "Scheduled",
    "Settings",
    "Store",
    "Sweep",
    "Trial",
    "TrialKind",
    "Written",
    "checked",
    "common",
    "entry_key",
    "expanded",
    "figures",
    "in_units",
    "kind_of_store",
    "kinds",
    "label",
    "load_modules",
    "load_sweep",
    "load_sweeps",
    "naming",
    "only",
    "print_plan",
    "require_workers",
    "run",
    "run_scheduled",
    "run_sweep",
    "run_trial",
    "schedule",
]
