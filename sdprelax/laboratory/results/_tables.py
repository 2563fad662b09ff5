"""Tables as they lie in a sweep's folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from sdprelax.base import InputError, first_line, has_optional, optional, write_whole

__all__ = ["counted", "load_table", "merged_status", "origins", "write_tables"]


def origins(said_of: Mapping[str, Iterable[str]], columns: Iterable[str]) -> str:
    """Return a line that says of columns which are proved, attained, measured again by ``verify``, or just reported.

    Parameters
    ----------
    said_of: the columns of all tables of a kind, by what ``verify`` does with them (:class:`TrialKind`'s ``origins``).
    """
    said = [*columns]
    found = {origin: [name for name in names if name in said] for origin, names in said_of.items()}
    parts = [f"{origin}: {', '.join(names).replace('_', ' ')}" for origin, names in found.items() if names]
    return f"{'; '.join(parts)}."


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables by name into a sweep's folder, as CSV, and as Parquet where PyArrow is installed, each whole."""
    for name, table in tables.items():
        write_whole(folder / f"{name}.csv", table.to_csv(index=False).encode())
        if has_optional("pyarrow"):
            write_whole(folder / f"{name}.parquet", table.to_parquet(index=False))
        else:
            # One of former results would say what is no longer so.
            (folder / f"{name}.parquet").unlink(missing_ok=True)


def counted(statuses: Iterable[str] | Mapping[str, int]) -> str:
    """Return how many trials ended in which way, by the names of statuses or their counts: "1 error, 20 solved"."""
    return ", ".join(f"{count} {status}" for status, count in sorted(Counter(statuses).items())) or "none"


def merged_status(statuses: Iterable[str]) -> str:
    """Return the status of several trials: the one of all of them, or how many have which."""
    found = Counter(statuses)
    return next(iter(found)) if len(found) == 1 else counted(found)


def load_table(folder: Path, name: str = "table") -> pd.DataFrame:
    """Return a table of a sweep's folder: "table", "predictions" or "trace".

    Raises
    ------
    InputError: there is none, or it is damaged. SolverUnavailable: PyArrow is not installed.
    """
    optional("pyarrow")
    path = folder / f"{name}.parquet"
    if not path.is_file():
        if (folder / "sweep.json").is_file():
            raise InputError(f"{path} is not there; sdprelax collect {folder} writes it.")
        raise InputError(f"{folder} holds no results: name a sweep's folder, e.g. results/quickstart.")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged; sdprelax collect {folder} rebuilds it ({first_line(error)}).") from None
