"""The gated ReLU program by our solvers, by pyscnn (Mishkin) and by skglm: same data, gates and objective, float64.

    python benchmarks/gated.py [--python /tmp/scnn/bin/python] [--threads 2] [--case "random 1000×50"]
                               [--out results/published]

pyscnn needs torch, so it and skglm get an environment of their own:
``python3 -m venv /tmp/scnn && /tmp/scnn/bin/pip install pyscnn skglm``.
Without ``--python`` the rival is CVXPY with Clarabel, on the smallest problem. ``gap`` is relative, and proved by the
multiple of the residual that is feasible for every gate, whoever found the weights; ``excess`` is the value above the
least value of any run, relative; ``time_ratio`` is to the first row of ours whose gap is at most 1e-4. Runs alternate;
seconds are medians of three (of one run for the last three cases, without skglm). Writes gated.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# Name, n, d, gates; γ is this share of the γ from which on all weights are 0.
CASES = (
    ("random 500×20", 500, 20, 100), ("ionosphere-sized 175×34", 175, 34, 100), ("random 1000×50", 1000, 50, 500),
    ("random 1000×50, γ/10", 1000, 50, 500), ("random 1000×50, 10⁴ gates", 1000, 50, 10_000),
    ("random 10000×100", 10_000, 100, 1_000),
)  # fmt: skip
SHARE = 0.01
# Ours stop at a duality gap, theirs at the squared norm of the least subgradient of the objective over n (pyscnn, 1e-6
# by default) or at its largest violation over γ (skglm).
OURS = (("irls", 1e-4), ("irls", 1e-8), ("fista", 1e-4), ("fista", 1e-6))
PYSCNN, SKGLM = (1e-6, 1e-8, 1e-10, 1e-12), (1e-4, 1e-6)
STEPS = 20_000
REPEATS = 3
# Beyond: a matrix of n×md for skglm, and n×n for irls, in doubles.
LARGEST_MATRIX, LARGEST_KERNEL = 100_000_000, 2_000

Arrays = dict[str, np.ndarray]


def case(n: int, d: int, gates: int, share: float = SHARE) -> Arrays:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    y = np.maximum(X @ rng.standard_normal(d), 0.0) + 0.1 * rng.standard_normal(n)
    G = rng.standard_normal((d, gates))
    masks = (X @ G >= 0.0).astype(float)
    gamma = share * np.max(np.linalg.norm(X.T @ (masks * y[:, None]), axis=0))
    return {"X": X, "y": y, "G": G, "gamma": gamma}


def judged(data: Arrays, gates: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Return the objective at weights of shape (d, k) of k gates, and its gap to what the residual proves for all."""
    X, y, gamma = data["X"], data["y"], float(data["gamma"])
    residual = y - np.einsum("ij,ij->i", (X @ gates >= 0.0).astype(float), X @ weights)
    value = 0.5 * residual @ residual + gamma * np.sum(np.linalg.norm(weights, axis=0))
    masks = (X @ data["G"] >= 0.0).astype(float)
    steepest = np.max(np.linalg.norm(X.T @ (masks * residual[:, None]), axis=0))
    scale = min(residual @ y / (residual @ residual), gamma / steepest)
    dual = scale * residual @ y - 0.5 * scale**2 * residual @ residual
    return {"value": float(value), "gap": float((value - dual) / value)}


def ours(solver: str) -> Callable[[Arrays, float], dict[str, Any]]:
    def run(data: Arrays, tolerance: float) -> dict[str, Any]:
        from sdprelax.gated_training import GatedProgram, train

        masks = (data["X"] @ data["G"] >= 0.0).astype(float)
        program = GatedProgram(data["X"], masks, data["y"][:, None], float(data["gamma"]))
        started = time.perf_counter()
        found = train(program, solver, tolerance=tolerance)
        seconds = time.perf_counter() - started
        # The best dual point may be an earlier one than the last residual.
        return {"value": found.value, "gap": found.gap, "seconds": seconds, "iterations": found.iterations}

    return run


