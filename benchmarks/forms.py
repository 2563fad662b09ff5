"""The reduced form of the relaxation against the lifted one: same data, same solver, one thread.

    python benchmarks/forms.py [--limit SECONDS]        # forms.csv

Every run has a process of its own, so that its peak memory is its own; the two forms alternate.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from harness import Benchmark, Row, Run, alternated

import sdprelax
from sdprelax.datasets import datasets

# Data set, its size as the table shows it, and how often each pair is run.
CASES = {"random": ("25×2→5", 3), "spiral": ("60×2→3", 1), "iris": ("75×4→3", 1)}
TOLERANCE = {"clarabel": 1e-6, "scs": 1e-5}
GAMMA = 0.1

benchmark = Benchmark(__doc__, limit=(1800.0, "seconds that a solver may take"))


def solved(dataset: str, rows: int | None, form: str, solver: str, budget: float) -> Row:
    data = datasets.create(dataset).load()
    problem = sdprelax.Problem(data.X[:rows], data.Y[:rows], GAMMA)
    options = {"tolerance": TOLERANCE[solver]}
    outcome = sdprelax.solve(
        problem, "sdp", form=form, solver=solver, solver_options=options, rounding=None, time_limit=budget
    )
    return {
        "order": outcome.details["order"], "seconds": outcome.seconds, "claimed": outcome.solver_value,
        "certified": outcome.lower, "solver_status": outcome.solver_status, "status": outcome.status,
    }  # fmt: skip


@benchmark.part(
    "forms", by=("dataset",),
    columns=("dataset", "size", "solver", "form", "order", "seconds", "peak_mb", "base_mb", "claimed", "certified",
             "solver_status", "status"),
)  # fmt: skip
def forms(run: Run) -> Iterator[Row]:
    for dataset, (size, repeats) in run.choose(CASES, tiny={"random": ("5×2→5", 1)}).items():
        if not run.wants(dataset):
            continue
        for solver in TOLERANCE:
            task = {"dataset": dataset, "rows": run.choose(None, tiny=5), "solver": solver}
            task["budget"] = run.options["limit"]
            pair = {form: functools.partial(run.apart, solved, form=form, **task) for form in ("reduced", "lifted")}
            for form, found in alternated(pair, repeats).items():
                for one in found:
                    yield {"dataset": dataset, "size": size, "solver": solver, "form": form, **one}


if __name__ == "__main__":
    benchmark.main()
