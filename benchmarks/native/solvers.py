"""Certified bound against time: `native` beside Clarabel and SCS on P25's data, in one run.

    python benchmarks/native/solvers.py [--data ../shared/data/p25] [--only NAME ...] [--threads N]

Every run has a process of its own, with the memory limit that --memory says, and the time limit of its row; modelling
and compiling count. What is recorded: every certified bound with its time, peak memory, and an *upper value* of the
relaxation, the objective of a feasible point made from the solver's. The gap of a bound is 1 − bound/(least upper value
of any run). Writes native_solvers.csv, native_traces.csv and native_solvers.png.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sdprelax import Problem, SdprelaxError
from sdprelax.certificate import relaxation_certificate
from sdprelax.deadline import Deadline
from sdprelax.lifting import LiftedProgram
from sdprelax.partition import whole_space
from sdprelax.reduction import reduce_inputs
from sdprelax.relaxation import solve_relaxation
from sdprelax.solvers import solvers
from sdprelax.solvers.interior_point import primal_start
from sdprelax.units import Units
from sdprelax.verified import Floats

GAMMA = 0.1
# Seconds per data set, and what is run on it: (solver, form, options).
NATIVE = ("native", "reduced", {})
CLARABEL = ("clarabel", "reduced", {"tolerance": 1e-6})
SCS = [("scs", form, {"tolerance": 1e-5, "max_iterations": 10**7}) for form in ("reduced", "lifted")]
CASES: dict[str, tuple[float, list[tuple[str, str, dict[str, Any]]]]] = {
    "random": (60, [NATIVE, CLARABEL, *SCS]),
    "spiral": (60, [NATIVE, CLARABEL, *SCS]),
    "iris": (180, [NATIVE, CLARABEL, *SCS]),
    "ionosphere": (60, [NATIVE, *SCS]),
    "pima": (180, [NATIVE, *SCS]),
    "bank_notes": (600, [NATIVE, *SCS]),
    "mnist": (1200, [NATIVE, *SCS]),
}
# Rows of Bank Notes that are nearly parallel are one generator, as method sdp does it.
PARALLEL = {"bank_notes": 1e-5}


def problem(folder: Path, name: str, rows: int | None = None) -> Problem:
    """Return P25's training problem, or its first rows."""
    data = np.load(folder / f"{ {'pima': 'pima_indians', 'mnist': 'mnist_pca20'}.get(name, name) }.npz")
    if name == "random":
        return Problem(data["X"][0], data["Y"][0], GAMMA)
    if name == "spiral":
        return Problem(data["X"], np.eye(3)[data["y"]], GAMMA)
    X = data["X_train"].astype(float)
    Y = np.eye(10)[data["y_train"]] if name == "mnist" else data["Y_train"].astype(float)
    return Problem(X[:rows], Y[:rows], GAMMA)


