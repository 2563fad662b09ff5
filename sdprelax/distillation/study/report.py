"""The report of a study: one self-contained HTML file."""

from __future__ import annotations

import base64
import html
import importlib.resources
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from sdprelax.base import write_whole
from sdprelax.distillation.study.config import Study
from sdprelax.distillation.study.tables import summary
from sdprelax.laboratory import Entry

__all__ = ["write_report"]

CAPTIONS = {
    "fractions": "What few pictures suffice for",
    "errors": "Errors of activations, layer by layer",
    "size": "What a student costs, as a share of its block",
}
# Beside the style sheet of sweeps' reports, whose tables a script fills.
STYLE = """
.table { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
.table th, .table td { text-align: right; padding: .3rem .6rem; white-space: nowrap; border-bottom: 1px solid #f0f0f0; }
.table th { background: #f5f5f5; }
.table .text { text-align: left; }
figure img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .9rem; margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
p { max-width: 60rem; }
"""
CERTIFICATES = (
    "<b>Program gap</b>: the convex program's solution is at most this share of its objective above the optimum over "
    "all weights behind the same gates, proved with every rounding error from the activations as stored.",
    "<b>Student's gap</b>: the student itself, cut to its budget and rounded to single precision, is at most this "
    "share of its objective above that optimum, proved as well; rivals solve no such program and have neither.",
    "<code>sdprelax verify</code> proves lower, upper and both gaps again, and counts the students' parameters. "
    "Everything else is <b>reported</b> by the runs: accuracies, errors, agreement, latencies, multiply-adds, seconds.",
)
Form = Callable[[Any], str]


def _text(value: Any) -> str:
    return html.escape(str(value))


def _figures(form: str, factor: float = 1.0, unit: str = "") -> Form:
    return lambda value: "" if value is None or pd.isna(value) else format(factor * value, form) + unit


PERCENT, SHORT, COUNT = _figures(".1f", 100.0, " %"), _figures(".2e"), _figures(",.0f")
SUMMARY: dict[str, tuple[str, Form]] = {
    "block": ("block", _text), "distiller": ("distiller", _text), "fraction": ("pictures", _figures("g", 100.0, " %")),
    "repeats": ("repeats", COUNT), "parameters": ("parameters", COUNT), "parameters_share": ("of the block", PERCENT),
    "program_gap": ("program gap", SHORT), "gap": ("student's gap", SHORT),
    "activation_error": ("activation error", SHORT), "agreement": ("agreement", PERCENT),
    "accuracy": ("accuracy", PERCENT), "accuracy_deviation": ("±", PERCENT), "teacher_accuracy": ("teacher", PERCENT),
    "multiply_adds_share": ("multiply-adds", PERCENT), "latency_share": ("latency, one", PERCENT),
    "latency_batch_share": ("latency, many", PERCENT), "seconds": ("seconds to fit", _figures(".1f")),
    "status": ("status", lambda status: "" if status == "finished" else _text(status)),
}  # fmt: skip
NETWORKS: dict[str, tuple[str, Form]] = {
    "block": ("block", _text), "distiller": ("distiller", _text),
    "teacher_parameters": ("parameters before", COUNT), "network_parameters": ("after", COUNT),
    "teacher_multiply_adds": ("multiply-adds before", COUNT), "network_multiply_adds": ("after", COUNT),
}  # fmt: skip
RUNS: dict[str, tuple[str, Form]] = {
    "block": ("block", _text), "distiller": ("distiller", _text), "fraction": ("pictures", _figures("g", 100.0, " %")),
    "samples": ("samples", COUNT), "repeat": ("repeat", COUNT), "status": ("status", _text),
    "seconds": ("seconds", _figures(".1f")), "lower": ("lower", _figures(".6g")), "upper": ("upper", _figures(".6g")),
    "gap": ("student's gap", SHORT), "program_gap": ("program gap", SHORT), "view": ("view", _text),
    "shrinkage": ("shrinkage", _figures(".1e")), "neurons": ("neurons", _text), "parameters": ("parameters", COUNT),
    "activation_error": ("activation error", SHORT), "agreement": ("agreement", PERCENT),
    "accuracy": ("accuracy", PERCENT), "message": ("message", _text), "hash": ("run", _text),
}  # fmt: skip


def write_report(
    study: Study, folder: Path, table: pd.DataFrame, records: list[dict[str, Any]], pictures: Iterable[Path]
) -> Path:  # fmt: skip
    """Write ``report.html`` into a study's folder; return its path."""
    found = summary(table)
    parts = [
        _section("What was distilled", _description(study, table, records)),
        _section("Summary", _hint(found) + _table(found, SUMMARY)),
        _section("The whole network", _table(found, NETWORKS)) if found["network_parameters"].notna().any() else "",
        _section("Pictures", f'<div class="grid">{"".join(map(_figure, pictures))}</div>'),
        _section("Certificates", "".join(f"<p>{sentence}</p>" for sentence in CERTIFICATES)),
        _section("Runs", _table(table, RUNS)),
    ]
    style = (importlib.resources.files("sdprelax.laboratory.results._report") / "page.css").read_text(encoding="utf-8")
    title = _text(study.name)
    page = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{title} · sdprelax</title>\n<style>{style}{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )
    target = folder / "report.html"
    write_whole(target, page.encode())
    return target


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{content}\n</section>"


def _description(study: Study, table: pd.DataFrame, records: list[dict[str, Any]]) -> str:
    views = {
        (block, str(view)): None for block, view in zip(table["block"], table["view"], strict=True) if view
    }  # fmt: skip
    versions: dict[str, str] = records[-1]["provenance"]["versions"] if records else {}
    facts = {
        "teacher": _entry(study.teacher),
        "images": _entry(study.images),
        "blocks": ", ".join(block for block in study.blocks if block) or "as the teacher names it",
        "views": ", ".join(f"{block}: {view}".removeprefix(": ") for block, view in views),
        "distillers": "; ".join(map(_entry, study.distillers)),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{_text(fact)}</dd>" for name, fact in facts.items() if fact) + "</dl>"


def _entry(entry: Entry) -> str:
    if not entry.options:
        return entry.name
    written = yaml.safe_dump(entry.options, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return f"{entry.name} {written.strip()}"


def _hint(found: pd.DataFrame) -> str:
    if found.empty:
        return '<p class="hint">No run came to an end.</p>'
    return (
        '<p class="hint">Means over the repeats on the most pictures; gaps are the largest of them. Accuracy, '
        "agreement and errors are of pictures that no student was fitted to.</p>"
    )


def _table(rows: pd.DataFrame, columns: dict[str, tuple[str, Form]]) -> str:
    """Return the columns that say anything."""
    shown = {name: look for name, look in columns.items() if rows[name].map(look[1]).ne("").any()}
    kinds = {name: ' class="text"' if form is _text else "" for name, (_, form) in shown.items()}
    head = "".join(f"<th{kinds[name]}>{title}</th>" for name, (title, _) in shown.items())
    body = "".join(
        "<tr>" + "".join(f"<td{kinds[name]}>{shown[name][1](row[name])}</td>" for name in shown) + "</tr>\n"
        for row in rows[list(shown)].to_dict("records")
    )
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _figure(path: Path) -> str:
    caption, content = CAPTIONS[path.stem], base64.b64encode(path.read_bytes()).decode()
    image = f'<img alt="{caption}" src="data:image/png;base64,{content}">'
    return f"<figure><figcaption>{caption}</figcaption>{image}</figure>"
