"""Output weights along sampled directions, as roundings choose them, and local training in other scales.

    python benchmarks/roundings.py output_weights       # rounding_weights.csv
    python benchmarks/roundings.py scales               # rounding_scales.csv

output_weights: half of scikit-learn's digits (898×61, ten outputs), 300 Gaussian directions and their negatives, by
kernel reweighting and by FISTA over working sets (3,000 steps at most, what a rounding falls back on); ``gap`` is the
relative duality gap at the end, ``time_ratio`` processor seconds over those of reweighting.

scales: ``lbfgs`` on a problem and on the same in other units and with columns of other scales; objectives and processor
seconds over the first's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from harness import Benchmark, Row, Run, ratio
from sklearn.datasets import load_digits

from sdprelax import Problem, solve
from sdprelax.lasso import Directions, Program, Stop, solve_program
from sdprelax.lasso._on_directions import PROXIMAL, TOLERANCE, reweighted
from sdprelax.problem import Units, reduce

benchmark = Benchmark(__doc__)


def weighted(solver: str, gamma: float, rows: int, count: int) -> Row:
    data = load_digits()
    X = data.data[::2][:rows]
    X, Y = X[:, X.std(axis=0) > 0.0] / 16.0, np.eye(10)[data.target[::2][:rows]]
    problem = Units.of(Problem(X, Y, gamma)).problem
    reduction = reduce(problem)
    directions = np.random.default_rng(0).standard_normal((reduction.rank, count))
    directions = np.hstack([directions, -directions]) / np.tile(np.linalg.norm(directions, axis=0), 2)
    program = Program(problem.gamma, "frobenius", Directions(reduction.features(directions)), problem.Y)
    started = time.process_time()
    if solver == "reweighting":
        gap = reweighted(program).gap
    else:
        gap = solve_program(program, "fista", Stop(TOLERANCE, steps=PROXIMAL)).gap
    return {"gap": gap, "processor": time.process_time() - started}


@benchmark.part("rounding_weights", columns=("gamma", "by", "gap", "processor", "time_ratio"), by=("gamma",))
def output_weights(run: Run) -> Iterator[Row]:
    for gamma in (0.1, 1.0):
        if run.wants(gamma):
            size = {"rows": run.choose(898, tiny=40), "count": run.choose(300, tiny=10)}
            found = {by: run.apart(weighted, solver=by, gamma=gamma, **size) for by in ("reweighting", "proximal")}
            for by, row in found.items():
                yield {"gamma": gamma, "by": by, **row, "time_ratio": ratio(row, found["reweighting"], "processor")}


# What inputs are multiplied with, and γ.
SCALES = {
    "as drawn": (1.0, 1.0), "times 1024": (1024.0, 1024.0), "times 1000": (1000.0, 1000.0),
    "columns times 1, 10, 100, 1000": ((1.0, 10.0, 100.0, 1000.0), 1.0),
}  # fmt: skip


def trained(inputs: float | list[float], unit: float, rows: int, restarts: int) -> Row:
    rng = np.random.default_rng(0)
    X, Y, gamma = rng.standard_normal((30, 4)), rng.standard_normal((30, 2)), 0.1
    problem = Problem(X[:rows] * inputs, Y[:rows], gamma * unit)
    started = time.process_time()
    outcome = solve(problem, "lbfgs", restarts=restarts)
    return {"upper": outcome.upper, "processor": time.process_time() - started, "status": outcome.status}


@benchmark.part(
    "rounding_scales", columns=("inputs", "upper", "processor", "objective_ratio", "time_ratio", "status"),
    by=("inputs",),
)  # fmt: skip
def scales(run: Run) -> Iterator[Row]:
    first: Row | None = None
    for name, (inputs, unit) in list(SCALES.items())[: run.choose(None, tiny=2)]:
        if run.wants(name):
            size = {"rows": run.choose(30, tiny=6), "restarts": run.choose(2, tiny=1)}
            row = run.apart(trained, inputs=inputs, unit=unit, **size)
            first = first or row
            ratios = {"objective_ratio": ratio(row, first, "upper"), "time_ratio": ratio(row, first, "processor")}
            yield {"inputs": name, **row, **ratios}


if __name__ == "__main__":
    benchmark.main()