def upper_value(lifting: LiftedProgram, lifted: Floats) -> float:
    """Return the objective of a feasible point of the relaxation near Λ, in the units of its problem.

    In the metric of I = Σλλᵀ over true neurons (``primal_start``): the twins Λ_{α_iβ_i} are set to 0 by the change
    IGᵀ(diag θ)GI that does so; every negative entry gets as much of its own pair's neuron, at x̂_i ± x̂_j, as lifts it to
    0; and as much of I is added as makes all semidefinite.
    """
    g, order, rows = lifting.generators, lifting.face.shape[1], lifting.reduction.rows
    k, twins = g + lifting.reduction.rank, np.arange(g)
    S = 0.5 * (lifted + lifted.T)[g:, g:]
    inside = np.zeros((order, order))
    inside[:k, :k] = primal_start(rows)
    inside[k:, k:] = np.eye(order - k) * np.trace(inside[g:k, g:k]) / (order - k)
    G = lifting.face[: 2 * g, :k]

    def images(matrix: Floats) -> Floats:
        return np.asarray(G @ matrix[:k, :k] @ G.T)

    Q = images(inside)
    gram = Q[:g, :g] * Q[g:, g:] + Q[:g, g:] * Q[g:, :g]
    theta = np.linalg.lstsq(gram, images(S)[twins, twins + g], rcond=1e-12)[0]
    form = (G[:g] * theta[:, None]).T @ G[g:]
    S[:k, :k] -= inside[:k, :k] @ (form + form.T) @ inside[:k, :k]
    P = images(S)
    P[twins, twins + g] = P[twins + g, twins] = 0.0
    first, second = np.nonzero(np.triu(P) < 0.0)
    for start in range(0, len(first), 10_000):
        a, b = first[start : start + 10_000], second[start : start + 10_000]
        w = np.where(a < g, 1.0, -1.0)[:, None] * rows[a % g] + np.where(b < g, 1.0, -1.0)[:, None] * rows[b % g]
        w /= np.linalg.norm(w, axis=1)[:, None]
        z = np.hstack([np.maximum(-w @ rows.T, 0.0), w])
        own = np.sum(z * G[a], axis=1) * np.sum(z * G[b], axis=1)
        S[:k, :k] += (z * (-P[a, b] / own)[:, None]).T @ z
    lower = np.linalg.cholesky(inside)
    half = np.linalg.solve(lower, S)
    share = max(0.0, -float(np.linalg.eigvalsh(np.linalg.solve(lower, half.T))[0]))
    S = S + share * (1.0 + 1e-9) * inside
    P = images(S)
    if max(np.max(np.abs(P[twins, twins + g])), -np.min(P)) > 1e-9 * np.max(P):
        return math.inf
    return lifting.objective(lifting.face @ S @ lifting.face.T)


def measure(folder: Path, name: str, solver: str, form: str, options: dict[str, Any], limit: float) -> dict[str, Any]:
    """Solve and certify once, in this process."""
    units = Units.of(problem(folder, name))
    lifting = LiftedProgram(units.problem, reduce_inputs(units.problem.inputs, PARALLEL.get(name, 1e-13)))
    deadline, trace = Deadline(limit), []

    def prove(A: Floats, N: Floats) -> float:
        lower = relaxation_certificate(units.problem, lifting.reduction, A, [N]).lower
        trace.append((deadline.elapsed, units.value(lower)))
        return lower

    found: dict[str, Any] = {"data": name, "solver": solver, "form": form, "limit": limit, "status": "no point"}
    try:
        space = [whole_space(lifting.generators)]
        solution = solve_relaxation(lifting, form, space, solvers.create(solver, options), deadline, prove)  # type: ignore[arg-type]
        seconds = deadline.elapsed
        prove(solution.multiplier, solution.multipliers[0])
        found |= {"status": solution.solved.status, "seconds": seconds, "log": solution.solved.log.strip()}
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found["claim"] = None if solution.solved.value is None else units.value(solution.solved.value)
        found["upper"] = units.value(upper_value(lifting, solution.lifted))
    except MemoryError:
        found["status"] = "out of memory"
    except SdprelaxError as error:
        found["status"] = str(error)
    found["seconds"] = found.get("seconds", deadline.elapsed)
    found["trace"] = trace
    found["lower"] = max((lower for _, lower in trace), default=0.0)
    return found


