"""The reduced form of the relaxation against the lifted one: same data, same solver, one thread.

Every run has a process of its own, so that its peak memory is its own; the two forms alternate. Writes
results/published/forms.csv; `make documents` writes the tables from it.

    python benchmarks/forms.py [--only random|spiral|iris] [--time-limit SECONDS]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).resolve().parents[1] / "results" / "published" / "forms.csv"
# Data set, its size as the table shows it, and how often each pair is run.
CASES = {"random": ("25×2→5", 3), "spiral": ("60×2→3", 1), "iris": ("75×4→3", 1)}
TOLERANCE = {"clarabel": 1e-6, "scs": 1e-5}
GAMMA = 0.1


def measure(dataset: str, form: str, solver: str, limit: float) -> dict[str, Any]:
    """Solve and certify once, in this process."""
    import sdprelax
    from sdprelax.datasets import datasets

    data = datasets.create(dataset).load()
    problem = sdprelax.Problem(data.X, data.Y, GAMMA)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = sdprelax.solve(
        problem, "sdp", form=form, solver=solver, solver_options={"tolerance": TOLERANCE[solver]}, rounding=None,
        time_limit=limit,
    )  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "dataset": dataset, "size": CASES[dataset][0], "solver": solver, "form": form,
        "order": outcome.details["order"], "seconds": outcome.seconds, "peak_mb": peak / 1024, "base_mb": before / 1024,
        "claimed": outcome.solver_value, "certified": outcome.lower, "solver_status": outcome.solver_status,
        "status": outcome.status,
    }  # fmt: skip


def measured_apart(*arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--measure", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", nargs=4, metavar=("DATASET", "FORM", "SOLVER", "LIMIT"), help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=CASES, action="append", help="data sets to measure (default: all)")
    parser.add_argument("--time-limit", type=float, default=1800.0, help="seconds a solver may take")
    chosen = parser.parse_args()
    if chosen.measure:
        dataset, form, solver, limit = chosen.measure
        print(json.dumps(measure(dataset, form, solver, float(limit))))
        return
    runs = []
    for dataset in chosen.only or CASES:
        for solver in TOLERANCE:
            for _ in range(CASES[dataset][1]):
                for form in ("reduced", "lifted"):
                    runs.append(measured_apart(dataset, form, solver, str(chosen.time_limit)))
                    print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    frame = pd.DataFrame(runs)
    if not chosen.only:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(RESULTS, index=False)


if __name__ == "__main__":
    main()
