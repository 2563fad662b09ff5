"""What a report says of a study above its trials: what was distilled, a summary, pictures, and what is proved."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from sdprelax.distillation.study._tables import students_summary
from sdprelax.laboratory import Look, figures

__all__ = ["LOOKS", "study_sections"]

CAPTIONS = {
    "fractions": "What few pictures suffice for",
    "errors": "Errors of activations, layer by layer",
    "size": "What a student costs, as a share of its block",
}
CERTIFICATES = (
    "<b>Program gap</b>: the convex program's solution is at most this share of its objective above the optimum over "
    "all weights behind the same gates, proved with every rounding error from the activations as stored.",
    "<b>Student's gap</b>: the student itself, cut to its budget and rounded to single precision, is at most this "
    "share of its objective above that optimum, proved as well; rivals solve no such program and have neither.",
    "<code>sdprelax verify</code> proves lower, upper and both gaps again, and counts the students' parameters. "
    "Everything else is <b>reported</b> by the trials: accuracies, errors, agreement, latencies, multiply-adds, "
    "seconds.",
)
PERCENT, SHORT, COUNT = figures(".1f", 100.0, " %"), figures(".1e"), figures(",.0f")
# Columns of the summary in print; a report has more of them.
LOOKS: dict[str, Look] = {
    "block": ("block", str), "distiller": ("distiller", str), "parameters": ("parameters", COUNT),
    "parameters_share": ("of the block", PERCENT), "program_gap": ("program gap", SHORT),
    "activation_error": ("activation error", SHORT), "agreement": ("agreement", PERCENT),
    "accuracy": ("accuracy", PERCENT), "accuracy_deviation": ("±", PERCENT), "teacher_accuracy": ("teacher", PERCENT),
    "multiply_adds_share": ("multiply-adds", PERCENT), "latency_share": ("latency, one", PERCENT),
    "status": ("status", str),
}  # fmt: skip
SUMMARY: dict[str, Look] = {
    **LOOKS, "gap": ("student's gap", SHORT), "latency_batch_share": ("latency, many", PERCENT),
    "fraction": ("pictures", figures("g", 100.0, " %")), "repeats": ("repeats", COUNT),
    "seconds": ("seconds to fit", figures(".1f")),
}  # fmt: skip
NETWORKS: dict[str, Look] = {
    "block": ("block", str), "distiller": ("distiller", str), "teacher_parameters": ("parameters before", COUNT),
    "network_parameters": ("after", COUNT), "teacher_multiply_adds": ("multiply-adds before", COUNT),
    "network_multiply_adds": ("after", COUNT),
}  # fmt: skip


def study_sections(table: pd.DataFrame, records: list[dict[str, Any]], pictures: Iterable[Path]) -> str:
    """Return the sections as HTML; whatever a file or a trial said is escaped."""
    found = students_summary(table)
    hint = (
        "Means over the repeats on the most pictures; gaps are the largest of them. Accuracy, agreement and errors are "
        "of pictures that no student was fitted to."
        if len(found)
        else "No trial came to an end."
    )
    drawn = [path for path in pictures if path.stem in CAPTIONS]
    parts = [
        _section("What was distilled", _description(records)),
        _section("Summary", f'<p class="hint">{hint}</p>{_table(found, SUMMARY)}'),
        _section("The whole network", _table(found, NETWORKS)) if found["network_parameters"].notna().any() else "",
        _section("Pictures", f'<div class="grid">{"".join(map(_figure, drawn))}</div>') if drawn else "",
        _section("Certificates", "".join(f"<p>{sentence}</p>" for sentence in CERTIFICATES)),
    ]
    return "\n".join(parts)


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{content}\n</section>"


def _description(records: list[dict[str, Any]]) -> str:
    """Return teacher, pictures, blocks and distillers, each as a study names it."""
    trials = [record["trial"] for record in records]
    facts: dict[str, Iterable[str]] = {
        "teacher": (_written(**trial["teacher"]) for trial in trials),
        "images": (_written(**trial["images"]) for trial in trials),
        "blocks": (trial["block"] or "as the teacher names it" for trial in trials),
        "distillers": (record["distiller"] for record in records),
    }
    lines = (f"<dt>{name}</dt><dd>{html.escape('; '.join(dict.fromkeys(said)))}</dd>" for name, said in facts.items())
    return f'<dl class="facts">{"".join(lines)}</dl>'


def _written(name: str, options: dict[str, Any], identity: str) -> str:
    written = yaml.safe_dump(options, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return f"{name} {written.strip()}" if options else name


def _table(rows: pd.DataFrame, columns: dict[str, Look]) -> str:
    """Return the columns that say anything."""
    shown = {name: look for name, look in columns.items() if rows[name].notna().any()}
    kinds = {name: ' class="text"' if form is str else "" for name, (_, form) in shown.items()}
    head = "".join(f"<th{kinds[name]}>{title}</th>" for name, (title, _) in shown.items())
    body = "".join(
        "<tr>"
        + "".join(f"<td{kinds[name]}>{html.escape(shown[name][1](row[name]))}</td>" for name in shown)
        + "</tr>\n"
        for row in rows[list(shown)].to_dict("records")
    )
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _figure(path: Path) -> str:
    caption, content = CAPTIONS[path.stem], base64.b64encode(path.read_bytes()).decode()
    image = f'<img alt="{caption}" src="data:image/png;base64,{content}">'
    return f"<figure><figcaption>{caption}</figcaption>{image}</figure>"
