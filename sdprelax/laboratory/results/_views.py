"""Tables as people ask for them: rows chosen, columns chosen, means over repeats, and every cell in words."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sdprelax.base import InputError, first_line, nearest
from sdprelax.laboratory._kinds import Look, figures
from sdprelax.laboratory.results._tables import merged_status

__all__ = ["DEVIATION", "Column", "Printed", "chosen", "column_of", "grouped", "viewed"]

# What is said of a mean beside it: the standard deviation over the rows that it is of.
DEVIATION = "_deviation"


@dataclass(frozen=True)
class Column:
    """A column as it is printed: its name in the table, its title, its cells, and whether they are words."""

    name: str
    title: str
    cells: list[str]
    words: bool


@dataclass(frozen=True, eq=False)
class Printed:
    """Rows to be printed.

    Attributes
    ----------
    rows: the values.
    columns: what is printed of them; a mean has its standard deviation in its cells.
    """

    rows: pd.DataFrame
    columns: list[Column] = field(default_factory=list)


def column_of(written: str, table: pd.DataFrame, looks: Mapping[str, Look]) -> str:
    """Return the column that somebody means: by its name, or its title where it is printed.

    Raises
    ------
    InputError: there is none.
    """
    titles = {title: name for name, (title, _) in looks.items() if name in table}
    name = written.strip()
    if name in table:
        return name
    if name in titles:
        return titles[name]
    known = [str(column) for column in table if not str(column).endswith(DEVIATION)]
    raise InputError(f"there is no column '{name}': {nearest(name, known, most=6 if len(known) > 12 else None)}.")


def chosen(table: pd.DataFrame, condition: str, looks: Mapping[str, Look]) -> pd.DataFrame:
    """Return the rows of a table for which a condition holds.

    Parameters
    ----------
    condition: an expression of Python over the names of columns, e.g. ``gamma < 0.1 and method.cones == 4`` or
        ``method in ['sdp', 'exact'] and not status == 'solved'``; a comparison with a missing value does not hold.

    Raises
    ------
    InputError: it is none, or names a column that is not there.
    """
    try:
        written = ast.parse(condition.strip(), mode="eval")
    except (SyntaxError, ValueError):
        single = re.search(r"(?<![<>=!])=(?!=)", condition)
        what = "has = where a comparison is meant, which is ==" if single else "is no condition"
        raise InputError(f"--where '{condition}' {what}: {EXAMPLE}.") from None
    naming = _Naming(table, looks)
    renamed = ast.unparse(naming.visit(written))
    values = pd.DataFrame({alias: table[name] for name, alias in naming.aliases.items()}, index=table.index)
    try:
        holds = values.eval(renamed, engine="python")
    except Exception as error:  # what is wrong with the types of an expression, pandas says in many ways
        # Of its own insides it speaks where it knows no such operation.
        said = "" if isinstance(error, (AttributeError, NotImplementedError)) else f" ({first_line(error)})"
        raise InputError(f"--where '{condition}' cannot be evaluated{said}: {EXAMPLE}.") from None
    if not isinstance(holds, pd.Series) or holds.dtype != bool:
        raise InputError(f"--where '{condition}' is neither true nor false of a row: {EXAMPLE}.")
    return table[holds]


EXAMPLE = "write a comparison of columns such as \"gamma < 0.1 and method == 'sdp'\""


class _Naming(ast.NodeTransformer):
    """Replaces the columns in an expression, options such as ``method.cones`` included, by names without dots."""

    def __init__(self, table: pd.DataFrame, looks: Mapping[str, Look]) -> None:
        self.table, self.looks, self.aliases = table, looks, dict[str, str]()

    def _alias(self, name: str) -> ast.Name:
        return ast.Name(self.aliases.setdefault(name, f"column{len(self.aliases)}"), ast.Load())

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        written = ast.unparse(node)
        if written in self.table:
            return self._alias(written)
        if isinstance(node.value, ast.Name) and not hasattr(pd.Series, node.attr):
            return self._alias(column_of(written, self.table, self.looks))
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._alias(column_of(node.id, self.table, self.looks))


def grouped(table: pd.DataFrame, by: Sequence[str], figured: Sequence[str]) -> pd.DataFrame:
    """Return means over the rows that agree in some columns, and standard deviations in ``…_deviation``.

    Parameters
    ----------
    by: columns.
    figured: columns of numbers.

    Raises
    ------
    InputError: one of them is not of numbers.
    """
    keys = {name: _hashable(table[name]) for name in by}
    groups = table.assign(**keys).groupby(list(by), sort=False, dropna=False)
    found = groups.size().rename("trials").to_frame()
    for name in figured:
        if not pd.api.types.is_numeric_dtype(table[name]) or pd.api.types.is_bool_dtype(table[name]):
            raise InputError(f"column '{name}' is not of numbers, which have means: group by it, or leave it out.")
        found[name], found[name + DEVIATION] = groups[name].mean(), groups[name].std()
    if "status" not in by:
        found["status"] = groups["status"].agg(merged_status)
    return found.reset_index()


def _hashable(values: pd.Series) -> pd.Series:
    """Return a column with lists in it as text."""
    return values.map(lambda value: json.dumps(value) if isinstance(value, (list, dict)) else value)


def viewed(rows: pd.DataFrame, names: Sequence[str], looks: Mapping[str, Look]) -> Printed:
    """Return the columns of rows as they are printed."""
    found = []
    for name in names:
        title, form = looks.get(name) or (name.replace("_", " "), _form(rows, name))
        cells = [_cell(value, form) for value in rows[name]]
        if name + DEVIATION in rows:
            spread = [_cell(value, form) for value in rows[name + DEVIATION]]
            cells = [f"{a} ± {b}" if b not in ("-", "") else a for a, b in zip(cells, spread, strict=True)]
        found.append(Column(name, title, cells, form is str))
    shown = [column for name in names for column in (name, name + DEVIATION) if column in rows]
    return Printed(rows[shown], found)


def _cell(value: Any, form: Callable[[Any], str]) -> str:
    if form is not str:
        return form(value)
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None or pd.isna(value) else str(value)


def _form(rows: pd.DataFrame, name: str) -> Callable[[Any], str]:
    """Return how the values of a column without a form of its own are written: numbers with the same digits."""
    if not pd.api.types.is_numeric_dtype(rows[name]) or pd.api.types.is_bool_dtype(rows[name]):
        return str
    parts = [rows[part].to_numpy(dtype=float) for part in (name, name + DEVIATION) if part in rows]
    values = np.concatenate(parts)
    values = np.abs(values[np.isfinite(values)])
    if np.all(values == np.round(values)) and np.all(values < 1e15):
        return figures(".0f")
    largest, smallest = values.max(), values[values > 0].min()
    if largest >= 1e6 or smallest < 1e-4:
        return figures(".2e")
    most = max(0, 6 - max(1, int(np.floor(np.log10(largest))) + 1))
    written = [f"{value:.{most}f}".rstrip("0").partition(".")[2] for value in values]
    return figures(f".{max(map(len, written))}f")
