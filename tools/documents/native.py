"""The solver ``native`` beside general ones, along a path, and as n grows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from documents.writing import at_most, figure, markdown, percent, published, significant, table

SIZES = {
    "random": "random 25×2→5", "spiral": "spiral 60×2→3", "iris": "Iris 75×4→3", "ionosphere": "Ionosphere 175×34→2",
    "pima": "Pima 383×8→2", "bank_notes": "Bank Notes 685×4→2", "mnist": "MNIST 1000×20→10",
}  # fmt: skip


# What a run is known by.
RUN = ["data", "solver", "form"]


@table("native")
def solvers() -> str:
    """Every run of benchmarks/native.py."""
    runs, traces = published("native_solvers"), published("native_traces")
    rows = []
    for name, group in runs.groupby("data", sort=False):
        upper = group["upper"].min()
        for _, row in group.iterrows():
            mine = (traces[RUN] == row[RUN]).all(axis=1)
            trace = traces[mine & (traces["lower"] >= 0.98 * upper)]
            rows.append([
                name, row["solver"], row["form"], f"{row['seconds']:.1f}", f"{row['lower']:.5g}",
                f"{100.0 * (1.0 - row['lower'] / upper):.3g} %",
                f"{trace['seconds'].min():.1f}" if len(trace) else "–",
                "–" if pd.isna(row["peak_mb"]) else f"{row['peak_mb']:.0f} MB", row["status"],
            ])  # fmt: skip
    columns = ["data", "solver", "form", "seconds", "certified", "gap to upper value", "seconds to 2 %", "peak memory"]
    return markdown([*columns, "status"], rows, left=(0, 1, 2, 8))


@table("relaxation by loss")
def by_loss() -> str:
    """What the relaxation certifies of the optimum under two losses, by solver and form."""
    runs = published("native_losses")
    runs["how"] = runs["solver"] + ", " + runs["form"]
    hows, rows = ["clarabel, lifted", "clarabel, reduced", "interior_point, reduced", "native, reduced"], []
    for (data, loss), group in runs.groupby(["data", "loss"], sort=False):
        by = group.set_index("how")["share"]
        shares = [f"{100.0 * by[how]:.2f}" if how in by else "–" for how in hows]
        rows.append([data, loss, f"{group['optimum'].iloc[0]:.5f}", *shares])
    return markdown(["data", "loss", "optimum", *hows], rows, left=2)


@figure("relaxation by loss")
def medians() -> str:
    """Median shares over the random sets."""
    runs = published("native_losses").query("solver == 'interior_point'")
    random = runs[runs["data"].str.startswith("random")].groupby("loss")["share"].median()
    entropy, squared = (f"{100.0 * random[loss]:.1f} %" for loss in ("cross_entropy", "squared"))
    return f"{entropy} under cross-entropy and {squared} under the squared loss"


def seconds(run: pd.Series) -> str:
    """Return a run's time, with a decimal below ten."""
    return f"{run['seconds']:.{int(run['seconds'] < 10.0)}f}"


@table("native, short")
def short() -> str:
    """``native``, and what Clarabel and SCS (reduced form) reach within the same limit."""
    rows = []
    for name, group in published("native_solvers").query("form == 'reduced'").groupby("data", sort=False):
        upper, by = group["upper"].min(), group.set_index("solver")
        found = by.loc["native"]

        def reached(solver: str, by: pd.DataFrame = by, upper: float = upper) -> str:
            if solver not in by.index:
                return "–"
            run = by.loc[solver]
            if pd.isna(run["upper"]):
                return {"killed: still compiling": f"still compiling after {seconds(run)} s"}.get(
                    run["status"], run["status"]
                )
            within = "in" if run["status"] == "optimal" else "after"
            shown = significant(100.0 * (1.0 - run["lower"] / upper), 1 if run["lower"] > 0.9 * upper else 2)
            return f"{shown} % {within} {seconds(run)} s"

        shown = 100.0 * (1.0 - found["lower"] / upper)
        rows.append([
            SIZES[str(name)], f"{found['lower']:.5g}", f"{significant(shown, 1 if shown < 1 else 2)} %", seconds(found),
            f"{reached('clarabel')}; {reached('scs')}",
        ])  # fmt: skip
    columns = ["data", "certified", "gap", "seconds, measured", "the same limit: Clarabel, SCS"]
    return markdown(columns, rows, left=(0, 4))


