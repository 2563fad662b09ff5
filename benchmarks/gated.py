"""The gated ReLU program by our solvers, by pyscnn (Mishkin) and by skglm: same data, gates and objective, float64.

    python benchmarks/gated.py [--python /tmp/scnn/bin/python] [--threads 2] [--only "random 1000×50"]      # gated.csv

pyscnn needs torch, so it and skglm get an environment of their own:
``python3 -m venv /tmp/scnn && /tmp/scnn/bin/pip install pyscnn skglm``.
Without ``--python`` the rival is CVXPY with Clarabel, on the smallest problem. ``gap`` is relative, and proved by the
multiple of the residual that is feasible for every gate, whoever found the weights; ``excess`` is the value above the
least value of any run, relative; ``time_ratio`` is to the first row of ours whose gap is at most 1e-4. Runs alternate;
seconds are medians of three (of one run for the last three cases, without skglm).
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from harness import Benchmark, Row, Run, alternated, ratio, stopwatch, summary
from problems import dual_value

benchmark = Benchmark(__doc__, python=(None, "interpreter that has pyscnn and skglm (default: CVXPY instead)"))

# Name, n, d, gates; γ is this share of the γ from which on all weights are 0.
CASES = (
    ("random 500×20", 500, 20, 100), ("ionosphere-sized 175×34", 175, 34, 100), ("random 1000×50", 1000, 50, 500),
    ("random 1000×50, γ/10", 1000, 50, 500), ("random 1000×50, 10⁴ gates", 1000, 50, 10_000),
    ("random 10000×100", 10_000, 100, 1_000),
)  # fmt: skip
TINY = (("random 20×3", 20, 3, 4),)
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
    return {"value": float(value), "gap": float((value - dual_value(X, masks, y, residual, gamma)) / value)}


def ours(data: str, solver: str, tolerance: float) -> Row:
    from sdprelax.lasso import Masked, Program, Stop, solve_program

    arrays, passed = dict(np.load(data)), stopwatch()
    masks = (arrays["X"] @ arrays["G"] >= 0.0).astype(float)
    program = Program(float(arrays["gamma"]), "frobenius", Masked(arrays["X"], masks), arrays["y"][:, None])
    found = solve_program(program, solver, Stop(tolerance))
    # The best dual point may be an earlier one than the last residual.
    return {**passed(), "value": found.value, "gap": found.gap, "iterations": found.iterations}


def skglm(data: str, tolerance: float) -> Row:
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

    arrays, few = dict(np.load(data)), case(20, 3, 4)
    passed = stopwatch()
    fit(few["X"], few["y"], few["G"], float(few["gamma"]))
    compiled, passed = passed()["processor"], stopwatch()
    weights, iterations = fit(arrays["X"], arrays["y"], arrays["G"], float(arrays["gamma"]))
    cost = {**passed(), "compile": compiled, "iterations": int(iterations)}
    return {**judged(arrays, arrays["G"], weights), **cost}


def pyscnn(data: str, tolerance: float) -> Row:
    from scnn.metrics import Metrics
    from scnn.models import ConvexGatedReLU
    from scnn.optimize import optimize_model
    from scnn.regularizers import NeuronGL1
    from scnn.solvers import RFISTA

    arrays = dict(np.load(data))
    model = ConvexGatedReLU(arrays["G"], c=1)
    # Their loss is ½‖·‖²/(n·c); columns of unit length would change the penalty.
    penalty = NeuronGL1(float(arrays["gamma"]) / len(arrays["y"]))
    passed = stopwatch()
    trained, _ = optimize_model(
        model, RFISTA(model, max_iters=STEPS, tol=tolerance), Metrics(metric_freq=STEPS), arrays["X"], arrays["y"],
        regularizer=penalty, return_convex=True, unitize_data=False, dtype="float64",
    )  # fmt: skip
    cost = passed()
    # Gates of one pattern count once there; their weights come with the gates that were kept.
    return {**judged(arrays, trained.G, trained.parameters[0][0].T), **cost}


def clarabel(data: str, tolerance: float) -> Row:
    import cvxpy as cp

    arrays, passed = dict(np.load(data)), stopwatch()
    masks = (arrays["X"] @ arrays["G"] >= 0.0).astype(float)
    W = cp.Variable((arrays["X"].shape[1], masks.shape[1]))
    residual = arrays["y"] - cp.sum(cp.multiply(masks, arrays["X"] @ W), axis=1)
    penalty = cp.sum(cp.norm(W, axis=0))
    cp.Problem(cp.Minimize(0.5 * cp.sum_squares(residual) + float(arrays["gamma"]) * penalty)).solve(
        solver="CLARABEL", tol_gap_rel=tolerance, tol_gap_abs=tolerance, max_threads=1
    )
    cost = passed()
    return {**judged(arrays, arrays["G"], W.value), **cost}


@benchmark.part(
    "gated", by=("data",),
    columns=("data", "gates", "gamma", "threads", "solver", "tolerance", "value", "gap", "seconds", "iterations",
             "excess", "time_ratio"),
)  # fmt: skip
def gated(run: Run) -> Iterator[Row]:
    python = run.options["python"]
    for name, n, d, gates in run.choose(CASES if python else CASES[1:2], tiny=TINY):
        if not run.wants(name):
            continue
        small = n * d * gates <= LARGEST_MATRIX and "γ/10" not in name
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "data.npz"
            data = case(n, d, gates, SHARE / 10 if "γ/10" in name else SHARE)
            np.savez(path, **data)
            calls = {
                (solver, tolerance): functools.partial(run.apart, ours, solver=solver)
                for solver, tolerance in OURS if solver != "irls" or n <= LARGEST_KERNEL
            }  # fmt: skip
            if python is None:
                calls["cvxpy", 1e-8] = functools.partial(run.apart, clarabel)
            else:
                theirs = [(pyscnn, tolerance) for tolerance in (PYSCNN if small else PYSCNN[::2])]
                theirs += [(skglm, tolerance) for tolerance in SKGLM if small]
                calls |= {(peer.__name__, t): functools.partial(run.apart, peer, python=python) for peer, t in theirs}
            contestants = {
                key: functools.partial(call, data=str(path), tolerance=key[1]) for key, call in calls.items()
            }
            found = alternated(contestants, run.choose(REPEATS if small else 1, tiny=1))
        rows = [summary(times) | {"solver": key[0], "tolerance": key[1]} for key, times in found.items()]
        least = min(row["value"] for row in rows)
        unit = next((row for row in rows if row["gap"] <= 1.01e-4), None)
        for row in rows:
            row |= {"data": name, "gates": gates, "gamma": float(data["gamma"]), "threads": run.threads}
            yield row | {"excess": row["value"] / least - 1.0, "time_ratio": ratio(row, unit)}


if __name__ == "__main__":
    benchmark.main()
