"""The gated ReLU program by our R-FISTA and by pyscnn's (Mishkin): same data, gates and objective, float64, one thread.

    python benchmarks/gated.py [--python /tmp/scnn/bin/python] [--out results/published]

pyscnn needs torch, so it gets an environment of its own:
``python3 -m venv /tmp/scnn && /tmp/scnn/bin/pip install pyscnn``.
Without ``--python`` the rival is CVXPY with Clarabel, on the smallest problem. ``excess`` is the value above the least
value of any run, relative; ``time_ratio`` is to ours at a duality gap of 1e-6. Runs alternate; seconds are medians.
Writes gated.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

# Name, n, d, gates; γ is this share of the γ from which on all weights are 0.
CASES = (("random 500×20", 500, 20, 100), ("ionosphere-sized 175×34", 175, 34, 100), ("random 1000×50", 1000, 50, 500))
SHARE = 0.01
# Ours: duality gap. Theirs: squared norm of the least subgradient of the objective over n; 1e-6 is their default.
OURS, THEIRS = (1e-6, 1e-3), (1e-6, 1e-10, 1e-12)
STEPS = 20_000
REPEATS = 3

Arrays = dict[str, np.ndarray]


def case(n: int, d: int, gates: int) -> Arrays:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    y = np.maximum(X @ rng.standard_normal(d), 0.0) + 0.1 * rng.standard_normal(n)
    G = rng.standard_normal((d, gates))
    masks = (X @ G >= 0.0).astype(float)
    gamma = SHARE * np.max(np.linalg.norm(X.T @ (masks * y[:, None]), axis=0))
    return {"X": X, "y": y, "G": G, "gamma": gamma}


def value(data: Arrays, weights: np.ndarray) -> float:
    """Return the objective at weights of shape (d, m)."""
    masks = (data["X"] @ data["G"] >= 0.0).astype(float)
    residual = data["y"] - np.einsum("ij,ij->i", masks, data["X"] @ weights)
    return float(0.5 * residual @ residual + data["gamma"] * np.sum(np.linalg.norm(weights, axis=0)))


def ours(data: Arrays, tolerance: float) -> dict[str, Any]:
    from sdprelax.gated_lasso import gated_lasso

    masks = (data["X"] @ data["G"] >= 0.0).astype(float)
    started = time.perf_counter()
    found = gated_lasso(data["X"], masks, data["y"], float(data["gamma"]), tolerance=tolerance)
    seconds = time.perf_counter() - started
    return {"value": value(data, found.weights), "dual_value": found.dual_value, "seconds": seconds,
            "iterations": found.iterations}  # fmt: skip


def pyscnn(data: Arrays, tolerance: float) -> dict[str, Any]:
    from scnn.metrics import Metrics
    from scnn.models import ConvexGatedReLU
    from scnn.optimize import optimize_model
    from scnn.regularizers import NeuronGL1
    from scnn.solvers import RFISTA

    model = ConvexGatedReLU(data["G"], c=1)
    # Their loss is ½‖·‖²/(n·c); columns of unit length would change the penalty.
    penalty = NeuronGL1(float(data["gamma"]) / len(data["y"]))
    started = time.perf_counter()
    trained, _ = optimize_model(
        model, RFISTA(model, max_iters=STEPS, tol=tolerance), Metrics(metric_freq=STEPS), data["X"], data["y"],
        regularizer=penalty, return_convex=True, unitize_data=False, dtype="float64",
    )  # fmt: skip
    seconds = time.perf_counter() - started
    # Gates of one pattern count once there; their weights come with the gates that were kept.
    return {"value": value({**data, "G": trained.G}, trained.parameters[0][0].T), "seconds": seconds}


def cvxpy_clarabel(data: Arrays, tolerance: float) -> dict[str, Any]:
    import cvxpy as cp

    masks = (data["X"] @ data["G"] >= 0.0).astype(float)
    started = time.perf_counter()
    W = cp.Variable((data["X"].shape[1], masks.shape[1]))
    residual = data["y"] - cp.sum(cp.multiply(masks, data["X"] @ W), axis=1)
    penalty = cp.sum(cp.norm(W, axis=0))
    cp.Problem(cp.Minimize(0.5 * cp.sum_squares(residual) + float(data["gamma"]) * penalty)).solve(
        solver="CLARABEL", tol_gap_rel=tolerance, tol_gap_abs=tolerance, max_threads=1
    )
    return {"value": value(data, W.value), "seconds": time.perf_counter() - started}


SOLVERS = {"ours": ours, "pyscnn": pyscnn, "cvxpy": cvxpy_clarabel}


def apart(python: str, solver: str, tolerance: float, data: Path) -> dict[str, Any]:
    """Run one solver in a process of its own, on one thread."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [python, __file__, "--measure", solver, str(data), str(tolerance)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{solver} did not run in {python}:\n{done.stderr[-1000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"solver": solver, "tolerance": tolerance, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[1]
    parser.add_argument("--measure", nargs=3, metavar=("SOLVER", "DATA", "TOLERANCE"), help=argparse.SUPPRESS)
    parser.add_argument("--python", help="interpreter that has pyscnn (default: compare with CVXPY instead)")
    parser.add_argument("--out", type=Path, default=root / "results" / "published")
    given = parser.parse_args()
    if given.measure:
        solver, path, tolerance = given.measure
        print(json.dumps(SOLVERS[solver](dict(np.load(path)), float(tolerance))))
        return
    import pandas as pd

    rival = [(given.python, "pyscnn", tolerance) for tolerance in THEIRS]
    if given.python is None:
        rival = [(sys.executable, "cvxpy", 1e-8)]
    rows: list[dict[str, Any]] = []
    for name, n, d, gates in CASES if given.python else CASES[1:2]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "data.npz"
            data = case(n, d, gates)
            np.savez(path, **data)
            runs = [(sys.executable, "ours", tolerance) for tolerance in OURS] + rival
            repeats = [[apart(python, *run, path) for python, *run in runs] for _ in range(REPEATS)]
        found = repeats[0]
        for k, row in enumerate(found):
            row["seconds"] = float(np.median([repeat[k]["seconds"] for repeat in repeats]))
        least = min(row["value"] for row in found)
        for row in found:
            row = {"data": name, "gates": gates, "gamma": float(data["gamma"]), **row}
            row["excess"], row["time_ratio"] = row["value"] / least - 1.0, row["seconds"] / found[0]["seconds"]
            rows.append(row)
            print({key: f"{v:.4g}" if isinstance(v, float) else v for key, v in row.items()}, flush=True)
        given.out.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(given.out / "gated.csv", index=False, float_format="%.10g")


if __name__ == "__main__":
    main()
