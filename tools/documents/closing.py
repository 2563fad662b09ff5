"""Exact optima and cones on the arrays of Prakhya, Birdal and Yurtsever 2025 ("P25"); exact programs.

The files are those of experiments/closing and of benchmarks/exact.py.
"""

from __future__ import annotations

import ast

import pandas as pd

from documents.writing import at_most, gap, markdown, published, scientific, significant, table

ORACLES = {"branch_and_bound": "branch and bound", "enumeration": "enumeration"}
RULES = [(12, "coverage"), (12, "violation"), (12, "strong"), (24, "strong")]


def options(found: pd.DataFrame) -> pd.DataFrame:
    """Return a file's rows with their options as columns."""
    read = [ast.literal_eval(written) if isinstance(written, str) else {} for written in found["options"]]
    return found.join(pd.DataFrame(read, index=found.index))


def both(values: pd.Series, form: object) -> str:
    """Return what belongs to γ = 0.1 and 0.01 in one cell."""
    return " / ".join(form(value) for value in values)  # type: ignore[operator]


@table("closing the gap")
def short() -> str:
    """What ``exact`` certifies of P25's data."""
    iris = options(published("global_iris")).query("oracle == 'branch_and_bound'")
    large = published("global_large").query("data == 'ionosphere' and method == 'exact'")
    rows = []
    for name, found in (
        ("Iris 75×4→3", iris), ("Iris with bias 75×5→3", published("global_bias")),
        ("Bank Notes 685×4→2", published("global_bank_notes")), ("Ionosphere 175×34→2", large),
    ):  # fmt: skip
        found = found.sort_values("gamma", ascending=False)
        rows.append([
            name, both(found["gamma"], lambda value: f"{value:g}"), both(found["gap"], gap),
            both(found["seconds"], lambda value: f"{value:.0f}"),
        ])  # fmt: skip
    return markdown(["data (P25's split)", "γ", "certified gap", "seconds, measured"], rows)


def programs(found: pd.DataFrame) -> str:
    """Return which exact programs gave these rows; files of before they were recorded have one."""
    return ", ".join(dict.fromkeys(found["program"])) if "program" in found else "cell program"


@table("exact")
def exact() -> str:
    """Gap, time, and time of verification of every exact optimum."""
    synthetic = published("global_synthetic").query("method == 'exact'")
    rows = []
    for name, mine in (
        ("random 25×2→5, sets 0–9", synthetic[synthetic["data"].str.startswith("random")]),
        ("spiral 60×2→3", synthetic[synthetic["data"].str.startswith("spiral")]),
    ):  # fmt: skip
        rows.append([
            name, "0.1, 0.01", programs(mine), f"≤ {at_most(mine['gap'].max())}",
            f"{mine['seconds'].median():.1f}", significant(mine["verify_seconds"].median(), 1),
        ])  # fmt: skip
    for _, mine in options(published("global_iris")).groupby("gamma", sort=False):
        unit = mine.iloc[0]["seconds"]
        for row in mine.itertuples():
            slower = "" if row.seconds == unit else f" ({row.seconds / unit:.1f}×)"
            rows.append([
                "Iris 75×4→3", f"{row.gamma:g}", ORACLES[row.oracle], scientific(row.gap, 1),
                f"{row.seconds:.1f}{slower}", significant(row.verify_seconds, 1),
            ])  # fmt: skip
    for name, found in (("Iris with bias 75×5→3", "global_bias"), ("Bank Notes 685×4→2", "global_bank_notes")):
        for row in published(found).itertuples():
            stopped = "" if row.status == "solved" else f" ({row.status})"
            rows.append([
                name, f"{row.gamma:g}", "branch and bound", scientific(row.gap, 1), f"{row.seconds:.0f}{stopped}",
                significant(row.verify_seconds, 2),
            ])  # fmt: skip
    return markdown(["data", "γ", "method", "gap", "seconds", "verify, s"], rows, left=(0, 2))


@table("cones")
def cones() -> str:
    """What cones leave uncertified, and their time over that of the unsplit relaxation."""
    found = options(published("global_synthetic")).query("method == 'sdp'")
    rows = []
    for name, shown in (("random", "random 0–9"), ("spiral", "spiral")):
        for gamma in (0.1, 0.01):
            mine = found[found["data"].str.startswith(name) & (found["gamma"] == gamma)]
            parts = [mine[mine["cones"].isna()]]
            parts += [mine[(mine["cones"] == cones) & (mine["splitting"] == rule)] for cones, rule in RULES]
            key = [shown, f"{gamma:g}"]
            one = len(parts[0]) == 1
            what = "uncertified" if one else "uncertified, median"
            rows.append([*key, what, *(scientific(part["gap"].median(), 1) for part in parts)])
            if not one:
                rows.append(["", "", "largest", *(scientific(part["gap"].max(), 1) for part in parts)])
                rows.append(["", "", "sets within 1e-3", *(str((part["gap"] <= 1e-3).sum()) for part in parts)])
            ratios = [part["time_ratio"].median() for part in parts]
            rows.append(["", "", "time", *("1" if ratio == 1.0 else f"{ratio:.2f}" for ratio in ratios)])
    columns = ["data", "γ", "", "unsplit", *(f"{cones}, {rule}" for cones, rule in RULES)]
    return markdown(columns, rows, left=(0, 2))


