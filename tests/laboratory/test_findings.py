"""What a sweep found, in words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sdprelax.laboratory.training._findings import findings


def row(problem: int, method: str, lower: float | None, upper: float | None, repeat: int = 0) -> dict[str, Any]:
    status = "solved" if upper is not None else "error"
    return {
        "dataset": f"random(seed={problem})", "bias": False, "gamma": 0.1, "method": method, "repeat": repeat,
        "lower": lower, "upper": upper, "seconds": 1.0, "status": status,
    }  # fmt: skip


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    found = pd.DataFrame(rows)
    return found.astype({"lower": float, "upper": float})


def test_every_method_has_its_sentence() -> None:
    rows = [row(k, "exact", 1.0 - 4e-7, 1.0) for k in range(5)]
    rows += [row(k, "sdp", 1.0 - share, 1.0) for k, share in enumerate((0.02, 0.06, 0.36))]
    rows += [row(k, "lbfgs", None, 1.02) for k in range(2)] + [row(2, "lbfgs", None, None)]
    assert findings(table(*rows)) == [
        "exact certified 5 of 5 problems to 1e-6.",
        "sdp has a median gap of 6 % on 3 problems.",
        "lbfgs proved no lower bound; its networks are, in the median, 2 % above the best lower bound, and none on 1.",
    ]


def test_what_is_missing_is_counted() -> None:
    assert findings(table(row(0, "sdp", 0.9, 1.0), row(1, "sdp", 0.5, None), row(2, "sdp", 1.0, 1.0))) == [
        "sdp has a median gap of 5 % on 2 problems, 1 of them certified to 1e-6; on 1 it has no pair of bounds."
    ]
    assert findings(table(row(0, "exact", 1.0, 1.0), row(1, "exact", 0.5, 1.0), row(2, "exact", 1.0, 1.0))) == [
        "exact certified 2 of 3 problems to 1e-6."
    ]
    assert findings(table(row(0, "exact", 1.0 - 3e-4, 1.0), row(1, "exact", None, None))) == [
        "exact certified 1 of 2 problems to 1e-3."
    ]
    assert findings(table(row(0, "own", None, None))) == ["own ended without bounds and networks."]
    assert findings(table(row(0, "own", None, 2.0))) == ["own proved no lower bound; it has networks on 1 problem."]
    assert findings(table(row(0, "own", None, None)).head(0)) == []


def test_repeats_are_merged_to_their_best_bounds() -> None:
    assert findings(table(row(0, "exact", 1.0, 2.0), row(0, "exact", 0.5, 1.0, repeat=1))) == [
        "exact certified 1 of 1 problem to 1e-6."
    ]