@table("native path")
def path() -> str:
    """A path of weight decays from one point to the next, and each on its own."""
    rows = []
    for name, group in published("native_path").groupby("data", sort=False):
        cold = group[~group["warm"]]["seconds"].sum()
        for warm, part in group.groupby("warm"):
            start = "from the one before" if warm else "each on its own"
            seconds = part["seconds"].sum()
            rows.append([name, start, part["steps"].sum(), f"{seconds:.1f}", f"{seconds / cold:.2f}"])
    return markdown(["data", "start", "steps", "seconds", "ratio"], rows, left=2)


@figure("native path, steps")
def steps() -> str:
    """The share of the steps that warm starts need, on both data sets."""
    found = published("native_path").pivot_table("steps", "data", "warm", aggfunc="sum")
    return " and ".join(f"{percent(share, 0)} ({name})" for name, share in (found[True] / found[False]).items())


@table("native projection")
def projection() -> str:
    """One step with all eigenpairs, with the positive space followed, and compiled; and what each has come to."""
    rows = [
        [f"{run.n:,}", run.way, f"{run.step:.3f}", f"{run.ratio:.2f}", run.rank, f"{run.dual:.2f}"]
        for run in published("native_projection").itertuples()
    ]
    return markdown(["n", "eigenpairs and entries", "processor seconds a step", "ratio", "rank", "D(A)"], rows, left=2)


@table("native images")
def images() -> str:
    """Images in principal components: when 5 % were proved, and what is proved at the end."""
    rows = []
    for run in published("native_images").itertuples():
        within = "–" if pd.isna(run.to_5_percent) else f"{run.to_5_percent:.0f}"
        ended = f"{run.solving:.0f}" if run.status == "solved" else f"{run.solving:.0f} ({run.status})"
        rows.append([
            f"{run.n:,}", f"{run.gamma:.4g}", run.steps, f"{run.lower:.5g} … {run.upper:.5g}",
            f"{100.0 * run.gap:.2f} %", within, ended, f"{run.peak_mb / 1000.0:.1f} GB", f"{run.doubles_per_n2:.0f}",
        ])  # fmt: skip
    columns = ["n", "γ", "steps", "proved … trained", "gap", "seconds to 5 %", "seconds", "peak", "doubles / n²"]
    return markdown(columns, rows)


@table("native scaling")
def scaling() -> str:
    """One step of the first phase as n grows."""
    rows = [
        [run.arrays, run.n, f"{run.seconds:.4f}", f"{100.0 * run.projection_seconds / run.seconds:.0f} %",
         f"{run.doubles_per_n2:.0f}", run.rank] for run in published("native_scaling").itertuples()
    ]  # fmt: skip
    return markdown(["arrays", "n", "seconds a step", "of which projection", "doubles / n²", "rank"], rows)


def growth(arrays: str, least: int = 0) -> str:
    """Return the power of n with which time grows."""
    part = published("native_scaling").query("arrays == @arrays and n >= @least")
    return f"n^{np.polyfit(np.log(part['n']), np.log(part['seconds']), 1)[0]:.2f}"


@figure("native growth")
def growths() -> str:
    """How time grows with both libraries."""
    return (
        f"{growth('numpy')} over all sizes with NumPy ({growth('numpy', 400)} from 400 on) and as {growth('torch')} "
        f"({growth('torch', 400)}) with PyTorch"
    )


@figure("native agreement")
def agreement() -> str:
    """The largest relative difference between the libraries' certified bounds."""
    bounds = published("native_scaling").dropna(subset=["lower"]).groupby("n")["lower"]
    return at_most((bounds.max() / bounds.min() - 1.0).max())