def skglm(data: Arrays, tolerance: float) -> dict[str, Any]:
    from skglm import GeneralizedLinearEstimator
    from skglm.datafits import QuadraticGroup
    from skglm.penalties import WeightedGroupL2
    from skglm.solvers import GroupBCD
    from skglm.utils.data import grp_converter

    def fit(X: np.ndarray, y: np.ndarray, G: np.ndarray, gamma: float) -> tuple[np.ndarray, int]:
        (n, d), m = X.shape, G.shape[1]
        masks = (X @ G >= 0.0).astype(float)
        features = np.asfortranarray((masks[:, :, None] * X[:, None, :]).reshape(n, m * d))
        indices, ends = grp_converter(d, m * d)
        # Their loss is ½‖·‖²/n.
        model = GeneralizedLinearEstimator(
            QuadraticGroup(ends, indices), WeightedGroupL2(gamma / n, np.ones(m), ends, indices),
            GroupBCD(max_iter=1_000, max_epochs=STEPS, tol=tolerance * gamma / n, fit_intercept=False),
        )  # fmt: skip
        model.fit(features, y)
        return model.coef_.reshape(m, d).T, model.n_iter_

    few = case(20, 3, 4)
    fit(few["X"], few["y"], few["G"], float(few["gamma"]))  # compiles
    started = time.perf_counter()
    weights, iterations = fit(data["X"], data["y"], data["G"], float(data["gamma"]))
    seconds = time.perf_counter() - started
    return {**judged(data, data["G"], weights), "seconds": seconds, "iterations": int(iterations)}


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
    return {**judged(data, trained.G, trained.parameters[0][0].T), "seconds": seconds}


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
    return {**judged(data, data["G"], W.value), "seconds": time.perf_counter() - started}


SOLVERS: dict[str, Callable[[Arrays, float], dict[str, Any]]] = {
    "irls": ours("irls"), "fista": ours("fista"), "pyscnn": pyscnn, "skglm": skglm, "cvxpy": cvxpy_clarabel,
}  # fmt: skip


def apart(threads: int, python: str, solver: str, tolerance: float, data: Path) -> dict[str, Any]:
    """Run one solver in a process of its own."""
    count = str(threads)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": count, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
    environment["NUMBA_NUM_THREADS"] = count
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
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--case",
        action="append",
        help="name of a case (repeat for several); all by default, and others keep their rows",
    )
    given = parser.parse_args()
    if given.measure:
        solver, path, tolerance = given.measure
        print(json.dumps(SOLVERS[solver](dict(np.load(path)), float(tolerance))))
        return
    import pandas as pd

    rows: list[dict[str, Any]] = []
    written = given.out / "gated.csv"
    if given.case and written.exists():
        # Cases that are not asked for keep their rows.
        earlier = pd.read_csv(written)
        rows = earlier[~earlier["data"].isin(given.case)].to_dict("records")
    for name, n, d, gates in CASES if given.python else CASES[1:2]:
        if given.case and name not in given.case:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "data.npz"
            data = case(n, d, gates, SHARE / 10 if "γ/10" in name else SHARE)
            np.savez(path, **data)
            small = n * d * gates <= LARGEST_MATRIX and "γ/10" not in name
            runs = [(sys.executable, *run) for run in OURS if (run[0] != "irls" or n <= LARGEST_KERNEL)]
            if given.python is None:
                runs.append((sys.executable, "cvxpy", 1e-8))
            else:
                runs += [(given.python, "pyscnn", tolerance) for tolerance in (PYSCNN if small else PYSCNN[::2])]
                runs += [(given.python, "skglm", tolerance) for tolerance in SKGLM if small]
            times = REPEATS if small else 1
            repeats = [[apart(given.threads, python, *run, path) for python, *run in runs] for _ in range(times)]
        found = repeats[0]
        for k, row in enumerate(found):
            row["seconds"] = float(np.median([repeat[k]["seconds"] for repeat in repeats]))
        least = min(row["value"] for row in found)
        unit = next((row["seconds"] for row in found if row["gap"] <= 1.01e-4), float("nan"))
        for row in found:
            row = {"data": name, "gates": gates, "gamma": float(data["gamma"]), "threads": given.threads, **row}
            row["excess"], row["time_ratio"] = row["value"] / least - 1.0, row["seconds"] / unit
            rows.append(row)
            print({key: f"{v:.4g}" if isinstance(v, float) else v for key, v in row.items()}, flush=True)
        given.out.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(written, index=False, float_format="%.10g")


if __name__ == "__main__":
    main()
