"""What is made of a sweep's records: tables, plots, reports, audits, comparisons."""

from __future__ import annotations

from sdprelax.laboratory.results._audit import audit
from sdprelax.laboratory.results._collect import Results, collect
from sdprelax.laboratory.results._compare import compare
from sdprelax.laboratory.results._overview import Overview, overview
from sdprelax.laboratory.results._plots import (
    COLOURS,
    MARKERS,
    STYLE,
    gap_by_method,
    geometry_picture,
    literal,
    neurons_picture,
    tightness_picture,
)
from sdprelax.laboratory.results._report import write_report
from sdprelax.laboratory.results._rerun import find_trial, rerun
from sdprelax.laboratory.results._tables import (
    load_table,
    merged_status,
    origins,
    predictions_summary,
    render,
    tightness_table,
    unsound,
)

__all__ = [
    "COLOURS",
    "MARKERS",
    "STYLE",
    "Overview",
    "Results",
    "audit",
    "collect",
    "compare",
    "find_trial",
    "gap_by_method",
    "geometry_picture",
    "literal",
    "load_table",
    "merged_status",
    "neurons_picture",
    "origins",
    "overview",
    "predictions_summary",
    "render",
    "rerun",
    "tightness_picture",
    "tightness_table",
    "unsound",
    "write_report",
]
