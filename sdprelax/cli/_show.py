"""``show``: which rows, which columns, in which order, in which form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sdprelax.base import InputError
from sdprelax.cli._display import explain_predictions, prediction_looks, print_end, print_view
from sdprelax.cli._terminal import echo
from sdprelax.laboratory import Look
from sdprelax.laboratory.results import (
    Gathered,
    chosen,
    column_of,
    current,
    gather,
    grouped,
    load_table,
    origins,
    render,
    viewed,
    with_options,
)
from sdprelax.laboratory.training import predictions_summary

__all__ = ["ShowOptions", "listed", "show"]


@dataclass(frozen=True)
class ShowOptions:
    """What somebody wants to see: the options of ``show``."""

    where: str | None
    columns: Sequence[str]
    group: Sequence[str]
    sort: Sequence[str]
    trials: bool
    predictions: bool

    @property
    def anything(self) -> bool:
        """Whether it is more than the summary."""
        return bool(self.where or self.columns or self.group or self.sort or self.trials)


def listed(written: str | None) -> list[str]:
    """Return the names in an option such as ``gap,seconds``."""
    return [name.strip() for name in (written or "").split(",") if name.strip()]


def show(results: Sequence[Path], asked: ShowOptions, form: str) -> None:
    """Print it.

    Raises
    ------
    InputError: no results, no such column, or no such condition.
    """
    if asked.trials and asked.group:
        raise InputError("--trials has a row for each trial and --group one for several: write one of them.")
    found = gather(results)
    kind = found.kind
    if asked.predictions and "predictions" not in kind.tables([]):
        raise InputError(
            f"{results[0]} has no table of predictions; what its trials come to is shown without that option."
        )
    looks: dict[str, Look] = {"sweep": ("sweep", str), **(prediction_looks(kind) if asked.predictions else kind.looks)}
    table = _table(found, asked)
    rows = table if asked.where is None else chosen(table, asked.where, looks)
    shown, names = _shown(found, asked, rows, table, looks)
    shown = _sorted(shown, asked.sort, looks)
    if form == "csv" and not (asked.columns or asked.group):
        names = list(shown)
    view = viewed(shown, names, looks)
    if form != "table":
        echo(render(view, form), nl=False)
        if form != "csv":
            echo(f"{'% ' if form == 'latex' else chr(10)}{origins(kind.origins, names)}")
        return
    print_view(
        kind,
        view,
        shown,
        titled=not (asked.columns or asked.group or asked.sort or asked.trials),
        whole=bool(asked.columns),
    )
    if asked.predictions:
        explain_predictions(names)
    else:
        print_end(kind, rows, 0 if asked.where else found.waiting)


def _table(found: Gathered, asked: ShowOptions) -> pd.DataFrame:
    """Return the rows that are asked for, as far as possible from what lies on the disk."""
    kept = current(found) if len(found.stores) == 1 else None
    if asked.predictions:
        ((_, store), *_) = found.stores.items()
        return found.tables["predictions"] if kept is None else load_table(store.folder, "predictions")
    if asked.anything:
        return found.kind.shares(with_options(found), found.tables["table"])
    return found.tables["table"] if kept is None else kept


def _shown(
    found: Gathered, asked: ShowOptions, rows: pd.DataFrame, table: pd.DataFrame, looks: dict[str, Look]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows to be shown, and the columns of them."""
    kind = found.kind
    if asked.group:
        by = [column_of(name, rows, looks) for name in asked.group]
        usual = [name for name, (_, form) in looks.items() if form is not str and name not in by and name in rows]
        usual = [name for name in usual if rows[name].notna().any() and not name.startswith("gamma")]
        figured = [column_of(name, rows, looks) for name in asked.columns] or usual
        figured = [name for name in figured if name not in (*by, "status")]
        shown = grouped(rows, by, figured)
        return shown, [*by, "trials", *figured, *(["status"] if "status" in shown and "status" not in by else [])]
    if asked.trials:
        shown = rows
    elif asked.predictions:
        shown = predictions_summary(rows)
    else:
        shown = kind.summary(rows, table)
    try:
        names = [column_of(name, shown, looks) for name in asked.columns]
    except InputError:
        missing = [name for name in asked.columns if name in rows and name not in shown]
        if missing:
            raise InputError(
                f"'{missing[0]}' is a column of trials, of which several are one row here: add --trials, or --group."
            ) from None
        raise
    if not names:
        names = [name for name in looks if name in shown and shown[name].notna().any()]
        names = names if names else [name for name in looks if name in shown]
    return shown, names


def _sorted(rows: pd.DataFrame, sort: Sequence[str], looks: dict[str, Look]) -> pd.DataFrame:
    if not sort:
        return rows
    by = [column_of(name.removeprefix("-"), rows, looks) for name in sort]
    ascending = [not name.startswith("-") for name in sort]
    try:
        return rows.sort_values(by, ascending=ascending, kind="stable", na_position="last")
    except TypeError:
        raise InputError(f"--sort {','.join(sort)}: a column there holds values that have no order.") from None
