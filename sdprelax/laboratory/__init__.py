"""Sweeps: their files, trials, store, runner, workers and engines."""

from __future__ import annotations

from sdprelax.laboratory._config import load_sweep, load_sweeps, schema
from sdprelax.laboratory._document import Document
from sdprelax.laboratory._entries import (
    SECONDS,
    Entry,
    Settings,
    checked,
    expanded,
    folder_name,
    in_units,
    only,
    own_modules,
    quantity,
    read_settings,
)
from sdprelax.laboratory._job import Trial, described, flat_options
from sdprelax.laboratory._modules import load_modules
from sdprelax.laboratory._provenance import provenance
from sdprelax.laboratory._runner import FAILED, Scheduled, run_scheduled, run_sweep, schedule
from sdprelax.laboratory._schema import Family, file_schema
from sdprelax.laboratory._sizes import print_plan
from sdprelax.laboratory._store import Running, Store
from sdprelax.laboratory._trial import load_problem, run_trial

__all__ = [
    "FAILED",
    "SECONDS",
    "Document",
    "Entry",
    "Family",
    "Running",
    "Scheduled",
    "Settings",
    "Store",
    "Trial",
    "checked",
    "described",
    "expanded",
    "file_schema",
    "flat_options",
    "folder_name",
    "in_units",
    "load_modules",
    "load_problem",
    "load_sweep",
    "load_sweeps",
    "only",
    "own_modules",
    "print_plan",
    "provenance",
    "quantity",
    "read_settings",
    "run_scheduled",
    "run_sweep",
    "run_trial",
    "schedule",
    "schema",
]
