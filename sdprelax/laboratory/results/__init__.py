"""What is made of a sweep's records: tables, pictures, reports, audits, comparisons."""

from __future__ import annotations

from sdprelax.laboratory.results._audit import audit
from sdprelax.laboratory.results._collect import Results, collect, current
from sdprelax.laboratory.results._compare import compare
from sdprelax.laboratory.results._gather import Gathered, gather
from sdprelax.laboratory.results._loaded import LoadedResults, load_results, with_options
from sdprelax.laboratory.results._overview import Overview, overview
from sdprelax.laboratory.results._pictures import (
    COLOURS,
    MARKERS,
    blank_figure,
    drawn,
    house_style,
    legend_outside,
    literal,
    looks_of,
    panels,
    styled,
    write_picture,
    write_pictures,
    written_lines,
)
from sdprelax.laboratory.results._render import render
from sdprelax.laboratory.results._report import DARK, write_report
from sdprelax.laboratory.results._rerun import find_trial, rerun
from sdprelax.laboratory.results._tables import counted, load_table, merged_status, origins
from sdprelax.laboratory.results._views import Column, Printed, chosen, column_of, grouped, viewed

__all__ = [
    "COLOURS",
    "DARK",
    "MARKERS",
    "Column",
    "Gathered",
    "LoadedResults",
    "Overview",
    "Printed",
    "Results",
    "audit",
    "blank_figure",
    "chosen",
    "collect",
    "column_of",
    "compare",
    "counted",
    "current",
    "drawn",
    "find_trial",
    "gather",
    "grouped",
    "house_style",
    "legend_outside",
    "literal",
    "load_results",
    "load_table",
    "looks_of",
    "merged_status",
    "origins",
    "overview",
    "panels",
    "render",
    "rerun",
    "styled",
    "viewed",
    "with_options",
    "write_picture",
    "write_pictures",
    "write_report",
    "written_lines",
]
