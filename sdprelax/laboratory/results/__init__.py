"""What is made of a sweep's records: tables, pictures, reports, audits, comparisons."""

from __future__ import annotations

from sdprelax.laboratory.results._audit import audit
from sdprelax.laboratory.results._collect import Results, collect
from sdprelax.laboratory.results._compare import compare
from sdprelax.laboratory.results._loaded import LoadedResults, load_results
from sdprelax.laboratory.results._overview import Overview, overview
from sdprelax.laboratory.results._pictures import COLOURS, MARKERS, STYLE, literal, looks_of, write_pictures
from sdprelax.laboratory.results._report import write_report
from sdprelax.laboratory.results._rerun import find_trial, rerun
from sdprelax.laboratory.results._tables import load_table, merged_status, origins, render

__all__ = [
    "COLOURS",
    "MARKERS",
    "STYLE",
    "LoadedResults",
    "Overview",
    "Results",
    "audit",
    "collect",
    "compare",
    "find_trial",
    "literal",
    "load_results",
    "load_table",
    "looks_of",
    "merged_status",
    "origins",
    "overview",
    "render",
    "rerun",
    "write_pictures",
    "write_report",
]