def measured_apart(
    folder: Path, name: str, solver: str, form: str, options: dict[str, Any], limit: float, threads: int, memory: float
) -> dict[str, Any]:
    """Measure in a process of its own, ended at the memory limit or a minute after 1.1 times the time limit."""
    count = str(threads)
    environment = {
        **os.environ, "OPENBLAS_NUM_THREADS": count, "OMP_NUM_THREADS": count, "RAYON_NUM_THREADS": count,
        "NUMBA_NUM_THREADS": count,
    }  # fmt: skip
    task = json.dumps([str(folder), name, solver, form, options, limit])
    command = [sys.executable, __file__, "--measure", task, "--memory", str(memory)]
    started = time.monotonic()
    empty = {"data": name, "solver": solver, "form": form, "limit": limit, "lower": 0.0, "trace": []}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=1.1 * limit + 60, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {**empty, "status": "killed: still compiling", "seconds": time.monotonic() - started}
    if done.returncode != 0:
        memory_gone = "MemoryError" in done.stderr or "alloc" in done.stderr or done.returncode < 0
        status = "out of memory" if memory_gone else (done.stderr.strip().splitlines() or ["failed"])[-1]
        return {**empty, "status": status, "seconds": time.monotonic() - started}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def picture(runs: pd.DataFrame, traces: pd.DataFrame, path: Path) -> None:
    """Draw every certified bound's gap to the least upper value against its time, a panel per data set."""
    if traces.empty:
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(runs["data"]))
    columns = min(4, len(names))
    figure, axes = plt.subplots(
        math.ceil(len(names) / columns), columns, figsize=(3.1 * columns, 2.7 * math.ceil(len(names) / columns)),
        squeeze=False, sharey=True, layout="constrained",
    )  # fmt: skip
    styles = {"native": ("C0", "-"), "clarabel": ("C1", ""), "scs": ("C2", "")}
    markers = {"reduced": "o", "lifted": "s"}
    for axis, name in zip(axes.ravel(), names, strict=False):
        group = runs[runs["data"] == name]
        upper = group["upper"].min()
        for index, row in group.iterrows():
            colour, line = styles[row["solver"]]
            trace = traces[traces["run"] == index]
            gaps = np.maximum(1.0 - trace["lower"].cummax() / upper, 1e-5)
            label = row["solver"] if row["solver"] != "scs" else f"scs, {row['form']}"
            if line and len(trace):
                axis.plot(trace["seconds"], gaps, line, color=colour, label=label)
            elif row["lower"] > 0.0:
                axis.plot(row["seconds"], max(1.0 - row["lower"] / upper, 1e-5), markers[row["form"]], color=colour,
                          label=label)  # fmt: skip
        axis.axhline(0.02, color="0.7", lw=0.8, ls="--")
        axis.set(title=name.replace("_", " "), xscale="log", yscale="log", ylim=(5e-5, 1.2), xlabel="seconds")
        axis.legend(fontsize=7, loc="lower left")
    for axis in axes.ravel()[len(names) :]:
        axis.axis("off")
    for row in axes:
        row[0].set_ylabel("gap of the certified bound")
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/p25"))
    parser.add_argument("--only", choices=CASES, action="append", help="data sets (default: all)")
    parser.add_argument("--solver", action="append", help="solvers (default: all)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", type=float, default=12.0, help="GB of address space a run may have")
    parser.add_argument("--out", type=Path, default=Path("results/published"))
    chosen = parser.parse_args()
    if chosen.measure:
        folder, name, solver, form, options, limit = json.loads(chosen.measure)
        most = int(chosen.memory * 1e9)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        print(json.dumps(measure(Path(folder), name, solver, form, options, limit)))
        return
    if not chosen.data.is_dir():
        parser.error(f"{chosen.data} has no P25 arrays: say where they are with --data")
    runs, traces = [], []
    for name in chosen.only or CASES:
        limit, tasks = CASES[name]
        for solver, form, options in tasks:
            if chosen.solver and solver not in chosen.solver:
                continue
            run = measured_apart(chosen.data, name, solver, form, options, limit, chosen.threads, chosen.memory)
            key = {"run": len(runs), "data": name, "solver": solver, "form": form}
            traces += [{**key, "seconds": seconds, "lower": lower} for seconds, lower in run.pop("trace")]
            runs.append({"upper": None, "peak_mb": None, "claim": None, "threads": chosen.threads, **run})
            print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
            chosen.out.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(runs).to_csv(chosen.out / "native_solvers.csv", index=False)
            pd.DataFrame(traces).to_csv(chosen.out / "native_traces.csv", index=False)
    picture(pd.DataFrame(runs), pd.DataFrame(traces), chosen.out / "native_solvers.png")


if __name__ == "__main__":
    main()
