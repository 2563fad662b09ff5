"""Output weights along sampled directions, as roundings choose them, and local training in other scales.

    python benchmarks/roundings.py

First table: half of scikit-learn's digits (898×61, ten outputs), 300 Gaussian directions and their negatives, by kernel
reweighting and by FISTA over working sets (3,000 steps at most, what a rounding falls back on); ``gap`` is the relative
duality gap at the end, ``time_ratio`` processor seconds over those of reweighting. Second table: ``lbfgs`` on a problem
and on the same in other units and with columns of other scales; objectives and processor seconds over the first's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import threadpoolctl
from sklearn.datasets import load_digits

from sdprelax import Problem, solve
from sdprelax.deadline import Deadline
from sdprelax.gated_training.fista import fista
from sdprelax.gated_training.on_directions import PROXIMAL, TOLERANCE, reweighted_group_lasso
from sdprelax.gated_training.program import GatedProgram
from sdprelax.gated_training.working_set import by_working_sets
from sdprelax.reduction import reduce
from sdprelax.units import Units


def timed(call: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[Any, float]:
    started = time.process_time()
    return call(*arguments, **options), time.process_time() - started


def output_weights() -> None:
    data = load_digits()
    X = data.data[::2][:898]
    X, Y = X[:, X.std(axis=0) > 0.0] / 16.0, np.eye(10)[data.target[::2][:898]]
    print("gamma  by            gap      time_ratio")
    for gamma in (0.1, 1.0):
        problem = Units.of(Problem(X, Y, gamma)).problem
        reduction = reduce(problem)
        directions = np.random.default_rng(0).standard_normal((reduction.rank, 300))
        directions = np.hstack([directions, -directions]) / np.tile(np.linalg.norm(directions, axis=0), 2)
        features = reduction.features(directions)
        (_, gap), first = timed(reweighted_group_lasso, features, problem.Y, problem.gamma)
        print(f"{gamma:5g}  reweighting   {gap:.1e}  1.0")
        program = GatedProgram(np.ones((len(Y), 1)), features, problem.Y, problem.gamma)
        options = {"tolerance": TOLERANCE, "max_iterations": PROXIMAL, "deadline": Deadline()}
        fit, seconds = timed(by_working_sets, program, fista, **options)
        print(f"{gamma:5g}  proximal      {fit.gap:.1e}  {seconds / first:.1f}")


def scales() -> None:
    rng = np.random.default_rng(0)
    X, Y, gamma = rng.standard_normal((30, 4)), rng.standard_normal((30, 2)), 0.1
    cases = {
        "as drawn": (X, 1.0), "times 1024": (1024.0 * X, 1024.0), "times 1000": (1000.0 * X, 1000.0),
        "columns times 1, 10, 100, 1000": (X * [1.0, 10.0, 100.0, 1000.0], 1.0),
    }  # fmt: skip
    print("inputs                          objective_ratio  time_ratio  status")
    base: tuple[float, float] | None = None
    for name, (inputs, unit) in cases.items():
        outcome, seconds = timed(solve, Problem(inputs, Y, gamma * unit), "lbfgs", restarts=2)
        base = base or (outcome.upper, seconds)
        print(f"{name:30s}  {outcome.upper / base[0]:15.6f}  {seconds / base[1]:10.2f}  {outcome.status}")


if __name__ == "__main__":
    with threadpoolctl.threadpool_limits(limits=1):
        output_weights()
        scales()
