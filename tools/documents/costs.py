"""The two forms of the relaxation, and what a sweep costs beyond its trials."""

from __future__ import annotations

from documents.writing import figure, markdown, published, table


@table("forms")
def forms() -> str:
    """Both forms by both solvers: medians over repeats, ratios lifted/reduced, ">" where time ran out."""
    runs = published("forms")
    keys = ["dataset", "size", "solver", "form"]
    median = runs.groupby(keys, sort=False)[["order", "seconds", "peak_mb", "claimed", "certified"]].median()
    median["stopped"] = runs.groupby(keys, sort=False)["status"].agg(lambda status: (status == "time limit").any())
    rows = []
    for (dataset, size, solver), both in median.groupby(level=[0, 1, 2], sort=False):
        reduced, lifted = (both.xs(form, level="form").iloc[0] for form in ("reduced", "lifted"))
        for form, row in (("reduced", reduced), ("lifted", lifted)):
            stopped = "> " if row.stopped else ""
            slower = f" ({stopped}{lifted.seconds / reduced.seconds:.1f}×)" if form == "lifted" else ""
            larger = f" ({lifted.peak_mb / reduced.peak_mb:.1f}×)" if form == "lifted" else ""
            rows.append([
                f"{dataset} {size}", solver, form, f"{row.order:.0f}", f"{stopped}{row.seconds:.1f}{slower}",
                f"{row.peak_mb:.0f} MB{larger}", f"{row.claimed:.4f}", f"{row.certified:.4f}",
            ])  # fmt: skip
    columns = ["data (γ = 0.1)", "solver", "form", "order", "seconds", "peak memory", "solver's claim"]
    return markdown([*columns, "certified bound"], rows, left=3)


@table("install sizes")
def install_sizes() -> str:
    """What every extra adds to the disk, without bytecode."""
    rows = [
        [f"`{row.asked}`", row.packages, f"{row.megabytes} MB", f"{100.0 * row.ratio:.0f} %", row.largest]
        for row in published("install_sizes").itertuples()
    ]
    columns = ["`pip install`", "packages", "on the disk", "of `[all]`", "the largest, MB"]
    return markdown(columns, rows)


@table("sweep costs")
def sweep_costs() -> str:
    """What 10,000 trials that do nothing cost."""
    found = published("sweep").set_index("what")
    lines = [
        ("planning (`--dry-run`)", "planning (--dry-run), s", "{:.1f} s", "≤ {:.0f} s"),
        ("scheduling, per trial", "scheduling, ms per trial", "{:.1f} ms", "≤ {:.0f} ms"),
        ("`collect`", "collect, s", "{:.1f} s", "≤ {:.0f} s"),
        ("resumed run with nothing to do", "resumed no-op run, s", "{:.1f} s", "≤ {:.0f} s"),
        ("runner's memory, last third of the run over the first", "runner's memory, last third over first third",
         "{:.2f}", "flat"),
        ("joblib's bare loop over the same function, per call", "joblib's bare loop, ms per call", "{:.2f} ms", "–"),
    ]  # fmt: skip
    rows = []
    for what, key, form, target in lines:
        measured = found.loc[key]
        rows.append([what, form.format(measured["measured"]), target.format(measured["target"])])
    return markdown(["", "measured", "target"], rows)


@figure("milliseconds a trial")
def milliseconds() -> str:
    """What one trial that does nothing costs."""
    measured = published("sweep").set_index("what")["measured"]
    return f"{measured['scheduling, ms per trial']:.0f} ms"


@figure("milliseconds a trial, one digit")
def milliseconds_exactly() -> str:
    """The same, with a digit more."""
    return f"{published('sweep').set_index('what')['measured']['scheduling, ms per trial']:.1f} ms"