@table("interior point")
def interior_point() -> str:
    """Our interior point and Clarabel, alternating."""
    found = options(published("global_interior_point"))
    rows = []
    for name, shown in (("random", "random 0–9 (medians)"), ("spiral", "spiral 60×2→3"), ("iris", "Iris 75×4→3")):
        for gamma in (0.1, 0.01):
            mine = found[found["data"].str.startswith(name) & (found["gamma"] == gamma)]
            ours, theirs = (mine[mine["solver"] == solver] for solver in ("interior_point", "clarabel"))
            if len(ours) > 1:
                higher = -ours["below_clarabel"]
                bounds = [f"{scientific(higher.min())} to {scientific(higher.max())} higher", ""]
            else:
                bounds = [f"{part['lower'].iloc[0]:.7g}" for part in (ours, theirs)]
            rows.append([
                shown, f"{gamma:g}", f"{ours['seconds'].median():.2f}", f"{theirs['seconds'].median():.2f}",
                f"{ours['time_ratio'].median():.3f}", *bounds,
            ])  # fmt: skip
    columns = ["data", "γ", "interior_point, s", "Clarabel, s", "ratio", "certified bound", "Clarabel's"]
    return markdown(columns, rows)


@table("pima and ionosphere")
def large() -> str:
    """The relaxation to its end, and ``exact`` for five minutes."""
    found = published("global_large")
    shown = {"ionosphere": "Ionosphere 175×34→2", "pima_indians": "Pima 383×8→2"}
    limits = {"sdp": "`sdp`, at most 10 min", "exact": "`exact`, at most 5 min", "best pair": "best pair"}
    rows = []
    for row in found.itertuples():
        alone = row.method == "sdp"
        rows.append([
            shown[row.data], f"{row.gamma:g}", limits[row.method], f"{row.lower:.4g}",
            "–" if alone else f"{row.upper:.4g}", "–" if alone else f"{100.0 * row.gap:.0f} %", f"{row.seconds:.0f}",
        ])  # fmt: skip
    return markdown(["data", "γ", "method", "lower", "upper", "gap", "seconds"], rows, left=(0, 2))


@table("exact programs")
def exact_programs() -> str:
    """Time of column generation over that of the conic program, "<" where that one met the time limit."""
    found = published("global_programs")
    rows = []
    for n, same in found.groupby("n"):
        row = [f"{n:,}"]
        for rank, outputs in ((1, 1), (1, 3), (2, 1), (2, 3), (3, 1), (4, 1)):
            one = same[(same["rank"] == rank) & (same["outputs"] == outputs)]
            row.append(_ratio(one.iloc[0]) if len(one) else "–")
        plane = same[same["rank"] == 2].set_index("outputs")["columns_seconds"]
        row.append(" / ".join(significant(plane[c]) if c in plane else "–" for c in (1, 3)))
        rows.append(row)
    columns = ["n", *(f"rank {rank}, c = {c}" for rank, c in ((1, 1), (1, 3), (2, 1), (2, 3), (3, 1), (4, 1)))]
    return markdown([*columns, "rank 2, c = 1 / 3: seconds of column generation"], rows, left=0)


def _ratio(row: pd.Series) -> str:
    if row["columns_status"] != "solved" or pd.isna(row["conic_seconds"]):
        return "–"
    stopped = "" if row["conic_status"] == "solved" else "< "
    patterns = f" ({row['patterns']:,} patterns)" if row["rank"] > 2 else ""
    return f"{stopped}{significant(row['columns_seconds'] / row['conic_seconds'])}{patterns}"


@table("generation")
def generation() -> str:
    """Bank Notes to 1e-3 by column generation, as it is and plain."""
    rows = [
        [f"{row['q']:g}", row["kind"], gap(row["gap"]), significant(row["seconds"]), row["iterations"], row["atoms"],
         f"{row['cones']:,}", significant(row["ratio"])]
        for _, row in published("global_generation").iterrows()
    ]  # fmt: skip
    return markdown(["q", "columns", "gap", "processor s", "iterations", "atoms", "cones", "ratio"], rows, left=2)


@table("ugly")
def ugly() -> str:
    """How many ugly problems each method calls what, and how many faults were found."""
    found = published("ugly")
    rows = []
    for method, mine in found.groupby("method", sort=False):
        counts = [str((mine["status"] == status).sum()) for status in ("solved", "not converged", "time limit")]
        rows.append([f"`{method}`", len(mine), *counts, mine["fault"].notna().sum()])
    return markdown(["method", "problems", "solved", "not converged", "time limit", "faults"], rows)
