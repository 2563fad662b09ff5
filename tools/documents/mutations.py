"""Mutated files, benchmarks/fuzz.py; bounds of degenerate problems, benchmarks/soundness.py."""

from __future__ import annotations

from documents.writing import figure, markdown, published, table

WORSE = ("false_bounds", "raw_errors", "code_executed")


@table("fuzz")
def fuzz() -> str:
    """What became of the files of every kind, by the package and by the second verifier."""
    found = published("fuzz").groupby("subject", sort=False).sum(numeric_only=True)
    rows = []
    for subject, row in found.iterrows():
        files = row[["refused", "accepted", *WORSE]].sum()
        second = row["second_refused"] + row["second_accepted"] > 0
        rows.append([
            subject, f"{files:,}", f"{row['refused']:,}", f"{row['accepted']:,}", *(f"{row[what]:,}" for what in WORSE),
            *(f"{row[f'second_{what}']:,}" if second else "–" for what in ("refused", "accepted", "false_bounds")),
        ])  # fmt: skip
    columns = ["files", "mutated", "refused", "accepted", "false bounds", "raw errors", "code executed"]
    return markdown([*columns, "second verifier: refused", "accepted", "false bounds"], rows)


@figure("fuzz, files")
def files() -> str:
    """How many files there were in all."""
    found = published("fuzz")
    return f"{int(found[['refused', 'accepted', *WORSE]].to_numpy().sum()):,}"


@table("soundness")
def soundness() -> str:
    """Bounds, certificates and forgeries of degenerate problems, by loss."""
    found = published("soundness").sort_values("loss")
    rows = [[row["loss"], *(f"{row[what]:,}" for what in found.columns[1:])] for _, row in found.iterrows()]
    rows.append(["all", *(f"{found[what].sum():,}" for what in found.columns[1:])])
    return markdown([str(column).replace("_", " ") for column in found.columns], rows)


@figure("soundness, problems")
def problems() -> str:
    """How many problems there were in all."""
    return f"{int(published('soundness')['problems'].sum()):,}"
